//! What one who wants to surround us can do to the table: Marcus, Heilman and
//! Goldberg 2018, Henningsen et al. 2019, Wang et al. 2026.

use super::*;
use crate::kademlia::Refusal;

/// Nodes with ids as they come, in so many subnets.
fn attackers(ids: u32, subnets: u32) -> impl Iterator<Item = Contact> {
    (0..ids).map(move |number| {
        let public = key(5_000_000 + number).public_key();
        let ip = [66, 6, (number % subnets) as u8, (number / subnets % 250) as u8];
        Contact::new(public, ip.into(), 30303, 30303)
    })
}

fn is_attacker(contact: &Contact) -> bool {
    matches!(contact.ip(), Some(IpAddr::V4(ip)) if ip.octets()[0] == 66)
}

#[test]
fn a_few_subnets_get_a_share_of_the_table_however_many_ids_they_have() {
    for subnets in [1, 3, 5] {
        let mut table = table();
        for contact in attackers(1500, subnets) {
            let _ = table.add_found(contact.clone(), START);
            let _ = table.add_inbound(contact, START);
        }
        table.audit().unwrap();
        let allowed = 10 * usize::try_from(subnets).unwrap();
        assert!(table.len() + table.replacements() <= allowed);
        for bucket in table.buckets() {
            let share = bucket.entries().len() + bucket.replacements().len();
            assert!(share <= allowed / 5);
        }
        // And everybody else still finds room.
        for bucket in 0..12 {
            assert_eq!(table.add_found(node(bucket, 0), START), Added::Inserted);
        }
    }
}

#[test]
fn who_pings_us_first_after_a_start_does_not_fill_the_table() {
    let mut table = unready(1);
    for contact in attackers(200, 200) {
        assert_eq!(table.add_inbound(contact, START), Added::Refused(Refusal::NotReady));
    }
    assert!(table.is_empty() && table.replacements() == 0);
    assert_eq!(table.add_found(node(16, 0), START), Added::Inserted);
    // Not even who is known can be moved.
    let moved = table.add_inbound(node_at(16, 0, [66, 6, 6, 6]), START);
    assert_eq!(moved, Added::Refused(Refusal::NotReady));
    table.set_ready();
    let contact = attackers(1, 1).next().unwrap();
    assert_eq!(table.add_inbound(contact, START), Added::Inserted);
}

#[test]
fn pings_evict_nobody() {
    let mut table = full();
    let before: Vec<_> = entries(&table).map(|entry| entry.contact().clone()).collect();
    for contact in attackers(1000, 250) {
        let added = table.add_inbound(contact, START);
        assert!(!matches!(added, Added::Inserted | Added::Updated), "{added:?}");
    }
    assert!(entries(&table).map(Entry::contact).eq(&before));
    table.audit().unwrap();
}

#[test]
fn who_does_not_answer_is_named_to_nobody_and_is_soon_gone() {
    let mut table = table();
    for number in 0..8 {
        let _ = table.add_found(node(16, number), START);
    }
    for contact in attackers(400, 200) {
        let _ = table.add_inbound(contact, START);
    }
    let honest = |id: &NodeId| (0..8).any(|number| node(16, number).id() == id);
    let mut now = START;
    for _ in 0..6 {
        check_all(&mut table, &mut now, honest);
        assert!(!table.closest(&own(), 16, true).iter().any(|contact| is_attacker(contact)));
    }
    assert_eq!(table.len(), 8 + entries(&table).filter(|entry| !entry.is_live()).count());
    assert_eq!(table.live(), 8);
}

#[test]
fn nobody_is_dropped_because_the_clock_jumped() {
    let mut table = full();
    let mut now = START;
    check_all(&mut table, &mut now, |_| true);
    let hour = Duration::from_secs(60 * 60);
    for then in [now + hour, now, START, now + 24 * 365 * hour, Instant::MAX, Instant::ZERO] {
        for _ in 0..3 {
            if let Some(contact) = table.poll_revalidation(then) {
                let _ = table.revalidated(contact.id(), Liveness::Alive, then);
            }
        }
        table.refreshed(then);
        table.audit().unwrap();
        assert_eq!((table.len(), table.live()), (272, 272));
    }
}

#[test]
fn whom_a_bucket_prefers_depends_on_no_id() {
    // Two tables with the same nodes in opposite orders keep those who came
    // first: no id beats another.
    let mut forwards = table();
    let mut backwards = table();
    for number in 0..26 {
        let _ = forwards.add_found(node(16, number), START);
        let _ = backwards.add_found(node(16, 25 - number), START);
    }
    assert!(
        bucket(&forwards, 16).into_iter().eq(&(0..16).map(|n| node(16, n)).collect::<Vec<_>>())
    );
    assert!(
        bucket(&backwards, 16)
            .into_iter()
            .eq(&(10..26).rev().map(|n| node(16, n)).collect::<Vec<_>>())
    );
}
