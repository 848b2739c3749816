#![doc = include_str!("../README.md")]
//!
//! # The rooms
//!
//! - [`Scenario`]: what a network is made of and what befalls it: plain data.
//! - [`Adversary`]: who means ill in one, and how; [`Census`]: what comes of it.
//! - [`World`]: the network while it is simulated.
//! - [`Swarm`]: many of them, each drawn from a seed; [`Trial`]: what is put into
//!   them and has to hold.
//! - [`play`], [`play_twice`], [`shrink()`]: one of them, from its beginning to its end.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod adversary;
mod clock;
mod draw;
mod event;
mod executor;
mod host;
mod marks;
mod network;
mod oracle;
mod queue;
mod scenario;
mod shrink;
mod swarm;
mod watch;
mod watched;
mod world;

pub use adversary::{Adversary, Attack, Census, Share, Stall, Useless};
pub use devp2p_core as core;
pub use devp2p_handle as handle;
pub use draw::Millionths;
pub use host::Hostable;
pub use host::disk::Durable;
pub use network::Counts;
pub use network::nat::{Nat, NatKind};
pub use network::quality::Quality;
pub use network::region::Region;
pub use oracle::{Branch, Reached, SETTLED};
pub use scenario::{
    Defence, DrawOptions, Families, Fault, Keys, Kind, Mistake, NODES_MAX, NodePlan, Scenario,
    ScenarioError, TIME_MAX, Whom,
};
pub use shrink::shrink;
pub use swarm::{Played, Summary, Swarm, SwarmError, Talk, Trial, play, play_twice, play_watched};
pub use watch::{Digest, Line};
pub use world::{Violation, World};
