//! Whatever happens in whatever order, late and repeated reports included: what
//! holds at a node at all times.
//!
//! Sessions, application and network are played by a seeded story; what must
//! hold is recounted here from inputs and outputs alone. The node runs under
//! [`Checked`](crate::machine::Checked).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::harness::*;
use crate::crypto::PublicKey;
use crate::discv4::RequestId;
use crate::entropy::{Rng, Seed};
use crate::identity::{Contact, Enode, HostName, NetRestrict, NodeAddress, NodeId, is_lan};
use crate::limits;
use crate::machine::{Checked, Machine as _};
use crate::node::{
    Command, Config, ConnectionId, DialFailure, Direction, Event, Input, Limits, Node, Output,
    PeerInfo, Report,
};
use crate::session::{self, Counters, Lost, SessionError};
use crate::time::{Instant, Now};

/// Nodes of the story; 0 is ourselves. The last two have names for addresses.
const NODES: usize = 12;
const NAMED: usize = 10;

/// A session, or an attempt at one, as its own task knows it.
#[derive(Debug)]
struct Task {
    /// Whose key it shows: the dialled one, or what the story says.
    number: usize,
    connected: bool,
    /// Told to go before it was connected: its attempt goes on without it.
    given_up: bool,
    closed: bool,
    commands: Vec<session::Command>,
}

struct Story {
    node: Checked<Node>,
    now: Now,
    rng: Rng,
    keys: Vec<PublicKey>,
    limits: Limits,
    no_dial: bool,
    net_restrict: Option<NetRestrict>,
    trusted: BTreeSet<NodeId>,
    held: bool,
    stopping: bool,
    stopped: bool,
    requests: u64,
    unanswered: BTreeSet<RequestId>,
    tasks: BTreeMap<ConnectionId, Task>,
    /// Names that wait to be looked up.
    names: BTreeMap<ConnectionId, NodeId>,
    peers: BTreeMap<NodeId, Arc<PeerInfo>>,
    /// Who is being dialled by the scheduler, and under which name at last.
    dialling: BTreeMap<NodeId, ConnectionId>,
    dialled_at: BTreeMap<NodeId, Instant>,
    accepted_at: BTreeMap<IpAddr, Instant>,
    /// What became of the connection that has come in.
    accepted: Option<Option<ConnectionId>>,
    /// The attempt of which something was heard last.
    cause: Option<ConnectionId>,
    reached: Reached,
}

/// What the stories have come to: a test that never gets there shows nothing.
#[derive(Debug, Default)]
struct Reached {
    inbound: usize,
    outbound: usize,
    replaced: usize,
    refused: usize,
    full: usize,
    stopped_late: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = Seed::from_number(seed).derive("story", 0).jitter();
        let mut config = config();
        config.limits = some_limits(&mut rng);
        config.no_dial = rng.below(8) == 0;
        config.discovery = rng.below(4) == 0;
        if rng.below(2) == 0 {
            config.candidates = ["a".into(), "b".into()].into();
        }
        if rng.below(3) == 0 {
            let networks = ["33.0.0.0/8", "192.168.0.0/16"].map(|text| text.parse().unwrap());
            config.net_restrict = Some(NetRestrict::new(networks));
        }
        let keys: Vec<_> = (0..NODES as u64).map(key).collect();
        let trusted = BTreeSet::from([NodeId::from(&keys[1])]);
        config.trusted_nodes = trusted.iter().copied().collect();
        config.static_nodes = [0, 2, NAMED].map(|number| node(&keys, number)).into();
        let Config { limits, no_dial, ref net_restrict, .. } = config;
        let net_restrict = net_restrict.clone();
        let node = Checked::new(Node::new(config, &Seed::from_number(seed), START).unwrap());
        let mut story = Self {
            node,
            now: START,
            rng,
            keys,
            limits,
            no_dial,
            net_restrict,
            trusted,
            held: false,
            stopping: false,
            stopped: false,
            requests: 0,
            unanswered: BTreeSet::new(),
            tasks: BTreeMap::new(),
            names: BTreeMap::new(),
            peers: BTreeMap::new(),
            dialling: BTreeMap::new(),
            dialled_at: BTreeMap::new(),
            accepted_at: BTreeMap::new(),
            accepted: None,
            cause: None,
            reached: Reached::default(),
        };
        story.drain(None);
        story
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(u32::try_from(bound).unwrap()) as usize
    }

    fn give(&mut self, input: Input<'_>) {
        if let Input::Named(id, _) | Input::Connected(id, _) = input {
            self.cause = Some(id);
        }
        self.give_for(input, None);
    }

    /// `requested`: whom the application has just asked to dial.
    fn give_for(&mut self, input: Input<'_>, requested: Option<NodeId>) {
        assert!(!self.stopped);
        self.node.handle(self.now, input);
        self.drain(requested);
    }

    fn drain(&mut self, mut requested: Option<NodeId>) {
        while let Some(output) = self.node.poll_output() {
            assert!(!self.stopped, "{output:?} after the end");
            match output {
                Output::Accept { id, .. } => assert!(self.accepted.replace(Some(id)).is_none()),
                Output::Refuse(_) => assert!(self.accepted.replace(None).is_none()),
                Output::LookUpName { id, name } => {
                    let number = NAMED + usize::from(name.as_str() == Some("b.example"));
                    let remote = NodeId::from(&self.keys[number]);
                    if requested.take_if(|requested| *requested == remote).is_none() {
                        self.check_dial(id, remote);
                    }
                    self.dialled_at.insert(remote, self.now.mono);
                    self.names.insert(id, remote);
                }
                Output::Connect { id, to, remote, .. } => {
                    self.on_connect(id, to, remote, &mut requested)
                }
                Output::Session(id, command) => self.on_command(id, command),
                Output::Send { .. } | Output::Verify(_) | Output::Store(..) => {}
                Output::Answer(id, _) => {
                    assert!(self.unanswered.remove(&id), "{id:?} is answered twice");
                }
                Output::Event(event) => self.on_event(event),
                Output::Stopped => self.stopped = true,
            }
        }
        assert_eq!(self.node.get().peers(), self.peers.len());
    }

    fn on_connect(
        &mut self,
        id: ConnectionId,
        to: SocketAddr,
        remote: PublicKey,
        requested: &mut Option<NodeId>,
    ) {
        let number = self.keys.iter().position(|key| *key == remote).unwrap();
        let remote = NodeId::from(&remote);
        assert!(self.allows(to.ip()) && to.port() != 0, "{to} is dialled");
        if number < NAMED {
            if requested.take_if(|requested| *requested == remote).is_none() {
                self.check_dial(id, remote);
            }
            self.dialled_at.insert(remote, self.now.mono);
        } else if let Some(dial) = self.dialling.get_mut(&remote)
            && self.cause == Some(*dial)
        {
            // What goes by name has begun when its name was looked up.
            *dial = id;
        }
        self.tasks.insert(
            id,
            Task { number, connected: false, given_up: false, closed: false, commands: Vec::new() },
        );
    }

    /// The scheduler begins a dial of its own.
    fn check_dial(&mut self, id: ConnectionId, remote: NodeId) {
        assert!(!self.held && !self.stopping && !self.no_dial);
        assert_ne!(remote, id_of(&self.keys, 0), "it dials itself");
        assert!(!self.peers.contains_key(&remote), "it dials a peer");
        let last = self.dialled_at.get(&remote);
        assert!(last.is_none_or(|at| *at + limits::DIAL_HISTORY_LIFE <= self.now.mono));
        let outbound = |peer: &&Arc<PeerInfo>| peer.direction == Direction::Outbound;
        let dialled = self.peers.values().filter(outbound).count();
        let slots = 2 * self.max_dialled().saturating_sub(dialled);
        assert!(self.dialling.len() < slots.min(self.max_pending()), "more than its slots");
        assert_eq!(self.dialling.insert(remote, id), None, "it is being dialled");
    }

    fn max_dialled(&self) -> usize {
        let ratio = if self.limits.dial_ratio == 0 { 3 } else { self.limits.dial_ratio };
        if self.no_dial || self.limits.max_peers == 0 {
            0
        } else {
            (self.limits.max_peers / ratio).max(1)
        }
    }

    fn max_pending(&self) -> usize {
        if self.limits.max_pending_peers == 0 { 50 } else { self.limits.max_pending_peers }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.net_restrict.as_ref().is_none_or(|networks| networks.contains(ip))
    }

    fn on_command(&mut self, id: ConnectionId, command: session::Command) {
        let task = self.tasks.get_mut(&id).expect("a command to nobody");
        assert!(!task.closed, "{command:?} to {id}, which has ended");
        task.commands.push(command);
        task.given_up |= !task.connected;
        self.cause = Some(id);
        let told = &task.commands[..];
        let goes = matches!(told.last(), Some(session::Command::Disconnect(_)));
        let before = &told[..told.len() - usize::from(goes)];
        use session::Command::{Admit, Proceed};
        assert!(matches!(before, [] | [Proceed] | [Proceed, Admit]), "{told:?}");
        self.reached.refused += usize::from(goes && before.len() < 2);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(peer) => self.on_peer(peer),
            Event::Disconnected { peer, counters, .. } => {
                let known = self.peers.remove(&peer.id).expect("who goes was there");
                assert_eq!(known, peer);
                self.reached.replaced += usize::from(counters.is_none() && !self.stopping);
            }
            Event::DialFailed(contact, _) => {
                assert!(self.dialling.remove(contact.id()).is_some(), "nobody dialled it");
            }
            Event::Failed { connection, .. } => {
                assert!(self.tasks[&connection].closed);
            }
            Event::WantsCandidates(source) => assert!(source < 2 && !self.held && !self.stopping),
            Event::Discovery(_) => {}
        }
    }

    fn on_peer(&mut self, peer: Arc<PeerInfo>) {
        assert!(!self.stopping, "nobody is admitted to a node that stops");
        assert_ne!(peer.id, id_of(&self.keys, 0), "it is connected to itself");
        assert!(!peer.shared.is_empty());
        let inbound = peer.direction == Direction::Inbound;
        if !self.trusted.contains(&peer.id) {
            let full = self.peers.len() >= self.limits.max_peers;
            self.reached.full += usize::from(full);
            assert!(peer.is_static || !full, "more peers than allowed");
            let share = self.limits.max_peers - self.max_dialled();
            let are_inbound = |peer: &&Arc<PeerInfo>| peer.direction == Direction::Inbound;
            let count = self.peers.values().filter(are_inbound).count();
            assert!(!inbound || count < share, "more inbound peers than their share");
        }
        if inbound {
            self.reached.inbound += 1
        } else {
            self.reached.outbound += 1
        }
        self.dialling.retain(|_, id| *id != peer.connection);
        assert!(self.peers.insert(peer.id, peer).is_none(), "two connections of one node");
    }

    // What the story does.

    fn step(&mut self) {
        match self.below(100) {
            0..16 => self.somebody_connects(),
            16..46 => self.a_session_speaks(),
            46..52 => self.something_false_is_reported(),
            52..64 => self.a_dial_ends(),
            64..70 => self.a_name_is_looked_up(),
            70..85 => self.the_application_asks(),
            85..88 => {
                self.held = self.below(3) == 0;
                let held = self.held;
                self.give(Input::Hold(held));
            }
            88..97 => self.time_goes_on(),
            _ => self.give(Input::Timeout),
        }
    }

    fn somebody_connects(&mut self) {
        let from: SocketAddr = match self.below(4) {
            0 => "192.168.0.9:5".parse().unwrap(),
            1 => "44.0.0.1:5".parse().unwrap(),
            2 => "[::ffff:33.0.1.1]:7".parse().unwrap(),
            _ => address(self.below(12) as u64),
        };
        self.give(Input::Incoming(from));
        let Some(id) = self.accepted.take().expect("an answer to each connection") else { return };
        let ip = from.ip().to_canonical();
        assert!(self.allows(ip) && !self.stopping);
        let last = self.accepted_at.insert(ip, self.now.mono);
        assert!(is_lan(ip) || last.is_none_or(|at| at + limits::INBOUND_THROTTLE <= self.now.mono));
        let number = self.below(NODES);
        let commands = Vec::new();
        let task = Task { number, connected: true, given_up: false, closed: false, commands };
        assert!(self.tasks.insert(id, task).is_none(), "a name that was used before");
    }

    fn some_task(&mut self, of: impl Fn(&Task) -> bool) -> Option<ConnectionId> {
        let ids: Vec<_> =
            self.tasks.iter().filter(|(_, task)| of(task)).map(|(id, _)| *id).collect();
        if ids.is_empty() { None } else { Some(ids[self.below(ids.len())]) }
    }

    fn a_session_speaks(&mut self) {
        let Some(id) = self.some_task(|task| task.connected && !task.closed) else { return };
        match self.below(8) {
            0 => self.close(id),
            // It obeys late, and may have said more before it hears that it has to go.
            1..4 => self.authenticated(id),
            _ => self.ready(id),
        }
    }

    fn authenticated(&mut self, id: ConnectionId) {
        let number = self.tasks.get(&id).map_or(3, |task| task.number);
        let report = Report::Authenticated(self.keys[number]);
        self.give(Input::Session(id, report));
    }

    fn ready(&mut self, id: ConnectionId) {
        let number = self.tasks.get(&id).map_or(3, |task| task.number);
        let useful = self.below(6) > 0;
        let report = Report::Ready { hello: hello(&self.keys[number]), shared: shared(useful) };
        self.give(Input::Session(id, report));
    }

    fn close(&mut self, id: ConnectionId) {
        if let Some(task) = self.tasks.get_mut(&id)
            && !core::mem::replace(&mut task.closed, true)
            && !task.given_up
        {
            self.dialling.retain(|_, dial| *dial != id);
        }
        let error = SessionError::Lost(Lost::Closed);
        self.give(Input::Session(id, Report::Closed { error, counters: Counters::default() }));
    }

    /// Too late, twice, of nobody.
    fn something_false_is_reported(&mut self) {
        let id = match self.some_task(|task| task.closed) {
            Some(id) if self.below(3) > 0 => id,
            _ => ConnectionId(1 << 40),
        };
        match self.below(6) {
            0 => self.authenticated(id),
            1 => self.ready(id),
            2 => self.close(id),
            3 => self.give(Input::Connected(id, Ok(()))),
            4 => self.give(Input::Connected(id, Err(DialFailure::Refused))),
            _ => self.give(Input::Named(id, &[address(1).ip()])),
        }
    }

    fn a_dial_ends(&mut self) {
        let Some(id) = self.some_task(|task| !task.connected) else { return };
        let works = self.below(3) > 0;
        let task = self.tasks.get_mut(&id).unwrap();
        task.connected = true;
        if works {
            self.give(Input::Connected(id, Ok(())));
            return;
        }
        task.closed = true;
        self.give(Input::Connected(id, Err(DialFailure::Refused)));
    }

    fn a_name_is_looked_up(&mut self) {
        let Some((id, _)) = self.names.pop_first() else { return };
        let ips = [address(10).ip(), [44, 0, 0, 2].into(), [10, 0, 0, 2].into()];
        let from = self.below(4);
        self.give(Input::Named(id, &ips[from..]));
    }

    fn the_application_asks(&mut self) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let number = self.below(NODES);
        let whom = id_of(&self.keys, number);
        let mut requested = None;
        let command = match self.below(16) {
            0..2 => {
                requested = Some(whom);
                Command::Dial(node(&self.keys, number))
            }
            2..5 => Command::AddPeer(node(&self.keys, number)),
            5..7 => Command::RemovePeer(whom),
            7 => {
                self.trusted.insert(whom);
                Command::AddTrusted(whom)
            }
            8 => {
                self.trusted.remove(&whom);
                Command::RemoveTrusted(whom)
            }
            9 => {
                self.limits = some_limits(&mut self.rng);
                Command::SetLimits(self.limits)
            }
            10 => Command::Cancel(RequestId(self.requests.saturating_sub(3))),
            11 => Command::SetEntry { key: b"eth".into(), value: Some([0x80].into()) },
            12 => Command::Discovery(crate::discv4::Command::RandomNodes),
            _ => {
                let contacts = (0..4).map(|_| {
                    let number = self.below(NAMED);
                    self.some_contact(number)
                });
                let contacts = contacts.collect();
                Command::Candidates(self.below(3), contacts)
            }
        };
        self.unanswered.insert(id);
        self.give_for(Input::Command(id, command), requested);
    }

    fn some_contact(&mut self, number: usize) -> Contact {
        let at = address(number as u64);
        match self.below(6) {
            0 => Contact::new(self.keys[number], at.ip(), 30303, 0),
            1 => Contact::new(self.keys[number], [44, 0, 0, 7].into(), 1, 1),
            _ => node(&self.keys, number).contact(),
        }
    }

    fn time_goes_on(&mut self) {
        let millis = match self.below(4) {
            0 => self.below(40_000),
            1 => self.below(5_000),
            _ => self.below(600),
        };
        self.wait(Duration::from_millis(millis as u64));
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        while let Some(deadline) = self.node.poll_timeout()
            && deadline.at <= end.mono
        {
            self.now = self.now.saturating_add(deadline.at.saturating_since(self.now.mono));
            self.give(Input::Timeout);
            if self.stopped {
                return;
            }
        }
        self.now = end;
        self.give(Input::Timeout);
    }

    /// Every session ends: nothing is left of it.
    fn end_all_sessions(&mut self) {
        let held = true;
        self.held = held;
        self.give(Input::Hold(held));
        loop {
            while let Some(id) = self.some_task(|task| !task.connected) {
                self.tasks.get_mut(&id).unwrap().connected = true;
                self.tasks.get_mut(&id).unwrap().closed = true;
                self.give(Input::Connected(id, Err(DialFailure::Refused)));
            }
            match self.some_task(|task| !task.closed) {
                Some(id) => self.close(id),
                None if self.names.is_empty() => break,
                None => {
                    let (id, _) = self.names.pop_first().unwrap();
                    self.give(Input::Named(id, &[]));
                }
            }
        }
        // A resolution may be under way, and what is in the history.
        self.wait(Duration::from_secs(120));
        let node = self.node.get();
        assert!(self.peers.is_empty() && self.dialling.is_empty(), "{:?}", self.dialling);
        assert!(node.connections.is_empty() && node.leaving == 0);
        assert_eq!((node.incoming.len(), node.dial.len(), node.removals.len()), (0, 0, 0));
        assert!(node.dial.is_idle(), "something is kept of who has gone");
    }

    fn stop(&mut self) {
        self.stopping = true;
        let connected = !self.peers.is_empty();
        self.give(Input::Stop);
        let waits = self.below(2) == 0;
        while !self.stopped {
            match self.some_task(|task| task.connected && !task.closed) {
                Some(id) if !waits => {
                    if self.below(3) == 0 {
                        self.authenticated(id);
                    } else if self.below(2) == 0 {
                        self.ready(id);
                    } else {
                        self.close(id);
                    }
                }
                Some(_) | None => {
                    self.wait(limits::STOP_TIMEOUT);
                    assert!(self.stopped, "it waits longer than it may");
                }
            }
        }
        self.reached.stopped_late += usize::from(waits && connected);
        assert!(self.peers.is_empty(), "who was there has gone");
    }
}

fn some_limits(rng: &mut Rng) -> Limits {
    let mut below = |bound| rng.below(bound) as usize;
    Limits { max_peers: below(9), max_pending_peers: below(5), dial_ratio: below(4) }
}

fn id_of(keys: &[PublicKey], number: usize) -> NodeId {
    NodeId::from(&keys[number])
}

fn node(keys: &[PublicKey], number: usize) -> NodeAddress {
    let at = address(number as u64);
    NodeAddress::Enode(if number < NAMED {
        Enode::new(keys[number], at.ip(), at.port(), at.port())
    } else {
        let name = if number == NAMED { "a.example" } else { "b.example" };
        Enode::with_host_name(keys[number], HostName::new(name).unwrap(), 30303, 0)
    })
}

#[test]
fn the_same_story_told_twice_goes_the_same_way() {
    let digest = |seed| {
        let mut story = Story::new(seed);
        (0..200).for_each(|_| story.step());
        story.stop();
        story.node.digest()
    };
    for seed in 0..20 {
        assert_eq!(digest(seed), digest(seed), "seed {seed}");
    }
    assert_ne!(digest(0), digest(1));
}

#[test]
fn whatever_happens_limits_hold_and_nothing_is_left_of_who_has_gone() {
    let mut reached = Reached::default();
    for seed in 0..400 {
        let mut story = Story::new(seed);
        for _ in 0..400 {
            story.step();
        }
        if seed % 2 == 0 {
            story.end_all_sessions();
        }
        story.stop();
        assert!(story.unanswered.is_empty(), "seed {seed}: {:?}", story.unanswered);
        let Reached { inbound, outbound, replaced, refused, full, stopped_late } = story.reached;
        reached.inbound += inbound;
        reached.outbound += outbound;
        reached.replaced += replaced;
        reached.refused += refused;
        reached.full += full;
        reached.stopped_late += stopped_late;
    }
    let Reached { inbound, outbound, replaced, refused, full, stopped_late } = reached;
    for (what, count) in [
        ("admitted inbound", inbound),
        ("admitted outbound", outbound),
        ("replaced", replaced),
        ("refused", refused),
        ("static beyond the limit", full),
        ("stopped without waiting for peers", stopped_late),
    ] {
        assert!(count > 20, "{what}: {reached:?}");
    }
}
