//! The synchronous half of every adapter: what lies between a machine and a
//! socket and needs no runtime.

mod connection;
pub mod discovery;

pub use connection::{Connection, Driven, Event};
