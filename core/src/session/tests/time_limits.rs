//! Every time limit, to the microsecond.

use core::time::Duration;

use bytes::BytesMut;

use super::pair::{End, Manners, Pair, local, noise};
use super::peer::Peer;
use crate::limits;
use crate::machine::Machine as _;
use crate::p2p::{DisconnectReason, EMPTY_LIST, code};
use crate::session::{Command, Input, Phase, SessionError};
use crate::time::Now;

const MICRO: Duration = Duration::from_micros(1);

/// Nothing happens until `limit` has passed, and then `error` does.
fn closes_after(end: &mut End, limit: Duration, error: SessionError) {
    let start = end.now;
    let (said, written) = (end.said.len(), end.written.len());
    assert_eq!(end.session.poll_timeout().map(|due| due.at), Some(start.mono + limit));
    end.wake_at(start.saturating_add(limit - MICRO));
    assert_eq!((end.said.len(), end.written.len()), (said, written), "a microsecond before");
    end.wake_at(start.saturating_add(limit));
    assert_eq!(end.closed(), Some(error));
    assert_eq!(end.written.len(), written, "in silence");
}

fn later(end: &End, by: Duration) -> Now {
    end.now.saturating_add(by)
}

#[test]
fn an_accepted_connection_on_which_nothing_comes_ends_after_5_s() {
    let mut end = End::accept(&local(1), 1, Now::ZERO);
    let error = SessionError::TimedOut(Phase::EncryptionHandshake);
    closes_after(&mut end, Duration::from_secs(5), error);
}

#[test]
fn a_dialled_connection_on_which_no_ack_comes_ends_after_5_s() {
    let mut end = End::dial(&local(1), *local(0).public(), 1, Now::ZERO);
    end.accept_writes();
    let error = SessionError::TimedOut(Phase::EncryptionHandshake);
    closes_after(&mut end, Duration::from_secs(5), error);
}

#[test]
fn dribbling_the_auth_does_not_extend_its_time() {
    let mut pair = Pair::new(1);
    // 2 bytes a tenth of a second: some 20 seconds for an auth.
    pair.wires[0].chunk = 2;
    pair.wires[0].pace = Duration::from_millis(100);
    pair.run(limits::ENCRYPTION_HANDSHAKE_TIMEOUT - MICRO);
    assert!(!pair.ends[1].is_over());
    pair.run(MICRO);
    let error = SessionError::TimedOut(Phase::EncryptionHandshake);
    assert_eq!(pair.ends[1].closed(), Some(error));
    assert!(pair.ends[1].written.is_empty());
}

#[test]
fn the_first_admission_may_take_5_s() {
    for (_, mut end) in [Peer::dial(1), Peer::accept(1)] {
        let error = SessionError::TimedOut(Phase::Admission);
        closes_after(&mut end, Duration::from_secs(5), error);
    }
}

#[test]
fn the_hello_may_take_5_s_from_the_first_admission() {
    let (mut peer, mut end) = Peer::dial(1);
    end.wake_at(later(&end, Duration::from_secs(4)));
    end.command(Command::Proceed);
    peer.hear(&mut end);
    // Its first bytes do not extend the time.
    let hello = peer.hello().encode();
    let frame = peer.frame(code::HELLO, &hello);
    end.feed(&frame[..frame.len() - 1]);
    closes_after(&mut end, Duration::from_secs(5), SessionError::TimedOut(Phase::Hello));
}

#[test]
fn the_second_admission_may_take_5_s() {
    let (mut peer, mut end) = Peer::accept(1);
    end.command(Command::Proceed);
    peer.greet(&mut end, crate::p2p::VERSION);
    assert!(end.greeted().is_some());
    closes_after(&mut end, Duration::from_secs(5), SessionError::TimedOut(Phase::Admission));
}

/// Passes the ping that comes in between, and lets it leave.
fn pass_ping(peer: &mut Peer, end: &mut End) {
    let due = end.session.poll_timeout().unwrap();
    assert_eq!(due.reason, "ping");
    end.wake_at(Now { mono: due.at, ..end.now });
    assert_eq!(peer.hear(end), [(code::PING, EMPTY_LIST.to_vec())]);
}

#[test]
fn a_peer_that_is_silent_for_30_s_is_gone() {
    let (mut peer, mut end) = Peer::open(1);
    pass_ping(&mut peer, &mut end);
    // At 30 s the next ping would be due as well: nobody is there to hear it.
    let error = SessionError::TimedOut(Phase::Read);
    closes_after(&mut end, Duration::from_secs(15), error);
}

#[test]
fn any_frame_of_the_peers_starts_the_30_s_again() {
    let (mut peer, mut end) = Peer::open(1);
    for code in [code::PONG, code::PING, 4, 16] {
        end.wake_at(later(&end, Duration::from_secs(14)));
        end.accept_writes();
        peer.say(&mut end, code, &EMPTY_LIST);
    }
    // At 56 s; pings at 15, 30, 45, so the next is due at 60 and then at 75.
    end.accept_writes();
    end.wake_at(later(&end, Duration::from_secs(4)));
    end.accept_writes();
    end.wake_at(later(&end, Duration::from_secs(15)));
    end.accept_writes();
    closes_after(&mut end, Duration::from_secs(11), SessionError::TimedOut(Phase::Read));
}

#[test]
fn dribbling_a_frame_does_not_extend_the_30_s() {
    let (mut peer, mut end) = Peer::open_at_version(1, 4);
    let frame = peer.raw_frame(16, &alloc::vec![0; limits::FRAME - 1]);
    let start = end.now;
    let mut fed = 0;
    for second in 0..30 {
        end.wake_at(start.saturating_add(Duration::from_secs(second)));
        end.accept_writes();
        assert_eq!(end.closed(), None, "at {second} s");
        end.feed(&frame[fed..fed + 1000]);
        fed += 1000;
        // All of it waits in the caller's buffer, the header apart.
        assert_eq!(end.received.len(), fed - 32);
    }
    end.wake_at(start.saturating_add(Duration::from_secs(30) - MICRO));
    assert_eq!(end.closed(), None);
    end.wake_at(start.saturating_add(Duration::from_secs(30)));
    assert_eq!(end.closed(), Some(SessionError::TimedOut(Phase::Read)));
}

#[test]
fn the_30_s_do_not_run_while_our_application_takes_its_time() {
    let (mut peer, mut end) = Peer::open(1);
    end.manners.delivers = false;
    peer.say(&mut end, 16, b"slowly, please");
    for _ in 0..40 {
        pass_ping(&mut peer, &mut end);
    }
    assert_eq!(end.now.mono.as_micros(), 600_000_000);
    end.handle(Input::Delivered);
    pass_ping(&mut peer, &mut end);
    closes_after(&mut end, Duration::from_secs(15), SessionError::TimedOut(Phase::Read));
}

#[test]
fn what_is_written_must_be_accepted_within_20_s() {
    let (mut peer, mut end) = Peer::open(1);
    let start = end.now;
    end.send(0, &b"hello?"[..]);
    // The other's pings keep the 30 s away, ours adds to what is not accepted.
    end.wake_at(start.saturating_add(Duration::from_secs(15)));
    peer.say(&mut end, 4, b"");
    let error = SessionError::TimedOut(Phase::Write);
    closes_after(&mut end, Duration::from_secs(5), error);
}

#[test]
fn accepting_a_part_does_not_extend_the_20_s() {
    let (_, mut end) = Peer::open(1);
    end.send(0, noise(1, 50_000));
    end.now = later(&end, Duration::from_secs(10));
    end.handle(Input::Written(49_000));
    end.wake_at(later(&end, Duration::from_secs(5)));
    closes_after(&mut end, Duration::from_secs(5), SessionError::TimedOut(Phase::Write));
}

#[test]
fn what_was_written_later_has_its_own_20_s_once_the_first_has_left() {
    let (mut peer, mut end) = Peer::open(1);
    let start = end.now;
    end.send(0, noise(1, 1000));
    let first = end.unsent.len();
    end.now = start.saturating_add(Duration::from_secs(10));
    end.send(0, noise(2, 1000));
    end.now = start.saturating_add(Duration::from_secs(14));
    end.handle(Input::Written(first));
    peer.say(&mut end, 4, b"");
    // Now the second is due: at 34 s.
    end.wake_at(start.saturating_add(Duration::from_secs(15)));
    end.wake_at(start.saturating_add(Duration::from_secs(30)));
    peer.say(&mut end, 4, b"");
    closes_after(&mut end, Duration::from_secs(4), SessionError::TimedOut(Phase::Write));
}

#[test]
fn a_peer_that_reads_nothing_is_given_up_after_20_s_and_one_that_reads_slowly_is_not() {
    for (pace, survives) in [(Duration::from_millis(500), true), (Duration::from_secs(3600), false)]
    {
        let mut pair = Pair::open(1);
        // 8 kB every half second, so that 480 kB take half a minute.
        pair.wires[0].window = 16 * 1024;
        pair.wires[0].chunk = 8 * 1024;
        pair.wires[0].pace = pace;
        for n in 0..60 {
            pair.ends[0].send(0, noise(n, 8 * 1024));
        }
        pair.run(Duration::from_secs(60));
        let closed = (!survives).then_some(SessionError::TimedOut(Phase::Write));
        assert_eq!(pair.ends[0].closed(), closed);
        assert_eq!(pair.ends[1].messages().len() == 60, survives);
    }
}

#[test]
fn a_ping_leaves_every_15_s_whatever_else_is_sent() {
    let (mut peer, mut end) = Peer::open(1);
    let start = end.now;
    for second in 1..=60 {
        end.wake_at(start.saturating_add(Duration::from_secs(second) - MICRO));
        assert!(peer.hear(&mut end).is_empty(), "before {second} s");
        end.wake_at(start.saturating_add(Duration::from_secs(second)));
        let pings: &[_] = if second % 15 == 0 { &[(code::PING, EMPTY_LIST.to_vec())] } else { &[] };
        assert_eq!(peer.hear(&mut end), pings, "at {second} s");
        end.send(0, &b"else"[..]);
        peer.hear(&mut end);
        peer.say(&mut end, code::PONG, &EMPTY_LIST);
    }
    assert_eq!(end.round_trips().len(), 4);
}

#[test]
fn a_quiet_pair_lives_on_its_pings() {
    let mut pair = Pair::open(1);
    pair.run(Duration::from_secs(3600));
    for end in &pair.ends {
        assert_eq!(end.closed(), None);
        assert_eq!(end.round_trips().len(), 240);
    }
}

#[test]
fn a_disconnect_that_does_not_leave_is_given_up_after_1_s() {
    let (_, mut end) = Peer::open(1);
    end.command(Command::Disconnect(DisconnectReason::Quitting));
    let error = SessionError::Local(DisconnectReason::Quitting);
    assert_eq!(end.closed(), None);
    closes_after(&mut end, Duration::from_secs(1), error);
}

#[test]
fn a_disconnect_that_left_waits_2_s_for_the_other_to_close() {
    let (mut peer, mut end) = Peer::open(1);
    end.command(Command::Disconnect(DisconnectReason::Quitting));
    end.now = later(&end, Duration::from_millis(900));
    assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::Quitting);
    assert_eq!(end.closed(), None);
    let error = SessionError::Local(DisconnectReason::Quitting);
    closes_after(&mut end, Duration::from_secs(2), error);
}

#[test]
fn no_time_limit_is_left_out_when_time_leaps() {
    // A machine that slept: everything is due at once, one reason is given.
    let leap = Duration::from_secs(1 << 30);
    let mut fresh = End::accept(&local(1), 1, Now::ZERO);
    fresh.wake_at(later(&fresh, leap));
    let error = SessionError::TimedOut(Phase::EncryptionHandshake);
    assert_eq!(fresh.closed(), Some(error));
    let (_, mut open) = Peer::open(1);
    open.wake_at(later(&open, leap));
    assert_eq!(open.closed(), Some(SessionError::TimedOut(Phase::Read)));
    let (_, mut closing) = Peer::open(1);
    closing.command(Command::Disconnect(DisconnectReason::Quitting));
    closing.wake_at(later(&closing, leap));
    assert_eq!(closing.closed(), Some(SessionError::Local(DisconnectReason::Quitting)));
}

#[test]
fn a_limit_that_has_passed_wins_over_what_arrives_then() {
    let (mut peer, mut end) = Peer::open(1);
    let mut frame = peer.frame(16, b"too late");
    end.now = later(&end, Duration::from_secs(30));
    end.handle(Input::Received(&mut frame));
    assert_eq!(end.closed(), Some(SessionError::TimedOut(Phase::Read)));
    assert!(end.messages().is_empty());
    let mut nothing = BytesMut::new();
    end.handle(Input::Received(&mut nothing));
}

#[test]
fn an_end_with_no_manners_still_ends() {
    // Whatever phase the node forgets it in.
    let mut pair = Pair::new(1);
    pair.ends[0].manners = Manners { admits: false, ..Manners::ALL };
    pair.ends[1].manners = Manners::NONE;
    pair.run(Duration::from_secs(20));
    assert!(pair.ends.iter().all(End::is_over));
}
