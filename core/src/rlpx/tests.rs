//! The transport against published vectors, and against itself.
#![allow(clippy::cast_possible_truncation, reason = "tests cut numbers to make bytes of them")]

use alloc::vec::Vec;

use bytes::BytesMut;

use super::handshake::{Auth, proof, public_key, rlp_list};
use super::secrets::Transcript;
use super::*;
use crate::crypto::{PublicKey, SecretKey};
use crate::entropy::Seed;
use crate::rlp;

#[test]
fn what_holds_a_key_of_a_connection_is_wiped_when_it_is_dropped() {
    const fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<SecretKey>();
    // Of frames: both key schedules, the key stream, and the MACs.
    wiped::<aes::Aes256Enc>();
    wiped::<ctr::CtrCore<aes::Aes256Enc, ctr::flavors::Ctr64BE>>();
    wiped::<sha3::Keccak256>();
    // Of ECIES.
    wiped::<ctr::Ctr128BE<aes::Aes128>>();
    wiped::<sha2::Sha256>();
    // It has no marker of its own, but is made of two of these and a buffer.
    wiped::<sha2::block_api::Sha256VarCore>();
    assert!(core::mem::needs_drop::<hmac::Hmac<sha2::Sha256>>());
}

const AUTH_1: &str = include_str!("vectors/auth1.hex");
const AUTH_2: &str = include_str!("vectors/auth2.hex");
const AUTH_3: &str = include_str!("vectors/auth3.hex");
const ACK_1: &str = include_str!("vectors/ack1.hex");
const ACK_2: &str = include_str!("vectors/ack2.hex");
const ACK_3: &str = include_str!("vectors/ack3.hex");

const STATIC_A: &str = "49a7b37aa6f6645917e7b807e9d1c00d4fa71f18343b0d4122a4d2df64dd6fee";
const STATIC_B: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
const EPHEMERAL_A: &str = "869d6ecf5211f1cc60418a13b9d870b22959d0c16f02bec714c960dd2298a32d";
const EPHEMERAL_B: &str = "e238eb8e04fee6511ab04c6dd3c89ce097b11f25d584863ac2b6d5b35b1847e4";
const NONCE_A: &str = "7e968bba13b6c50e2c4cd7f241cc0d64d1ac25c7f5952df231ac6a2bda8ee5d6";
const NONCE_B: &str = "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
const SIGNATURE: &str = "299ca6acfd35e3d72d8ba3d1e2b60b5561d5af5218eb5bc182045769eb4226910a301acae3b369fffc4a4899d6b02531e89fd4fe36a2cf0d93607ba470b50f7800";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(byte).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn bytes32(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

fn key(text: &str) -> SecretKey {
    SecretKey::from_bytes(&bytes32(text)).unwrap()
}

/// Both ends of a fresh connection: the initiator's secrets, the recipient's,
/// and whom the recipient saw.
pub(super) fn connected(seed: u64) -> (Secrets, Secrets, PublicKey, PublicKey) {
    let seed = Seed::from_number(seed);
    let mut rng = seed.derive("keys", 0).secrets();
    let (a, b) = (SecretKey::generate(&mut rng), SecretKey::generate(&mut rng));
    let (public_a, public_b) = (a.public_key(), b.public_key());
    let initiator = Initiator::new(&a, &public_a, &public_b, &seed.derive("a", 0)).unwrap();
    let mut auth = initiator.auth().to_vec();
    assert_eq!(message_length(&auth), Ok(Some(auth.len())));
    let accepted = Recipient::new(&b).read_auth(&mut auth, &seed.derive("b", 0)).unwrap();
    let mut ack = accepted.ack.to_vec();
    assert_eq!(message_length(&ack), Ok(Some(ack.len())));
    let secrets = initiator.read_ack(&mut ack).unwrap();
    (secrets, accepted.secrets, accepted.remote, public_a)
}

#[test]
fn published_auths_decode_whatever_their_version_and_extra_elements() {
    for text in [AUTH_2, AUTH_3] {
        let mut packet = unhex(text);
        assert_eq!(message_length(&packet), Ok(Some(packet.len())));
        let auth = Auth::decode(ecies::open(&mut packet, &key(STATIC_B))).unwrap();
        assert_eq!(auth.signature.as_bytes()[..], unhex(SIGNATURE));
        assert_eq!(auth.remote, key(STATIC_A).public_key());
        assert_eq!(auth.nonce, bytes32(NONCE_A));
    }
}

#[test]
fn published_acks_decode_whatever_their_version_and_extra_elements() {
    for text in [ACK_2, ACK_3] {
        let mut packet = unhex(text);
        let opened = ecies::open(&mut packet, &key(STATIC_A));
        let mut list = rlp_list(opened).unwrap();
        assert_eq!(public_key(&mut list), Ok(key(EPHEMERAL_B).public_key()));
        assert_eq!(rlp::fixed::<32>(&mut list), Ok(bytes32(NONCE_B)));
    }
}

#[test]
fn published_secrets_are_derived_on_both_sides() {
    let (a, b) = (key(STATIC_A), key(STATIC_B));
    let (ephemeral_a, ephemeral_b) = (key(EPHEMERAL_A), key(EPHEMERAL_B));
    let static_shared = a.agree(&b.public_key()).unwrap();
    assert_eq!(
        static_shared.as_bytes(),
        &bytes32("2d21423c1dc3355da36e7f2c2b530eeffcf0680f93201a958b2ec3a7d04958e6")
    );

    // The recipient never sees the ephemeral key: it recovers it.
    let digest = proof(&b, &a.public_key(), &bytes32(NONCE_A)).unwrap();
    let signature = ephemeral_a.sign(&digest);
    let recovered = signature.recover_and_agree(&digest, &ephemeral_b).unwrap();
    let shared = ephemeral_a.agree(&ephemeral_b.public_key()).unwrap();
    assert_eq!(recovered.as_bytes(), shared.as_bytes());
    assert_eq!(
        shared.as_bytes(),
        &bytes32("1a08ef840fa6b55e5b2630351aa45804cc16b48e526b64e6ee667b224967ef24")
    );

    let (auth, ack) = (unhex(AUTH_2), unhex(ACK_2));
    let transcript = Transcript {
        initiator_nonce: &bytes32(NONCE_A),
        recipient_nonce: &bytes32(NONCE_B),
        auth: &auth,
        ack: &ack,
    };
    let mut recipient = Secrets::recipient(&shared, &transcript);
    let initiator = Secrets::initiator(&shared, &transcript);
    for secrets in [&initiator, &recipient] {
        let aes = "80e8632c05fed6fc2a13b0f8d31a3cf645366239170ea067065aba8e28bac487";
        let mac = "2ea74ec5dae199227dff1af715362700e989d889d7a493cb0639691efb8e5f98";
        assert_eq!(*secrets.aes, bytes32(aes));
        assert_eq!(*secrets.mac, bytes32(mac));
    }
    let from_a = "1876ff58fc175e0a177afd2044d57eff497080dc0386a382aa44d9eb2f182aab";
    let from_b = "7a076efd50d3771655f22190654053ba82f6f47f3123be6a4ba61df58845abc6";
    assert_eq!(initiator.egress.full_digest(), bytes32(from_a));
    assert_eq!(initiator.ingress.full_digest(), bytes32(from_b));
    assert_eq!(recipient.egress.full_digest(), bytes32(from_b));
    assert_eq!(recipient.ingress.full_digest(), bytes32(from_a));

    recipient.ingress.absorb(b"foo");
    let foo = "0c7ec6340062cc46f5e9f1e3cf86f8c8c403c5a0964f5df0ebd34a75ddc86db5";
    assert_eq!(recipient.ingress.full_digest(), bytes32(foo));
}

#[test]
fn the_plain_form_is_refused_by_name() {
    for text in [AUTH_1, ACK_1] {
        let packet = unhex(text);
        assert_eq!(message_length(&packet), Err(HandshakeError::PlainForm));
    }
    // As soon as it can be told apart, and not before.
    let packet = unhex(AUTH_1);
    assert!(matches!(message_length(&packet[..66]), Ok(Some(_))));
    assert_eq!(message_length(&packet[..67]), Err(HandshakeError::PlainForm));
}

#[test]
fn both_ends_derive_the_same_secrets_and_the_recipient_learns_who_called() {
    for seed in 0..8 {
        let (a, b, seen, public_a) = connected(seed);
        assert_eq!(seen, public_a);
        assert_eq!(*a.aes, *b.aes);
        assert_eq!(*a.mac, *b.mac);
        assert_eq!(a.egress.full_digest(), b.ingress.full_digest());
        assert_eq!(a.ingress.full_digest(), b.egress.full_digest());
        assert_ne!(a.egress.full_digest(), b.egress.full_digest());
    }
}

#[test]
fn the_same_seed_makes_the_same_packets_and_another_seed_makes_others() {
    let (a, b) = (key(STATIC_A), key(STATIC_B));
    let auth = |seed| {
        let seed = Seed::from_number(seed);
        Initiator::new(&a, &a.public_key(), &b.public_key(), &seed).unwrap().auth()
    };
    assert_eq!(auth(1), auth(1));
    assert_ne!(auth(1), auth(2));
}

#[test]
fn the_padding_varies_within_its_bounds() {
    let (a, b) = (key(STATIC_A), key(STATIC_B));
    let bare = 2 + ecies::OVERHEAD + 169;
    let lengths: Vec<usize> = (0..300)
        .map(|seed| {
            let seed = Seed::from_number(seed);
            Initiator::new(&a, &a.public_key(), &b.public_key(), &seed).unwrap().auth().len()
        })
        .collect();
    assert!(lengths.iter().all(|length| (bare + 100..bare + 200).contains(length)));
    assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() > 90);
}

#[test]
fn any_flipped_bit_of_an_auth_or_ack_is_an_error() {
    let (a, b) = (key(STATIC_A), key(STATIC_B));
    for (text, secret) in [(AUTH_2, &b), (ACK_2, &a)] {
        let good = unhex(text);
        for at in (0..good.len()).map(|at| at * 8 + at % 8) {
            let mut packet = good.clone();
            packet[at / 8] ^= 1 << (at % 8);
            assert!(ecies::open(&mut packet, secret).is_err(), "bit {at}");
        }
        assert!(ecies::open(&mut good.clone(), secret).is_ok());
    }
}

#[test]
fn any_plaintext_can_be_sealed_and_opened_up_to_what_the_size_can_state() {
    let b = key(STATIC_B);
    let mut rng = Seed::from_number(1).secrets();
    let room = usize::from(u16::MAX) - ecies::OVERHEAD;
    for length in [0, 1, 1000, room, room + 1, 2 * room] {
        let plaintext = alloc::vec![0x5a; length];
        let mut packet = ecies::seal(&plaintext, &b.public_key(), &mut rng).unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([packet[0], packet[1]])), packet.len() - 2);
        assert_eq!(ecies::open(&mut packet, &b).unwrap(), &plaintext[..length.min(room)]);
    }
}

#[test]
fn every_length_of_garbage_is_an_error_and_never_a_panic() {
    let b = key(STATIC_B);
    let seed = Seed::from_number(1);
    for length in 0..=2 + crate::limits::HANDSHAKE_MESSAGE {
        // A point that decodes, so that as much code as possible is reached.
        let mut packet = unhex(AUTH_2);
        packet.resize(length, 0xa5);
        if length >= 2 {
            packet[..2].copy_from_slice(&(length as u16 - 2).to_be_bytes());
        }
        if length != unhex(AUTH_2).len() {
            let error = Recipient::new(&b).read_auth(&mut packet, &seed).unwrap_err();
            assert_eq!(error, HandshakeError::Decryption, "length {length}");
        }
    }
}

#[test]
fn every_size_prefix_is_a_length_or_an_error() {
    for size in 0..=u16::MAX {
        let prefix = size.to_be_bytes();
        let expected = match usize::from(size) {
            size @ 0..ecies::OVERHEAD => Err(HandshakeError::TooSmall { size }),
            size @ ecies::OVERHEAD..=2048 => Ok(Some(2 + size)),
            size => Err(HandshakeError::TooLarge { size }),
        };
        assert_eq!(message_length(&prefix), expected);
    }
    assert_eq!(message_length(&[]), Ok(None));
    assert_eq!(message_length(&[1]), Ok(None));
}

#[test]
fn a_bad_point_and_a_bad_mac_are_the_same_error() {
    let b = key(STATIC_B);
    let seed = Seed::from_number(1);
    let refuse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = unhex(AUTH_2);
        change(&mut packet);
        Recipient::new(&b).read_auth(&mut packet, &seed).unwrap_err()
    };
    let zero_point = refuse(&|packet| packet[3..67].fill(0));
    let off_curve = refuse(&|packet| packet[66] ^= 1);
    let compressed = refuse(&|packet| packet[2] = 2);
    let bad_mac = refuse(&|packet| *packet.last_mut().unwrap() ^= 1);
    for error in [zero_point, off_curve, compressed, bad_mac] {
        assert_eq!(error, HandshakeError::Decryption);
    }
}

#[test]
fn an_auth_for_another_key_is_refused() {
    let mut packet = unhex(AUTH_2);
    let error = Recipient::new(&key(STATIC_A)).read_auth(&mut packet, &Seed::from_number(1));
    assert_eq!(error.unwrap_err(), HandshakeError::Decryption);
}

#[test]
fn the_published_frame_has_our_ciphertext() {
    // Its tags come from a fake MAC; what is published of ours is the rest.
    use sha3::{Digest as _, Keccak256};
    let golden = unhex(
        "00828ddae471818bb0bfa6b551d1cb42 01010101010101010101010101010101
         ba628a4ba590cb43f7848f41c4382885 01010101010101010101010101010101",
    );
    let keys: [u8; 32] = Keccak256::digest([]).into();
    let mac = || mac::Mac::new([&[], &[]]);
    let secrets = || Secrets { aes: keys.into(), mac: keys.into(), egress: mac(), ingress: mac() };
    let mut frame = BytesMut::new();
    FrameCodec::new(secrets()).encode(8, &unhex("C401020304"), &mut frame).unwrap();
    assert_eq!(frame.len(), golden.len());
    assert_eq!(frame[..16], golden[..16]);
    assert_eq!(frame[32..48], golden[32..48]);
    let decoded = FrameCodec::new(secrets()).decode(&mut frame).unwrap().unwrap();
    assert_eq!((decoded.code, &decoded.payload[..]), (8, &unhex("C401020304")[..]));
}

fn codecs(seed: u64) -> (FrameCodec, FrameCodec) {
    let (a, b, ..) = connected(seed);
    (a.into(), b.into())
}

#[test]
fn messages_survive_every_way_to_cut_the_stream() {
    let messages: Vec<(u64, Vec<u8>)> = [0, 1, 15, 16, 17, 31, 32, 1000]
        .into_iter()
        .enumerate()
        .map(|(code, length)| (code as u64 * 50, (0..length).map(|at| at as u8).collect()))
        .collect();
    let encode = || {
        let (mut a, b) = codecs(1);
        let mut stream = BytesMut::new();
        for (code, payload) in &messages {
            a.encode(*code, payload, &mut stream).unwrap();
        }
        (stream, b)
    };
    let length = encode().0.len();
    for cut in 1..=length {
        let (stream, mut b) = encode();
        let mut received = BytesMut::new();
        let mut decoded = Vec::new();
        for chunk in stream.chunks(cut) {
            received.extend_from_slice(chunk);
            while let Some(frame) = b.decode(&mut received).unwrap() {
                decoded.push((frame.code, frame.payload.to_vec()));
            }
        }
        assert_eq!(decoded, messages, "cut every {cut} bytes");
        assert!(received.is_empty());
    }
}

#[test]
fn any_flipped_bit_of_a_frame_is_an_error_and_delivers_nothing() {
    let frame = || {
        let (mut a, b) = codecs(2);
        let mut stream = BytesMut::new();
        a.encode(16, &[7; 40], &mut stream).unwrap();
        (stream, b)
    };
    let length = frame().0.len();
    for bit in 0..length * 8 {
        let (mut stream, mut b) = frame();
        stream[bit / 8] ^= 1 << (bit % 8);
        let error = b.decode(&mut stream).unwrap_err();
        let expected = if bit / 8 < 32 { FrameError::HeaderMac } else { FrameError::BodyMac };
        assert_eq!(error, expected, "bit {bit}");
    }
}

#[test]
fn a_frame_beyond_24_bits_is_refused_and_leaves_no_trace() {
    let (mut a, mut b) = codecs(3);
    let mut stream = BytesMut::new();
    let too_large = alloc::vec![0; crate::limits::FRAME];
    assert_eq!(
        a.encode(1, &too_large, &mut stream),
        Err(FrameError::TooLarge { size: 0x100_0000, limit: 0xFF_FFFF })
    );
    assert!(stream.is_empty());
    a.encode(1, &too_large[1..], &mut stream).unwrap();
    let frame = b.decode(&mut stream).unwrap().unwrap();
    assert_eq!(frame.payload.len(), 0xFF_FFFE);
}

#[test]
fn a_declared_size_over_the_limit_is_refused_before_its_body_arrives() {
    let (mut a, mut b) = codecs(4);
    b.set_limit(100);
    let mut stream = BytesMut::new();
    a.encode(1, &[0; 100], &mut stream).unwrap();
    stream.truncate(32);
    assert_eq!(b.decode(&mut stream), Err(FrameError::TooLarge { size: 101, limit: 100 }));
}

#[test]
fn secrets_are_never_printed() {
    let (a, ..) = connected(5);
    assert_eq!(alloc::format!("{a:?}"), "Secrets(..)");
}
