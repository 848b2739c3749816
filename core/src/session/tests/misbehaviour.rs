//! Whatever a stranger may send: a typed reason, geth's reaction, no panic.

use alloc::vec::Vec;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::pair::{End, Manners, local};
use super::peer::Peer;
use crate::entropy::Seed;
use crate::error::DecodeError;
use crate::limits;
use crate::p2p::{self, DisconnectReason, EMPTY_LIST, Hello, HelloError, code};
use crate::rlpx::{FrameError, HandshakeError, Initiator, Recipient};
use crate::session::{Command, Lost, Misbehaviour, SessionError};
use crate::time::Now;

/// It ended for this reason and not a byte was written about it.
fn ended_in_silence(end: &mut End, error: impl Into<SessionError>) {
    assert_eq!(end.closed(), Some(error.into()));
    assert!(end.unsent.is_empty(), "{:?}", end.unsent);
}

fn accept() -> End {
    End::accept(&local(1), 1, Now::ZERO)
}

fn dial() -> End {
    let mut end = End::dial(&local(1), *local(0).public(), 1, Now::ZERO);
    end.accept_writes();
    end
}

#[test]
fn garbage_for_an_auth_or_an_ack_ends_it_in_silence() {
    for end in [accept, dial] {
        for (bytes, error) in [
            (&[0xFF; 600][..], HandshakeError::TooLarge { size: 0xFFFF }),
            (&[0x08, 0x01], HandshakeError::TooLarge { size: 2049 }),
            (&[0; 2], HandshakeError::TooSmall { size: 0 }),
            (&[0, 112], HandshakeError::TooSmall { size: 112 }),
            (&[1; 2 + 0x101], HandshakeError::Decryption),
        ] {
            let mut end = end();
            end.feed(bytes);
            ended_in_silence(&mut end, error);
            assert_eq!(end.remote(), None);
        }
    }
}

#[test]
fn a_truncated_auth_or_ack_waits_and_is_lost_with_the_connection() {
    let (a, b) = (local(0), local(1));
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), b.public(), &seed).unwrap();
    let auth = initiator.auth();
    for length in [0, 1, 2, 66, 67, auth.len() - 1] {
        let mut end = accept();
        end.feed(&auth[..length]);
        assert_eq!(end.closed(), None, "{length} bytes");
        end.lose(Lost::Closed);
        ended_in_silence(&mut end, SessionError::Lost(Lost::Closed));
    }
}

#[test]
fn an_auth_for_another_node_ends_it_in_silence() {
    let a = local(0);
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), local(2).public(), &seed).unwrap();
    let mut end = accept();
    end.feed(&initiator.auth());
    ended_in_silence(&mut end, HandshakeError::Decryption);
}

#[test]
fn an_ack_of_another_node_gives_no_link() {
    // Anyone can seal an ack for us, but only the node we dialled can learn
    // the ephemeral key that ours is derived from.
    let mut end = End::dial(&local(1), *local(2).public(), 1, Now::ZERO);
    let stranger = local(3);
    // Its own auth, so that it has an ack to give.
    let us = local(1);
    let seed = Seed::from_number(9);
    let own = Initiator::new(us.secret(), us.public(), stranger.public(), &seed).unwrap();
    let accepted =
        Recipient::new(stranger.secret()).read_auth(&mut own.auth().to_vec(), &seed).unwrap();
    end.accept_writes();
    end.feed(&accepted.ack);
    let mut codec: crate::rlpx::FrameCodec = accepted.secrets.into();
    let mut hello = BytesMut::new();
    codec.encode(code::HELLO, &local(3).hello(&[]).encode(), &mut hello).unwrap();
    end.accept_writes();
    end.feed(&hello);
    ended_in_silence(&mut end, FrameError::HeaderMac);
    assert!(end.greeted().is_none());
}

#[test]
fn the_plain_form_is_refused_by_name() {
    // A point where the size should be, and none behind it.
    let mut auth = BytesMut::new();
    let mut end = accept();
    for number in 0.. {
        let point = local(number);
        // Its first bytes make a size that is small enough.
        auth.clear();
        auth.put_u8(4);
        auth.put_slice(point.public().as_bytes());
        auth.put_bytes(0x55, 307 - 65);
        if auth[2] != 4 {
            break;
        }
    }
    end.feed(&auth);
    ended_in_silence(&mut end, HandshakeError::PlainForm);
}

#[test]
fn a_replayed_auth_gets_an_ack_it_cannot_use_and_its_frames_end_it() {
    // A replay is sealed and signed as it should be, so the session answers
    // and takes the node for whom it claims to be until the first frame: that
    // one only the owner of the ephemeral key can make.
    let node = local(1);
    let (mut peer, _) = Peer::dial_to(&node, 1);
    let seed = Seed::from_number(1).derive("peer", 0);
    let public = peer.secret.public_key();
    let recorded = Initiator::new(&peer.secret, &public, node.public(), &seed).unwrap().auth();
    let recorded_hello = {
        let hello = peer.hello().encode();
        peer.frame(code::HELLO, &hello)
    };

    let mut end = End::accept(&node, 2, Now::ZERO);
    end.feed(&recorded);
    assert_eq!(end.remote(), Some(public));
    end.accept_writes();
    end.feed(&recorded_hello);
    assert!(end.greeted().is_none());
    ended_in_silence(&mut end, FrameError::HeaderMac);
}

#[test]
fn a_replayed_ack_gives_no_link() {
    let remote = local(0);
    let ack_for = |seed| {
        let mut end = End::dial(&local(1), *remote.public(), seed, Now::ZERO);
        let seed = Seed::from_number(seed);
        let mut auth = end.accept_writes();
        (Recipient::new(remote.secret()).read_auth(&mut auth, &seed).unwrap(), end)
    };
    let (recorded, mut first) = ack_for(1);
    first.feed(&recorded.ack);
    let mut codec: crate::rlpx::FrameCodec = recorded.secrets.into();
    let mut hello = BytesMut::new();
    codec.encode(code::HELLO, &remote.hello(&[]).encode(), &mut hello).unwrap();
    first.feed(&hello.clone());
    assert!(first.greeted().is_some(), "the recording is good where it was made");

    let (_, mut second) = ack_for(2);
    second.feed(&recorded.ack);
    second.accept_writes();
    second.feed(&hello);
    ended_in_silence(&mut second, FrameError::HeaderMac);
}

#[test]
fn a_replayed_frame_ends_it() {
    let (mut peer, mut end) = Peer::open(1);
    let frame = peer.frame(16, b"once");
    end.feed(&frame);
    end.feed(&frame);
    assert_eq!(end.messages().len(), 1);
    ended_in_silence(&mut end, FrameError::HeaderMac);
}

#[test]
fn a_flipped_tag_of_a_header_or_a_body_delivers_nothing() {
    for (at, error) in [(16, FrameError::HeaderMac), (31, FrameError::HeaderMac)] {
        let (mut peer, mut end) = Peer::open(1);
        let mut frame = peer.frame(16, b"changed");
        frame[at] ^= 1;
        end.feed(&frame);
        assert!(end.messages().is_empty());
        ended_in_silence(&mut end, error);
    }
    let (mut peer, mut end) = Peer::open(1);
    let mut frame = peer.frame(16, b"changed");
    *frame.last_mut().unwrap() ^= 0x80;
    end.feed(&frame);
    assert!(end.messages().is_empty());
    ended_in_silence(&mut end, FrameError::BodyMac);
}

/// A session that waits for a hello, its own hello read.
fn waiting_for_hello() -> (Peer, End) {
    let (mut peer, mut end) = Peer::dial(1);
    end.command(Command::Proceed);
    assert_eq!(peer.hear(&mut end)[0].0, code::HELLO);
    (peer, end)
}

#[test]
fn a_hello_of_another_id_is_told_unexpected_identity() {
    for version in [4, p2p::VERSION] {
        let (mut peer, mut end) = waiting_for_hello();
        let hello = Hello { id: *local(7).public().as_bytes(), version, ..peer.hello() };
        peer.say(&mut end, code::HELLO, &hello.encode());
        // Both hellos are through: compressed from here on where both can.
        peer.compresses = version.min(p2p::VERSION) >= 5;
        assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::UnexpectedIdentity);
        assert_eq!(DisconnectReason::UnexpectedIdentity.code(), 0x09);
        end.lose(Lost::Closed);
        let error = SessionError::Misbehaved(Misbehaviour::UnexpectedIdentity);
        assert_eq!(end.closed(), Some(error));
        assert!(end.greeted().is_none());
    }
}

#[test]
fn a_hello_of_no_id_ends_it_in_silence() {
    let (mut peer, mut end) = waiting_for_hello();
    let hello = Hello { id: [0; 64], ..peer.hello() };
    peer.say(&mut end, code::HELLO, &hello.encode());
    ended_in_silence(&mut end, HelloError::InvalidIdentity);
}

#[test]
fn a_hello_that_is_no_list_ends_it_in_silence() {
    let (mut peer, mut end) = waiting_for_hello();
    peer.say(&mut end, code::HELLO, &[0x01]);
    ended_in_silence(&mut end, HelloError::Malformed(DecodeError::UnexpectedString));
}

#[test]
fn a_message_before_the_hello_ends_it_in_silence() {
    // 0x989898 is the code in geth's test.
    for code in [code::PING, code::PONG, 16, 0x98_98_98, u64::MAX] {
        let (mut peer, mut end) = waiting_for_hello();
        peer.say(&mut end, code, &EMPTY_LIST);
        ended_in_silence(&mut end, Misbehaviour::ExpectedHello { code });
    }
}

/// An honest hello, padded behind its list to a payload of `length` bytes.
fn padded_hello(peer: &Peer, length: usize) -> Vec<u8> {
    let mut payload = peer.hello().encode();
    payload.resize(length, 0x55);
    payload
}

#[test]
fn a_hello_of_2048_bytes_is_taken_and_one_byte_more_is_not() {
    let (mut peer, mut end) = waiting_for_hello();
    let hello = padded_hello(&peer, 2048);
    peer.say(&mut end, code::HELLO, &hello);
    assert!(end.greeted().is_some());
    let (mut peer, mut end) = waiting_for_hello();
    let hello = padded_hello(&peer, 2049);
    peer.say(&mut end, code::HELLO, &hello);
    ended_in_silence(&mut end, HelloError::TooLarge { size: 2049 });
}

#[test]
fn a_large_hello_is_refused_by_its_header_before_its_body_arrives() {
    let (mut peer, mut end) = waiting_for_hello();
    let frame = peer.raw_frame(code::HELLO, &alloc::vec![0; limits::FRAME - 1]);
    end.feed(&frame[..31]);
    assert_eq!(end.closed(), None);
    end.feed(&frame[31..32]);
    let limit = limits::HELLO_PAYLOAD + 9;
    ended_in_silence(&mut end, FrameError::TooLarge { size: limits::FRAME, limit });
}

#[test]
fn a_code_that_is_no_integer_ends_it_in_silence() {
    // A frame of no bytes at all has no code either.
    for body in [&[][..], &[0x00], &[0x81, 0x05], &[0xC0], &[0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
        let (mut peer, mut end) = Peer::open(1);
        let mut frame = BytesMut::new();
        // The codec writes a code of its own: cut it out before it is sealed.
        let sealed = peer.codec.encode_with(0, &mut frame, |out| {
            out.truncate(32);
            out.put_slice(body);
        });
        assert_eq!(sealed, Ok(()));
        end.feed(&frame);
        ended_in_silence(&mut end, FrameError::InvalidCode);
    }
}

#[test]
fn a_second_hello_is_ignored_and_counted() {
    let (mut peer, mut end) = Peer::open(1);
    let hello = Hello { id: [9; 64], ..peer.hello() };
    peer.say(&mut end, code::HELLO, &hello.encode());
    assert_eq!(end.session.get().counters().ignored, 1);
    peer.say(&mut end, 16, b"after it");
    assert_eq!(end.messages().len(), 1);
    assert_eq!(end.closed(), None);
}

#[test]
fn a_code_beyond_all_shared_capabilities_ends_it_in_silence() {
    // echo has 16 and 17, test has 18 to 22.
    for code in [23, 24, 1 << 32, u64::MAX] {
        let (mut peer, mut end) = Peer::open(1);
        peer.say(&mut end, 22, b"the last");
        peer.say(&mut end, code, b"one too far");
        assert_eq!(end.messages().len(), 1);
        ended_in_silence(&mut end, Misbehaviour::UnknownCode { code });
    }
}

#[cfg(feature = "std")]
#[test]
fn bad_snappy_and_a_snappy_bomb_end_it_in_silence() {
    use crate::p2p::CompressionError;
    for (payload, error) in [
        (&[5, 0xFF, 0xFF][..], CompressionError::Corrupt),
        (&[], CompressionError::Corrupt),
        // 16 MiB, and 4 GiB less a byte, declared by few bytes.
        (&[0x80, 0x80, 0x80, 0x08, 0, 1], CompressionError::TooLarge),
        (&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 1], CompressionError::TooLarge),
        (&[0xFF, 0xFF, 0xFF, 0x07, 0, 1], CompressionError::Corrupt),
    ] {
        // Whether it is a message of somebody's, a ping or a disconnect.
        for code in [16, code::PING, code::DISCONNECT] {
            let (mut peer, mut end) = Peer::open(1);
            let frame = peer.raw_frame(code, payload);
            end.feed(&frame);
            assert!(end.messages().is_empty());
            ended_in_silence(&mut end, error);
        }
    }
}

#[test]
fn a_hundred_thousand_pings_whose_answers_nobody_reads_stop_the_reading() {
    // CVE-2023-40591.
    let (mut peer, mut end) = Peer::open(1);
    let mut received = BytesMut::new();
    for _ in 0..100_000 {
        let ping = peer.frame(code::PING, &EMPTY_LIST);
        received.extend_from_slice(&ping);
    }
    end.received = received;
    end.settle();
    assert!(!end.session.get().wants_read());
    let pong = end.unsent.len();
    assert!(pong < limits::ANSWER_BACKLOG + 64, "{pong} bytes of answers");
    let left = end.received.len();
    assert!(left > 99_000 * 64);
    end.settle();
    assert_eq!(end.received.len(), left, "nothing more is read");
    // As they are read, so it goes on: each is answered.
    while !end.unsent.is_empty() {
        end.accept_writes();
        assert!(end.unsent.len() < limits::ANSWER_BACKLOG + 64);
    }
    assert_eq!(end.session.get().counters().pings_answered, 100_000);
    assert!(end.received.is_empty() && end.session.get().wants_read());
}

#[test]
fn what_came_before_a_bad_frame_is_answered_whether_or_not_it_came_with_it() {
    let written = |together: bool| {
        let (mut peer, mut end) = Peer::open(1);
        let mut ping = peer.frame(code::PING, &EMPTY_LIST);
        let mut bad = peer.frame(16, b"");
        bad[0] ^= 1;
        if together {
            ping.unsplit(bad);
            end.feed(&ping);
        } else {
            end.feed(&ping);
            end.feed(&bad);
        }
        assert_eq!(end.closed(), Some(FrameError::HeaderMac.into()));
        Bytes::from(end.written)
    };
    assert_eq!(written(true), written(false));
}

#[test]
fn messages_before_the_admission_stay_in_the_buffer() {
    let (mut peer, mut end) = waiting_for_hello();
    peer.greet(&mut end, p2p::VERSION);
    assert!(end.greeted().is_some() && !end.session.get().wants_read());
    let frame = peer.frame(16, b"early");
    end.feed(&frame);
    assert_eq!(end.received, frame);
    assert!(end.messages().is_empty());
    end.command(Command::Admit);
    assert_eq!(end.messages().len(), 1);
    assert!(end.received.is_empty());
}

#[test]
fn a_hello_before_the_first_admission_stays_in_the_buffer() {
    let (mut peer, mut end) = Peer::dial(1);
    end.manners = Manners { admits: true, ..Manners::NONE };
    let hello = peer.hello().encode();
    let frame = peer.frame(code::HELLO, &hello);
    end.feed(&frame);
    assert_eq!(end.received, frame);
    end.command(Command::Proceed);
    assert!(end.session.get().wants_send());
}
