//! An adversary while the world goes on: what all attacks have in common.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::discv4::{
    Kind, Neighbor, Neighbors, Packet, PacketEndpoint, Ping, Pong, decode, encode,
};
use devp2p_core::entropy::{Rng, Seed};
use devp2p_core::identity::NodeId;
use devp2p_core::limits;
use devp2p_core::p2p::LocalCapability;
use devp2p_core::session::Local;
use devp2p_core::time::{Instant, UnixTime};

use super::lines::Line;
use super::{Adversary, Attack, flood, forge, poison, stall, sybil};
use crate::clock::Clock;
use crate::event::Event;
use crate::host::Around;
use crate::network::PORT;
use crate::network::tcp::PipeId;
use crate::scenario::Keys;

/// Between two turns of those that send much, and of all others.
const TURN_OF_FLOODS: Duration = Duration::from_millis(100);
/// Turns of those that send much, in a second.
const FLOODS_A_SECOND: u32 = 10;
const TURN: Duration = Duration::from_secs(1);

/// In which each id has pinged each victim once.
const ROUND: u64 = 60;

/// Where a packet's data begins: after hash, signature and kind.
const DATA: usize = limits::DATAGRAM_MIN;

/// In the digest adversaries come after all nodes.
const LAST_NAME: u32 = u32::MAX;

/// One of an adversary's ids.
#[derive(Debug)]
pub(super) struct Mask {
    pub(super) key: SecretKey,
    pub(super) public_key: PublicKey,
    pub(super) id: NodeId,
    pub(super) at: SocketAddr,
    /// What its sessions say of it, once it has any.
    pub(super) local: Option<Arc<Local>>,
}

/// Somebody it is after.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) public_key: PublicKey,
    pub(crate) at: SocketAddr,
}

/// An adversary.
pub(crate) struct Actor {
    /// Its position in the network, after all machines.
    pub(super) place: usize,
    name: u32,
    pub(super) plan: Adversary,
    pub(super) clock: Clock,
    pub(super) seed: Seed,
    pub(super) rng: Rng,
    pub(super) masks: Vec<Mask>,
    by_ip: BTreeMap<IpAddr, usize>,
    pub(super) targets: Vec<Target>,
    /// Where all nodes are.
    pub(super) nodes: Vec<SocketAddr>,
    pub(super) offers: Vec<LocalCapability>,
    pub(super) lines: BTreeMap<PipeId, Line>,
    /// When an id last dialled a victim.
    pub(super) dialled: BTreeMap<(usize, SocketAddr), Instant>,
    /// Of the packets of a flood, tenths that are left for the next turn.
    rate_left: u32,
    /// Nodes that there are not.
    pub(super) ghosts: Vec<(NodeId, Neighbor)>,
    /// Which id pings which victim next.
    next: u64,
    pub(super) sessions: u64,
    pub(super) turns: usize,
    pub(super) keys: Keys,
    pub(super) over: bool,
}

impl Actor {
    pub(crate) fn new(place: usize, name: u32, plan: Adversary, seed: Seed, keys: Keys) -> Self {
        let first = 130 + u8::try_from(name % super::NAMES).unwrap_or(0);
        let mask = |number: u16| {
            let [high, low] = (number % plan.networks.max(1)).to_be_bytes();
            let last = u8::try_from(1 + number / plan.networks.max(1)).unwrap_or(u8::MAX);
            let ip = Ipv4Addr::new(first, high, low, last);
            let key = crate::world::key(keys, &seed, number.into());
            let public_key = key.public_key();
            let id = NodeId::from(&public_key);
            Mask { key, public_key, id, at: SocketAddr::new(ip.into(), PORT), local: None }
        };
        let masks: Vec<Mask> = (0..plan.ids).map(mask).collect();
        let by_ip = masks.iter().enumerate().map(|(at, mask)| (mask.at.ip(), at)).collect();
        Self {
            place,
            name,
            plan,
            clock: Clock::starting(Instant::ZERO),
            rng: seed.jitter(),
            seed,
            masks,
            by_ip,
            targets: Vec::new(),
            nodes: Vec::new(),
            offers: Vec::new(),
            lines: BTreeMap::new(),
            dialled: BTreeMap::new(),
            rate_left: 0,
            ghosts: Vec::new(),
            next: 0,
            sessions: 0,
            turns: 0,
            keys,
            over: false,
        }
    }

    /// Its addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.by_ip.keys().copied()
    }

    /// Whom it is after.
    pub(crate) const fn plan(&self) -> &Adversary {
        &self.plan
    }

    /// Which of its ids is at this address.
    pub(super) fn mask_at(&self, ip: IpAddr) -> Option<usize> {
        self.by_ip.get(&ip).copied()
    }

    /// Its turn: these are those whom it is after, this is where all are, and this is
    /// what they offer.
    pub(crate) fn strike(
        &mut self,
        around: &mut Around<'_>,
        number: usize,
        targets: Vec<Target>,
        nodes: Vec<SocketAddr>,
        offers: &[LocalCapability],
    ) {
        if around.now >= Instant::ZERO.saturating_add(self.plan.ends()) {
            self.over = true;
            return self.close_all(around);
        }
        self.targets = targets;
        self.nodes = nodes;
        if self.offers != offers {
            self.offers = offers.to_vec();
        }
        self.on_time(around);
        let turn = match self.plan.attack {
            Attack::Sybil { dials: true } => {
                self.introduce(around);
                sybil::strike(self, around);
                TURN
            }
            Attack::Sybil { dials: false }
            | Attack::ClockLie(_)
            | Attack::Poison
            | Attack::Useless(_) => {
                self.introduce(around);
                TURN
            }
            Attack::Stall(how) => {
                stall::strike(self, around, how);
                TURN
            }
            Attack::Forge(rate) => {
                let packets = self.share_of(rate);
                forge::strike(self, around, packets);
                TURN_OF_FLOODS
            }
            Attack::PingFlood(rate) => {
                let pings = self.share_of(rate);
                flood::strike(self, around, pings);
                TURN_OF_FLOODS
            }
        };
        around.queue.push(around.now + turn, Event::Strike { adversary: number });
    }

    /// How many of so many a second it is this turn's to send.
    fn share_of(&mut self, rate: u16) -> u32 {
        self.rate_left += u32::from(rate);
        let share = self.rate_left / FLOODS_A_SECOND;
        self.rate_left %= FLOODS_A_SECOND;
        share
    }

    /// Ids make themselves known to victims, a part of them in each turn.
    fn introduce(&mut self, around: &mut Around<'_>) {
        let (ids, victims) = (self.masks.len() as u64, self.targets.len() as u64);
        for _ in 0..(ids * victims).div_ceil(ROUND) {
            let (mask, target) = (self.next / victims % ids, self.next % victims);
            self.next += 1;
            self.ping(around, place(mask), place(target));
        }
    }

    /// An id pings a victim from where it is.
    pub(super) fn ping(&mut self, around: &mut Around<'_>, mask: usize, target: usize) {
        let (Some(from), Some(to)) = (self.masks.get(mask), self.targets.get(target)) else {
            return;
        };
        let (source, to) = (from.at, to.at);
        let packet = self.ping_packet(around.now, source, to);
        self.send(around, mask, source, to, &packet);
    }

    /// A ping that says it comes from there.
    pub(super) fn ping_packet(&self, now: Instant, source: SocketAddr, to: SocketAddr) -> Packet {
        Packet::Ping(Ping {
            version: Ping::VERSION,
            from: PacketEndpoint::new(source, PORT),
            to: PacketEndpoint::new(to, 0),
            expiration: self.expiration(now),
            enr_sequence: None,
        })
    }

    /// Until when packets of now count, as its ids say.
    pub(super) fn expiration(&self, now: Instant) -> u64 {
        let ahead = match self.plan.attack {
            Attack::ClockLie(ahead) => ahead,
            Attack::Sybil { .. }
            | Attack::Poison
            | Attack::Forge(_)
            | Attack::PingFlood(_)
            | Attack::Stall(_)
            | Attack::Useless(_) => 0,
        };
        let unix = self.clock.at(now).unix.as_micros().saturating_add_signed(ahead);
        UnixTime::from_micros(unix).saturating_add(limits::PACKET_LIFE).as_secs()
    }

    /// Sends a packet that an id has signed, from an address that may be anyone's.
    pub(super) fn send(
        &mut self,
        around: &mut Around<'_>,
        mask: usize,
        source: SocketAddr,
        to: SocketAddr,
        packet: &Packet,
    ) {
        let Some(mask) = self.masks.get(mask) else { return };
        let bytes = encode(packet, &mask.key).bytes;
        self.put(around, b'd', &bytes);
        around.network.send_as(around.queue, around.now, (self.place, source), to, &bytes);
    }

    /// What it says is part of the world's digest.
    pub(super) fn put(&self, around: &mut Around<'_>, tag: u8, bytes: &[u8]) {
        around.watch.put_out(around.now, LAST_NAME - self.name, tag, bytes);
    }

    /// A datagram has come to one of its addresses.
    pub(crate) fn datagram(
        &mut self,
        around: &mut Around<'_>,
        from: SocketAddr,
        at: SocketAddr,
        bytes: &[u8],
    ) {
        if self.over || matches!(self.plan.attack, Attack::Forge(_) | Attack::PingFlood(_)) {
            return;
        }
        let Some(mask) = self.mask_at(at.ip()) else { return };
        let Some(kind) = bytes.get(DATA - 1).copied().and_then(Kind::from_code) else { return };
        // Whoever sent it is not asked for its signature: that costs only the honest.
        let Ok(packet) = decode(kind, bytes.get(DATA..).unwrap_or_default()) else { return };
        let expiration = self.expiration(around.now);
        match packet {
            Packet::Ping(_) => {
                let Some(ping_hash) = bytes.first_chunk::<32>() else { return };
                let to = PacketEndpoint::new(from, 0);
                let pong = Pong { to, ping_hash: *ping_hash, expiration, enr_sequence: None };
                self.send(around, mask, at, from, &Packet::Pong(pong));
            }
            Packet::FindNode(question) => {
                let target = NodeId::hash_of(&question.target);
                let nodes = match self.plan.attack {
                    Attack::Sybil { .. } | Attack::ClockLie(_) | Attack::Useless(_) => {
                        self.own_nodes(&target)
                    }
                    Attack::Poison => poison::nodes(self, &target),
                    Attack::Stall(_) | Attack::Forge(_) | Attack::PingFlood(_) => return,
                };
                for nodes in split(nodes) {
                    let neighbors = Neighbors { nodes, expiration };
                    self.send(around, mask, at, from, &Packet::Neighbors(neighbors));
                }
            }
            Packet::Pong(_)
            | Packet::Neighbors(_)
            | Packet::EnrRequest(_)
            | Packet::EnrResponse(_) => {}
        }
    }

    /// Its own ids, the closest to a target first, as many as an answer has.
    pub(super) fn own_nodes(&self, target: &NodeId) -> Vec<Neighbor> {
        let mut masks: Vec<&Mask> = self.masks.iter().collect();
        masks.sort_by(|one, other| target.cmp_distance(&one.id, &other.id));
        masks.truncate(limits::NEIGHBORS_IN_ANSWER);
        let neighbor = |mask: &&Mask| Neighbor {
            ip: Some(mask.at.ip()),
            udp: PORT,
            tcp: PORT,
            public_key: *mask.public_key.as_bytes(),
        };
        masks.iter().map(neighbor).collect()
    }
}

/// Neighbours as packets have room for them.
fn split(nodes: Vec<Neighbor>) -> Vec<Vec<Neighbor>> {
    nodes.chunks(limits::NEIGHBORS_IN_PACKET).map(<[Neighbor]>::to_vec).collect()
}

/// A number as a position.
fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
