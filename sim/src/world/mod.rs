//! A world: machines, what lies between them, one queue of events, one seed.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::RequestId;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::node::{self, Command, PeerInfo};
use devp2p_core::time::Instant;
use std::sync::Arc;

use crate::adversary::{Actor, Target};
use crate::event::Event;
use crate::host::{Around, Heard, Host, Hostable};
use crate::network::{Counts, Network};
use crate::oracle::{self, Found, Oracle, Reached};
use crate::queue::Queue;
use crate::scenario::{Fault, Scenario};
use crate::watch::{Digest, Line, Watch};

mod arrivals;
mod faults;
mod setting_up;

pub(crate) use setting_up::key;

/// Events of each node at one point of time, on average over all. Who sleeps for no
/// time again and again has more.
const AT_ONCE: usize = 100_000;

/// What runs on top of the nodes.
pub(crate) enum Applications {
    Machines(Box<dyn Fn(u32, Seed) -> Box<dyn Hostable>>),
    Code(Rc<dyn Fn(u32, devp2p_handle::Node) -> devp2p_handle::adapter::Task>),
}

/// A network while it is simulated.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) now: Instant,
    pub(crate) queue: Queue<Event>,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    /// In the network their positions follow those of hosts.
    pub(crate) adversaries: Vec<Actor>,
    /// Positions by name.
    pub(crate) places: BTreeMap<u32, usize>,
    pub(crate) identities: Vec<Identity>,
    /// Positions of all bootnodes.
    bootnodes: Vec<usize>,
    pub(crate) watch: Watch,
    /// The node that is doing something: if it panics it is still there.
    pub(crate) acting: Option<u32>,
    applications: Option<Applications>,
    offers: Vec<devp2p_core::p2p::LocalCapability>,
    seed: Seed,
    commands: u64,
    /// Events at this point of time.
    at_once: usize,
    /// Applications do something besides being there.
    pub(crate) is_busy: bool,
    renewals: u64,
}

/// Who a machine is: known to the world alone.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) key: devp2p_core::crypto::SecretKey,
    pub(crate) public_key: PublicKey,
    pub(crate) id: NodeId,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.scenario.seed)
            .field("now", &self.now)
            .field("hosts", &self.hosts.len())
            .finish_non_exhaustive()
    }
}

/// A test that panics says where it was.
impl Drop for World {
    #[expect(clippy::print_stderr, reason = "it is a panic's message that this belongs to")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.whereabouts());
        }
    }
}

/// What a run found to be wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The number of the invariant: `T5`.
    pub invariant: &'static str,
    /// When it was seen to be broken, since the world's beginning.
    pub at: Duration,
    /// Whose it is, if it is one node's.
    pub node: Option<u32>,
    /// What was found.
    pub what: String,
    /// The last things that happened before.
    pub last: Vec<Line>,
}

fn seconds(time: Duration) -> String {
    format!("{}.{:06} s", time.as_secs(), time.subsec_micros())
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.invariant, seconds(self.at))?;
        if let Some(node) = self.node {
            write!(f, ", node {node}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl core::error::Error for Violation {}

impl World {
    /// Goes on for so long.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now.saturating_add(time);
        while self.queue.next_at().is_some_and(|at| at <= until) {
            self.step()?;
        }
        self.now = until;
        Ok(())
    }

    /// Goes on until it is so, asked each second of the world's, for so long at
    /// most. Whether it came to be so.
    pub fn run_until(
        &mut self,
        most: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Violation> {
        let until = self.now.saturating_add(most);
        while !is_so(self) {
            if self.now >= until {
                return Ok(false);
            }
            self.run_for(Duration::from_secs(1))?;
        }
        Ok(true)
    }

    /// One event. `false` if there is none: nothing will ever happen any more.
    pub fn step(&mut self) -> Result<bool, Violation> {
        let Some((at, event)) = self.queue.pop() else { return Ok(false) };
        if at > self.now {
            self.now = at;
            self.at_once = 0;
        }
        self.watch.events += 1;
        self.at_once += 1;
        if self.at_once > AT_ONCE.saturating_mul(self.hosts.len()) {
            let what = format!("more than {AT_ONCE} events of each node at one point of time");
            return Err(self.violation(Found { invariant: "R1", node: None, what }));
        }
        self.dispatch(event);
        Oracle::look(self);
        match self.watch.found() {
            Some(found) => Err(self.violation(found)),
            None => Ok(true),
        }
    }

    /// Where it is: what somebody needs to come there again.
    pub(crate) fn whereabouts(&self) -> String {
        let (seed, at) = (self.scenario.seed, seconds(self.now()));
        let node = self.acting.map(|node| format!(", node {node}")).unwrap_or_default();
        format!("simulated network of seed {seed} at {at}{node}")
    }

    fn violation(&self, found: Found) -> Violation {
        let Found { invariant, node, what } = found;
        Violation { invariant, at: self.now(), node, what, last: self.watch.last() }
    }

    /// Whether nothing was wrong for so long.
    pub(crate) fn is_calm_for(&self, time: Duration) -> bool {
        let now = self.now();
        let calm_from = |fault: &Fault| fault.ends().saturating_add(time);
        self.scenario.faults.iter().all(|fault| fault.at > now || calm_from(fault) <= now)
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Wake { machine, run } => self.wake(machine, run, Heard::Wake),
            Event::WakeConnection { machine, run, connection } => {
                self.wake(machine, run, Heard::WakeConnection(connection));
            }
            Event::Stored { machine, run } => self.wake(machine, run, Heard::Stored),
            Event::Start { machine } => self.start(machine),
            Event::Resume { machine } => self.with(machine, Host::resume),
            Event::Datagram { to, datagram } => self.datagram(to, datagram),
            Event::Replay(datagram) => {
                if let Some(to) = self.network.reaches(self.now, &datagram) {
                    self.datagram(to, datagram);
                }
            }
            // An adversary does not mind.
            Event::Icmp { to } if self.adversary_at(to).is_some() => {}
            Event::Icmp { to } => self.with(to, |host, around| host.take(around, Heard::Icmp)),
            Event::Syn { pipe, attempt } => self.syn(pipe, attempt),
            Event::Answer { pipe, accepted, attempt } => {
                self.network.answer(&mut self.queue, self.now, pipe, accepted, attempt);
            }
            Event::Acknowledge { pipe, from } => {
                self.network.acknowledge_again(&mut self.queue, self.now, pipe, from);
            }
            Event::Connected { pipe, accepted } => self.connected(pipe, accepted),
            Event::Segment { pipe, to } => self.segment(pipe, to),
            Event::Window { pipe, to } => self.window(pipe, to),
            Event::Strike { adversary } => self.strike(adversary),
            Event::Fault { number, begins } => self.on_fault(number, begins),
        }
    }

    /// What a run of a machine has planned for itself.
    fn wake(&mut self, machine: usize, run: u32, heard: Heard) {
        if self.hosts[machine].run == run {
            self.with(machine, |host, around| host.take(around, heard));
        }
    }

    /// The adversary at a position of the network.
    fn adversary_at(&self, place: usize) -> Option<usize> {
        place.checked_sub(self.hosts.len())
    }

    /// Has an adversary do something in its surroundings.
    fn act<R>(&mut self, number: usize, act: impl FnOnce(&mut Actor, &mut Around<'_>) -> R) -> R {
        let Self { now, queue, network, watch, adversaries, .. } = self;
        let mut around = Around { now: *now, queue, network, watch };
        act(&mut adversaries[number], &mut around)
    }

    /// It is an adversary's turn. It knows where everybody is.
    fn strike(&mut self, number: usize) {
        let whom = &self.adversaries[number].plan().whom;
        let (mut targets, mut nodes) = (Vec::new(), Vec::new());
        for (name, place) in &self.places {
            let Some(contact) = self.contact_of(*place) else { continue };
            let Some(at) = contact.udp_endpoint() else { continue };
            nodes.push(at);
            if whom.includes(*name) {
                targets.push(Target { public_key: *contact.public_key(), at });
            }
        }
        let offers = core::mem::take(&mut self.offers);
        self.act(number, |actor, around| actor.strike(around, number, targets, nodes, &offers));
        self.offers = offers;
    }

    /// Has a machine do something in its surroundings.
    pub(crate) fn with<R>(
        &mut self,
        machine: usize,
        act: impl FnOnce(&mut Host, &mut Around<'_>) -> R,
    ) -> R {
        let Self { now, queue, network, watch, hosts, .. } = self;
        let mut around = Around { now: *now, queue, network, watch };
        let host = &mut hosts[machine];
        self.acting = Some(host.name);
        let done = act(host, &mut around);
        self.acting = None;
        done
    }

    // What can be seen and done from outside.

    /// How long it has been going on.
    pub fn now(&self) -> Duration {
        self.now - Instant::ZERO
    }

    /// The names of all nodes.
    pub fn names(&self) -> impl Iterator<Item = u32> {
        self.places.keys().copied()
    }

    /// A digest over everything that the nodes have put out so far.
    pub fn digest(&self) -> Digest {
        self.watch.digest()
    }

    /// What became of all datagrams so far.
    pub const fn datagrams(&self) -> Counts {
        self.network.counts
    }

    /// How many events there were.
    pub const fn events(&self) -> u64 {
        self.watch.events
    }

    /// From now on all that happens is kept for [`World::take_trace`].
    pub fn trace(&mut self) {
        self.watch.keep_all();
    }

    /// What has happened since it was last asked, if it is being traced.
    pub fn take_trace(&mut self) -> Vec<Line> {
        self.watch.take_all()
    }

    /// Whether everything has converged that has to, as long after the last fault
    /// as it may take: the liveness invariants. What has not, and why. Before
    /// [`SETTLED`](crate::SETTLED) has passed, and without oracles, nothing is found.
    pub fn check_settled(&self) -> Result<(), Violation> {
        oracle::check_settled(self).map_err(|found| self.violation(found))
    }

    /// From now on of all invariants only this one is heeded, and what else is found is
    /// passed over. For who proves that an oracle sees what it is made for.
    #[doc(hidden)]
    pub fn heed_only(&mut self, invariant: &str) {
        self.watch.oracle.heed_only(invariant);
    }

    /// From its next start on all that this node hears is kept, for
    /// [`World::replay`].
    pub fn record(&mut self, name: u32) {
        if let Some(place) = self.places.get(&name) {
            self.hosts[*place].records = true;
        }
    }

    /// Hands what a recorded node has heard in this run to another one alone: it
    /// has to say the same. X2. `false` if nothing was recorded.
    pub fn replay(&self, name: u32) -> Result<bool, Violation> {
        let running = self.machine(name).and_then(|host| host.running.as_ref());
        match running.and_then(|running| running.node.replays()) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err((said, again))) => {
                let what = format!("it has said {said} things, and alone {again} or others");
                Err(self.violation(Found { invariant: "X2", node: Some(name), what }))
            }
        }
    }

    /// Which rare branches were reached so far.
    pub fn reached(&self) -> Reached {
        self.watch.oracle.reached(self)
    }

    fn machine(&self, name: u32) -> Option<&Host> {
        self.hosts.get(*self.places.get(&name)?)
    }

    /// A node, to look at; `None` if it does not run, or there is none.
    pub fn node(&self, name: u32) -> Option<&node::Node> {
        Some(self.machine(name)?.running.as_ref()?.node.machine())
    }

    /// The application of a node, to look at.
    pub fn application<A: 'static>(&self, name: u32) -> Option<&A> {
        let application = self.machine(name)?.running.as_ref()?.application.as_ref()?;
        application.get().0.as_ref().as_any().downcast_ref()
    }

    /// The peers of a node.
    pub fn peers(&self, name: u32) -> Vec<Arc<PeerInfo>> {
        let running = self.machine(name).and_then(|host| host.running.as_ref());
        let connections = running.into_iter().flat_map(|running| running.connections.values());
        connections.filter_map(|connection| connection.info.clone()).collect()
    }

    /// Whether two nodes run and have each other as a peer.
    pub fn are_peers(&self, one: u32, other: u32) -> bool {
        let has = |name, other| {
            let id = self.places.get(&other).map(|place| self.identities[*place].id);
            self.peers(name).iter().any(|peer| Some(peer.id) == id)
        };
        has(one, other) && has(other, one)
    }

    /// What is known of a node to the world: where it is to be reached.
    pub fn contact(&self, name: u32) -> Option<Contact> {
        self.contact_of(*self.places.get(&name)?)
    }

    /// Asks something of a node.
    pub fn command(&mut self, name: u32, command: Command) -> Option<RequestId> {
        let place = *self.places.get(&name)?;
        // Far from those of applications.
        self.commands += 1;
        let id = RequestId(u64::MAX - self.commands);
        self.with(place, |host, around| host.take(around, Heard::Command(id, command)));
        Some(id)
    }

    /// Stops a node in order, as geth's `Server.Stop`: it tells its peers, and its process
    /// ends when all connections have, [`STOP_TIMEOUT`](devp2p_core::limits::STOP_TIMEOUT)
    /// later at most. One that is paused stops when it goes on. Nothing happens if it
    /// does not run. A [crash](crate::Kind::Crash) starts it again.
    pub fn stop(&mut self, name: u32) {
        if let Some(place) = self.places.get(&name) {
            self.with(*place, |host, around| host.take(around, Heard::Stop));
        }
    }

    /// Stops all nodes, every other one a second later, and goes on until they have had the
    /// time to. P10: then none runs. For the end of a world, when nothing goes wrong in
    /// it any more.
    pub fn stop_all(&mut self) -> Result<(), Violation> {
        self.stop_all_while(|world, time| world.run_for(time).map(|()| true))
    }

    /// The same, where somebody else has it go on, and says whether to.
    pub(crate) fn stop_all_while(
        &mut self,
        mut go_on: impl FnMut(&mut Self, Duration) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let names: Vec<u32> = self.names().collect();
        names.iter().step_by(2).for_each(|name| self.stop(*name));
        // The others hear them go.
        if !go_on(self, Duration::from_secs(1))? {
            return Ok(());
        }
        names.iter().for_each(|name| self.stop(*name));
        if !go_on(self, oracle::STOPPED)? {
            return Ok(());
        }
        oracle::check_stopped(self).map_err(|found| self.violation(found))
    }

    /// Whether all running nodes are connected to each other over admitted peers.
    pub fn is_connected(&self) -> bool {
        let running: Vec<usize> =
            (0..self.hosts.len()).filter(|place| self.hosts[*place].running.is_some()).collect();
        let Some(first) = running.first() else { return true };
        let by_id: BTreeMap<NodeId, usize> =
            running.iter().map(|place| (self.identities[*place].id, *place)).collect();
        let mut reached = vec![false; self.hosts.len()];
        let mut next = vec![*first];
        while let Some(place) = next.pop() {
            if core::mem::replace(&mut reached[place], true) {
                continue;
            }
            let running = self.hosts[place].running.as_ref();
            let peers = running.into_iter().flat_map(|running| running.connections.values());
            let ids = peers.filter_map(|connection| Some(connection.info.as_ref()?.id));
            next.extend(ids.filter_map(|id| by_id.get(&id)));
        }
        running.iter().all(|place| reached[*place])
    }
}
