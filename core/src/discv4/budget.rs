//! How many packets of whom the gate lets through to be verified.
//!
//! Memory is bounded: tables of counters, and a keyed hash of whoever is counted
//! picks the place. Places that nobody has come to yet take little. Two who share a
//! place share what it allows; who they are only the key tells, so nobody can look
//! for a place to share.

use core::net::IpAddr;

use alloc::boxed::Box;
use alloc::vec::Vec;

use siphasher::sip::SipHasher13;

use super::{DropReason, Standing};
use crate::entropy::Seed;
use crate::limits::{self, Rate};
use crate::time::Instant;

/// A token bucket as one number: when it is full again, in microseconds. It
/// begins at 0, which is full.
#[derive(Clone, Copy, Default)]
struct Bucket(u64);

impl Bucket {
    fn has(self, now: Instant, rate: Rate) -> bool {
        let all_but_one = u64::from(rate.burst.saturating_sub(1));
        self.0 <= now.as_micros().saturating_add(interval(rate).saturating_mul(all_but_one))
    }

    fn take(&mut self, now: Instant, rate: Rate) {
        self.0 = self.0.max(now.as_micros()).saturating_add(interval(rate));
    }
}

fn interval(rate: Rate) -> u64 {
    1_000_000 / u64::from(rate.per_second.max(1))
}

/// Counters next to each other, which take memory when one of them is used first.
const PAGE: usize = 8;

/// One table of counters.
struct Slots(Box<[Option<Box<[Bucket; PAGE]>>]>);

impl Slots {
    fn new() -> Self {
        let mut pages = Vec::new();
        pages.resize_with(limits::GATE_SLOTS.div_ceil(PAGE), || None);
        Self(pages.into_boxed_slice())
    }

    fn has(&self, slot: usize, now: Instant, rate: Rate) -> bool {
        let page = self.0.get(slot / PAGE).and_then(Option::as_deref);
        page.map_or(Bucket(0), |page| page[slot % PAGE]).has(now, rate)
    }

    fn take(&mut self, slot: usize, now: Instant, rate: Rate) {
        if let Some(page) = self.0.get_mut(slot / PAGE) {
            page.get_or_insert_default()[slot % PAGE].take(now, rate);
        }
    }

    /// Bytes of memory.
    #[cfg(test)]
    fn memory(&self) -> usize {
        size_of_val(&*self.0)
            + self.0.iter().flatten().map(|page| size_of_val(&**page)).sum::<usize>()
    }
}

/// All counters. What each is for stands in the gate's documentation.
pub(super) struct Budget {
    key: [u64; 2],
    answers: Slots,
    proven: Slots,
    all_proven: Bucket,
    strangers: Slots,
    all_strangers: Bucket,
    lan: Slots,
    all_lan: Bucket,
    loopback: Bucket,
    /// Nobody pays. For simulations that show what all this is good for.
    is_off: bool,
}

/// Permission to verify one packet. Not paid for until it is
/// [charged](Budget::charge).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ticket {
    Answer(usize),
    Loopback { is_proven: bool },
    Lan { slot: usize, is_proven: bool },
    Proven(usize),
    BeyondProven,
    Stranger(usize),
}

impl Ticket {
    /// Local networks have budgets of their own, but to be local proves nothing.
    pub(super) const fn standing(self) -> Standing {
        match self {
            Self::Answer(_) => Standing::Awaited,
            Self::Proven(_)
            | Self::Loopback { is_proven: true }
            | Self::Lan { is_proven: true, .. } => Standing::Proven,
            Self::BeyondProven => Standing::Busy,
            Self::Stranger(_)
            | Self::Loopback { is_proven: false }
            | Self::Lan { is_proven: false, .. } => Standing::Stranger,
        }
    }
}

impl Budget {
    pub(super) fn new(seed: &Seed) -> Self {
        let mut rng = seed.derive("discv4 gate", 0).secrets();
        Self {
            key: [(); 2].map(|()| u64::from_le_bytes(rng.bytes())),
            answers: Slots::new(),
            proven: Slots::new(),
            all_proven: Bucket::default(),
            strangers: Slots::new(),
            all_strangers: Bucket::default(),
            lan: Slots::new(),
            all_lan: Bucket::default(),
            loopback: Bucket::default(),
            is_off: false,
        }
    }

    /// From now on nobody pays.
    pub(super) const fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// Whether one more packet from `ip` may be verified. `answer` is the token
    /// of the request of ours that it answers; requests to several nodes can be the
    /// same bytes, so that only address and token together name one.
    pub(super) fn ticket(
        &self,
        now: Instant,
        ip: IpAddr,
        answer: Option<&[u8; 32]>,
        is_proven: impl FnOnce() -> bool,
    ) -> Result<Ticket, DropReason> {
        if let Some(slot) = answer.map(|token| self.slot(&[&host(ip)[..], token].concat()))
            && self.answers.has(slot, now, limits::ANSWERS_TO_REQUEST)
        {
            return Ok(Ticket::Answer(slot));
        }
        let is_proven = is_proven();
        let scope = Scope::of(ip);
        match scope {
            Scope::Loopback if self.loopback.has(now, limits::LOOPBACK_PACKETS) => {
                return Ok(Ticket::Loopback { is_proven });
            }
            Scope::Lan => {
                let slot = self.slot(&host(ip));
                if self.lan.has(slot, now, limits::LAN_PACKETS)
                    && self.all_lan.has(now, limits::ALL_LAN_PACKETS)
                {
                    return Ok(Ticket::Lan { slot, is_proven });
                }
            }
            Scope::Loopback | Scope::Public => {}
        }
        if is_proven {
            return self.proven(now, ip);
        }
        match scope {
            Scope::Loopback | Scope::Lan => Err(DropReason::OverBudget),
            Scope::Public => self.stranger(now, ip),
        }
    }

    fn proven(&self, now: Instant, ip: IpAddr) -> Result<Ticket, DropReason> {
        let slot = self.slot(&host(ip));
        if self.proven.has(slot, now, limits::PROVEN_PACKETS) {
            Ok(Ticket::Proven(slot))
        } else if self.all_proven.has(now, limits::ALL_PROVEN_PACKETS) {
            Ok(Ticket::BeyondProven)
        } else {
            Err(DropReason::OverBudget)
        }
    }

    fn stranger(&self, now: Instant, ip: IpAddr) -> Result<Ticket, DropReason> {
        let slot = self.slot(&network(ip));
        if !self.strangers.has(slot, now, limits::STRANGER_PACKETS) {
            Err(DropReason::OverBudget)
        } else if !self.all_strangers.has(now, limits::ALL_STRANGERS_PACKETS) {
            Err(DropReason::Overloaded)
        } else {
            Ok(Ticket::Stranger(slot))
        }
    }

    /// Pays for a packet.
    pub(super) fn charge(&mut self, now: Instant, ticket: Ticket) {
        if self.is_off {
            return;
        }
        match ticket {
            Ticket::Answer(slot) => self.answers.take(slot, now, limits::ANSWERS_TO_REQUEST),
            Ticket::Loopback { .. } => self.loopback.take(now, limits::LOOPBACK_PACKETS),
            Ticket::Lan { slot, .. } => {
                self.lan.take(slot, now, limits::LAN_PACKETS);
                self.all_lan.take(now, limits::ALL_LAN_PACKETS);
            }
            Ticket::Proven(slot) => self.proven.take(slot, now, limits::PROVEN_PACKETS),
            Ticket::BeyondProven => self.all_proven.take(now, limits::ALL_PROVEN_PACKETS),
            Ticket::Stranger(slot) => {
                self.strangers.take(slot, now, limits::STRANGER_PACKETS);
                self.all_strangers.take(now, limits::ALL_STRANGERS_PACKETS);
            }
        }
    }

    fn slot(&self, whose: &[u8]) -> usize {
        let hash = SipHasher13::new_with_keys(self.key[0], self.key[1]).hash(whose);
        usize::try_from(hash % limits::GATE_SLOTS as u64).unwrap_or(0)
    }

    /// Bytes of memory so far.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let slots = [&self.answers, &self.proven, &self.strangers, &self.lan];
        size_of::<Self>() + slots.map(Slots::memory).iter().sum::<usize>()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Loopback,
    Lan,
    Public,
}

impl Scope {
    fn of(ip: IpAddr) -> Self {
        let (loopback, lan) = match ip {
            IpAddr::V4(ip) => (ip.is_loopback(), ip.is_private() || ip.is_link_local()),
            IpAddr::V6(ip) => {
                (ip.is_loopback(), ip.is_unique_local() || ip.is_unicast_link_local())
            }
        };
        if loopback {
            Self::Loopback
        } else if lan {
            Self::Lan
        } else {
            Self::Public
        }
    }
}

/// What one host has: an IPv4 address, or 64 bits of IPv6.
fn host(ip: IpAddr) -> [u8; 9] {
    let mut whose = [0; 9];
    match ip {
        IpAddr::V4(ip) => whose[5..].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => {
            whose[0] = 1;
            whose[1..].copy_from_slice(&ip.octets()[..8]);
        }
    }
    whose
}

/// What one party can have at no cost: a /24 of IPv4, which geth too takes for
/// one, or a /48 of IPv6, which tunnel brokers give to anyone.
fn network(ip: IpAddr) -> [u8; 9] {
    let mut whose = host(ip);
    match ip {
        IpAddr::V4(_) => whose[8] = 0,
        IpAddr::V6(_) => whose[7..].fill(0),
    }
    whose
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = Bucket::default();
        let mut given = |now: Instant| {
            let has = bucket.has(now, rate);
            if has {
                bucket.take(now, rate);
            }
            has
        };
        let start = Instant::from_secs(1);
        assert_eq!([(); 5].map(|()| given(start)), [true, true, true, false, false]);
        let next = start + Duration::from_millis(100);
        assert!(!given(start + Duration::from_micros(99_999)));
        assert!(given(next) && !given(next));
        let later = start + Duration::from_secs(60);
        assert_eq!([(); 5].map(|()| given(later)), [true, true, true, false, false]);
        let mut total = 0;
        for micros in (0..10_000_000).step_by(1000) {
            total +=
                usize::from(given(later + Duration::from_secs(1) + Duration::from_micros(micros)));
        }
        assert_eq!(total, 3 + 99);
    }

    #[test]
    fn at_the_end_of_time_nothing_overflows() {
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            bucket.take(Instant::MAX, limits::PROVEN_PACKETS);
            assert!(bucket.has(Instant::MAX, limits::PROVEN_PACKETS));
        }
    }

    #[test]
    fn hosts_and_networks_are_told_apart_where_parties_are() {
        assert_ne!(host(ip("1.2.3.4")), host(ip("1.2.3.5")));
        assert_eq!(network(ip("1.2.3.4")), network(ip("1.2.3.5")));
        assert_ne!(network(ip("1.2.3.4")), network(ip("1.2.4.4")));
        assert_eq!(host(ip("2001:db8::1")), host(ip("2001:db8::2")));
        assert_ne!(host(ip("2001:db8:0:1::1")), host(ip("2001:db8:0:2::1")));
        assert_eq!(network(ip("2001:db8:0:1::1")), network(ip("2001:db8:0:2::1")));
        assert_ne!(network(ip("2001:db8:1::1")), network(ip("2001:db8:2::1")));
        assert_ne!(network(ip("0.0.0.0")), network(ip("::")));
    }

    #[test]
    fn local_addresses_are_local() {
        for (text, scope) in [
            ("127.0.0.1", Scope::Loopback),
            ("127.9.9.9", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("10.0.0.1", Scope::Lan),
            ("192.168.1.1", Scope::Lan),
            ("172.16.0.1", Scope::Lan),
            ("172.32.0.1", Scope::Public),
            ("169.254.0.1", Scope::Lan),
            ("fd00::1", Scope::Lan),
            ("fe80::1", Scope::Lan),
            ("8.8.8.8", Scope::Public),
            ("2001:db8::1", Scope::Public),
        ] {
            assert_eq!(Scope::of(ip(text)), scope, "{text}");
        }
    }

    #[test]
    fn the_same_request_to_many_nodes_is_answered_by_each() {
        let mut budget = Budget::new(&Seed::from_number(1));
        let now = Instant::from_secs(1);
        for last in 0..100 {
            let node = IpAddr::from([33, 0, last, 1]);
            let ticket = budget.ticket(now, node, Some(&[7; 32]), || false).unwrap();
            assert!(matches!(ticket, Ticket::Answer(_)));
            budget.charge(now, ticket);
        }
    }

    #[test]
    fn nobody_without_the_seed_knows_who_shares_a_place() {
        let slots = |seed| {
            let budget = Budget::new(&Seed::from_number(seed));
            [1, 2, 3, 4, 5, 6, 7, 8].map(|last| budget.slot(&[last]))
        };
        assert_eq!(slots(1), slots(1));
        assert_ne!(slots(1), slots(2));
    }

    #[test]
    fn memory_is_bounded_and_small_where_few_have_come() {
        let mut budget = Budget::new(&Seed::from_number(1));
        assert!(budget.memory() < 17 * 1024, "{}", budget.memory());
        let now = Instant::from_secs(1);
        for slot in 0..limits::GATE_SLOTS {
            budget.charge(now, Ticket::Answer(slot));
            budget.charge(now, Ticket::Lan { slot, is_proven: false });
            budget.charge(now, Ticket::Proven(slot));
            budget.charge(now, Ticket::Stranger(slot));
        }
        assert!(budget.memory() < 150 * 1024, "{}", budget.memory());
    }

    #[test]
    fn all_that_may_be_verified_in_a_second_is_less_than_a_core_does() {
        // k256 verifies from 11,000 to 20,000 a second. Local networks left aside.
        let slots = u32::try_from(limits::GATE_SLOTS).unwrap();
        let sum = slots * limits::PROVEN_PACKETS.per_second
            + limits::ALL_PROVEN_PACKETS.per_second
            + limits::ALL_STRANGERS_PACKETS.per_second;
        assert!(sum < 11_500, "{sum}");
    }
}
