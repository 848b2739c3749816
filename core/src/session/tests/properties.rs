//! What holds for every input, sought by random ones.
//!
//! The cases are the same on each run, so that a red test stays red.
//! `PROPTEST_CASES` sets their number and `PROPTEST_RNG_SEED` others.

extern crate std;

use core::time::Duration;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::pair::{End, Manners, Pair, local, noise};
use super::peer::Peer;
use crate::p2p::{self, Capability, DisconnectReason, Hello, HelloError, Message, code};
use crate::rlpx::{Initiator, Recipient, message_length};
use crate::session::{Command, Input, Lost, Output, SessionError};
use crate::time::{Instant, Now, UnixTime};

pub(super) fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(0xDE_72_BE_12);
    }
    config
}

fn hello() -> impl Strategy<Value = Hello> {
    let capability =
        (any::<String>(), any::<u64>()).prop_map(|(name, version)| Capability::new(name, version));
    let id = vec(any::<u8>(), 64).prop_map(|id| <[u8; 64]>::try_from(id).unwrap());
    (any::<u64>(), any::<String>(), vec(capability, 0..40), any::<u64>(), id).prop_map(
        |(version, client_name, capabilities, listen_port, id)| Hello {
            version,
            client_name,
            capabilities,
            listen_port,
            id,
        },
    )
}

/// A payload: mostly short, sometimes compressible.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        (0..5000usize, any::<u8>()).prop_map(|(length, byte)| alloc::vec![byte; length]),
        (0..20_000usize, any::<u64>()).prop_map(|(length, seed)| noise(seed, length)),
    ]
}

/// Codes of the base protocol, of both capabilities and of nobody.
fn any_code() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..30u64, 1 => any::<u64>()]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => Just(Command::Proceed),
        4 => Just(Command::Admit),
        2 => Just(Command::Ping),
        1 => any::<u8>().prop_map(|code| Command::Disconnect(DisconnectReason::from_code(code))),
    ]
}

fn lost() -> impl Strategy<Value = Lost> {
    prop_oneof![Just(Lost::Closed), Just(Lost::Reset), Just(Lost::Failed)]
}

/// From microseconds to minutes.
pub(super) fn a_while() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..50_000u64).prop_map(Duration::from_micros),
        3 => (0..3000u64).prop_map(Duration::from_millis),
        1 => (0..60_000u64).prop_map(Duration::from_millis),
    ]
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn a_hello_decodes_to_what_was_encoded(hello in hello()) {
        let decoded = Hello::decode(&hello.encode());
        if hello.id == [0; 64] {
            prop_assert_eq!(decoded, Err(HelloError::InvalidIdentity));
        } else {
            prop_assert_eq!(decoded, Ok(hello));
        }
    }

    #[test]
    fn a_hello_with_any_byte_changed_is_a_hello_or_an_error(
        hello in hello(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut payload = hello.encode();
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(changed) = Hello::decode(&payload) {
            prop_assert_eq!(Hello::decode(&changed.encode()), Ok(changed));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..600)) {
        let _ = Hello::decode(&bytes);
        let _ = DisconnectReason::decode(&bytes);
        let _ = p2p::decompress(&bytes);
        let _ = message_length(&bytes);
    }

    #[test]
    fn a_message_decompresses_to_what_was_compressed(payload in payload()) {
        let mut packed = BytesMut::new();
        p2p::compress(&payload, &mut packed);
        prop_assert_eq!(p2p::decompress(&packed).unwrap(), payload);
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn frames_decode_to_what_was_encoded_however_they_are_cut(
        frames in vec((any::<u64>(), payload()), 1..8),
        cuts in vec(1..3000usize, 1..20),
    ) {
        let (mut peer, _) = Peer::dial(1);
        let (other, _) = Peer::dial(1);
        // What the peer writes is read by the codec that is its mirror.
        let mut mirror = mirrored(&other);
        let mut stream = BytesMut::new();
        for (code, payload) in &frames {
            peer.codec.encode(*code, payload, &mut stream).unwrap();
        }
        let (mut received, mut decoded) = (BytesMut::new(), Vec::new());
        for length in cuts.iter().cycle() {
            received.extend_from_slice(&stream.split_to((*length).min(stream.len())));
            while let Some(frame) = mirror.decode(&mut received).unwrap() {
                decoded.push((frame.code, frame.payload.to_vec()));
            }
            if stream.is_empty() {
                break;
            }
        }
        prop_assert!(received.is_empty());
        prop_assert_eq!(decoded, frames);
    }
}

/// The codec of the session that `Peer::dial(1)` dialled.
fn mirrored(peer: &Peer) -> crate::rlpx::FrameCodec {
    use crate::entropy::Seed;
    let node = local(1);
    let seed = Seed::from_number(1).derive("peer", 0);
    let public = peer.secret.public_key();
    let mut auth =
        Initiator::new(&peer.secret, &public, node.public(), &seed).unwrap().auth().to_vec();
    let seed = Seed::from_number(1).derive("accept", 0);
    Recipient::new(node.secret()).read_auth(&mut auth, &seed).unwrap().secrets.into()
}

/// What an honest peer that dials the session says in all, and what the
/// session did: the same stream can be cut in other ways, as all is seeded.
fn recorded(script: &[(u64, Vec<u8>)], ends_badly: bool) -> (Vec<u8>, Outcome) {
    let mut stream = Vec::new();
    let (mut peer, mut end) = Peer::dial(1);
    {
        use crate::entropy::Seed;
        let seed = Seed::from_number(1).derive("peer", 0);
        let public = peer.secret.public_key();
        let node = local(1);
        let auth = Initiator::new(&peer.secret, &public, node.public(), &seed).unwrap().auth();
        stream.extend_from_slice(&auth);
    }
    end.manners = Manners::ALL;
    end.command(Command::Proceed);
    let hello = peer.hello().encode();
    let frame = peer.frame(code::HELLO, &hello);
    stream.extend_from_slice(&frame);
    end.feed(&frame);
    peer.compresses = p2p::VERSION >= p2p::SNAPPY_VERSION;
    for (code, payload) in script {
        let frame = peer.frame(*code, payload);
        stream.extend_from_slice(&frame);
        end.feed(&frame);
        end.accept_writes();
    }
    if ends_badly {
        let mut frame = peer.frame(16, b"bad");
        *frame.last_mut().unwrap() ^= 1;
        stream.extend_from_slice(&frame);
        end.feed(&frame);
    }
    (stream, outcome(&mut end))
}

type Outcome = (Vec<u8>, Vec<String>);

/// All bytes written in one, and all else that was said.
fn outcome(end: &mut End) -> Outcome {
    while !end.unsent.is_empty() {
        end.accept_writes();
    }
    (end.written.clone(), end.said.iter().map(|output| format!("{output:?}")).collect())
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn every_way_to_cut_the_stream_gives_the_same_outputs(
        // No disconnect among them: what is behind it is not read.
        script in vec((prop_oneof![Just(2u64), Just(3), 4..23u64], payload()), 0..12),
        ends_badly in any::<bool>(),
        cuts in vec(prop_oneof![1..4usize, 1..200usize, 1..50_000usize], 1..20),
    ) {
        let (stream, expected) = recorded(&script, ends_badly);
        let mut end = End::accept(&local(1), 1, Now::ZERO);
        let mut rest = &stream[..];
        for length in cuts.iter().cycle() {
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            end.feed(chunk);
            while !end.unsent.is_empty() {
                end.accept_writes();
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(end.closed().is_some(), ends_badly);
        prop_assert_eq!(outcome(&mut end), expected);
    }
}

#[test]
fn a_stream_byte_by_byte_and_at_once_gives_the_same_outputs() {
    let script: Vec<(u64, Vec<u8>)> =
        [16, 2, 3, 22, 5, 2, 2, 17].map(|code| (code, noise(code, code as usize * 3))).into();
    let (stream, expected) = recorded(&script, true);
    for size in [1, stream.len()] {
        let mut end = End::accept(&local(1), 1, Now::ZERO);
        stream.chunks(size).for_each(|chunk| end.feed(chunk));
        assert_eq!(outcome(&mut end), expected, "in pieces of {size}");
    }
}

/// A run in which both ends send three messages, with one bit flipped on the
/// way. Returns how many bytes each end wrote, and the pair.
fn flipped(wire: usize, bit: Option<usize>) -> Pair {
    let mut pair = Pair::new(1);
    pair.wires[wire].flip = bit;
    for n in 0..3 {
        pair.ends.iter_mut().for_each(|end| end.send(0, noise(n, 20)));
    }
    pair.run(Duration::from_secs(1));
    pair
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn any_flipped_bit_of_either_stream_ends_it_before_a_wrong_message(
        wire in 0..2usize, at in any::<prop::sample::Index>(),
    ) {
        let length = flipped(wire, None).ends[wire].written.len();
        let bit = at.index(length * 8);
        let mut pair = flipped(wire, Some(bit));
        for (end, sent) in pair.ends.iter().zip([3, 3]) {
            for (n, message) in end.messages().into_iter().enumerate() {
                prop_assert!(n < sent);
                prop_assert_eq!(&message.payload[..], noise(n as u64, 20));
            }
        }
        prop_assert!(pair.ends[1 - wire].messages().len() < 3, "a strict prefix");
        // A flip in a size leaves it waiting for what never comes.
        pair.run(Duration::from_secs(60));
        prop_assert!(pair.ends.iter().all(End::is_over));
        let malformed = pair.ends[1 - wire].closed().unwrap();
        prop_assert!(
            matches!(
                malformed,
                SessionError::Handshake(_)
                    | SessionError::Frame(_)
                    | SessionError::TimedOut(_)
                    | SessionError::Lost(_)
            ),
            "{:?}", malformed
        );
    }
}

/// Anything a driver or a stranger may do to one session.
#[derive(Clone, Debug)]
enum Anything {
    Garbage(Vec<u8>),
    Frame(u64, Vec<u8>, bool),
    Hello,
    Lost(Lost),
    Written(usize),
    Command(Command),
    Send(usize, u64, usize),
    Delivered,
    Later(Duration),
    /// Any time whatever, back or forth.
    Leap(u64, u64),
}

fn anything() -> impl Strategy<Value = Anything> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..200).prop_map(Anything::Garbage),
        8 => (any_code(), payload(), any::<bool>())
            .prop_map(|(code, payload, packed)| Anything::Frame(code, payload, packed)),
        2 => Just(Anything::Hello),
        1 => lost().prop_map(Anything::Lost),
        4 => prop_oneof![0..2000usize, any::<usize>()].prop_map(Anything::Written),
        4 => command().prop_map(Anything::Command),
        4 => (0..3usize, 0..6u64, 0..100_000usize)
            .prop_map(|(capability, code, length)| Anything::Send(capability, code, length)),
        3 => Just(Anything::Delivered),
        4 => a_while().prop_map(Anything::Later),
        1 => (0..100_000_000u64, any::<u64>()).prop_map(|(mono, unix)| Anything::Leap(mono, unix)),
    ]
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn no_sequence_of_inputs_makes_a_session_panic_or_break_the_contract(
        (dialled, phase, inputs) in (any::<bool>(), 0..5usize, vec(anything(), 0..60)),
    ) {
        let (mut peer, mut end) = match phase {
            0 => {
                // No peer that it would understand.
                let (peer, _) = Peer::dial(2);
                let node = local(1);
                (peer, if dialled {
                    End::dial(&node, *local(0).public(), 3, Now::ZERO)
                } else {
                    End::accept(&node, 3, Now::ZERO)
                })
            }
            1.. if dialled => Peer::accept(1),
            _ => Peer::dial(1),
        };
        if phase >= 2 {
            end.command(Command::Proceed);
        }
        if phase >= 3 {
            peer.greet(&mut end, p2p::VERSION);
        }
        if phase >= 4 {
            end.command(Command::Admit);
        }
        for input in inputs {
            match input {
                Anything::Garbage(bytes) => end.feed(&bytes),
                Anything::Frame(code, payload, true) => peer.say(&mut end, code, &payload),
                Anything::Frame(code, payload, false) => {
                    let frame = peer.raw_frame(code, &payload);
                    end.feed(&frame);
                }
                Anything::Hello => {
                    let hello = peer.hello().encode();
                    let frame = peer.raw_frame(code::HELLO, &hello);
                    end.feed(&frame);
                }
                Anything::Lost(how) => end.handle(Input::Lost(how)),
                Anything::Written(bytes) => end.handle(Input::Written(bytes)),
                Anything::Command(command) => end.command(command),
                Anything::Send(capability, code, length) => {
                    let payload = noise(1, length).into();
                    end.queue.push_back(Message { capability, code, payload });
                    end.settle();
                }
                Anything::Delivered => end.handle(Input::Delivered),
                Anything::Later(time) => end.wake_at(end.now.saturating_add(time)),
                Anything::Leap(mono, unix) => end.wake_at(Now {
                    mono: Instant::from_micros(mono),
                    unix: UnixTime::from_micros(unix),
                }),
            }
        }
        // Once, last, and soon.
        end.queue.clear();
        let limit = Duration::from_secs(60);
        end.wake_at(Now { mono: Instant::from_secs(1000) + limit, ..end.now });
        end.wake_at(Now { mono: Instant::from_secs(2000) + limit, ..end.now });
        end.wake_at(Now { mono: Instant::from_secs(3000) + limit, ..end.now });
        let closed = end.said.iter().filter(|output| matches!(output, Output::Closed(_))).count();
        prop_assert_eq!(closed, 1);
    }
}
