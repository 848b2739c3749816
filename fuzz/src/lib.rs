//! Fuzz targets: one for each kind of byte that a stranger can send.
//!
//! A target is a module with `pub fn run(data: &[u8])`. It panics when the
//! code under test breaks a rule, and does nothing else that one could see.
//! What lies in `corpus/` is replayed by `cargo test -p devp2p-fuzz`; fuzzing
//! itself is `fuzz/run`. See the README beside this crate.
//!
//! ```text
//!  bytes ─▶ Tape ─▶ a target ─▶ the code under test
//!            ▲          ╰─ Peer: the protocol written a second time, which
//!       read in order      can say anything and reads what is answered
//! ```
#![expect(clippy::panic, clippy::expect_used, reason = "a target reports what it finds by a panic")]

extern crate alloc;

pub mod end;
pub mod keys;
pub mod node_watch;
pub mod peer;
pub mod rlp;
pub mod script;
pub mod tape;
pub mod watch;
pub mod wire;

pub mod ack;
pub mod auth;
pub mod database_value;
pub mod datagram;
pub mod disconnect;
pub mod discovery;
pub mod enode;
pub mod frames;
pub mod gateway;
pub mod hello;
pub mod node;
pub mod packet;
pub mod record;
pub mod session_accept;
pub mod session_chunks;
pub mod session_dial;
pub mod session_pair;
pub mod snappy;
pub mod stun;

/// Runs one input of one target.
pub type Run = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Run); 19] = [
    ("ack", ack::run),
    ("auth", auth::run),
    ("database_value", database_value::run),
    ("datagram", datagram::run),
    ("disconnect", disconnect::run),
    ("discovery", discovery::run),
    ("enode", enode::run),
    ("frames", frames::run),
    ("gateway", gateway::run),
    ("hello", hello::run),
    ("node", node::run),
    ("packet", packet::run),
    ("record", record::run),
    ("session_accept", session_accept::run),
    ("session_chunks", session_chunks::run),
    ("session_dial", session_dial::run),
    ("session_pair", session_pair::run),
    ("snappy", snappy::run),
    ("stun", stun::run),
];

/// The examples of the guide compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/fuzzing.md")]
pub struct Guide;
