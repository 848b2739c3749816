//! The bounded queue, alone and between threads.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use bytes::Bytes;
use devp2p_core::p2p::{Capability, LocalCapabilities, LocalCapability};
use futures_lite::future::{block_on, poll_once};

use super::*;

fn message(code: u64, size: usize) -> Message {
    // Codes without end: a queue looks at sizes alone.
    let offer = LocalCapabilities::new([LocalCapability::new("queue", 1, u64::MAX)]).unwrap();
    let shared = offer.shared_with(&[Capability::new("queue", 1)]);
    shared.message(0, code, Bytes::from(vec![0; size])).unwrap()
}

fn push(queue: &Queue, code: u64, size: usize) -> bool {
    queue.try_push(message(code, size)).is_ok()
}

fn pop(queue: &Queue) -> Option<u64> {
    queue.try_pop().ok().map(|(message, _)| message.code())
}

#[test]
fn it_takes_as_many_messages_as_it_may_and_gives_them_in_order() {
    let queue = Queue::default();
    let most = limits::CHANNEL_MESSAGES as u64;
    assert!((0..most).all(|code| push(&queue, code, 0)));
    assert!(matches!(queue.try_push(message(99, 0)), Err(Refused::Full(m)) if m.code() == 99));
    assert_eq!(pop(&queue), Some(0));
    assert!(push(&queue, most, 0));
    assert!(!push(&queue, 99, 0));
    assert!((1..=most).all(|code| pop(&queue) == Some(code)));
    assert_eq!(pop(&queue), None);
}

#[test]
fn it_takes_as_many_bytes_as_it_may_and_one_message_beyond() {
    let queue = Queue::default();
    assert!(push(&queue, 0, limits::CHANNEL_BYTES - 1));
    assert!(push(&queue, 1, 50 * limits::CHANNEL_BYTES));
    assert!(!push(&queue, 2, 0));
    assert_eq!(pop(&queue), Some(0));
    assert!(!push(&queue, 2, 0));
    assert_eq!(pop(&queue), Some(1));
    assert!(push(&queue, 2, limits::CHANNEL_BYTES));
    assert!(!push(&queue, 3, 0));
}

#[test]
fn who_pops_learns_that_it_was_full() {
    let queue = Queue::default();
    push(&queue, 0, limits::CHANNEL_BYTES);
    assert!(matches!(queue.try_pop(), Ok((_, true))));
    push(&queue, 1, limits::CHANNEL_BYTES - 1);
    assert!(matches!(queue.try_pop(), Ok((_, false))));
}

#[test]
fn what_is_lent_counts_until_it_is_taken() {
    let queue = Queue::default();
    for code in 0..limits::CHANNEL_MESSAGES as u64 {
        push(&queue, code, 10);
    }
    queue.lend(|messages| {
        // Another thread looks in at this moment; it is not locked out.
        assert!(!push(&queue, 99, 0));
        assert_eq!(messages.pop_front().map(|message| message.code()), Some(0));
    });
    assert!(push(&queue, 100, 0));
    assert!(!push(&queue, 101, 0));
    assert_eq!(pop(&queue), Some(1));
    queue.lend(|messages| {
        let codes: Vec<u64> = messages.drain(..).map(|message| message.code()).collect();
        let expected: Vec<u64> = (2..limits::CHANNEL_MESSAGES as u64).chain([100]).collect();
        assert_eq!(codes, expected);
        // What comes meanwhile comes behind.
        messages.push_back(message(7, 0));
        assert!(push(&queue, 8, 0));
    });
    assert_eq!([pop(&queue), pop(&queue), pop(&queue)], [Some(7), Some(8), None]);
    assert_eq!(queue.lock().bytes, 0);
}

#[test]
fn bytes_of_a_message_that_came_while_others_were_lent_are_counted() {
    let queue = Queue::default();
    push(&queue, 0, 5);
    queue.lend(|messages| {
        messages.clear();
        push(&queue, 1, limits::CHANNEL_BYTES);
    });
    assert!(!push(&queue, 2, 0));
}

#[test]
fn a_closed_queue_takes_nothing_and_gives_what_it_has() {
    let queue = Queue::default();
    push(&queue, 1, 0);
    queue.close();
    assert!(matches!(queue.try_push(message(2, 0)), Err(Refused::Closed)));
    assert!(!block_on(queue.push(message(2, 0))));
    assert_eq!(block_on(queue.pop()).map(|(message, _)| message.code()), Some(1));
    assert!(block_on(queue.pop()).is_none());
}

#[test]
fn the_last_message_finds_a_place_in_a_full_queue() {
    let queue = Queue::default();
    push(&queue, 0, limits::CHANNEL_BYTES);
    queue.push_last(message(1, 10));
    queue.close();
    queue.push_last(message(2, 10));
    assert_eq!([pop(&queue), pop(&queue), pop(&queue)], [Some(0), Some(1), None]);
    assert!(matches!(queue.try_pop(), Err(Empty::Forever)));
}

#[test]
fn closing_wakes_all_who_wait() {
    for full in [true, false] {
        let queue = Arc::new(Queue::default());
        if full {
            push(&queue, 0, limits::CHANNEL_BYTES);
        }
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || match full {
                    true => block_on(queue.push(message(1, 0))),
                    false => block_on(queue.pop()).is_some(),
                })
            })
            .collect();
        queue.close();
        assert!(waiting.into_iter().all(|thread| !thread.join().unwrap()));
    }
}

/// Two who wait, the first of whom gives up just when it was its turn.
#[test]
fn a_wake_up_for_who_has_given_up_goes_to_the_next() {
    block_on(async {
        let queue = Queue::default();
        let mut first = Box::pin(queue.pop());
        let mut second = Box::pin(queue.pop());
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        let woken = Arc::new(AtomicUsize::new(0));
        let waker = waker(&woken);
        let mut cx = core::task::Context::from_waker(&waker);
        assert!(second.as_mut().poll(&mut cx).is_pending());
        push(&queue, 1, 0);
        assert_eq!(woken.load(Ordering::SeqCst), 0);
        drop(first);
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(poll_once(&mut second).await.is_some());
    });
}

/// One push wakes one who waits; two pushes, and two have something to do.
#[test]
fn two_messages_wake_two_who_wait() {
    block_on(async {
        let queue = Queue::default();
        let (mut first, mut second) = (Box::pin(queue.pop()), Box::pin(queue.pop()));
        let woken = Arc::new(AtomicUsize::new(0));
        let waker = waker(&woken);
        let mut cx = core::task::Context::from_waker(&waker);
        assert!(poll_once(&mut first).await.is_none());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        push(&queue, 1, 0);
        push(&queue, 2, 0);
        assert!(poll_once(&mut first).await.is_some());
        assert_eq!(woken.load(Ordering::SeqCst), 1, "a message lies there and nobody knows");
        assert!(second.as_mut().poll(&mut cx).is_ready());
    });
}

/// The same the other way: one large message gone is room for many.
#[test]
fn room_for_many_wakes_all_who_wait_for_it() {
    block_on(async {
        let queue = Queue::default();
        push(&queue, 0, limits::CHANNEL_BYTES);
        let (mut first, mut second) =
            (Box::pin(queue.push(message(1, 0))), Box::pin(queue.push(message(2, 0))));
        let woken = Arc::new(AtomicUsize::new(0));
        let waker = waker(&woken);
        let mut cx = core::task::Context::from_waker(&waker);
        assert!(poll_once(&mut first).await.is_none());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(pop(&queue), Some(0));
        assert_eq!(poll_once(&mut first).await, Some(true));
        assert_eq!(woken.load(Ordering::SeqCst), 1, "there is room and nobody knows");
        assert!(second.as_mut().poll(&mut cx).is_ready());
    });
}

#[test]
fn a_push_that_is_given_up_takes_no_place_and_loses_nothing() {
    block_on(async {
        let queue = Queue::default();
        push(&queue, 0, limits::CHANNEL_BYTES);
        let mut given_up = Box::pin(queue.push(message(1, 0)));
        let mut waits = Box::pin(queue.push(message(2, 0)));
        assert!(poll_once(&mut given_up).await.is_none());
        assert!(poll_once(&mut waits).await.is_none());
        drop(given_up);
        assert_eq!(pop(&queue), Some(0));
        assert_eq!(poll_once(&mut waits).await, Some(true));
        assert_eq!([pop(&queue), pop(&queue)], [Some(2), None]);
    });
}

/// Threads push, pop, lend and give up as they like: every message that was
/// taken comes out once, each pusher's in order, and nobody sleeps for ever.
#[test]
fn between_threads_nothing_is_lost_and_nobody_is_left_asleep() {
    const ROUNDS: usize = 30;
    const PUSHERS: u64 = 4;
    /// Those, two who pop, and this one.
    const THREADS: usize = 7;
    const EACH: u64 = 1000;
    for round in 0..ROUNDS {
        let queue = Arc::new(Queue::default());
        let start = Arc::new(Barrier::new(THREADS));
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let (queue, start) = (Arc::clone(&queue), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    for number in 0..EACH {
                        let code = pusher * EACH + number;
                        // Some are large, so that room comes and goes in lumps.
                        let size =
                            if code.is_multiple_of(17) { limits::CHANNEL_BYTES / 3 } else { 10 };
                        loop {
                            // Every third gives up a push that has to wait, and
                            // tries once more.
                            let push = queue.push(message(code, size));
                            let done = match code % 3 {
                                0 => block_on(poll_once(push)),
                                _ => Some(block_on(push)),
                            };
                            match done {
                                Some(taken) => break assert!(taken),
                                None => thread::yield_now(),
                            }
                        }
                    }
                })
            })
            .collect();
        let popper = |gives_up: bool| {
            let (queue, start) = (Arc::clone(&queue), Arc::clone(&start));
            thread::spawn(move || {
                let mut popped = Vec::new();
                start.wait();
                loop {
                    let next = match gives_up {
                        true => block_on(poll_once(queue.pop())),
                        false => Some(block_on(queue.pop())),
                    };
                    match next {
                        Some(Some((message, _))) => popped.push(message.code()),
                        Some(None) => return popped,
                        None => thread::yield_now(),
                    }
                }
            })
        };
        let poppers = [popper(round % 2 == 0), popper(false)];
        start.wait();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        queue.close();
        let mut all = Vec::new();
        for popper in poppers {
            let popped = popper.join().unwrap();
            for pusher in 0..PUSHERS {
                let own = popped.iter().filter(|code| **code / EACH == pusher);
                assert!(own.is_sorted(), "out of order");
            }
            all.extend(popped);
        }
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..PUSHERS * EACH), "{} messages", all.len());
    }
}

/// The queue as a connection's task uses it: woken by who pushes, it lends.
#[test]
fn what_is_lent_between_threads_comes_in_order_and_makes_room() {
    const MANY: u64 = 20_000;
    let queue = Arc::new(Queue::default());
    let pusher = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || (0..MANY).all(|code| block_on(queue.push(message(code, 100)))))
    };
    let mut next = 0;
    while next < MANY {
        queue.lend(|messages| {
            // Not always all of them.
            for message in messages.drain(..messages.len().min(7)) {
                assert_eq!(message.code(), next);
                next += 1;
            }
        });
        thread::yield_now();
    }
    assert!(pusher.join().unwrap());
}

#[test]
fn a_message_pushed_before_the_close_is_never_taken_for_the_end() {
    for _ in 0..2000 {
        let queue = Arc::new(Queue::default());
        let other = Arc::clone(&queue);
        let popper = thread::spawn(move || block_on(other.pop()).is_some());
        push(&queue, 1, 0);
        queue.close();
        assert!(popper.join().unwrap(), "the end came before the message");
    }
}

fn waker(woken: &Arc<AtomicUsize>) -> core::task::Waker {
    struct Count(Arc<AtomicUsize>);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    Arc::new(Count(Arc::clone(woken))).into()
}
