//! Why discovery did not start, on whatever runtime.

use core::fmt;
use std::io;

use devp2p_core::identity::RecordError;

use crate::store::StoreError;

/// Why discovery did not start. No socket is left of it, no open database, and no
/// thread that does not end at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The address cannot be bound.
    Listen(io::Error),
    /// The node database cannot be opened: somebody else has it, say, or the
    /// system does not let us.
    NodeDatabase(StoreError),
    /// Our record has no room for what it is to say.
    Record(RecordError),
    /// The system starts no more threads.
    Threads(io::Error),
}

impl fmt::Display for DiscoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(f, "cannot listen: {error}"),
            Self::NodeDatabase(error) => error.fmt(f),
            Self::Record(error) => write!(f, "node record: {error}"),
            Self::Threads(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl core::error::Error for DiscoverError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Listen(error) | Self::Threads(error) => error.source(),
            Self::NodeDatabase(error) => error.source(),
            Self::Record(error) => error.source(),
        }
    }
}
