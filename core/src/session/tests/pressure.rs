//! Back-pressure: whoever is slow stops the bytes, and not the memory.

use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::pair::{Pair, noise};
use super::peer::Peer;
use crate::error::Misuse;
use crate::limits;
use crate::p2p::{EMPTY_LIST, Message, code};
use crate::session::{Command, Input};

#[test]
fn two_ends_that_send_more_than_the_network_holds_do_not_wait_for_each_other() {
    let mut pair = Pair::open(1);
    for end in &mut pair.ends {
        end.send(0, noise(1, 1 << 20));
        end.send(0, noise(2, 1 << 20));
    }
    pair.run(Duration::from_secs(5));
    for end in &pair.ends {
        assert_eq!(end.closed(), None);
        assert_eq!(end.messages().len(), 2);
    }
}

#[test]
fn pings_that_are_asked_for_without_end_stay_under_the_bound() {
    let (_, mut end) = Peer::open(1);
    // `Checked` audits the bound after each of them.
    (0..10_000).for_each(|_| end.handle(Input::Command(Command::Ping)));
    assert!((limits::WRITE_BACKLOG..limits::WRITE_BACKLOG + 64).contains(&end.unsent.len()));
}

fn messages(count: u64, length: usize) -> VecDeque<Message> {
    (0..count)
        .map(|n| Message { capability: 0, code: n % 2, payload: noise(n, length).into() })
        .collect()
}

#[test]
fn messages_beyond_the_backlog_stay_in_the_queue_until_bytes_have_left() {
    let (mut peer, mut end) = Peer::open(1);
    end.queue = messages(100, 8 * 1024);
    end.settle();
    // Nine frames of a little more than 8 KiB: the ninth goes beyond.
    assert_eq!(end.queue.len(), 100 - 8);
    assert!(!end.session.get().wants_send());
    assert!(end.unsent.len() >= limits::WRITE_BACKLOG);
    // The network takes a part: not enough, then enough.
    let above = end.unsent.len() - limits::WRITE_BACKLOG;
    end.handle(Input::Written(above));
    assert!(!end.session.get().wants_send());
    end.handle(Input::Written(1));
    assert!(end.session.get().wants_send());
    end.settle();
    assert_eq!(end.queue.len(), 100 - 9);
    // The rest follows as the peer reads, in order.
    end.handle(Input::Written(0));
    let mut heard = 0;
    while heard < 100 {
        for (code, payload) in peer.hear(&mut end) {
            assert!(code == 16 + heard % 2 && payload == noise(heard, 8 * 1024));
            heard += 1;
        }
    }
    assert!(end.queue.is_empty());
}

#[test]
fn one_message_may_exceed_the_backlog_and_the_next_one_waits() {
    let (_, mut end) = Peer::open(1);
    end.queue = messages(2, 1 << 20);
    end.settle();
    assert_eq!(end.queue.len(), 1);
    assert!(end.unsent.len() < (1 << 20) + 4096);
}

#[test]
fn one_message_that_is_not_delivered_stops_the_reading_and_delivering_it_resumes() {
    let (mut peer, mut end) = Peer::open(1);
    end.manners.delivers = false;
    let mut frames = Vec::new();
    for n in 0..10u64 {
        frames.extend_from_slice(&peer.frame(16, &noise(n, 100)));
        frames.extend_from_slice(&peer.frame(code::PING, &EMPTY_LIST));
    }
    end.feed(&frames);
    for n in 1..=10 {
        assert_eq!(end.messages().len(), n);
        assert!(!end.session.get().wants_read());
        assert_eq!(end.session.get().counters().pings_answered, n as u64 - 1);
        // Handing the buffer in again changes nothing.
        let left = end.received.len();
        end.settle();
        assert_eq!(end.received.len(), left);
        end.handle(Input::Delivered);
        end.settle();
    }
    assert!(end.received.is_empty() && end.session.get().wants_read());
    assert_eq!(end.session.get().counters().pings_answered, 10);
}

#[test]
fn a_slow_application_stops_the_wire_and_not_the_memory() {
    let mut pair = Pair::open(1);
    pair.ends[1].manners.delivers = false;
    pair.ends[0].queue = messages(200, 16 * 1024);
    pair.run(Duration::from_secs(5));
    let end = &pair.ends[1];
    assert_eq!(end.messages().len(), 1);
    assert!(end.received.len() <= pair.wires[0].window, "{}", end.received.len());
    assert!(pair.ends[0].queue.len() > 150, "{} wait at their origin", pair.ends[0].queue.len());
    // It wakes up before the sender's time is over.
    pair.ends[1].manners.delivers = true;
    pair.ends[1].handle(Input::Delivered);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.ends[1].messages().len(), 200);
}

#[test]
fn what_waits_to_be_written_does_not_stop_the_reading() {
    let (mut peer, mut end) = Peer::open(1);
    end.queue = messages(20, 8 * 1024);
    end.settle();
    assert!(!end.session.get().wants_send());
    for n in 0..10 {
        peer.say(&mut end, 16, &noise(n, 100));
    }
    assert_eq!(end.messages().len(), 10);
}

#[test]
fn a_message_that_no_frame_holds_is_refused_to_who_makes_it() {
    let pair = Pair::open(1);
    let (_, shared) = pair.ends[0].greeted().unwrap();
    // Noise grows by compression, and without it there is the code.
    let refused = shared.message(0, 0, noise(1, limits::MESSAGE).into());
    assert_eq!(refused, Err(Misuse::MessageTooLarge));
    assert!(shared.message(0, 0, noise(1, limits::MESSAGE - 2048).into()).is_ok());
    let zeros = alloc::vec![0; limits::MESSAGE];
    assert_eq!(shared.message(0, 0, zeros.into()).is_ok(), shared.is_compressed());
    assert_eq!(shared.is_compressed(), cfg!(feature = "std"));
}

#[test]
fn what_is_made_arrives_and_one_byte_more_is_not_made() {
    for version in [4, 5] {
        let (mut peer, mut end) = Peer::open_at_version(1, version);
        let (_, shared) = end.greeted().unwrap();
        let shared = alloc::sync::Arc::clone(shared);
        let largest = bytes::Bytes::from(noise(1, limits::MESSAGE));
        let make = |length| shared.message(0, 0, largest.slice(..length));
        let (mut fits, mut too_large) = (limits::MESSAGE - 4096, limits::MESSAGE);
        while too_large - fits > 1 {
            let between = fits.midpoint(too_large);
            if make(between).is_ok() { fits = between } else { too_large = between }
        }
        assert_eq!(fits == limits::MESSAGE - 1, !shared.is_compressed(), "{fits}");
        end.queue.push_back(make(fits).unwrap());
        end.settle();
        assert!(peer.hear(&mut end) == [(16, largest[..fits].to_vec())]);
        assert_eq!(end.closed(), None);
    }
}

#[test]
fn a_message_for_another_connection_that_no_frame_holds_is_counted_and_dropped() {
    let (mut peer, mut end) = Peer::open(1);
    end.send(0, &b"before"[..]);
    end.send(1, noise(1, limits::MESSAGE));
    end.send(0, &b"behind"[..]);
    assert_eq!(peer.hear(&mut end), [(16, b"before".to_vec()), (16, b"behind".to_vec())]);
    assert_eq!(end.session.get().counters().misaddressed, 1);
    assert_eq!(end.closed(), None);
}

#[test]
fn no_ping_joins_a_backlog() {
    let (mut peer, mut end) = Peer::open(1);
    end.queue = messages(20, 8 * 1024);
    end.settle();
    let waiting = end.unsent.len();
    end.wake_at(end.now.saturating_add(Duration::from_secs(15)));
    assert_eq!(end.unsent.len(), waiting);
    // What left makes room for messages; the next ping comes in its time.
    peer.hear(&mut end);
    peer.hear(&mut end);
    peer.hear(&mut end);
    peer.say(&mut end, 4, b"");
    assert!(end.unsent.is_empty());
    end.wake_at(end.now.saturating_add(Duration::from_secs(15)));
    assert_eq!(peer.hear(&mut end), [(code::PING, EMPTY_LIST.to_vec())]);
}

#[test]
fn answers_behind_a_message_stop_the_reading_until_they_have_left() {
    let (mut peer, mut end) = Peer::open(1);
    end.send(0, noise(1, 1000));
    for _ in 0..100 {
        peer.say(&mut end, code::PING, &EMPTY_LIST);
    }
    assert!(!end.session.get().wants_read() && !end.received.is_empty());
    // The message and the answers leave at once, or one after the other.
    end.handle(Input::Written(500));
    assert!(!end.session.get().wants_read());
    end.accept_writes();
    while !end.unsent.is_empty() {
        end.accept_writes();
    }
    assert!(end.session.get().wants_read() && end.received.is_empty());
    assert_eq!(end.session.get().counters().pings_answered, 100);

    end.send(0, noise(1, 1000));
    for _ in 0..limits::ANSWER_BACKLOG.div_ceil(64) {
        peer.say(&mut end, code::PING, &EMPTY_LIST);
    }
    assert!(!end.session.get().wants_read() && end.received.is_empty());
    end.accept_writes();
    assert!(end.unsent.is_empty() && end.session.get().wants_read());
}
