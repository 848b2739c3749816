//! L1 to L9 and R3: when nothing goes wrong any more, all that can come about does.
//!
//! What can is counted from the scenario: who is behind a gateway, who has whose
//! family of addresses, who has room. What is known to need luck is not asked for.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use devp2p_core::identity::{NetRestrict, NodeId};
use devp2p_core::kademlia::Bucket;
use devp2p_core::limits::STOP_TIMEOUT;
use devp2p_core::node::Direction;
use devp2p_core::time::Instant;

use super::table::network;
use super::{Found, Run, distance};
use crate::host::{Host, Running};
use crate::network::nat::NatKind;
use crate::scenario::{Families, Fault, Kind, NodePlan};
use crate::world::World;

/// How long after the last fault everything has converged: a refresh of the table,
/// which comes within 30 minutes, asks the bootnodes for those who were cut off,
/// and who looks for peers then finds them.
pub const SETTLED: Duration = Duration::from_secs(36 * 60);

/// A slot that was free for less, or a peer that was lost less long ago, may be on its
/// way: whoever was dialled is left alone for 35 s, a dial may take 15 s.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// L3: entries are pinged every 9 s at most, one at random; none of n is missed 14 n
/// times in a row but once in a million.
const VANISHES: Duration = Duration::from_secs(9 * 7);

/// Packets of a quiet node in a second: a ping and its pong every 1.5 to 4.5 s in each
/// direction.
const QUIET_PACKETS: u64 = 150;

/// Wake-ups of a quiet node in a minute, of its node and its application.
const QUIET_WAKES: u64 = 600;

/// One node that runs, and what the world knows of it.
struct Member<'a> {
    place: usize,
    host: &'a Host,
    running: &'a Running,
    run: &'a Run,
    plan: &'a NodePlan,
}

impl Member<'_> {
    const fn id(&self) -> &NodeId {
        &self.run.terms.id
    }

    fn peers(&self) -> impl Iterator<Item = (&NodeId, Direction)> {
        let infos = self.running.connections.values().filter_map(|one| one.info.as_ref());
        infos.map(|info| (&info.id, info.direction))
    }

    fn has(&self, other: &NodeId) -> bool {
        self.peers().any(|(id, _)| id == other)
    }

    fn count(&self, direction: Direction) -> usize {
        self.peers().filter(|(_, of)| *of == direction).count()
    }

    /// Whether there has been a slot for one more that dials it.
    fn has_room_for(&self, id: &NodeId, now: Instant) -> bool {
        let book = &self.run.peers;
        let lost = book.lost.get(id).is_some_and(|at| *at + PATIENCE > now);
        let free = book.has_room_since.is_some_and(|since| since + PATIENCE <= now);
        !lost && (free || self.run.terms.trusted.contains(id))
    }

    /// Whether it has had a slot to dial one more for long.
    fn has_wanted_more(&self, now: Instant) -> bool {
        self.run.peers.wants_since.is_some_and(|since| since + PATIENCE <= now)
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.run
            .terms
            .net_restrict
            .as_ref()
            .is_none_or(|networks: &NetRestrict| networks.contains(ip))
    }
}

struct Settled<'a> {
    world: &'a World,
    members: Vec<Member<'a>>,
    /// Positions of members, by id.
    by_id: BTreeMap<NodeId, usize>,
}

/// What has not converged though it is time.
pub(crate) fn check_settled(world: &World) -> Result<(), Found> {
    let Some(books) = world.watch.oracle.0.as_deref() else { return Ok(()) };
    // What an adversary takes is not there, and that is what it is for.
    if !world.adversaries.is_empty() || world.now() < calm(world).saturating_add(SETTLED) {
        return Ok(());
    }
    let members: Vec<Member<'_>> = world
        .hosts
        .iter()
        .enumerate()
        .filter_map(|(place, host)| {
            let running = host.running.as_ref()?;
            let run = books.machines.get(place)?.run.as_ref()?;
            let plan = world.scenario.nodes.get(&host.name)?;
            Some(Member { place, host, running, run, plan })
        })
        .collect();
    let by_id = members.iter().enumerate().map(|(at, member)| (*member.id(), at)).collect();
    let settled = Settled { world, members, by_id };
    let heed = |result: Result<(), Found>| match result {
        Err(found) if !books.heeds(found.invariant) => Ok(()),
        result => result,
    };
    for member in &settled.members {
        heed(settled.table(member))?;
        heed(settled.vanished(member, &books.gone))?;
        heed(settled.endpoint(member))?;
        heed(settled.kept(member))?;
    }
    heed(settled.slots())?;
    heed(settled.quiet())
}

/// How long it takes to stop, at most.
pub(crate) const STOPPED: Duration = STOP_TIMEOUT.saturating_add(Duration::from_secs(1));

/// P10: who was told to stop [`STOPPED`] ago has, all of them, if no fault keeps it from that.
pub(crate) fn check_stopped(world: &World) -> Result<(), Found> {
    let heeds = world.watch.oracle.0.as_deref().is_some_and(|books| books.heeds("P10"));
    let is_asked = heeds && world.now() >= calm(world).saturating_add(STOPPED);
    match world.hosts.iter().find(|host| is_asked && host.running.is_some()) {
        None => Ok(()),
        Some(host) => {
            let what = "it was told to stop, and has not".to_owned();
            Err(Found { invariant: "P10", node: Some(host.name), what })
        }
    }
}

/// When the last fault was over, and the last node had started. Nodes that are dead
/// for good are no fault that goes on.
fn calm(world: &World) -> Duration {
    let now = world.now();
    let dead = |kind: &Kind| matches!(kind, Kind::Crash { .. });
    let ends =
        world.scenario.faults.iter().map(|fault| {
            if dead(&fault.kind) && fault.ends() > now { fault.at } else { fault.ends() }
        });
    let starts = world.scenario.nodes.values().map(|plan| plan.starts);
    ends.chain(starts).max().unwrap_or_default()
}

fn found<T>(invariant: &'static str, member: &Member<'_>, what: String) -> Result<T, Found> {
    Err(Found { invariant, node: Some(member.host.name), what })
}

impl Settled<'_> {
    /// Where others reach a node, if they do without its having spoken first: there
    /// is no gateway, or one that lets its port in.
    fn open_at(&self, member: &Member<'_>) -> Option<IpAddr> {
        let link = self.world.network.links.get(member.place)?;
        match link.gateway {
            Some(gateway) => {
                let gateway = self.world.network.gateways.get(gateway)?;
                (gateway.nat().maps_ports && member.plan.families == Families::V4)
                    .then(|| gateway.ip())
            }
            None => link.ip4.map(IpAddr::V4).or_else(|| link.ip6.map(IpAddr::V6)),
        }
    }

    /// Where one node reaches another, if it is let in and both speak so.
    fn reaches(&self, from: &Member<'_>, to: &Member<'_>) -> Option<IpAddr> {
        let ip = self.open_at(to)?;
        let own = &self.world.network.links[from.place];
        // Who is beside it knows its outer address alone.
        if self.world.network.is_beside(from.place, to.place)
            && !from.plan.nat.is_some_and(|nat| nat.hairpin)
        {
            return None;
        }
        let speaks = if ip.is_ipv4() { own.ip4.is_some() } else { own.ip6.is_some() };
        let back = self.seen(from)?;
        (speaks && from.allows(ip) && to.allows(back)).then_some(ip)
    }

    /// Whether a node is let in where it dials, as far as addresses go. From one address one
    /// connection is accepted in 30 s: among housemates it may be another's each time.
    fn gets_in(&self, from: &Member<'_>, to: &Member<'_>) -> bool {
        let network = &self.world.network;
        let is_housemate = |other| other != from.place && network.is_beside(from.place, other);
        let has_housemates = || (0..network.links.len()).any(is_housemate);
        self.reaches(from, to).is_some_and(|ip| ip.is_ipv6() || !has_housemates())
    }

    /// From where a node is seen to come.
    fn seen(&self, member: &Member<'_>) -> Option<IpAddr> {
        let link = self.world.network.links.get(member.place)?;
        let gateway = link.gateway.and_then(|gateway| self.world.network.gateways.get(gateway));
        let own = || link.ip4.map(IpAddr::V4).or_else(|| link.ip6.map(IpAddr::V6));
        gateway.map_or_else(own, |gateway| Some(gateway.ip()))
    }

    /// Whether discovery finds everyone of a family here: all have one in common, and
    /// somebody is there with whom to begin.
    fn discovers(&self, member: &Member<'_>) -> bool {
        let common = |families: Families| match member.plan.families {
            Families::V6 => families == Families::V6,
            Families::V4 | Families::Both => families != Families::V6,
        };
        let begun = |other: &Member<'_>| {
            other.plan.is_bootnode
                && other.id() != member.id()
                && other.plan.discovers
                && other.plan.net_restrict.is_empty()
                && self.reaches(member, other).is_some()
                && self.has_stayed(other)
        };
        member.plan.discovers
            && member.plan.net_restrict.is_empty()
            && self.members.iter().all(|other| common(other.plan.families))
            && (member.plan.is_bootnode || self.members.iter().any(begun))
    }

    /// Whether a node is who and where it was when others were told of it.
    fn has_stayed(&self, member: &Member<'_>) -> bool {
        let (places, network) = (&self.world.places, &self.world.network);
        // What befalls one behind a gateway befalls all who are.
        let befalls = |fault: &Fault| {
            let is_named = |(name, place): (&u32, &usize)| {
                fault.whom.includes(*name)
                    && (*place == member.place || network.is_beside(*place, member.place))
            };
            places.iter().any(is_named)
        };
        let moves = |kind: &Kind| match kind {
            Kind::Crash { moves, renews_key, .. } => *moves || *renews_key,
            Kind::Rebinding => true,
            Kind::Link(_)
            | Kind::LinkOut(_)
            | Kind::LinkIn(_)
            | Kind::Partition
            | Kind::OneWay
            | Kind::Pause
            | Kind::Slow(_)
            | Kind::LateMessages(_)
            | Kind::LateVerification(_)
            | Kind::ReadsNothing
            | Kind::ReadsSlowly(_)
            | Kind::AcceptsNothing
            | Kind::SlowStore(_)
            | Kind::FailingStore
            | Kind::FullStore
            | Kind::ClockStep(_)
            | Kind::ClockDrift(_)
            | Kind::ClockGrain(_) => false,
        };
        // Nobody is looked for where nothing moves.
        !self.world.scenario.faults.iter().any(|fault| moves(&fault.kind) && befalls(fault))
    }

    /// Whether nobody may have been told where another is by who never was there.
    fn all_discover(&self) -> bool {
        self.members
            .iter()
            .filter(|member| member.plan.discovers)
            .all(|member| self.discovers(member))
    }

    /// L1, L4, L5: a table has nine tenths of those that it can have.
    fn table(&self, member: &Member<'_>) -> Result<(), Found> {
        if !self.all_discover() || !member.plan.discovers {
            return Ok(());
        }
        let Some(discovery) = member.running.node.machine().discovery() else { return Ok(()) };
        if self.is_crowded(member) {
            return Ok(());
        }
        let table = discovery.table();
        let (mut achievable, mut missing) = (0, Vec::new());
        let mut has = 0;
        for (index, bucket) in table.buckets().iter().enumerate() {
            let (able, lacks) = self.bucket(member, index, bucket);
            let entries = bucket.entries();
            let live = entries.iter().filter(|entry| entry.is_live()).count();
            achievable += able;
            // A full bucket has no room for more, whoever is in it.
            has += if entries.len() >= 16 { able } else { live.min(able) };
            if live < able && entries.len() < 16 {
                missing.extend(lacks);
            }
        }
        let least = (achievable * 9 / 10).max(achievable.min(1));
        if has < least {
            let what = format!(
                "its table has {has} live nodes of {achievable} that it can have; n{missing:?} is \
                 missing, which it reaches and which is in no table of its"
            );
            return found("L1", member, what);
        }
        Ok(())
    }

    /// Whether of one network there are more than a table takes: then there are nodes
    /// that are in nobody's table, and whoever has lost them hears of them from nobody.
    fn is_crowded(&self, member: &Member<'_>) -> bool {
        let config = &member.run.terms.table;
        let mut crowds: BTreeMap<(bool, u128), u16> = BTreeMap::new();
        for other in self.members.iter().filter(|other| other.plan.discovers) {
            if let Some(ip) = self.reaches(member, other) {
                *crowds.entry(network(config, ip)).or_default() += 1;
            }
        }
        crowds.values().any(|crowd| *crowd > config.subnet_in_table)
    }

    /// How many of a bucket's nodes it can have, by the limits on networks; and who
    /// is missing.
    fn bucket(&self, member: &Member<'_>, index: usize, bucket: &Bucket) -> (usize, Vec<u32>) {
        let config = &member.run.terms.table;
        let mut crowds: BTreeMap<(bool, u128), u16> = BTreeMap::new();
        let (mut able, mut lacks) = (0, Vec::new());
        for other in &self.members {
            let far = distance(other.id(), member.id());
            let bits = u128::from_be_bytes(*far.first_chunk().unwrap_or(&[0; 16])).leading_zeros();
            let of = 16_usize.saturating_sub(usize::try_from(bits).unwrap_or(0));
            if other.id() == member.id() || of != index || !other.plan.discovers {
                continue;
            }
            let Some(ip) = self.reaches(member, other) else { continue };
            let crowd = crowds.entry(network(config, ip)).or_default();
            *crowd += 1;
            // What waits or is dead takes a place as well, and in all there are ten.
            if *crowd == 1 {
                able += 1;
                if !bucket.entries().iter().any(|entry| entry.contact().id() == other.id()) {
                    lacks.push(other.host.name);
                }
            }
        }
        (able.min(16), lacks)
    }

    /// L3: nobody is live who is no more.
    fn vanished(&self, member: &Member<'_>, gone: &BTreeMap<NodeId, Instant>) -> Result<(), Found> {
        let Some(discovery) = member.running.node.machine().discovery() else { return Ok(()) };
        let table = discovery.table();
        let count = u32::try_from(table.len()).unwrap_or(u32::MAX);
        let bound = VANISHES * count + Duration::from_secs(180);
        for entry in table.buckets().iter().flat_map(Bucket::entries) {
            let id = entry.contact().id();
            let Some(since) = gone.get(id) else { continue };
            let ago = self.world.now.saturating_since(*since);
            if entry.is_live() && ago > bound && !self.by_id.contains_key(id) {
                let what = format!(
                    "{} is live in its table and is gone since {} s: it was not pinged, or its \
                     silence was not counted",
                    id.short(),
                    ago.as_secs()
                );
                return found("L3", member, what);
            }
        }
        Ok(())
    }

    /// L9: a node behind a gateway knows from where it is seen, once ten that it
    /// talks to have told it.
    fn endpoint(&self, member: &Member<'_>) -> Result<(), Found> {
        let Some(nat) = member.plan.nat else { return Ok(()) };
        let Some(discovery) = member.running.node.machine().discovery() else { return Ok(()) };
        let table = discovery.table();
        let hosts: BTreeSet<IpAddr> = table
            .buckets()
            .iter()
            .flat_map(Bucket::entries)
            .filter(|entry| entry.is_live())
            .filter_map(|entry| entry.contact().ip())
            .filter(IpAddr::is_ipv4)
            .collect();
        // Each says it when it is pinged, and what it says counts for five minutes.
        let told = (14..=32).contains(&hosts.len());
        let (Some(seen), true) = (self.seen(member), told || nat.maps_ports) else {
            return Ok(());
        };
        let says = discovery.local_record().endpoint().ip;
        if nat.kind != NatKind::Symmetric && says != Some(seen) {
            let what = format!("it says that it is at {says:?} and is seen at {seen}");
            return found("L9", member, what);
        }
        Ok(())
    }

    /// L7: nodes to keep a connection to are connected.
    fn kept(&self, member: &Member<'_>) -> Result<(), Found> {
        for name in &member.plan.static_nodes {
            let place = self.world.places.get(name);
            let other = self.members.iter().find(|other| Some(&other.place) == place);
            let Some(other) = other.filter(|other| other.id() != member.id()) else { continue };
            if member.has(other.id())
                || !member.plan.dials
                || !member.has_wanted_more(self.world.now)
                || !self.gets_in(member, other)
                || !self.has_stayed(other)
                || !self.share(member, other)
                || !other.has_room_for(member.id(), self.world.now)
            {
                continue;
            }
            let what = format!("it is not connected to its static node n{name}, which has room");
            return found("L7", member, what);
        }
        Ok(())
    }

    fn share(&self, one: &Member<'_>, other: &Member<'_>) -> bool {
        // Who has nothing in common offers a capability that all such have.
        one.plan.has_nothing_in_common == other.plan.has_nothing_in_common
    }

    /// L2 and L6: who has a slot to fill, and who would take it.
    fn slots(&self) -> Result<(), Found> {
        if !self.all_discover() {
            return Ok(());
        }
        let (reach, now) = (self.components(), self.world.now);
        for member in
            self.members.iter().filter(|one| one.plan.discovers && one.has_wanted_more(now))
        {
            let willing = |other: &&Member<'_>| {
                other.id() != member.id()
                    && other.plan.discovers
                    && !member.has(other.id())
                    && self.share(member, other)
                    && other.has_room_for(member.id(), self.world.now)
                    && self.is_known(member, other)
                    && self.gets_in(member, other)
            };
            let Some(other) = self.members.iter().find(willing) else { continue };
            let apart = reach.get(&member.place) != reach.get(&other.place);
            let what = format!(
                "it has {} of {} that it may dial, and is not connected to n{}, which has room{}",
                member.count(Direction::Outbound),
                member.run.terms.max_dialled,
                other.host.name,
                if apart { "; no peer leads from one to the other" } else { "" }
            );
            return found(if apart { "L6" } else { "L2" }, member, what);
        }
        Ok(())
    }

    /// Whether anybody that it asks could tell it of another.
    fn is_known(&self, member: &Member<'_>, other: &Member<'_>) -> bool {
        let table = member.running.node.machine().discovery().map(|one| one.table());
        table.is_some_and(|table| table.entry(other.id()).is_some_and(|entry| entry.is_live()))
    }

    /// By place, the least place that peers lead to.
    fn components(&self) -> BTreeMap<usize, usize> {
        let mut least: BTreeMap<usize, usize> =
            self.members.iter().map(|member| (member.place, member.place)).collect();
        loop {
            let mut changed = false;
            for member in &self.members {
                for (id, _) in member.peers() {
                    let Some(other) = self.by_id.get(id).map(|at| self.members[*at].place) else {
                        continue;
                    };
                    let (one, two) = (least[&member.place], least[&other]);
                    if one != two {
                        let lesser = one.min(two);
                        least.insert(member.place, lesser);
                        least.insert(other, lesser);
                        changed = true;
                    }
                }
            }
            if !changed {
                return least;
            }
        }
    }

    /// R1 and R3: who has all that it wants is quiet.
    fn quiet(&self) -> Result<(), Found> {
        // Who has a slot to dial with looks for somebody, even where all its peers are more
        // than it may have because they are trusted: so does geth.
        let content = |member: &Member<'_>| {
            member.count(Direction::Outbound) >= member.run.terms.max_dialled
                && member.plan.static_nodes.is_empty()
        };
        if !self.members.iter().all(content) || self.world.is_busy {
            return Ok(());
        }
        let count = u64::try_from(self.members.len()).unwrap_or(u64::MAX).max(1);
        let minutes = self.members.iter().map(|member| member.run.resources.last_minute());
        let packets = minutes.clone().map(|[packets, _]| packets).sum::<u64>() / count;
        let busiest = minutes.map(|[_, wakes]| wakes).max().unwrap_or(0);
        let flaw = if packets > QUIET_PACKETS {
            Some(("R3", format!("a quiet network sends {packets} packets a minute and node")))
        } else if busiest > QUIET_WAKES {
            Some(("R1", format!("a quiet node is woken {busiest} times a minute")))
        } else {
            None
        };
        flaw.map_or(Ok(()), |(invariant, what)| Err(Found { invariant, node: None, what }))
    }
}
