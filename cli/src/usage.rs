//! What is said when the command line is not understood: one line, like any other
//! failure.

use clap::error::ErrorKind;

use crate::output;

/// Says it. Where help or the version was asked for, or no command was given, it is
/// that which is printed.
pub(crate) fn tell(error: &clap::Error) {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if error.use_stderr() && !is_help {
        output::complain(format_args!("{}", line(&error.render().to_string())));
    } else {
        // A closed pipe must not become a panic.
        let _ = error.print();
    }
}

/// clap's words without the usage, which `--help` tells.
fn line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let is_over = |line: &&str| line.starts_with("Usage:") || line.starts_with("For more info");
    let mut said = String::new();
    for part in text.lines().map(str::trim).take_while(|line| !is_over(line)) {
        if !said.is_empty() && !part.is_empty() {
            said.push_str(if part.starts_with("tip:") { "; " } else { " " });
        }
        said.push_str(part);
    }
    said
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn said(words: &[&str]) -> String {
        let error = Args::try_parse_from([&["devp2p"], words].concat()).unwrap_err();
        line(&error.render().to_string())
    }

    #[test]
    fn an_unknown_flag_is_told_with_the_nearest_in_one_line() {
        assert_eq!(
            said(&["run", "--maxpeer", "3"]),
            "unexpected argument '--maxpeer' found; tip: a similar argument exists: '--maxpeers'"
        );
        assert_eq!(
            said(&["runn"]),
            "unrecognized subcommand 'runn'; tip: a similar subcommand exists: 'run'"
        );
    }

    #[test]
    fn a_wrong_value_is_told_with_its_flag_in_one_line() {
        let said = said(&["run", "--port", "70000"]);
        assert_eq!(said, "invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535");
    }

    #[test]
    fn what_is_missing_is_told_in_one_line() {
        assert_eq!(
            said(&["rlpx", "ping"]),
            "the following required arguments were not provided: <ENODE>"
        );
    }
}
