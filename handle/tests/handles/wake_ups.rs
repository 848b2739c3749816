//! No wake-up is lost, whoever comes when.

use core::future::{Future, poll_fn};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::sync::{Arc, mpsc};
use std::thread;

use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Command, Counters, SessionError};
use futures_lite::future::{block_on, zip};

use crate::rig::{admitted, message};

const QUITTING: Command = Command::Disconnect(DisconnectReason::Quitting);

/// A connection's task between two threads: whatever wakes it while it is
/// looking, about to wait, or waiting, it gets to see.
#[test]
fn no_wake_up_of_a_connection_is_lost() {
    const MANY: u64 = 50_000;
    let (_rig, mut end, peer) = admitted();
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
        end.closed(SessionError::Local(DisconnectReason::Quitting), Counters::default());
    });
    sender.join().unwrap();
}

/// The same with the other thread as close behind as can be: it sends a moment
/// after the task began to look, each time another moment.
#[test]
fn no_wake_up_that_comes_while_the_task_looks_is_lost() {
    const MANY: u64 = 100_000;
    let (_rig, end, peer) = admitted();
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
    let (_rig, end, peer) = admitted();
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
    let (_rig, end, peer) = admitted();
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
