//! How a target reads its input: in order, one small value after the other.
//!
//! An input means the same whatever follows it, so a fuzzer that appends,
//! removes or swaps pieces makes sensible neighbours of it, and a seed can be
//! written by hand. Nothing fails: what is missing is zero.

use core::time::Duration;

use arbitrary::Unstructured;

/// The input of one run.
#[derive(Debug)]
pub struct Tape<'a>(Unstructured<'a>);

impl<'a> Tape<'a> {
    /// Reads from the first byte on.
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// Whether all of it has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// One byte, as a choice between `0..count`.
    pub fn choice(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    /// One byte: yes if it is odd.
    pub fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Two bytes, the low one first.
    pub fn word(&mut self) -> u16 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// A number, small ones by one byte: 0xF0 and up announce 1 to 8 more
    /// (low ones first).
    pub fn number(&mut self) -> u64 {
        let first = self.byte();
        let Some(more) = first.checked_sub(0xF0) else { return u64::from(first) };
        let mut bytes = [0; 8];
        for byte in bytes.iter_mut().take(usize::from(more % 8) + 1) {
            *byte = self.byte();
        }
        u64::from_le_bytes(bytes)
    }

    /// Some time, of at most a million seconds: where the clock ends nothing can be
    /// waited for any more.
    pub fn time(&mut self) -> Duration {
        Duration::from_secs(self.number().min(1 << 20))
    }

    /// A length of two bytes, then as many bytes, or those that are left.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.word()).min(self.0.len());
        self.0.bytes(length).unwrap_or(&[])
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.0.arbitrary().unwrap_or([0; N])
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let length = self.0.len();
        self.0.bytes(length).unwrap_or(&[])
    }

    /// A payload: a kind, then a length of two bytes, then perhaps bytes. It is
    /// zeros (kind 1) or noise (2) of up to 128 kiB, noise of less than 1 kiB
    /// (3 to 31), or else the bytes. So a large one costs few bytes here, and
    /// is rare, as it costs much time.
    pub fn payload(&mut self) -> Vec<u8> {
        match self.byte() {
            1 => vec![0; 2 * usize::from(self.word())],
            2 => noise(2 * usize::from(self.word())),
            3..32 => noise(usize::from(self.word()) % 1024),
            _ => self.bytes().to_vec(),
        }
    }
}

/// Bytes that do not compress.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
