//! What a node decides: whom to dial, whom to admit, who its peers are, what it
//! says of itself. geth `p2p.Server`.
//!
//! ```text
//!   Incoming ─▶ incoming.rs ─▶ Accept ─▶ session ─ Authenticated ─▶ peers.rs ─▶ Proceed
//!                   │                              ─ Ready ────────▶    │    ─▶ Admit
//!                   ╰─▶ Refuse                     ─ Closed            ╰─▶ Disconnect
//!   dial/ ─▶ Connect ─▶ session ─ …
//! ```
//!
//! [`Node`] is the machine. It holds [`Discovery`](crate::discv4::Discovery) and
//! speaks to any number of [`Session`](crate::session::Session)s by small values
//! ([`Report`], [`session::Command`](crate::session::Command)); no message of an
//! application passes through it.
//!
//! *Late messages.* Node and sessions run in different tasks, so that anything
//! one says may reach the other when it has moved on: a session reports to a node
//! that has told it to go, a command reaches a session that has ended. What does
//! not fit the state any more is void on either side; only `Closed` always counts.

mod config;
mod contract;
mod counts;
mod dial;
mod dialling;
mod discovery;
mod ends;
mod explanation;
mod gateway;
mod incoming;
mod journal;
mod machine;
mod peers;
mod reasons;
mod requests;
mod sessions;
#[cfg(test)]
mod tests;

pub use config::{Config, ConfigError, Expected, Limits};
pub use contract::{
    Answer, Command, ConnectionId, DialError, Direction, Event, Input, Output, PeerInfo, Report,
};
pub use counts::{Counts, PeerSnapshot, Snapshot};
pub use ends::Ends;
pub use explanation::{DialStage, Dialling, EndpointProof, Explanation, TableEntry};
pub use journal::{Decision, DialPurpose, Noted, Story};
pub use machine::Node;
pub use reasons::{
    DialFailure, DialFailures, DialRefusal, DialRefusals, DisconnectReasons, IncomingRefusal,
    IncomingRefusals, Reason, Refusal, Refusals, Tally,
};
