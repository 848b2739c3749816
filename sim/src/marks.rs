//! What one run has put out, to hold the next one to it: where the two part is
//! where something got in that is not the seed's.

use core::fmt;

use devp2p_core::time::Instant;
use sha2::{Digest as _, Sha256};

/// One thing that was put out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) at: Instant,
    pub(crate) machine: u32,
    tag: u8,
    length: usize,
    print: [u8; 8],
    /// What was said in words.
    words: Option<Box<str>>,
}

impl Mark {
    pub(crate) fn new(at: Instant, machine: u32, tag: u8, bytes: &[u8]) -> Self {
        let mut print = [0; 8];
        print.copy_from_slice(&Sha256::digest(bytes)[..8]);
        let words = (tag == b'e').then(|| String::from_utf8_lossy(bytes).into());
        Self { at, machine, tag, length: bytes.len(), print, words }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_micros();
        write!(f, "{}.{:06} n{} ", micros / 1_000_000, micros % 1_000_000, self.machine)?;
        let what = match self.tag {
            b'd' => "sends a datagram of",
            b't' => "writes to a connection",
            b'm' => "sends a message of",
            _ => return f.write_str(self.words.as_deref().unwrap_or_default()),
        };
        write!(f, "{what} {} bytes, ", self.length)?;
        self.print.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The marks of a run, while they are made or held against another's.
#[derive(Clone, Debug, Default)]
pub(crate) enum Marks {
    /// Nobody wants them.
    #[default]
    None,
    Made(Vec<Mark>),
    Compared {
        expected: Vec<Mark>,
        next: usize,
        /// Where they parted: what was put out instead of the next.
        parted: Option<Mark>,
    },
}

impl Marks {
    pub(crate) fn put(&mut self, at: Instant, machine: u32, tag: u8, bytes: &[u8]) {
        match self {
            Self::None | Self::Compared { parted: Some(_), .. } => {}
            Self::Made(marks) => marks.push(Mark::new(at, machine, tag, bytes)),
            Self::Compared { expected, next, parted } => {
                let mark = Mark::new(at, machine, tag, bytes);
                if expected.get(*next) == Some(&mark) {
                    *next += 1;
                } else {
                    *parted = Some(mark);
                }
            }
        }
    }

    /// Where the runs have parted: what was put out, and what was expected, if
    /// anything more was.
    pub(crate) fn parted(&self) -> Option<(&Mark, Option<&Mark>)> {
        match self {
            Self::Compared { expected, next, parted: Some(found) } => {
                Some((found, expected.get(*next)))
            }
            Self::None | Self::Made(_) | Self::Compared { .. } => None,
        }
    }

    /// What was put out before and is missing, when a run is over.
    pub(crate) fn missing(&self) -> Option<&Mark> {
        match self {
            Self::Compared { expected, next, parted: None } => expected.get(*next),
            Self::None | Self::Made(_) | Self::Compared { .. } => None,
        }
    }
}
