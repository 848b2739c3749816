//! What happens at a node is told, all of it and in order, however late the
//! application comes for it.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::thread;

use devp2p_core::limits;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::SessionError;
use devp2p_handle::Event;

use super::Runtime;
use super::raw::{garbage, speak_garbage, stranger};
use super::rig::Rig;

/// This many strangers come one after the other and speak garbage; counts
/// those that have been sent away.
fn strangers(address: core::net::SocketAddr, many: usize) -> Arc<AtomicUsize> {
    let sent_away = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent_away);
    thread::spawn(move || {
        for _ in 0..many {
            speak_garbage(address);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    sent_away
}

pub fn no_event_is_lost_when_nobody_takes_them_for_a_while<R: Runtime>() {
    const MANY: usize = 2 * limits::NODE_EVENTS;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let sent_away = strangers(node.address().unwrap(), MANY);
        let enough = limits::NODE_EVENTS;
        rig.until("failures", || sent_away.load(Ordering::SeqCst) >= enough).await;
        for _ in 0..MANY {
            rig.failed(&node).await;
        }
        rig.stop(&node).await;
        assert!(node.next_event().await.is_none(), "more happened than there was");
    });
}

pub fn a_peer_comes_before_it_goes_even_when_nobody_looked<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let sent_away = strangers(node.address().unwrap(), limits::NODE_EVENTS);
        rig.until("failures", || sent_away.load(Ordering::SeqCst) == limits::NODE_EVENTS).await;
        // There is no room to tell of it, neither that it comes nor that it goes.
        let dialler = rig.echo_node();
        let peer = rig.dial(&dialler, &node).await.unwrap();
        assert!(rig.within("ping", peer.ping()).await.is_some());
        peer.disconnect(DisconnectReason::Requested);
        rig.closed(&peer).await;
        for _ in 0..limits::NODE_EVENTS {
            rig.failed(&node).await;
        }
        let inbound = rig.connected(&node).await;
        assert_eq!(inbound.public_key(), dialler.local().public());
        let requested = SessionError::Remote(DisconnectReason::Requested);
        match rig.event(&node).await {
            Event::Disconnected { peer, error } => {
                assert_eq!(error, requested);
                assert_eq!(peer.public_key(), inbound.public_key());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(inbound.end(), Some(requested));
    });
}

pub fn connections_wait_when_nobody_takes_events<R: Runtime>() {
    const MANY: usize = limits::NODE_EVENTS + 2 * limits::PENDING_CONNECTIONS;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let sent_away = strangers(node.address().unwrap(), MANY);
        // What comes when there are too many events is not even accepted: memory
        // is bounded.
        let most = limits::NODE_EVENTS + limits::PENDING_CONNECTIONS;
        let stands_still = async {
            let mut last = 0;
            loop {
                rig.runtime.sleep(Duration::from_millis(500)).await;
                let now = sent_away.load(Ordering::SeqCst);
                if now > limits::NODE_EVENTS && now == last {
                    break now;
                }
                last = now;
            }
        };
        let served = rig.within("no more of them", stands_still).await;
        assert!(served <= most, "{served} were served");
        let mut one_more = stranger(node.address().unwrap());
        one_more.write_all(&garbage()).unwrap();
        one_more.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(one_more.read(&mut [0; 1]).is_err(), "it was served");
        assert_eq!(sent_away.load(Ordering::SeqCst), served);
        for _ in 0..=MANY {
            rig.failed(&node).await;
        }
        rig.until("the rest", || sent_away.load(Ordering::SeqCst) == MANY).await;
    });
}
