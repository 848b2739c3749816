//! The table's invariants, counted from scratch.

use alloc::collections::BTreeSet;

use super::Table;
use crate::identity::NodeId;
use crate::kademlia::Bucket;
use crate::kademlia::bucket::{Check, Entry, Pace};
use crate::kademlia::subnets::Subnets;
use crate::limits;

impl Table {
    /// What must always hold, counted anew; names what does not. Costs as much
    /// as a hundred operations.
    pub fn audit(&self) -> Result<(), &'static str> {
        let mut seen = BTreeSet::new();
        for (index, bucket) in self.buckets.iter().enumerate() {
            self.audit_ids(index, bucket, &mut seen)?;
            self.audit_size(bucket)?;
        }
        self.audit_subnets()?;
        self.audit_counts()
    }

    /// T1 to T3: never ourselves, nobody twice, everyone in its bucket.
    fn audit_ids<'a>(
        &self,
        index: usize,
        bucket: &'a Bucket,
        seen: &mut BTreeSet<&'a NodeId>,
    ) -> Result<(), &'static str> {
        let waiting = bucket.replacements.iter().map(|waiting| &waiting.contact);
        for contact in bucket.entries.iter().map(Entry::contact).chain(waiting) {
            let distance = usize::from(self.own.log_distance(contact.id()));
            if *contact.id() == self.own {
                return Err("table: has ourselves");
            }
            if !seen.insert(contact.id()) {
                return Err("table: has a node twice");
            }
            if distance.saturating_sub(256 - limits::BUCKETS + 1) != index {
                return Err("table: node in the wrong bucket");
            }
            if contact.udp_endpoint().is_none() {
                return Err("table: node without an endpoint");
            }
        }
        Ok(())
    }

    /// T4, and that nobody waits where there is room.
    fn audit_size(&self, bucket: &Bucket) -> Result<(), &'static str> {
        if bucket.entries.len() > limits::BUCKET_ENTRIES {
            return Err("table: too many entries in a bucket");
        }
        if bucket.replacements.len() > limits::BUCKET_REPLACEMENTS {
            return Err("table: too many replacements in a bucket");
        }
        if !bucket.is_full() && !bucket.replacements.is_empty() {
            return Err("table: a replacement waits though there is room");
        }
        Ok(())
    }

    /// T5.
    fn audit_subnets(&self) -> Result<(), &'static str> {
        let mut table = Subnets::default();
        for nodes in &self.buckets {
            let mut bucket = Subnets::default();
            let entries = nodes.entries.iter().map(Entry::contact);
            let waiting = nodes.replacements.iter().map(|waiting| &waiting.contact);
            for contact in entries.chain(waiting) {
                bucket.enter(self.subnet(contact));
                table.enter(self.subnet(contact));
            }
            if bucket.iter().any(|(_, count)| count > self.config.subnet_in_bucket) {
                return Err("table: too many of a subnet in a bucket");
            }
        }
        if table.iter().any(|(_, count)| count > self.config.subnet_in_table) {
            return Err("table: too many of a subnet");
        }
        if table != self.subnets { Err("table: subnets are counted wrong") } else { Ok(()) }
    }

    /// T6, and the numbers that are kept.
    fn audit_counts(&self) -> Result<(), &'static str> {
        let count = |is: fn(&Entry) -> bool| {
            self.buckets.iter().flat_map(Bucket::entries).filter(|entry| is(entry)).count()
        };
        if count(|_| true) != self.len || count(|entry| entry.live) != self.live {
            return Err("table: entries are counted wrong");
        }
        for (list, pace) in
            [(&self.revalidation.fast, Pace::Fast), (&self.revalidation.slow, Pace::Slow)]
        {
            let listed: BTreeSet<&NodeId> = list.nodes.iter().collect();
            let entries = self.buckets.iter().flat_map(Bucket::entries);
            let paced: BTreeSet<&NodeId> = entries
                .filter(|entry| entry.pace == pace)
                .map(|entry| entry.contact.id())
                .collect();
            if listed.len() != list.nodes.len() || listed != paced {
                return Err("table: a revalidation list and its entries");
            }
            if list.due.is_some() == list.nodes.is_empty() {
                return Err("table: a revalidation list without a time, or the reverse");
            }
        }
        let never_answered = |entry: &Entry| entry.live && entry.checks == 0;
        if count(never_answered) > 0
            || count(|entry| entry.live && entry.check == Check::Outdated) > 0
        {
            return Err("table: live without an answer");
        }
        if self.forgotten.len() > limits::FORGOTTEN_CHECKS {
            return Err("table: forgotten checks");
        }
        Ok(())
    }
}
