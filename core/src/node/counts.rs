//! What a node has counted, and what it looks like at one moment.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{
    DialFailures, DialRefusals, DisconnectReasons, Ends, IncomingRefusals, PeerInfo, Refusals,
};
use crate::discv4::{Drops, Traffic};
use crate::identity::Record;
use crate::nat;

/// What has happened at a node since it began. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// TCP connections that were taken.
    pub accepted: u64,
    /// TCP connections that were closed at once, by reason.
    pub incoming_refused: IncomingRefusals,
    /// Silent inbound connections that made room for others.
    pub evicted: u64,
    /// Dials that were begun; one may try several addresses.
    pub dials: u64,
    /// Dials that came to a TCP connection.
    pub dials_connected: u64,
    /// Dials that did not, or were given up before their connection was admitted,
    /// by reason.
    pub dials_failed: DialFailures,
    /// Nodes that the dial scheduler did not dial, by reason.
    pub dials_refused: DialRefusals,
    /// Inbound connections that were admitted.
    pub admitted_inbound: u64,
    /// Outbound connections that were.
    pub admitted_outbound: u64,
    /// Inbound connections that were refused by the other's key or hello.
    pub refused_inbound: Refusals,
    /// Outbound connections that were.
    pub refused_outbound: Refusals,
    /// Inbound connections, admitted or not, that the other ended, by its reason.
    pub told_inbound: DisconnectReasons,
    /// Outbound connections that it did.
    pub told_outbound: DisconnectReasons,
    /// Peers whose connection gave way to the one that the other side keeps.
    pub replaced: u64,
    /// Reports that came too late to mean anything.
    pub late_reports: u64,
    /// How connections ended, admitted or not.
    pub ends: Ends,
}

/// A peer at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerSnapshot {
    /// What does not change.
    pub peer: Arc<PeerInfo>,
    /// Whether it is to be admitted whatever the limits.
    pub is_trusted: bool,
    /// Whether a connection to it is to be kept.
    pub is_static: bool,
}

/// What a node looks like at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What we say of ourselves.
    pub record: Arc<Record>,
    /// The peers, by id.
    pub peers: Vec<PeerSnapshot>,
    /// Inbound connections that are not admitted yet.
    pub pending_inbound: usize,
    /// Dials under way.
    pub dialling: usize,
    /// Nodes to keep a connection to.
    pub static_nodes: usize,
    /// What has happened.
    pub counts: Counts,
    /// Nodes of the table; 0 without discovery.
    pub table: usize,
    /// Datagrams that were not acted on, and packets; `None` without discovery.
    pub discovery: Option<(Drops, Traffic)>,
    /// How it stands with our gateway; all is empty if none is asked.
    pub gateway: nat::Status,
}
