//! The model: the table against one list of nodes that is searched from end to
//! end, for arbitrary sequences of operations.

use proptest::prelude::*;

use super::*;
use crate::kademlia::{Refusal, Removed, Revalidated};

#[derive(Clone, Debug)]
enum Operation {
    Found { bucket: usize, number: usize, sequence: u64, ip: usize },
    Inbound { bucket: usize, number: usize, ip: usize },
    Poll { after: Duration },
    Result { of: usize, liveness: Liveness },
    Failures { bucket: usize, number: usize, in_a_row: u32 },
    Ready,
}

fn operation() -> impl Strategy<Value = Operation> {
    // Few buckets and few subnets: so that they fill.
    let who = || (prop::sample::select(alloc::vec![0_usize, 1, 9, 16]), 0..26_usize);
    let liveness = prop::sample::select(alloc::vec![Liveness::Alive, Liveness::Silent]);
    prop_oneof![
        30 => (who(), 0..4_u64, 0..40_usize).prop_map(|((bucket, number), sequence, ip)| {
            Operation::Found { bucket, number, sequence, ip }
        }),
        15 => (who(), 0..40_usize)
            .prop_map(|((bucket, number), ip)| Operation::Inbound { bucket, number, ip }),
        30 => (0..6_000_u64)
            .prop_map(|millis| Operation::Poll { after: Duration::from_millis(millis) }),
        25 => (0..8_usize, liveness).prop_map(|(of, liveness)| Operation::Result { of, liveness }),
        3 => (who(), 3..7_u32).prop_map(|((bucket, number), in_a_row)| {
            Operation::Failures { bucket, number, in_a_row }
        }),
        1 => Just(Operation::Ready),
    ]
}

/// Four subnets with many addresses, local ones, and many with one.
fn ip(number: usize) -> IpAddr {
    match number {
        0..8 => [50, 0, number as u8 % 2, number as u8].into(),
        8..12 => [0x2600, number as u16, 0, 0, 0, 0, 0, number as u16].into(),
        12..16 => [10, 0, 0, number as u8].into(),
        _ => [51, number as u8, 0, 1].into(),
    }
}

#[derive(Clone, Debug)]
struct Node {
    bucket: usize,
    contact: Contact,
    waits: bool,
    live: bool,
    checks: u32,
    fast: bool,
}

/// A ping that was named: to whom, and whether the result still says anything.
struct Ping {
    id: NodeId,
    counts: bool,
}

#[derive(Default)]
struct Model {
    /// In the order in which they became what they are.
    nodes: Vec<Node>,
    pings: Vec<Ping>,
    ready: bool,
}

impl Model {
    fn of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.contact.id() == id)
    }

    fn entries(&self, bucket: usize) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.bucket == bucket && !node.waits)
    }

    /// Oldest first.
    fn waiting(&self, bucket: usize) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.bucket == bucket && node.waits)
    }

    fn room(&self, bucket: usize, ip: IpAddr, except: Option<usize>) -> Result<(), Refusal> {
        let subnet = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..3].to_vec(),
        };
        let is_local = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
        if is_local(ip) {
            return Ok(());
        }
        let alike = self.nodes.iter().enumerate().filter(|(at, node)| {
            Some(*at) != except && subnet(node.contact.ip().unwrap()) == subnet(ip)
        });
        let in_table = alike.clone().count();
        let in_bucket = alike.filter(|(_, node)| node.bucket == bucket).count();
        match (in_table, in_bucket) {
            (10.., _) => Err(Refusal::SubnetInTable),
            (_, 2..) => Err(Refusal::SubnetInBucket),
            _ => Ok(()),
        }
    }

    fn add(&mut self, bucket: usize, contact: Contact, inbound: bool) -> Added {
        if inbound && !self.ready {
            return Added::Refused(Refusal::NotReady);
        }
        let id = *contact.id();
        let Some(at) = self.of(&id) else { return self.enter(bucket, contact) };
        let known = self.nodes[at].contact.clone();
        let moved = (known.ip(), known.udp()) != (contact.ip(), contact.udp());
        let updated = match inbound {
            false if contact.sequence() > known.sequence() => contact,
            false => return Added::Unchanged,
            true if !moved => return Added::Unchanged,
            true if known.record().is_some() => known.moved_to(&contact),
            true => contact,
        };
        let moved = (known.ip(), known.udp()) != (updated.ip(), updated.udp());
        if moved && let Err(refusal) = self.room(bucket, updated.ip().unwrap(), Some(at)) {
            return Added::Refused(refusal);
        }
        let node = &mut self.nodes[at];
        node.contact = updated;
        if node.waits {
            return Added::Replacement;
        }
        if moved {
            node.live = false;
            node.fast = true;
            self.pings.iter_mut().filter(|ping| ping.id == id).for_each(|ping| ping.counts = false);
        }
        Added::Updated
    }

    fn enter(&mut self, bucket: usize, contact: Contact) -> Added {
        if let Err(refusal) = self.room(bucket, contact.ip().unwrap(), None) {
            return Added::Refused(refusal);
        }
        let waits = self.entries(bucket).count() == 16;
        if waits && self.waiting(bucket).count() == 10 {
            let oldest = *self.waiting(bucket).next().unwrap().contact.id();
            self.nodes.retain(|node| *node.contact.id() != oldest);
        }
        self.nodes.push(Node { bucket, contact, waits, live: false, checks: 0, fast: true });
        if waits { Added::Replacement } else { Added::Inserted }
    }

    /// Removes a node; who takes its place was drawn by the table.
    fn remove(&mut self, at: usize, removed: &Removed) {
        let Node { bucket, contact, .. } = self.nodes.remove(at);
        self.pings
            .iter_mut()
            .filter(|ping| ping.id == *contact.id())
            .for_each(|ping| ping.counts = false);
        match &removed.promoted {
            None => assert_eq!(self.waiting(bucket).count(), 0),
            Some(contact) => {
                let at = self.of(contact.id()).unwrap();
                let mut promoted = self.nodes.remove(at);
                assert!(promoted.waits && promoted.bucket == bucket);
                assert_eq!(promoted.contact, *contact);
                promoted.waits = false;
                self.nodes.push(promoted);
            }
        }
    }

    fn result(&mut self, of: usize, liveness: Liveness, said: &Revalidated) {
        let ping = self.pings.remove(of);
        let at = self.of(&ping.id).filter(|at| ping.counts && !self.nodes[*at].waits);
        let Some(at) = at else { return assert_eq!(*said, Revalidated::default()) };
        let node = &mut self.nodes[at];
        match liveness {
            Liveness::Alive => {
                node.checks += 1;
                node.live = true;
                node.fast = false;
                let contact = &node.contact;
                let elsewhere = contact.record().is_some_and(|r| r.endpoint().ip != contact.ip());
                let store = (node.checks > 5 && !elsewhere).then(|| contact.clone());
                assert_eq!(*said, Revalidated { store, removed: None });
            }
            Liveness::Silent => {
                node.checks /= 3;
                node.fast = true;
                assert_eq!(said.store, None);
                match &said.removed {
                    None => assert!(node.checks > 0),
                    Some(removed) => {
                        assert_eq!(node.checks, 0);
                        self.remove(at, removed);
                    }
                }
            }
        }
    }

    /// Whether this node was rightly named.
    fn polled(&mut self, contact: &Contact) {
        let node = &self.nodes[self.of(contact.id()).unwrap()];
        assert!(!node.waits && node.contact == *contact);
        assert!(self.pings.iter().all(|ping| ping.id != *contact.id()));
        self.pings.push(Ping { id: *contact.id(), counts: true });
    }

    fn compare(&self, table: &Table) {
        table.audit().unwrap();
        for (index, bucket) in table.buckets().iter().enumerate() {
            let known: Vec<_> = self
                .entries(index)
                .map(|node| (&node.contact, node.live, node.checks, node.fast))
                .collect();
            let has = bucket.entries().iter().map(|entry| {
                (entry.contact(), entry.is_live(), entry.checks(), entry.is_on_fast_list())
            });
            assert_eq!(has.collect::<Vec<_>>(), known);
            let waiting = bucket.replacements().iter().rev().map(|waiting| waiting.contact());
            assert!(waiting.eq(self.waiting(index).map(|node| &node.contact)));
        }
        assert_eq!(table.live(), self.nodes.iter().filter(|node| node.live).count());
    }
}

fn poll(table: &mut Table, model: &mut Model, now: Instant) {
    for named in 0.. {
        assert!(named <= 2);
        let Some(contact) = table.poll_revalidation(now) else { break };
        model.polled(&contact);
    }
    let any = model.nodes.iter().any(|node| !node.waits);
    let deadline = table.revalidation_deadline();
    assert_eq!(deadline.is_some(), any);
    if let Some(at) = deadline {
        assert!(at > now && at <= now + limits::SLOW_REVALIDATION);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_table_does_what_a_list_would(
        seed: u64,
        operations in prop::collection::vec(operation(), 0..400),
    ) {
        let mut now = START;
        let mut table = unready(seed);
        let mut model = Model::default();
        for operation in operations {
            match operation {
                Operation::Found { bucket, number, sequence, ip: at } => {
                    let contact = match sequence {
                        0 => node_at(bucket, number, ip(at)),
                        _ => signed(bucket, number, sequence, ip(at)),
                    };
                    let added = table.add_found(contact.clone(), now);
                    prop_assert_eq!(added, model.add(bucket, contact, false));
                }
                Operation::Inbound { bucket, number, ip: at } => {
                    let contact = node_at(bucket, number, ip(at));
                    let added = table.add_inbound(contact.clone(), now);
                    prop_assert_eq!(added, model.add(bucket, contact, true));
                }
                Operation::Poll { after } => {
                    now = now + after;
                    poll(&mut table, &mut model, now);
                }
                Operation::Result { of, liveness } => {
                    if !model.pings.is_empty() {
                        let of = of % model.pings.len();
                        let said = table.revalidated(&model.pings[of].id, liveness, now);
                        model.result(of, liveness, &said);
                    }
                }
                Operation::Failures { bucket, number, in_a_row } => {
                    let id = *node(bucket, number).id();
                    let removed = table.find_failure(&id, in_a_row, now);
                    let entry = model.of(&id).filter(|at| !model.nodes[*at].waits);
                    let leaves = entry.filter(|_| in_a_row >= 5 && model.entries(bucket).count() >= 4);
                    prop_assert_eq!(removed.is_some(), leaves.is_some());
                    if let (Some(at), Some(removed)) = (leaves, removed) {
                        model.remove(at, &removed);
                    }
                }
                Operation::Ready => {
                    table.set_ready();
                    model.ready = true;
                }
            }
            model.compare(&table);
        }
    }
}
