//! The curve by `k256`: pure Rust, the default.

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use k256::{PublicKey, SecretKey};

use super::KeyError;

pub(super) fn check_secret(secret: &[u8; 32]) -> Result<(), KeyError> {
    SecretKey::from_bytes(secret.into()).map(drop).map_err(|_| KeyError::SecretOutOfRange)
}

fn secret(bytes: &[u8; 32]) -> Result<SecretKey, KeyError> {
    SecretKey::from_bytes(bytes.into()).map_err(|_| KeyError::SecretOutOfRange)
}

fn point(bytes: &[u8; 64]) -> Result<PublicKey, KeyError> {
    let mut sec1 = [4; 65];
    sec1[1..].copy_from_slice(bytes);
    PublicKey::from_sec1_bytes(&sec1).map_err(|_| KeyError::NotOnCurve)
}

fn bytes(point: &PublicKey) -> [u8; 64] {
    use k256::elliptic_curve::sec1::ToSec1Point as _;
    let sec1 = point.to_sec1_point(false);
    let mut bytes = [0; 64];
    bytes.copy_from_slice(&sec1.as_bytes()[1..]);
    bytes
}

pub(super) fn check_public(public: &[u8; 64]) -> Result<(), KeyError> {
    point(public).map(drop)
}

pub(super) fn public_key(bytes_: &[u8; 32]) -> [u8; 64] {
    secret(bytes_).map_or([0; 64], |secret| bytes(&secret.public_key()))
}

pub(super) fn agree(ours: &[u8; 32], theirs: &[u8; 64]) -> Result<[u8; 32], KeyError> {
    let shared =
        k256::ecdh::diffie_hellman(secret(ours)?.to_nonzero_scalar(), point(theirs)?.as_affine());
    Ok((*shared.raw_secret_bytes()).into())
}

pub(super) fn sign(bytes: &[u8; 32], digest: &[u8; 32]) -> [u8; 65] {
    let mut out = [0; 65];
    if let Ok(key) = SigningKey::from_bytes(bytes.into()) {
        let (signature, id) = key.sign_prehash_recoverable(digest);
        out[..64].copy_from_slice(&signature.to_bytes());
        out[64] = id.to_byte();
    }
    out
}

pub(super) fn recover(signature: &[u8; 65], digest: &[u8; 32]) -> Result<[u8; 64], KeyError> {
    let id = RecoveryId::from_byte(signature[64]).ok_or(KeyError::BadSignature)?;
    let signature = Signature::from_slice(&signature[..64]).map_err(|_| KeyError::BadSignature)?;
    VerifyingKey::recover_from_prehash(digest, &signature, id)
        .map(|key| bytes(&key.into()))
        .map_err(|_| KeyError::BadSignature)
}
