//! Readers that are slow stop their own connection, and nothing else.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::sync::Arc;
use std::thread;

use devp2p_core::limits;
use devp2p_handle::Channel;

use super::Runtime;
use super::raw::RawPeer;
use super::rig::{ECHO, Rig, local, noise};

/// One message of the flood.
const SIZE: usize = 16 * 1024;

/// As long without a message sent means that the sender waits.
const STALLED: Duration = Duration::from_secs(2);

/// What the system's socket buffers may hold of one direction: each end's
/// limit, counted twice because it is of the memory and not of the bytes.
fn sockets() -> u64 {
    let most = |what: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{what}")).unwrap_or_default();
        text.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(8 << 20)
    };
    2 * (most("tcp_wmem") + most("tcp_rmem"))
}

/// What our side of a connection may hold of messages to send: the queue, the
/// frames to write, and a message beyond each.
const SENDER: u64 = (limits::CHANNEL_BYTES + limits::WRITE_BACKLOG + 2 * SIZE) as u64;

/// What the receiving side may hold: the queue and the message beyond it, the
/// one that found no room, a read of 64 KiB and a frame that is not whole.
const RECEIVER: u64 = (limits::CHANNEL_BYTES + 3 * SIZE + 64 * 1024) as u64;

/// Sends numbered messages until the sender has to wait. Gives the channel
/// back with the number of messages sent.
async fn flood<R: Runtime>(rig: &Rig<R>, channel: Channel, most: u64) -> u64 {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    rig.runtime.spawn(async move {
        // Dropped with the case at the latest; it may end at any time.
        for number in 0.. {
            if channel.send(0, noise(number, SIZE)).await.is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut last = u64::MAX;
    while sent.load(Ordering::Relaxed) != last {
        last = sent.load(Ordering::Relaxed);
        assert!(last * SIZE as u64 <= most, "{last} messages sent and none received");
        rig.runtime.sleep(STALLED).await;
    }
    last
}

/// Another connection of the same node is as good as ever.
async fn another_works<R: Runtime>(rig: &Rig<R>, channel: &Channel) {
    for number in 0..50 {
        rig.round_trip(channel, number, 1 << 10).await;
    }
    rig.round_trip(channel, 50, 1 << 20).await;
    assert!(rig.within("ping", channel.peer().ping()).await.is_some());
}

pub fn a_slow_reader_stops_its_own_connection_and_no_other<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let slow = rig.echo_node();
        let (sender, other) = (rig.echo_node(), rig.echo_node());
        let (outbound, inbound) = rig.connect(&sender, &slow).await;
        let (works, echoing) = rig.connect(&other, &slow).await;
        rig.echo(echoing);
        let works = works.channel(ECHO).unwrap();
        another_works(&rig, &works).await;

        let most = SENDER + RECEIVER + sockets();
        let sent = flood(&rig, outbound.channel(ECHO).unwrap(), most).await;
        assert!(sent * SIZE as u64 >= limits::CHANNEL_BYTES as u64);
        another_works(&rig, &works).await;
        assert_eq!((outbound.end(), inbound.end()), (None, None));

        // Everything is still there, in order, and goes on behind it.
        let reader = inbound.channel(ECHO).unwrap();
        for number in 0..sent + 100 {
            let message = rig.within("message", reader.receive()).await.unwrap();
            assert!(*message.payload() == noise(number, SIZE), "not the message {number}");
        }
        assert_eq!((outbound.end(), inbound.end()), (None, None));
    });
}

pub fn a_peer_that_does_not_read_its_socket_stops_its_own_connection_and_no_other<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let enode = node.enode();
        let deaf = thread::spawn(move || RawPeer::dial(local(&[(ECHO, 1, 2)]), &enode));
        let peer = rig.connected(&node).await;
        let mut deaf = deaf.join().unwrap();
        let other = rig.echo_node();
        let (works, echoing) = rig.connect(&other, &node).await;
        rig.echo(echoing);
        let works = works.channel(ECHO).unwrap();

        let sent = flood(&rig, peer.channel(ECHO).unwrap(), SENDER + sockets()).await;
        assert!(sent > 0);
        another_works(&rig, &works).await;
        assert_eq!(peer.end(), None);

        let hears = thread::spawn(move || {
            for number in 0..sent + 100 {
                let message = deaf.receive();
                assert!(*message.payload() == noise(number, SIZE), "not the message {number}");
            }
        });
        rig.until("all messages", || hears.is_finished()).await;
        hears.join().unwrap();
    });
}

pub fn dials_come_through_while_other_connections_are_as_busy_as_can_be<R: Runtime>() {
    const PEERS: usize = 20;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        rig.serve_echo(&node);
        let mut nodes = Vec::new();
        for _ in 0..PEERS {
            let dialler = rig.echo_node();
            // Five seconds is all that a handshake has.
            let peer = rig.dial(&dialler, &node).await.unwrap();
            let (up, down) = (peer.channel(ECHO).unwrap(), peer.channel(ECHO).unwrap());
            rig.runtime.spawn(async move { while up.send(0, vec![7; 5000]).await.is_ok() {} });
            rig.within("an echo", down.receive()).await.unwrap();
            rig.runtime.spawn(async move { while down.receive().await.is_some() {} });
            nodes.push(dialler);
        }
        rig.stop(&node).await;
    });
}
