//! The guide says what the code says: its links lead somewhere, what it quotes
//! stands there, and every reason that the code can give is explained.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use devp2p_core::discv4::Drops;
use devp2p_core::driver::SocketFailure;
use devp2p_core::nat;
use devp2p_core::node::{DialFailure, DialRefusal, Ends, IncomingRefusal, Reason, Refusal};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::store::Operation;

const OPERATORS: &str = include_str!("../../docs/operators.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands below a heading, down to the next.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let rest = &text[start + 1..];
    rest[1..].find("\n## ").map_or(rest, |end| &rest[..=end])
}

/// The names in the first column of its table.
fn explained(heading: &str) -> BTreeSet<&'static str> {
    let rows = section(OPERATORS, heading).lines().filter_map(|line| line.strip_prefix("| "));
    let first = rows.filter_map(|row| row.split(" | ").next());
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// No label is missing, and none is there that the code does not have.
fn assert_explained(heading: &str, labels: impl IntoIterator<Item = &'static str>) {
    let labels: BTreeSet<_> = labels.into_iter().collect();
    assert!(!labels.is_empty());
    assert_eq!(explained(heading), labels, "{heading}");
}

fn of<R: Reason>() -> impl Iterator<Item = &'static str> {
    R::ALL.iter().map(|reason| reason.label())
}

#[test]
fn every_reason_that_is_counted_is_explained() {
    assert_explained("Inbound connections", of::<IncomingRefusal>());
    assert_explained("Refusals", of::<Refusal>());
    assert_explained("Dials that are not begun", of::<DialRefusal>());
    assert_explained("Dials that fail", of::<DialFailure>());
    assert_explained("What others say", of::<DisconnectReason>());
    let ends = Ends::default().by_name();
    assert_explained("How connections end", ends.iter().map(|(label, _)| *label));
    let drops = Drops::default();
    assert_explained("Dropped datagrams", drops.iter().map(|(label, _)| label));
    let gateway = nat::Counts::new();
    assert_explained("The gateway", gateway.failures_by_label().map(|(label, _)| label));
    assert_explained("The socket of discovery", SocketFailure::ALL.map(SocketFailure::label));
    let database = section(OPERATORS, "The node database");
    for operation in Operation::KINDS {
        assert!(database.contains(&format!("`{operation}`")), "{operation}");
    }
}

/// Those of an enum whose variants carry values are read from its source.
fn strings_of(source: &str, begin: &str) -> BTreeSet<String> {
    let source = read(&root().join(source));
    let start = source.find(begin).unwrap_or_else(|| panic!("no {begin}"));
    let body = &source[start..];
    let body = &body[..body.find("\n    }\n").unwrap()];
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_decision_of_the_journal_is_explained() {
    let labels = strings_of("core/src/node/journal.rs", "pub const fn label(&self)");
    assert!(labels.len() > 20, "{labels:?}");
    let explained: BTreeSet<_> =
        explained("What `explain` says").into_iter().map(str::to_owned).collect();
    assert_eq!(explained, labels);
}

#[test]
fn every_refusal_of_the_table_is_explained() {
    let texts = strings_of("core/src/kademlia/outcome.rs", "impl fmt::Display for Refusal");
    assert_eq!(texts.len(), 5, "{texts:?}");
    for text in texts {
        assert!(section(OPERATORS, "The table").contains(&format!("\"{text}\"")), "{text}");
    }
}

/// A new enum with labels shows here, and belongs into the tests above.
#[test]
fn no_labels_are_anywhere_else() {
    let mut labelled = Vec::new();
    for room in ["core/src", "handle/src", "adapter-host/src"] {
        labelled.extend(files(&root().join(room), "rs").into_iter().filter(|file| {
            let text = read(file);
            text.contains("fn label(") || text.contains("fn by_name(")
        }));
    }
    let mut names: Vec<_> = labelled
        .iter()
        .map(|file| file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "core/src/discv4/drop_reason.rs",
            "core/src/driver/datagrams.rs",
            "core/src/nat/counts.rs",
            "core/src/nat/mod.rs", // How a gateway is spoken to: no reason.
            "core/src/node/ends.rs",
            "core/src/node/journal.rs",
            "core/src/node/reasons.rs",
        ]
    );
}

/// Files of a folder, and of those in it that are no build's.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        let name = name.to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "bin", "corpus", "artifacts"].contains(&name.as_str()) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    found
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The lines outside of code, and the links in them that lead to files.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let ends = line.split("](").skip(1);
            links.extend(ends.filter_map(|end| end.split(')').next()).map(str::to_owned));
        }
    }
    links.retain(|link| !link.contains("://"));
    links
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    let packaged = root().join("packaging").exists();
    for page in files(&root(), "md") {
        let text = read(&page);
        for link in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            // Not every tree has what packagers need.
            if !packaged && path.contains("packaging/") {
                continue;
            }
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let headings = read(&target);
                let mut headings = headings.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == heading), "{}: {link}", page.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed}");
}

/// `<!-- quote: FILE -->` before a block of code says where it is from.
#[test]
fn what_is_quoted_stands_there() {
    let mut quotes = 0;
    for page in files(&root().join("docs"), "md") {
        let text = read(&page);
        for quote in text.split("<!-- quote: ").skip(1) {
            let (file, rest) = quote.split_once(" -->\n").unwrap();
            let code = rest.strip_prefix("```").unwrap().split_once('\n').unwrap().1;
            let code = &code[..code.find("```\n").unwrap()];
            assert!(code.lines().count() > 0);
            let source = read(&root().join(file));
            assert!(source.contains(code), "{}: {file}:\n{code}", page.display());
            quotes += 1;
        }
    }
    assert!(quotes >= 7, "{quotes}");
}

#[test]
fn the_targets_are_as_many_as_the_readme_says() {
    let row =
        format!("| fuzz targets for packets and handshakes | {} |", devp2p_fuzz::TARGETS.len());
    assert!(read(&root().join("README.md")).contains(&row), "{row}");
    let pages = ["fuzz/README.md", "docs/fuzzing.md"].map(|page| read(&root().join(page)));
    for (name, _) in devp2p_fuzz::TARGETS {
        assert!(pages.iter().all(|page| page.contains(&format!("`{name}`"))), "{name}");
    }
}

/// A case of interop by its name or the beginning of it, a file or folder by its
/// path.
#[test]
fn what_protocol_notes_say_is_checked_is_there() {
    let notes = read(&root().join("docs/protocol-notes.md"));
    let cases: String =
        files(&root().join("tests/interop/geth"), "go").iter().map(|file| read(file)).collect();
    let mut checks = 0;
    let rows = notes.lines().filter(|line| line.starts_with('|'));
    for cell in rows.filter_map(|row| row.rsplit(" | ").next()) {
        let names = cell.split('"').skip(1).step_by(2);
        for name in names.map(|name| name.trim_matches([' ', '…']).trim_start_matches("of ")) {
            assert!(cases.contains(name), "{name}");
            checks += 1;
        }
        for path in cell.split('`').skip(1).step_by(2).filter(|path| path.contains('/')) {
            assert!(root().join(path).exists(), "{path}");
            checks += 1;
        }
    }
    assert!(checks > 30, "{checks}");
}
