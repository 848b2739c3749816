//! The handles from both ends: an application's, and an adapter's that has no
//! runtime and no sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::sync::{Arc, mpsc};
use std::thread;

use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::Enode;
use devp2p_core::limits;
use devp2p_core::p2p::{
    Capability, DisconnectReason, Hello, LocalCapabilities, LocalCapability, Message,
};
use devp2p_core::session::{Command, Greeting, Local, Lost, SessionError};
use devp2p_handle::adapter::{self, Admitted, ConnectionEnd, Request};
use devp2p_handle::{DialError, Direction, Event, Failure, Peer, SendError, Stopped};
use futures_lite::future::{block_on, poll_once, zip};

fn key() -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(7).secrets())
}

fn local() -> Arc<Local> {
    let greeting = Greeting::Offer(LocalCapabilities::default());
    Arc::new(Local::new(key(), "handle", greeting).unwrap())
}

fn admitted() -> (ConnectionEnd, Peer) {
    let offer = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)]).unwrap();
    let capabilities = vec![Capability::new("echo", 1)];
    let public_key = key().public_key();
    let (mut end, _) = ConnectionEnd::new();
    let peer = end.admitted(Admitted {
        public_key,
        address: "127.0.0.1:30303".parse().unwrap(),
        direction: Direction::Inbound,
        shared: Arc::new(offer.shared_with(&capabilities)),
        hello: Hello {
            version: 5,
            client_name: "other".into(),
            capabilities,
            listen_port: 0,
            id: *public_key.as_bytes(),
        },
        handshake: Duration::from_millis(1),
    });
    (end, peer)
}

fn message(code: u64) -> Message {
    let offer = LocalCapabilities::new([LocalCapability::new("echo", 1, u64::MAX)]).unwrap();
    let shared = offer.shared_with(&[Capability::new("echo", 1)]);
    shared.message(0, code, b"payload".as_slice().into()).unwrap()
}

fn failed() -> Event {
    Event::Failed(Failure {
        address: "127.0.0.1:1".parse().unwrap(),
        public_key: None,
        error: SessionError::Lost(Lost::Closed),
    })
}

const QUITTING: Command = Command::Disconnect(DisconnectReason::Quitting);

#[test]
fn requests_that_an_adapter_drops_are_answered_though_the_node_lives_on() {
    block_on(async {
        let (node, requests, _events) = adapter::node(local(), None);
        let enode = Enode::incomplete(*node.local().public());
        let (mut dial, mut stop) = (Box::pin(node.dial(&enode)), Box::pin(node.stop()));
        assert!(poll_once(&mut dial).await.is_none());
        assert!(poll_once(&mut stop).await.is_none());
        drop(requests);
        assert!(matches!(poll_once(dial).await, Some(Err(DialError::Stopped))));
        assert_eq!(poll_once(stop).await, Some(Err(Stopped)));
        // Those made later as well.
        assert!(matches!(poll_once(node.dial(&enode)).await, Some(Err(DialError::Stopped))));
        assert_eq!(poll_once(node.stop()).await, Some(Err(Stopped)));
    });
}

#[test]
fn an_adapter_sees_that_nobody_waits_for_a_dial_any_more() {
    block_on(async {
        let (node, requests, _events) = adapter::node(local(), None);
        let enode = node.enode();
        let mut dial = Box::pin(node.dial(&enode));
        assert!(poll_once(&mut dial).await.is_none());
        let Some(Request::Dial { answer, .. }) = requests.next().await else { panic!() };
        let mut closed = pin!(answer.closed());
        assert!(poll_once(&mut closed).await.is_none());
        drop(dial);
        assert!(poll_once(&mut closed).await.is_some());
    });
}

#[test]
fn the_requests_end_with_the_last_handle_of_the_node() {
    let (node, requests, _events) = adapter::node(local(), None);
    let clone = node.clone();
    drop(node);
    assert!(block_on(poll_once(requests.next())).is_none());
    drop(clone);
    assert!(matches!(block_on(poll_once(requests.next())), Some(None)));
}

#[test]
fn telling_never_waits_and_loses_nothing() {
    block_on(async {
        let (node, _requests, events) = adapter::node(local(), None);
        for _ in 0..3 * limits::NODE_EVENTS {
            events.tell(failed());
        }
        drop(events);
        for _ in 0..3 * limits::NODE_EVENTS {
            assert!(matches!(node.next_event().await, Some(Event::Failed(_))));
        }
        assert!(node.next_event().await.is_none());
    });
}

#[test]
fn there_is_room_when_enough_events_have_been_taken() {
    block_on(async {
        let (node, _requests, events) = adapter::node(local(), None);
        for _ in 0..limits::NODE_EVENTS {
            events.tell(failed());
            assert!(poll_once(events.room()).await.is_some());
        }
        events.tell(failed());
        let mut room = pin!(events.room());
        assert!(poll_once(&mut room).await.is_none());
        node.next_event().await;
        assert!(poll_once(&mut room).await.is_some());
    });
}

#[test]
fn nobody_waits_for_room_when_the_node_stops_or_nobody_can_make_any() {
    for hurry in [true, false] {
        let (node, _requests, events) = adapter::node(local(), None);
        for _ in 0..=limits::NODE_EVENTS {
            events.tell(failed());
        }
        let end = async {
            if hurry {
                events.hurry();
            }
            drop(node);
        };
        block_on(zip(events.room(), end));
    }
}

#[test]
fn events_that_nobody_can_take_hold_no_peer() {
    let (node, _requests, events) = adapter::node(local(), None);
    let [(before, told_before), (after, told_after)] = [admitted(), admitted()];
    events.tell(Event::Connected(told_before));
    assert_eq!(before.next_command(), None);
    drop(node);
    assert_eq!(before.next_command(), Some(QUITTING));
    events.tell(Event::Connected(told_after));
    assert_eq!(after.next_command(), Some(QUITTING));
}

#[test]
fn the_last_handle_of_a_peer_ends_it_whichever_it_is() {
    let (end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    let clone = peer.clone();
    drop(peer);
    drop(channel);
    assert_eq!(end.next_command(), None);
    let channel = clone.channel("echo").unwrap();
    drop(clone);
    assert_eq!(end.next_command(), None);
    drop(channel);
    assert_eq!(end.next_command(), Some(QUITTING));
}

#[test]
fn what_found_no_room_can_be_read_after_the_end() {
    block_on(async {
        let (end, peer) = admitted();
        let channel = peer.channel("echo").unwrap();
        let most = limits::CHANNEL_MESSAGES as u64;
        assert!((0..most).all(|code| end.deliver(message(code)).is_ok()));
        let held = end.deliver(message(most)).unwrap_err();
        end.deliver_last(held);
        end.closed(SessionError::Remote(DisconnectReason::Requested));
        for code in 0..=most {
            assert_eq!(channel.receive().await.map(|message| message.code()), Some(code));
        }
        assert_eq!(channel.receive().await, None);
    });
}

#[test]
fn a_connection_whose_task_dies_leaves_nobody_waiting() {
    block_on(async {
        let (end, peer) = admitted();
        let channel = peer.channel("echo").unwrap();
        while channel.try_send(0, "full").is_ok() {}
        let ended = SessionError::Lost(Lost::Failed);
        let sending = zip(channel.send(0, "waits"), channel.receive());
        let waiting = zip(sending, zip(peer.ping(), peer.closed()));
        let (((sent, received), (pinged, closed)), ()) = zip(waiting, async { drop(end) }).await;
        assert_eq!(sent, Err(SendError::Closed(ended)));
        assert_eq!((received, pinged, closed), (None, None, ended));
    });
}

#[test]
fn one_round_trip_answers_all_who_ask_and_none_who_asks_later() {
    block_on(async {
        let (end, peer) = admitted();
        let mut both = Box::pin(zip(peer.ping(), peer.ping()));
        assert!(poll_once(&mut both).await.is_none());
        assert_eq!(end.next_command(), Some(Command::Ping));
        assert_eq!(end.next_command(), None);
        let took = Duration::from_micros(5);
        end.round_trip(took);
        assert_eq!(poll_once(&mut both).await, Some((Some(took), Some(took))));
        assert_eq!(poll_once(peer.ping()).await, None);
    });
}

/// A connection's task between two threads: whatever wakes it while it is
/// looking, about to wait, or waiting, it gets to see.
#[test]
fn no_wake_up_of_a_connection_is_lost() {
    const MANY: u64 = 50_000;
    let (end, peer) = admitted();
    let sender = thread::spawn(move || {
        let channel = peer.channel("echo").unwrap();
        block_on(async {
            for _ in 0..MANY {
                channel.send(1, "").await.unwrap();
                assert!(channel.receive().await.is_some());
            }
        });
    });
    block_on(async {
        let mut echoed = 0;
        loop {
            let mut messages = Vec::new();
            end.with_messages(|queue| messages.extend(queue.drain(..)));
            echoed += messages.len() as u64;
            for message in messages {
                end.deliver(message).unwrap();
            }
            if end.next_command() == Some(QUITTING) {
                break;
            }
            poll_fn(|cx| end.poll_work(cx)).await;
        }
        assert_eq!(echoed, MANY);
        end.closed(SessionError::Local(DisconnectReason::Quitting));
    });
    sender.join().unwrap();
}

/// The same with the other thread as close behind as can be: it sends a moment
/// after the task began to look, each time another moment.
#[test]
fn no_wake_up_that_comes_while_the_task_looks_is_lost() {
    const MANY: u64 = 100_000;
    let (end, peer) = admitted();
    let looking = Arc::new(AtomicU64::new(0));
    let begun = Arc::clone(&looking);
    let sender = thread::spawn(move || {
        let channel = peer.channel("echo").unwrap();
        for round in 1..=MANY {
            while begun.load(Ordering::Acquire) < round {
                core::hint::spin_loop();
            }
            for _ in 0..round % 64 {
                core::hint::spin_loop();
            }
            channel.try_send(1, "").unwrap();
        }
        channel
    });
    let (done, is_done) = mpsc::channel();
    let task = thread::spawn(move || {
        block_on(async {
            for round in 1..=MANY {
                looking.store(round, Ordering::Release);
                loop {
                    let mut taken = false;
                    poll_fn(|cx| end.poll_work(cx)).await;
                    end.with_messages(|queue| taken = queue.drain(..).next().is_some());
                    if taken {
                        break;
                    }
                }
            }
        });
        done.send(()).unwrap();
        end
    });
    is_done.recv_timeout(Duration::from_secs(30)).expect("asleep for ever");
    drop((sender.join().unwrap(), task.join().unwrap()));
}

/// A message that found no room is taken up again when there is some.
#[test]
fn no_room_made_by_a_reader_is_missed() {
    const MANY: u64 = 100_000;
    let (end, peer) = admitted();
    let reader = thread::spawn(move || {
        let channel = peer.channel("echo").unwrap();
        block_on(async {
            for code in 0..MANY {
                assert_eq!(channel.receive().await.map(|message| message.code()), Some(code));
            }
        });
        channel
    });
    block_on(async {
        for code in 0..MANY {
            let mut held = Some(message(code));
            poll_fn(|cx| {
                loop {
                    let Some(message) = held.take() else { return Poll::Ready(()) };
                    held = end.deliver(message).err();
                    if held.is_some() && end.poll_work(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            })
            .await;
        }
    });
    drop(reader.join().unwrap());
}

/// Waiting is not done by looking again and again.
#[test]
fn who_waits_is_not_woken_for_nothing() {
    let (end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    let mut receive = Box::pin(channel.receive());
    let mut polls = 0;
    block_on(async {
        let counted = poll_fn(|cx| {
            polls += 1;
            receive.as_mut().poll(cx)
        });
        let deliver = async { end.deliver(message(3)).unwrap() };
        let (received, ()) = zip(counted, deliver).await;
        assert_eq!(received.map(|message| message.code()), Some(3));
    });
    assert_eq!(polls, 2);
}
