//! A node's side of the handles.

use core::future::{Future as _, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::sync::atomic::Ordering;
use core::task::Poll;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use async_channel::{Receiver, Sender, TryRecvError};
use devp2p_core::discv4::{self, RequestId};
use devp2p_core::driver::DiscoverySnapshot;
use devp2p_core::identity::{NodeId, Record};
use devp2p_core::limits;
use devp2p_core::node::{
    self, Command, ConnectionId, DialFailure, Ends, Explanation, PeerInfo, Report, Snapshot,
};
use devp2p_core::session::{self, Counters, Local, SessionError};
use event_listener::Event as WakeUp;

use super::ConnectionEnd;
use crate::Runtime;
use crate::control::Control;
use crate::discovery::Discovery;
use crate::events::{Events, events};
use crate::node::{
    ConnectionSnapshot, DialError, Event, Failure, Node, NodeSnapshot, Queues, Shared,
};
use crate::peer::{Inner, Peer};
use crate::queue::Queue;

/// What an application asks, on its way to [`NodeEnd`].
#[derive(Debug)]
pub(crate) enum Asked {
    Command { id: RequestId, command: Box<Command>, waiting: Waiting },
    Snapshot(Sender<NodeSnapshot>),
    Explain(NodeId, Sender<Explanation>),
    Stop(Sender<()>),
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Waiting {
    Answer(Sender<node::Answer>),
    Dial(Sender<Result<Peer, DialError>>),
}

impl Waiting {
    fn is_closed(&self) -> bool {
        match self {
            Self::Answer(answer) => answer.is_closed(),
            Self::Dial(answer) => answer.is_closed(),
        }
    }
}

/// What an adapter is to do: hand it to its
/// [`Node`](devp2p_core::driver::node::Node).
#[derive(Debug)]
pub enum NodeRequest {
    /// The application asks for something.
    Command(RequestId, Command),
    /// What became of an attempt to connect.
    Connected(ConnectionId, Result<(), DialFailure>),
    /// A session says this.
    Session(ConnectionId, Report),
    /// Whether to begin anything new.
    Hold(bool),
    /// Say what the node looks like.
    Snapshot(Sender<NodeSnapshot>),
    /// Say what it knows of a node and has decided about it.
    Explain(NodeId, Sender<Explanation>),
    /// Stop, and say when it is done.
    Stop(Sender<()>),
    /// All handles are gone: stop.
    Abandoned,
}

/// What connections say to their node.
#[derive(Debug)]
pub(super) enum FromConnection {
    Connected(ConnectionId, Result<(), DialFailure>),
    Session(ConnectionId, Report),
}

/// A handle of a node, and the end that its adapter holds. `tcp` and `udp` are
/// where it listens, `runtime` is what runs it.
pub fn node(
    local: Arc<Local>,
    record: Arc<Record>,
    tcp: Option<SocketAddr>,
    udp: Option<SocketAddr>,
    runtime: Runtime,
) -> (Node, NodeEnd) {
    let shared = Arc::new(Shared::new(local, record, tcp, runtime));
    let (ask, asked) = async_channel::bounded(limits::NODE_REQUESTS);
    // Bounded by the requests: each is given up at most once, and those given up
    // are taken before a new one is.
    let (give_up, given_up) = async_channel::unbounded();
    let (happen, happened) = async_channel::bounded(limits::DISCOVERY_EVENTS);
    let (told, happened_to_peers) = events();
    // Bounded by the connections.
    let (connection, connections) = async_channel::unbounded();
    let discovery = udp.map(|address| {
        Discovery::new(address, Arc::clone(&shared), ask.clone(), give_up.clone(), happened)
    });
    let end = NodeEnd {
        shared: Arc::clone(&shared),
        asked,
        given_up,
        happen,
        events: told,
        held: false,
        closed: false,
        waiting: BTreeMap::new(),
        live: BTreeMap::new(),
        connection,
        connections,
        ended: Counters::default(),
    };
    (Node::new(shared, ask, give_up, happened_to_peers, discovery), end)
}

/// A node's side of the handles. When it is dropped everyone who waits is told
/// that the node has stopped.
#[derive(Debug)]
pub struct NodeEnd {
    shared: Arc<Shared>,
    asked: Receiver<Asked>,
    given_up: Receiver<RequestId>,
    happen: Sender<discv4::Event>,
    events: Events,
    held: bool,
    /// Nothing more is taken from the application.
    closed: bool,
    /// Who waits for the answers to what the machine was asked.
    waiting: BTreeMap<RequestId, Waiting>,
    /// Every connection that has not been said to be over, and attempts.
    live: BTreeMap<ConnectionId, Live>,
    connection: Sender<FromConnection>,
    connections: Receiver<FromConnection>,
    /// What connections had counted that have ended.
    ended: Counters,
}

/// A connection as the node has it.
#[derive(Debug)]
struct Live {
    control: Arc<Control>,
    peer: Option<Arc<Inner>>,
}

impl NodeEnd {
    /// The next request. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> NodeRequest {
        loop {
            if let Some(request) = self.try_next() {
                return request;
            }
            let first = self.first().await;
            if let Some(request) = first.and_then(|first| self.take(first)) {
                return request;
            }
        }
    }

    /// The next request, if there is one.
    pub fn try_next(&mut self) -> Option<NodeRequest> {
        let held = !self.events.has_room();
        if core::mem::replace(&mut self.held, held) != held {
            return Some(NodeRequest::Hold(held));
        }
        loop {
            let first = if let Ok(said) = self.connections.try_recv() {
                First::Connection(said)
            } else if let Ok(id) = self.given_up.try_recv() {
                First::GivenUp(id)
            } else if self.closed {
                return None;
            } else {
                match self.asked.try_recv() {
                    Ok(asked) => First::Asked(asked),
                    Err(TryRecvError::Closed) => First::Abandoned,
                    Err(TryRecvError::Empty) => return None,
                }
            };
            if let Some(request) = self.take(first) {
                return Some(request);
            }
        }
    }

    /// A connection begins: what its task holds. `is_connected` says whether
    /// there is a TCP connection already.
    pub fn begin(&mut self, id: ConnectionId, is_connected: bool) -> ConnectionEnd {
        let control = Arc::new(Control::default());
        self.live.insert(id, Live { control: Arc::clone(&control), peer: None });
        ConnectionEnd::new(id, control, self.connection.clone(), is_connected)
    }

    /// Passes a command of the machine on.
    pub fn command(&self, id: ConnectionId, command: session::Command) {
        if let Some(live) = self.live.get(&id) {
            live.control.command(command);
        }
    }

    /// How many connections and attempts have not ended yet.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Passes an answer of the machine on.
    pub fn answer(&mut self, id: RequestId, answer: node::Answer) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        // There is room for the one answer; or nobody waits any more, and with
        // the answer goes the last handle of a peer, which ends it.
        match waiting {
            Waiting::Answer(waiting) => drop(waiting.try_send(answer)),
            Waiting::Dial(waiting) => drop(waiting.try_send(self.dialled(answer))),
        }
    }

    fn dialled(&self, answer: node::Answer) -> Result<Peer, DialError> {
        match answer {
            node::Answer::Dialled(Ok(info)) => self.peer(info.connection).ok_or(DialError::Stopped),
            node::Answer::Dialled(Err(error)) => Err(error.into()),
            node::Answer::Done
            | node::Answer::Discovery(_)
            | node::Answer::Busy
            | node::Answer::BadRecord(_)
            | node::Answer::NoDiscovery
            | node::Answer::Stopped
            | _ => Err(DialError::Stopped),
        }
    }

    fn peer(&self, id: ConnectionId) -> Option<Peer> {
        self.live.get(&id).and_then(|live| live.peer.clone()).map(Peer::new)
    }

    /// Says that this happened.
    pub fn tell(&mut self, event: node::Event) {
        match event {
            node::Event::Connected(info) => self.admitted(info),
            node::Event::Disconnected { peer, error, .. } => self.disconnected(&peer, error),
            node::Event::Failed {
                connection,
                address,
                direction,
                public_key,
                is_requested,
                error,
            } => {
                let failure = Failure { connection, address, direction, public_key, error };
                if !is_requested {
                    self.events.tell(Event::Failed(failure));
                }
            }
            node::Event::DialFailed(contact, failure) => {
                self.events.tell(Event::DialFailed { contact: *contact, failure });
            }
            node::Event::WantsCandidates(source) => {
                self.events.tell(Event::WantsCandidates(source));
            }
            node::Event::Discovery(event) => self.discovered(event),
            other => debug_assert!(false, "an event that nobody is told of: {other:?}"),
        }
    }

    /// Connections have ended so, this one among them: to be said before anybody
    /// is told of it.
    pub fn set_ends(&self, ends: Ends) {
        self.shared.set_ends(ends);
    }

    /// The connection has ended so, the machine knows, and all that it said of it
    /// has been passed on.
    pub fn forget(&mut self, id: ConnectionId, error: SessionError) {
        let Some(Live { peer: Some(inner), .. }) = self.live.remove(&id) else { return };
        // A machine that has stopped without waiting for it says nothing of it.
        if inner.closed.get().is_none() {
            self.gone(inner, error);
        }
    }

    /// A connection has ended and had counted this, whether it was admitted or not.
    pub fn count(&mut self, counters: &Counters) {
        add(&mut self.ended, counters);
    }

    /// What an adapter answers who wants to see its node: with what the handles
    /// know, and what they do not is left empty.
    pub fn snapshot(&self, node: Snapshot, discovery: Option<DiscoverySnapshot>) -> NodeSnapshot {
        let peers = self.live.iter().filter_map(|(id, live)| Some((*id, live.peer.as_ref()?)));
        let connections: BTreeMap<_, _> = peers.map(|(id, peer)| (id, look(peer))).collect();
        let mut wire = self.ended;
        connections.values().for_each(|connection| add(&mut wire, &connection.counters));
        let queues =
            Queues { requests: self.asked.len(), events: self.events.len(), ..Queues::default() };
        let capabilities = self.shared.traffic.read();
        NodeSnapshot { node, discovery, connections, wire, capabilities, queues, store: None }
    }

    /// Our record is this now.
    pub fn set_record(&self, record: Arc<Record>) {
        self.shared.set_record(record);
    }

    fn admitted(&mut self, info: Arc<PeerInfo>) {
        let Some(live) = self.live.get_mut(&info.connection) else { return };
        // With no capability shared there is still one queue, for a peer that
        // mirrors: its messages have to go somewhere.
        let queues = info.shared.len().max(1);
        let inner = Arc::new(Inner {
            control: Arc::clone(&live.control),
            handshake: live.control.handshake(),
            local: live.control.local(),
            is_told: !info.is_requested || self.shared.is_served(),
            handle: Mutex::default(),
            outbound: Queue::default(),
            inbound: (0..queues).map(|_| Queue::default()).collect(),
            closed: OnceLock::new(),
            closing: WakeUp::new(),
            round_trip: Mutex::default(),
            round_trips: WakeUp::new(),
            counters: Mutex::default(),
            tallies: info
                .shared
                .iter()
                .map(|shared| self.shared.traffic.of(&shared.capability))
                .collect(),
            info,
        });
        live.control.admit(Arc::clone(&inner));
        live.peer = Some(Arc::clone(&inner));
        if inner.is_told {
            self.events.tell(Event::Connected(Peer::new(inner)));
        }
    }

    fn disconnected(&mut self, info: &PeerInfo, error: SessionError) {
        let Some(inner) = self.live.get(&info.connection).and_then(|live| live.peer.clone()) else {
            return;
        };
        self.gone(inner, error);
    }

    fn gone(&self, inner: Arc<Inner>, error: SessionError) {
        inner.close(error);
        if inner.is_told {
            self.events.tell(Event::Disconnected { peer: Peer::new(inner), error });
        }
    }

    fn discovered(&self, event: discv4::Event) {
        if let discv4::Event::LocalRecord(record) = &event {
            self.shared.set_record(Arc::clone(record));
        }
        if let Ok(Some(_oldest)) = self.happen.force_send(event) {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The node is stopping: nothing more is taken from the application, and
    /// nobody waits for it to take its events.
    pub fn close(&mut self) {
        self.closed = true;
        self.events.hurry();
        self.asked.close();
    }

    /// What comes first; `None` when there is something else to look at.
    async fn first(&self) -> Option<First> {
        let mut said = pin!(self.connections.recv());
        let mut given_up = pin!(self.given_up.recv());
        let mut asked = pin!(self.asked.recv());
        let mut room = pin!(self.events.changed(!self.held));
        poll_fn(|cx| {
            if room.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(Ok(said)) = said.as_mut().poll(cx) {
                return Poll::Ready(Some(First::Connection(said)));
            }
            if let Poll::Ready(Ok(id)) = given_up.as_mut().poll(cx) {
                return Poll::Ready(Some(First::GivenUp(id)));
            }
            if self.closed {
                return Poll::Pending;
            }
            let asked = asked.as_mut().poll(cx);
            asked.map(|asked| Some(asked.map_or(First::Abandoned, First::Asked)))
        })
        .await
    }

    /// What there is to do, unless nobody waits for it any more.
    fn take(&mut self, first: First) -> Option<NodeRequest> {
        Some(match first {
            First::Connection(FromConnection::Connected(id, result)) => {
                if result.is_err() {
                    self.live.remove(&id);
                }
                NodeRequest::Connected(id, result)
            }
            First::Connection(FromConnection::Session(id, report)) => {
                NodeRequest::Session(id, report)
            }
            First::GivenUp(id) => {
                self.waiting.remove(&id)?;
                NodeRequest::Command(self.shared.next_id(), Command::Cancel(id))
            }
            First::Asked(Asked::Command { waiting, .. }) if waiting.is_closed() => return None,
            First::Asked(Asked::Command { id, command, waiting }) => {
                self.waiting.insert(id, waiting);
                NodeRequest::Command(id, *command)
            }
            First::Asked(Asked::Snapshot(answer)) => NodeRequest::Snapshot(answer),
            First::Asked(Asked::Explain(id, answer)) => NodeRequest::Explain(id, answer),
            First::Asked(Asked::Stop(answer)) => NodeRequest::Stop(answer),
            First::Abandoned => NodeRequest::Abandoned,
        })
    }
}

fn look(peer: &Inner) -> ConnectionSnapshot {
    let (unread, unsent) = peer.waiting();
    let (local, handshake) = (peer.local, peer.handshake);
    ConnectionSnapshot { local, handshake, counters: peer.counters(), unread, unsent }
}

fn add(sum: &mut Counters, counters: &Counters) {
    for (sum, count) in [
        (&mut sum.bytes_received, counters.bytes_received),
        (&mut sum.bytes_sent, counters.bytes_sent),
        (&mut sum.messages_received, counters.messages_received),
        (&mut sum.messages_sent, counters.messages_sent),
        (&mut sum.pings_answered, counters.pings_answered),
        (&mut sum.ignored, counters.ignored),
        (&mut sum.misaddressed, counters.misaddressed),
    ] {
        *sum = sum.saturating_add(count);
    }
}

impl Drop for NodeEnd {
    fn drop(&mut self) {
        for live in self.live.values() {
            if let Some(inner) = &live.peer {
                inner.close(SessionError::Lost(session::Lost::Failed));
            }
            live.control.disconnect(devp2p_core::p2p::DisconnectReason::Quitting);
        }
        self.asked.close();
        // The channel would keep them, and those who wait for the answers
        // waiting, for as long as there is a handle.
        while let Ok(asked) = self.asked.try_recv() {
            drop(asked);
        }
    }
}

/// Who did something first.
enum First {
    Connection(FromConnection),
    GivenUp(RequestId),
    Asked(Asked),
    Abandoned,
}
