//! One machine and what strangers send it.

use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::harness::{Lone, Stranger, address};
use crate::discv4::{
    Answer, Command, DropReason, EnrRequest, EnrResponse, Event, FindNode, Input, Kind, Neighbor,
    Neighbors, Packet, PacketEndpoint, Ping, RequestError,
};
use crate::identity::{Contact, Record, RecordBuilder};
use crate::limits;
use crate::time::Now;

pub(super) fn lone() -> Lone {
    let mut lone = Lone::new(1, |_| {});
    lone.wait(Duration::from_secs(1));
    lone
}

pub(super) fn find(target: [u8; 64], now: Now) -> Packet {
    Packet::FindNode(FindNode { target, expiration: now.unix.as_secs() + 20 })
}

pub(super) fn enr_request(now: Now) -> Packet {
    Packet::EnrRequest(EnrRequest { expiration: now.unix.as_secs() + 20 })
}

pub(super) fn neighbors(nodes: Vec<Neighbor>, now: Now) -> Packet {
    Packet::Neighbors(Neighbors { nodes, expiration: now.unix.as_secs() + 20 })
}

/// A neighbour that is to be believed, a different one for each number.
pub(super) fn neighbor(number: u32) -> Neighbor {
    Neighbor::from(&Stranger::new(5000 + number).contact())
}

pub(super) fn dropped(lone: &Lone, reason: DropReason) -> u64 {
    lone.look().drops().of(reason)
}

#[test]
fn a_first_ping_is_answered_by_exactly_one_pong_and_one_ping() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    let hash = lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    let said = lone.said_to(stranger.at);
    let [(Packet::Pong(pong), _), (Packet::Ping(ping), _)] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(pong.ping_hash, hash);
    assert_eq!(pong.to, PacketEndpoint::new(stranger.at, 30303));
    assert_eq!(pong.enr_sequence, Some(lone.look().local_record().sequence()));
    assert_eq!(ping.to, PacketEndpoint::new(stranger.at, 0));
    assert_eq!(ping.from, PacketEndpoint::new(lone.at, 30303));
    assert!(lone.sent.is_empty());
}

#[test]
fn a_pong_goes_to_where_the_ping_came_from_whatever_the_ping_claims() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    let Packet::Ping(mut ping) = stranger.ping(lone.at, lone.now) else { unreachable!() };
    ping.from = PacketEndpoint::new("192.0.2.0:9".parse().unwrap(), 7);
    ping.to = PacketEndpoint { ip: Some("::ffff:192.0.2.0".parse().unwrap()), udp: 0, tcp: 0 };
    lone.hear(&stranger, &Packet::Ping(ping));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Pong, Kind::Ping]);
    assert!(lone.sent.is_empty(), "nothing goes anywhere else");
}

#[test]
fn a_proven_node_enters_the_table_and_its_next_ping_gets_a_pong_alone() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    assert!(lone.look().table().contains(&stranger.id()));
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Pong]);
}

#[test]
fn the_table_does_not_take_who_has_only_pinged() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    assert!(lone.look().table().is_empty());
    lone.wait(limits::REPLY_TIMEOUT * 2);
    assert!(lone.look().table().is_empty());
    assert_eq!(lone.look().pending(), 0);
}

#[test]
fn expired_packets_do_nothing_also_those_from_before_time_began() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let now = lone.now.unix.as_secs();
    let before = dropped(&lone, DropReason::Expired);
    for expiration in [now - 1, 0, (now + 20).wrapping_neg(), u64::MAX] {
        let Packet::Ping(mut ping) = stranger.ping(lone.at, lone.now) else { unreachable!() };
        ping.expiration = expiration;
        lone.hear(&stranger, &Packet::Ping(ping));
        lone.hear(&stranger, &Packet::FindNode(FindNode { target: [1; 64], expiration }));
        lone.hear(&stranger, &Packet::EnrRequest(EnrRequest { expiration }));
    }
    assert_eq!(lone.kinds_to(stranger.at), []);
    assert_eq!(dropped(&lone, DropReason::Expired), before + 12);
}

#[test]
fn neighbors_and_records_go_to_proven_endpoints_only() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &find([1; 64], lone.now));
    lone.hear(&stranger, &enr_request(lone.now));
    assert_eq!(lone.kinds_to(stranger.at), []);
    assert_eq!(dropped(&lone, DropReason::Unproven), 2);
    lone.bond(&stranger);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    let hash = lone.hear(&stranger, &enr_request(lone.now));
    let said = lone.said_to(stranger.at);
    let [(Packet::EnrResponse(EnrResponse { request_hash, record }), _)] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(*request_hash, hash);
    assert_eq!(Record::decode(record).unwrap().node_id(), lone.id());
}

#[test]
fn a_proof_at_one_address_is_void_at_another_and_for_another_key() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let elsewhere = Stranger { key: stranger.key.clone(), at: address(2000) };
    lone.hear(&elsewhere, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(elsewhere.at), [], "not even a ping");
    let other = Stranger { key: Stranger::new(2).key, at: stranger.at };
    lone.hear(&other, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(other.at), []);
    // The port may change, as behind a NAT.
    let moved = Stranger { key: stranger.key, at: SocketAddr::new(stranger.at.ip(), 9999) };
    lone.hear(&moved, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(moved.at), [Kind::Neighbors]);
}

#[test]
fn a_node_that_has_moved_is_told_of_with_the_record_that_it_gave() {
    let stranger = Stranger::new(1);
    let record = RecordBuilder::new(7).ip(stranger.at.ip()).udp(stranger.at.port());
    let record = Arc::new(record.sign(&stranger.key).unwrap());
    let known = Contact::from_record(Arc::clone(&record));
    let mut lone = Lone::new(1, |config| config.bootnodes.push(known));
    lone.wait_serving(core::slice::from_ref(&stranger), Duration::from_secs(10));
    assert!(matches!(lone.events.last(), Some(Event::Ready)), "{:?}", lone.events);
    let moved = Stranger { key: stranger.key, at: address(2000) };
    lone.bond(&moved);
    let told = lone
        .events
        .iter()
        .find_map(|event| if let Event::Updated(contact) = event { Some(contact) } else { None });
    let told = told.unwrap_or_else(|| panic!("{:?}", lone.events));
    assert_eq!((told.record(), told.udp_endpoint()), (Some(&record), Some(moved.at)));
}

/// A gateway that maps a port lets packets of before the mapping go on leaving by
/// another.
#[test]
fn who_is_seen_at_another_port_stays_where_its_record_says_until_there_is_a_newer_one() {
    let stranger = Stranger::new(1);
    let record = RecordBuilder::new(7).ip(stranger.at.ip()).udp(stranger.at.port());
    let known = Contact::from_record(Arc::new(record.sign(&stranger.key).unwrap()));
    let id = *known.id();
    let mut lone = Lone::new(1, |config| config.bootnodes.push(known));
    lone.wait_serving(core::slice::from_ref(&stranger), Duration::from_secs(10));
    let seen = Stranger { key: stranger.key, at: SocketAddr::new(stranger.at.ip(), 9999) };
    let mut seen_at = |sequence: Option<u64>| {
        let Packet::Ping(ping) = seen.ping(lone.at, lone.now) else { unreachable!() };
        lone.hear(&seen, &Packet::Ping(Ping { enr_sequence: sequence, ..ping }));
        lone.machine.get().table().contact(&id).unwrap().udp_endpoint().unwrap()
    };
    assert_eq!(seen_at(Some(7)), stranger.at);
    assert_eq!(seen_at(Some(8)), seen.at);
    assert_eq!(seen_at(Some(7)), stranger.at);
    assert_eq!(seen_at(None), seen.at);
}

#[test]
fn a_proof_is_void_after_a_day() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    // It leaves the table meanwhile: it does not answer. The proof stays.
    lone.wait(limits::BOND_LIFE - Duration::from_secs(1));
    lone.sent.clear();
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.wait(Duration::from_secs(1));
    lone.sent.clear();
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), []);
}

#[test]
fn a_pong_with_a_wrong_hash_proves_nothing() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    lone.said_to(stranger.at);
    let pong = stranger.pong(lone.at, [0; 32], lone.now);
    lone.hear(&stranger, &pong);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), []);
    assert_eq!(dropped(&lone, DropReason::Unsolicited), 1);
}

#[test]
fn a_pong_that_is_late_or_repeated_or_from_elsewhere_proves_nothing() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    let (_, ping) = lone.said_to(stranger.at).pop().unwrap();
    let pong = stranger.pong(lone.at, ping, lone.now);
    let elsewhere = Stranger { key: stranger.key.clone(), at: address(2000) };
    lone.hear(&elsewhere, &pong);
    let other = Stranger { key: Stranger::new(2).key, at: stranger.at };
    lone.hear(&other, &pong);
    assert_eq!(lone.look().bonds(), 0);
    lone.wait(limits::REPLY_TIMEOUT);
    lone.hear(&stranger, &pong);
    assert_eq!(lone.look().bonds(), 0);
    lone.bond(&stranger);
    assert_eq!(lone.look().bonds(), 1);
    let before = dropped(&lone, DropReason::Unsolicited);
    lone.hear(&stranger, &pong);
    assert_eq!(dropped(&lone, DropReason::Unsolicited), before + 1);
}

#[test]
fn neighbors_and_records_that_nobody_asked_for_do_nothing() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let before = lone.look().table().len();
    lone.hear(&stranger, &neighbors([neighbor(1)].into(), lone.now));
    let record = RecordBuilder::new(9).udp(1).sign(&stranger.key).unwrap().as_rlp().to_vec();
    let response = EnrResponse { request_hash: [7; 32], record };
    lone.hear(&stranger, &Packet::EnrResponse(response));
    assert_eq!(dropped(&lone, DropReason::Unsolicited), 2);
    assert_eq!(lone.look().table().len(), before);
    assert_eq!(lone.kinds_to(stranger.at), []);
}

#[test]
fn our_own_packets_come_to_nothing() {
    let mut lone = lone();
    let mirror = Stranger { key: super::harness::key(1), at: address(77) };
    lone.hear(&mirror, &mirror.ping(lone.at, lone.now));
    assert_eq!(dropped(&lone, DropReason::FromSelf), 1);
    assert!(lone.sent.is_empty());
}

/// Asks a bonded stranger for its neighbours; it is then to answer.
pub(super) fn asking(lone: &mut Lone, stranger: &Stranger) {
    lone.bond(stranger);
    lone.wait(Duration::from_millis(1));
    lone.said_to(stranger.at);
    lone.ask(1, Command::FindNode(stranger.contact(), [9; 64]));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::FindNode]);
}

#[test]
fn neighbours_are_believed_only_where_their_sender_can_know_them() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    asking(&mut lone, &stranger);
    let good = neighbor(1);
    let at = |ip: &str| Neighbor { ip: Some(ip.parse().unwrap()), ..neighbor(2) };
    let own = Neighbor::from(&Contact::new(
        *lone.contact().public_key(),
        "33.5.5.5".parse().unwrap(),
        30303,
        30303,
    ));
    let list = [
        at("10.0.0.1"),
        at("127.0.0.1"),
        at("0.0.0.0"),
        at("224.0.0.1"),
        at("255.255.255.255"),
        at("fe80::1"),
        Neighbor { ip: None, ..neighbor(3) },
        Neighbor { udp: 0, ..neighbor(4) },
        Neighbor { udp: 1024, ..neighbor(5) },
        Neighbor { public_key: [0; 64], ..neighbor(6) },
        Neighbor { public_key: [0xff; 64], ..neighbor(7) },
        own,
        good,
    ];
    let nodes = list.to_vec();
    for part in nodes.chunks(12) {
        lone.hear(&stranger, &neighbors(part.to_vec(), lone.now));
    }
    lone.wait(limits::REPLY_TIMEOUT);
    let expected = good.contact().unwrap();
    assert_eq!(lone.answer(1), Some(&Answer::Contacts([expected.clone()].into())));
    assert!(lone.look().table().contains(expected.id()));
}

#[test]
fn sixteen_neighbours_end_a_request_and_a_seventeenth_is_not_taken() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    asking(&mut lone, &stranger);
    lone.hear(&stranger, &neighbors((0..12).map(neighbor).collect(), lone.now));
    assert_eq!(lone.answer(1), None);
    lone.hear(&stranger, &neighbors((12..17).map(neighbor).collect(), lone.now));
    let Some(Answer::Contacts(found)) = lone.answer(1) else { panic!() };
    assert_eq!(found.len(), 16);
    let before = dropped(&lone, DropReason::Unsolicited);
    lone.hear(&stranger, &neighbors([neighbor(18)].into(), lone.now));
    assert_eq!(dropped(&lone, DropReason::Unsolicited), before + 1);
}

#[test]
fn a_request_that_nobody_answers_ends_after_half_a_second_once() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.ask(1, Command::Ping(stranger.contact()));
    lone.ask(2, Command::FindNode(stranger.contact(), [1; 64]));
    lone.ask(3, Command::RequestRecord(stranger.contact()));
    lone.wait(limits::REPLY_TIMEOUT - Duration::from_micros(1));
    assert!(lone.answers.is_empty());
    lone.wait(Duration::from_micros(1));
    for number in 1..=3 {
        assert_eq!(lone.answer(number), Some(&Answer::Failed(RequestError::Timeout)));
    }
    assert_eq!(lone.look().pending(), 0);
}

#[test]
fn a_ping_says_how_long_it_took_and_what_the_other_saw() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.ask(1, Command::Ping(stranger.contact()));
    let (_, hash) = lone.said_to(stranger.at).pop().unwrap();
    lone.wait(Duration::from_millis(123));
    lone.hear(&stranger, &stranger.pong("5.6.7.8:9".parse().unwrap(), hash, lone.now));
    let Some(Answer::Pong(pong)) = lone.answer(1) else { panic!() };
    assert_eq!(pong.round_trip, Duration::from_millis(123));
    assert_eq!(pong.seen_at, Some("5.6.7.8:9".parse().unwrap()));
}

/// Asks for the record of a bonded stranger that knows us; says the token.
pub(super) fn asking_record(lone: &mut Lone, stranger: &Stranger, known: Contact) -> [u8; 32] {
    lone.bond(stranger);
    lone.said_to(stranger.at);
    lone.ask(1, Command::RequestRecord(known));
    let said = lone.said_to(stranger.at);
    let [(Packet::EnrRequest(_), token)] = said.as_slice() else { panic!("{said:?}") };
    *token
}

pub(super) fn record_of(stranger: &Stranger, sequence: u64, ip: &str) -> Record {
    let record = RecordBuilder::new(sequence).ip(ip.parse().unwrap());
    record.udp(stranger.at.port()).sign(&stranger.key).unwrap()
}

#[test]
fn a_record_is_taken_if_it_is_the_nodes_own_and_no_older_and_where_the_node_can_be() {
    let ip = Stranger::new(1).at.ip().to_string();
    let check = |record: Vec<u8>, known: &dyn Fn(&Stranger) -> Contact| {
        let mut lone = lone();
        let stranger = Stranger::new(1);
        let token = asking_record(&mut lone, &stranger, known(&stranger));
        let response = EnrResponse { request_hash: token, record };
        lone.hear(&stranger, &Packet::EnrResponse(response));
        lone.answer(1).unwrap().clone()
    };
    let unsigned = |stranger: &Stranger| stranger.contact();
    let stranger = Stranger::new(1);
    let good = record_of(&stranger, 5, &ip);
    let contact = |record: &Record| Contact::from_record(record.clone().into());
    let answer = check(good.as_rlp().to_vec(), &unsigned);
    assert_eq!(answer, Answer::Contact(contact(&good)));

    let newer = record_of(&stranger, 6, &ip);
    let answer = check(good.as_rlp().to_vec(), &|_| contact(&newer));
    assert_eq!(answer, Answer::Contact(contact(&newer)), "what we have is newer");

    let foreign = record_of(&Stranger::new(2), 5, &ip);
    let answer = check(foreign.as_rlp().to_vec(), &unsigned);
    assert_eq!(answer, Answer::Failed(RequestError::WrongIdentity));

    let private = record_of(&stranger, 5, "192.168.1.1");
    let answer = check(private.as_rlp().to_vec(), &unsigned);
    assert_eq!(answer, Answer::Failed(RequestError::BadAddress));
    let nowhere = RecordBuilder::new(5).sign(&stranger.key).unwrap();
    let answer = check(nowhere.as_rlp().to_vec(), &unsigned);
    assert_eq!(answer, Answer::Failed(RequestError::BadAddress));

    let mut lone = Lone::new(1, |config| config.net_restrict = Some("2a00::/8".parse().unwrap()));
    let token = asking_record(&mut lone, &stranger, unsigned(&stranger));
    let response = EnrResponse { request_hash: token, record: good.as_rlp().to_vec() };
    lone.hear(&stranger, &Packet::EnrResponse(response));
    let answer = lone.answer(1).unwrap().clone();
    assert_eq!(answer, Answer::Failed(RequestError::BadAddress), "outside of our networks");

    let mut broken = good.as_rlp().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let answer = check(broken, &unsigned);
    assert!(matches!(answer, Answer::Failed(RequestError::BadRecord(_))), "{answer:?}");

    let last = record_of(&stranger, u64::MAX, &ip);
    assert_eq!(check(last.as_rlp().to_vec(), &unsigned), Answer::Contact(contact(&last)));
}

#[test]
fn who_does_not_know_us_is_pinged_first_and_asked_when_it_has_pinged_us() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.ask(1, Command::FindNode(stranger.contact(), [9; 64]));
    let said = lone.said_to(stranger.at);
    let [(Packet::Ping(_), hash)] = said.as_slice() else { panic!("{said:?}") };
    lone.hear(&stranger, &stranger.pong(lone.at, *hash, lone.now));
    assert_eq!(lone.kinds_to(stranger.at), []);
    lone.wait(Duration::from_millis(20));
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Pong]);
    lone.wait(limits::PING_BACK_GRACE);
    assert_eq!(lone.kinds_to(stranger.at), [Kind::FindNode]);
}

#[test]
fn who_does_not_ping_back_is_asked_all_the_same_after_a_while() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.ask(1, Command::FindNode(stranger.contact(), [9; 64]));
    let (_, hash) = lone.said_to(stranger.at).pop().unwrap();
    lone.hear(&stranger, &stranger.pong(lone.at, hash, lone.now));
    lone.wait(limits::PING_BACK_TIMEOUT);
    assert!(lone.kinds_to(stranger.at).contains(&Kind::FindNode));
}

#[test]
fn two_find_node_requests_to_one_node_take_turns_and_a_cancelled_one_blocks_nobody() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    lone.said_to(stranger.at);
    for number in 1..=3 {
        lone.ask(number, Command::FindNode(stranger.contact(), [9; 64]));
    }
    assert_eq!(lone.kinds_to(stranger.at), [Kind::FindNode]);
    lone.ask(4, Command::Cancel(crate::discv4::RequestId(1)));
    assert_eq!(lone.answer(1), Some(&Answer::Failed(RequestError::Cancelled)));
    lone.hear(&stranger, &neighbors((0..16).take(12).map(neighbor).collect(), lone.now));
    lone.hear(&stranger, &neighbors((20..24).map(neighbor).collect(), lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::FindNode]);
    lone.hear(&stranger, &neighbors((0..12).map(neighbor).collect(), lone.now));
    lone.wait(limits::REPLY_TIMEOUT);
    assert!(matches!(lone.answer(2), Some(Answer::Contacts(found)) if found.len() == 12));
    assert!(lone.kinds_to(stranger.at).contains(&Kind::FindNode));
}

#[test]
fn an_answer_to_find_node_is_split_and_sorted_and_hides_what_the_asker_cannot_reach() {
    let mut lone = Lone::new(1, |config| {
        config.bootnodes = (0..40).map(|number| Stranger::new(100 + number).contact()).collect();
        let lan =
            Stranger { key: super::harness::key(9), at: "192.168.0.9:30303".parse().unwrap() };
        config.bootnodes.push(lan.contact());
    });
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    lone.said_to(stranger.at);
    lone.hear(&stranger, &find([1; 64], lone.now));
    let mut found = Vec::new();
    let mut sizes = Vec::new();
    for (packet, _) in lone.said_to(stranger.at) {
        let Packet::Neighbors(packet) = packet else { panic!("{packet:?}") };
        sizes.push(packet.nodes.len());
        found.extend(packet.nodes.iter().map(|node| node.contact().unwrap()));
    }
    assert!(sizes == [12, 4] || sizes == [12, 3], "{sizes:?}");
    let target = crate::identity::NodeId::hash_of(&[1; 64]);
    assert!(found.is_sorted_by(|a, b| target.cmp_distance(a.id(), b.id()).is_lt()));
    assert!(found.iter().all(|node| node.ip() != Some("192.168.0.9".parse().unwrap())));
}

#[test]
fn stopping_answers_what_waits_and_says_so_last() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.ask(1, Command::Ping(stranger.contact()));
    lone.ask(2, Command::LookUp([1; 64]));
    lone.ask(3, Command::RandomNodes);
    lone.ask(4, Command::Resolve(stranger.contact()));
    lone.give(Input::Stop);
    assert!(lone.stopped);
    for number in [1, 3, 4] {
        assert_eq!(lone.answer(number), Some(&Answer::Failed(RequestError::Stopped)), "{number}");
    }
    let sent = lone.sent.len();
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    lone.ask(9, Command::LookUp([1; 64]));
    assert_eq!(lone.answer(9), None);
    assert_eq!(lone.sent.len(), sent);
    assert_eq!(lone.deadline(), None);
}
