//! What is written: results to standard output, everything else to standard
//! error. What a peer says of itself never reaches a terminal unescaped, and a
//! closed pipe is never a panic.

use core::fmt::{self, Write as _};
use core::time::Duration;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::failure::Failure;

/// Prints one line.
pub(crate) fn line(what: &dyn fmt::Display) -> Result<(), Failure> {
    print(&format!("{what}\n"))
}

/// Prints one line of JSON.
pub(crate) fn json(what: &impl Serialize) -> Result<(), Failure> {
    print(&(to_json(what) + "\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)
}

/// Says on standard error how it goes.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    // Nothing depends on it.
    let _ = io::stderr().write_all(format!("{what}\n").as_bytes());
}

/// Milliseconds, to the microsecond.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Seconds, to the microsecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// Says on standard error what went wrong.
pub(crate) fn complain(what: fmt::Arguments<'_>) {
    // There is nowhere else to say it.
    let _ = io::stderr().write_all(format!("devp2p: {what}\n").as_bytes());
}

/// One line of JSON, without its end.
pub(crate) fn to_json(what: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Visible);
    // Our own structs of strings and numbers always serialize.
    let _ = what.serialize(&mut serializer);
    String::from_utf8(bytes).unwrap_or_default()
}

/// JSON in which every character that does not show is escaped: the standard
/// lets more pass than a terminal should see, U+009B among them.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut buffer = [0; 2];
        for character in fragment.chars() {
            if is_visible(character) {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in character.encode_utf16(&mut buffer) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Prints JSON that is laid out already, escaped as [`json`] does it.
pub(crate) fn json_text(text: &str) -> Result<(), Failure> {
    line(&String::from_utf8_lossy(&visible(text)))
}

/// JSON of somebody else's making in which every character that does not show is
/// escaped.
pub(crate) fn visible(text: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len() + 1);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        // What does not show stands within strings, where it may be escaped.
        let _ = Visible.write_string_fragment(&mut escaped, line);
        escaped.extend_from_slice(end.as_bytes());
    }
    escaped
}

/// A string of a peer's for a terminal: what does not show is escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_visible(character) && character != '\\' {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_debug())?;
            }
        }
        Ok(())
    }
}

/// Whether a character shows and moves nothing else: no control character, no
/// mark that turns the direction of writing, no line end of any alphabet.
pub(crate) fn is_visible(character: char) -> bool {
    let mut escaped = character.escape_debug();
    matches!(character, '\'' | '"' | '\\') || escaped.next() == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a peer might call itself.
    const HOSTILE: &str =
        "a\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\r\n\u{7f}\0\u{200b}\u{e0001}ü語\"'\\";

    fn shows(text: &str) -> bool {
        text.chars().all(|c| !c.is_control() && !"\u{202e}\u{2028}\u{200b}\u{e0001}".contains(c))
    }

    #[test]
    fn nothing_that_does_not_show_reaches_a_terminal() {
        let text = Escaped(HOSTILE).to_string();
        assert!(shows(&text), "{text:?}");
        assert!(text.starts_with(r"a\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\r\n"), "{text}");
        assert!(text.ends_with(r#"ü語"'\\"#), "{text}");
    }

    #[test]
    fn json_shows_and_still_says_the_same() {
        let text = to_json(&HOSTILE);
        assert!(shows(&text), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
    }
}
