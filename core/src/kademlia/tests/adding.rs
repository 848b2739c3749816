//! Who is taken, who is refused, what an update changes. geth `table_test.go`.

use super::*;
use crate::identity::Enode;
use crate::kademlia::Refusal;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_found_node_is_updated_by_a_higher_sequence_number_only() {
    // geth TestTable_addFoundNode.
    let mut table = table();
    let (first, second) = (node(16, 0), signed(16, 1, 5, [88, 77, 66, 2]));
    assert_eq!(table.add_found(first.clone(), START), Added::Inserted);
    assert_eq!(table.add_found(second.clone(), START), Added::Inserted);
    assert_eq!(bucket(&table, 16), [&first, &second]);

    let newer = signed(16, 1, 6, [99, 99, 99, 99]);
    assert_eq!(table.add_found(newer.clone(), START), Added::Updated);
    assert_eq!(bucket(&table, 16), [&first, &newer]);

    for sequence in [6, 5, 0] {
        let not_newer = signed(16, 1, sequence, [100, 100, 100, 100]);
        assert_eq!(table.add_found(not_newer, START), Added::Unchanged);
    }
    assert_eq!(table.add_found(node(16, 1), START), Added::Unchanged);
    assert_eq!(bucket(&table, 16), [&first, &newer]);
    table.audit().unwrap();
}

#[test]
fn a_found_node_without_a_record_stays_as_it_was() {
    // geth TestTable_addFoundNodeV4UpdateReject.
    let mut table = table();
    let known = node_at(16, 0, [88, 77, 66, 1]);
    assert_eq!(table.add_found(known.clone(), START), Added::Inserted);
    assert_eq!(table.add_found(node_at(16, 0, [99, 99, 99, 99]), START), Added::Unchanged);
    assert_eq!(bucket(&table, 16), [&known]);
}

#[test]
fn a_node_may_say_itself_that_it_moved() {
    // geth TestTable_addInboundNode, TestTable_addInboundNodeUpdateV4Accept.
    let mut table = table();
    let known = node_at(16, 0, [88, 77, 66, 1]);
    assert_eq!(table.add_inbound(known.clone(), START), Added::Inserted);
    assert_eq!(table.add_inbound(known, START), Added::Unchanged);
    let moved = node_at(16, 0, [99, 99, 99, 99]);
    assert_eq!(table.add_inbound(moved.clone(), START), Added::Updated);
    assert_eq!(bucket(&table, 16), [&moved]);

    let other = signed(16, 1, 5, [88, 77, 66, 2]);
    assert_eq!(table.add_found(other, START), Added::Inserted);
    // The same sequence number is enough.
    let moved = signed(16, 1, 5, [100, 100, 100, 100]);
    assert_eq!(table.add_inbound(moved.clone(), START), Added::Updated);
    assert_eq!(table.contact(moved.id()), Some(&moved));
    table.audit().unwrap();
}

#[test]
fn a_ping_from_where_the_record_says_leaves_the_record() {
    let mut table = table();
    let known = signed(16, 0, 5, [88, 77, 66, 1]);
    assert_eq!(table.add_found(known.clone(), START), Added::Inserted);
    assert_eq!(table.add_inbound(node_at(16, 0, [88, 77, 66, 1]), START), Added::Unchanged);
    assert_eq!(bucket(&table, 16), [&known]);
}

#[test]
fn a_ping_from_elsewhere_moves_the_node_and_its_sequence_number_stays() {
    let mut table = table();
    let known = signed(16, 0, 5, [88, 77, 66, 1]);
    assert_eq!(table.add_found(known.clone(), START), Added::Inserted);
    assert_eq!(table.add_inbound(node_at(16, 0, [99, 99, 99, 99]), START), Added::Updated);
    let moved = table.contact(known.id()).unwrap();
    assert_eq!((moved.ip(), moved.sequence()), (Some(ip("99.99.99.99")), 5));
    assert_eq!(moved.record(), known.record());

    // What is older than the record is not taken for it, in geth it would be.
    for older in [signed(16, 0, 4, [7, 7, 7, 7]), known] {
        assert_eq!(table.add_found(older, START), Added::Unchanged);
    }
    let newer = signed(16, 0, 6, [99, 99, 99, 99]);
    assert_eq!(table.add_found(newer.clone(), START), Added::Updated);
    assert_eq!(bucket(&table, 16), [&newer]);
    table.audit().unwrap();
}

#[test]
fn the_highest_sequence_number_is_final() {
    let mut table = table();
    let last = signed(16, 0, u64::MAX, [88, 77, 66, 1]);
    assert_eq!(table.add_found(signed(16, 0, 1, [88, 77, 66, 1]), START), Added::Inserted);
    assert_eq!(table.add_found(last.clone(), START), Added::Updated);
    assert_eq!(table.add_found(signed(16, 0, u64::MAX, [1, 2, 3, 4]), START), Added::Unchanged);
    assert_eq!(bucket(&table, 16), [&last]);
}

#[test]
fn ourselves_and_nodes_without_an_endpoint_are_refused() {
    let mut table = table();
    let refused = |refusal| Added::Refused(refusal);
    let ourselves = Contact::new(key(1).public_key(), ip("9.9.9.9"), 30303, 30303);
    assert_eq!(table.add_found(ourselves.clone(), START), refused(Refusal::Own));
    assert_eq!(table.add_inbound(ourselves, START), refused(Refusal::Own));
    for nowhere in [
        node_at(16, 0, [0, 0, 0, 0]),
        node_at(16, 0, ip("::")),
        node_at(16, 0, [224, 0, 0, 1]),
        Contact::new(mined(16, 0), ip("9.9.9.9"), 0, 30303),
        Contact::from_enode(&Enode::incomplete(mined(16, 0))),
    ] {
        assert_eq!(table.add_found(nowhere.clone(), START), refused(Refusal::NoEndpoint));
        assert_eq!(table.add_inbound(nowhere, START), refused(Refusal::NoEndpoint));
    }
    assert!(table.is_empty());
    table.audit().unwrap();
}

#[test]
fn an_update_without_an_endpoint_is_refused() {
    let mut table = table();
    let known = signed(16, 0, 1, [88, 77, 66, 1]);
    assert_eq!(table.add_found(known.clone(), START), Added::Inserted);
    let nowhere = RecordBuilder::new(2).sign(&key(MINED[16][0])).unwrap();
    let nowhere = Contact::from_record(Arc::new(nowhere));
    assert_eq!(table.add_found(nowhere, START), Added::Refused(Refusal::NoEndpoint));
    assert_eq!(bucket(&table, 16), [&known]);
}

#[test]
fn a_table_takes_ten_of_a_subnet() {
    // geth TestTable_IPLimit.
    let mut table = table();
    for number in 0..10 {
        let added = table.add_found(node_at(number, 0, [172, 0, 1, number as u8]), START);
        assert_eq!(added, Added::Inserted);
    }
    let one_more = node_at(11, 0, [172, 0, 1, 200]);
    assert_eq!(table.add_found(one_more, START), Added::Refused(Refusal::SubnetInTable));
    assert_eq!(table.add_found(node_at(11, 0, [172, 0, 2, 1]), START), Added::Inserted);
    table.audit().unwrap();
}

#[test]
fn a_bucket_takes_two_of_a_subnet() {
    // geth TestTable_BucketIPLimit.
    for subnet in ["172.0.1.", "2001:4860:"] {
        let mut table = table();
        let mut add = |bucket, number| {
            let end = if subnet.contains(':') { "::1" } else { "" };
            let ip = ip(&alloc::format!("{subnet}{number}{end}"));
            table.add_found(node_at(bucket, number, ip), START)
        };
        assert_eq!(add(3, 1), Added::Inserted);
        assert_eq!(add(3, 2), Added::Inserted);
        assert_eq!(add(3, 3), Added::Refused(Refusal::SubnetInBucket));
        assert_eq!(add(4, 3), Added::Inserted);
        table.audit().unwrap();
    }
}

#[test]
fn replacements_count_for_their_subnets_and_cease_to() {
    let mut table = full();
    let waiting = |number: usize| node_at(16, number, [172, 0, 1, number as u8]);
    assert_eq!(table.add_found(waiting(16), START), Added::Replacement);
    assert_eq!(table.add_found(waiting(17), START), Added::Replacement);
    let third = table.add_found(waiting(18), START);
    assert_eq!(third, Added::Refused(Refusal::SubnetInBucket));

    // Ten who come later push them out.
    for number in 0..10 {
        let newer = node_at(16, 25 - number, [172, 1, number as u8, 1]);
        let added = table.add_found(newer, START);
        assert_eq!(added, if number < 8 { Added::Replacement } else { Added::Unchanged });
    }
    assert_eq!(table.buckets()[16].replacements().len(), 10);
    table.audit().unwrap();
}

#[test]
fn local_networks_have_no_limits() {
    let mut table = table();
    let local =
        ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.0.1", "::1", "fe80::1", "fd00::1"];
    for number in 0..16 {
        let contact = node_at(16, number, ip(local[number % local.len()]));
        assert_eq!(table.add_found(contact, START), Added::Inserted);
    }
    for index in 0..16 {
        let contact = node_at(index, 0, [127, 0, 0, 1]);
        assert_eq!(table.add_found(contact, START), Added::Inserted);
    }
    table.audit().unwrap();
}

#[test]
fn the_limits_of_subnets_can_be_moved() {
    let config =
        TableConfig { subnet_in_bucket: 1, subnet_in_table: 2, ipv4_bits: 32, ipv6_bits: 48 };
    let mut table = Table::new(own(), config, Seed::from_number(1).jitter(), START);
    let mut add =
        |bucket, number, address| table.add_found(node_at(bucket, number, ip(address)), START);
    assert_eq!(add(16, 0, "9.9.9.1"), Added::Inserted);
    assert_eq!(add(16, 1, "9.9.9.2"), Added::Inserted);
    assert_eq!(add(16, 2, "9.9.9.2"), Added::Refused(Refusal::SubnetInBucket));
    assert_eq!(add(15, 0, "2600:1:1::1"), Added::Inserted);
    assert_eq!(add(15, 1, "2600:1:2::1"), Added::Inserted);
    assert_eq!(add(14, 0, "2600:1:2:3::1"), Added::Inserted);
    assert_eq!(add(13, 0, "2600:1:2:4::1"), Added::Refused(Refusal::SubnetInTable));
    table.audit().unwrap();
}

#[test]
fn a_move_into_a_full_subnet_is_refused_and_the_node_stays() {
    let mut table = table();
    for number in 0..2 {
        let _ = table.add_found(node_at(16, number, [172, 0, 1, number as u8]), START);
    }
    let known = node_at(16, 2, [88, 77, 66, 1]);
    assert_eq!(table.add_found(known.clone(), START), Added::Inserted);
    let moved = table.add_inbound(node_at(16, 2, [172, 0, 1, 9]), START);
    assert_eq!(moved, Added::Refused(Refusal::SubnetInBucket));
    let moved = table.add_found(signed(16, 2, 9, [172, 0, 1, 9]), START);
    assert_eq!(moved, Added::Refused(Refusal::SubnetInBucket));
    assert_eq!(table.contact(known.id()), Some(&known));
    table.audit().unwrap();

    // Within a full subnet it may move.
    let within = node_at(16, 1, [172, 0, 1, 77]);
    assert_eq!(table.add_inbound(within.clone(), START), Added::Updated);
    assert_eq!(table.contact(within.id()), Some(&within));
    table.audit().unwrap();
}

#[test]
fn a_replacement_is_known_better_when_more_is_told() {
    let mut table = full();
    let contact = |table: &Table| table.buckets()[16].replacements()[0].contact().clone();
    assert_eq!(table.add_found(node(16, 20), START), Added::Replacement);
    assert_eq!(table.add_found(node(16, 20), START), Added::Unchanged);
    let newer = signed(16, 20, 3, [7, 7, 7, 7]);
    assert_eq!(table.add_found(newer.clone(), START), Added::Replacement);
    assert_eq!(contact(&table), newer);
    assert_eq!(table.add_found(signed(16, 20, 2, [8, 8, 8, 8]), START), Added::Unchanged);
    assert_eq!(contact(&table), newer);
    assert_eq!(table.replacements(), 1);
    table.audit().unwrap();
}

#[test]
fn who_fails_to_answer_five_times_leaves_if_its_bucket_has_four() {
    let mut table = table();
    for number in 0..3 {
        let _ = table.add_found(node(16, number), START);
    }
    let id = *node(16, 0).id();
    assert_eq!(table.find_failure(&id, 100, START), None);
    let _ = table.add_found(node(16, 3), START);
    assert_eq!(table.find_failure(&id, 4, START), None);
    assert_eq!(table.find_failure(node(16, 9).id(), 5, START), None);
    assert_eq!(table.find_failure(&id, 5, START).unwrap().promoted, None);
    assert!(!table.contains(&id));
    assert_eq!(table.len(), 3);
    table.audit().unwrap();
}
