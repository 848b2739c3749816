//! One turn after another, with the executor in the test's hand.

use std::thread;

use async_executor::Executor;
use async_io::block_on;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::{Greeting, Local};
use devp2p_handle::Node;

use super::*;
use crate::{Config, start};

fn node(number: u64, executor: &Arc<Executor<'static>>) -> Node {
    let seed = Seed::from_number(number);
    let offer = LocalCapabilities::new([LocalCapability::new("bulk", 1, 1)]).unwrap();
    let key = SecretKey::generate(&mut seed.derive("key", 0).secrets());
    let local = Local::new(key, "turns", Greeting::Offer(offer)).unwrap();
    start(Config::new(local, seed).listen("127.0.0.1:0".parse().unwrap()), executor).unwrap()
}

#[test]
fn a_connection_with_much_to_send_lets_the_others_have_their_turn() {
    const SIZE: usize = 16 * 1024;
    const MESSAGES: usize = limits::CHANNEL_BYTES / SIZE;
    let far = Arc::new(Executor::new());
    let reader = node(1, &far);
    let enode = reader.enode();
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let reading = thread::spawn(move || {
        block_on(far.run(async move {
            let Some(Happened::Connected(peer)) = reader.next_event().await else {
                panic!("nobody came");
            };
            let channel = peer.channel("bulk").unwrap();
            let read = async { while channel.receive().await.is_some() {} };
            futures_lite::future::or(read, async { assert!(stopped.recv().await.is_err()) }).await;
        }));
    });

    let near = Arc::new(Executor::new());
    let writer = node(2, &near);
    let peer = block_on(near.run(writer.dial(&enode))).unwrap();
    let channel = peer.channel("bulk").unwrap();
    // What does not compress, so that its size is what is written.
    let mut noise = vec![0; SIZE];
    Seed::from_number(3).jitter().fill(&mut noise);
    let noise = bytes::Bytes::from(noise);
    let fill = || (0..MESSAGES).take_while(|_| channel.try_send(0, noise.clone()).is_ok()).count();
    assert_eq!(fill(), MESSAGES);
    let (mut sent, mut most) = (0, 0);
    while sent < 20 * MESSAGES {
        if near.try_tick() {
            let taken = fill();
            most = most.max(taken);
            sent += taken;
        } else {
            thread::yield_now();
        }
    }
    // What fills the backlog once, and once more behind what was written of it.
    let bound = 2 * limits::WRITE_BACKLOG.div_ceil(SIZE);
    assert!((1..=bound).contains(&most), "{most} messages of {SIZE} bytes in one turn");
    drop(stop);
    reading.join().unwrap();
}

#[test]
fn a_write_that_failed_is_not_reported_as_one_that_took_too_long() {
    let late = SessionError::TimedOut(Phase::Write);
    assert_eq!(truly(late, None), late);
    assert_eq!(truly(late, Some(Lost::Reset)), SessionError::Lost(Lost::Reset));
    let told = SessionError::Remote(DisconnectReason::TooManyPeers);
    assert_eq!(truly(told, Some(Lost::Reset)), told);
}
