//! A stream of JSON cut into its values: geth's IPC separates them by nothing, or
//! by line ends. Each byte is looked at once, however the stream is cut.

use core::fmt;

/// Finds the ends of objects and arrays in a stream.
#[derive(Debug)]
pub(crate) struct Framing {
    buffer: Vec<u8>,
    /// Where the value begins.
    start: usize,
    /// How far it has been looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    most: usize,
}

/// Why there is no value, nor will be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FramingError {
    /// Something else than an object or array.
    NotJson,
    /// A value of more bytes than are taken.
    TooLarge,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "not a JSON object or array",
            Self::TooLarge => "too large",
        })
    }
}

impl Framing {
    /// Takes values of so many bytes at most.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            most,
        }
    }

    /// These came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a value has begun that has not ended yet.
    pub(crate) const fn has_begun(&self) -> bool {
        self.depth > 0
    }

    /// The bytes of the next value, if they are all there.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        while let Some(byte) = self.buffer.get(self.scanned).copied() {
            self.scanned += 1;
            let is_whole = self.ends_with(byte)?;
            if self.scanned - self.start > self.most {
                return Err(FramingError::TooLarge);
            }
            if is_whole {
                let value = self.buffer[self.start..self.scanned].to_vec();
                self.forget();
                return Ok(Some(value));
            }
            if self.depth == 0 {
                self.start = self.scanned;
            }
        }
        if self.depth == 0 {
            self.forget();
        }
        Ok(None)
    }

    /// Whether a value ends with this byte.
    fn ends_with(&mut self, byte: u8) -> Result<bool, FramingError> {
        if self.in_string {
            if self.escaped {
                self.escaped = false;
            } else {
                self.escaped = byte == b'\\';
                self.in_string = byte != b'"';
            }
            return Ok(false);
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if self.depth == 0 => return Err(FramingError::NotJson),
            b'"' => self.in_string = true,
            b'}' | b']' => {
                self.depth -= 1;
                return Ok(self.depth == 0);
            }
            _ => {}
        }
        Ok(false)
    }

    /// What has been looked at is not needed any more.
    fn forget(&mut self) {
        self.buffer.drain(..self.scanned);
        (self.start, self.scanned) = (0, 0);
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, chunk: usize) -> Result<Vec<String>, FramingError> {
        let mut framing = Framing::new(100);
        let mut values = Vec::new();
        for bytes in text.as_bytes().chunks(chunk) {
            framing.push(bytes);
            while let Some(value) = framing.next()? {
                values.push(String::from_utf8(value).unwrap());
            }
        }
        assert!(!framing.has_begun());
        Ok(values)
    }

    #[test]
    fn values_are_found_however_the_stream_is_cut_and_whatever_separates_them() {
        let text = r#"{"a":"}\"]{"}[1,[2]]  {"b":"\\"}"#.to_owned() + "\r\n\n[]\n";
        let expected = [r#"{"a":"}\"]{"}"#, "[1,[2]]", r#"{"b":"\\"}"#, "[]"];
        for chunk in 1..text.len() {
            assert_eq!(values(&text, chunk).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_object_or_array_is_refused_at_its_first_byte() {
        for text in ["1", "\"a\"", "]", " }", "{}x", "GET / HTTP/1.1"] {
            assert_eq!(values(text, 1), Err(FramingError::NotJson), "{text}");
        }
    }

    #[test]
    fn a_value_that_is_too_large_is_refused_before_it_ends() {
        let large = |size: usize| format!("[\"{}\"]", "x".repeat(size - 4));
        assert_eq!(values(&large(100), 7).unwrap().len(), 1);
        for chunk in [1, 50, 1000] {
            assert_eq!(values(&large(101), chunk), Err(FramingError::TooLarge));
        }
    }
}
