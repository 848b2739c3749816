//! Look-ups in honest networks and in others. geth `v4_lookup_test.go`.

use alloc::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::kademlia::Lookup;

/// So many nodes with ids as they come.
fn nodes(count: u32) -> &'static [Contact] {
    static NODES: OnceLock<Vec<Contact>> = OnceLock::new();
    let nodes = NODES.get_or_init(|| {
        let contact = |number: u32| {
            let ip = [20, (number >> 8) as u8, number as u8, 1];
            Contact::new(key(7_000_000 + number).public_key(), ip.into(), 30303, 30303)
        };
        (0..2000).map(contact).collect()
    });
    &nodes[..count as usize]
}

fn sorted(target: &NodeId, nodes: &[Contact]) -> Vec<Contact> {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_key(|contact| target.distance(contact.id()));
    nodes
}

/// Runs a look-up to its end, checking it all the way; says whom it asked.
fn run(
    lookup: &mut Lookup,
    mut answer: impl FnMut(&Contact) -> Option<Vec<Contact>>,
    mut which: impl FnMut(usize) -> usize,
) -> Vec<NodeId> {
    let mut asked = Vec::new();
    let mut under_way: Vec<Contact> = Vec::new();
    while !lookup.is_finished() {
        while let Some(contact) = lookup.next_query() {
            assert!(!asked.contains(contact.id()), "asked twice");
            assert_ne!(*contact.id(), own());
            asked.push(*contact.id());
            under_way.push(contact);
        }
        lookup.audit().unwrap();
        assert_eq!(lookup.in_flight(), under_way.len());
        assert!((1..=3).contains(&under_way.len()));
        let contact = under_way.remove(which(under_way.len()) % under_way.len());
        match answer(&contact) {
            Some(contacts) => {
                let _ = lookup.answered(contact.id(), contacts);
            }
            None => lookup.failed(contact.id()),
        }
    }
    assert!(under_way.is_empty());
    assert_eq!(lookup.next_query(), None);
    asked
}

#[test]
fn a_look_up_finds_the_16_closest_of_a_network() {
    // Each node knows those that its own table would hold.
    let network = nodes(400);
    let tables: BTreeMap<NodeId, Table> = network
        .iter()
        .map(|node| {
            let jitter = Seed::from_number(1).jitter();
            let mut table = Table::new(*node.id(), TableConfig::default(), jitter, START);
            for other in network {
                let _ = table.add_found(other.clone(), START);
            }
            (*node.id(), table)
        })
        .collect();
    for number in 0..50 {
        let target = NodeId::hash_of(&[number; 64]);
        let start = network[number as usize * 7].clone();
        let mut lookup = Lookup::new(target, own(), [start]);
        let asked = run(
            &mut lookup,
            |asked| {
                Some(tables[asked.id()].closest(&target, 16, true).into_iter().cloned().collect())
            },
            |_| 0,
        );
        assert_eq!(lookup.closest(), &sorted(&target, network)[..16]);
        assert!(asked.len() < 40, "{}", asked.len());
    }
}

#[test]
fn an_answer_gives_those_that_were_not_met_before() {
    let [a, b, c, d, ..] = nodes(10) else { unreachable!() };
    let mut lookup = Lookup::new(own(), own(), [a.clone(), b.clone()]);
    let first = lookup.next_query().unwrap();
    let ourselves = Contact::new(key(1).public_key(), [1, 1, 1, 1].into(), 1, 1);
    let told = [c, a, &ourselves, c, d].map(Clone::clone).to_vec();
    assert_eq!(lookup.answered(first.id(), told), [c.clone(), d.clone()]);
    assert!(!lookup.closest().contains(&ourselves));
    // It has answered; more of it is nobody's question.
    assert!(lookup.answered(first.id(), nodes(10).to_vec()).is_empty());
    assert!(lookup.answered(nodes(10)[9].id(), nodes(10).to_vec()).is_empty());
    assert_eq!(lookup.closest().len(), 4);
}

#[test]
fn a_look_up_from_nobody_has_ended() {
    let mut lookup = Lookup::new(own(), own(), []);
    assert!(lookup.is_finished() && lookup.closest().is_empty());
    assert_eq!(lookup.next_query(), None);
}

#[test]
fn three_are_asked_at_once_and_the_closest_first() {
    let network = sorted(&own(), nodes(10));
    let mut lookup = Lookup::new(own(), own(), nodes(10).iter().cloned());
    let asked: Vec<_> = core::iter::from_fn(|| lookup.next_query()).collect();
    assert_eq!(asked, network[..3]);
    lookup.failed(asked[1].id());
    assert_eq!(lookup.next_query().as_ref(), Some(&network[3]));
    assert_eq!(lookup.next_query(), None);
    assert_eq!(lookup.in_flight(), 3);
    assert!(!lookup.is_finished());
}

#[test]
fn its_hops_are_the_answers_that_led_to_the_closest() {
    let network = sorted(&own(), nodes(10));
    let mut lookup = Lookup::new(own(), own(), [network[9].clone(), network[8].clone()]);
    assert_eq!((lookup.hops(), lookup.queries()), (0, 0));
    for (asked, told) in [(8, 5), (5, 6), (6, 2), (2, 1)] {
        while lookup.next_query().is_some() {}
        let told = vec![network[told].clone()];
        assert_eq!(lookup.answered(network[asked].id(), told).len(), 1);
    }
    // 8, 5, 6 and 2 have led to 1; that 9 knows it as well comes too late.
    let late = lookup.answered(network[9].id(), vec![network[1].clone()]);
    assert!(late.is_empty());
    assert_eq!((lookup.hops(), lookup.queries()), (4, 5));
}

#[test]
fn of_an_answer_sixteen_count() {
    let mut lookup = Lookup::new(own(), own(), [nodes(1)[0].clone()]);
    let first = lookup.next_query().unwrap();
    assert_eq!(lookup.answered(first.id(), nodes(200)[1..].to_vec()).len(), 16);
}

#[test]
fn one_who_reveals_ever_closer_ids_does_not_hold_a_look_up_for_ever() {
    let target = NodeId::hash_of(&[9; 64]);
    let mut farthest_first = sorted(&target, nodes(2000));
    farthest_first.reverse();
    let mut rest = farthest_first.into_iter();
    let mut lookup = Lookup::new(target, own(), rest.by_ref().take(16));
    let asked = run(&mut lookup, |_| Some(rest.by_ref().take(3).collect()), |_| 0);
    assert_eq!(asked.len(), limits::LOOK_UP_QUERIES);
    assert!(rest.next().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_look_up_ends_with_the_closest_it_met_whatever_it_is_told(
        random: [u8; 32],
        start in prop::collection::vec(0..300_usize, 0..20),
        answers in prop::collection::vec(
            prop::option::weighted(0.8, prop::collection::vec(0..300_usize, 0..20)), 1..60),
        order in prop::collection::vec(0..3_usize, 1..60),
    ) {
        let target = NodeId::new(random);
        let pick = |numbers: &[usize]| -> Vec<Contact> {
            numbers.iter().map(|number| nodes(300)[*number].clone()).collect()
        };
        let mut met: BTreeSet<_> = pick(&start).into_iter().take(16).collect();
        let mut lookup = Lookup::new(target, own(), pick(&start));
        let mut answers = answers.iter().cycle();
        let mut order = order.iter().cycle();
        let asked = run(
            &mut lookup,
            |_| {
                let contacts = pick(answers.next().unwrap().as_ref()?);
                met.extend(contacts.iter().take(16).cloned());
                Some(contacts)
            },
            |_| *order.next().unwrap(),
        );
        let met: Vec<_> = met.into_iter().collect();
        let mut closest = sorted(&target, &met);
        closest.truncate(16);
        prop_assert_eq!(lookup.closest(), &closest[..]);
        prop_assert!(closest.iter().all(|contact| asked.contains(contact.id())));
    }
}
