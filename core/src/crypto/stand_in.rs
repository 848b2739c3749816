//! A stand-in for the curve that protects NOTHING, for simulations and fuzzing.
//!
//! A stand-in key's public half contains the secret in clear; whoever sees it
//! can sign as its owner and read what is encrypted to it. What it keeps is
//! the behaviour of a curve: agreement commutes, a signature names its signer
//! and binds the digest, and a flipped bit is an error. An operation costs a
//! hash or two.
//!
//! The public key is the secret, then 28 bytes of 0xff, then a checksum. As a
//! Y coordinate that is above the field's prime, so no public key of the curve
//! looks like one of these and the curve refuses them all. A signature is the
//! signer's secret, then a hash of signer and digest, then 0xff, which no
//! recovery id is. The compressed form is 0xff, with which none of the curve
//! begins, and the secret.

use sha2::{Digest as _, Sha256};

use super::KeyError;
use super::scalars::halves;

const Y: [u8; 28] = [0xff; 28];
const ID: u8 = 0xff;
const TAG: u8 = 0xff;

pub(super) fn is_public(public: &[u8; 64]) -> bool {
    public[32..60] == Y
}

pub(super) const fn is_compressed(compressed: &[u8; 33]) -> bool {
    compressed[0] == TAG
}

pub(super) const fn is_signature(signature: &[u8; 65]) -> bool {
    signature[64] == ID
}

pub(super) fn check_public(public: &[u8; 64]) -> Result<(), KeyError> {
    if public_key(&halves(public)[0]) == *public { Ok(()) } else { Err(KeyError::NotOnCurve) }
}

pub(super) fn public_key(secret: &[u8; 32]) -> [u8; 64] {
    let mut public = [0; 64];
    public[..32].copy_from_slice(secret);
    public[32..60].copy_from_slice(&Y);
    public[60..].copy_from_slice(&hash("public", secret, &[0; 32])[..4]);
    public
}

pub(super) fn compress(public: &[u8; 64]) -> [u8; 33] {
    let mut compressed = [TAG; 33];
    compressed[1..].copy_from_slice(&halves(public)[0]);
    compressed
}

pub(super) fn decompress(compressed: &[u8; 33]) -> [u8; 64] {
    let [_, secret @ ..] = compressed;
    public_key(secret)
}

pub(super) fn agree(ours: &[u8; 32], theirs: &[u8; 64]) -> Result<[u8; 32], KeyError> {
    if !is_public(theirs) {
        return Err(KeyError::NotOnCurve);
    }
    let theirs = &halves(theirs)[0];
    Ok(hash("agree", ours.min(theirs), ours.max(theirs)))
}

pub(super) fn sign(secret: &[u8; 32], digest: &[u8; 32]) -> [u8; 65] {
    let mut signature = [ID; 65];
    signature[..32].copy_from_slice(secret);
    signature[32..64].copy_from_slice(&hash("sign", secret, digest));
    signature
}

pub(super) fn recover(signature: &[u8; 65], digest: &[u8; 32]) -> Result<[u8; 64], KeyError> {
    let mut signer = [0; 32];
    signer.copy_from_slice(&signature[..32]);
    if sign(&signer, digest) == *signature {
        Ok(public_key(&signer))
    } else {
        Err(KeyError::BadSignature)
    }
}

pub(super) fn verify(
    public: &[u8; 64],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), KeyError> {
    if sign(&halves(public)[0], digest)[..64] == *signature {
        Ok(())
    } else {
        Err(KeyError::BadSignature)
    }
}

fn hash(purpose: &str, one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(one);
    hash.update(other);
    hash.update(purpose);
    hash.finalize().into()
}
