//! What every adapter shares: what an operating system offers a node (clocks,
//! randomness, the file that holds its key, the look-up of names, sockets, threads
//! that verify, the node database), and the two loops of a node and of a
//! connection, but for the waiting ([`Serving`], [`Connection`]).
//!
//! Nothing here knows a runtime: an adapter brings tasks, timers, and sockets to
//! wait for.
#![forbid(unsafe_code)]

mod clock;
mod config;
mod connection;
mod entropy;
mod names;
mod nat;
pub mod nodekey;
mod runtime;
mod serving;
pub mod store;
pub mod tcp;
pub mod udp;
mod verifiers;

pub use clock::Clock;
pub use config::{Config, StartError};
pub use connection::{Connection, Turn};
pub use devp2p_core::nat::{Nat, NatError};
pub use entropy::{EntropyError, seed};
pub use names::look_up;
pub use runtime::Tasks;
pub use serving::{Dial, Serving, Sockets, Step};
pub use verifiers::Verifiers;
