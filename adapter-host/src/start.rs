//! Why discovery does not start: the same on every runtime.

use core::fmt;
use core::net::SocketAddr;
use std::io;
use std::path::PathBuf;

use devp2p_core::identity::RecordError;

use crate::store::StoreError;

/// Why discovery could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing can listen at this address.
    Listen(SocketAddr, io::Error),
    /// The system starts no more threads.
    Threads(io::Error),
    /// Our own record has no room for what it is to say.
    Record(RecordError),
    /// The node database in this directory cannot be used.
    Store(PathBuf, StoreError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen at {address}: {error}"),
            Self::Threads(error) => write!(f, "cannot start a thread: {error}"),
            Self::Record(error) => write!(f, "our own record: {error}"),
            Self::Store(dir, error) => write!(f, "{}: {error}", dir.display()),
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Threads(error) => Some(error),
            Self::Record(error) => Some(error),
            Self::Store(_, error) => Some(error),
        }
    }
}
