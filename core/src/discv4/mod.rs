//! Node discovery, version 4, over UDP.
//!
//! ```text
//!  datagram ─▶ gate ─▶ Unverified ─▶ verify ─▶ Verified ─▶ the machine
//!               │      cheap, stateful  │      a pure function
//!               ╰─────▶ DropReason ◀────╯      that may run in a pool
//! ```
//!
//! Specification: devp2p `discv4.md`, EIP-8, EIP-868.

mod budget;
mod drop_reason;
mod endpoint;
mod gate;
mod neighbors;
mod packet;
#[cfg(test)]
mod vectors;
mod verify;
mod wire;

pub use drop_reason::{DropReason, Drops};
pub use endpoint::Endpoint;
pub use gate::{Gate, Sources, Unverified};
pub use neighbors::{Neighbor, split_neighbors};
pub use packet::{
    EnrRequest, EnrResponse, FindNode, Kind, Neighbors, Packet, Ping, Pong, is_expired,
};
pub use verify::{Verified, verify};
pub use wire::{Encoded, decode, encode};
