//! The closest entries, held against sorting all of them. geth
//! `TestTable_findnodeByID`.

use proptest::prelude::*;

use super::*;

/// A target that shares so many bits with us, and the next one not.
fn target(shared: usize, random: [u8; 32]) -> NodeId {
    let own = own();
    let mut bytes = random;
    for bit in 0..=shared.min(255) {
        let mask = 0x80 >> (bit % 8);
        let ours = own.as_bytes()[bit / 8] & mask;
        let wanted = if bit < shared { ours } else { ours ^ mask };
        bytes[bit / 8] = bytes[bit / 8] & !mask | wanted;
    }
    NodeId::new(bytes)
}

fn naive<'a>(
    table: &'a Table,
    target: &NodeId,
    count: usize,
    prefer_live: bool,
) -> Vec<&'a Contact> {
    let any_live = entries(table).any(Entry::is_live);
    let wanted = entries(table).filter(|entry| entry.is_live() || !(prefer_live && any_live));
    let mut all: Vec<_> = wanted.map(Entry::contact).collect();
    all.sort_by_key(|contact| target.distance(contact.id()));
    all.truncate(count);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_closest_are_those_that_sorting_gives(
        members in prop::collection::vec((0..17_usize, 0..16_usize, prop::bool::weighted(0.4)), 0..200),
        targets in prop::collection::vec((0..=256_usize, any::<[u8; 32]>(), 0..40_usize), 20),
    ) {
        let mut table = table();
        let mut now = START;
        for (bucket, number, _) in &members {
            let _ = table.add_found(node(*bucket, *number), now);
        }
        let live = |id: &NodeId| members.iter().any(|(b, n, live)| *live && node(*b, *n).id() == id);
        for _ in 0..members.len() {
            let contact = next_check(&mut table, &mut now);
            if live(contact.id()) {
                let _ = table.revalidated(contact.id(), Liveness::Alive, now);
            }
        }
        for (shared, random, count) in targets {
            let target = target(shared, random);
            for prefer_live in [false, true] {
                prop_assert_eq!(
                    table.closest(&target, count, prefer_live),
                    naive(&table, &target, count, prefer_live)
                );
            }
        }
    }
}

#[test]
fn nodes_not_known_to_live_are_named_only_while_nobody_is() {
    let mut table = table();
    for number in 0..3 {
        let _ = table.add_found(node(16, number), START);
    }
    assert_eq!(table.closest(&own(), 16, true).len(), 3);
    let mut now = START;
    let live = next_check(&mut table, &mut now);
    let _ = table.revalidated(live.id(), Liveness::Alive, now);
    assert_eq!(table.closest(&own(), 16, true), [&live]);
    assert_eq!(table.closest(&own(), 16, false).len(), 3);
    assert_eq!(table.closest(&own(), 0, false), [&live; 0]);
}

#[test]
fn an_empty_table_has_no_closest() {
    assert!(table().closest(&own(), 16, true).is_empty());
    assert!(table().closest(&own(), usize::MAX, false).is_empty());
}
