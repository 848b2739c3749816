//! Node discovery, version 4, over UDP.
//!
//! ```text
//!  datagram ─▶ gate ─▶ Unverified ─▶ verify ─▶ Verified ─▶ Discovery
//!               │      cheap, stateful  │      a pure      proofs, requests,
//!               ╰─────▶ DropReason ◀────╯      function    table, look-ups
//! ```
//!
//! [`Discovery`] is the machine and holds the gate; [`verify`] is a function that
//! a driver calls for it, in a pool if it likes.
//!
//! Specification: devp2p `discv4.md`, EIP-8, EIP-868. Behaviour: geth
//! `p2p/discover`.

mod asking;
mod bonds;
mod budget;
mod command;
mod config;
mod discovery;
mod drop_reason;
mod endpoint;
mod gate;
mod look_ups;
mod neighbors;
mod on_command;
mod on_packet;
mod output;
mod packet;
mod queries;
mod requests;
#[cfg(test)]
mod tests;
mod traffic;
mod upkeep;
#[cfg(test)]
mod vectors;
mod verify;
mod wire;

pub use command::{Answer, Command, PingReply, RequestError, RequestId};
pub use config::Config;
pub use discovery::Discovery;
pub use drop_reason::{DropReason, Drops};
pub use endpoint::PacketEndpoint;
pub use gate::{Gate, Sources, Standing, Unverified};
pub use look_ups::LookUpCounts;
pub use neighbors::{Neighbor, split_neighbors};
pub use output::{Event, Input, Output};
pub use packet::{
    EnrRequest, EnrResponse, FindNode, Kind, Neighbors, Packet, Ping, Pong, is_expired,
};
pub use traffic::Traffic;
pub use verify::{Verified, verify};
pub use wire::{Encoded, decode, encode};
