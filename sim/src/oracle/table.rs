//! T1 to T8: the table, counted anew from what can be seen of it.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::kademlia::{Bucket, Table, TableConfig};
use devp2p_core::time::{Instant, Now};

use super::{Branch, Flaw, Reached, Run, distance, hold, is_local};

/// geth `nBuckets`, `bucketSize`, `maxReplacements`.
const BUCKETS: usize = 17;
const ENTRIES: usize = 16;
const REPLACEMENTS: usize = 10;

/// The two lists are drawn from every 3 and 9 s at most, some member at random. One
/// that is drawn with chance 1 / n is missed 24 n times in a row once in 10^10.
const SLOWEST: Duration = Duration::from_secs(9 * 12);

/// What was seen of an entry when it was last looked at.
#[derive(Debug)]
pub(super) struct Seen {
    since: Instant,
    sequence: u64,
    waits: bool,
}

pub(super) fn check(
    run: &mut Run,
    reached: &mut Reached,
    table: &Table,
    now: Now,
) -> Result<(), Flaw> {
    let mut ids = BTreeSet::new();
    let mut subnets = BTreeMap::new();
    hold!(table.buckets().len() == BUCKETS, "T4", "{} buckets", table.buckets().len());
    for (index, bucket) in table.buckets().iter().enumerate() {
        reached.bucket(bucket);
        places(run, &mut ids, index, bucket)?;
        sizes(bucket)?;
        crowds(run, &mut subnets, bucket)?;
    }
    counts(run, table, &subnets)?;
    lives(run, table, now)?;
    histories(run, reached, table)
}

fn contacts(bucket: &Bucket) -> impl Iterator<Item = &Contact> {
    let waiting = bucket.replacements().iter().map(|waiting| waiting.contact());
    bucket.entries().iter().map(|entry| entry.contact()).chain(waiting)
}

/// T1 to T3: never ourselves, nobody twice, everyone by its distance.
fn places(
    run: &Run,
    ids: &mut BTreeSet<NodeId>,
    index: usize,
    bucket: &Bucket,
) -> Result<(), Flaw> {
    for contact in contacts(bucket) {
        let id = contact.id();
        hold!(*id != run.terms.id, "T1", "the table has ourselves");
        hold!(ids.insert(*id), "T2", "the table has {} twice", id.short());
        let far = distance(id, &run.terms.id);
        let zeros = far.iter().take_while(|byte| **byte == 0).count() * 8
            + far
                .iter()
                .find(|byte| **byte != 0)
                .map_or(0, |byte| usize::try_from(byte.leading_zeros()).unwrap_or(0));
        let expected = (BUCKETS - 1).saturating_sub(zeros);
        hold!(index == expected, "T3", "{} is in bucket {index}, not {expected}", id.short());
    }
    Ok(())
}

fn sizes(bucket: &Bucket) -> Result<(), Flaw> {
    let (entries, waiting) = (bucket.entries().len(), bucket.replacements().len());
    hold!(entries <= ENTRIES, "T4", "a bucket of {entries}");
    hold!(waiting <= REPLACEMENTS, "T4", "{waiting} wait for a bucket");
    hold!(entries == ENTRIES || waiting == 0, "T4", "{waiting} wait for a bucket of {entries}");
    Ok(())
}

/// The network that a table takes an address for, as its first bits.
pub(super) fn network(config: &TableConfig, ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(ip) => {
            let bits = u32::from(config.ipv4_bits);
            (false, u128::from(u32::from(ip).checked_shr(32 - bits).unwrap_or(0)))
        }
        IpAddr::V6(ip) => {
            let bits = u32::from(config.ipv6_bits);
            (true, u128::from(ip).checked_shr(128 - bits).unwrap_or(0))
        }
    }
}

/// The network that it counts a node for, if any.
fn counted(run: &Run, ip: Option<IpAddr>) -> Option<(bool, u128)> {
    ip.filter(|ip| !is_local(*ip)).map(|ip| network(&run.terms.table, ip))
}

/// T5: how many of one network there are in a bucket, and in all.
fn crowds(
    run: &Run,
    subnets: &mut BTreeMap<(bool, u128), u16>,
    bucket: &Bucket,
) -> Result<(), Flaw> {
    let (most, most_in_all) = (run.terms.table.subnet_in_bucket, run.terms.table.subnet_in_table);
    let mut here: BTreeMap<_, u16> = BTreeMap::new();
    for network in contacts(bucket).filter_map(|contact| counted(run, contact.ip())) {
        *here.entry(network).or_default() += 1;
        let all = subnets.entry(network).or_default();
        *all += 1;
        hold!(*all <= most_in_all, "T5", "{all} nodes of one network in the table");
    }
    let crowd = here.values().copied().max().unwrap_or(0);
    hold!(crowd <= most, "T5", "{crowd} nodes of one network in a bucket");
    Ok(())
}

/// T5 and T6: what the table counts itself.
fn counts(run: &Run, table: &Table, subnets: &BTreeMap<(bool, u128), u16>) -> Result<(), Flaw> {
    let counted: BTreeMap<_, _> = table
        .subnets()
        .filter_map(|(subnet, count)| Some((counted(run, Some(subnet.network()))?, count)))
        .collect();
    hold!(counted == *subnets, "T5", "networks are counted {counted:?} and are {subnets:?}");
    let entries = || table.buckets().iter().flat_map(Bucket::entries);
    let fast = entries().filter(|entry| entry.is_on_fast_list()).count();
    let all = entries().count();
    let (on_fast, on_slow) = table.on_lists();
    hold!(
        (on_fast, on_slow) == (fast, all - fast),
        "T6",
        "of {all} entries {fast} are on the fast list, and counted are {on_fast} and {on_slow}"
    );
    let live = entries().filter(|entry| entry.is_live()).count();
    hold!(
        table.len() == all && table.live() == live,
        "T6",
        "{all} entries, {live} live, and counted are {} and {}",
        table.len(),
        table.live()
    );
    // While there are any, one of them is due within the interval of its list.
    hold!(
        table.revalidation_deadline().is_some() == (all > 0),
        "T6",
        "{all} entries and nobody is to be pinged, or the reverse"
    );
    Ok(())
}

/// T7: who is live has answered a ping where it is, and not too long ago.
fn lives(run: &Run, table: &Table, now: Now) -> Result<(), Flaw> {
    let entries = || table.buckets().iter().flat_map(Bucket::entries);
    let count = u32::try_from(entries().count()).unwrap_or(u32::MAX);
    let bound = SLOWEST * (count + u32::try_from(ENTRIES).unwrap_or(0));
    for entry in entries().filter(|entry| entry.is_live()) {
        let contact = entry.contact();
        let Some(at) = contact.udp_endpoint() else {
            return Err(Flaw("T7", format!("{} is live nowhere", contact.id().short())));
        };
        let answered = run.discovery.answered.get(&(*contact.id(), at));
        let Some(answered) = answered else {
            let id = contact.id().short();
            return Err(Flaw("T7", format!("{id} is live and never answered a ping to {at}")));
        };
        let ago = now.mono.saturating_since(*answered);
        hold!(
            ago <= bound + run.resources.stood_still(*answered, now.mono),
            "T7",
            "{} is live and has answered {} s ago",
            contact.id().short(),
            ago.as_secs()
        );
    }
    Ok(())
}

/// T8: as long as a node stays its record does not grow older.
fn histories(run: &mut Run, reached: &mut Reached, table: &Table) -> Result<(), Flaw> {
    let mut seen = BTreeMap::new();
    for bucket in table.buckets() {
        let entries =
            bucket.entries().iter().map(|entry| (entry.contact(), entry.known_since(), false));
        let waiting = bucket.replacements().iter();
        let waiting = waiting.map(|waiting| (waiting.contact(), waiting.known_since(), true));
        for (contact, since, waits) in entries.chain(waiting) {
            let sequence = contact.sequence();
            if let Some(before) = run.seen.get(contact.id())
                && before.since == since
            {
                hold!(
                    sequence >= before.sequence,
                    "T8",
                    "{} had record {} and has {sequence}",
                    contact.id().short(),
                    before.sequence
                );
            }
            if run
                .seen
                .get(contact.id())
                .is_some_and(|before| before.waits && before.since == since)
                && !waits
            {
                reached.note(Branch::ReplacementPromoted);
            }
            seen.insert(*contact.id(), Seen { since, sequence, waits });
        }
    }
    run.seen = seen;
    Ok(())
}

impl Reached {
    fn bucket(&mut self, bucket: &Bucket) {
        let (entries, waiting) = (bucket.entries().len(), bucket.replacements().len());
        if entries == ENTRIES {
            self.note(Branch::BucketFull);
        }
        if waiting == REPLACEMENTS {
            self.note(Branch::ReplacementsFull);
        }
    }
}
