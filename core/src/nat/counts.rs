//! What went wrong with a gateway, and how often.

use core::fmt;

/// Why a request to a gateway came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There is no gateway that we know of, or no way to it.
    NoGateway,
    /// It did not answer in time.
    Silent,
    /// It does not speak this protocol, or not this version of it.
    Unsupported,
    /// It refused. The number is the protocol's.
    Refused(u16),
    /// It answered what cannot be understood.
    Malformed,
    /// It answered more than anybody needs.
    TooLarge,
    /// It says that we are where nobody can be reached.
    BadAddress,
}

/// What the failures are called, in the order of [`Failure::index`].
const LABELS: [&str; 7] =
    ["no_gateway", "silent", "unsupported", "refused", "malformed", "too_large", "bad_address"];

impl Failure {
    const fn index(self) -> usize {
        match self {
            Self::NoGateway => 0,
            Self::Silent => 1,
            Self::Unsupported => 2,
            Self::Refused(_) => 3,
            Self::Malformed => 4,
            Self::TooLarge => 5,
            Self::BadAddress => 6,
        }
    }

    /// Its name for metrics: `no_gateway`.
    pub const fn label(self) -> &'static str {
        LABELS[self.index()]
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoGateway => "no gateway found",
            Self::Silent => "gateway does not answer",
            Self::Unsupported => "gateway does not speak this protocol",
            Self::Refused(code) => return write!(f, "gateway refuses: error {code}"),
            Self::Malformed => "gateway answers nonsense",
            Self::TooLarge => "gateway answers too much",
            Self::BadAddress => "gateway names an address that cannot be reached",
        })
    }
}

impl core::error::Error for Failure {}

/// What has happened with a gateway. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Mappings that it made or renewed.
    pub mapped: u64,
    /// Mappings that it took back.
    pub unmapped: u64,
    /// Times that it had forgotten its mappings.
    pub restarts: u64,
    /// Answers that were to no question of ours: they changed nothing.
    pub strays: u64,
    failures: [u64; LABELS.len()],
}

impl Counts {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { mapped: 0, unmapped: 0, restarts: 0, strays: 0, failures: [0; LABELS.len()] }
    }

    /// Requests that came to nothing for this reason, whatever the number within
    /// it.
    pub const fn failures(&self, failure: Failure) -> u64 {
        self.failures[failure.index()]
    }

    /// All of them, by the name of the reason.
    pub fn failures_by_label(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LABELS.into_iter().zip(self.failures)
    }

    pub(super) const fn failed(&mut self, failure: Failure) {
        increment(&mut self.failures[failure.index()]);
    }
}

pub(super) const fn increment(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
