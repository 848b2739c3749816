//! Inputs that are early, late, repeated, out of place or from the past.

use core::time::Duration;

use bytes::BytesMut;

use super::pair::{End, Manners, Pair, local};
use super::peer::Peer;
use crate::machine::Machine as _;
use crate::p2p::{self, DisconnectReason, code};
use crate::session::{Command, Input, SessionError};
use crate::time::{Instant, Now, UnixTime};

#[test]
fn time_that_goes_back_is_taken_for_the_latest_seen() {
    let (mut peer, mut end) = Peer::open(1);
    end.now = Now { mono: Instant::from_secs(10), ..Now::ZERO };
    peer.say(&mut end, 16, b"at ten seconds");
    let deadline = end.session.poll_timeout();
    // A step back of ten seconds: nothing becomes due earlier or later.
    end.now = Now::ZERO;
    peer.say(&mut end, 16, b"at ten seconds, too");
    assert_eq!(end.session.poll_timeout(), deadline);
    end.wake_at(Now::ZERO);
    end.command(Command::Ping);
    peer.hear(&mut end);
    peer.say(&mut end, code::PONG, &p2p::EMPTY_LIST);
    assert_eq!(end.round_trips(), [Duration::ZERO]);
    // The read limit counts from ten seconds.
    end.wake_at(Now { mono: Instant::from_micros(39_999_999), ..Now::ZERO });
    end.accept_writes();
    assert_eq!(end.closed(), None);
    end.wake_at(Now { mono: Instant::from_secs(40), ..Now::ZERO });
    assert!(end.is_over());
}

#[test]
fn the_wall_clock_may_jump_and_nothing_changes() {
    let run = |jumps: bool| {
        let mut pair = Pair::new(1);
        for n in 0..200u64 {
            if jumps {
                pair.now.unix = UnixTime::from_micros(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            }
            pair.run(Duration::from_millis(500));
            if n % 10 == 3 {
                pair.ends[0].send(0, super::pair::noise(n, 100));
            }
        }
        pair.ends.map(|end| (end.session.digest(), end.written))
    };
    assert_eq!(run(true), run(false));
}

/// Says `command` and requires that nothing comes of it.
fn is_void(end: &mut End, command: Command) {
    let before = (end.said.len(), end.written.len(), end.session.poll_timeout());
    end.handle(Input::Command(command));
    let after = (end.said.len(), end.written.len(), end.session.poll_timeout());
    assert_eq!(before, after, "{command:?}");
}

#[test]
fn commands_that_come_too_early_or_too_late_are_void() {
    use Command::{Admit, Ping, Proceed};
    let mut end = End::accept(&local(1), 1, Now::ZERO);
    [Proceed, Admit, Ping].into_iter().for_each(|command| is_void(&mut end, command));

    let (mut peer, mut end) = Peer::dial(1);
    [Admit, Ping].into_iter().for_each(|command| is_void(&mut end, command));
    end.command(Proceed);
    [Proceed, Admit, Ping].into_iter().for_each(|command| is_void(&mut end, command));
    peer.greet(&mut end, p2p::VERSION);
    [Proceed, Ping].into_iter().for_each(|command| is_void(&mut end, command));
    end.command(Admit);
    [Proceed, Admit].into_iter().for_each(|command| is_void(&mut end, command));
    // And the session works.
    peer.say(&mut end, 16, b"still here");
    assert_eq!(end.messages().len(), 1);

    end.command(Command::Disconnect(DisconnectReason::Requested));
    let late = [Proceed, Admit, Ping, Command::Disconnect(DisconnectReason::Quitting)];
    late.into_iter().for_each(|command| is_void(&mut end, command));
    peer.hear(&mut end);
    late.into_iter().for_each(|command| is_void(&mut end, command));
    end.lose(crate::session::Lost::Closed);
    assert_eq!(end.closed(), Some(SessionError::Local(DisconnectReason::Requested)));
    late.into_iter().for_each(|command| is_void(&mut end, command));
}

#[test]
fn early_and_repeated_time_outs_do_nothing() {
    let run = |nervous: bool| {
        let mut pair = Pair::new(1);
        for n in 0..2000u64 {
            pair.run(Duration::from_millis(20));
            if nervous {
                for end in &mut pair.ends {
                    (0..3).for_each(|_| end.handle(Input::Timeout));
                }
            }
            if n % 100 == 50 {
                pair.ends[1].send(1, super::pair::noise(n, 100));
            }
        }
        pair.ends.map(|end| (end.session.digest(), end.written))
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn what_is_delivered_or_written_without_having_been_asked_for_does_no_harm() {
    let (mut peer, mut end) = Peer::open(1);
    end.handle(Input::Delivered);
    end.handle(Input::Written(usize::MAX));
    end.handle(Input::Written(0));
    end.handle(Input::Received(&mut BytesMut::new()));
    end.handle(Input::Send(&mut [].into()));
    end.manners.delivers = false;
    peer.say(&mut end, 16, b"one");
    peer.say(&mut end, 16, b"two");
    assert_eq!(end.messages().len(), 1);
    end.handle(Input::Delivered);
    end.handle(Input::Delivered);
    end.settle();
    assert_eq!(end.messages().len(), 2);
}

#[test]
fn messages_to_send_wait_until_the_session_is_open() {
    let (mut peer, mut end) = Peer::accept(1);
    end.manners = Manners::NONE;
    end.send(0, &b"patience"[..]);
    assert_eq!(end.queue.len(), 1);
    end.command(Command::Proceed);
    peer.greet(&mut end, p2p::VERSION);
    assert_eq!(end.queue.len(), 1);
    end.command(Command::Admit);
    assert!(end.queue.is_empty());
    assert_eq!(peer.hear(&mut end), [(16, b"patience".to_vec())]);
}

#[test]
fn at_the_end_of_time_it_is_over_and_nothing_panics() {
    // The five seconds end with the clock.
    let late = Now { mono: Instant::from_micros(u64::MAX - 1), ..Now::ZERO };
    let mut end = End::accept(&local(1), 1, late);
    end.wake_at(late);
    assert!(!end.is_over());
    end.wake_at(Now { mono: Instant::MAX, ..Now::ZERO });
    assert!(end.is_over());
    let (_, mut end) = Peer::open(1);
    end.wake_at(Now { mono: Instant::MAX, unix: UnixTime::from_micros(u64::MAX) });
    assert!(end.is_over());
}
