//! What an operating system offers a node, without async: clocks, randomness,
//! the file that holds its key, the look-up of names, a socket for datagrams, threads that verify, the node
//! database.
//!
//! Everything here blocks for as long as the system takes, and serves every
//! runtime alike.
#![forbid(unsafe_code)]

mod clock;
mod discover_error;
mod entropy;
mod names;
pub mod nodekey;
pub mod store;
pub mod udp;
mod verifiers;

pub use clock::Clock;
pub use discover_error::DiscoverError;
pub use entropy::{EntropyError, seed};
pub use names::look_up;
pub use verifiers::Verifiers;
