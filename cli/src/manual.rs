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

/// The page of a command, and those of the commands within it.
fn page(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    let page = Man::new(command.clone())
        .date(NO_DATE)
        .source(concat!("devp2p ", env!("CARGO_PKG_VERSION")))
        .manual("Ethereum's devp2p");
    let file = directory.join(page.get_filename());
    let mut text = Vec::new();
    let written = page.render(&mut text).and_then(|()| fs::write(&file, &text));
    written.map_err(|error| Failure::File(file, error))?;
    let mut within = command.get_subcommands().filter(|command| !command.is_hide_set());
    within.try_for_each(|command| self::page(command, directory))
}
