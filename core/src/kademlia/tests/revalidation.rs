//! Who is pinged when, and what comes of it. geth `table_reval_test.go`.

use super::*;
use crate::kademlia::{Removed, Revalidated};

fn alive(table: &mut Table, contact: &Contact, now: Instant) -> Revalidated {
    table.revalidated(contact.id(), Liveness::Alive, now)
}

fn silent(table: &mut Table, contact: &Contact, now: Instant) -> Revalidated {
    table.revalidated(contact.id(), Liveness::Silent, now)
}

fn next_check_or_none(table: &mut Table, now: &mut Instant) -> Option<Contact> {
    *now = table.revalidation_deadline()?;
    table.poll_revalidation(*now)
}

/// A table with one node, and that node.
fn with_one() -> (Table, Contact) {
    let mut table = table();
    let node = signed(15, 0, 1, [77, 88, 99, 1]);
    assert_eq!(table.add_found(node.clone(), START), Added::Inserted);
    (table, node)
}

#[test]
fn a_silent_entry_makes_room_for_one_who_waits() {
    // geth TestTable_pingReplace: whether the last of a full bucket answers, and
    // whether the one who waits does.
    for (new_answers, last_answers) in [(true, true), (false, true), (true, false), (false, false)]
    {
        let mut table = table();
        for number in 0..16 {
            let _ = table.add_found(node(16, number), START);
        }
        let (last, new) = (node(16, 15), node(16, 16));
        assert_eq!(table.add_found(new.clone(), START), Added::Replacement);
        let answers =
            |id: &NodeId| (id != new.id() || new_answers) && (id != last.id() || last_answers);
        let mut now = START;
        check_all(&mut table, &mut now, answers);
        check_all(&mut table, &mut now, answers);
        assert_eq!(table.contains(last.id()), last_answers);
        assert_eq!(table.contains(new.id()), new_answers && !last_answers);
        assert_eq!(table.len(), if new_answers || last_answers { 16 } else { 15 });
        assert_eq!(table.live(), table.len());
    }
}

#[test]
fn any_of_those_who_wait_may_be_next() {
    let mut promoted = Vec::new();
    for seed in 0..200 {
        let mut table = unready(seed);
        for number in 0..26 {
            let _ = table.add_found(node(16, number), START);
        }
        let removed = table.find_failure(node(16, 0).id(), 5, START).unwrap();
        promoted.push(removed.promoted.unwrap());
        table.audit().unwrap();
    }
    for number in 16..26 {
        let times = promoted.iter().filter(|contact| **contact == node(16, number)).count();
        assert!((5..50).contains(&times), "{times}");
    }
}

#[test]
fn one_who_has_left_does_not_come_back_by_its_answer() {
    // geth TestRevalidation_nodeRemoved.
    let mut table = table();
    for number in 0..4 {
        let _ = table.add_found(node(16, number), START);
    }
    let mut now = START;
    let asked = next_check(&mut table, &mut now);
    table.find_failure(asked.id(), 5, now).unwrap();
    assert_eq!(alive(&mut table, &asked, now), Revalidated::default());
    assert!(!table.contains(asked.id()));
    table.audit().unwrap();
}

#[test]
fn who_has_left_and_come_back_is_not_judged_by_the_old_ping() {
    let mut table = table();
    for number in 0..4 {
        let _ = table.add_found(node(16, number), START);
    }
    let mut now = START;
    let asked = next_check(&mut table, &mut now);
    table.find_failure(asked.id(), 5, now).unwrap();
    assert_eq!(table.add_found(asked.clone(), now), Added::Inserted);
    // It is not pinged again as long as the old ping is under way.
    for _ in 0..100 {
        let other = next_check_or_none(&mut table, &mut now);
        assert_ne!(other.as_ref(), Some(&asked));
    }
    assert_eq!(silent(&mut table, &asked, now), Revalidated::default());
    assert!(table.contains(asked.id()));
    // And now it is pinged again.
    while next_check(&mut table, &mut now) != asked {}
    let _ = alive(&mut table, &asked, now);
    assert!(table.entry(asked.id()).unwrap().is_live());
}

#[test]
fn a_node_with_a_new_endpoint_stays_on_the_fast_list() {
    // geth TestRevalidation_endpointUpdate.
    let (mut table, node) = with_one();
    let mut now = START;
    assert_eq!(next_check(&mut table, &mut now), node);
    let _ = alive(&mut table, &node, now);
    let entry = table.entry(node.id()).unwrap();
    assert!(entry.is_live() && !entry.is_on_fast_list());

    let moved = signed(15, 0, 2, [100, 100, 100, 100]);
    assert_eq!(table.add_found(moved.clone(), now), Added::Updated);
    let entry = table.entry(node.id()).unwrap();
    assert!(!entry.is_live() && entry.is_on_fast_list());
    assert_eq!((table.live(), entry.checks(), entry.contact()), (0, 1, &moved));
    table.audit().unwrap();
}

#[test]
fn a_newer_record_of_the_same_endpoint_leaves_a_node_live() {
    let (mut table, node) = with_one();
    let mut now = START;
    next_check(&mut table, &mut now);
    let _ = alive(&mut table, &node, now);
    let newer = signed(15, 0, 2, [77, 88, 99, 1]);
    assert_eq!(table.add_found(newer, now), Added::Updated);
    let entry = table.entry(node.id()).unwrap();
    assert!(entry.is_live() && !entry.is_on_fast_list());
}

#[test]
fn an_answer_from_where_a_node_was_says_nothing_of_where_it_is() {
    let (mut table, node) = with_one();
    let mut now = START;
    next_check(&mut table, &mut now);
    let _ = table.add_inbound(node_at(15, 0, [99, 99, 99, 99]), now);
    // It is not asked again while the ping to where it was is under way.
    let later = now + Duration::from_secs(60);
    assert_eq!(table.poll_revalidation(later), None);
    assert_eq!(alive(&mut table, &node, later), Revalidated::default());
    assert!(!table.entry(node.id()).unwrap().is_live());
    let asked = next_check(&mut table, &mut now);
    assert_eq!(asked.ip(), Some([99, 99, 99, 99].into()));
    let _ = alive(&mut table, &asked, now);
    assert!(table.entry(node.id()).unwrap().is_live());
}

#[test]
fn an_answer_that_nobody_waits_for_does_nothing() {
    let (mut table, node) = with_one();
    for liveness in [Liveness::Alive, Liveness::Silent] {
        assert_eq!(table.revalidated(node.id(), liveness, START), Revalidated::default());
    }
    let entry = table.entry(node.id()).unwrap();
    assert!(!entry.is_live() && entry.checks() == 0);
}

#[test]
fn a_node_is_worth_storing_after_its_sixth_answer() {
    let (mut table, node) = with_one();
    let mut now = START;
    for answers in 1..10 {
        next_check(&mut table, &mut now);
        let store = alive(&mut table, &node, now).store;
        assert_eq!(store.as_ref(), (answers > 5).then_some(&node));
    }
    // Its record names another place than it is at: it would be sought there.
    let _ = table.add_inbound(node_at(15, 0, [99, 99, 99, 99]), now);
    next_check(&mut table, &mut now);
    assert_eq!(alive(&mut table, &node, now), Revalidated::default());
}

#[test]
fn silence_costs_two_thirds_of_what_was_earned() {
    let (mut table, node) = with_one();
    let mut now = START;
    for _ in 0..20 {
        next_check(&mut table, &mut now);
        let _ = alive(&mut table, &node, now);
    }
    for checks in [6, 2] {
        next_check(&mut table, &mut now);
        assert_eq!(silent(&mut table, &node, now), Revalidated::default());
        let entry = table.entry(node.id()).unwrap();
        assert_eq!(entry.checks(), checks);
        assert!(entry.is_on_fast_list());
    }
    next_check(&mut table, &mut now);
    let removed = silent(&mut table, &node, now).removed;
    assert_eq!(removed, Some(Removed { promoted: None }));
    assert!(table.is_empty());
    assert_eq!(table.revalidation_deadline(), None);
    table.audit().unwrap();
}

#[test]
fn a_node_is_not_pinged_again_before_the_result_is_known() {
    let (mut table, node) = with_one();
    let mut now = START;
    next_check(&mut table, &mut now);
    for _ in 0..100 {
        now = table.revalidation_deadline().unwrap();
        assert_eq!(table.poll_revalidation(now), None);
        assert!(table.revalidation_deadline().unwrap() > now);
    }
    let _ = alive(&mut table, &node, now);
    assert_eq!(next_check(&mut table, &mut now), node);
}

#[test]
fn pings_come_at_the_pace_of_geth_however_many_nodes_there_are() {
    // A mean interval of 4.5 s for those that answered.
    let mut table = full();
    let mut now = START;
    check_all(&mut table, &mut now, |_| true);
    assert!(entries(&table).all(|entry| !entry.is_on_fast_list()));
    let end = now + Duration::from_secs(9_000);
    let mut pings = 0;
    while now < end {
        let contact = next_check(&mut table, &mut now);
        let _ = alive(&mut table, &contact, now);
        pings += 1;
    }
    assert!((1_850..2_150).contains(&pings), "{pings}");

    // And of 1.5 s for new ones.
    let (mut table, node) = with_one();
    let mut last = START;
    let end = START + Duration::from_secs(3_000);
    let mut polls = 0;
    while last < end {
        last = table.revalidation_deadline().unwrap();
        let _ = table.poll_revalidation(last);
        polls += 1;
    }
    assert!((1_850..2_150).contains(&polls), "{polls}");
    assert!(table.contains(node.id()));
}

#[test]
fn polls_name_two_at_most_and_end() {
    let mut table = full();
    let mut now = START;
    for _ in 0..16 {
        let contact = next_check(&mut table, &mut now);
        let _ = alive(&mut table, &contact, now);
    }
    // One of each list after a year, no more.
    let year = now + Duration::from_secs(365 * 24 * 60 * 60);
    assert!(table.poll_revalidation(year).is_some());
    assert!(table.poll_revalidation(year).is_some());
    assert_eq!(table.poll_revalidation(year), None);
    assert!(table.revalidation_deadline().unwrap() > year);
    assert_eq!(table.len(), 272);
    // Nor does time that goes back do anything.
    assert_eq!(table.poll_revalidation(START), None);
    table.audit().unwrap();
}
