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

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::{self, RequestId, Unverified};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{HostName, NetRestrict, NodeAddress, NodeId, is_lan};
use devp2p_core::limits;
use devp2p_core::machine::{Checked, Machine as _};
use devp2p_core::node::{
    Answer, Command, Config, ConnectionId, Counts, DialError, DialFailure, Direction, Event,
    IncomingRefusal, Input, Limits, Node, Output, PeerInfo, Report, Snapshot,
};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{self, Counters, Greeting, SessionError};
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
    /// It lost its place and has not been told to go yet.
    untold: bool,
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

    // What goes in.

    /// Time has passed, or not.
    pub fn wake(&mut self) -> Drained {
        self.give(&Cause::Time, Input::Timeout)
    }

    /// A TCP connection was accepted from there.
    pub fn incoming(&mut self, from: SocketAddr) -> Drained {
        let expected = self.expected_of_incoming(from);
        let before = self.counted.evicted;
        let drained = self.give(&Cause::Incoming(from), Input::Incoming(from));
        if self.stopped {
            return drained;
        }
        assert_eq!(drained.accepted.len(), 1, "each connection is answered at once");
        match (&drained.accepted[0], expected) {
            (Ok(_), Ok(evicts)) => {
                assert_eq!(self.counted.evicted - before, u64::from(evicts), "evictions");
            }
            (Err(refusal), Err(expected)) => assert_eq!(*refusal, expected),
            (given, expected) => panic!("{given:?} where {expected:?} was expected"),
        }
        drained
    }

    /// Addresses were found for a name.
    pub fn named(&mut self, id: ConnectionId, ips: &[IpAddr]) -> Drained {
        let mut drained = self.catch_up();
        let seen = self.connections.get_mut(&id).expect("a look-up of ours");
        if self.stopping.is_some() || seen.since + limits::NAME_LOOK_UP_TIMEOUT <= self.latest {
            seen.stage = Stage::Gone;
        }
        self.moves(id, Stage::Naming, Stage::Gone);
        drained.append(self.give(&Cause::Other, Input::Named(id, ips)));
        drained
    }

    /// What became of a dial.
    pub fn connected(&mut self, id: ConnectionId, result: Result<(), DialFailure>) -> Drained {
        let mut drained = self.catch_up();
        let next = if result.is_ok() { Stage::Handshake } else { Stage::Gone };
        if self.moves(id, Stage::Connecting, next) && result.is_ok() {
            self.counted.connected += 1;
        }
        drained.append(self.give(&Cause::Other, Input::Connected(id, result)));
        drained
    }

    /// A session says this.
    pub fn report(&mut self, id: ConnectionId, report: Report) -> Drained {
        let mut drained = self.catch_up();
        let report = match report {
            Report::Authenticated(key) => self.authenticated(id, key),
            Report::Ready { hello, shared } => {
                let useless = shared.is_empty() && !self.takes_anyone;
                self.ready(id, useless, Report::Ready { hello, shared })
            }
            Report::Closed { error, counters } => self.closed(id, error, counters),
        };
        drained.append(report);
        drained
    }

    /// The application asks for this.
    pub fn command(&mut self, command: Command) -> (u64, Drained) {
        let mut drained = self.catch_up();
        let id = self.next_command;
        self.next_command += 1;
        if self.stopped {
            // Nobody is there any more.
            return (id, self.give(&Cause::Other, Input::Command(RequestId(id), command)));
        }
        self.commands.insert(id, command.clone());
        if self.stopping.is_none() {
            self.prepare(id, &command);
        }
        let cause = Cause::Command(id, Box::new(command.clone()));
        let given = self.give(&cause, Input::Command(RequestId(id), command.clone()));
        if !self.stopped {
            self.after_command(id, &command, &given);
        }
        drained.append(given);
        let changes = matches!(
            command,
            Command::SetEntry { value: Some(_), .. }
                | Command::Discovery(discv4::Command::SetEntries(_))
        );
        if changes && self.stopping.is_none() {
            // Whatever became of it: what is there now can be said once more.
            let nothing = Command::SetEntry { key: b"nothing".to_vec(), value: None };
            let (id, given) = self.command(nothing);
            let sound = |(to, answer): &(u64, Answer)| *to == id && matches!(answer, Answer::Done);
            assert!(given.answers.iter().any(sound), "the record is lost: {:?}", given.answers);
            drained.append(given);
        }
        (id, drained)
    }

    /// The application takes no events, or does again.
    pub fn hold(&mut self, held: bool) -> Drained {
        let mut drained = self.catch_up();
        self.held = held;
        drained.append(self.give(&Cause::Other, Input::Hold(held)));
        drained
    }

    /// Something happens to discovery.
    pub fn discovery(&mut self, input: Input<'_>) -> Drained {
        let mut drained = self.catch_up();
        drained.append(self.give(&Cause::Other, input));
        drained
    }

    /// It is to stop.
    pub fn stop(&mut self) -> Drained {
        let mut drained = self.catch_up();
        if self.stopping.is_none() {
            self.stopping = Some(self.latest);
            let told: Vec<_> = self.alive().collect();
            let given = self.give(&Cause::Stop, Input::Stop);
            for id in told {
                let is_told = |(to, command): &(ConnectionId, session::Command)| {
                    *to == id && matches!(command, session::Command::Disconnect(_))
                };
                assert!(given.commands.iter().any(is_told), "{id} is not told to go");
            }
            assert!(self.commands.is_empty(), "{:?} wait for ever", self.commands);
            drained.append(given);
        } else {
            drained.append(self.give(&Cause::Stop, Input::Stop));
        }
        drained
    }

    fn authenticated(&mut self, id: ConnectionId, key: PublicKey) -> Drained {
        let Some(seen) = self.in_time(id, Stage::Handshake) else {
            let input = Input::Session(id, Report::Authenticated(key));
            return self.late(id, &Cause::Authenticated(id), input);
        };
        if seen.direction == Direction::Outbound {
            assert_eq!(seen.key, Some(key), "the session sees to it");
        }
        seen.key = Some(key);
        let expected = self.expected(id, false);
        let input = Input::Session(id, Report::Authenticated(key));
        let drained = self.give(&Cause::Authenticated(id), input);
        self.judge(id, &drained, session::Command::Proceed, &expected);
        drained
    }

    fn ready(&mut self, id: ConnectionId, useless: bool, report: Report) -> Drained {
        let input = Input::Session(id, report);
        if self.in_time(id, Stage::Hello).is_none() {
            return self.late(id, &Cause::Ready(id), input);
        }
        let expected = self.expected(id, useless);
        let drained = self.give(&Cause::Ready(id), input);
        self.judge(id, &drained, session::Command::Admit, &expected);
        drained
    }

    fn closed(&mut self, id: ConnectionId, error: SessionError, counters: Counters) -> Drained {
        let input = Input::Session(id, Report::Closed { error, counters });
        let cause = Cause::Closed(id, error, counters);
        self.counted.ends += 1;
        let seen = self.connections.get_mut(&id).expect("a session of ours");
        let before = core::mem::replace(&mut seen.stage, Stage::Gone);
        if before == Stage::Gone {
            return self.late(id, &cause, input);
        }
        let told = match before {
            Stage::Admitted => 'd',
            Stage::Replaced => '-',
            _ => 'f',
        };
        let drained = self.give(&cause, input);
        assert_eq!(self.told, told, "what is told of the end of {id}, {before:?}");
        let stale = self.removals.iter().find(|(_, connection)| **connection == id);
        assert!(stale.is_none(), "a removal is not answered when the peer is gone");
        drained
    }

    /// The connection, if what is said fits its stage and we go on at all.
    fn in_time(&mut self, id: ConnectionId, stage: Stage) -> Option<&mut Seen> {
        let going_on = self.stopping.is_none();
        self.connections.get_mut(&id).filter(|seen| going_on && seen.stage == stage)
    }

    /// A message moves it on, or is late.
    fn moves(&mut self, id: ConnectionId, from: Stage, to: Stage) -> bool {
        let seen = self.connections.get_mut(&id).expect("an attempt of ours");
        let fits = seen.stage == from;
        if fits {
            seen.stage = to;
        } else {
            self.counted.late += 1;
        }
        fits
    }

    /// What is late is counted, and nothing comes of it.
    fn late(&mut self, id: ConnectionId, cause: &Cause, input: Input<'_>) -> Drained {
        self.counted.late += 1;
        let drained = self.give(cause, input);
        assert!(drained.commands.iter().all(|(to, _)| *to != id), "an answer to what is late");
        assert_eq!(self.told, '-', "something is told of what is late");
        drained
    }

    /// Exactly one answer, and the right one.
    fn judge(
        &self,
        id: ConnectionId,
        drained: &Drained,
        granted: session::Command,
        expected: &[Option<DisconnectReason>],
    ) {
        let mine: Vec<_> = drained.commands.iter().filter(|(to, _)| *to == id).collect();
        let [(_, answer)] = mine[..] else { panic!("{mine:?} is no answer") };
        let expected: Vec<_> = expected
            .iter()
            .map(|refusal| refusal.map_or(granted, session::Command::Disconnect))
            .collect();
        assert!(expected.contains(answer), "{answer:?} where {expected:?} was expected");
    }

    // What is expected.

    /// Verdicts on this applicant; more than one if it is not known why it was
    /// dialled.
    fn expected(&self, id: ConnectionId, useless: bool) -> Vec<Option<DisconnectReason>> {
        if useless {
            return vec![Some(DisconnectReason::UselessPeer)];
        }
        let seen = &self.connections[&id];
        let remote = NodeId::from(&seen.key.expect("it has shown one"));
        let verdict = |is_static| self.verdict(&remote, seen.direction, is_static);
        match seen.kind {
            Kind::Static => vec![verdict(true)],
            Kind::Dynamic | Kind::Requested(_) => vec![verdict(false)],
            Kind::Unknown => vec![verdict(true), verdict(false)],
        }
    }

    /// geth's reasons in geth's order, but for who wins when both dial at once.
    fn verdict(
        &self,
        remote: &NodeId,
        direction: Direction,
        is_static: bool,
    ) -> Option<DisconnectReason> {
        let we_win = self.own > *remote;
        let wins = |rival: &Arc<PeerInfo>| {
            rival.direction != direction && we_win == (direction == Direction::Outbound)
        };
        let rival = self.peers.get(remote);
        let replaces = rival.is_some_and(wins);
        let by_right = self.trusted.contains(remote);
        let others = self.peers.len() - usize::from(replaces);
        let full = others >= self.limits.max_peers && !is_static;
        let inbound_full =
            direction == Direction::Inbound && self.inbound_peers() >= self.max_inbound();
        if !by_right && (full || inbound_full) {
            Some(DisconnectReason::TooManyPeers)
        } else if rival.is_some() && !replaces {
            Some(DisconnectReason::AlreadyConnected)
        } else if *remote == self.own {
            Some(DisconnectReason::SelfConnected)
        } else {
            None
        }
    }

    fn inbound_peers(&self) -> usize {
        self.peers.values().filter(|peer| peer.direction == Direction::Inbound).count()
    }

    fn max_dialled(&self) -> usize {
        let ratio = if self.limits.dial_ratio == 0 { 3 } else { self.limits.dial_ratio };
        match self.limits.max_peers {
            0 => 0,
            _ if self.no_dial => 0,
            most => (most / ratio).max(1),
        }
    }

    fn max_inbound(&self) -> usize {
        self.limits.max_peers - self.max_dialled().min(self.limits.max_peers)
    }

    fn max_pending(&self) -> usize {
        if self.limits.max_pending_peers == 0 { 50 } else { self.limits.max_pending_peers }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.net_restrict.as_ref().is_none_or(|networks| networks.contains(ip))
    }

    fn in_stages(&self, stages: &[Stage], direction: Direction) -> Vec<(&ConnectionId, &Seen)> {
        let fits = |seen: &Seen| seen.direction == direction && stages.contains(&seen.stage);
        self.connections.iter().filter(|(_, seen)| fits(seen)).collect()
    }

    /// Connections that the node has to end before it is at its own.
    fn alive(&self) -> impl Iterator<Item = ConnectionId> {
        let gone = [Stage::Naming, Stage::Connecting, Stage::Gone];
        let alive = self.connections.iter().filter(move |(_, seen)| !gone.contains(&seen.stage));
        alive.map(|(id, _)| *id)
    }

    fn silent(&self, seen: &Seen) -> bool {
        let now = self.latest.max(self.clock.mono);
        seen.stage == Stage::Handshake && seen.since + limits::SILENT_CONNECTION <= now
    }

    /// Whether a connection from there is taken, and if so, whether another has to go.
    fn expected_of_incoming(&self, from: SocketAddr) -> Result<bool, IncomingRefusal> {
        let now = self.latest.max(self.clock.mono);
        let ip = from.ip().to_canonical();
        let pending = self.in_stages(&[Stage::Handshake, Stage::Hello], Direction::Inbound);
        let leaving = self.connections.values().filter(|seen| seen.stage == Stage::Leaving);
        let is_full = pending.len() >= self.max_pending();
        let throttled =
            self.throttled.get(&ip).is_some_and(|at| now < *at + limits::INBOUND_THROTTLE);
        if self.stopping.is_some() {
            Err(IncomingRefusal::Stopping)
        } else if self.held || leaving.count() >= self.max_pending() {
            Err(IncomingRefusal::TooManyPending)
        } else if !self.allows(ip) {
            Err(IncomingRefusal::NetRestrict)
        } else if is_full && !pending.iter().any(|(_, seen)| self.silent(seen)) {
            Err(IncomingRefusal::TooManyPending)
        } else if throttled {
            Err(IncomingRefusal::Throttled)
        } else {
            Ok(is_full)
        }
    }

    /// Whether there is anything about this node that keeps it from being dialled
    /// for its own sake.
    fn may_be_dialled(&self, id: &NodeId) -> bool {
        let coming = self.in_stages(&[Stage::Hello], Direction::Inbound);
        let is_it = |seen: &Seen| seen.key.is_some_and(|key| NodeId::from(&key) == *id);
        *id != self.own
            && self.attempts.get(id).is_none_or(Vec::is_empty)
            && !self.peers.contains_key(id)
            && !coming.iter().any(|(_, seen)| is_it(seen))
            && self.dialled.get(id).is_none_or(|at| *at + limits::DIAL_HISTORY_LIFE <= self.latest)
    }

    fn may_be_dialled_there(&self, address: &NodeAddress) -> bool {
        let contact = address.contact();
        (contact.ip().is_none() || contact.tcp() != 0)
            && (self.net_restrict.is_none() || contact.ip().is_some_and(|ip| self.allows(ip)))
    }

    // What comes out.

    /// What is due is done first, so that what comes out belongs to what goes in.
    fn catch_up(&mut self) -> Drained {
        self.latest = self.latest.max(self.clock.mono);
        if self.deadline().is_some_and(|at| at <= self.clock.mono) {
            self.wake()
        } else {
            Drained::default()
        }
    }

    fn give(&mut self, cause: &Cause, input: Input<'_>) -> Drained {
        self.latest = self.latest.max(self.clock.mono);
        self.machine.handle(self.clock, input);
        self.drain(cause)
    }

    fn drain(&mut self, cause: &Cause) -> Drained {
        (self.begun, self.scheduled, self.told) = (false, false, '-');
        let was_stopped = self.stopped;
        let mut drained = Drained::default();
        while let Some(output) = self.machine.poll_output() {
            self.output(cause, output, &mut drained);
        }
        // Checked looks whether there is a new one.
        let _ = self.machine.poll_timeout();
        if !was_stopped {
            self.check();
        }
        if self.stopped {
            self.connections.values_mut().for_each(|seen| seen.stage = Stage::Gone);
        }
        drained
    }

    fn output(&mut self, cause: &Cause, output: Output, drained: &mut Drained) {
        match output {
            Output::Accept { id, seed } => {
                let &Cause::Incoming(address) = cause else { panic!("nobody has come") };
                self.counted.accepted += 1;
                if !is_lan(address.ip().to_canonical()) {
                    self.throttled.insert(address.ip().to_canonical(), self.latest);
                }
                self.meet(id, None, Some(address), Direction::Inbound, Kind::Dynamic);
                drained.accepted.push(Ok((id, seed)));
            }
            Output::Refuse(refusal) => {
                self.counted.turned_away += 1;
                drained.accepted.push(Err(refusal));
            }
            Output::LookUpName { id, name } => {
                let key = key_of(&name);
                let kind = self.attempt(cause, &key);
                self.meet(id, Some(key), None, Direction::Outbound, kind);
                drained.names.push((id, name));
            }
            Output::Connect { id, to, remote, seed } => {
                assert!(self.allows(to.ip()), "{to} is outside of our networks");
                assert_ne!(to.port(), 0);
                let kind = self.attempt(cause, &remote);
                self.meet(id, Some(remote), Some(to), Direction::Outbound, kind);
                drained.connects.push(Connect { id, remote, seed });
            }
            Output::Session(id, command) => {
                self.commanded(cause, id, command);
                drained.commands.push((id, command));
            }
            Output::Send { to, datagram } => drained.datagrams.push((to, datagram)),
            Output::Verify(unverified) => drained.unverified.push(unverified),
            Output::Store(id, _) => drained.operations.push(id),
            Output::Answer(RequestId(id), answer) => {
                self.answered(cause, id, &answer);
                drained.answers.push((id, answer));
            }
            Output::Event(event) => self.event(cause, event),
            Output::Stopped => self.stopped = true,
        }
    }

    /// A new name.
    fn meet(
        &mut self,
        id: ConnectionId,
        key: Option<PublicKey>,
        address: Option<SocketAddr>,
        direction: Direction,
        kind: Kind,
    ) {
        assert!(self.stopping.is_none(), "something begins while it stops");
        let last = self.connections.last_key_value();
        assert!(last.is_none_or(|(last, _)| *last < id), "a name is used again");
        let stage = match (direction, address) {
            (Direction::Inbound, _) => Stage::Handshake,
            (Direction::Outbound, Some(_)) => Stage::Connecting,
            (Direction::Outbound, None) => Stage::Naming,
        };
        let since = self.latest;
        let seen = Seen { stage, key, address, direction, kind, since, untold: false };
        self.connections.insert(id, seen);
    }

    /// A step of an attempt to reach this node: why it is made.
    fn attempt(&mut self, cause: &Cause, key: &PublicKey) -> Kind {
        let id = NodeId::from(key);
        if let Cause::Command(request, command) = cause
            && let Command::Dial(address) = &**command
            && address.node_id() == id
            && !core::mem::replace(&mut self.begun, true)
        {
            self.attempts.entry(id).or_default().push(Kind::Requested(*request));
            return Kind::Requested(*request);
        }
        match self.attempts.get(&id).map_or(&[][..], |kinds| kinds) {
            [] => self.begins(&id),
            [only] => *only,
            _ => Kind::Unknown,
        }
    }

    /// Nobody has asked for this dial but the scheduler.
    fn begins(&mut self, id: &NodeId) -> Kind {
        // It may have begun long ago, by asking discovery where the node is.
        let asked = self.discovery && self.once_static.contains(id);
        assert!(asked || !self.held, "a dial begins while nothing may");
        assert!(asked || self.may_be_dialled(id), "{id} is dialled");
        let kind = match self.statics.get(id) {
            _ if asked => Kind::Unknown,
            Some(address) if self.may_be_dialled_there(address) => Kind::Static,
            Some(_) | None => Kind::Dynamic,
        };
        self.attempts.entry(*id).or_default().push(kind);
        self.dialled.insert(*id, self.latest);
        self.scheduled |= !asked;
        kind
    }

    /// An attempt is over.
    fn ended(&mut self, id: &NodeId, request: Option<u64>) {
        let attempts = self.attempts.entry(*id).or_default();
        let is_it = |kind: &Kind| match (kind, request) {
            (Kind::Requested(of), Some(request)) => *of == request,
            (Kind::Requested(_), None) | (_, Some(_)) => false,
            (Kind::Static | Kind::Dynamic | Kind::Unknown, None) => true,
        };
        match attempts.iter().position(is_it) {
            Some(place) => drop(attempts.remove(place)),
            // It came to nothing as soon as it began.
            None if request.is_none() => {
                self.begins(id);
                self.attempts.remove(id);
            }
            None => {}
        }
    }

    fn commanded(&mut self, cause: &Cause, id: ConnectionId, command: session::Command) {
        let seen = self.connections.get_mut(&id).expect("a session of ours");
        let reason = match command {
            session::Command::Proceed => {
                let asks = matches!(cause, Cause::Authenticated(asks) if *asks == id);
                assert!(asks && seen.stage == Stage::Handshake, "Proceed, at {:?}", seen.stage);
                seen.stage = Stage::Hello;
                return;
            }
            session::Command::Admit => {
                let asks = matches!(cause, Cause::Ready(asks) if *asks == id);
                assert!(asks && seen.stage == Stage::Admitted, "Admit, at {:?}", seen.stage);
                return;
            }
            session::Command::Ping => panic!("nobody has asked for a ping"),
            session::Command::Disconnect(reason) => reason,
        };
        let stops = matches!(cause, Cause::Stop);
        let cancels = matches!(cause, Cause::Command(_, command)
            if matches!(**command, Command::Cancel(_)));
        assert!(!stops || reason == DisconnectReason::Quitting);
        match seen.stage {
            Stage::Connecting => {
                let overdue = seen.since + limits::DIAL_TIMEOUT <= self.latest;
                assert!(overdue || cancels || stops, "a dial is given up");
                seen.stage = Stage::Gone;
            }
            Stage::Handshake | Stage::Hello => {
                let asked = matches!(cause, Cause::Authenticated(asks) | Cause::Ready(asks)
                    if *asks == id);
                let evicted = matches!(cause, Cause::Incoming(_))
                    && seen.stage == Stage::Handshake
                    && seen.direction == Direction::Inbound
                    && seen.since + limits::SILENT_CONNECTION <= self.latest;
                let given_up = cancels && seen.direction == Direction::Outbound;
                assert!(asked || evicted || given_up || stops, "{reason} without a cause");
                self.counted.evicted += u64::from(evicted);
                let outbound = usize::from(seen.direction == Direction::Outbound);
                self.counted.refused[outbound] += u64::from(asked);
                seen.stage = Stage::Leaving;
            }
            Stage::Admitted => {
                let removed = matches!(cause, Cause::Command(_, command)
                    if matches!(**command, Command::RemovePeer(_)));
                assert!(stops || removed && reason == DisconnectReason::Requested);
            }
            Stage::Replaced => {
                assert!(stops || core::mem::take(&mut seen.untold));
            }
            Stage::Leaving => assert!(stops, "{reason} to one that goes"),
            Stage::Naming | Stage::Gone => panic!("{reason} to nobody"),
        }
    }

    fn event(&mut self, cause: &Cause, event: Event) {
        match event {
            Event::Connected(peer) => self.admitted(cause, peer),
            Event::Disconnected { peer, error, counters } => {
                let told = self.peers.remove(&peer.id).expect("it is not connected");
                assert_eq!(told, peer, "another connection of that node");
                let seen = self.connections.get_mut(&peer.connection).expect("it is there");
                match (cause, counters) {
                    (Cause::Closed(id, why, counted), Some(counters)) => {
                        assert_eq!((*id, *why, *counted), (peer.connection, error, counters));
                        self.told = 'd';
                    }
                    (Cause::Ready(id), None) => {
                        assert_eq!(error, SessionError::Local(DisconnectReason::AlreadyConnected));
                        assert!(*id != peer.connection && seen.stage == Stage::Admitted);
                        (seen.stage, seen.untold) = (Stage::Replaced, true);
                        self.counted.replaced += 1;
                    }
                    // Its session has not ended in time.
                    (_, None) => {
                        assert!(self.stopping.is_some() && seen.stage == Stage::Admitted);
                        assert_eq!(error, SessionError::Local(DisconnectReason::Quitting));
                        seen.stage = Stage::Gone;
                    }
                    (_, Some(_)) => panic!("{peer:?} is gone, and nobody has said so"),
                }
            }
            Event::Failed {
                connection,
                address,
                direction,
                public_key,
                is_requested,
                error,
                ..
            } => {
                let Cause::Closed(id, why, _) = cause else { panic!("nothing has ended") };
                assert_eq!((*id, *why), (connection, error));
                let seen = &self.connections[&connection];
                assert_eq!((seen.address, seen.direction), (Some(address), direction));
                assert_eq!(seen.key, public_key);
                is_as_dialled(seen.kind, None, is_requested);
                self.told = 'f';
                if direction == Direction::Outbound && !is_requested && self.stopping.is_none() {
                    self.ended(&NodeId::from(&seen.key.expect("we dialled it")), None);
                }
            }
            Event::DialFailed(contact, _) => {
                self.counted.failed += 1;
                self.ended(contact.id(), None);
            }
            Event::WantsCandidates(source) => {
                assert!(source < self.sources, "there is no such source");
                assert!(self.wanted.insert(source), "it has been asked already");
                assert!(!self.held && self.stopping.is_none());
            }
            Event::Discovery(_) => {}
            _ => panic!("an event that nobody knows"),
        }
    }

    fn admitted(&mut self, cause: &Cause, peer: Arc<PeerInfo>) {
        let id = peer.connection;
        assert!(matches!(cause, Cause::Ready(ready) if *ready == id), "it is not ready");
        let seen = self.connections.get_mut(&id).expect("it is there");
        assert_eq!(core::mem::replace(&mut seen.stage, Stage::Admitted), Stage::Hello);
        assert_eq!((seen.address, seen.direction), (Some(peer.address), peer.direction));
        assert_eq!((seen.key, &peer.hello.id), (Some(peer.public_key), peer.public_key.as_bytes()));
        assert_eq!(peer.id, NodeId::from(&peer.public_key));
        assert_ne!(peer.id, self.own, "we are our own peer");
        is_as_dialled(seen.kind, Some(peer.is_static), peer.is_requested);
        let outbound = peer.direction == Direction::Outbound;
        self.counted.admitted[usize::from(outbound)] += 1;
        let by_right = self.trusted.contains(&peer.id);
        let (remote, is_static, is_requested) = (peer.id, peer.is_static, peer.is_requested);
        let before = self.peers.insert(remote, peer);
        assert!(before.is_none(), "two connections of one node");
        assert!(by_right || is_static || self.peers.len() <= self.limits.max_peers, "too many");
        assert!(by_right || outbound || self.inbound_peers() <= self.max_inbound(), "inbound");
        if outbound && !is_requested {
            self.ended(&remote, None);
        }
    }

    // Commands and their answers.

    /// What the command changes before it is given.
    fn prepare(&mut self, id: u64, command: &Command) {
        match command {
            Command::Dial(address) => {
                self.dialled.insert(address.node_id(), self.latest.max(self.clock.mono));
            }
            Command::AddPeer(address) => {
                self.once_static.insert(address.node_id());
                self.statics.entry(address.node_id()).or_insert_with(|| address.clone());
            }
            Command::RemovePeer(peer) => {
                self.statics.remove(peer);
                if let Some(peer) = self.peers.get(peer) {
                    self.removals.insert(id, peer.connection);
                }
            }
            Command::AddTrusted(peer) => {
                self.trusted.insert(*peer);
            }
            Command::RemoveTrusted(peer) => {
                self.trusted.remove(peer);
            }
            Command::SetLimits(limits) => self.limits = *limits,
            Command::Candidates(source, _) => {
                self.wanted.remove(source);
            }
            _ => {}
        }
    }

    fn answered(&mut self, cause: &Cause, id: u64, answer: &Answer) {
        let command = self.commands.remove(&id).expect("it was not asked, or is answered");
        let removed = self.removals.remove(&id);
        if let Answer::Stopped = answer {
            assert!(self.stopping.is_some(), "it does not stop");
            return;
        }
        match command {
            Command::Dial(address) => {
                let Answer::Dialled(result) = answer else { panic!("{answer:?} to a dial") };
                let node = address.node_id();
                match result {
                    Ok(peer) => {
                        assert!(matches!(cause, Cause::Ready(ready) if *ready == peer.connection));
                        assert!(peer.id == node && peer.is_requested);
                    }
                    Err(DialError::Failed(_)) => {
                        self.counted.failed += 1;
                        self.begun = true;
                    }
                    Err(DialError::Session(error)) => {
                        assert!(matches!(cause, Cause::Closed(_, why, _) if why == error));
                    }
                    Err(_) => panic!("a failure that nobody knows"),
                }
                self.ended(&node, Some(id));
                let names =
                    |seen: &Seen| seen.kind == Kind::Requested(id) && seen.stage == Stage::Naming;
                let unnamed = self.connections.values_mut().filter(|seen| names(seen));
                unnamed.for_each(|seen| seen.stage = Stage::Gone);
            }
            Command::RemovePeer(_) => {
                assert!(matches!(answer, Answer::Done));
                let given_up = matches!(cause, Cause::Command(_, command)
                    if matches!(**command, Command::Cancel(RequestId(of)) if of == id));
                let gone = removed.is_none_or(|id| self.connections[&id].stage == Stage::Gone);
                assert!(gone || given_up, "its connection is still there");
            }
            Command::SetEntry { .. } => {
                assert!(matches!(answer, Answer::Done | Answer::BadRecord(_)));
            }
            Command::Discovery(_) if self.discovery => {
                assert!(matches!(answer, Answer::Discovery(_)));
            }
            Command::Discovery(_) => assert!(matches!(answer, Answer::NoDiscovery)),
            _ => assert!(matches!(answer, Answer::Done), "{answer:?}"),
        }
    }

    fn after_command(&self, id: u64, command: &Command, given: &Drained) {
        let at_once = match command {
            Command::Dial(_) => self.stopping.is_some(),
            Command::RemovePeer(_) => !self.removals.contains_key(&id),
            Command::Discovery(discv4::Command::Cancel(other)) => {
                let waits = self.commands.get(&other.0);
                let waits = waits.is_some_and(|it| matches!(it, Command::Discovery(_)));
                assert!(!waits || !self.discovery, "it was to be given up");
                true
            }
            Command::Discovery(
                discv4::Command::SetEntries(_) | discv4::Command::SetEndpoints(_),
            ) => true,
            Command::Discovery(_) => !self.discovery || self.stopping.is_some(),
            Command::Cancel(RequestId(other)) => {
                assert!(!self.commands.contains_key(other), "it was to be given up");
                let place = |id: u64| given.answers.iter().position(|(to, _)| *to == id);
                assert!(place(*other) <= place(id), "what is given up is answered first");
                true
            }
            _ => true,
        };
        assert!(!at_once || !self.commands.contains_key(&id), "{command:?} waits");
    }

    // What must hold at any time.

    fn check(&self) {
        let snapshot = self.look().snapshot();
        let counts = snapshot.counts;
        assert_eq!(Counted::by(&counts), self.counted, "by the node, and as seen");
        let alive = self.alive().count();
        if let Some(since) = self.stopping {
            let late = since + limits::STOP_TIMEOUT <= self.latest;
            assert_eq!(self.stopped, alive == 0 || late, "it stops too early, or late");
            assert!(!self.stopped || self.peers.is_empty(), "peers are forgotten");
            return;
        }
        assert!(!self.stopped, "nobody has told it to stop");
        let told = self.peers.values().map(|peer| peer.connection);
        assert!(snapshot.peers.iter().map(|peer| peer.peer.connection).eq(told), "who is there");
        for peer in &snapshot.peers {
            assert_eq!(peer.is_trusted, self.trusted.contains(&peer.peer.id));
            assert_eq!(peer.is_static, self.statics.contains_key(&peer.peer.id));
        }
        assert_eq!(snapshot.static_nodes, self.statics.len());
        let pending = self.in_stages(&[Stage::Handshake, Stage::Hello], Direction::Inbound);
        assert_eq!(snapshot.pending_inbound, pending.len());
        if pending.len() >= self.max_pending() {
            let silent = pending.iter().filter(|(_, seen)| seen.stage == Stage::Handshake);
            let first = silent.map(|(_, seen)| seen.since + limits::SILENT_CONNECTION).min();
            let waits = first.is_some_and(|at| at > self.latest);
            assert!(
                !waits || self.deadline().is_some_and(|at| Some(at) <= first),
                "it does not say when there is room"
            );
        }
        self.check_dials(&snapshot);
    }

    fn check_dials(&self, snapshot: &Snapshot) {
        let is_dial = |command: &&Command| matches!(command, Command::Dial(_));
        let requested = self.commands.values().filter(is_dial).count();
        let scheduled = snapshot.dialling.checked_sub(requested).expect("a dial that nobody does");
        let dialled = self.peers.len() - self.inbound_peers();
        let missing = self.max_dialled().saturating_sub(dialled);
        let slots = (2 * missing).min(self.max_pending());
        let free = slots.saturating_sub(scheduled);
        assert!(!self.scheduled || scheduled <= slots, "more dials than there is room for");
        let overdue = |seen: &&Seen| {
            seen.stage == Stage::Connecting && seen.since + limits::DIAL_TIMEOUT <= self.latest
        };
        assert_eq!(self.connections.values().find(overdue).map(|seen| seen.key), None, "overdue");
        assert!(!self.no_dial || scheduled == 0, "it dials");
        if self.held || free == 0 {
            return;
        }
        assert!(self.wanted.len() == self.sources, "a source is not asked");
        if self.discovery {
            return;
        }
        for (id, address) in &self.statics {
            let idle = self.may_be_dialled(id) && self.may_be_dialled_there(address);
            assert!(!idle, "{id} could be dialled");
        }
    }
}

impl Drained {
    fn append(&mut self, mut later: Self) {
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
