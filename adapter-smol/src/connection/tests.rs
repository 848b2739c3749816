//! The task of a connection, with the executor in the test's hand.

use std::sync::Arc;
use std::thread;

use async_executor::Executor;
use async_io::block_on;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::node;
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::Greeting;
use devp2p_handle::{Event, Node, Peer};

use super::*;
use crate::{Config, start};

fn node(number: u64, executor: &Arc<Executor<'static>>) -> Node {
    let seed = Seed::from_number(number);
    let offer = LocalCapabilities::new([LocalCapability::new("bulk", 1, 1)]).unwrap();
    let mut config = node::Config::new(SecretKey::generate(&mut seed.derive("key", 0).secrets()));
    config.greeting = Greeting::Offer(offer);
    config.discovery = false;
    start(Config::new(config, seed).listen("127.0.0.1:0".parse().unwrap()), executor).unwrap()
}

async fn visitor(node: &Node) -> Peer {
    match node.next_event().await {
        Some(Event::Connected(peer)) => peer,
        other => panic!("{other:?}"),
    }
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
            let channel = visitor(&reader).await.channel("bulk").unwrap();
            let read = async { while channel.receive().await.is_some() {} };
            or(read, async { assert!(stopped.recv().await.is_err()) }).await;
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

fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
    size_of::<F>()
}

/// Its heap (key schedules, the handles) comes to it; bytes received or to be
/// written only while there are any.
#[test]
fn the_task_of_a_connection_is_within_two_kilobytes() {
    let (running, dialling) = (size(run), size(dial));
    assert!(running.max(dialling) <= 2048, "running {running}, dialling {dialling}");
}
