//! How it ends when somebody says so: told once, flushed, and typed.

use core::time::Duration;

use bytes::BytesMut;

use super::pair::{End, Pair, local};
use super::peer::Peer;
use crate::machine::Machine as _;
use crate::p2p::{self, DisconnectReason, code};
use crate::session::{Command, Input, Local, Lost, SessionError};
use crate::time::Now;

/// Every phase before the end, with a peer to hear what is said in it; the
/// peer is left out of the handshake itself.
fn phases() -> [(&'static str, Option<Peer>, End); 6] {
    let admission = |seed| {
        let (peer, end) = Peer::dial(seed);
        ("first admission", Some(peer), end)
    };
    let hello = |seed| {
        let (mut peer, mut end) = Peer::accept(seed);
        end.command(Command::Proceed);
        peer.hear(&mut end);
        ("hello", Some(peer), end)
    };
    let ready = |seed| {
        let (mut peer, mut end) = Peer::dial(seed);
        end.command(Command::Proceed);
        peer.greet(&mut end, p2p::VERSION);
        ("second admission", Some(peer), end)
    };
    let open = |seed| {
        let (peer, end) = Peer::open(seed);
        ("open", Some(peer), end)
    };
    let mut dialled = End::dial(&local(1), *local(0).public(), 1, Now::ZERO);
    dialled.accept_writes();
    [
        ("accepted", None, End::accept(&local(1), 1, Now::ZERO)),
        ("dialled", None, dialled),
        admission(1),
        hello(1),
        ready(1),
        open(1),
    ]
}

#[test]
fn a_disconnect_of_ours_is_told_in_every_phase_that_has_a_link() {
    for (phase, peer, mut end) in phases() {
        let error = SessionError::Local(DisconnectReason::TooManyPeers);
        end.command(Command::Disconnect(DisconnectReason::TooManyPeers));
        let Some(mut peer) = peer else {
            assert_eq!(end.closed(), Some(error), "{phase}");
            assert!(end.unsent.is_empty());
            continue;
        };
        // Flushed before it is closed. Compressed once the peer has read our
        // hello: geth decompresses all that follows it.
        peer.compresses |= phase == "hello" && cfg!(feature = "std");
        assert_eq!(end.closed(), None, "{phase}");
        assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::TooManyPeers, "{phase}");
        assert_eq!(end.closed(), None, "{phase}");
        end.lose(Lost::Closed);
        assert_eq!(end.closed(), Some(error), "{phase}");
    }
}

#[test]
fn a_lost_connection_is_told_as_such_in_every_phase() {
    for how in [Lost::Closed, Lost::Reset, Lost::Failed] {
        for (phase, _, mut end) in phases() {
            end.lose(how);
            let unanswered = phase == "dialled" && how != Lost::Failed;
            let told = if unanswered { Lost::Unanswered } else { how };
            assert_eq!(end.closed(), Some(SessionError::Lost(told)), "{phase}");
            assert!(end.unsent.is_empty(), "{phase}");
        }
    }
}

#[test]
fn a_connection_lost_when_a_ping_is_due_gets_none() {
    let (_, mut end) = Peer::open(1);
    end.now = end.now.saturating_add(Duration::from_secs(15));
    end.lose(Lost::Reset);
    assert!(end.unsent.is_empty());
}

#[test]
fn after_the_end_nothing_has_any_effect() {
    for (phase, _, mut end) in phases() {
        end.lose(Lost::Reset);
        let said = end.said.len();
        let written = end.written.len();
        let mut queue = [p2p::Message { capability: 0, code: 0, payload: "x".into() }].into();
        for _ in 0..2 {
            end.now = end.now.saturating_add(Duration::from_secs(100));
            end.handle(Input::Received(&mut BytesMut::from(&b"more"[..])));
            end.handle(Input::Lost(Lost::Closed));
            end.handle(Input::Written(usize::MAX));
            end.handle(Input::Send(&mut queue));
            end.handle(Input::Delivered);
            end.handle(Input::Timeout);
            for command in [
                Command::Proceed,
                Command::Admit,
                Command::Ping,
                Command::Disconnect(DisconnectReason::Requested),
            ] {
                end.handle(Input::Command(command));
            }
        }
        assert_eq!((end.said.len(), end.written.len()), (said, written), "{phase}");
        assert_eq!(end.session.poll_timeout(), None, "{phase}");
        assert_eq!(queue.len(), 1, "{phase}");
    }
}

#[test]
fn one_side_quits_and_each_names_the_reason() {
    for quitter in [0, 1] {
        let mut pair = Pair::open(1);
        pair.ends[quitter].command(Command::Disconnect(DisconnectReason::Quitting));
        pair.run(Duration::from_secs(1));
        let [ours, theirs] = [quitter, 1 - quitter].map(|end| pair.ends[end].closed());
        assert_eq!(ours, Some(SessionError::Local(DisconnectReason::Quitting)));
        assert_eq!(theirs, Some(SessionError::Remote(DisconnectReason::Quitting)));
    }
}

#[test]
fn both_sides_quit_at_once_and_each_keeps_its_own_reason() {
    let mut pair = Pair::open(1);
    pair.ends[0].command(Command::Disconnect(DisconnectReason::Quitting));
    pair.ends[1].command(Command::Disconnect(DisconnectReason::TooManyPeers));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.ends[0].closed(), Some(SessionError::Local(DisconnectReason::Quitting)));
    assert_eq!(pair.ends[1].closed(), Some(SessionError::Local(DisconnectReason::TooManyPeers)));
}

#[test]
fn two_disconnects_that_cross_end_both_sides_without_lingering() {
    let mut pair = Pair::open(1);
    for end in &mut pair.ends {
        end.command(Command::Disconnect(DisconnectReason::AlreadyConnected));
    }
    pair.run(Duration::from_millis(500));
    let error = SessionError::Local(DisconnectReason::AlreadyConnected);
    assert_eq!([pair.ends[0].closed(), pair.ends[1].closed()], [Some(error); 2]);
}

#[test]
fn a_disconnect_that_comes_before_ours_has_left_still_lets_ours_leave() {
    let (mut peer, mut end) = Peer::open(1);
    end.command(Command::Disconnect(DisconnectReason::Quitting));
    peer.say(&mut end, code::DISCONNECT, &DisconnectReason::UselessPeer.encode());
    assert_eq!(end.closed(), None);
    assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::Quitting);
    assert_eq!(end.closed(), Some(SessionError::Local(DisconnectReason::Quitting)));
}

#[test]
fn messages_sent_before_a_disconnect_arrive_before_it() {
    let mut pair = Pair::open(1);
    for n in 0..20 {
        pair.ends[0].send(0, super::pair::noise(n, 1000));
    }
    pair.ends[0].command(Command::Disconnect(DisconnectReason::Quitting));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends[1].messages().len(), 20);
    assert_eq!(pair.ends[1].closed(), Some(SessionError::Remote(DisconnectReason::Quitting)));
}

#[test]
fn a_refusal_at_each_admission_reaches_the_other() {
    // First admission: before any hello, so it is not compressed.
    let mut pair = Pair::new(1);
    pair.ends[1].manners.proceeds = false;
    pair.run(Duration::from_secs(1));
    pair.ends[1].command(Command::Disconnect(DisconnectReason::TooManyPeers));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends[0].closed(), Some(SessionError::Remote(DisconnectReason::TooManyPeers)));
    // The dialler has said hello, and answers nothing: as in geth.
    assert_eq!(pair.ends[1].closed(), Some(SessionError::Local(DisconnectReason::TooManyPeers)));
    // Second admission: after both hellos, so it may be.
    let mut pair = Pair::new(1);
    pair.ends[1].manners.admits = false;
    pair.run(Duration::from_secs(1));
    pair.ends[1].command(Command::Disconnect(DisconnectReason::UselessPeer));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends[0].closed(), Some(SessionError::Remote(DisconnectReason::UselessPeer)));
}

#[test]
fn a_disconnect_of_one_that_has_not_read_our_hello_is_read_without_compression() {
    // It cannot know whether we compress; we have read its hello, and do.
    for reason in (0..=u8::MAX).map(DisconnectReason::from_code) {
        let (mut peer, mut end) = Peer::open(1);
        let frame = peer.raw_frame(code::DISCONNECT, &reason.encode());
        end.feed(&frame);
        end.accept_writes();
        assert_eq!(end.closed(), Some(SessionError::Remote(reason)));
    }
    // That node is we, if its node changes its mind between the two hellos.
    let mut pair = Pair::new(1);
    pair.wires[0].latency = Duration::from_millis(100);
    pair.run(Duration::from_millis(150));
    pair.ends[1].command(Command::Disconnect(DisconnectReason::Quitting));
    pair.run(Duration::from_secs(1));
    assert!(pair.ends[0].greeted().is_some() && pair.ends[1].greeted().is_none());
    assert_eq!(pair.ends[0].closed(), Some(SessionError::Remote(DisconnectReason::Quitting)));
}

#[test]
fn a_disconnect_of_the_others_is_answered_by_the_same_reason_in_open() {
    for reason in (0..=u8::MAX).map(DisconnectReason::from_code) {
        let (mut peer, mut end) = Peer::open(1);
        peer.say(&mut end, code::DISCONNECT, &reason.encode());
        if reason == DisconnectReason::NetworkError {
            // That one never travels.
            assert!(end.unsent.is_empty());
        } else {
            assert_eq!(end.closed(), None);
            assert_eq!(peer.hear_disconnect(&mut end), reason);
        }
        // No linger: the other spoke first, and closes.
        assert_eq!(end.closed(), Some(SessionError::Remote(reason)));
    }
}

#[test]
fn a_disconnect_instead_of_a_hello_is_not_answered() {
    let (mut peer, mut end) = Peer::dial(1);
    end.command(Command::Proceed);
    peer.hear(&mut end);
    peer.say(&mut end, code::DISCONNECT, &DisconnectReason::TooManyPeers.encode());
    assert_eq!(end.closed(), Some(SessionError::Remote(DisconnectReason::TooManyPeers)));
    assert!(end.unsent.is_empty());
}

#[test]
fn a_disconnect_after_the_hello_is_read_once_we_have_admitted() {
    let (mut peer, mut end) = Peer::dial(1);
    end.command(Command::Proceed);
    peer.greet(&mut end, p2p::VERSION);
    peer.say(&mut end, code::DISCONNECT, &DisconnectReason::UselessPeer.encode());
    assert_eq!(end.closed(), None);
    end.command(Command::Admit);
    assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::UselessPeer);
    assert_eq!(end.closed(), Some(SessionError::Remote(DisconnectReason::UselessPeer)));
}

#[test]
fn both_encodings_are_read_and_unknown_reasons_kept() {
    for (payload, reason) in [
        (&[0xC1, 0x04][..], DisconnectReason::TooManyPeers),
        (&[0x04], DisconnectReason::TooManyPeers),
        (&[0xC1, 0x80], DisconnectReason::Requested),
        (&[0x80], DisconnectReason::Requested),
        (&[0xC1, 0x42], DisconnectReason::Unknown(0x42)),
        (&[0x42], DisconnectReason::Unknown(0x42)),
        (&[0xC2, 0x81, 0xEE], DisconnectReason::Unknown(0xEE)),
        (&[], DisconnectReason::Invalid),
        (&[0xC0], DisconnectReason::Invalid),
    ] {
        let (mut peer, mut end) = Peer::open(1);
        peer.say(&mut end, code::DISCONNECT, payload);
        assert_eq!(peer.hear_disconnect(&mut end), reason);
        assert_eq!(end.closed(), Some(SessionError::Remote(reason)));
        // The same before the hello, where nothing is compressed.
        let (mut peer, mut end) = Peer::dial(1);
        end.command(Command::Proceed);
        peer.say(&mut end, code::DISCONNECT, payload);
        assert_eq!(end.closed(), Some(SessionError::Remote(reason)));
    }
}

#[test]
fn a_disconnect_of_16_mib_is_read_like_any_other() {
    // CVE-2022-29177 was a disconnect that nobody had thought of.
    let (mut peer, mut end) = Peer::open_at_version(1, 4);
    let mut payload = alloc::vec![0xC0; crate::limits::FRAME - 1];
    payload[..2].copy_from_slice(&[0xF8, 0x04]);
    peer.say(&mut end, code::DISCONNECT, &payload);
    assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::Invalid);
}

#[test]
fn what_arrives_after_a_disconnect_of_ours_is_discarded() {
    let (mut peer, mut end) = Peer::open(1);
    end.command(Command::Disconnect(DisconnectReason::Quitting));
    peer.hear_disconnect(&mut end);
    for _ in 0..10 {
        peer.say(&mut end, 16, b"too late");
        peer.say(&mut end, code::PING, &p2p::EMPTY_LIST);
    }
    end.feed(&[0xA5; 64]);
    assert!(end.received.is_empty() && end.unsent.is_empty() && end.messages().is_empty());
    // Not even the other's own disconnect changes the reason.
    peer.say(&mut end, code::DISCONNECT, &DisconnectReason::UselessPeer.encode());
    end.command(Command::Disconnect(DisconnectReason::Requested));
    end.lose(Lost::Reset);
    assert_eq!(end.closed(), Some(SessionError::Local(DisconnectReason::Quitting)));
}

#[test]
fn a_network_error_is_never_told() {
    let (_, mut end) = Peer::open(1);
    end.command(Command::Disconnect(DisconnectReason::NetworkError));
    assert!(end.unsent.is_empty());
    assert_eq!(end.closed(), Some(SessionError::Local(DisconnectReason::NetworkError)));
}

#[test]
fn a_node_that_calls_itself_can_tell_both_ends_so() {
    let own = local(1);
    let mut pair = Pair::between(&own, &own, 1);
    pair.ends[1].manners.proceeds = false;
    pair.run(Duration::from_secs(1));
    let us: &Local = &own;
    assert!(pair.ends.iter().all(|end| end.remote() == Some(*us.public())));
    pair.ends[1].command(Command::Disconnect(DisconnectReason::SelfConnected));
    pair.run(Duration::from_secs(5));
    let reason = DisconnectReason::SelfConnected;
    assert_eq!(pair.ends[0].closed(), Some(SessionError::Remote(reason)));
    assert_eq!(pair.ends[1].closed(), Some(SessionError::Local(reason)));
}

#[test]
fn a_connection_cut_at_any_byte_is_lost_at_both_ends_and_delivers_a_prefix() {
    let whole = {
        let mut pair = Pair::open(1);
        pair.ends[0].send(0, &b"one"[..]);
        pair.ends[0].send(0, &b"two"[..]);
        pair.run(Duration::from_secs(1));
        pair.ends[0].written.len()
    };
    // Every byte would take its time: each handshake costs some milliseconds.
    for cut in (0..=whole).step_by(7).chain([whole - 1, whole]) {
        let mut pair = Pair::new(1);
        pair.wires[0].cut = Some(cut);
        pair.run(Duration::from_millis(100));
        pair.ends[0].send(0, &b"one"[..]);
        pair.ends[0].send(0, &b"two"[..]);
        pair.run(Duration::from_secs(1));
        let heard = pair.ends[1].messages();
        let expected = [&b"one"[..], b"two"];
        assert!(heard.len() <= 2 && heard.iter().zip(expected).all(|(m, e)| m.payload == e));
        assert_eq!(heard.len() == 2, cut == whole, "cut after {cut} of {whole} bytes");
        for end in &pair.ends {
            assert!(matches!(end.closed(), Some(SessionError::Lost(_))), "cut after {cut}");
        }
    }
}
