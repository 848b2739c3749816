//! What comes before the store has said what it remembers.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::discv4::{Event, Input, Kind};
use crate::limits;
use crate::store::{Operation, Reply};

fn opening() -> Lone {
    Lone::new(1, |config| config.store = true)
}

fn opened(sequence: u64) -> Input<'static> {
    Input::Store(Reply::Opened { sequence: Some(sequence), bonds: Vec::new() })
}

#[test]
fn a_stranger_who_comes_while_the_store_opens_and_does_not_answer_is_given_up_in_time() {
    let mut lone = Lone::new(1, |config| config.store = true);
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    assert_eq!(
        (lone.kinds_to(stranger.at), lone.look().pending()),
        (vec![Kind::Pong, Kind::Ping], 1)
    );
    lone.wait(limits::REPLY_TIMEOUT);
    assert_eq!(lone.look().pending(), 0);
    assert!(lone.operations.len() == 1, "the store has not answered yet");
}

#[test]
fn what_strangers_state_of_our_endpoint_is_told_with_the_number_that_follows_the_stored_one() {
    let mut lone = opening();
    let elsewhere = address(7);
    for number in 0..12 {
        let stranger = Stranger::new(number);
        lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
        let ping = lone.said_to(stranger.at).pop().unwrap();
        lone.hear(&stranger, &stranger.pong(elsewhere, ping.1, lone.now));
    }
    assert_eq!(lone.look().local_record().endpoint().ip, Some(elsewhere.ip()));
    assert!(lone.events.is_empty(), "the number is not known yet");
    lone.give(opened(5));
    let [Event::LocalRecord(record)] = &lone.events[..] else { panic!("{:?}", lone.events) };
    assert_eq!(record.sequence(), 6);
    let is_sequence = |operation: &&Operation| matches!(operation, Operation::PutSequence { .. });
    assert_eq!(lone.operations.iter().filter(is_sequence).count(), 1);
}

#[test]
fn seeds_that_nobody_has_asked_for_yet_are_passed_over() {
    let mut lone = opening();
    lone.give(Input::Store(Reply::Seeds(vec![Stranger::new(1).contact()])));
    assert!(lone.look().table().is_empty());
    lone.wait(limits::STORE_OPEN_TIMEOUT / 2);
    lone.give(opened(5));
    lone.give(Input::Store(Reply::Seeds(vec![Stranger::new(1).contact()])));
    assert_eq!(lone.look().table().len(), 1);
}
