//! `devp2p man` and `devp2p completions`: what they write is whole, and what reads it
//! takes it. `packaging/check` has more readers look at it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{command, run};

/// The commands that the help of a command lists.
fn within(words: &[&str]) -> Vec<String> {
    let help = run(&[words, &["--help"]].concat()).output;
    let list = help.iter().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| line.starts_with(' '));
    // What goes on from the line before is further in.
    let names = list.filter(|line| !line.starts_with("   ")).filter_map(|line| {
        line.split_whitespace().next().map(str::to_owned).filter(|name| name != "help")
    });
    names.collect()
}

/// Every command and every command within it, as words.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(words) = found.get(next).cloned() {
        let names: Vec<&str> = words.iter().map(String::as_str).collect();
        found.extend(within(&names).into_iter().map(|name| [&words[..], &[name]].concat()));
        next += 1;
    }
    found
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_command_has_its_page_and_nothing_else_has() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("share/man/man1");
    let written = run(&["man", directory.to_str().unwrap()]);
    assert_eq!((written.status, written.output.len(), written.errors.len()), (0, 0, 0));
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    let page = |words: &Vec<String>| [&["devp2p".to_owned()], &words[..]].concat().join("-") + ".1";
    assert_eq!(names(&directory), commands.iter().map(page).collect());
    let run = fs::read_to_string(directory.join("devp2p-run.1")).unwrap();
    let title = concat!(".TH devp2p-run 1 \"\" \"devp2p ", env!("CARGO_PKG_VERSION"), "\" ");
    for part in [title, ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", "ipcpath"] {
        assert!(run.contains(part), "{part}");
    }
}

#[test]
fn the_manual_says_how_it_exits_and_where_its_files_are() {
    let place = tempfile::tempdir().unwrap();
    run(&["man", place.path().to_str().unwrap()]);
    let page = |name: &str| {
        let text = fs::read_to_string(place.path().join(name)).unwrap();
        text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    };
    for name in ["devp2p.1", "devp2p-run.1"] {
        let text = page(name);
        let (_, statuses) = text.split_once(".SH \"EXIT STATUS\"\n").unwrap();
        let (statuses, files) = statuses.split_once(".SH \"FILES\"\n").unwrap();
        for status in ["0", "1", "2", "130", "143"] {
            let is_listed =
                statuses.lines().any(|line| line.split(", ").any(|number| number == status));
            assert!(is_listed, "{name}: {status} is not in {statuses}");
        }
        // What a node leaves in its directory, and its socket.
        for file in ["geth/LOCK", "geth/nodekey", "geth/nodes/", "devp2p.ipc"] {
            assert!(files.contains(&format!("\nDIR/{file}\n")), "{name}: {file} is not in {files}");
        }
    }
    assert!(!page("devp2p-key-to-id.1").contains("EXIT STATUS"));
}

#[test]
fn a_manual_that_cannot_be_written_is_told() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "precious").unwrap();
    let complaint = run(&["man", file.to_str().unwrap()]).complaint();
    assert!(complaint.contains("file"), "{complaint}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn completions_are_there_for_every_shell_that_has_them() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!((script.status, script.errors.len()), (0, 0));
        assert!(script.output.iter().any(|line| line.contains("discv4")), "{shell}");
    }
    assert_eq!(run(&["completions", "ksh"]).status, 2);
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = command(&["completions", "bash"]).output().unwrap().stdout;
    let completed = |words: &str, last: usize| {
        // As bash does when the tabulator is pressed.
        let ask = format!(
            "COMP_WORDS=({words}); COMP_CWORD={last}; \
             _devp2p devp2p \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noprofile", "-eu"]);
        let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = bash.stdin.take().unwrap();
        input.write_all(&script).unwrap();
        input.write_all(ask.as_bytes()).unwrap();
        drop(input);
        let output = bash.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(completed("devp2p di", 1), "discv4");
    assert_eq!(completed("devp2p key to-", 2), "to-id to-enode to-enr");
    assert_eq!(completed("devp2p run --ipc", 2), "--ipcpath --ipcdisable");
    assert_eq!(completed("devp2p run --runtime to", 3), "tokio");
}

#[test]
fn every_flag_of_run_stands_in_the_operators_guide() {
    const GUIDE: &str = include_str!("../../../docs/operators.md");
    let help = run(&["run", "--help"]).output;
    let lines = help.iter().map(|line| line.trim_start()).filter(|line| line.starts_with('-'));
    let flags = lines.filter_map(|line| line.split_once("--")?.1.split([' ', '=', '[']).next());
    let flags: Vec<_> = flags.filter(|flag| *flag != "help").collect();
    assert!(flags.len() > 25, "{flags:?}");
    for flag in flags {
        assert!(GUIDE.contains(&format!("`--{flag}")), "--{flag}");
    }
    // In the same words.
    for way in ["pmp[:IP]", "pcp[:IP]", "extip:IP", "stun[:HOST[:PORT]]"] {
        assert!(help.join(" ").contains(way) && GUIDE.contains(&format!("`{way}`")), "{way}");
    }
}
