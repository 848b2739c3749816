//! The recipient of an auth: any bytes as a packet, and, behind a good seal,
//! any plaintext and any change to a good one.

use bytes::BytesMut;

use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::entropy::Seed;
use devp2p_core::error::DecodeError;
use devp2p_core::limits;
use devp2p_core::rlpx::{
    Accepted, FrameCodec, FrameError, HandshakeError, Recipient, ecies, message_length,
};

use crate::keys::{self, OTHERS, OURS, THEIRS};
use crate::peer::{Dialer, Peer};
use crate::rlp;
use crate::tape::Tape;

/// The static key for which EIP-8's auths are sealed: they are among the seeds.
const EIP_8_KEY: [u8; 32] = [
    0xb7, 0x1c, 0x71, 0xa6, 0x7e, 0x11, 0x77, 0xad, 0x4e, 0x90, 0x16, 0x95, 0xe1, 0xb4, 0xb9, 0xee,
    0x17, 0xae, 0x16, 0xc6, 0x66, 0x8d, 0x31, 0x3e, 0xac, 0x2f, 0x96, 0xdb, 0xcd, 0xa3, 0xf2, 0x91,
];

/// Runs one input: a kind, then bytes, or what to change in a good auth.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.byte() {
        // One value only: this is the one slow kind.
        7 => {
            let key = SecretKey::from_bytes(&EIP_8_KEY).expect("a published key");
            let _ = read(&key, tape.rest());
        }
        kind if kind % 3 == 0 => {
            let _ = read(&keys::secret(OURS), tape.rest());
        }
        kind if kind % 3 == 1 => plaintext(tape.rest()),
        _ => changed(&mut tape),
    }
}

/// As a session does: first its length, then all of it.
fn read(secret: &SecretKey, packet: &[u8]) -> Result<Accepted, HandshakeError> {
    check_length(packet);
    match message_length(packet)? {
        Some(length) if length <= packet.len() => {
            let mut packet = packet[..length].to_vec();
            Recipient::new(secret).read_auth(&mut packet, &Seed::from_number(2))
        }
        // A session would wait. What is asked too early is an error like others.
        _ => Recipient::new(secret).read_auth(&mut packet.to_vec(), &Seed::from_number(2)),
    }
}

/// The length is told once two bytes are there, and the plain form is the only
/// thing that may show later.
pub fn check_length(packet: &[u8]) {
    let whole = message_length(packet);
    for seen in 0..packet.len().min(70) {
        let early = message_length(&packet[..seen]);
        match whole {
            _ if seen < 2 => assert_eq!(early, Ok(None)),
            Err(HandshakeError::PlainForm) => {
                assert!(early == whole || matches!(early, Ok(Some(_))));
            }
            _ => assert_eq!(early, whole),
        }
    }
    if let Ok(Some(length)) = whole {
        let bounds = 2 + ecies::OVERHEAD..=2 + limits::HANDSHAKE_MESSAGE;
        assert!(bounds.contains(&length));
    }
}

fn plaintext(plaintext: &[u8]) {
    let packet = keys::sealed(plaintext, &keys::public(OURS));
    match read(&keys::secret(OURS), &packet) {
        Err(HandshakeError::TooLarge { size }) => assert!(size > limits::HANDSHAKE_MESSAGE),
        Err(HandshakeError::Decryption) => panic!("a good seal does not open"),
        Ok(_) | Err(_) => {}
    }
}

fn changed(tape: &mut Tape<'_>) {
    let dialer = Dialer::new(keys::secret(THEIRS), keys::public(OURS));
    let mut parts = dialer.parts();
    let good = (parts.signature.clone(), parts.public.clone(), parts.nonce.clone());
    let (mut to, mut flip) = (keys::public(OURS), None);
    match tape.choice(8) {
        0 => parts.signature = tape.bytes().to_vec(),
        1 => flip_bit(&mut parts.signature, tape),
        2 => parts.public = tape.bytes().to_vec(),
        3 => parts.public = keys::public(OTHERS).as_bytes().to_vec(),
        4 => parts.nonce = tape.bytes().to_vec(),
        5 => flip = Some(usize::from(tape.word())),
        6 => to = keys::public(OTHERS),
        _ => {}
    }
    parts.version = tape.number();
    for _ in 0..tape.choice(4) {
        parts.extra.extend(rlp::item(tape));
    }
    parts.padding = tape.bytes().to_vec();

    let mut packet = parts.seal(&to);
    if let Some(flip) = flip {
        // The size is left alone: it says how long the packet is.
        let at = 16 + flip % (packet.len() * 8 - 16);
        packet[at / 8] ^= 1 << (at % 8);
    }
    let result = read(&keys::secret(OURS), &packet);
    if packet.len() - 2 > limits::HANDSHAKE_MESSAGE {
        let size = packet.len() - 2;
        return assert_eq!(result.err(), Some(HandshakeError::TooLarge { size }));
    }
    if flip.is_some() || to != keys::public(OURS) {
        return assert_eq!(result.err(), Some(HandshakeError::Decryption));
    }
    let lengths = [parts.signature.len(), parts.public.len(), parts.nonce.len()];
    if lengths != [65, 64, 32] {
        let expected = Some(HandshakeError::Malformed(DecodeError::WrongLength));
        let early = Some(HandshakeError::InvalidPublicKey);
        let error = result.err();
        return assert!(error == expected || lengths[0] == 65 && error == early);
    }
    let is_good = good == (parts.signature, parts.public.clone(), parts.nonce);
    match result {
        Ok(Accepted { remote, ack, secrets }) => {
            assert_eq!(remote.as_bytes()[..], parts.public);
            let peer = dialer.finish(&packet, &mut &ack[..]);
            meet(secrets.into(), peer, is_good);
        }
        Err(HandshakeError::InvalidSignature | HandshakeError::InvalidPublicKey) if !is_good => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// Frames pass between two ends of a good handshake, and no frame between
/// those of another: a handshake alone proves nothing.
pub fn meet(mut codec: FrameCodec, peer: Option<Peer>, is_good: bool) {
    let Some(mut peer) = peer else {
        return assert!(!is_good, "the peer cannot read a good answer");
    };
    let decoded = codec.decode(&mut BytesMut::from(&peer.message(16, b"there")[..]));
    let mut frame = BytesMut::new();
    codec.encode(17, b"and back", &mut frame).expect("a small frame");
    let read = peer.read(&mut &frame[..]);
    if is_good {
        let frame = decoded.expect("a good frame").expect("a whole frame");
        assert_eq!((frame.code, &frame.payload[..]), (16, &b"there"[..]));
        assert_eq!(read, Ok(Some((17, b"and back".to_vec()))));
    } else {
        assert_eq!(decoded, Err(FrameError::HeaderMac), "a stranger's frame is taken");
    }
}

/// Flips one bit, if there is any.
pub fn flip_bit(bytes: &mut [u8], tape: &mut Tape<'_>) {
    let at = usize::from(tape.word());
    let length = bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at / 8 % length) {
        *byte ^= 1 << (at % 8);
    }
}

/// A key that is none of ours, if these bytes are one.
pub fn key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_bytes(bytes.try_into().ok()?).ok()
}
