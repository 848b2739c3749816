//! What the program says of itself to shells and to `man`, made from its arguments.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Args;
use crate::failure::Failure;

/// Prints what a shell needs to complete the command.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "devp2p", &mut script);
    if shell == Shell::Fish {
        script = without_dots(&script);
    }
    let mut output = io::stdout().lock();
    output.write_all(&script).and_then(|()| output.flush()).map_err(Failure::Output)
}

/// In the names of flags that may stand before a command fish takes no dot: it would
/// find nothing to complete at all.
fn without_dots(script: &[u8]) -> Vec<u8> {
    const WORDS: &str = "set -e cmd[1]\n";
    const RENAMED: &str = "set cmd (string replace -- --log.format --log_format $cmd)\n";

    let script = String::from_utf8_lossy(script).replace("log.format=", "log_format=");
    script.replace(WORDS, &format!("{WORDS}    {RENAMED}")).into_bytes()
}

/// Writes the manual: devp2p.1, devp2p-run.1, devp2p-key-generate.1 …
pub(crate) fn pages(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::File(directory.to_owned(), error))?;
    // `help` says what the pages say.
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    page(&command, directory)
}

/// A date that is not there, written out: nothing at all would put what follows it in
/// its place. Without a date the same program writes the same bytes.
const NO_DATE: &str = "\"\"";

/// With the words before it: "devp2p run".
fn name(command: &clap::Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// What a page has that arguments do not say: each a name, and what it is.
struct Sections {
    files: &'static [(&'static str, &'static str)],
    statuses: &'static [(&'static str, &'static str)],
}

const STATUSES: &[(&str, &str)] = &[
    ("0", "It is done, or nobody reads any more what it prints."),
    ("1", "It failed; one line on standard error, or with --json on standard output, says why."),
    ("2", "The command line is wrong; one line on standard error says how. Nothing was begun."),
    ("130", "SIGINT cut it short."),
    ("143", "SIGTERM cut it short."),
];

/// A node runs until it is told to stop: then it is done.
const STATUSES_OF_RUN: &[(&str, &str)] = &[
    ("0", "It was told to stop by SIGINT or SIGTERM, and has stopped."),
    (
        "1",
        "It could not start, or not tell what happens to the end; one line on standard error, or \
         with --json on standard output, says why.",
    ),
    STATUSES[2],
    ("130, 143", "SIGINT or SIGTERM cut it short a second time, before it had stopped."),
];

const FILES: &[(&str, &str)] = &[
    (
        "DIR/geth/LOCK",
        "Held while a node runs, ours or geth's: a data directory has one of them at a time.",
    ),
    ("DIR/geth/nodekey", "The secret key: 64 hex digits, mode 0600. It is who the node is."),
    (
        "DIR/geth/nodes/",
        "The node database, geth's: the nodes to begin with after a restart. A damaged one is set \
         aside beside it as nodes.damaged-N.",
    ),
    ("DIR/devp2p.ipc", "The admin socket, mode 0600, while a node runs."),
    ("DIR/nodekey, DIR/nodes/", "The same as geth 1.4 had them, used where they are there."),
];

impl Sections {
    /// Those of a command, by its name.
    fn of(name: &str) -> Self {
        match name {
            "devp2p" => Self { files: FILES, statuses: STATUSES },
            "devp2p run" => Self { files: FILES, statuses: STATUSES_OF_RUN },
            _ => Self { files: &[], statuses: &[] },
        }
    }

    fn render(&self, page: &mut dyn io::Write) -> io::Result<()> {
        let of_directory =
            "DIR is the data directory of \\fBdevp2p run\\fR, that of \\-\\-datadir.";
        for (title, above, entries) in
            [("EXIT STATUS", None, self.statuses), ("FILES", Some(of_directory), self.files)]
        {
            if entries.is_empty() {
                continue;
            }
            writeln!(page, ".SH \"{title}\"")?;
            if let Some(above) = above {
                writeln!(page, "{above}")?;
            }
            for (name, what) in entries {
                let (name, what) = (escaped(name), escaped(what));
                writeln!(page, ".TP\n\\fB{name}\\fR\n{what}")?;
            }
        }
        Ok(())
    }
}

/// A hyphen that can be searched for and copied.
fn escaped(text: &str) -> String {
    text.replace('-', "\\-")
}

/// The page of a command, and those of the commands within it.
fn page(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    let page = Man::new(command.clone())
        .date(NO_DATE)
        .source(concat!("devp2p ", env!("CARGO_PKG_VERSION")))
        .manual("Ethereum's devp2p");
    let file = directory.join(page.get_filename());
    let mut text = Vec::new();
    let sections = Sections::of(&name(command));
    let written = page
        .render(&mut text)
        .and_then(|()| sections.render(&mut text))
        .and_then(|()| fs::write(&file, &text));
    written.map_err(|error| Failure::File(file, error))?;
    let mut within = command.get_subcommands().filter(|command| !command.is_hide_set());
    within.try_for_each(|command| self::page(command, directory))
}
