//! What is logged, to standard error. Only the command line has a say in it, no
//! environment variable.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::args::{Args, LogFormat};
use crate::output;

/// Logs from now on, as much as asked for and in that form.
pub(crate) fn start(args: &Args) {
    let level = match args.verbosity {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let levels = args.log.clone().unwrap_or_else(|| Targets::new().with_default(level));
    // It would print to standard error that this cannot be written to.
    let lines = fmt::layer().with_ansi(false).log_internal_errors(false);
    match args.log_format {
        LogFormat::Text => registry().with(lines.with_writer(io::stderr)).with(levels).init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_writer(|| Visible(io::stderr()));
            registry().with(lines).with(levels).init();
        }
    }
}

/// Lines of JSON, each in one call, in which every character that does not show is
/// escaped.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&output::visible(&String::from_utf8_lossy(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_calls_itself_shows_in_a_line_of_json() {
        let mut written = Visible(Vec::new());
        written.write_all("{\"name\":\"\u{9b}2J\u{202e}\"}\n".as_bytes()).unwrap();
        assert_eq!(written.0, b"{\"name\":\"\\u009b2J\\u202e\"}\n");
    }
}
