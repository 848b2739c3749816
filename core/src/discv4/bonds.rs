//! Bonds: which endpoints have been proved, in both directions.
//!
//! An endpoint is proved to us when its pong, which names the hash of our ping,
//! comes from there. It is proved to the other side when we answered its ping.
//! A bond is between us and a node id **at an address**: the same id elsewhere,
//! or another id there, has proved nothing. Ports are left out, as in geth.
//!
//! Kept are proved endpoints, and nodes of the table: a stranger's ping costs
//! no memory here. Specification: discv4 "Endpoint Proof".

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use crate::entropy::Rng;
use crate::identity::NodeId;
use crate::limits;
use crate::time::Instant;

/// What is remembered of a node at an address. All of it is small, since there
/// are thousands: zero stands for never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bond {
    /// Until when its last solicited pong proves its endpoint to us.
    pub(super) proven: Instant,
    /// Until when our answer to its last ping proves ours to it.
    pub(super) known: Instant,
    /// How many find-node requests in a row it has not answered.
    pub(super) find_failures: u32,
    /// In which second the store was last told of both.
    pub(super) stored: u32,
}

impl Bond {
    /// Whether it ever answered a ping. It may be too long ago.
    pub(super) fn was_proven(&self) -> bool {
        self.proven > Instant::ZERO
    }

    /// Whether the store is to be told of it again: it was long ago, or never.
    /// If it is, it was now.
    pub(super) fn store_is_due(&mut self, now: Instant) -> bool {
        let second = u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX).max(1);
        let interval = limits::BOND_STORE_INTERVAL.as_secs();
        let due = self.stored == 0 || u64::from(second.saturating_sub(self.stored)) >= interval;
        if due {
            self.stored = second;
        }
        due
    }

    /// How long ago it was that what holds until then began to hold; `None` if
    /// it does no more.
    pub(super) fn age(until: Instant, now: Instant) -> Option<Duration> {
        let left = until.saturating_since(now);
        (!left.is_zero()).then(|| limits::BOND_LIFE.saturating_sub(left))
    }
}

/// By address, so that all of one are neighbours; an IPv4 one as IPv6 writes it.
type Key = (Ipv6Addr, NodeId);

fn key(id: &NodeId, ip: IpAddr) -> Key {
    (in_ipv6(ip), *id)
}

const fn in_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// All bonds, at most [`limits::BONDS`].
#[derive(Debug)]
pub(super) struct Bonds {
    /// Sorted. A tree would take half as much again; and what has to move for a new
    /// one moves faster than a signature is verified.
    bonds: Vec<(Key, Bond)>,
    rng: Rng,
}

impl Bonds {
    pub(super) const fn new(rng: Rng) -> Self {
        Self { bonds: Vec::new(), rng }
    }

    pub(super) const fn len(&self) -> usize {
        self.bonds.len()
    }

    /// Whether the node has proved that it is at this address.
    pub(super) fn is_proven(&self, id: &NodeId, ip: IpAddr, now: Instant) -> bool {
        now < self.of(id, ip).proven
    }

    /// Whether we have proved to the node, seen from that address, where we are.
    pub(super) fn is_known(&self, id: &NodeId, ip: IpAddr, now: Instant) -> bool {
        now < self.of(id, ip).known
    }

    /// Whether anyone has proved to be at this address. It may be too long ago.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        self.proven_at(in_ipv6(ip)).next().is_some()
    }

    fn proven_at(&self, ip: Ipv6Addr) -> impl Iterator<Item = &Bond> {
        let first = self.bonds.partition_point(|((at, _), _)| *at < ip);
        let there = self.bonds[first..].iter().take_while(move |((at, _), _)| *at == ip);
        there.map(|(_, bond)| bond).filter(|bond| bond.was_proven())
    }

    fn position(&self, key: &Key) -> Result<usize, usize> {
        self.bonds.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub(super) fn of(&self, id: &NodeId, ip: IpAddr) -> Bond {
        let found = self.position(&key(id, ip)).ok();
        found.map(|at| self.bonds[at].1).unwrap_or_default()
    }

    /// A pong that was asked for came. `keep` says which nodes are not to be
    /// forgotten for it.
    pub(super) fn pong(
        &mut self,
        id: &NodeId,
        ip: IpAddr,
        now: Instant,
        keep: impl Fn(&NodeId) -> bool,
    ) -> &mut Bond {
        if self.len() >= limits::BONDS && self.position(&key(id, ip)).is_err() {
            self.make_room(keep);
        }
        let bond = self.entry(id, ip);
        bond.proven = now + limits::BOND_LIFE;
        bond
    }

    /// A ping came. It is remembered of those who are known already. Says
    /// whether it proved anything: that we had not done so already.
    pub(super) fn ping(&mut self, id: &NodeId, ip: IpAddr, now: Instant) -> bool {
        let Ok(at) = self.position(&key(id, ip)) else { return false };
        let before = core::mem::replace(&mut self.bonds[at].1.known, now + limits::BOND_LIFE);
        before <= now
    }

    /// Whether the store is to be told of a node; then it is taken to be.
    pub(super) fn is_to_store(&mut self, id: &NodeId, ip: IpAddr, now: Instant) -> bool {
        self.position(&key(id, ip)).is_ok_and(|at| self.bonds[at].1.store_is_due(now))
    }

    /// A node answered a find-node request, or did not. Says how many it has
    /// not answered in a row.
    pub(super) fn found(&mut self, id: &NodeId, ip: IpAddr, success: bool, in_table: bool) -> u32 {
        let known = self.position(&key(id, ip)).is_ok();
        if !known && (success || !in_table || self.len() >= limits::BONDS) {
            return u32::from(!success);
        }
        let bond = self.entry(id, ip);
        bond.find_failures = if success { 0 } else { bond.find_failures.saturating_add(1) };
        bond.find_failures
    }

    /// What an earlier run has stored. Newer knowledge stands.
    pub(super) fn restore(&mut self, id: &NodeId, ip: IpAddr, bond: Bond) {
        let key = key(id, ip);
        if self.len() < limits::BONDS
            && let Err(at) = self.position(&key)
        {
            self.bonds.insert(at, (key, bond));
        }
    }

    /// Forgets what proves nothing any more.
    pub(super) fn expire(&mut self, now: Instant) {
        self.bonds.retain(|(_, bond)| now < bond.proven || now < bond.known);
    }

    fn entry(&mut self, id: &NodeId, ip: IpAddr) -> &mut Bond {
        let key = key(id, ip);
        let at = match self.position(&key) {
            Ok(at) => at,
            Err(at) => {
                self.bonds.insert(at, (key, Bond::default()));
                at
            }
        };
        &mut self.bonds[at].1
    }

    /// Of a few drawn at random one at the most crowded address goes, of those the
    /// one that was silent for longest: ids cost nothing, addresses do. Nor can
    /// anyone choose ids that are drawn less often than others.
    fn make_room(&mut self, keep: impl Fn(&NodeId) -> bool) {
        let stride = self.len().div_ceil(limits::BOND_SAMPLES).max(1);
        let first = self.rng.below(u32::try_from(stride).unwrap_or(u32::MAX));
        let first = usize::try_from(first).unwrap_or(0);
        let worst = (first..self.len()).step_by(stride).min_by_key(|at| {
            let ((ip, id), bond) = &self.bonds[*at];
            let crowd = self.proven_at(*ip).take(limits::BOND_CROWD).count();
            (keep(id), bond.was_proven(), Reverse(crowd), bond.proven)
        });
        if let Some(at) = worst {
            self.bonds.remove(at);
        }
    }

    /// Recounts.
    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.bonds.len() > limits::BONDS {
            return Err("bonds");
        }
        let in_order = self.bonds.is_sorted_by(|(a, _), (b, _)| a < b);
        if in_order { Ok(()) } else { Err("order of bonds") }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::entropy::Seed;

    fn bonds() -> Bonds {
        Bonds::new(Seed::from_number(1).jitter())
    }

    fn id(number: u32) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes());
        bytes[28..].copy_from_slice(&number.to_be_bytes());
        NodeId::new(bytes)
    }

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(33, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(33, 0, 0, 2));

    #[test]
    fn a_proof_is_for_one_id_at_one_address_and_a_day() {
        let mut bonds = bonds();
        bonds.pong(&id(1), A, Instant::ZERO, |_| false);
        let almost = Instant::ZERO + (limits::BOND_LIFE - Duration::from_micros(1));
        assert!(bonds.is_proven(&id(1), A, almost));
        assert!(!bonds.is_proven(&id(1), A, Instant::ZERO + limits::BOND_LIFE));
        assert!(!bonds.is_proven(&id(1), B, Instant::ZERO));
        assert!(!bonds.is_proven(&id(2), A, Instant::ZERO));
        assert!(!bonds.is_known(&id(1), A, Instant::ZERO));
        bonds.ping(&id(1), A, almost);
        assert!(bonds.is_known(&id(1), A, almost));
        bonds.expire(Instant::ZERO + limits::BOND_LIFE);
        assert!(bonds.has_address(A), "the ping was later");
        bonds.expire(almost + limits::BOND_LIFE);
        assert!(!bonds.has_address(A));
        bonds.audit().unwrap();
    }

    #[test]
    fn a_stranger_costs_no_memory() {
        let mut bonds = bonds();
        for number in 0..1000 {
            bonds.ping(&id(number), A, Instant::ZERO);
            assert_eq!(bonds.found(&id(number), A, false, false), 1);
            assert_eq!(bonds.found(&id(number), A, true, true), 0);
        }
        assert_eq!(bonds.len(), 0);
    }

    #[test]
    fn at_the_bound_an_old_proof_goes_and_the_nodes_to_keep_stay() {
        let mut bonds = bonds();
        let count = u32::try_from(limits::BONDS).unwrap();
        let keep = |kept: &NodeId| (0..400).any(|number| *kept == id(number));
        for number in 0..count * 3 {
            bonds.pong(&id(number), A, Instant::from_secs(number.into()), keep);
        }
        assert_eq!(bonds.len(), limits::BONDS);
        let now = Instant::from_secs(1);
        let kept = (0..400).filter(|number| bonds.of(&id(*number), A).was_proven()).count();
        assert!(kept >= 396, "{kept} of 400 are left");
        assert!(bonds.is_proven(&id(count * 3 - 1), A, now));
        bonds.audit().unwrap();
    }

    #[test]
    fn of_those_at_addresses_of_their_own_an_old_proof_goes_and_failures_take_no_room() {
        let mut bonds = bonds();
        let own = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(0x2100_0000 + number));
        let count = u32::try_from(limits::BONDS).unwrap();
        let is_young = |number: &u32| number.wrapping_mul(0x9E37_79B9) >> 31 == 0;
        let time = |number| Instant::from_secs(if is_young(&number) { 1000 } else { 1 });
        for number in 0..count {
            bonds.pong(&id(number), own(number), time(number), |_| false);
        }
        assert_eq!(bonds.found(&id(count), own(count), false, true), 1);
        assert_eq!(bonds.len(), limits::BONDS);
        for number in count..count + 500 {
            bonds.pong(&id(number), own(number), Instant::from_secs(1000), |_| false);
        }
        let left = |number: &u32| bonds.of(&id(*number), own(*number)).was_proven();
        let young: Vec<u32> = (0..count).filter(is_young).collect();
        assert!(young.iter().filter(|number| left(number)).count() + 2 >= young.len());
        bonds.audit().unwrap();
    }

    /// Keys that somebody mined, so that a search through all ids meets the first
    /// of them alone.
    fn mined(number: u32) -> NodeId {
        let mut bytes = [0x77; 32];
        bytes[28..].copy_from_slice(&number.to_be_bytes());
        NodeId::new(bytes)
    }

    #[test]
    fn one_host_with_thousands_of_keys_does_not_push_the_proofs_of_others_out() {
        let mut bonds = bonds();
        let honest = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(0x2100_0000 + number));
        let count = u32::try_from(limits::BONDS).unwrap();
        for number in 0..count {
            bonds.pong(&id(number), honest(number), Instant::from_secs(1), |_| false);
        }
        for number in 0..3 * count {
            bonds.pong(&mined(number), A, Instant::from_secs(2), |_| false);
        }
        let now = Instant::from_secs(3);
        let left = |number: &u32| bonds.is_proven(&id(*number), honest(*number), now);
        let left = (0..count).filter(left).count();
        assert!(left > limits::BONDS * 3 / 4, "{left}");
        bonds.audit().unwrap();
    }

    #[test]
    fn the_store_is_told_of_a_pong_once_a_minute() {
        let mut bond = Bond::default();
        let mut told = |seconds| bond.store_is_due(Instant::from_secs(seconds));
        let times = [0, 1, 59, 60, 61, 62, 120, 121, 122, 180, 181];
        let told = times.map(&mut told);
        let due = [0, 61, 121, 181];
        assert_eq!(told, times.map(|seconds| due.contains(&seconds)));
        assert!(!bond.store_is_due(Instant::ZERO), "time goes back");
        assert!(bond.store_is_due(Instant::MAX) && !bond.store_is_due(Instant::MAX));
    }

    #[test]
    fn who_was_never_heard_of_has_no_address_and_is_forgotten_first() {
        let mut bonds = bonds();
        assert_eq!(bonds.found(&id(1), A, false, true), 1);
        assert!(!bonds.has_address(A), "a failure is no proof");
        bonds.pong(&id(2), A, Instant::ZERO, |_| false);
        bonds.expire(Instant::from_secs(1));
        assert_eq!((bonds.len(), bonds.of(&id(1), A)), (1, Bond::default()));
        assert!(bonds.has_address(A));
        bonds.expire(Instant::ZERO + limits::BOND_LIFE);
        assert!(bonds.len() == 0 && !bonds.has_address(A));
        bonds.audit().unwrap();

        let count = u32::try_from(limits::BONDS).unwrap();
        for number in 0..count {
            if number % 8 == 0 {
                bonds.found(&id(number), B, false, true);
            } else {
                bonds.pong(&id(number), A, Instant::ZERO, |_| false);
            }
        }
        for number in 0..64 {
            bonds.pong(&id(count + number), A, Instant::ZERO, |_| false);
        }
        let proven = bonds.bonds.iter().filter(|(_, bond)| bond.was_proven()).count();
        assert!(proven > limits::BONDS * 7 / 8 + 48, "{proven}");
        bonds.audit().unwrap();
    }

    #[test]
    fn failures_in_a_row_are_counted_of_nodes_in_the_table() {
        let mut bonds = bonds();
        for count in 1..4 {
            assert_eq!(bonds.found(&id(1), A, false, true), count);
        }
        assert_eq!(bonds.found(&id(1), A, true, true), 0);
        assert_eq!(bonds.found(&id(1), A, false, true), 1);
        bonds.audit().unwrap();
    }

    #[test]
    fn what_an_earlier_run_stored_does_not_displace_what_is_known_now() {
        let mut bonds = bonds();
        bonds.pong(&id(1), A, Instant::from_secs(5), |_| false);
        let old = Bond { proven: Instant::from_secs(1), ..Bond::default() };
        bonds.restore(&id(1), A, old);
        bonds.restore(&id(2), A, old);
        assert_eq!(bonds.of(&id(1), A).proven, Instant::from_secs(5) + limits::BOND_LIFE);
        assert!(bonds.is_proven(&id(2), A, Instant::ZERO));
    }
}
