//! The base protocol, "p2p": what two nodes say to each other inside the
//! encrypted connection before and besides their capabilities.
//!
//! Specification: rlpx.md, "Capability Messaging"; EIP-706 for compression.
//! Everything here is a plain codec or table; the order of events is the
//! [`Session`](crate::session::Session)'s.

mod capability;
mod compression;
mod disconnect;
mod hello;

pub use capability::{
    Capability, LocalCapabilities, LocalCapability, Message, Shared, SharedCapability,
};
pub use compression::CompressionError;
pub(crate) use compression::{compress, decompress};
pub use disconnect::DisconnectReason;
pub use hello::{Hello, HelloError};

/// The version of the base protocol that we state in our hello. 5 brings
/// snappy, which needs the feature `std`; without it we are a correct version 4.
pub const VERSION: u64 = if cfg!(feature = "std") { SNAPPY_VERSION } else { 4 };

/// From this version of the other's on, messages are compressed.
pub(crate) const SNAPPY_VERSION: u64 = 5;

/// Message codes of the base protocol.
pub(crate) mod code {
    pub(crate) const HELLO: u64 = 0;
    pub(crate) const DISCONNECT: u64 = 1;
    pub(crate) const PING: u64 = 2;
    pub(crate) const PONG: u64 = 3;
}

/// The payload of ping and pong: an empty list.
pub(crate) const EMPTY_LIST: [u8; 1] = [0xC0];
