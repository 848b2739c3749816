//! The synchronous half of every adapter: what lies between a machine and a
//! socket and needs no runtime.

mod connection;
mod datagrams;
pub mod node;

pub use connection::{Connection, Driven, Event};
pub use datagrams::{Datagrams, SocketFailure};
pub use node::{BucketSnapshot, DiscoverySnapshot};
