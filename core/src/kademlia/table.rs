//! The table: the nodes that we know, more of those that are near us.
//!
//! Buckets by the logarithm of the distance: of the two halves of all ids the
//! one without us has a bucket, of our half that quarter, and so on sixteen
//! times; what is left is one more bucket.

mod audit;
mod update;

use alloc::vec::Vec;
use core::fmt;

use super::bucket::{Check, Pace};
use super::revalidation::{Revalidation, within};
use super::subnets::Subnets;
use super::{Bucket, Entry, Liveness, Removed, Revalidated};
use crate::entropy::Rng;
use crate::identity::{Contact, NodeId, Subnet};
use crate::limits;
use crate::time::Instant;

/// The limits of the table that a user may move. The default is geth's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TableConfig {
    /// Nodes of one subnet in a bucket.
    pub subnet_in_bucket: u16,
    /// Nodes of one subnet in the table.
    pub subnet_in_table: u16,
    /// Leading bits that the addresses of an IPv4 subnet share.
    pub ipv4_bits: u8,
    /// The same for IPv6. geth's 24 is a whole provider.
    pub ipv6_bits: u8,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            subnet_in_bucket: limits::SUBNET_IN_BUCKET,
            subnet_in_table: limits::SUBNET_IN_TABLE,
            ipv4_bits: limits::SUBNET_BITS,
            ipv6_bits: limits::SUBNET_BITS,
        }
    }
}

/// The nodes that we know: at most 272, and 170 that wait to replace them.
///
/// Whoever owns it pings whom [`poll_revalidation`](Self::poll_revalidation)
/// names and says what came of it by [`revalidated`](Self::revalidated), and
/// fills the table again when [`refresh_deadline`](Self::refresh_deadline) has
/// come or the table is empty.
///
/// ```
/// use core::net::IpAddr;
/// use devp2p_core::crypto::SecretKey;
/// use devp2p_core::entropy::Seed;
/// use devp2p_core::identity::{Contact, NodeId};
/// use devp2p_core::kademlia::{Added, Liveness, Table, TableConfig};
/// use devp2p_core::time::Instant;
///
/// let mut secrets = Seed::from_number(1).secrets();
/// let mut key = || SecretKey::generate(&mut secrets).public_key();
/// let own = NodeId::from(&key());
/// let node = Contact::new(key(), IpAddr::from([9, 8, 7, 6]), 30303, 30303);
///
/// let jitter = Seed::from_number(1).jitter();
/// let mut table = Table::new(own, TableConfig::default(), jitter, Instant::ZERO);
/// assert_eq!(table.add_found(node.clone(), Instant::ZERO), Added::Inserted);
///
/// let then = table.revalidation_deadline().unwrap();
/// let pinged = table.poll_revalidation(then).unwrap();
/// let _ = table.revalidated(pinged.id(), Liveness::Alive, then);
/// assert_eq!(table.live(), 1);
/// assert_eq!(table.closest(&own, 16, true), [&node]);
/// ```
pub struct Table {
    own: NodeId,
    config: TableConfig,
    rng: Rng,
    buckets: Vec<Bucket>,
    subnets: Subnets,
    revalidation: Revalidation,
    /// Nodes that have left while their ping was under way.
    forgotten: Vec<NodeId>,
    next_refresh: Instant,
    len: usize,
    live: usize,
    ready: bool,
}

impl Table {
    /// An empty table. All that it draws comes from `rng`, which must be
    /// jitter: it shows in whom we ping and when.
    pub fn new(own: NodeId, config: TableConfig, mut rng: Rng, now: Instant) -> Self {
        let next_refresh = next_refresh(now, &mut rng);
        Self {
            own,
            config,
            rng,
            buckets: core::iter::repeat_with(Bucket::default).take(limits::BUCKETS).collect(),
            subnets: Subnets::default(),
            revalidation: Revalidation::default(),
            forgotten: Vec::new(),
            next_refresh,
            len: 0,
            live: 0,
            ready: false,
        }
    }

    /// How many entries there are; replacements are none.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry; then there is no replacement either.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries have answered a ping to where they are.
    pub const fn live(&self) -> usize {
        self.live
    }

    /// How many nodes wait to replace an entry.
    pub fn replacements(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.replacements.len()).sum()
    }

    /// The 17 buckets, the nearest first. The first holds all up to log-distance
    /// 240, each further one those of one log-distance.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How many entries each list of the revalidation counts: those that are
    /// pinged soon, and those that have answered.
    pub const fn on_lists(&self) -> (usize, usize) {
        (self.revalidation.fast.nodes.len(), self.revalidation.slow.nodes.len())
    }

    /// How many nodes of each subnet are counted, replacements included; those
    /// of local networks are not.
    pub fn subnets(&self) -> impl Iterator<Item = (&Subnet, u16)> {
        self.subnets.iter()
    }

    /// The entry of this id.
    pub fn entry(&self, id: &NodeId) -> Option<&Entry> {
        self.buckets[self.index(id)].entry(id)
    }

    /// The node of this id, if it is an entry.
    pub fn contact(&self, id: &NodeId) -> Option<&Contact> {
        self.entry(id).map(Entry::contact)
    }

    /// Whether there is an entry of this id.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.entry(id).is_some()
    }

    /// An entry drawn at random.
    pub fn random(&mut self) -> Option<&Contact> {
        let at = self.rng.below(u32::try_from(self.len).unwrap_or(u32::MAX));
        let mut entries = self.buckets.iter().flat_map(|bucket| &bucket.entries);
        entries.nth(usize::try_from(at).ok()?).map(Entry::contact)
    }

    /// The entries closest to `target`, closest first, at most `count`. With
    /// `prefer_live` only live ones, unless there is none at all. geth
    /// `findnodeByID`.
    pub fn closest(&self, target: &NodeId, count: usize, prefer_live: bool) -> Vec<&Contact> {
        let only_live = prefer_live && self.live > 0;
        let mut found = Vec::with_capacity(count.min(self.len));
        for index in self.nearest_first(target) {
            let missing = count - found.len();
            if missing == 0 {
                break;
            }
            self.buckets[index].append_closest(target, missing, only_live, &mut found);
        }
        found
    }

    /// All buckets, such that whatever is in an earlier one is closer to
    /// `target` than whatever is in a later one.
    ///
    /// The ids of a bucket begin as ours does and differ at the bucket's bit. Of
    /// the bits at which `target` differs from us the highest decides first: its
    /// bucket is closer than all below, for those miss a higher bit. At bits
    /// where `target` does not differ it is the other way round.
    fn nearest_first(&self, target: &NodeId) -> impl Iterator<Item = usize> {
        let differing = (self.own.prefix() ^ target.prefix()) >> (64 - FAR_BUCKETS);
        let differs = move |bucket: &usize| (differing >> (bucket - 1)) & 1 == 1;
        let descending = (1..=FAR_BUCKETS).rev().filter(move |bucket| differs(bucket));
        let ascending = (1..=FAR_BUCKETS).filter(move |bucket| !differs(bucket));
        descending.chain([0]).chain(ascending)
    }

    /// Which bucket an id belongs to.
    fn index(&self, id: &NodeId) -> usize {
        let equal = (self.own.prefix() ^ id.prefix()).leading_zeros();
        FAR_BUCKETS.saturating_sub(usize::try_from(equal).unwrap_or(FAR_BUCKETS))
    }

    // Revalidation.

    /// Whom to ping now, if anyone. May be called until it says nobody, which
    /// is after two at most. Each node named is named again only after
    /// [`revalidated`](Self::revalidated) was told what came of it.
    pub fn poll_revalidation(&mut self, now: Instant) -> Option<Contact> {
        while let Some(pace) = self.revalidation.due(now, &mut self.rng) {
            if let Some(contact) = self.draw_unasked(pace) {
                return Some(contact);
            }
        }
        None
    }

    /// One drawn at random or, if its ping is under way, the next that has none.
    fn draw_unasked(&mut self, pace: Pace) -> Option<Contact> {
        let count = self.revalidation.list(pace).nodes.len();
        let first = self.rng.below(u32::try_from(count).unwrap_or(u32::MAX));
        let first = usize::try_from(first).ok()?;
        for at in (first..count).chain(0..first) {
            let id = self.revalidation.list(pace).nodes[at];
            let index = self.index(&id);
            if let Some(entry) = self.buckets[index].entry_mut(&id)
                && entry.check == Check::Idle
            {
                entry.check = Check::Asked;
                return Some(entry.contact.clone());
            }
        }
        None
    }

    /// When there may be somebody to ping. After
    /// [`poll_revalidation`](Self::poll_revalidation) has said nobody at `now`
    /// it is later than `now`.
    pub fn revalidation_deadline(&self) -> Option<Instant> {
        self.revalidation.deadline()
    }

    /// What came of a ping to a node that
    /// [`poll_revalidation`](Self::poll_revalidation) named. Nothing happens if
    /// it has moved or has left the table meanwhile, or was not named: in geth
    /// an answer from where a node was makes it live where it is.
    pub fn revalidated(&mut self, id: &NodeId, liveness: Liveness, now: Instant) -> Revalidated {
        let index = self.index(id);
        let Some(entry) = self.buckets[index].entry_mut(id) else {
            self.forgotten.retain(|forgotten| forgotten != id);
            return Revalidated::default();
        };
        let asked = core::mem::replace(&mut entry.check, Check::Idle);
        if asked != Check::Asked {
            return Revalidated::default();
        }
        match liveness {
            Liveness::Alive => {
                entry.checks = entry.checks.saturating_add(1);
                self.live += usize::from(!entry.live);
                entry.live = true;
                let steady = entry.checks > limits::CHECKS_BEFORE_STORE;
                let store =
                    (steady && entry.contact.is_where_signed()).then(|| entry.contact.clone());
                self.set_pace(id, Pace::Slow, now);
                Revalidated { store, removed: None }
            }
            Liveness::Silent => {
                entry.checks /= limits::SILENCE_DIVISOR;
                let removed = if entry.checks == 0 {
                    self.remove(id, now)
                } else {
                    self.set_pace(id, Pace::Fast, now);
                    None
                };
                Revalidated { store: None, removed }
            }
        }
    }

    fn set_pace(&mut self, id: &NodeId, pace: Pace, now: Instant) {
        let index = self.index(id);
        let Some(entry) = self.buckets[index].entry_mut(id) else { return };
        let before = core::mem::replace(&mut entry.pace, pace);
        if before != pace {
            self.revalidation.leave(before, id);
            self.revalidation.enter(pace, *id, now, &mut self.rng);
        }
    }

    /// A node has failed to answer so many find-node requests in a row. At 5 it
    /// leaves the table, unless its bucket has fewer than 4 entries. geth
    /// `handleTrackRequest`.
    pub fn find_failure(&mut self, id: &NodeId, in_a_row: u32, now: Instant) -> Option<Removed> {
        let entries = self.buckets[self.index(id)].entries.len();
        if in_a_row < limits::FIND_FAILURES || entries < limits::BUCKET_ENTRIES_WORTH_DROPPING {
            return None;
        }
        self.remove(id, now)
    }

    // Refresh.

    /// When to fill the table anew: 15 to 30 minutes after the last time.
    pub const fn refresh_deadline(&self) -> Option<Instant> {
        Some(self.next_refresh)
    }

    /// A refresh has begun.
    pub fn refreshed(&mut self, now: Instant) {
        self.next_refresh = next_refresh(now, &mut self.rng);
    }

    /// The first refresh has ended: from now on nodes may come by themselves.
    pub const fn set_ready(&mut self) {
        self.ready = true;
    }
}

/// Buckets that hold one log-distance each.
const FAR_BUCKETS: usize = limits::BUCKETS - 1;

fn next_refresh(now: Instant, rng: &mut Rng) -> Instant {
    now + limits::REFRESH_INTERVAL_MIN + within(limits::REFRESH_INTERVAL_SPREAD, rng)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { own, len, live, ready, .. } = self;
        write!(f, "Table({own:?}, {len} nodes, {live} live, ready: {ready})")
    }
}
