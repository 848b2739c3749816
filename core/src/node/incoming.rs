//! Connections before anything is known of them but their address: which are
//! taken, and which of them makes room for others.

use core::net::IpAddr;

use alloc::collections::{BTreeMap, VecDeque};

use super::{ConnectionId, IncomingRefusal};
use crate::identity::{NetRestrict, Subnet, is_lan};
use crate::limits;
use crate::time::Instant;

/// Addresses that have connected of late. geth `inboundHistory`.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    until: BTreeMap<IpAddr, Instant>,
    oldest: VecDeque<(Instant, IpAddr)>,
}

impl Throttle {
    /// Whether this address may connect now; if so it may not again for a while.
    /// Addresses of the local network always may.
    fn admit(&mut self, now: Instant, ip: IpAddr) -> bool {
        while let Some((until, ip)) = self.oldest.front().copied()
            && (until <= now || self.oldest.len() > limits::INBOUND_ADDRESSES)
        {
            self.oldest.pop_front();
            self.until.remove(&ip);
        }
        if is_lan(ip) {
            return true;
        }
        if self.until.contains_key(&ip) {
            return false;
        }
        let until = now + limits::INBOUND_THROTTLE;
        self.until.insert(ip, until);
        self.oldest.push_back((until, ip));
        true
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        let full = self.oldest.len() > limits::INBOUND_ADDRESSES + 1;
        if full || self.until.len() != self.oldest.len() {
            return Err("throttled addresses");
        }
        Ok(())
    }
}

/// An inbound connection that has not been admitted yet.
#[derive(Debug)]
struct Pending {
    since: Instant,
    subnet: Subnet,
    /// It has not shown a key yet.
    silent: bool,
}

/// Inbound connections that have not been admitted. geth holds one of 50 slots
/// for each; here one that has said nothing for
/// [`limits::SILENT_CONNECTION`] gives its slot to the next, so that
/// those who never speak do not keep others out.
#[derive(Debug)]
pub(super) struct Incoming {
    throttle: Throttle,
    pending: BTreeMap<ConnectionId, Pending>,
    /// Silent ones make room.
    give_way: bool,
}

impl Incoming {
    pub(super) fn new(give_way: bool) -> Self {
        Self { throttle: Throttle::default(), pending: BTreeMap::new(), give_way }
    }

    /// Whether a connection would be taken now, as far as slots are concerned.
    pub(super) fn has_room(&self, now: Instant, slots: usize) -> bool {
        self.pending.len() < slots || self.is_giving_way(now)
    }

    fn is_giving_way(&self, now: Instant) -> bool {
        self.give_way && self.pending.values().any(|pending| pending.gives_way(now))
    }

    /// When there will be room though nothing happens.
    pub(super) fn deadline(&self, slots: usize) -> Option<Instant> {
        if self.pending.len() < slots || !self.give_way {
            return None;
        }
        let silent = self.pending.values().filter(|pending| pending.silent);
        silent.map(|pending| pending.since + limits::SILENT_CONNECTION).min()
    }

    /// A connection from this address: whether it is taken. If a silent one has
    /// to make room for it, which.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        ip: IpAddr,
        net_restrict: Option<&NetRestrict>,
        slots: usize,
    ) -> Result<Option<ConnectionId>, IncomingRefusal> {
        if net_restrict.is_some_and(|networks| !networks.contains(ip)) {
            return Err(IncomingRefusal::NetRestrict);
        }
        if !self.has_room(now, slots) {
            return Err(IncomingRefusal::TooManyPending);
        }
        if !self.throttle.admit(now, ip) {
            return Err(IncomingRefusal::Throttled);
        }
        let evicted = if self.pending.len() < slots { None } else { self.silent(now) };
        if let Some(evicted) = evicted {
            self.pending.remove(&evicted);
        }
        Ok(evicted)
    }

    /// The connection has this name now.
    pub(super) fn insert(&mut self, id: ConnectionId, now: Instant, ip: IpAddr) {
        self.pending.insert(id, Pending { since: now, subnet: subnet(ip), silent: true });
    }

    /// It has shown a key.
    pub(super) fn spoke(&mut self, id: ConnectionId) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.silent = false;
        }
    }

    /// It was admitted or is gone.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.pending.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// The oldest silent one of the network that has most of them.
    fn silent(&self, now: Instant) -> Option<ConnectionId> {
        let silent = || self.pending.iter().filter(|(_, pending)| pending.gives_way(now));
        let mut crowds: BTreeMap<Subnet, usize> = BTreeMap::new();
        silent().for_each(|(_, pending)| *crowds.entry(pending.subnet).or_default() += 1);
        let most = crowds.values().copied().max()?;
        silent().find(|(_, pending)| crowds.get(&pending.subnet) == Some(&most)).map(|(id, _)| *id)
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.pending.len() > limits::PENDING_CONNECTIONS_MAX {
            return Err("pending connections");
        }
        self.throttle.audit()
    }
}

impl Pending {
    fn gives_way(&self, now: Instant) -> bool {
        self.silent && self.since + limits::SILENT_CONNECTION <= now
    }
}

fn subnet(ip: IpAddr) -> Subnet {
    let bits = match ip {
        IpAddr::V4(_) => limits::INBOUND_SUBNET_BITS4,
        IpAddr::V6(_) => limits::INBOUND_SUBNET_BITS6,
    };
    Subnet::of(ip, bits)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use core::time::Duration;

    use super::*;

    const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 114, 5));
    const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 5));

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn connect(
        incoming: &mut Incoming,
        id: u64,
        now: Instant,
        ip: IpAddr,
        slots: usize,
    ) -> Result<Option<ConnectionId>, IncomingRefusal> {
        let admitted = incoming.admit(now, ip, None, slots);
        if admitted.is_ok() {
            incoming.insert(ConnectionId(id), now, ip);
        }
        incoming.audit().unwrap();
        admitted
    }

    /// geth `checkInboundConn`.
    #[test]
    fn an_address_connects_once_in_thirty_seconds_and_its_attempts_do_not_prolong_it() {
        let mut throttle = Throttle::default();
        assert!(throttle.admit(at(0), PUBLIC));
        assert!(!throttle.admit(at(29_999), PUBLIC));
        assert!(throttle.admit(at(30_000), PUBLIC));
    }

    #[test]
    fn an_address_of_the_local_network_connects_as_often_as_it_likes() {
        let mut throttle = Throttle::default();
        (0..3).for_each(|_| assert!(throttle.admit(at(0), LAN)));
        assert!(throttle.oldest.is_empty());
    }

    #[test]
    fn the_memory_of_addresses_is_bounded_and_forgets_the_oldest() {
        let mut throttle = Throttle::default();
        for number in 0..u32::try_from(3 * limits::INBOUND_ADDRESSES).unwrap() {
            throttle.admit(at(0), Ipv4Addr::from_bits(0x0800_0000 + number).into());
            throttle.audit().unwrap();
        }
    }

    #[test]
    fn an_address_outside_of_our_networks_is_refused_and_takes_nothing() {
        let mut incoming = Incoming::new(true);
        let networks = NetRestrict::new(["10.0.0.0/8".parse().unwrap()]);
        let refused = incoming.admit(at(0), PUBLIC, Some(&networks), 1);
        assert_eq!(refused, Err(IncomingRefusal::NetRestrict));
        assert_eq!(incoming.admit(at(0), PUBLIC, None, 1), Ok(None));
    }

    #[test]
    fn a_silent_connection_keeps_its_slot_for_half_a_second_when_others_wait() {
        let mut incoming = Incoming::new(true);
        connect(&mut incoming, 0, at(0), LAN, 2).unwrap();
        connect(&mut incoming, 1, at(100), LAN, 2).unwrap();
        let refused = connect(&mut incoming, 2, at(499), LAN, 2);
        assert_eq!(refused, Err(IncomingRefusal::TooManyPending));
        assert_eq!(incoming.deadline(2), Some(at(500)));
        assert_eq!(connect(&mut incoming, 2, at(500), LAN, 2), Ok(Some(ConnectionId(0))));
    }

    #[test]
    fn where_the_silent_do_not_give_way_they_keep_all_out() {
        let mut incoming = Incoming::new(false);
        connect(&mut incoming, 0, at(0), LAN, 1).unwrap();
        let refused = connect(&mut incoming, 1, at(4000), LAN, 1);
        assert_eq!(refused, Err(IncomingRefusal::TooManyPending));
        assert_eq!(incoming.deadline(1), None);
    }

    #[test]
    fn one_that_has_shown_a_key_keeps_its_slot() {
        let mut incoming = Incoming::new(true);
        connect(&mut incoming, 0, at(0), LAN, 1).unwrap();
        incoming.spoke(ConnectionId(0));
        assert_eq!(incoming.deadline(1), None);
        assert!(!incoming.has_room(at(0) + Duration::from_secs(100), 1));
        incoming.remove(ConnectionId(0));
        assert!(incoming.has_room(at(0), 1));
    }

    #[test]
    fn the_network_with_most_silent_connections_makes_room() {
        let mut incoming = Incoming::new(true);
        let crowd = |host| IpAddr::from([198, 51, 99, host]);
        connect(&mut incoming, 0, at(0), PUBLIC, 3).unwrap();
        connect(&mut incoming, 1, at(0), crowd(1), 3).unwrap();
        connect(&mut incoming, 2, at(0), crowd(2), 3).unwrap();
        let evicted = connect(&mut incoming, 3, at(1000), crowd(3), 3);
        assert_eq!(evicted, Ok(Some(ConnectionId(1))));
    }
}
