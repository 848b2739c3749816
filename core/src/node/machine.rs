//! The machine: what it is made of, the three methods, and what all its parts use.

use core::net::SocketAddr;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::dial::{DialScheduler, Surroundings};
use super::discovery::{Asked, Purpose};
use super::incoming::Incoming;
use super::journal::{Decision, Journal};
use super::peers::Peers;
use super::{
    Answer, Config, ConfigError, ConnectionId, Counts, Event, IncomingRefusal, Input, Limits,
    Output, PeerSnapshot, Snapshot,
};
use crate::crypto::PublicKey;
use crate::discv4::{self, Discovery, RequestId};
use crate::entropy::{Seed, SeedChain};
use crate::identity::{LocalEndpoints, LocalRecord, NetRestrict, NodeId, Record, RecordBuilder};
use crate::limits;
use crate::machine::{self, Machine};
use crate::nat;
use crate::node::Direction;
use crate::p2p::DisconnectReason;
use crate::session::{self, Greeting, Local};
use crate::time::{Deadline, Instant, Now};

/// A node: see the [room](super).
#[derive(Debug)]
pub struct Node {
    pub(super) local: Arc<Local>,
    pub(super) own: NodeId,
    pub(super) limits: Limits,
    pub(super) no_dial: bool,
    pub(super) net_restrict: Option<NetRestrict>,
    pub(super) record: OwnRecord,
    /// What our record says besides our endpoint.
    pub(super) entries: RecordBuilder,
    /// The TCP port among it: the one that we listen at, or the gateway's.
    pub(super) listen_port: u16,
    /// What the configuration says of both.
    pub(super) configured: (u16, LocalEndpoints),
    pub(super) gateway: nat::Status,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    /// Inbound connections that were never admitted and have been told to go.
    pub(super) leaving: usize,
    /// Connections that the application has dialled and given up, and that have
    /// yet to end.
    pub(super) given_up: usize,
    pub(super) incoming: Incoming,
    pub(super) peers: Peers,
    pub(super) dial: DialScheduler,
    /// Whether discovery itself is the source of nodes to dial.
    pub(super) walks: bool,
    /// When to try again what could not be begun.
    pub(super) walk_at: Option<Instant>,
    pub(super) asked: Asked,
    /// Answers of discovery that the node itself is waiting for.
    pub(super) answers: VecDeque<(Purpose, discv4::Answer)>,
    /// Requests that are answered when these connections have ended.
    pub(super) removals: Vec<(ConnectionId, RequestId)>,
    pub(super) counts: Counts,
    pub(super) journal: Journal,
    pub(super) now: Now,
    pub(super) stopping: Option<Instant>,
    seeds: SeedChain,
    pub(super) next_connection: ConnectionId,
    held: bool,
    stopped: bool,
    pub(super) outputs: VecDeque<Output>,
}

/// What we say of ourselves, and who keeps it.
#[derive(Debug)]
pub(super) enum OwnRecord {
    /// Discovery, which others tell of our endpoint.
    Discovery(Box<Discovery>),
    /// Nobody but us.
    Alone(Box<LocalRecord>),
}

/// A TCP connection with a session.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: SocketAddr,
    pub(super) direction: Direction,
    pub(super) is_static: bool,
    /// The application's request that has dialled it.
    pub(super) request: Option<RequestId>,
    /// Whom we dialled, or who claims to have dialled us.
    pub(super) remote: Option<(PublicKey, NodeId)>,
    pub(super) state: State,
    /// It has been told to go. Whatever else happens, it is told so once.
    pub(super) told: bool,
}

impl Connection {
    /// Whether it holds one of the places of those who come in and have to go.
    pub(super) fn is_leaving_inbound(&self) -> bool {
        self.state == State::Leaving && self.direction == Direction::Inbound
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Until `Authenticated`.
    Handshake,
    /// Until `Ready`.
    Hello,
    /// A peer, until `Closed`.
    Admitted,
    /// Told to go before it was admitted, until `Closed`.
    Leaving,
    /// Was a peer, told to go, and out of the set already.
    Replaced,
}

impl Node {
    /// A node that begins with the first drain. All that it draws grows from
    /// `seed`, the seeds of its sessions included.
    pub fn new(config: Config, seed: &Seed, now: Now) -> Result<Self, ConfigError> {
        let local = Arc::new(config.local()?);
        let own = NodeId::from(local.public());
        let walks = config.candidates.is_empty() && config.discovery;
        let sources = if walks { 1 } else { config.candidates.len() };
        let entries = with_port(config.entries.clone(), config.listen_port);
        let record = OwnRecord::new(&config, &entries, seed, now)?;
        let mut node = Self {
            local,
            own,
            limits: config.limits,
            no_dial: config.no_dial,
            net_restrict: config.net_restrict,
            record,
            entries,
            listen_port: config.listen_port,
            configured: (config.listen_port, config.endpoints),
            gateway: nat::Status::default(),
            connections: BTreeMap::new(),
            leaving: 0,
            given_up: 0,
            incoming: Incoming::new(config.silent_give_way),
            peers: Peers::new(own, config.trusted_nodes),
            dial: DialScheduler::new(own, sources, seed.derive("dial", 0).jitter()),
            walks,
            walk_at: None,
            asked: Asked::default(),
            answers: VecDeque::new(),
            removals: Vec::new(),
            counts: Counts::default(),
            journal: Journal::new(config.journal),
            now,
            stopping: None,
            seeds: SeedChain::new(seed.derive("sessions", 0)),
            next_connection: ConnectionId(0),
            held: false,
            stopped: false,
            outputs: VecDeque::new(),
        };
        let trusted: Vec<_> = node.peers.trusted().copied().collect();
        for id in trusted {
            node.note(id, Decision::TrustedAdded);
        }
        for address in &config.static_nodes {
            node.note(address.node_id(), Decision::StaticAdded);
            node.with_dial(|dial, around| dial.add_static(address, around));
        }
        node.drain_discovery();
        node.settle();
        Ok(node)
    }

    /// What our sessions say of us.
    pub const fn local(&self) -> &Arc<Local> {
        &self.local
    }

    /// Our id.
    pub const fn node_id(&self) -> &NodeId {
        &self.own
    }

    /// What we say of ourselves.
    pub fn local_record(&self) -> &Arc<Record> {
        match &self.record {
            OwnRecord::Discovery(discovery) => discovery.local_record(),
            OwnRecord::Alone(local) => local.record(),
        }
    }

    /// Discovery, to look at; `None` if there is none.
    pub const fn discovery(&self) -> Option<&Discovery> {
        match &self.record {
            OwnRecord::Discovery(discovery) => Some(discovery),
            OwnRecord::Alone(_) => None,
        }
    }

    /// The latest time that it was told.
    pub const fn now(&self) -> Instant {
        self.now.mono
    }

    /// Whether a TCP connection would be taken now, its address apart: accept
    /// one only then. It may become so at the next deadline.
    pub fn wants_incoming(&self) -> bool {
        self.stopping.is_none()
            && !self.held
            && self.leaving < self.limits.max_pending()
            && self.incoming.has_room(self.now.mono, self.limits.max_pending())
    }

    /// How many peers there are.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let peers = self.peers.iter().map(|peer| PeerSnapshot {
            is_trusted: self.peers.is_trusted(&peer.id),
            is_static: self.dial.is_static(&peer.id),
            peer: Arc::clone(peer),
        });
        let discovery = self.discovery();
        Snapshot {
            record: Arc::clone(self.local_record()),
            peers: peers.collect(),
            pending_inbound: self.incoming.len(),
            dialling: self.dial.len(),
            static_nodes: self.dial.statics(),
            counts: self.counts(),
            table: discovery.map_or(0, |discovery| discovery.table().len()),
            discovery: discovery.map(|discovery| (discovery.drops().clone(), *discovery.traffic())),
            gateway: self.gateway,
        }
    }

    /// What has happened so far.
    pub const fn counts(&self) -> Counts {
        let mut counts = self.counts;
        counts.dials_refused = self.dial.refusals;
        counts
    }

    /// Does what is to be done until nothing moves any more.
    fn settle(&mut self) {
        loop {
            if let Some((purpose, answer)) = self.answers.pop_front() {
                self.on_answer(purpose, answer);
            } else if self.held || self.stopping.is_some() || !self.dial_next() {
                break;
            }
        }
    }

    /// The scheduler, and what it may know of the rest.
    pub(super) fn with_dial<R>(
        &mut self,
        act: impl FnOnce(&mut DialScheduler, &Surroundings<'_>) -> R,
    ) -> R {
        let Self { dial, peers, limits, no_dial, net_restrict, record, now, .. } = self;
        let discovery = matches!(record, OwnRecord::Discovery(_));
        let networks = net_restrict.as_ref();
        let around = Surroundings::new(now.mono, peers, limits, *no_dial, networks, discovery);
        let result = act(dial, &around);
        for (id, refusal) in self.dial.take_refused() {
            self.note(id, Decision::DialRefused(refusal));
        }
        result
    }

    /// Notes what was decided about a node.
    pub(super) fn note(&mut self, id: NodeId, decision: Decision) {
        self.journal.note(self.now.unix, id, decision);
    }

    pub(super) fn next_connection(&mut self) -> ConnectionId {
        let id = self.next_connection;
        self.next_connection = ConnectionId(id.0 + 1);
        id
    }

    pub(super) fn next_seed(&mut self) -> Seed {
        self.seeds.draw()
    }

    pub(super) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.put(Output::Answer(id, answer));
    }

    pub(super) fn command(&mut self, id: ConnectionId, command: session::Command) {
        self.put(Output::Session(id, command));
    }

    /// Whether we offer nothing, or only what the other does: such a node takes
    /// anyone, as geth does.
    pub(super) fn takes_anyone(&self) -> bool {
        match self.local.greeting() {
            Greeting::Offer(offer) => offer.is_empty(),
            Greeting::Mirror => true,
        }
    }

    fn on_incoming(&mut self, address: SocketAddr) {
        let admitted = if self.stopping.is_some() {
            Err(IncomingRefusal::Stopping)
        } else if self.leaving >= self.limits.max_pending() {
            Err(IncomingRefusal::TooManyPending)
        } else {
            let (now, slots) = (self.now.mono, self.limits.max_pending());
            let ip = address.ip().to_canonical();
            self.incoming.admit(now, ip, self.net_restrict.as_ref(), slots)
        };
        match admitted {
            Ok(evicted) => {
                if let Some(evicted) = evicted {
                    self.counts.evicted = self.counts.evicted.saturating_add(1);
                    self.send_away(evicted, DisconnectReason::TooManyPeers);
                }
                self.accept(address);
            }
            Err(refusal) => {
                self.counts.incoming_refused.count(refusal);
                self.put(Output::Refuse(refusal));
            }
        }
    }

    fn accept(&mut self, address: SocketAddr) {
        self.counts.accepted = self.counts.accepted.saturating_add(1);
        let (id, seed) = (self.next_connection(), self.next_seed());
        self.incoming.insert(id, self.now.mono, address.ip().to_canonical());
        let connection = Connection {
            address,
            direction: Direction::Inbound,
            is_static: false,
            request: None,
            remote: None,
            state: State::Handshake,
            told: false,
        };
        self.connections.insert(id, connection);
        self.put(Output::Accept { id, seed });
    }

    fn on_time(&mut self) {
        self.with_dial(DialScheduler::expire);
        self.give_up_overdue();
        if self.walk_at.is_some_and(|at| at <= self.now.mono) {
            self.walk_at = None;
            self.dial.offer(0, []);
        }
        self.discover(discv4::Input::Timeout);
        if self.stopping.is_some_and(|at| at <= self.now.mono) {
            self.abandon_all();
        }
    }

    fn stop(&mut self) {
        self.stopping = Some(self.now.mono + limits::STOP_TIMEOUT);
        self.give_up_all();
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.send_away(id, DisconnectReason::Quitting);
        }
        self.discover(discv4::Input::Stop);
        self.answer_all_stopped();
        for (_, request) in core::mem::take(&mut self.removals) {
            self.answer(request, Answer::Stopped);
        }
    }

    fn finish(&mut self) {
        self.forget_all();
        self.stopped = true;
        self.put(Output::Stopped);
    }
}

impl OwnRecord {
    fn new(
        config: &Config,
        entries: &RecordBuilder,
        seed: &Seed,
        now: Now,
    ) -> Result<Self, ConfigError> {
        let (key, entries, endpoints) = (config.key.clone(), entries.clone(), config.endpoints);
        if !config.discovery {
            let local = LocalRecord::new(key, None, now.unix, entries, endpoints);
            return Ok(Self::Alone(Box::new(local.map_err(ConfigError::record)?)));
        }
        let mut discovery = discv4::Config::new(key);
        discovery.bootnodes = config.bootstrap_nodes.clone();
        if let Some(networks) = &config.net_restrict {
            discovery.bootnodes.retain(|node| node.ip().is_some_and(|ip| networks.contains(ip)));
        }
        discovery.store = config.store;
        discovery.endpoints = endpoints;
        discovery.entries = entries;
        discovery.net_restrict = config.net_restrict.clone();
        discovery.table = config.table;
        discovery.budgets = config.budgets;
        let discovery = Discovery::new(discovery, &seed.derive("discovery", 0), now);
        Ok(Self::Discovery(Box::new(discovery.map_err(ConfigError::record)?)))
    }
}

/// Our record says where we listen, whatever entries it has besides.
pub(super) fn with_port(entries: RecordBuilder, port: u16) -> RecordBuilder {
    if port == 0 { entries.remove(b"tcp") } else { entries.tcp(port) }
}

/// The last point of time that another can follow: at the very end all would be
/// due for ever.
const LAST: Instant = Instant::from_micros(u64::MAX - 1);

impl Machine for Node {
    type Input<'a> = Input<'a>;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input<'_>) {
        let mono = self.now.mono.max(now.mono).min(LAST);
        self.now = Now { mono, unix: now.unix };
        if self.stopped {
            return;
        }
        // Whatever comes: what was to happen before it happens before it.
        if self.poll_timeout().is_some_and(|deadline| deadline.at <= mono) {
            self.on_time();
            self.settle();
        }
        match input {
            Input::Incoming(address) => self.on_incoming(address),
            Input::Connected(id, result) => self.on_connected(id, result),
            Input::Named(id, ips) => self.on_named(id, ips),
            Input::Session(id, report) => self.on_report(id, report),
            Input::Datagram { source, bytes } => {
                self.discover(discv4::Input::Datagram { source, bytes });
            }
            Input::Verified(result) => self.discover(discv4::Input::Verified(result)),
            Input::Store(reply) => self.discover(discv4::Input::Store(reply)),
            Input::Command(id, _) if self.stopping.is_some() => self.answer(id, Answer::Stopped),
            Input::Command(id, command) => self.on_command(id, command),
            Input::Hold(held) => self.held = held,
            Input::Gateway(status) => self.on_gateway(&status),
            Input::Timeout => {}
            Input::Stop if self.stopping.is_none() => self.stop(),
            Input::Stop => {}
        }
        self.settle();
        if self.stopping.is_some() && self.connections.is_empty() {
            self.finish();
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        machine::take_first(&mut self.outputs)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        if self.stopped {
            return None;
        }
        let (now, slots) = (self.now.mono, self.limits.max_pending());
        let deadline = |at: Option<Instant>, reason| at.map(|at| Deadline { at, reason });
        let room =
            if self.incoming.has_room(now, slots) { None } else { self.incoming.deadline(slots) };
        let discovery = self.discovery().and_then(Machine::poll_timeout);
        [
            discovery,
            self.dial.deadline(),
            deadline(room, "room for a connection"),
            deadline(self.walk_at, "random walk"),
            deadline(self.stopping, "stop"),
        ]
        .into_iter()
        .fold(None, Deadline::sooner)
    }

    fn timeout() -> Input<'static> {
        Input::Timeout
    }

    fn is_last(output: &Output) -> bool {
        matches!(output, Output::Stopped)
    }

    /// Discovery's; and when it stops something for every connection and request.
    const MAX_OUTPUTS: usize = <Discovery as Machine>::MAX_OUTPUTS
        + limits::PEERS_MAX
        + 8 * limits::PENDING_CONNECTIONS_MAX
        + 4 * limits::REQUESTED_DIALS
        + limits::PENDING_NODE_REQUESTS;

    fn audit(&self) -> Result<(), &'static str> {
        self.incoming.audit()?;
        self.peers.audit()?;
        self.dial.audit()?;
        self.asked.audit()?;
        self.journal.audit()?;
        if let Some(discovery) = self.discovery() {
            discovery.audit()?;
        }
        if self.removals.len() > limits::PENDING_NODE_REQUESTS {
            return Err("requests to remove peers");
        }
        self.audit_connections()
    }
}

impl Node {
    /// Every peer has its connection and every admitted connection is a peer's.
    fn audit_connections(&self) -> Result<(), &'static str> {
        let most =
            limits::PEERS_MAX + 3 * limits::PENDING_CONNECTIONS_MAX + limits::REQUESTED_DIALS;
        if self.connections.len() > most {
            return Err("connections");
        }
        let count =
            |is: fn(&Connection) -> bool| self.connections.values().filter(|c| is(c)).count();
        if self.leaving != count(Connection::is_leaving_inbound) {
            return Err("count of leaving connections");
        }
        let is_given_up = |id: &ConnectionId, connection: &Connection| {
            connection.state == State::Leaving
                && connection.direction == Direction::Outbound
                && self.dial.attempt(*id).is_none()
        };
        if self.given_up != self.connections.iter().filter(|(id, c)| is_given_up(id, c)).count() {
            return Err("count of connections that were given up");
        }
        for (id, connection) in &self.connections {
            let remote = connection.remote.as_ref().map(|(_, remote)| remote);
            let peer = remote.and_then(|remote| self.peers.get(remote));
            let is_peer = peer.is_some_and(|peer| peer.connection == *id);
            if is_peer != (connection.state == State::Admitted) {
                return Err("an admitted connection and the set of peers");
            }
        }
        if self.peers.len() != count(|connection| connection.state == State::Admitted) {
            return Err("a peer without a connection");
        }
        Ok(())
    }
}
