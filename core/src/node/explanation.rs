//! All that a node knows of another, and decided about it: an operator's question.

use core::fmt;
use core::net::SocketAddr;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::dial::{Attempt, Kind, Stage, Surroundings};
use super::{Decision, DialPurpose, DialRefusal, Node, PeerInfo, Story};
use crate::identity::{Contact, NodeId};
use crate::kademlia::{Bucket, Entry, Replacement};
use crate::time::{Instant, Now, UnixTime};

/// A node of the table at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TableEntry {
    /// Where it is.
    pub contact: Contact,
    /// Since when it is an entry or waits to be one, by the wall clock as it stood
    /// when the node was told of the time last.
    pub known_since: UnixTime,
    /// Since when it is an entry, by the same clock.
    pub entered: UnixTime,
    /// Pings that it has answered; one without an answer divides them by three.
    pub checks: u32,
    /// Whether it has answered one where it is.
    pub is_live: bool,
}

impl TableEntry {
    /// What the table has. `now` is one reading of both clocks: a point of the one
    /// is told as one of the other.
    pub fn of(entry: &Entry, now: Now) -> Self {
        let unix = |at: Instant| now.unix.saturating_sub(now.mono.saturating_since(at));
        Self {
            contact: entry.contact().clone(),
            known_since: unix(entry.known_since()),
            entered: unix(entry.entered()),
            checks: entry.checks(),
            is_live: entry.is_live(),
        }
    }
}

/// What a dial waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialStage {
    /// The addresses of its host name.
    LookingUpName,
    /// Discovery, which is asked where it is.
    Resolving,
    /// A TCP connection to this address.
    Connecting(Option<SocketAddr>),
    /// The handshakes and the admission, on a TCP connection to this address.
    ShakingHands(Option<SocketAddr>),
}

impl fmt::Display for DialStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookingUpName => f.write_str("looking up its host name"),
            Self::Resolving => f.write_str("asking discovery where it is"),
            Self::Connecting(Some(address)) => write!(f, "connecting to {address}"),
            Self::Connecting(None) => f.write_str("connecting"),
            Self::ShakingHands(Some(address)) => write!(f, "shaking hands with {address}"),
            Self::ShakingHands(None) => f.write_str("shaking hands"),
        }
    }
}

/// A dial that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Dialling {
    /// For whom.
    pub purpose: DialPurpose,
    /// How far it is.
    pub stage: DialStage,
}

impl Dialling {
    const fn of(attempt: &Attempt) -> Self {
        let purpose = match attempt.kind {
            Kind::Static => DialPurpose::Static,
            Kind::Dynamic => DialPurpose::Dynamic,
            Kind::Requested(_) => DialPurpose::Requested,
        };
        let stage = match attempt.stage {
            Stage::Naming => DialStage::LookingUpName,
            Stage::Resolving => DialStage::Resolving,
            Stage::Connecting => DialStage::Connecting(attempt.address),
            Stage::Shaking => DialStage::ShakingHands(attempt.address),
        };
        Self { purpose, stage }
    }
}

/// What discovery has of a node's endpoint proof, at the address where it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct EndpointProof {
    /// Whether it has proved to us that it is there, less than
    /// [`limits::BOND_LIFE`](crate::limits::BOND_LIFE) ago.
    pub is_proven: bool,
    /// Whether we have proved to it where we are.
    pub is_known: bool,
}

/// All that is known of a node, and what was decided about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// Which node.
    pub id: NodeId,
    /// Whether it is ourselves.
    pub is_self: bool,
    /// The peer, if it is one.
    pub peer: Option<Arc<PeerInfo>>,
    /// Since when it is one; `None` if it is none, or so much was decided about it
    /// since that this is forgotten.
    pub peer_since: Option<UnixTime>,
    /// Whether it is admitted whatever the limits.
    pub is_trusted: bool,
    /// Whether a connection to it is to be kept.
    pub is_static: bool,
    /// The table's entry of it.
    pub table: Option<TableEntry>,
    /// Whether it waits to replace an entry of the table.
    pub is_replacement: bool,
    /// `None` if there is no discovery, or no address of it is known.
    pub proof: Option<EndpointProof>,
    /// Dials of it that are under way.
    pub dialling: Vec<Dialling>,
    /// Whether it waits for its turn to be dialled: a static node, or one that a
    /// source has brought.
    pub awaits_dial: bool,
    /// Whether the dial scheduler would dial it if its turn came now, or why not;
    /// `None` if nothing is against it but that neither the static nodes, the dials,
    /// the candidates in hand, the table nor the peers say where it is. The node
    /// database is not asked.
    pub dial: Option<Result<(), DialRefusal>>,
    /// What was decided about it, in order.
    pub story: Story,
    /// Other nodes whose ids begin with the same [`PREFIX_DIGITS`](Self::PREFIX_DIGITS),
    /// in order: peers, trusted and static nodes, those of the table, of dials and
    /// of the journal.
    pub alike: Vec<NodeId>,
}

impl Explanation {
    /// Hex digits of an id by which a node may be asked for.
    pub const PREFIX_DIGITS: usize = 8;
}

impl Node {
    /// Both clocks, when it was told of the time last.
    pub const fn clocks(&self) -> Now {
        self.now
    }

    /// All that is known of a node, and what was decided about it.
    pub fn explain(&self, id: &NodeId) -> Explanation {
        let discovery = self.discovery();
        let entry = discovery.and_then(|discovery| discovery.table().entry(id));
        let replacement = self.replacements().find(|waiting| waiting.contact().id() == id);
        let around = Surroundings::new(
            self.now.mono,
            &self.peers,
            &self.limits,
            self.no_dial,
            self.net_restrict.as_ref(),
            discovery.is_some(),
        );
        let peer = self.peers.get(id);
        let contact = self.dial.contact(id);
        let contact = contact.or_else(|| entry.map(Entry::contact));
        let contact = contact.or_else(|| replacement.map(Replacement::contact));
        let contact = contact.or_else(|| peer.map(|peer| &peer.contact));
        let story = self.journal.story(id);
        Explanation {
            id: *id,
            is_self: *id == self.own,
            peer: peer.cloned(),
            peer_since: peer.and_then(|_| admitted(&story)),
            is_trusted: self.peers.is_trusted(id),
            is_static: self.dial.is_static(id),
            table: entry.map(|entry| TableEntry::of(entry, self.now)),
            is_replacement: replacement.is_some(),
            proof: self.proof(id, contact),
            dialling: self.dial.of_node(id).map(Dialling::of).collect(),
            awaits_dial: self.dial.awaits_turn(id),
            dial: self.dial.verdict(id, contact, &around),
            story,
            alike: self.alike(id),
        }
    }

    fn proof(&self, id: &NodeId, contact: Option<&Contact>) -> Option<EndpointProof> {
        let (discovery, ip) = (self.discovery()?, contact?.ip()?);
        Some(EndpointProof {
            is_proven: discovery.is_proven(id, ip),
            is_known: discovery.is_known(id, ip),
        })
    }

    fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.discovery().into_iter().flat_map(|discovery| discovery.table().buckets())
    }

    fn replacements(&self) -> impl Iterator<Item = &Replacement> {
        self.buckets().flat_map(Bucket::replacements)
    }

    fn alike(&self, id: &NodeId) -> Vec<NodeId> {
        let entries = self.buckets().flat_map(Bucket::entries).map(|entry| entry.contact().id());
        let table = entries.chain(self.replacements().map(|waiting| waiting.contact().id()));
        let peers = self.peers.iter().map(|peer| &peer.id).chain(self.peers.trusted());
        let all = peers.chain(self.dial.ids()).chain(table).chain(self.journal.ids());
        let begins = |id: &NodeId| id.prefix() >> (64 - 4 * Explanation::PREFIX_DIGITS);
        let alike = all.filter(|other| *other != id && begins(other) == begins(id)).copied();
        alike.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// When it was admitted last.
fn admitted(story: &Story) -> Option<UnixTime> {
    let is_it = |decision| matches!(decision, Decision::Admitted(_));
    story.entries.iter().rfind(|noted| is_it(noted.decision)).map(|noted| noted.last)
}
