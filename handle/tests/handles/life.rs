//! Tasks die, connections end at any time, nodes go: everyone hears of it, and
//! nothing stays behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread;

use devp2p_core::p2p::{DisconnectReason, Shared};
use devp2p_core::session::{Command, Counters, Lost, SessionError};
use devp2p_handle::adapter::ConnectionEnd;
use devp2p_handle::{DialError, Event, Peer, SendError};
use futures_lite::future::{block_on, zip};

use crate::rig::{Rig, admitted, begin, done, shared};

const DIED: SessionError = SessionError::Lost(Lost::Failed);
const ENDED: SessionError = SessionError::Lost(Lost::Closed);

/// A task that panics while it holds this.
fn panic_with<T: Send + 'static>(held: T) {
    let task = thread::spawn(move || {
        let _held = held;
        // Without a word on standard error.
        std::panic::resume_unwind(Box::new("a task panics"));
    });
    assert!(task.join().is_err());
}

#[test]
fn a_connection_whose_task_dies_leaves_nobody_waiting() {
    block_on(async {
        let (mut rig, end, peer) = admitted();
        let channel = peer.channel("echo").unwrap();
        while channel.try_send(0, "full").is_ok() {}
        let sending = zip(channel.send(0, "waits"), channel.receive());
        let waiting = zip(sending, zip(peer.ping(), peer.closed()));
        let dying = async {
            panic_with(end);
            rig.turn();
        };
        let (((sent, received), (pinged, closed)), ()) = zip(waiting, dying).await;
        assert_eq!(sent, Err(SendError::Closed(DIED)));
        assert_eq!((received, pinged, closed), (None, None, DIED));
    });
}

#[test]
fn a_connection_whose_task_dies_frees_its_place_and_the_node_goes_on() {
    let mut rig = Rig::new(1);
    for round in 1..=3 {
        // In the middle of the handshake, before the node has heard that it is
        // through, before the task has heard that it is admitted, and after.
        panic_with(rig.accept(1));
        let mut end = rig.accept(1);
        rig.shake_hands(&mut end, 1);
        panic_with(end);
        rig.turn();
        for _ in 0..2 {
            match rig.event() {
                Event::Failed(failure) => assert_eq!(failure.error, DIED),
                Event::Connected(peer) => assert_eq!(peer.end(), Some(DIED)),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(rig.event(), Event::Disconnected { error: DIED, .. }));
        for takes_it in [false, true] {
            let (mut end, peer) = rig.join(1);
            if takes_it {
                assert_eq!(end.next_command(), Some(Command::Admit));
            }
            assert_eq!(rig.snapshot().node.peers.len(), 1);
            panic_with(end);
            rig.turn();
            assert_eq!(done(peer.closed()), DIED);
            assert!(matches!(rig.event(), Event::Disconnected { error: DIED, .. }));
        }
        let snapshot = rig.snapshot().node;
        assert_eq!((snapshot.peers.len(), snapshot.pending_inbound, rig.end.live()), (0, 0, 0));
        assert_eq!(rig.node.ends().lost, 4 * round);
    }
}

#[test]
fn an_application_whose_task_dies_ends_its_connection() {
    let (_rig, mut end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    drop(peer);
    panic_with(channel);
    let quitting = Command::Disconnect(DisconnectReason::Quitting);
    assert_eq!(end.next_command(), Some(quitting));
}

#[test]
fn an_application_that_dies_while_it_dials_gives_the_dial_up() {
    let mut rig = Rig::new(1);
    let mut dial = Box::pin(rig.dial(1));
    begin(&mut dial);
    rig.turn();
    let mut end = rig.dials.pop().unwrap();
    panic_with(dial);
    rig.turn();
    assert_eq!(end.next_command(), Some(Command::Disconnect(DisconnectReason::Quitting)));
}

#[test]
fn an_application_that_dies_when_its_dial_is_through_ends_the_connection() {
    let mut rig = Rig::new(1);
    let mut dial = Box::pin(rig.dial(1));
    begin(&mut dial);
    rig.turn();
    let mut end = rig.dials.pop().unwrap();
    end.connected();
    rig.shake_hands(&mut end, 1);
    rig.turn();
    // The answer is there, and nobody has looked at it.
    panic_with(dial);
    assert_eq!(end.next_command(), Some(Command::Admit));
    assert_eq!(end.next_command(), Some(Command::Disconnect(DisconnectReason::Quitting)));
}

/// As when an executor is dropped.
#[test]
fn a_node_whose_task_dies_leaves_nobody_waiting() {
    let mut rig = Rig::new(4);
    let (mut end, peer) = rig.join(1);
    let (_dialled_end, dialled) = rig.reach(2);
    let mut waiting = Box::pin(rig.dial(3));
    begin(&mut waiting);
    rig.turn();
    let Rig { node, end: node_end, .. } = rig;
    panic_with(node_end);
    assert_eq!((done(peer.closed()), done(dialled.closed())), (DIED, DIED));
    assert!(matches!(done(waiting), Err(DialError::Stopped)));
    assert!(done(node.next_event()).is_none());
    assert_eq!(end.next_command(), Some(Command::Admit));
    assert_eq!(end.next_command(), Some(Command::Disconnect(DisconnectReason::Quitting)));
    // Nobody is left to hear it.
    end.closed(ENDED, Counters::default());
}

#[test]
fn a_connection_that_outlasts_a_stop_is_told_of_when_the_time_is_over() {
    let mut rig = Rig::new(2);
    let (_, dialled) = rig.reach(1);
    let (end, visitor) = rig.join(2);
    let node = rig.node.clone();
    let mut stop = Box::pin(node.stop());
    begin(&mut stop);
    rig.turn();
    // One of them has ended in time.
    assert_eq!(done(dialled.closed()), DIED);
    assert_eq!(visitor.end(), None);
    rig.time_out();
    let quitting = SessionError::Local(DisconnectReason::Quitting);
    assert_eq!(done(visitor.closed()), quitting);
    assert!(matches!(rig.event(), Event::Disconnected { error, .. } if error == quitting));
    // Its task is waited for, and changes nothing more.
    assert_eq!(rig.end.live(), 1);
    end.closed(ENDED, Counters::default());
    rig.turn();
    assert_eq!((visitor.end(), rig.end.live()), (Some(quitting), 0));
}

/// A connection that is being admitted, and what shows whether anything of it
/// stays behind: peers hold what both sides have.
struct Watched {
    rig: Rig,
    end: ConnectionEnd,
    stays: Weak<Shared>,
}

impl Watched {
    /// The node has not heard yet that the handshakes are through.
    fn new() -> Self {
        let mut rig = Rig::new(1);
        let mut end = rig.accept(1);
        let shared = shared();
        let stays = Arc::downgrade(&shared);
        rig.shake_hands_over(&mut end, 1, shared);
        Self { rig, end, stays }
    }

    fn peer(&self) -> Peer {
        let Event::Connected(peer) = self.rig.event() else { panic!() };
        peer
    }
}

#[test]
fn nothing_stays_of_a_connection_that_ends_before_its_admission() {
    let Watched { mut rig, end, stays } = Watched::new();
    end.closed(ENDED, Counters::default());
    assert_eq!(stays.strong_count(), 1);
    rig.turn();
    // It was admitted, and is over.
    assert!(matches!(rig.event(), Event::Connected(peer) if peer.end() == Some(ENDED)));
    assert!(matches!(rig.event(), Event::Disconnected { error: ENDED, .. }));
    assert_eq!(stays.strong_count(), 0);
}

#[test]
fn nothing_stays_of_a_connection_that_ends_before_it_knows_of_its_admission() {
    for keeps_peer in [false, true] {
        let mut watched = Watched::new();
        watched.rig.turn();
        let peer = watched.peer();
        let peer = keeps_peer.then_some(peer);
        let Watched { mut rig, end, stays } = watched;
        end.closed(ENDED, Counters::default());
        rig.turn();
        assert!(matches!(rig.event(), Event::Disconnected { .. }));
        assert_eq!(stays.strong_count(), usize::from(keeps_peer));
        drop(peer);
        assert_eq!(stays.strong_count(), 0);
    }
}

#[test]
fn nothing_stays_of_a_connection_that_ends_after_its_admission() {
    for keeps_peer in [false, true] {
        let mut watched = Watched::new();
        watched.rig.turn();
        let peer = watched.peer();
        assert_eq!(watched.end.next_command(), Some(Command::Admit));
        let peer = keeps_peer.then_some(peer);
        let Watched { mut rig, end, stays } = watched;
        end.closed(ENDED, Counters::default());
        rig.turn();
        assert!(matches!(rig.event(), Event::Disconnected { .. }));
        drop(peer);
        assert_eq!(stays.strong_count(), 0);
    }
}

/// Whoever goes last, and whenever the node does.
#[test]
fn nothing_stays_when_the_node_goes_first() {
    for (hears, ended, knows) in [
        (false, false, false),
        (false, true, false),
        (true, false, false),
        (true, true, false),
        (true, false, true),
        (true, true, true),
    ] {
        let Watched { mut rig, mut end, stays } = Watched::new();
        if hears {
            rig.turn();
        }
        if knows {
            assert_eq!(end.next_command(), Some(Command::Admit));
        }
        let mut end = Some(end);
        if ended {
            drop(end.take());
        }
        drop(rig);
        drop(end);
        assert_eq!(stays.strong_count(), 0, "{hears} {ended} {knows}");
    }
}

/// The admission comes when the task has ended, and the end is never heard of.
#[test]
fn nothing_stays_of_a_connection_that_is_admitted_too_late() {
    let Watched { mut rig, end, stays } = Watched::new();
    let first = rig.end.try_next().unwrap();
    drop(end);
    rig.requested(first);
    assert!(matches!(rig.event(), Event::Connected(_)));
    drop(rig);
    assert_eq!(stays.strong_count(), 0);
}

#[test]
fn a_panic_while_messages_are_lent_harms_nobody() {
    let (mut rig, end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    channel.try_send(0, "lent").unwrap();
    let died = catch_unwind(AssertUnwindSafe(|| {
        end.with_messages(|_| std::panic::resume_unwind(Box::new("a task panics")));
    }));
    assert!(died.is_err());
    drop(end);
    assert!(!matches!(channel.try_send(0, "more"), Err(SendError::Misuse(_))));
    rig.turn();
    assert_eq!(channel.try_send(0, "more"), Err(SendError::Closed(DIED)));
}
