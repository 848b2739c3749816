//! Who enters the table, who changes in it, who leaves it.

use super::Table;
use crate::identity::{Contact, NodeId, Subnet};
use crate::kademlia::bucket::{Check, Entry, Pace, Replacement};
use crate::kademlia::subnets::counted;
use crate::kademlia::{Added, Refusal, Removed};
use crate::limits;
use crate::time::Instant;

/// How a node came to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Others have told, or it was remembered, or its record was asked for.
    Found,
    /// By itself, from where it says it is.
    Inbound,
}

impl Table {
    /// Offers a node that somebody else has named, that was remembered, or
    /// whose record was fetched. What is known of it already is replaced only
    /// by a record with a higher sequence number.
    pub fn add_found(&mut self, contact: Contact, now: Instant) -> Added {
        self.add(contact, Source::Found, now)
    }

    /// Offers a node that has shown by its packets where it is.
    ///
    /// A node that moved is known where it is now, but keeps its record until a
    /// newer one comes. geth forgets the record, and takes the first one that
    /// it is shown thereafter, were it years old. Where the node has not moved
    /// its record says more than its packets, and nothing changes.
    pub fn add_inbound(&mut self, contact: Contact, now: Instant) -> Added {
        if !self.ready {
            return Added::Refused(Refusal::NotReady);
        }
        self.add(contact, Source::Inbound, now)
    }

    fn add(&mut self, contact: Contact, source: Source, now: Instant) -> Added {
        let id = *contact.id();
        if id == self.own {
            return Added::Refused(Refusal::Own);
        }
        if contact.udp_endpoint().is_none() {
            return Added::Refused(Refusal::NoEndpoint);
        }
        let index = self.index(&id);
        let bucket = &self.buckets[index];
        if let Some(entry) = bucket.entry(&id) {
            let Some(newer) = newer(&entry.contact, contact, source) else {
                return Added::Unchanged;
            };
            return self.update_entry(index, newer, now);
        }
        let mut waiting = bucket.replacements.iter();
        if let Some(replacement) = waiting.find(|waiting| *waiting.contact.id() == id) {
            let Some(newer) = newer(&replacement.contact, contact, source) else {
                return Added::Unchanged;
            };
            return self.update_replacement(index, newer);
        }
        if let Err(refusal) = self.enter_subnet(index, &contact) {
            return Added::Refused(refusal);
        }
        if self.buckets[index].is_full() {
            self.wait(index, contact, now);
            Added::Replacement
        } else {
            self.insert(index, Replacement { contact, known_since: now }, now);
            Added::Inserted
        }
    }

    fn update_entry(&mut self, index: usize, newer: Contact, now: Instant) -> Added {
        let id = *newer.id();
        let Some(known) = self.contact(&id).cloned() else { return Added::Unchanged };
        if let Err(refusal) = self.move_subnet(index, &known, &newer) {
            return Added::Refused(refusal);
        }
        let moved = !newer.has_endpoint_of(&known);
        if let Some(entry) = self.buckets[index].entry_mut(&id) {
            entry.contact = newer;
            if moved {
                self.live -= usize::from(core::mem::replace(&mut entry.live, false));
                entry.check = entry.check.after_move();
                self.set_pace(&id, Pace::Fast, now);
            }
        }
        Added::Updated
    }

    /// geth leaves replacements as they were when they came.
    fn update_replacement(&mut self, index: usize, newer: Contact) -> Added {
        let id = *newer.id();
        let Some(known) =
            self.buckets[index].replacement_mut(&id).map(|known| known.contact.clone())
        else {
            return Added::Unchanged;
        };
        if let Err(refusal) = self.move_subnet(index, &known, &newer) {
            return Added::Refused(refusal);
        }
        if let Some(replacement) = self.buckets[index].replacement_mut(&id) {
            replacement.contact = newer;
        }
        Added::Replacement
    }

    /// Puts a node first in line. The last one may have to leave the line.
    fn wait(&mut self, index: usize, contact: Contact, now: Instant) {
        let waiting = &mut self.buckets[index].replacements;
        let last = (waiting.len() >= limits::BUCKET_REPLACEMENTS).then(|| waiting.pop()).flatten();
        waiting.insert(0, Replacement { contact, known_since: now });
        if let Some(last) = last {
            let subnet = self.subnet(&last.contact);
            self.subnets.leave(subnet);
        }
    }

    /// Makes a node an entry whose subnet has been entered already.
    fn insert(&mut self, index: usize, node: Replacement, now: Instant) {
        let Replacement { contact, known_since } = node;
        // A ping from its last time here may still be under way.
        let forgotten = self.forgotten.iter().position(|id| id == contact.id());
        let check = match forgotten {
            Some(at) => {
                self.forgotten.remove(at);
                Check::Outdated
            }
            None => Check::Idle,
        };
        let id = *contact.id();
        self.buckets[index].entries.push(Entry {
            contact,
            known_since,
            entered: now,
            checks: 0,
            live: false,
            pace: Pace::Fast,
            check,
        });
        self.len += 1;
        self.revalidation.enter(Pace::Fast, id, now, &mut self.rng);
    }

    /// Removes an entry. One of those who wait, drawn at random, takes its
    /// place. geth `deleteInBucket`.
    pub(in crate::kademlia) fn remove(&mut self, id: &NodeId, now: Instant) -> Option<Removed> {
        let index = self.index(id);
        let at = self.buckets[index].position(id)?;
        let entry = self.buckets[index].entries.remove(at);
        self.len -= 1;
        self.live -= usize::from(entry.live);
        self.revalidation.leave(entry.pace, id);
        let subnet = self.subnet(&entry.contact);
        self.subnets.leave(subnet);
        if entry.check != Check::Idle {
            if self.forgotten.len() >= limits::FORGOTTEN_CHECKS {
                self.forgotten.remove(0);
            }
            self.forgotten.push(*id);
        }
        Some(Removed { promoted: self.promote(index, now) })
    }

    fn promote(&mut self, index: usize, now: Instant) -> Option<Contact> {
        let waiting = &mut self.buckets[index].replacements;
        let at = self.rng.below(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
        let at = usize::try_from(at).ok().filter(|at| *at < waiting.len())?;
        let promoted = waiting.remove(at);
        let contact = promoted.contact.clone();
        self.insert(index, promoted, now);
        Some(contact)
    }

    // Subnets.

    pub(super) fn subnet(&self, contact: &Contact) -> Option<Subnet> {
        counted(contact.ip(), self.config.ipv4_bits, self.config.ipv6_bits)
    }

    fn enter_subnet(&mut self, index: usize, contact: &Contact) -> Result<(), Refusal> {
        let Some(subnet) = self.subnet(contact) else { return Ok(()) };
        if self.subnets.count(&subnet) >= self.config.subnet_in_table {
            return Err(Refusal::SubnetInTable);
        }
        let bucket = self.buckets[index].addresses().flatten();
        let alike = bucket.filter(|ip| subnet.contains(*ip)).count();
        if alike >= usize::from(self.config.subnet_in_bucket) {
            return Err(Refusal::SubnetInBucket);
        }
        self.subnets.enter(Some(subnet));
        Ok(())
    }

    /// Counts a node elsewhere. If there is no room for it, it stays.
    fn move_subnet(&mut self, index: usize, from: &Contact, to: &Contact) -> Result<(), Refusal> {
        let left = self.subnet(from);
        if left == self.subnet(to) {
            return Ok(());
        }
        self.enter_subnet(index, to)?;
        self.subnets.leave(left);
        Ok(())
    }
}

/// What is known of a node after it was told, if that is anything new.
fn newer(known: &Contact, told: Contact, source: Source) -> Option<Contact> {
    let newer = match source {
        Source::Found if told.sequence() > known.sequence() => told,
        Source::Found => return None,
        Source::Inbound if known.record().is_none() => told,
        Source::Inbound if told.record().is_some() && told.sequence() >= known.sequence() => told,
        Source::Inbound if told.has_endpoint_of(known) => return None,
        Source::Inbound => known.moved_to(&told),
    };
    (newer != *known).then_some(newer)
}
