//! Two nodes find each other and exchange messages.

use core::time::Duration;

use devp2p_core::error::Misuse;
use devp2p_core::identity::{Enode, HostName, NodeId};
use devp2p_core::limits;
use devp2p_core::p2p::{Capability, DisconnectReason};
use devp2p_core::session::SessionError;
use devp2p_handle::{Channel, DialError, Direction, SendError};
use futures_lite::future;

use super::Runtime;
use super::raw::RawPeer;
use super::rig::{ECHO, Pair, Rig, local, noise};

pub fn both_sides_see_who_the_other_is_and_what_both_have<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let dialler = rig.node(&[("apple", 1, 3), ("apple", 2, 4), ("only", 1, 1)]);
        let acceptor =
            rig.node(&[("apple", 1, 3), ("apple", 2, 4), ("apple", 3, 5), ("pear", 7, 9)]);
        let Pair { dialler, acceptor, outbound, inbound } = rig.pair_of(dialler, acceptor).await;

        for (peer, other, mine) in
            [(&outbound, &acceptor, &dialler), (&inbound, &dialler, &acceptor)]
        {
            let key = other.local().public();
            assert_eq!(peer.public_key(), key);
            assert_eq!(peer.node_id(), NodeId::from(key));
            assert_eq!(peer.hello().id, *key.as_bytes());
            assert_eq!(peer.hello().client_name, "conformance/v1");
            assert_ne!(peer.public_key(), mine.local().public());
            // The highest version that both have, and nothing else.
            let shared: Vec<_> = peer.shared().iter().map(|s| s.capability.clone()).collect();
            assert_eq!(shared, [Capability::new("apple", 2)]);
            assert!(peer.channel("only").is_none() && peer.channel("pear").is_none());
            assert!(peer.handshake_time() > Duration::ZERO);
            assert_eq!(peer.end(), None);
        }
        let offered = |names: &[(&str, u64)]| -> Vec<Capability> {
            names.iter().map(|(name, version)| Capability::new(*name, *version)).collect()
        };
        let dialled = offered(&[("apple", 1), ("apple", 2), ("apple", 3), ("pear", 7)]);
        assert_eq!(outbound.hello().capabilities, dialled);
        let accepted = offered(&[("apple", 1), ("apple", 2), ("only", 1)]);
        assert_eq!(inbound.hello().capabilities, accepted);
        assert_eq!(outbound.direction(), Direction::Outbound);
        assert_eq!(inbound.direction(), Direction::Inbound);
        assert_eq!(Some(outbound.address()), acceptor.address());
        assert!(inbound.address().ip().is_loopback());
        assert_ne!(Some(inbound.address()), dialler.address());
    });
}

pub fn a_host_name_is_looked_up<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (dialler, acceptor) = (rig.echo_node(), rig.echo_node());
        let address = acceptor.address().unwrap();
        let name = HostName::new("localhost").unwrap();
        let enode = Enode::with_host_name(*acceptor.local().public(), name, address.port(), 0);
        // More at once than are looked up at once: one is connected, all come back.
        let mut dials = Vec::new();
        for _ in 0..3 * limits::NAME_LOOK_UPS {
            let (dialler, enode) = (dialler.clone(), enode.clone());
            let (send, dialled) = async_channel::bounded(1);
            rig.runtime.spawn(async move {
                let _ = send.send(dialler.dial(&enode).await).await;
            });
            dials.push(dialled);
        }
        let mut connected = 0;
        for dialled in dials {
            match rig.within("dial", dialled.recv()).await.unwrap() {
                Ok(peer) => {
                    assert_eq!(peer.address(), address);
                    connected += 1;
                }
                Err(DialError::Session(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(connected > 0);
    });
}

pub fn messages_of_every_size_arrive_byte_for_byte_in_both_directions<R: Runtime>() {
    const SIZES: [usize; 5] = [0, 1, 1 << 10, 1 << 20, (16 << 20) - (64 << 10)];
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(&[("bulk", 1, 8)]).await;
        let (near, far) = pair.channels("bulk");
        let send = async |channel: &Channel, salt: u64| {
            for (code, size) in (0..).zip(SIZES) {
                channel.send(code, noise(salt + code, size)).await.unwrap();
            }
        };
        let receive = async |channel: &Channel, salt: u64| {
            for (code, size) in (0..).zip(SIZES) {
                let Some(message) = channel.receive().await else {
                    panic!("no {size} bytes: {:?}", channel.peer().end());
                };
                assert_eq!((message.code(), message.payload().len()), (code, size));
                assert!(*message.payload() == noise(salt + code, size), "{size} bytes differ");
            }
        };
        let there = future::zip(send(&near, 100), receive(&far, 100));
        let back = future::zip(send(&far, 200), receive(&near, 200));
        rig.within("all messages", future::zip(there, back)).await;
    });
}

pub fn a_message_that_no_frame_holds_is_refused_and_the_connection_goes_on<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(&[("bulk", 1, 8)]).await;
        let (near, far) = pair.channels("bulk");
        // Noise grows by compression.
        let refused = rig.within("refusal", near.send(0, noise(1, limits::MESSAGE))).await;
        assert_eq!(refused, Err(SendError::Misuse(Misuse::MessageTooLarge)));
        assert_eq!(
            near.try_send(0, noise(1, limits::MESSAGE)),
            Err(SendError::Misuse(Misuse::MessageTooLarge))
        );
        let zeros = vec![0; limits::MESSAGE];
        for payload in [zeros.into(), noise(2, limits::MESSAGE - 2048)] {
            rig.within("send", near.send(0, payload.clone())).await.unwrap();
            let message = rig.within("message", far.receive()).await.unwrap();
            assert!(*message.payload() == payload, "another payload arrived");
        }
        assert_eq!((pair.outbound.end(), pair.inbound.end()), (None, None));
    });
}

pub fn capabilities_of_one_connection_are_kept_apart<R: Runtime>() {
    const NAMES: [(&str, u64, u64); 3] = [("alpha", 1, 3), ("beta", 4, 1), ("gamma", 2, 60)];
    const ROUNDS: u64 = 200;
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(&NAMES).await;
        let text = |name: &str, round: u64| format!("{name} {round}");
        let send = async {
            for round in 0..ROUNDS {
                for (name, _, length) in NAMES {
                    let channel = pair.outbound.channel(name).unwrap();
                    channel.send(round % length, text(name, round)).await.unwrap();
                }
            }
        };
        let receive = async |(name, _, length): (&str, u64, u64)| {
            let channel = pair.inbound.channel(name).unwrap();
            for round in 0..ROUNDS {
                let message = channel.receive().await.unwrap();
                assert_eq!(message.code(), round % length);
                assert_eq!(*message.payload(), text(name, round));
            }
        };
        let [alpha, beta, gamma] = NAMES;
        let all = future::zip(receive(alpha), future::zip(receive(beta), receive(gamma)));
        rig.within("all messages", future::zip(send, all)).await;

        // The first code that belongs to the next capability cannot be sent.
        let beyond = pair.outbound.channel("alpha").unwrap().send(3, "").await;
        assert!(matches!(beyond, Err(SendError::Misuse(Misuse::CodeOutOfRange))), "{beyond:?}");
    });
}

pub fn a_ping_measures_a_round_trip_for_everyone_who_asks<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(&[(ECHO, 1, 2)]).await;
        for peer in [&pair.outbound, &pair.inbound] {
            for _ in 0..50 {
                let three = future::zip(peer.ping(), future::zip(peer.ping(), peer.ping()));
                let (first, (second, third)) = rig.within("three pings", three).await;
                for round_trip in [first, second, third] {
                    assert!(round_trip.is_some_and(|time| time > Duration::ZERO));
                }
            }
        }
    });
}

pub fn a_ping_ends_when_the_connection_does<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.node(&[(ECHO, 1, 2)]);
        let enode = node.enode();
        let silent = std::thread::spawn(move || RawPeer::dial(local(&[(ECHO, 1, 2)]), &enode));
        let peer = rig.connected(&node).await;
        let silent = silent.join().unwrap();
        let end = async {
            // It never answers: only the end can end the ping.
            future::yield_now().await;
            peer.disconnect(DisconnectReason::Requested);
        };
        let (answer, ()) = rig.within("ping", future::zip(peer.ping(), end)).await;
        assert_eq!(answer, None);
        assert_eq!(rig.closed(&peer).await, SessionError::Local(DisconnectReason::Requested));
        // And one that is asked for afterwards.
        assert_eq!(rig.within("ping", peer.ping()).await, None);
        drop(silent);
    });
}
