//! Discovery v4: finding nodes by UDP.
//!
//! ```text
//!  datagram ─▶ Gate ─▶ Unverified ─▶ verify ─▶ Verified ─▶ Discovery
//!              cheap,                 pure, may             proofs, requests,
//!              stateful               run in a pool         table, look-ups
//! ```
//!
//! Specification: devp2p `discv4.md`, EIP-868. Behaviour: geth `p2p/discover`.

#[allow(dead_code)]
mod bonds;
mod command;
#[allow(dead_code)]
mod requests;
//mod output;

pub use command::{Answer, Command, PingReply, RequestError, RequestId};
//pub use output::{Event, Input, Output};
