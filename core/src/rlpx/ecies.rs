//! ECIES as RLPx uses it: how auth and ack are hidden from everyone but the
//! holder of a static key.
//!
//! ```text
//!  size 2 │ 0x04 X Y 65 │ IV 16 │ ciphertext n │ tag 32
//!  ╰ authenticated too ╯        ╰───── HMAC ───╯
//! ```
//!
//! Key derivation is the NIST concatenation KDF with SHA-256 over the x
//! coordinate; 16 bytes encrypt (AES-128-CTR), the SHA-256 of the other 16
//! authenticate (HMAC-SHA256 over IV, ciphertext and the two size bytes).
//! Specification: rlpx.md, "ECIES Encryption".

use alloc::vec::Vec;

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::{self, KeyError, PublicKey, SecretKey, SharedSecret};
use crate::entropy::Rng;

/// Bytes of an uncompressed point with its prefix.
pub(super) const POINT: usize = 65;
const IV: usize = 16;
const TAG: usize = 32;

/// Bytes that sealing adds before the plaintext, the size prefix not counted.
pub(super) const BEFORE: usize = POINT + IV;
/// Bytes that sealing adds in all, the size prefix not counted.
pub const OVERHEAD: usize = BEFORE + TAG;

/// The packet was not made for us, or was changed, or is too short.
///
/// One error for all of it: which one would tell an attacker something about
/// the static key (CVE-2026-26315).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenError;

struct Keys {
    encryption: Zeroizing<[u8; 16]>,
    authentication: Zeroizing<[u8; 32]>,
}

impl Keys {
    fn derive(shared: &SharedSecret) -> Self {
        let mut kdf = Sha256::new();
        kdf.update(1u32.to_be_bytes());
        kdf.update(shared.as_bytes());
        let derived: Zeroizing<[u8; 32]> = Zeroizing::new(kdf.finalize().into());
        let mut encryption = Zeroizing::new([0; 16]);
        encryption.copy_from_slice(&derived[..16]);
        let authentication = Zeroizing::new(Sha256::digest(&derived[16..]).into());
        Self { encryption, authentication }
    }

    fn tag(&self, size: [u8; 2], sealed: &[u8]) -> [u8; TAG] {
        // A key of any size is taken, so the error cannot happen; were it to,
        // the zero tag would match nothing.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&*self.authentication) else {
            return [0; TAG];
        };
        hmac.update(sealed);
        hmac.update(&size);
        hmac.finalize().into_bytes().into()
    }

    fn apply(&self, iv: &[u8], text: &mut [u8]) {
        let mut nonce = [0; IV];
        nonce.copy_from_slice(iv);
        Ctr128BE::<Aes128>::new((&*self.encryption).into(), &nonce.into()).apply_keystream(text);
    }
}

/// A whole packet, size prefix included, with any plaintext for the holder of
/// `to`: what tools and fuzzers send in place of a proper auth or ack, which
/// [`handshake`](super::handshake) makes.
///
/// The size prefix has 16 bits: of a longer plaintext only what fits is sealed.
pub fn seal(plaintext: &[u8], to: &PublicKey, rng: &mut Rng) -> Result<Vec<u8>, KeyError> {
    let plaintext = &plaintext[..plaintext.len().min(usize::from(u16::MAX) - OVERHEAD)];
    let mut packet = Vec::with_capacity(2 + OVERHEAD + plaintext.len());
    packet.resize(2 + BEFORE, 0);
    packet.extend_from_slice(plaintext);
    packet.resize(packet.len() + TAG, 0);
    seal_in_place(&mut packet, to, rng)?;
    Ok(packet)
}

/// Seals in place for the holder of `to`. `packet` is 2 bytes for the size,
/// then [`OVERHEAD`] bytes wrapped around the plaintext: its length must be
/// `2 + OVERHEAD + plaintext` with the plaintext at `2 + 81`.
pub(super) fn seal_in_place(
    packet: &mut [u8],
    to: &PublicKey,
    rng: &mut Rng,
) -> Result<(), KeyError> {
    let size = u16::try_from(packet.len() - 2).unwrap_or(u16::MAX).to_be_bytes();
    let (once, shared) = crypto::encapsulate(rng, to)?;
    let keys = Keys::derive(&shared);
    packet[..2].copy_from_slice(&size);
    let sealed = &mut packet[2..];
    sealed[0] = 4;
    sealed[1..POINT].copy_from_slice(once.as_bytes());
    sealed[POINT..BEFORE].copy_from_slice(&rng.bytes::<IV>());
    let (body, tag) = sealed.split_at_mut(sealed.len() - TAG);
    let (head, text) = body.split_at_mut(BEFORE);
    keys.apply(&head[POINT..], text);
    tag.copy_from_slice(&keys.tag(size, &body[POINT..]));
    Ok(())
}

/// Opens in place what was sealed for `secret`: `packet` is the size prefix
/// and all that follows. Returns the plaintext.
pub fn open<'a>(packet: &'a mut [u8], secret: &SecretKey) -> Result<&'a mut [u8], OpenError> {
    if packet.len() < 2 + OVERHEAD || packet[2] != 4 {
        return Err(OpenError);
    }
    let (size, sealed) = packet.split_at_mut(2);
    let size = [size[0], size[1]];
    let mut point = [0; 64];
    point.copy_from_slice(&sealed[1..POINT]);
    let shared = PublicKey::from_bytes(&point)
        .and_then(|once| secret.agree(&once))
        .map_err(|_| OpenError)?;
    let keys = Keys::derive(&shared);
    let (body, tag) = sealed.split_at_mut(sealed.len() - TAG);
    if !bool::from(keys.tag(size, &body[POINT..]).ct_eq(tag)) {
        return Err(OpenError);
    }
    let (head, text) = body.split_at_mut(BEFORE);
    keys.apply(&head[POINT..], text);
    Ok(text)
}
