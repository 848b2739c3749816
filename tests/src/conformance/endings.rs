//! Connections end, and both sides know why.

use core::time::Duration;
use std::io::Read as _;
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use devp2p_core::identity::Enode;
use devp2p_core::limits;
use devp2p_core::p2p::{DisconnectReason, Message};
use devp2p_core::session::{Lost, SessionError};
use devp2p_handle::{Event, SendError};
use futures_lite::future;

use super::Runtime;
use super::raw::RawPeer;
use super::rig::{ANY, ECHO, LIMIT, Pair, Rig, local, noise};

const OFFER: &[(&str, u64, u64)] = &[(ECHO, 1, 2)];

pub fn each_side_knows_who_ended_the_connection_and_why<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (dialler, acceptor) = (rig.node(OFFER), rig.node(OFFER));
        let codes = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 77];
        for reason in codes.map(DisconnectReason::from_code) {
            for dialler_ends in [true, false] {
                let (outbound, inbound) = rig.connect(&dialler, &acceptor).await;
                let (ends, hears) =
                    if dialler_ends { (&outbound, &inbound) } else { (&inbound, &outbound) };
                ends.disconnect(reason);
                // Only the first reason counts.
                ends.disconnect(DisconnectReason::SubprotocolError);
                assert_eq!(rig.closed(hears).await, SessionError::Remote(reason));
                assert_eq!(rig.closed(ends).await, SessionError::Local(reason));
                for peer in [ends, hears] {
                    let channel = peer.channel(ECHO).unwrap();
                    let error = peer.end().unwrap();
                    assert_eq!(channel.send(0, "late").await, Err(SendError::Closed(error)));
                    assert_eq!(channel.receive().await, None);
                }
                match rig.event(&acceptor).await {
                    Event::Disconnected { peer, error } => {
                        assert_eq!(Some(error), inbound.end());
                        assert_eq!(peer.node_id(), inbound.node_id());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        // A broken connection is not told of: there it ends in silence.
        let (outbound, inbound) = rig.connect(&dialler, &acceptor).await;
        outbound.disconnect(DisconnectReason::NetworkError);
        assert_eq!(rig.closed(&inbound).await, SessionError::Lost(Lost::Closed));
    });
}

pub fn a_disconnect_arrives_though_unread_bytes_lie_in_the_socket_of_who_says_it<R: Runtime>() {
    const TIMES: u64 = 200;
    Rig::<R>::run(async |rig| {
        let (dialler, acceptor) = (rig.node(OFFER), rig.node(OFFER));
        let payload = noise(1, 100 * 1024);
        for time in 0..TIMES {
            let (outbound, inbound) = rig.connect(&dialler, &acceptor).await;
            let (ends, hears) =
                if time % 2 == 0 { (&outbound, &inbound) } else { (&inbound, &outbound) };
            // More than the application of the other, which reads nothing, has
            // room for: it must lie in its socket, or be on its way there.
            let channel = hears.channel(ECHO).unwrap();
            let flood = async {
                for _ in 0..time % 10 {
                    if channel.send(0, payload.clone()).await.is_err() {
                        break;
                    }
                }
            };
            let reason = DisconnectReason::SubprotocolError;
            let end = async { ends.disconnect(reason) };
            rig.within("flood", future::zip(flood, end)).await;
            assert_eq!(rig.closed(hears).await, SessionError::Remote(reason), "time {time}");
            assert_eq!(rig.closed(ends).await, SessionError::Local(reason), "time {time}");
            let Event::Disconnected { .. } = rig.event(&acceptor).await else {
                panic!("something else happened");
            };
        }
    });
}

pub fn a_disconnect_is_heard_though_a_reset_follows_it<R: Runtime>() {
    const TIMES: u64 = 100;
    Rig::<R>::run(async |rig| {
        let node = rig.node(OFFER);
        for time in 0..TIMES {
            let enode = node.enode();
            let rude = thread::spawn(move || RawPeer::dial(local(OFFER), &enode));
            let peer = rig.connected(&node).await;
            let rude = rude.join().unwrap();
            let channel = peer.channel(ECHO).unwrap();
            // We write all the time, so the reset may well be met by a write.
            rig.runtime
                .spawn(async move { while channel.send(0, noise(1, 10_000)).await.is_ok() {} });
            let gone = thread::spawn(move || {
                rude.wait_for_unread(20_000);
                rude.disconnect_and_close(DisconnectReason::TooManyPeers);
            });
            let told = SessionError::Remote(DisconnectReason::TooManyPeers);
            assert_eq!(rig.closed(&peer).await, told, "time {time}");
            gone.join().unwrap();
            let Event::Disconnected { .. } = rig.event(&node).await else {
                panic!("something else happened");
            };
        }
    });
}

pub fn a_message_sent_just_before_a_disconnect_arrives<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let acceptor = rig.node(OFFER);
        for time in 0..100 {
            let dialler = rig.node(OFFER);
            let (outbound, inbound) = rig.connect(&dialler, &acceptor).await;
            let channel = outbound.channel(ECHO).unwrap();
            let last_word = noise(time, 1000);
            channel.send(0, last_word.clone()).await.unwrap();
            if time % 2 == 0 {
                outbound.disconnect(DisconnectReason::Quitting);
            }
            drop((outbound, channel));
            let reader = inbound.channel(ECHO).unwrap();
            let message = rig.within("the last word", reader.receive()).await;
            assert_eq!(message.map(Message::into_payload), Some(last_word), "time {time}");
            assert_eq!(rig.within("end", reader.receive()).await, None);
            rig.quits(&inbound).await;
            let Event::Disconnected { .. } = rig.event(&acceptor).await else {
                panic!("something else happened");
            };
        }
    });
}

pub fn messages_from_before_the_end_can_be_read_after_it<R: Runtime>() {
    const MESSAGES: u64 = 60;
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(OFFER).await;
        let (near, far) = pair.channels(ECHO);
        for number in 0..MESSAGES {
            rig.within("send", near.send(0, noise(number, 100))).await.unwrap();
        }
        pair.outbound.disconnect(DisconnectReason::Requested);
        let ended = SessionError::Remote(DisconnectReason::Requested);
        assert_eq!(rig.closed(&pair.inbound).await, ended);
        for number in 0..MESSAGES {
            let message = far.receive().await.expect("a message is lost");
            assert!(*message.payload() == noise(number, 100), "not the message {number}");
        }
        assert_eq!(far.receive().await, None);
    });
}

pub fn a_message_for_which_there_was_no_room_can_be_read_after_the_end<R: Runtime>() {
    const ROOM: u64 = limits::CHANNEL_MESSAGES as u64;
    Rig::<R>::run(async |rig| {
        let held = async {
            for patience in 1.. {
                let pair = rig.pair(OFFER).await;
                let (near, far) = pair.channels(ECHO);
                for number in 0..ROOM + 10 {
                    near.send(0, noise(number, 100)).await.unwrap();
                }
                // Nobody can see from outside that the queue is full and one
                // more is held: give it longer each time.
                rig.runtime.sleep(Duration::from_millis(10 * patience)).await;
                pair.inbound.disconnect(DisconnectReason::Requested);
                rig.closed(&pair.inbound).await;
                let mut read = 0;
                while let Some(message) = far.receive().await {
                    assert!(*message.payload() == noise(read, 100), "not the message {read}");
                    read += 1;
                }
                if read > ROOM {
                    break;
                }
            }
        };
        rig.within("a message beyond the room", held).await;
    });
}

pub fn dropping_all_handles_of_a_peer_says_client_quitting<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(OFFER).await;
        rig.echo(pair.inbound.clone());
        // Any one handle is enough.
        let channel = pair.outbound.channel(ECHO).unwrap();
        drop(pair.outbound.clone());
        drop(pair.outbound);
        rig.round_trip(&channel, 1, 100).await;
        let clone = channel.peer().clone();
        drop(channel);
        assert!(rig.within("ping", clone.ping()).await.is_some());
        drop(clone);
        rig.quits(&pair.inbound).await;

        // The same on the side that accepted.
        let pair = rig.pair(OFFER).await;
        drop(pair.inbound);
        rig.quits(&pair.outbound).await;
    });
}

pub fn the_peer_of_a_task_that_panics_hears_that_it_quits_and_the_node_goes_on<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let Pair { dialler, acceptor, outbound, inbound } = rig.pair(OFFER).await;
        rig.runtime.spawn(async move {
            let _channel = outbound.channel(ECHO).unwrap();
            drop(outbound);
            future::yield_now().await;
            // Without a word on standard error.
            std::panic::resume_unwind(Box::new("an application panics"));
        });
        rig.quits(&inbound).await;
        let again = async {
            loop {
                // Its place is free as soon as the node knows.
                if let Ok(peer) = dialler.dial(&acceptor.enode()).await {
                    break peer;
                }
            }
        };
        let peer = rig.within("a place", again).await;
        assert!(rig.within("ping", peer.ping()).await.is_some());
    });
}

pub fn dropping_a_dial_gives_the_attempt_up<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let silent = TcpListener::bind(ANY).unwrap();
        let address = silent.local_addr().unwrap();
        let enode = Enode::new(*local(&[]).public(), address.ip(), address.port(), 0);
        let node = rig.node(OFFER);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let sees_it_close = thread::spawn(move || {
            let (mut stream, _) = silent.accept().unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut auth = [0; 4096];
            assert!(stream.read(&mut auth).unwrap() > 0);
            let begin = Instant::now();
            begun.send(()).unwrap();
            assert_eq!(stream.read(&mut auth).unwrap(), 0);
            begin.elapsed()
        });
        let speaks = rig.until("an auth", || has_begun.try_recv().is_ok());
        future::or(async { drop(node.dial(&enode).await) }, speaks).await;
        rig.until("the end of the attempt", || sees_it_close.is_finished()).await;
        // Not by the five seconds that a handshake may take.
        let took = sees_it_close.join().unwrap();
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

pub fn dropping_a_dial_at_any_moment_leaves_no_connection<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (dialler, acceptor) = (rig.node(OFFER), rig.node(OFFER));
        let enode = acceptor.enode();
        let begin = Instant::now();
        let whole = dialler.dial(&enode).await.map(|peer| (begin.elapsed(), peer));
        let (whole, peer) = whole.unwrap();
        drop(peer);
        let mut given_up = 0;
        for time in 0..60 {
            // From no time at all to rather more than a dial takes.
            let patience = whole * time / 40;
            let dialled = rig.at_most(patience, dialler.dial(&enode)).await;
            given_up += u32::from(dialled.is_none());
        }
        assert!(given_up > 0, "no dial was given up: the test shows nothing");
        // Whoever came has gone: there is room for the one connection there can be.
        let again = async {
            loop {
                match dialler.dial(&enode).await {
                    Ok(peer) => break peer,
                    Err(_) => rig.runtime.sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let peer = rig.within("a connection", again).await;
        let mut connected = 0;
        let only = async {
            // The last one is dropped here like all others. Either end may be
            // the first to be told.
            while peer.end().is_none() || connected > 0 {
                match rig.at_most(Duration::from_millis(20), acceptor.next_event()).await {
                    Some(Some(Event::Connected(_dropped))) => connected += 1,
                    Some(Some(Event::Disconnected { .. })) => connected -= 1,
                    Some(None) => panic!("the node has stopped"),
                    _ => {}
                }
                assert!((0..=1).contains(&connected));
            }
        };
        rig.within("the ends of all", only).await;
        rig.quits(&peer).await;
    });
}

pub fn dropping_the_last_handle_of_a_node_stops_it<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(OFFER).await;
        let address = pair.acceptor.address().unwrap();
        let clone = pair.acceptor.clone();
        drop(pair.acceptor);
        assert!(rig.within("ping", pair.outbound.ping()).await.is_some());
        drop(clone);
        rig.quits(&pair.outbound).await;
        rig.until("the port", || TcpListener::bind(address).is_ok()).await;
        let quitting = SessionError::Local(DisconnectReason::Quitting);
        assert_eq!(rig.closed(&pair.inbound).await, quitting);
    });
}
