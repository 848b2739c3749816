//! The loop of a node, with the executor in the test's hand.

use std::net::UdpSocket as Stranger;
use std::time::Duration;

use async_io::block_on;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::node;

use super::*;

#[test]
fn who_keeps_the_udp_socket_busy_keeps_nobody_from_connecting() {
    let seed = Seed::from_number(1);
    let key = SecretKey::generate(&mut seed.derive("key", 0).secrets());
    let config = Config::new(node::Config::new(key), seed).listen("127.0.0.1:0".parse().unwrap());
    let executor = Arc::new(Executor::new());
    let node = start(config, &executor).unwrap();
    let udp = node.discovery().unwrap().address();
    let stranger = Stranger::bind("127.0.0.1:0").unwrap();
    let _visitor = TcpStream::connect(node.address().unwrap()).unwrap();
    // There is a datagram for each turn, so that none of them waits.
    for _ in 0..20 {
        stranger.send_to(b"garbage", udp).unwrap();
        assert!(executor.try_tick(), "it waits");
    }
    let snapshot = block_on(executor.run(async {
        let late = async {
            Timer::after(Duration::from_secs(20)).await;
            panic!("no answer")
        };
        // As soon as it is asked, so that nothing is accepted meanwhile.
        or(node.snapshot(), late).await
    }));
    assert_eq!(snapshot.unwrap().node.counts.accepted, 1);
}
