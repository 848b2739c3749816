//! Bytes between quotation marks, as Go's `strconv.Quote` puts them there.

use core::fmt::{self, Write as _};

use crate::output::is_visible;

/// Bytes, most likely text. What does not show is escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl Quoted<'_> {
    /// Without the marks.
    pub(crate) fn bare(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _ = self.write_bare(&mut text);
        text
    }

    fn write_bare(&self, f: &mut impl fmt::Write) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|character| quote(character, f))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.write_bare(f)?;
        f.write_char('"')
    }
}

fn quote(character: char, f: &mut impl fmt::Write) -> fmt::Result {
    match character {
        '"' | '\\' => write!(f, "\\{character}"),
        '\u{7}' => f.write_str("\\a"),
        '\u{8}' => f.write_str("\\b"),
        '\u{b}' => f.write_str("\\v"),
        '\u{c}' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        visible if is_visible(visible) => f.write_char(visible),
        other => match u32::from(other) {
            code @ ..0x80 => write!(f, "\\x{code:02x}"),
            code @ ..0x1_0000 => write!(f, "\\u{code:04x}"),
            code => write!(f, "\\U{code:08x}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_go_quotes_them() {
        for (bytes, quoted) in [
            (&b"v4"[..], r#""v4""#),
            (b"", r#""""#),
            (b"a\"b\\c'", r#""a\"b\\c'""#),
            (b"\x00\x07\x08\t\n\x0b\x0c\r\x1b\x7f", r#""\x00\a\b\t\n\v\f\r\x1b\x7f""#),
            ("ü\u{9b}\u{202e}\u{e0001}".as_bytes(), r#""ü\u009b\u202e\U000e0001""#),
            (b"\xff\xfe\xc3", r#""\xff\xfe\xc3""#),
        ] {
            assert_eq!(Quoted(bytes).to_string(), quoted);
        }
    }
}
