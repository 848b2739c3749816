//! The loop of a node, with the executor in the test's hand.

use std::net::UdpSocket as Stranger;
use std::time::Duration;

use async_io::block_on;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::node;
use devp2p_core::session::{Lost, SessionError};
use devp2p_handle::Stopped;

use super::*;

fn config(number: u64) -> Config {
    let seed = Seed::from_number(number);
    let key = SecretKey::generate(&mut seed.derive("key", 0).secrets());
    Config::new(node::Config::new(key), seed).listen("127.0.0.1:0".parse().unwrap())
}

/// What a future gives, if it does so in time.
fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        Timer::after(Duration::from_secs(20)).await;
        panic!("no answer")
    };
    block_on(or(future, late))
}

#[test]
fn who_keeps_the_udp_socket_busy_keeps_nobody_from_connecting() {
    let executor = Arc::new(Executor::new());
    let node = start(config(1), &executor).unwrap();
    let udp = node.discovery().unwrap().address();
    let stranger = Stranger::bind("127.0.0.1:0").unwrap();
    let _visitor = TcpStream::connect(node.address().unwrap()).unwrap();
    // There is a datagram for each turn, so that none of them waits.
    for _ in 0..20 {
        stranger.send_to(b"garbage", udp).unwrap();
        assert!(executor.try_tick(), "it waits");
    }
    // As soon as it is asked, so that nothing is accepted meanwhile.
    let snapshot = within(executor.run(node.snapshot()));
    assert_eq!(snapshot.unwrap().node.counts.accepted, 1);
}

#[test]
fn what_is_asked_of_an_executor_that_is_gone_is_dropped_and_time_goes_on() {
    let executor = Arc::new(Executor::new());
    let node = start(config(1), &executor).unwrap();
    let before = node.runtime().sleep(Duration::from_millis(10));
    drop(executor);
    within(before);
    within(node.runtime().sleep(Duration::from_millis(10)));
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    node.runtime().spawn(async move { drop(held) });
    assert_eq!(Arc::strong_count(&dropped), 1);
}

#[test]
fn an_executor_that_is_dropped_takes_its_nodes_with_it() {
    let executor = Arc::new(Executor::new());
    let (ours, theirs) =
        (start(config(1), &executor).unwrap(), start(config(2), &executor).unwrap());
    // With a connection, and with threads that verify.
    let peer = within(executor.run(ours.dial(&theirs.enode()))).unwrap();
    drop(executor);
    for node in [&ours, &theirs] {
        assert_eq!(within(node.stop()), Err(Stopped));
        while within(node.next_event()).is_some() {}
        drop(TcpListener::bind(node.address().unwrap()).expect("the port is still in use"));
    }
    assert_eq!(within(peer.closed()), SessionError::Lost(Lost::Failed));
}
