//! What both sides derive from the handshake.
//!
//! Specification: rlpx.md, "Initial Handshake":
//! `shared = keccak(ephemeral ‖ keccak(recipient-nonce ‖ initiator-nonce))`,
//! `aes = keccak(ephemeral ‖ shared)`, `mac = keccak(ephemeral ‖ aes)`.

use core::fmt;

use sha3::{Digest as _, Keccak256};
use zeroize::Zeroizing;

use super::frame::FrameCodec;
use super::mac::Mac;
use crate::crypto::SharedSecret;

/// The two keys and two MAC states with which frames begin.
///
/// Turn it into a [`FrameCodec`] with `FrameCodec::from`.
pub struct Secrets {
    pub(super) aes: Zeroizing<[u8; 32]>,
    pub(super) mac: Zeroizing<[u8; 32]>,
    pub(super) egress: Mac,
    pub(super) ingress: Mac,
}

/// What went over the wire: each side's nonce and its whole packet, size
/// prefix included.
pub(super) struct Transcript<'a> {
    pub(super) initiator_nonce: &'a [u8; 32],
    pub(super) recipient_nonce: &'a [u8; 32],
    pub(super) auth: &'a [u8],
    pub(super) ack: &'a [u8],
}

impl Secrets {
    /// The initiator's view.
    pub(super) fn initiator(ephemeral: &SharedSecret, transcript: &Transcript<'_>) -> Self {
        let nonces = keccak([transcript.recipient_nonce, transcript.initiator_nonce]);
        let shared = keccak([ephemeral.as_bytes(), &*nonces]);
        let aes = keccak([ephemeral.as_bytes(), &*shared]);
        let mac = keccak([ephemeral.as_bytes(), &*aes]);
        let egress = Mac::new([&xor(&mac, transcript.recipient_nonce)[..], transcript.auth]);
        let ingress = Mac::new([&xor(&mac, transcript.initiator_nonce)[..], transcript.ack]);
        Self { aes, mac, egress, ingress }
    }

    /// The recipient's view: the same with the directions swapped.
    pub(super) fn recipient(ephemeral: &SharedSecret, transcript: &Transcript<'_>) -> Self {
        let Self { aes, mac, egress, ingress } = Self::initiator(ephemeral, transcript);
        Self { aes, mac, egress: ingress, ingress: egress }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl From<Secrets> for FrameCodec {
    fn from(secrets: Secrets) -> Self {
        Self::new(secrets)
    }
}

fn keccak(parts: [&[u8; 32]; 2]) -> Zeroizing<[u8; 32]> {
    let mut sponge = Keccak256::new();
    parts.iter().for_each(|part| sponge.update(part));
    Zeroizing::new(sponge.finalize().into())
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new(*a);
    out.iter_mut().zip(b).for_each(|(out, b)| *out ^= b);
    out
}
