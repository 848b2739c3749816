//! Records as a weapon: too large, too many, too new, another's; and statements
//! about ourselves that go into our own.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::*;
use crate::discv4::tests::packets::{asking_record, record_of};
use crate::discv4::{EnrResponse, Pong, RequestError};
use crate::identity::{Contact, RecordBuilder, RecordError};
use crate::limits;

/// What comes of a response with these bytes to a request of ours.
fn respond(record: Vec<u8>) -> (Answer, u64) {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    let request_hash = asking_record(&mut lone, &stranger, stranger.contact());
    lone.hear(&stranger, &Packet::EnrResponse(EnrResponse { request_hash, record }));
    (lone.answer(1).unwrap().clone(), dropped(&lone, DropReason::BadRecord))
}

#[test]
fn a_record_of_more_than_300_bytes_is_refused_and_counted() {
    for length in [301, 302, 500, 1000] {
        let mut record = Vec::new();
        crate::rlp::put_list(&[5].repeat(length - 3), &mut record);
        assert_eq!(record.len(), length);
        let refused = Answer::Failed(RequestError::BadRecord(RecordError::TooLarge));
        assert_eq!(respond(record), (refused, 1));
    }
}

#[test]
fn a_record_that_is_none_or_another_nodes_or_nowhere_is_counted_as_bad() {
    let stranger = Stranger::new(1);
    let bytes = |stranger, ip| record_of(stranger, 5, ip).as_rlp().to_vec();
    let good = bytes(&stranger, "33.0.0.1");
    assert_eq!(respond(good.clone()).1, 0);
    let mut forged = good;
    *forged.last_mut().unwrap() ^= 1;
    for record in [
        [0xC0].to_vec(),
        forged,
        bytes(&Stranger::new(2), "33.0.0.1"),
        bytes(&stranger, "10.0.0.1"),
        bytes(&stranger, "127.0.0.1"),
        bytes(&stranger, "0.0.0.0"),
        bytes(&stranger, "192.0.2.1"),
    ] {
        let (answer, counted) = respond(record);
        assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
        assert_eq!(counted, 1);
    }
}

#[test]
fn a_record_that_comes_twice_or_from_another_or_from_elsewhere_changes_nothing() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    let request_hash = asking_record(&mut lone, &stranger, stranger.contact());
    let record = record_of(&stranger, 9, "33.0.0.1").as_rlp().to_vec();
    let response = Packet::EnrResponse(EnrResponse { request_hash, record });
    let other = Stranger { at: stranger.at, ..Stranger::new(2) };
    let elsewhere = Stranger { at: address(2000), ..Stranger::new(1) };
    lone.hear(&other, &response);
    lone.hear(&elsewhere, &response);
    assert_eq!(lone.answer(1), None);
    lone.hear(&stranger, &response);
    assert!(matches!(lone.answer(1), Some(Answer::Contact(_))));
    lone.hear(&stranger, &response);
    assert_eq!(dropped(&lone, DropReason::Unsolicited), 3);
}

#[test]
fn who_asks_for_records_all_the_time_is_held_to_its_budget_and_harms_nobody() {
    let mut lone = lone();
    let (honest, greedy) = (Stranger::new(1), Stranger::new(2));
    lone.bond(&honest);
    lone.bond(&greedy);
    lone.sent.clear();
    let (request, _) = greedy.encode(&enr_request(lone.now));
    let mut answers = 0;
    for _ in 0..100 {
        (0..100).for_each(|_| lone.receive(greedy.at, &request));
        answers += datagrams_to(&mut lone, greedy.at).0;
        lone.wait(Duration::from_millis(10));
    }
    let budget = [limits::PROVEN_PACKETS, limits::ALL_PROVEN_PACKETS]
        .map(|rate| (rate.per_second + rate.burst) as usize);
    assert!(answers <= budget[0] + budget[1], "{answers} in a second");
    assert!(dropped(&lone, DropReason::OverBudget) > 7000);
    lone.sent.clear();
    lone.hear(&honest, &enr_request(lone.now));
    assert_eq!(lone.kinds_to(honest.at), [Kind::EnrResponse]);
}

/// Answers the next ping, naming a sequence number; says what it was asked then.
fn pong_with(lone: &mut Lone, stranger: &Stranger, sequence: u64) -> Vec<(Packet, [u8; 32])> {
    for _ in 0..200 {
        lone.wait(Duration::from_millis(100));
        for (packet, hash) in lone.said_to(stranger.at) {
            if packet.kind() == Kind::Ping {
                let Packet::Pong(pong) = stranger.pong(lone.at, hash, lone.now) else {
                    unreachable!()
                };
                let pong = Pong { enr_sequence: Some(sequence), ..pong };
                lone.hear(stranger, &Packet::Pong(pong));
                return lone.said_to(stranger.at);
            }
        }
    }
    panic!("no ping came")
}

#[test]
fn a_sequence_number_that_jumps_to_the_last_is_believed_once_it_is_signed() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let known = |lone: &Lone| lone.look().table().contact(&stranger.id()).unwrap().sequence();
    let record = |sequence| {
        let ip = stranger.at.ip();
        RecordBuilder::new(sequence).ip(ip).udp(stranger.at.port()).sign(&stranger.key).unwrap()
    };
    // It names a number that it does not show: one question for each pong.
    for _ in 0..3 {
        let asked = pong_with(&mut lone, &stranger, u64::MAX);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(known(&lone), 0);
        lone.wait(limits::REPLY_TIMEOUT);
    }
    for sequence in [7, u64::MAX] {
        let asked = pong_with(&mut lone, &stranger, u64::MAX);
        let [(Packet::EnrRequest(_), request_hash)] = asked[..] else { panic!("{asked:?}") };
        let record = record(sequence).as_rlp().to_vec();
        let response = EnrResponse { request_hash, record };
        lone.hear(&stranger, &Packet::EnrResponse(response));
        assert_eq!(known(&lone), sequence);
    }
    // Nothing is beyond it.
    assert_eq!(pong_with(&mut lone, &stranger, u64::MAX), []);
    let older = Contact::from_record(record(8).into());
    lone.ask(1, Command::RequestRecord(older));
    let asked = lone.said_to(stranger.at);
    let [(Packet::EnrRequest(_), request_hash)] = asked[..] else { panic!("{asked:?}") };
    let record = record(9).as_rlp().to_vec();
    lone.hear(&stranger, &Packet::EnrResponse(EnrResponse { request_hash, record }));
    assert!(matches!(lone.answer(1), Some(Answer::Contact(_))));
    assert_eq!(known(&lone), u64::MAX);
}

/// Says where it sees us, in the pong to our ping.
fn state(lone: &mut Lone, witness: &Stranger, endpoint: SocketAddr) {
    lone.hear(witness, &witness.ping(lone.at, lone.now));
    let (_, ping) = lone.said_to(witness.at).pop().unwrap();
    lone.hear(witness, &witness.pong(endpoint, ping, lone.now));
}

const LIE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(66, 6, 6, 6)), 6666);

#[test]
fn who_has_not_proved_where_it_is_does_not_say_where_we_are() {
    let mut lone = lone();
    let before = lone.contact();
    // geth believes ten such.
    for number in 0..40 {
        let liar = Stranger::new(number);
        lone.hear(&liar, &liar.ping(LIE, lone.now));
        lone.hear(&liar, &liar.pong(LIE, [9; 32], lone.now));
    }
    assert_eq!(lone.contact(), before);
    for number in 0..10 {
        assert_eq!(lone.contact(), before);
        state(&mut lone, &Stranger::new(100 + number), LIE);
    }
    assert_eq!(lone.contact().udp_endpoint(), Some(LIE), "ten who have do");
}

#[test]
fn who_has_proved_where_it_is_says_where_we_are_by_its_pings_too() {
    let mut lone = lone();
    let witnesses: Vec<_> = (0..10).map(Stranger::new).collect();
    witnesses.iter().for_each(|witness| lone.bond(witness));
    assert_eq!(lone.contact().udp_endpoint(), Some(lone.at));
    for witness in &witnesses {
        lone.hear(witness, &witness.ping(LIE, lone.now));
    }
    assert_eq!(lone.contact().udp_endpoint(), Some(LIE));
}

#[test]
fn one_host_with_many_keys_has_one_voice_about_where_we_are() {
    let mut lone = lone();
    let before = lone.contact();
    for number in 0..60 {
        let at = SocketAddr::new(address(3000).ip(), 1000 + number as u16);
        state(&mut lone, &Stranger { at, ..Stranger::new(number) }, LIE);
        lone.wait(Duration::from_millis(500));
    }
    assert_eq!(lone.look().bonds(), 60);
    assert_eq!(lone.contact(), before);
}
