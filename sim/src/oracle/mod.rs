//! Oracles: what must hold of every network, looked at by somebody who sees all of
//! it. `docs/invariants.md` has the numbers.
//!
//! ```text
//!   Host, as it executes ──▶ hooks ──▶ books of what truly happened ─┐
//!   World, every 5 s ──────▶ look ───▶ public state of the machines ─┴▶ Found
//! ```
//!
//! They know the true keys and addresses, and every byte. What a machine counts
//! they count again, and they draw nothing and change nothing: a run is the same
//! without them.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::{self, DropReason, RequestId, Verified};
use devp2p_core::identity::{NetRestrict, NodeId};
use devp2p_core::node::{self, Config, ConnectionId, Report};
use devp2p_core::p2p::Message;
use devp2p_core::session::{self, Greeting, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};

use crate::network::tcp::{PipeId, Side};
use crate::world::World;

mod discovery;
mod liveness;
mod peers;
mod resources;
mod session_life;
mod sometimes;
mod streams;
mod table;
#[cfg(test)]
mod tests;

pub use sometimes::{Branch, Reached};

pub use liveness::SETTLED;
pub(crate) use liveness::check_settled;

/// Between two looks at all that costs as much as a table.
const LOOK: Duration = Duration::from_secs(5);

/// What was found to be wrong, before the world says when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) invariant: &'static str,
    pub(crate) node: Option<u32>,
    pub(crate) what: String,
}

/// The terms that a run of a node began with.
#[derive(Debug)]
pub(crate) struct Terms {
    public_key: PublicKey,
    id: NodeId,
    max_peers: usize,
    max_dialled: usize,
    max_pending: usize,
    takes_anyone: bool,
    trusted: BTreeSet<NodeId>,
    statics: BTreeSet<NodeId>,
    net_restrict: Option<NetRestrict>,
    table: devp2p_core::kademlia::TableConfig,
}

impl Terms {
    fn of(config: &Config) -> Self {
        let public_key = config.key.public_key();
        let mut terms = Self {
            public_key,
            id: NodeId::from(&public_key),
            max_peers: 0,
            max_dialled: 0,
            max_pending: 0,
            takes_anyone: match &config.greeting {
                Greeting::Offer(offer) => offer.is_empty(),
                Greeting::Mirror => true,
            },
            trusted: config.trusted_nodes.iter().copied().collect(),
            statics: config.static_nodes.iter().map(|node| node.node_id()).collect(),
            net_restrict: config.net_restrict.clone(),
            table: config.table,
        };
        terms.set_limits(&config.limits, config.no_dial);
        terms
    }

    /// geth `setupDialScheduler`, in our own words.
    fn set_limits(&mut self, limits: &node::Limits, no_dial: bool) {
        let ratio = if limits.dial_ratio == 0 { 3 } else { limits.dial_ratio };
        self.max_peers = limits.max_peers;
        self.max_dialled = match limits.max_peers {
            _ if no_dial => 0,
            0 => 0,
            peers => (peers / ratio).max(1),
        };
        self.max_pending =
            if limits.max_pending_peers == 0 { 50 } else { limits.max_pending_peers };
    }

    const fn max_inbound(&self) -> usize {
        self.max_peers.saturating_sub(self.max_dialled)
    }
}

/// What is known of one run of one node.
#[derive(Debug)]
struct Run {
    name: u32,
    terms: Terms,
    no_dial: bool,
    began: Now,
    discovery: discovery::Book,
    peers: peers::Book,
    sessions: BTreeMap<ConnectionId, session_life::Book>,
    resources: resources::Book,
    /// The table when it was last looked at.
    seen: BTreeMap<NodeId, table::Seen>,
}

/// What is known of one machine, whatever run it is in.
#[derive(Debug, Default)]
struct Machine {
    run: Option<Run>,
    memory: discovery::Memory,
}

/// All that the oracles know.
#[derive(Debug)]
struct Books {
    machines: Vec<Machine>,
    /// Some machine has come back with another key, or somebody forges sources: where
    /// others saw one id there are two, and no packet says which was meant.
    keys_renewed: bool,
    /// Ids that no machine has any more, and since when.
    gone: BTreeMap<NodeId, Instant>,
    streams: streams::Book,
    wire: discovery::Wire,
    branches: Reached,
    /// Connections that are a peer's at one end alone, and for how many looks.
    lopsided: BTreeMap<(usize, u32, ConnectionId), u32>,
    next_look: Instant,
    found: Option<Found>,
}

/// The oracles of a world, or none.
#[derive(Debug, Default)]
pub(crate) struct Oracle(Option<Box<Books>>);

impl Books {
    fn fail(&mut self, invariant: &'static str, name: Option<u32>, what: String) {
        // The first is the cause of the others, as a rule.
        self.found.get_or_insert(Found { invariant, node: name, what });
    }

    fn run(&mut self, place: usize) -> Option<&mut Run> {
        self.machines.get_mut(place)?.run.as_mut()
    }

    /// Has one run's books looked into, and keeps what they find.
    fn with(
        &mut self,
        place: usize,
        look: impl FnOnce(&mut Run, &mut Reached) -> Result<(), Flaw>,
    ) {
        let Some(run) = self.machines.get_mut(place).and_then(|machine| machine.run.as_mut())
        else {
            return;
        };
        let name = run.name;
        if let Err(Flaw(invariant, what)) = look(run, &mut self.branches) {
            self.fail(invariant, Some(name), what);
        }
    }
}

/// An invariant that does not hold, and how.
#[derive(Debug)]
struct Flaw(&'static str, String);

/// Says what is wrong unless it holds.
macro_rules! hold {
    ($holds:expr, $invariant:literal, $($what:tt)+) => {
        if !$holds {
            return Err($crate::oracle::Flaw($invariant, format!($($what)+)));
        }
    };
}
use hold;

impl Oracle {
    pub(crate) fn new(on: bool, machines: usize) -> Self {
        Self(on.then(|| {
            Box::new(Books {
                machines: core::iter::repeat_with(Machine::default).take(machines).collect(),
                keys_renewed: false,
                gone: BTreeMap::new(),
                streams: streams::Book::default(),
                wire: discovery::Wire::new(),
                branches: Reached::default(),
                lopsided: BTreeMap::new(),
                next_look: Instant::ZERO + LOOK,
                found: None,
            })
        }))
    }

    /// Somebody forges sources in this world.
    pub(crate) fn expects_forgery(&mut self) {
        if let Some(books) = &mut self.0 {
            books.keys_renewed = true;
        }
    }

    /// What was found, if anything was.
    pub(crate) fn found(&mut self) -> Option<Found> {
        self.0.as_mut()?.found.take()
    }

    /// Which rare branches were reached so far, runs that are over included.
    pub(crate) fn reached(&self, world: &World) -> Reached {
        let mut reached =
            self.0.as_ref().map_or_else(Reached::default, |books| books.branches.clone());
        for host in &world.hosts {
            if let Some(running) = &host.running {
                reached.collect(running.node.machine());
            }
        }
        reached
    }

    /// Looks at everything that is not looked at with each event, if it is time.
    pub(crate) fn look(world: &mut World) {
        let now = world.now;
        let due = |books: &Books| books.next_look <= now;
        if !world.watch.oracle.0.as_deref().is_some_and(due) {
            return;
        }
        let Some(mut books) = world.watch.oracle.0.take() else { return };
        books.next_look = now + LOOK;
        books.look_at_all(world);
        world.watch.oracle.0 = Some(books);
    }

    // What hosts say.

    pub(crate) fn starts(&mut self, place: usize, name: u32, config: &Config, now: Now) {
        let Some(books) = &mut self.0 else { return };
        let terms = Terms::of(config);
        books.wire.keys.insert(*terms.public_key.as_bytes());
        let Some(machine) = books.machines.get_mut(place) else { return };
        if let Some(before) = machine.memory.id.replace(terms.id)
            && before != terms.id
        {
            books.keys_renewed = true;
            books.gone.insert(before, Instant::ZERO);
        }
        machine.run = Some(Run {
            name,
            terms,
            no_dial: config.no_dial,
            began: now,
            discovery: discovery::Book::default(),
            peers: peers::Book::default(),
            sessions: BTreeMap::new(),
            resources: resources::Book::default(),
            seen: BTreeMap::new(),
        });
    }

    pub(crate) fn crashes(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        books.branches.collect(node);
        let Some(machine) = books.machines.get_mut(place) else { return };
        if let Some(run) = machine.run.take() {
            machine.memory.remember(&run.discovery);
            for (_, session) in run.sessions {
                books.streams.vanished(session.pipe, session.side);
            }
        }
    }

    /// The gate let a packet through, and this was made of it.
    pub(crate) fn gated(&mut self, place: usize, now: Now, result: &Result<Verified, DropReason>) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| discovery::gated(run, now, result));
    }

    /// A packet is about to be handed in.
    pub(crate) fn before_packet(
        &mut self,
        place: usize,
        now: Now,
        node: &node::Node,
        due: Option<Deadline>,
        result: &Result<Verified, DropReason>,
    ) {
        let Some(books) = &mut self.0 else { return };
        let (lenient, due) = (books.keys_renewed, due.is_some_and(|due| due.at <= now.mono));
        if let Ok(packet) = result
            && let Some(machine) = books.machines.get_mut(place)
        {
            machine.memory.spoken.insert(packet.source().ip());
        }
        books.with(place, |run, reached| {
            discovery::before_packet(run, reached, now, node, (lenient, due), result);
            Ok(())
        });
    }

    /// It was handed in.
    pub(crate) fn after_packet(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| discovery::after_packet(run, node));
    }

    /// A datagram leaves, or would if the socket took it.
    pub(crate) fn sends(&mut self, place: usize, now: Now, to: SocketAddr, datagram: &[u8]) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.keys_renewed;
        let Books { machines, wire, branches, .. } = &mut **books;
        let Some(Machine { run: Some(run), memory }) = machines.get_mut(place) else { return };
        let name = run.name;
        let sent = discovery::sends(run, memory, wire, branches, lenient, now, to, datagram);
        if let Err(Flaw(invariant, what)) = sent {
            books.fail(invariant, Some(name), what);
        }
    }

    /// All that the last input has brought about is done.
    pub(crate) fn executed(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.keys_renewed;
        let memory = books.machines.get_mut(place).map(|one| core::mem::take(&mut one.memory));
        let Some(memory) = memory else { return };
        books.with(place, |run, _| discovery::executed(run, &memory, node, lenient));
        if let Some(machine) = books.machines.get_mut(place) {
            machine.memory = memory;
        }
    }

    pub(crate) fn commanded(
        &mut self,
        place: usize,
        now: Now,
        id: RequestId,
        command: &node::Command,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            peers::commanded(run, id, command);
            discovery::commanded(run, now, id, command)
        });
    }

    pub(crate) fn answers(&mut self, place: usize, now: Now, id: RequestId, answer: &node::Answer) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| {
            reached.answered(answer);
            peers::answers(run, id);
            discovery::answers(run, now, id, answer)
        });
    }

    pub(crate) fn accepts(&mut self, place: usize, now: Now, from: IpAddr, id: ConnectionId) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::accepts(run, now, from, id));
    }

    pub(crate) fn connects(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        to: SocketAddr,
        remote: &PublicKey,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::connects(run, now, id, to, remote));
    }

    /// The node is told what became of a dial.
    pub(crate) fn connected(&mut self, place: usize, id: ConnectionId, made: bool) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            peers::connected(run, id, made);
            Ok(())
        });
    }

    /// The node tells a session something.
    pub(crate) fn tells(&mut self, place: usize, id: ConnectionId, command: session::Command) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::tells(run, id, command));
    }

    /// The node is told something by a session.
    pub(crate) fn reports(&mut self, place: usize, id: ConnectionId, report: &Report) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| peers::reports(run, reached, id, report));
    }

    /// The node says what has happened.
    pub(crate) fn happened(&mut self, place: usize, world: Instant, event: &node::Event) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| peers::happened(run, reached, world, event));
    }

    /// The machine has come to rest.
    pub(crate) fn rests(&mut self, place: usize, node: &node::Node, due: Option<Deadline>) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.keys_renewed;
        books.with(place, |run, _| {
            resources::rests(node.now(), "the node", due)?;
            peers::rests(run, node)?;
            discovery::rests(run, node, lenient)
        });
    }

    pub(crate) fn wakes(&mut self, place: usize, at: Instant) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            run.resources.wakes(at);
            Ok(())
        });
    }

    // What connections say.

    pub(crate) fn session_begins(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        (pipe, side): (PipeId, Side),
        seed: [u8; 16],
    ) {
        let Some(books) = &mut self.0 else { return };
        let Some(run) = books.machines.get_mut(place).and_then(|machine| machine.run.as_mut())
        else {
            return;
        };
        run.sessions.insert(id, session_life::Book::new(now, pipe, side));
        let (name, key) = (run.name, run.terms.public_key);
        books.streams.begins(pipe, side, key);
        if !books.streams.is_fresh(seed) {
            books.fail("S7", Some(name), format!("connection {id} has another one's seed"));
        }
    }

    /// A session says something.
    pub(crate) fn session_says(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        event: &devp2p_core::driver::Event,
    ) {
        let Some(books) = &mut self.0 else { return };
        let Books { machines, streams, branches, .. } = &mut **books;
        let Some(Machine { run: Some(run), .. }) = machines.get_mut(place) else { return };
        let name = run.name;
        if let Err(Flaw(invariant, what)) =
            session_life::says(run, streams, branches, now, id, event)
        {
            books.fail(invariant, Some(name), what);
        }
    }

    /// A session was told something; so many bytes are yet to be written, which
    /// were so many before.
    pub(crate) fn session_told(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        command: session::Command,
        (before, after): (usize, usize),
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| session_life::told(run, now, id, command, before, after));
    }

    /// Of a session's bytes so many have left, and so many are yet to; `first` are
    /// those that come next.
    pub(crate) fn session_writes(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        first: &[u8],
        written: usize,
    ) {
        let Some(books) = &mut self.0 else { return };
        let Books { machines, streams, .. } = &mut **books;
        let Some(Machine { run: Some(run), .. }) = machines.get_mut(place) else { return };
        let name = run.name;
        if let Err(Flaw(invariant, what)) =
            session_life::writes(run, streams, now, id, first, written)
        {
            books.fail(invariant, Some(name), what);
        }
    }

    pub(crate) fn session_reads(&mut self, place: usize, now: Now, id: ConnectionId) {
        let Some(books) = &mut self.0 else { return };
        if let Some(book) = books.run(place).and_then(|run| run.sessions.get_mut(&id)) {
            book.reads(now);
        }
    }

    /// A session has come to rest.
    pub(crate) fn session_rests(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        (pending, reads): (usize, bool),
        due: Option<Deadline>,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| session_life::rests(run, now, id, (pending, reads), due));
    }

    /// The application sends a message.
    pub(crate) fn sent(&mut self, pipe: PipeId, side: Side, message: &Message) {
        let Some(books) = &mut self.0 else { return };
        books.streams.sent(pipe, side, message);
    }

    /// The application gets a message.
    pub(crate) fn received(
        &mut self,
        place: usize,
        id: ConnectionId,
        pipe: PipeId,
        side: Side,
        message: &Message,
    ) {
        let Some(books) = &mut self.0 else { return };
        let streams = &mut books.streams;
        let received = streams.received(pipe, side, message);
        books.with(place, |run, _| {
            received?;
            session_life::delivers(run, id)
        });
    }

    /// A session is over.
    pub(crate) fn session_ends(&mut self, place: usize, id: ConnectionId, error: SessionError) {
        let Some(books) = &mut self.0 else { return };
        let Some(Machine { run: Some(run), .. }) = books.machines.get_mut(place) else { return };
        let Some(session) = run.sessions.remove(&id) else { return };
        let name = run.name;
        books.branches.ended(&error);
        if let Err(Flaw(invariant, what)) = books.streams.ends(session.pipe, session.side, error) {
            books.fail(invariant, Some(name), what);
        }
    }
}

impl Books {
    /// What is counted anew every few seconds.
    fn look_at_all(&mut self, world: &World) {
        for (id, since) in &mut self.gone {
            let _ = id;
            if *since == Instant::ZERO {
                *since = world.now;
            }
        }
        for (place, host) in world.hosts.iter().enumerate() {
            let Some(running) = &host.running else { continue };
            let (node, now) = (running.node.machine(), host.clock.at(world.now));
            let idle = host.is_idle(world.now);
            self.with(place, |run, reached| {
                if let Some(discovery) = node.discovery() {
                    table::check(run, reached, discovery.table(), now)?;
                    resources::check(discovery)?;
                    discovery::tidy(run, now);
                }
                peers::measure(run, world.now);
                peers::recount(run, node)?;
                if idle {
                    session_life::check(run, running, now)?;
                }
                Ok(())
            });
        }
        if let Err(Flaw(invariant, what)) = peers::symmetric(world, &mut self.lopsided) {
            self.fail(invariant, None, what);
        }
    }
}

/// The bytes of an id, for sorting by distance.
fn distance(one: &NodeId, other: &NodeId) -> [u8; 32] {
    let mut bytes = *one.as_bytes();
    bytes.iter_mut().zip(other.as_bytes()).for_each(|(byte, other)| *byte ^= other);
    bytes
}

/// Whether an address belongs to no public network, by the RFCs and not by core.
fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => match ip.octets() {
            [127 | 10, ..] | [192, 168, ..] | [169, 254, ..] => true,
            [172, second, ..] => (16..32).contains(&second),
            _ => false,
        },
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            ip.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

/// What an application asked of discovery, if it did.
const fn asked_of_discovery(command: &node::Command) -> Option<&discv4::Command> {
    match command {
        node::Command::Discovery(command) => Some(command),
        node::Command::Dial(_)
        | node::Command::AddPeer(_)
        | node::Command::RemovePeer(_)
        | node::Command::AddTrusted(_)
        | node::Command::RemoveTrusted(_)
        | node::Command::SetLimits(_)
        | node::Command::SetEntry { .. }
        | node::Command::Candidates(..)
        | node::Command::Cancel(_)
        | _ => None,
    }
}
