//! The initiator who waits for an ack: any bytes as a packet, and, behind a
//! good seal, any plaintext and any change to a good one.

use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::error::DecodeError;
use devp2p_core::limits;
use devp2p_core::rlpx::{HandshakeError, Initiator, Secrets, message_length};

use crate::auth::{check_length, flip_bit, meet};
use crate::keys::{self, OTHERS, OURS, THEIRS};
use crate::peer::Answer;
use crate::rlp;
use crate::tape::Tape;

/// The static key for which EIP-8's acks are sealed: they are among the seeds.
const EIP_8_KEY: [u8; 32] = [
    0x49, 0xa7, 0xb3, 0x7a, 0xa6, 0xf6, 0x64, 0x59, 0x17, 0xe7, 0xb8, 0x07, 0xe9, 0xd1, 0xc0, 0x0d,
    0x4f, 0xa7, 0x1f, 0x18, 0x34, 0x3b, 0x0d, 0x41, 0x22, 0xa4, 0xd2, 0xdf, 0x64, 0xdd, 0x6f, 0xee,
];

/// Runs one input: a kind, then bytes, or what to change in a good ack.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.byte() {
        // One value only: this is the one slow kind.
        7 => {
            let key = SecretKey::from_bytes(&EIP_8_KEY).expect("a published key");
            let remote = SecretKey::from_bytes(&[2; 32]).expect("a key of the curve");
            let seed = Seed::from_number(1);
            let initiator = Initiator::new(&key, &key.public_key(), &remote.public_key(), &seed);
            let _ = read(initiator.expect("good keys"), tape.rest());
        }
        kind if kind % 3 == 0 => {
            let _ = read(initiator(), tape.rest());
        }
        kind if kind % 3 == 1 => plaintext(tape.rest()),
        _ => changed(&mut tape),
    }
}

fn initiator() -> Initiator {
    let seed = Seed::from_number(1);
    Initiator::new(&keys::secret(OURS), &keys::public(OURS), &keys::public(THEIRS), &seed)
        .expect("good keys")
}

/// As a session does: first its length, then all of it.
fn read(initiator: Initiator, packet: &[u8]) -> Result<Secrets, HandshakeError> {
    check_length(packet);
    match message_length(packet)? {
        Some(length) if length <= packet.len() => {
            initiator.read_ack(&mut packet[..length].to_vec())
        }
        // A session would wait. What is asked too early is an error like others.
        _ => initiator.read_ack(&mut packet.to_vec()),
    }
}

fn plaintext(plaintext: &[u8]) {
    let packet = keys::sealed(plaintext, &keys::public(OURS));
    match read(initiator(), &packet) {
        Err(HandshakeError::TooLarge { size }) => assert!(size > limits::HANDSHAKE_MESSAGE),
        Err(HandshakeError::Decryption) => panic!("a good seal does not open"),
        Ok(_) | Err(_) => {}
    }
}

fn changed(tape: &mut Tape<'_>) {
    let initiator = initiator();
    let answer = Answer::new(&keys::secret(THEIRS), &mut &initiator.auth()[..]);
    let answer = answer.expect("our own auth");
    assert_eq!(answer.remote(), &keys::public(OURS));
    let mut parts = answer.parts();
    let good = (parts.ephemeral.clone(), parts.nonce.clone());
    let (mut to, mut flip) = (keys::public(OURS), None);
    match tape.choice(7) {
        0 => parts.ephemeral = tape.bytes().to_vec(),
        1 => flip_bit(&mut parts.ephemeral, tape),
        2 => parts.ephemeral = keys::public(OTHERS).as_bytes().to_vec(),
        3 => parts.nonce = tape.bytes().to_vec(),
        4 => flip = Some(usize::from(tape.word())),
        5 => to = keys::public(OTHERS),
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
    let result = read(initiator, &packet);
    if packet.len() - 2 > limits::HANDSHAKE_MESSAGE {
        let size = packet.len() - 2;
        return assert_eq!(result.err(), Some(HandshakeError::TooLarge { size }));
    }
    if flip.is_some() || to != keys::public(OURS) {
        return assert_eq!(result.err(), Some(HandshakeError::Decryption));
    }
    let expected = match (parts.ephemeral.len(), parts.nonce.len()) {
        (64, _) if crate::auth::key(&parts.ephemeral).is_none() => {
            Some(HandshakeError::InvalidPublicKey)
        }
        (64, 32) => None,
        _ => Some(HandshakeError::Malformed(DecodeError::WrongLength)),
    };
    match (result, expected) {
        (Ok(secrets), None) => {
            let is_good = good == (parts.ephemeral, parts.nonce);
            meet(secrets.into(), Some(answer.finish(&packet)), is_good);
        }
        // A key of the curve where ours are not, or the other way round.
        (Err(HandshakeError::InvalidPublicKey), None) => assert_ne!(good.0, parts.ephemeral),
        (result, expected) => assert_eq!(result.err(), expected),
    }
}
