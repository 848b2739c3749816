//! What lies between machines: addresses, gateways, the way of a datagram and
//! what may befall it there. The way of a connection is [`tcp`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use devp2p_core::driver::SocketFailure;
use devp2p_core::entropy::Rng;
use devp2p_core::time::Instant;

use crate::draw::{Millionths, between, chance, exponential, index, up_to};
use crate::event::{Datagram, Event};
use crate::queue::Queue;

pub(crate) mod nat;
pub(crate) mod quality;
pub(crate) mod region;
pub(crate) mod tcp;

use nat::{Gateway, Nat};
use quality::Quality;
use region::Region;

/// Where every node of a world listens, inside. geth's port.
pub(crate) const PORT: u16 = 30303;

/// Deviations of the ordinary way: their mean, as part of its length.
const ORDINARY_JITTER: u32 = 50;

/// Datagrams that would wait longer than this for their turn on a narrow link are
/// lost, and take nothing of it.
const LINK_QUEUE: Duration = Duration::from_millis(500);

/// Datagrams that a burst of losses takes.
const BURST: u32 = 16;

/// Where one machine is attached.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) region: Region,
    pub(crate) ip4: Option<Ipv4Addr>,
    pub(crate) ip6: Option<Ipv6Addr>,
    /// Its position among the gateways.
    pub(crate) gateway: Option<usize>,
    /// Where its gateway lets everyone in, if it maps ports.
    pub(crate) outer_port: u16,
    /// What befalls what it sends.
    pub(crate) outbound: Quality,
    /// What befalls what is sent to it.
    pub(crate) inbound: Quality,
    rng: Rng,
    /// Datagrams in a row that are lost yet of what it sends, and of what is sent to it.
    bursts: [u32; 2],
    /// When what it has sent so far has left.
    free_at: Instant,
    /// When its path was looked at last, and by how much it is longer than usual then,
    /// in thousandths of what it may be: what leaves at once stays together.
    strays: (Instant, u32),
}

impl Link {
    pub(crate) const fn new(region: Region, rng: Rng) -> Self {
        Self {
            region,
            ip4: None,
            ip6: None,
            gateway: None,
            outer_port: PORT,
            outbound: Quality::PERFECT,
            inbound: Quality::PERFECT,
            rng,
            bursts: [0; 2],
            free_at: Instant::ZERO,
            strays: (Instant::ZERO, 0),
        }
    }

    /// Its own address of the family of another one.
    fn ip_like(&self, other: IpAddr) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => self.ip4.map(IpAddr::V4),
            IpAddr::V6(_) => self.ip6.map(IpAddr::V6),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Machine(usize),
    Gateway(usize),
}

/// Who can reach whom: what passes from a machine of one side to one of another
/// is lost.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) id: usize,
    /// The side of each machine.
    pub(crate) sides: Vec<u8>,
    /// Only what goes from the lower side to the higher one is lost.
    pub(crate) one_way: bool,
}

impl Partition {
    fn cuts(&self, from: usize, to: usize) -> bool {
        let side = |machine: usize| self.sides.get(machine).copied().unwrap_or(0);
        let (from, to) = (side(from), side(to));
        if self.one_way { from < to } else { from != to }
    }
}

/// Where a datagram or a connection goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// To this machine, which sees it come from there.
    To(usize, SocketAddr),
    /// To a machine that has another port than this.
    Closed(usize),
    /// Nobody is there, or nobody is let in.
    Nowhere,
    /// There is no way there at all: another family of addresses.
    Unreachable,
}

/// All that machines are attached to.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    pub(crate) gateways: Vec<Gateway>,
    owners: BTreeMap<IpAddr, Owner>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) tcp: tcp::Pipes,
    pub(crate) counts: Counts,
}

/// What became of datagrams on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Given to the network.
    pub sent: u64,
    /// Handed to a node, each copy for itself. What finds no node running is neither this
    /// nor lost.
    pub delivered: u64,
    /// Lost on the way, or not let in.
    pub lost: u64,
}

impl Network {
    /// Attaches one more machine.
    pub(crate) fn attach(&mut self, link: Link) -> usize {
        let machine = self.links.len();
        self.links.push(link);
        self.enter(machine);
        machine
    }

    /// Sets up one more gateway.
    pub(crate) fn add_gateway(&mut self, nat: Nat, ip: Ipv4Addr) -> usize {
        self.gateways.push(Gateway::new(nat, ip.into()));
        let gateway = self.gateways.len() - 1;
        self.owners.insert(ip.into(), Owner::Gateway(gateway));
        gateway
    }

    /// The addresses of a machine are its own from now on.
    pub(crate) fn settle(&mut self, machine: usize) {
        self.owners.retain(|_, owner| *owner != Owner::Machine(machine));
        self.enter(machine);
    }

    fn enter(&mut self, machine: usize) {
        let Some(link) = self.links.get(machine) else { return };
        let ip4 = link.ip4.map(IpAddr::V4);
        for ip in ip4.into_iter().chain(link.ip6.map(IpAddr::V6)) {
            self.owners.insert(ip, Owner::Machine(machine));
        }
    }

    /// One more address is this machine's own, besides that of its link.
    pub(crate) fn own(&mut self, machine: usize, ip: IpAddr) {
        self.owners.insert(ip, Owner::Machine(machine));
    }

    /// A gateway is seen elsewhere from now on, and has forgotten everything.
    pub(crate) fn rebind(&mut self, gateway: usize, ip: Ipv4Addr) {
        self.owners.retain(|_, owner| *owner != Owner::Gateway(gateway));
        self.owners.insert(ip.into(), Owner::Gateway(gateway));
        let Some(gateway) = self.gateways.get_mut(gateway) else { return };
        let before = gateway.ip();
        gateway.restart(ip.into());
        self.sever(before);
    }

    /// Whether nothing passes from one machine to another now.
    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.partitions.iter().any(|partition| partition.cuts(from, to))
    }

    /// What befalls what passes between two machines.
    pub(crate) fn path(&self, from: usize, to: usize) -> Quality {
        self.links[from].outbound.and(&self.links[to].inbound)
    }

    /// How long it takes from one machine to another now.
    pub(crate) fn latency(
        &mut self,
        now: Instant,
        from: usize,
        to: usize,
        quality: &Quality,
    ) -> Duration {
        let base = self.links[from].region.latency(self.links[to].region);
        let link = &mut self.links[from];
        if link.strays.0 != now {
            link.strays = (now, link.rng.below(1001));
        }
        // Within one machine nothing overtakes anything.
        let is_inside = link.region == Region::Loopback;
        let strays = if is_inside { 0 } else { link.strays.1 };
        let ordinary = base * 2 / ORDINARY_JITTER * strays / 1000;
        base + ordinary + quality.delay + exponential(&mut link.rng, quality.jitter)
    }

    /// The generator of one machine's link.
    pub(crate) fn rng(&mut self, machine: usize) -> &mut Rng {
        &mut self.links[machine].rng
    }

    /// From now on this befalls what a machine sends and what is sent to it. What waits for
    /// its turn goes as fast as the link is now.
    pub(crate) fn qualify(
        &mut self,
        now: Instant,
        machine: usize,
        outbound: Quality,
        inbound: Quality,
    ) {
        let link = &mut self.links[machine];
        let (before, bandwidth) = (link.outbound.bandwidth, outbound.bandwidth);
        let waits = (link.free_at - now).as_micros() * u128::from(before);
        let waits = waits.checked_div(bandwidth.into()).unwrap_or_default();
        link.free_at = now + Duration::from_micros(u64::try_from(waits).unwrap_or(u64::MAX));
        (link.outbound, link.inbound) = (outbound, inbound);
    }

    /// A machine's power is off: nothing waits for its turn any more.
    pub(crate) fn power_off(&mut self, now: Instant, machine: usize) {
        self.links[machine].free_at = now;
    }

    /// When it is the turn of what a machine sends now.
    fn turn(&self, now: Instant, from: usize) -> Instant {
        self.links[from].free_at.max(now)
    }

    /// Takes its turn for so many bytes. When they have left.
    pub(crate) fn departure(&mut self, now: Instant, from: usize, bytes: usize) -> Instant {
        let link = &mut self.links[from];
        let bandwidth = link.outbound.bandwidth;
        if bandwidth == 0 {
            return now;
        }
        let micros = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / bandwidth;
        link.free_at = link.free_at.max(now) + Duration::from_micros(micros);
        link.free_at
    }

    /// Where something goes that a machine sends from one of its ports.
    pub(crate) fn route(
        &mut self,
        now: Instant,
        from: usize,
        port: u16,
        to: SocketAddr,
        is_tcp: bool,
    ) -> Route {
        let Some(own) = self.links[from].ip_like(to.ip()) else { return Route::Unreachable };
        let inside = SocketAddr::new(own, port);
        let own_gateway = self.links[from].gateway.filter(|_| own.is_ipv4());
        let Some(owner) = self.owners.get(&to.ip()).copied() else {
            // What is sent opens the way for an answer all the same.
            if let Some(gateway) = own_gateway.filter(|_| !is_tcp) {
                self.gateways[gateway].outward(now, inside, to);
            }
            return Route::Nowhere;
        };
        let seen = match own_gateway {
            Some(_) if matches!(owner, Owner::Machine(other) if self.is_beside(from, other)) => {
                inside
            }
            Some(gateway) if is_tcp => self.gateways[gateway].outward_tcp(),
            Some(gateway) => self.gateways[gateway].outward(now, inside, to),
            None => inside,
        };
        if own_gateway
            .is_some_and(|own| owner == Owner::Gateway(own) && !self.gateways[own].nat().hairpin)
        {
            return Route::Nowhere;
        }
        self.arrive(now, from, seen, to, is_tcp)
    }

    /// Where something goes that is on its way and shows this source, true or not.
    pub(crate) fn arrive(
        &mut self,
        now: Instant,
        from: usize,
        seen: SocketAddr,
        to: SocketAddr,
        is_tcp: bool,
    ) -> Route {
        let Some(owner) = self.owners.get(&to.ip()).copied() else { return Route::Nowhere };
        match owner {
            Owner::Machine(machine) => {
                let hidden = self.links[machine].gateway.is_some() && to.is_ipv4();
                if hidden && !self.is_beside(from, machine) {
                    Route::Nowhere
                } else if to.port() == PORT {
                    Route::To(machine, seen)
                } else {
                    Route::Closed(machine)
                }
            }
            Owner::Gateway(gateway) => {
                let outer = &self.gateways[gateway];
                let inside = if is_tcp {
                    outer.inward_tcp(to.port())
                } else {
                    outer.inward(now, to.port(), seen)
                };
                match inside.and_then(|inside| self.owners.get(&inside.ip())) {
                    Some(Owner::Machine(machine)) => Route::To(*machine, seen),
                    Some(Owner::Gateway(_)) | None => Route::Nowhere,
                }
            }
        }
    }

    /// Whether both are behind the same gateway.
    pub(crate) fn is_beside(&self, one: usize, other: usize) -> bool {
        self.links[one].gateway.is_some() && self.links[one].gateway == self.links[other].gateway
    }

    /// A machine sends a datagram.
    pub(crate) fn send(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        from: usize,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), SocketFailure> {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        if self.links[from].outbound.send_buffer_full {
            return Err(SocketFailure::NoBuffers);
        }
        let route = self.route(now, from, PORT, to, false);
        self.deliver(queue, now, from, route, to, bytes)
    }

    /// A machine sends a datagram that shows a source of its choice. Whoever owns that
    /// address gets the answers; networks that check sources (BCP 38) are not all.
    pub(crate) fn send_as(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        (from, source): (usize, SocketAddr),
        to: SocketAddr,
        bytes: &[u8],
    ) {
        let route = self.arrive(now, from, source, to, false);
        // What cannot be sent is lost, as far as its sender cares.
        let _ = self.deliver(queue, now, from, route, to, bytes);
    }

    fn deliver(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        from: usize,
        route: Route,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), SocketFailure> {
        let (machine, seen) = match route {
            Route::To(machine, seen) => (machine, seen),
            Route::Closed(machine) => {
                self.lose();
                let path = self.path(from, machine);
                if !self.is_cut(from, machine) {
                    let way = self.latency(now, from, machine, &path);
                    self.refuse(queue, now + way, from, machine);
                }
                return Ok(());
            }
            Route::Nowhere => {
                self.lose();
                return Ok(());
            }
            Route::Unreachable => return Err(SocketFailure::Unreachable),
        };
        self.carry(queue, now, (from, machine), (seen, to), bytes);
        Ok(())
    }

    const fn lose(&mut self) {
        self.counts.sent += 1;
        self.counts.lost += 1;
    }

    /// Nobody listens where something has arrived, at this time.
    pub(crate) fn refuse(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        from: usize,
        machine: usize,
    ) {
        let path = self.path(machine, from);
        if path.icmp && !self.is_cut(machine, from) {
            let way = self.latency(now, machine, from, &path);
            queue.push(now + way, Event::Icmp { to: from });
        }
    }

    fn carry(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        (from, machine): (usize, usize),
        (seen, at): (SocketAddr, SocketAddr),
        bytes: &[u8],
    ) {
        if self.turn(now, from) > now + LINK_QUEUE {
            return self.lose();
        }
        let path = self.path(from, machine);
        let departure = self.departure(now, from, bytes.len());
        let latency = self.latency(now, from, machine, &path);
        if self.is_lost(from, machine, &path, bytes.len()) {
            return self.lose();
        }
        self.counts.sent += 1;
        let mut arrival = departure + latency;
        let rng = &mut self.links[from].rng;
        if chance(rng, path.reorder) {
            arrival = arrival + up_to(rng, Duration::from_secs(1));
        }
        let bytes = damaged(rng, &path, bytes);
        let datagram = Datagram { by: from, from: seen, at, bytes };
        if chance(rng, path.duplicate) {
            let again = arrival + up_to(rng, Duration::from_millis(100));
            queue.push(again, Event::Datagram { to: machine, datagram: datagram.clone() });
        }
        if chance(rng, path.replay) {
            let late = between(rng, Duration::from_secs(1), Duration::from_secs(30));
            queue.push(arrival + late, Event::Replay(datagram.clone()));
        }
        queue.push(arrival, Event::Datagram { to: machine, datagram });
    }

    /// Whom a datagram reaches that was on its way for long, if anybody.
    pub(crate) fn reaches(&mut self, now: Instant, datagram: &Datagram) -> Option<usize> {
        let Datagram { by, from, at, .. } = *datagram;
        match self.arrive(now, by, from, at, false) {
            Route::To(machine, _) if !self.is_cut(by, machine) => Some(machine),
            Route::To(..) | Route::Closed(_) | Route::Nowhere | Route::Unreachable => None,
        }
    }

    fn is_lost(&mut self, from: usize, to: usize, path: &Quality, length: usize) -> bool {
        if path.clogged || length > path.mtu || self.is_cut(from, to) {
            return true;
        }
        let out = self.links[from].outbound.burst_loss;
        let into = self.links[to].inbound.burst_loss;
        self.is_in_burst(from, (from, 0), out)
            || self.is_in_burst(from, (to, 1), into)
            || chance(&mut self.links[from].rng, path.loss)
    }

    /// Whether it is lost by a burst on one way of a machine's link, or begins one there.
    fn is_in_burst(
        &mut self,
        from: usize,
        (machine, way): (usize, usize),
        chances: Millionths,
    ) -> bool {
        let left = self.links[machine].bursts[way];
        let rng = &mut self.links[from].rng;
        let (is_lost, left) = match left {
            _ if chances == 0 => (false, 0),
            0 if chance(rng, chances) => (true, rng.below(BURST)),
            0 => (false, 0),
            left => (true, left - 1),
        };
        self.links[machine].bursts[way] = left;
        is_lost
    }
}

/// What arrives of a datagram.
fn damaged(rng: &mut Rng, path: &Quality, bytes: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(bytes);
    if !bytes.is_empty() && chance(rng, path.corrupt) {
        let at = index(rng, bytes.len());
        bytes[at] ^= 1 << rng.below(8);
    }
    if chance(rng, path.truncate) {
        let left = index(rng, bytes.len());
        bytes.truncate(left);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use devp2p_core::entropy::Seed;

    use super::*;

    /// Machines whose addresses end so, each attached as it says.
    fn network<const N: usize>(
        lasts: [u8; N],
        change: impl Fn(&mut Link),
    ) -> (Network, [Ipv4Addr; N]) {
        let mut network = Network::default();
        let ips = lasts.map(|last| Ipv4Addr::new(20, 0, 0, last));
        for ip in ips {
            let mut link = Link::new(Region::default(), Seed::from_number(1).jitter());
            link.ip4 = Some(ip);
            change(&mut link);
            network.attach(link);
        }
        (network, ips)
    }

    #[test]
    fn a_narrow_link_is_full_when_it_is_given_too_much() {
        let (mut network, ips) = network([1, 2], |link| link.outbound.bandwidth = 10_000);
        let mut queue = Queue::new();
        // Ten times as much as it can take, for ten seconds.
        for number in 0..1000 {
            let now = Instant::from_millis(number * 10);
            let _ = network.send(&mut queue, now, 0, (ips[1], PORT).into(), &[0; 1000]);
        }
        let Counts { sent, lost, .. } = network.counts;
        assert_eq!(sent, 1000);
        assert!((100..=107).contains(&(sent - lost)), "{}", sent - lost);
    }

    #[test]
    fn what_waits_on_a_narrow_link_waits_no_longer_than_it_is_narrow() {
        let (mut network, now) = (Network::default(), Instant::from_secs(5));
        network.attach(Link::new(Region::default(), Seed::from_number(1).jitter()));
        let narrow = |bandwidth| Quality { bandwidth, ..Quality::PERFECT };
        network.qualify(now, 0, narrow(1000), Quality::PERFECT);
        assert_eq!(network.departure(now, 0, 4000), Instant::from_secs(9));
        // After a second it is half as narrow: three seconds' bytes go in one and a half.
        let later = Instant::from_secs(6);
        network.qualify(later, 0, narrow(2000), Quality::PERFECT);
        assert_eq!(network.turn(later, 0), Instant::from_millis(7500));
        network.qualify(later, 0, narrow(0), Quality::PERFECT);
        assert_eq!(network.turn(later, 0), later);
    }

    #[test]
    fn a_replay_goes_where_its_address_is_by_then() {
        let (mut network, ips) = network([1, 2, 3], |link| link.outbound.replay = 1_000_000);
        let mut queue = Queue::new();
        let _ = network.send(&mut queue, Instant::ZERO, 0, (ips[1], PORT).into(), &[0; 100]);
        let mut replay = None;
        while let Some((at, event)) = queue.pop() {
            if let Event::Replay(datagram) = event {
                replay = Some((at, datagram));
            }
        }
        let (at, replay) = replay.unwrap();
        assert!(at >= Instant::from_secs(1));
        assert_eq!(network.reaches(at, &replay), Some(1));
        network.partitions.push(Partition { id: 0, sides: vec![0, 1, 1], one_way: false });
        assert_eq!(network.reaches(at, &replay), None);
        network.partitions.clear();
        network.links[1].ip4 = None;
        network.settle(1);
        assert_eq!(network.reaches(at, &replay), None);
        network.links[2].ip4 = Some(ips[1]);
        network.settle(2);
        assert_eq!(network.reaches(at, &replay), Some(2));
    }

    #[test]
    fn bursts_are_of_what_goes_to_a_machine_or_comes_from_it_and_end_with_the_fault() {
        let (mut network, ips) = network([1, 2, 3], |_| ());
        let mut queue = Queue::new();
        network.links[1].inbound.burst_loss = 300_000;
        let mut lost = |network: &mut Network, to: usize| {
            let before = network.counts.lost;
            let _ = network.send(&mut queue, Instant::ZERO, 0, (ips[to], PORT).into(), &[0; 100]);
            network.counts.lost > before
        };
        let mut bursts = [0, 0];
        for _ in 0..1000 {
            bursts[0] += u32::from(lost(&mut network, 1));
            bursts[1] += u32::from(lost(&mut network, 2));
        }
        assert!(bursts[0] > 500 && bursts[1] == 0, "{bursts:?}");
        network.links[1].inbound.burst_loss = 0;
        assert!((0..10).all(|_| !lost(&mut network, 1)));
    }
}
