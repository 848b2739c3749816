//! A node under watch: what goes in and what comes out is held against what a
//! bystander knows, who sees both and remembers.
//!
//! ```text
//!  connections  of each the stage that its messages have brought it to; a command
//!               comes only where it means something: Proceed at once after
//!               Authenticated, Admit at once after Ready, nothing after Closed
//!  admissions   the verdict of a second reader of geth's rules; never two of one
//!               node, never ourselves, nobody beyond the limits but by right
//!  incoming     each answered at once, by the verdict of a second reader
//!  dials        never ourselves, a peer, or one of late; as many as there is room
//!               for; a static node that may be dialled is
//!  commands     answered once, by what was asked for
//!  the end      everybody told, every request answered, Stopped the last
//! ```
//!
//! A message that is late means nothing: it is counted, and the node says nothing
//! to it.

mod checks;
mod commands;
mod expected;
mod inputs;
mod outputs;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::Unverified;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{HostName, NetRestrict, NodeAddress, NodeId};
use devp2p_core::machine::{Checked, Machine as _};
use devp2p_core::node::{
    Answer, Command, Config, ConnectionId, Counts, Direction, IncomingRefusal, Limits, Node,
    PeerInfo,
};
use devp2p_core::session;
use devp2p_core::session::{Counters, Greeting, SessionError};
use devp2p_core::store::OperationId;
use devp2p_core::time::{Instant, Now};

use crate::keys;

/// How far an attempt or a connection has come, by what the node has said and
/// been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// A name is looked up.
    Naming,
    /// No TCP connection yet.
    Connecting,
    /// Until Authenticated.
    Handshake,
    /// Until Ready.
    Hello,
    /// A peer.
    Admitted,
    /// Told to go before it was one.
    Leaving,
    /// Another took its place.
    Replaced,
    /// Nothing that is said of it means anything.
    Gone,
}

/// Why a node is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Static,
    Dynamic,
    Requested(u64),
    /// It could be several of these.
    Unknown,
}

/// What is known of an attempt or a connection.
#[derive(Debug)]
pub struct Seen {
    /// How far it has come.
    pub stage: Stage,
    /// Whom we dial, or who has shown this key.
    pub key: Option<PublicKey>,
    address: Option<SocketAddr>,
    direction: Direction,
    kind: Kind,
    since: Instant,
    /// It has been told to go, which happens once.
    told: bool,
}

/// What goes in, as far as it explains what comes out.
#[derive(Debug)]
enum Cause {
    Start,
    Other,
    Time,
    Incoming(SocketAddr),
    Authenticated(ConnectionId),
    Ready(ConnectionId),
    Closed(ConnectionId, SessionError, Counters),
    Command(u64, Box<Command>),
    Stop,
}

/// A dial that is to be carried out.
#[derive(Debug)]
pub struct Connect {
    /// Its name.
    pub id: ConnectionId,
    /// Whom we expect.
    pub remote: PublicKey,
    /// For the session.
    pub seed: Seed,
}

/// What one input made it say, for those who act on it.
#[derive(Debug, Default)]
pub struct Drained {
    /// The answer to a TCP connection.
    pub accepted: Vec<Result<(ConnectionId, Seed), IncomingRefusal>>,
    /// Dials to carry out.
    pub connects: Vec<Connect>,
    /// Names to look up.
    pub names: Vec<(ConnectionId, HostName)>,
    /// Commands to sessions.
    pub commands: Vec<(ConnectionId, session::Command)>,
    /// Answers to commands.
    pub answers: Vec<(u64, Answer)>,
    /// Datagrams to send.
    pub datagrams: Vec<(SocketAddr, Bytes)>,
    /// Packets to verify.
    pub unverified: Vec<Unverified>,
    /// What the store is to do.
    pub operations: Vec<OperationId>,
}

/// What was counted, of what the node counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counted {
    accepted: u64,
    turned_away: u64,
    evicted: u64,
    connected: u64,
    failed: u64,
    admitted: [u64; 2],
    refused: [u64; 2],
    replaced: u64,
    late: u64,
    ends: u64,
}

impl Counted {
    fn by(node: &Counts) -> Self {
        Self {
            accepted: node.accepted,
            turned_away: node.incoming_refused.total(),
            evicted: node.evicted,
            connected: node.dials_connected,
            failed: node.dials_failed.total(),
            admitted: [node.admitted_inbound, node.admitted_outbound],
            refused: [node.refused_inbound.total(), node.refused_outbound.total()],
            replaced: node.replaced,
            late: node.late_reports,
            ends: node.ends.by_name().iter().map(|(_, count)| count).sum(),
        }
    }
}

/// The machine and its bystander.
#[derive(Debug)]
pub struct NodeWatch {
    machine: Checked<Node>,
    /// The time, which may step back; and the latest it has been.
    pub clock: Now,
    latest: Instant,
    own: NodeId,
    limits: Limits,
    no_dial: bool,
    discovery: bool,
    takes_anyone: bool,
    net_restrict: Option<NetRestrict>,
    /// All there ever were.
    pub connections: BTreeMap<ConnectionId, Seen>,
    peers: BTreeMap<NodeId, Arc<PeerInfo>>,
    /// The last connection that had begun when each was admitted.
    last_before: BTreeMap<NodeId, ConnectionId>,
    trusted: BTreeSet<NodeId>,
    statics: BTreeMap<NodeId, NodeAddress>,
    once_static: BTreeSet<NodeId>,
    /// Attempts under way for each node, and when it was dialled last.
    attempts: BTreeMap<NodeId, Vec<Kind>>,
    dialled: BTreeMap<NodeId, Instant>,
    throttled: BTreeMap<IpAddr, Instant>,
    sources: usize,
    wanted: BTreeSet<usize>,
    commands: BTreeMap<u64, Command>,
    removals: BTreeMap<u64, ConnectionId>,
    next_command: u64,
    /// The request of this input has begun, or failed at once.
    begun: bool,
    /// The scheduler has begun something.
    scheduled: bool,
    /// What it has told of an end: nothing, disconnected or failed.
    told: char,
    counted: Counted,
    held: bool,
    stopping: Option<Instant>,
    /// Whether it has said its last word.
    pub stopped: bool,
}

impl NodeWatch {
    /// Starts a node. Says what it wants done at once.
    pub fn new(config: Config, clock: Now) -> (Self, Drained) {
        let offers = match &config.greeting {
            Greeting::Offer(offer) => !offer.is_empty(),
            Greeting::Mirror => false,
        };
        let node = Node::new(config.clone(), &Seed::from_number(1), clock);
        let node = node.expect("a sound configuration");
        let statics = config.static_nodes.iter().rev();
        let statics: BTreeMap<_, _> = statics.map(|it| (it.node_id(), it.clone())).collect();
        let mut watch = Self {
            own: *node.node_id(),
            machine: Checked::new(node),
            clock,
            latest: clock.mono,
            limits: config.limits,
            no_dial: config.no_dial,
            discovery: config.discovery,
            takes_anyone: !offers,
            net_restrict: config.net_restrict,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            last_before: BTreeMap::new(),
            trusted: config.trusted_nodes.into_iter().collect(),
            once_static: statics.keys().copied().collect(),
            statics,
            attempts: BTreeMap::new(),
            dialled: BTreeMap::new(),
            throttled: BTreeMap::new(),
            sources: config.candidates.len(),
            wanted: BTreeSet::new(),
            commands: BTreeMap::new(),
            removals: BTreeMap::new(),
            next_command: 0,
            begun: false,
            scheduled: false,
            told: '-',
            counted: Counted::default(),
            held: false,
            stopping: None,
            stopped: false,
        };
        let drained = watch.drain(&Cause::Start);
        (watch, drained)
    }

    /// The node, to look at.
    pub fn look(&self) -> &Node {
        self.machine.get()
    }

    /// Whether all requests are answered.
    pub fn is_at_peace(&self) -> bool {
        self.commands.is_empty()
    }

    /// Requests that are not answered yet, those for discovery apart: nodes at
    /// random may be waited for for ever.
    pub fn waiting(&self) -> usize {
        let ours = |command: &&Command| !matches!(command, Command::Discovery(_));
        self.commands.values().filter(ours).count()
    }

    /// Whether the application takes no events.
    pub const fn held(&self) -> bool {
        self.held
    }

    /// Requests that were ever made.
    pub const fn requests(&self) -> u64 {
        self.next_command
    }

    /// The peers, by what it has told.
    pub fn peers(&self) -> impl Iterator<Item = &Arc<PeerInfo>> {
        self.peers.values()
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        self.machine.poll_timeout().map(|deadline| deadline.at)
    }
}

impl Drained {
    pub(super) fn append(&mut self, mut later: Self) {
        self.accepted.append(&mut later.accepted);
        self.connects.append(&mut later.connects);
        self.names.append(&mut later.names);
        self.commands.append(&mut later.commands);
        self.answers.append(&mut later.answers);
        self.datagrams.append(&mut later.datagrams);
        self.unverified.append(&mut later.unverified);
        self.operations.append(&mut later.operations);
    }
}

/// The host name of the node with this key, of [`keys`].
pub fn name_of(number: u8) -> HostName {
    HostName::new(&format!("n{number}.example")).expect("a name")
}

fn key_of(name: &HostName) -> PublicKey {
    let number = (0..=u8::MAX).find(|number| name_of(*number) == *name).expect("one of ours");
    keys::public(number)
}

fn is_as_dialled(kind: Kind, is_static: Option<bool>, is_requested: bool) {
    let (expected, requested) = match kind {
        Kind::Static => (true, false),
        Kind::Dynamic => (false, false),
        Kind::Requested(_) => (false, true),
        Kind::Unknown => return,
    };
    assert_eq!(requested, is_requested);
    assert!(is_static.is_none_or(|is_static| is_static == expected));
}
