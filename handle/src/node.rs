//! A node as the application sees it.

use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::RequestId;
use devp2p_core::driver::DiscoverySnapshot;
use devp2p_core::identity::{Contact, Enode, NodeAddress, NodeId, Record, RecordError};
use devp2p_core::node::{
    self, Answer, Command, ConnectionId, DialFailure, Direction, Ends, Explanation, Limits,
    Snapshot,
};
use devp2p_core::session::{Counters, Local, SessionError};
use devp2p_core::store::StoreWork;

use crate::adapter::{Asked, Waiting};
use crate::discovery::{Discovery, Request};
use crate::events::Happened;
use crate::traffic::{CapabilityTraffic, Traffic};
use crate::{Peer, Runtime};

/// What happens at a node.
///
/// Of connections that the application has asked for by [`Node::dial`] nothing
/// is told here: it gets the answer from that, and from [`Peer::closed`]. Of one
/// peer all comes in order: it is connected, disconnected, and only then
/// connected again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer was admitted.
    Connected(Peer),
    /// A peer that had been admitted is gone.
    Disconnected {
        /// The same as in [`Event::Connected`].
        peer: Peer,
        /// Why it ended.
        error: SessionError,
    },
    /// A connection ended before it was admitted.
    Failed(Failure),
    /// A node that the dial scheduler had chosen could not be dialled.
    DialFailed {
        /// Which.
        contact: Contact,
        /// Why.
        failure: DialFailure,
    },
    /// The dial scheduler has room for nodes of this source, a position in
    /// [`Config::candidates`](node::Config::candidates): bring some by
    /// [`Node::offer`], as soon as there are some. It is not told again before.
    WantsCandidates(usize),
}

/// A connection that never became a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Its name, as in logs.
    pub connection: ConnectionId,
    /// The other end of its socket.
    pub address: SocketAddr,
    /// Who dialled whom.
    pub direction: Direction,
    /// Who it was, if it came as far as to prove it or was dialled.
    pub public_key: Option<PublicKey>,
    /// Why it ended.
    pub error: SessionError,
}

/// What a node looks like at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeSnapshot {
    /// Peers, dials, and what was counted.
    pub node: Snapshot,
    /// Discovery; `None` if there is none.
    pub discovery: Option<DiscoverySnapshot>,
    /// The connections of the peers.
    pub connections: BTreeMap<ConnectionId, ConnectionSnapshot>,
    /// What all connections have counted: those that have ended, and those of the
    /// peers. One that is not admitted counts when it ends.
    pub wire: Counters,
    /// What all connections have carried, by capability.
    pub capabilities: Vec<CapabilityTraffic>,
    /// What waits.
    pub queues: Queues,
    /// What the node database was given to do; `None` if there is none.
    pub store: Option<StoreWork>,
}

/// The connection of a peer at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// Our end of its socket; `None` if the system did not say.
    pub local: Option<SocketAddr>,
    /// How long the encryption handshake took.
    pub handshake: Duration,
    /// What it has counted so far.
    pub counters: Counters,
    /// Messages that the application has not read yet.
    pub unread: usize,
    /// Messages that wait to be sent.
    pub unsent: usize,
}

/// How much waits in the queues of a node. Each has its bound in
/// [`limits`](devp2p_core::limits).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Queues {
    /// Requests of the application that the node has not taken.
    pub requests: usize,
    /// Events that the application has not taken.
    pub events: usize,
    /// TCP connections to be made.
    pub dials: usize,
    /// Names to be looked up.
    pub names: usize,
    /// Packets to be verified.
    pub unverified: usize,
    /// Packets that were, for the node to act on.
    pub verified: usize,
}

/// What the handles and their other end have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    local: Arc<Local>,
    tcp: Option<SocketAddr>,
    record: Mutex<Arc<Record>>,
    ends: Mutex<Ends>,
    pub(crate) runtime: Runtime,
    /// An application is told of all peers, those that were asked for as well.
    served: AtomicBool,
    /// The next request's id. Ids are not used twice.
    next: AtomicU64,
    pub(crate) missed: AtomicU64,
    pub(crate) traffic: Traffic,
}

impl Shared {
    pub(crate) fn new(
        local: Arc<Local>,
        record: Arc<Record>,
        tcp: Option<SocketAddr>,
        runtime: Runtime,
    ) -> Self {
        Self {
            local,
            tcp,
            record: Mutex::new(record),
            ends: Mutex::default(),
            runtime,
            served: AtomicBool::new(false),
            next: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            traffic: Traffic::default(),
        }
    }

    pub(crate) fn next_id(&self) -> RequestId {
        RequestId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&lock(&self.record))
    }

    /// Whether an application is to be told of all peers that are admitted from now on.
    pub(crate) fn set_served(&self, served: bool) {
        self.served.store(served, Ordering::Release);
    }

    pub(crate) fn is_served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }

    pub(crate) fn set_record(&self, record: Arc<Record>) {
        *lock(&self.record) = record;
    }

    pub(crate) fn set_ends(&self, ends: Ends) {
        *lock(&self.ends) = ends;
    }
}

/// Nothing panics while these locks are held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running node. Clones are the same node.
///
/// Take its [`Event`]s: when nobody does, nothing new begins; nothing is
/// dropped. It runs until [`Node::stop`], or until the last clone is dropped,
/// and the last of its [`Discovery`]. With nothing but that left no connection
/// begins any more.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) asked: Sender<Asked>,
    pub(crate) given_up: Sender<RequestId>,
    pub(crate) events: Happened,
    discovery: Option<Discovery>,
}

impl Node {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        asked: Sender<Asked>,
        given_up: Sender<RequestId>,
        events: Happened,
        discovery: Option<Discovery>,
    ) -> Self {
        Self { shared, asked, given_up, events, discovery }
    }

    /// What the node says of itself to its peers.
    pub fn local(&self) -> &Local {
        &self.shared.local
    }

    /// Where it listens for TCP; `None` if it does not.
    pub fn address(&self) -> Option<SocketAddr> {
        self.shared.tcp
    }

    /// What it says of itself to everybody, at the moment.
    pub fn record(&self) -> Arc<Record> {
        self.shared.record()
    }

    /// The URL at which others reach it, as far as it knows: what
    /// [`Node::record`] says; 127.0.0.1 if it listens at every address and nobody
    /// has told it better, as geth has it. Without discovery the UDP port is 0.
    pub fn enode(&self) -> Enode {
        Contact::from_record(self.record()).to_enode()
    }

    /// Time, chance and tasks for what holds this handle.
    pub fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// Its discovery; `None` if there is none.
    pub const fn discovery(&self) -> Option<&Discovery> {
        self.discovery.as_ref()
    }

    /// The same for one who wants nothing else, so that the node ends with it.
    pub fn into_discovery(self) -> Option<Discovery> {
        self.discovery
    }

    /// How many connections ended in which way, dialled ones and those that
    /// were never admitted included.
    pub fn ends(&self) -> Ends {
        *lock(&self.shared.ends)
    }

    /// Connects to a node now, whatever the dial scheduler thinks of it: TCP,
    /// both handshakes, both admissions.
    ///
    /// A host name is looked up first. Dropping the future gives the attempt up.
    ///
    /// Fails with [`DialError::Failed`] if there came no TCP connection, with
    /// [`DialError::Session`] if it ended before the other was admitted, by
    /// either side, and with [`DialError::Stopped`].
    pub async fn dial(&self, to: impl Into<NodeAddress>) -> Result<Peer, DialError> {
        let (answer, answered) = async_channel::bounded(1);
        let command = Command::Dial(to.into());
        self.request(command, Waiting::Dial(answer), answered)
            .await
            .unwrap_or(Err(DialError::Stopped))
    }

    /// Keeps a connection to this node: dials it, and again when it is lost. One
    /// that is known already stays as it is. geth `AddPeer`.
    ///
    /// Fails with [`RefusedRequest::Busy`] if there are
    /// [`STATIC_NODES`](devp2p_core::limits::STATIC_NODES) already, and with
    /// [`RefusedRequest::Stopped`].
    pub async fn add_peer(&self, node: impl Into<NodeAddress>) -> Result<(), RefusedRequest> {
        self.ask(Command::AddPeer(node.into())).await
    }

    /// Keeps it no more, and disconnects it as "requested". Returns when it is
    /// gone. A dial of it that is under way may still come to a connection, as
    /// geth's may. geth `RemovePeer`.
    ///
    /// Fails with [`RefusedRequest::Busy`] if as many removals as
    /// [`PENDING_NODE_REQUESTS`](devp2p_core::limits::PENDING_NODE_REQUESTS)
    /// are under way, and with [`RefusedRequest::Stopped`]. To remove one that
    /// is no peer is no error.
    pub async fn remove_peer(&self, id: NodeId) -> Result<(), RefusedRequest> {
        self.ask(Command::RemovePeer(id)).await
    }

    /// Admits this node whatever the limits. geth `AddTrustedPeer`.
    ///
    /// Fails with [`RefusedRequest::Busy`] if there is no room for one more,
    /// and with [`RefusedRequest::Stopped`].
    pub async fn add_trusted(&self, id: NodeId) -> Result<(), RefusedRequest> {
        self.ask(Command::AddTrusted(id)).await
    }

    /// Not any more; a connection that is there stays. geth `RemoveTrustedPeer`.
    ///
    /// Fails with [`RefusedRequest::Stopped`]. To remove one that is not
    /// trusted is no error.
    pub async fn remove_trusted(&self, id: NodeId) -> Result<(), RefusedRequest> {
        self.ask(Command::RemoveTrusted(id)).await
    }

    /// From now on these limits, within what a configuration may ask for; who is
    /// connected stays.
    pub async fn set_limits(&self, limits: Limits) -> Result<(), RefusedRequest> {
        self.ask(Command::SetLimits(limits)).await
    }

    /// From now on the node's record has this entry: `value` is RLP; `None` takes
    /// it out. The endpoint's own keys are the node's. geth `Protocol.Attributes`.
    pub async fn set_entry(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), RefusedRequest> {
        let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
        self.ask(Command::SetEntry { key, value }).await
    }

    /// Nodes that a source of its own wants dialled: see [`Event::WantsCandidates`].
    /// So many are kept that [`DIAL_CANDIDATES`](devp2p_core::limits::DIAL_CANDIDATES)
    /// wait; of a source that the configuration does not name none are.
    pub async fn offer(&self, source: usize, nodes: Vec<Contact>) -> Result<(), RefusedRequest> {
        self.ask(Command::Candidates(source, nodes)).await
    }

    /// What the node looks like now: its peers, its dials, its table, and all
    /// that was counted.
    ///
    /// Fails if the node has stopped.
    pub async fn snapshot(&self) -> Result<NodeSnapshot, Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.asked.send(Asked::Snapshot(answer)).await.map_err(|_| Stopped)?;
        answered.recv().await.map_err(|_| Stopped)
    }

    /// All that the node knows of another, and what it decided about it, in order.
    ///
    /// Of a node that was never heard of it says just that. Of strangers and of
    /// acquaintances so much is remembered as
    /// [`JOURNAL_STRANGERS`](devp2p_core::limits::JOURNAL_STRANGERS) and its
    /// neighbours say. Fails if this node has stopped.
    pub async fn explain(&self, id: NodeId) -> Result<Explanation, Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.asked.send(Asked::Explain(id, answer)).await.map_err(|_| Stopped)?;
        answered.recv().await.map_err(|_| Stopped)
    }

    /// The next event; `None` when the node has stopped and all that happened
    /// before has been taken.
    pub async fn next_event(&self) -> Option<Event> {
        self.events.next().await
    }

    /// Stops listening, tells all peers "client quitting", and returns when every
    /// connection is closed and no task is left, nor a thread, but for those that
    /// nothing can end before the system does: one that looks up a name, or waits
    /// for a disk that does not answer. It takes a few seconds at most. The events
    /// that tell of it can be taken afterwards. Of several who stop a node at once
    /// one waits for that; to the others it has [`Stopped`].
    pub async fn stop(&self) -> Result<(), Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.asked.send(Asked::Stop(answer)).await.map_err(|_| Stopped)?;
        answered.recv().await.map_err(|_| Stopped)
    }

    async fn ask(&self, command: Command) -> Result<(), RefusedRequest> {
        let (answer, answered) = async_channel::bounded(1);
        match self.request(command, Waiting::Answer(answer), answered).await {
            Some(Answer::Done) => Ok(()),
            Some(Answer::Busy) => Err(RefusedRequest::Busy),
            Some(Answer::BadRecord(error)) => Err(RefusedRequest::BadRecord(error)),
            Some(_) | None => Err(RefusedRequest::Stopped),
        }
    }

    /// `None` if the node has stopped.
    async fn request<T>(
        &self,
        command: Command,
        waiting: Waiting,
        answered: Receiver<T>,
    ) -> Option<T> {
        let id = self.shared.next_id();
        let command = Box::new(command);
        self.asked.send(Asked::Command { id, command, waiting }).await.ok()?;
        let request = Request { id, answered, given_up: self.given_up.clone() };
        request.answered.recv().await.ok()
    }
}

/// The node has stopped, or somebody else is stopping it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node has stopped")
    }
}

impl core::error::Error for Stopped {}

/// Why a request came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RefusedRequest {
    /// There is no room for one more.
    Busy,
    /// The node's record cannot be what was asked.
    BadRecord(RecordError),
    /// The node has stopped.
    Stopped,
}

impl fmt::Display for RefusedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("no room for one more"),
            Self::BadRecord(error) => write!(f, "node record: {error}"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for RefusedRequest {}

/// Why a dial made no peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialError {
    /// No TCP connection came about.
    Failed(DialFailure),
    /// It came about and ended before the peer was admitted.
    Session(SessionError),
    /// The node has stopped.
    Stopped,
}

impl From<node::DialError> for DialError {
    fn from(error: node::DialError) -> Self {
        match error {
            node::DialError::Failed(failure) => Self::Failed(failure),
            node::DialError::Session(error) => Self::Session(error),
            _ => Self::Stopped,
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) if failure.was_tried() => {
                write!(f, "cannot connect: {failure}")
            }
            Self::Failed(failure) => failure.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for DialError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Session(error) => Some(error),
            Self::Stopped => None,
        }
    }
}
