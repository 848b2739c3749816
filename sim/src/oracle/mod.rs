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

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use devp2p_core::crypto::PublicKey;
use devp2p_core::identity::{NetRestrict, NodeId};
use devp2p_core::node::{self, Config, ConnectionId};
use devp2p_core::session::Greeting;
use devp2p_core::time::{Instant, Now};

use crate::world::World;

mod discovery;
mod hooks;
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
pub(crate) use liveness::{STOPPED, check_settled, check_stopped};

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
    /// Two ids may be seen at one address, and no packet says which was meant: some machine
    /// has come back with another key, or is behind one gateway with another machine, or
    /// somebody forges sources.
    ids_blur: bool,
    /// There are adversaries: they may have nodes forget whom they know.
    is_attacked: bool,
    /// Ids that no machine has any more, and since when.
    gone: BTreeMap<NodeId, Instant>,
    streams: streams::Book,
    wire: discovery::Wire,
    branches: Reached,
    /// Connections that are a peer's at one end alone, and for how many looks.
    lopsided: BTreeMap<(usize, u32, ConnectionId), u32>,
    next_look: Instant,
    found: Option<Found>,
    /// What else is found is passed over.
    only: Option<String>,
}

/// The oracles of a world, or none.
#[derive(Debug, Default)]
pub(crate) struct Oracle(Option<Box<Books>>);

impl Books {
    fn fail(&mut self, invariant: &'static str, name: Option<u32>, what: String) {
        if !self.heeds(invariant) {
            return;
        }
        // The first is the cause of the others, as a rule.
        self.found.get_or_insert(Found { invariant, node: name, what });
    }

    fn heeds(&self, invariant: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == invariant)
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
                ids_blur: false,
                is_attacked: false,
                gone: BTreeMap::new(),
                streams: streams::Book::default(),
                wire: discovery::Wire::new(),
                branches: Reached::default(),
                lopsided: BTreeMap::new(),
                next_look: Instant::ZERO + LOOK,
                found: None,
                only: None,
            })
        }))
    }

    /// In this world two ids may be seen at one address.
    pub(crate) fn ids_blur(&mut self) {
        if let Some(books) = &mut self.0 {
            books.ids_blur = true;
        }
    }

    /// In this world there are adversaries.
    pub(crate) fn is_attacked(&mut self) {
        if let Some(books) = &mut self.0 {
            books.is_attacked = true;
        }
    }

    /// Only this invariant is heeded.
    pub(crate) fn heed_only(&mut self, invariant: &str) {
        if let Some(books) = &mut self.0 {
            books.only = Some(invariant.to_owned());
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
}

impl Books {
    /// What is counted anew every few seconds.
    fn look_at_all(&mut self, world: &World) {
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
        if let Err(Flaw(invariant, what)) = streams::arrive(world, &self.streams) {
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
