//! The curve by `k256`: pure Rust, no_std, the default.
//!
//! Whatever touches a secret runs in constant time. Only [`recover`] and
//! [`verify`], which see nothing but public values, take the variable-time
//! short cuts.

use ecdsa::hazmat::{sign_prehashed_rfc6979, verify_prehashed};
use k256::ecdsa::Signature;
use k256::elliptic_curve::BatchNormalize as _;
use k256::elliptic_curve::group::CurveAffine as _;
use k256::elliptic_curve::ops::MulByGeneratorVartime as _;
use k256::elliptic_curve::point::{AffineCoordinates as _, DecompressPoint as _};
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Secp256k1};
use sha2::Sha256;

use super::KeyError;
use super::scalars::{Recovery, Secret, halves};

pub(super) fn public_key(secret: &Secret) -> [u8; 64] {
    coordinates(&ProjectivePoint::mul_by_generator(&secret.0).to_affine())
}

pub(super) fn agree(secret: &Secret, other: &[u8; 64]) -> Result<[u8; 32], KeyError> {
    let product = ProjectivePoint::from(point(other)?) * *secret.0;
    Ok(product.to_affine().x().into())
}

/// The public key and the agreement with `to`, with one inversion for both.
pub(super) fn encapsulate(
    secret: &Secret,
    to: &[u8; 64],
) -> Result<([u8; 64], [u8; 32]), KeyError> {
    let to = ProjectivePoint::from(point(to)?);
    let [public, shared] = ProjectivePoint::batch_normalize(&[
        ProjectivePoint::mul_by_generator(&secret.0),
        to * *secret.0,
    ]);
    Ok((coordinates(&public), shared.x().into()))
}

pub(super) fn sign(secret: &Secret, digest: &[u8; 32]) -> [u8; 65] {
    let (signature, id) = sign_prehashed_rfc6979::<Secp256k1, Sha256>(&secret.0, digest, &[]);
    let mut bytes = [id.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes
}

fn point(public: &[u8; 64]) -> Result<AffinePoint, KeyError> {
    let [x, y] = halves(public);
    // No coordinates stand for the identity, so it never comes out.
    Option::from(AffinePoint::from_coordinates(&x.into(), &y.into())).ok_or(KeyError::NotOnCurve)
}

fn coordinates(point: &AffinePoint) -> [u8; 64] {
    let mut public = [0; 64];
    public[..32].copy_from_slice(&point.x());
    public[32..].copy_from_slice(&point.y());
    public
}

pub(super) fn check_public(public: &[u8; 64]) -> Result<(), KeyError> {
    point(public).map(drop)
}

pub(super) fn decompress(compressed: &[u8; 33]) -> Result<[u8; 64], KeyError> {
    let [tag @ (2 | 3), x @ ..] = compressed else {
        return Err(KeyError::NotOnCurve);
    };
    Option::from(AffinePoint::decompress(&FieldBytes::from(*x), (tag & 1).into()))
        .map(|point| coordinates(&point))
        .ok_or(KeyError::NotOnCurve)
}

pub(super) fn verify(
    public: &[u8; 64],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), KeyError> {
    let signer = point(public)?.into();
    // A high s is refused within: k256 says so of its curve.
    Signature::from_slice(signature)
        .and_then(|signature| verify_prehashed::<Secp256k1>(&signer, digest, &signature))
        .map_err(|_| KeyError::BadSignature)
}

fn nonce_point(recovery: &Recovery) -> Result<ProjectivePoint, KeyError> {
    Option::<AffinePoint>::from(AffinePoint::decompress(
        &FieldBytes::from(recovery.x),
        recovery.y_is_odd.into(),
    ))
    .map(Into::into)
    .ok_or(KeyError::BadSignature)
}

pub(super) fn recover(signature: &[u8; 65], digest: &[u8; 32]) -> Result<[u8; 64], KeyError> {
    let recovery = Recovery::new(signature, digest)?;
    let signer = ProjectivePoint::mul_by_generator_and_mul_add_vartime(
        &recovery.of_generator,
        &recovery.of_nonce,
        &nonce_point(&recovery)?,
    );
    let [signer] = ProjectivePoint::batch_normalize_vartime(&[signer]);
    if signer.is_identity().into() {
        return Err(KeyError::BadSignature);
    }
    Ok(coordinates(&signer))
}

pub(super) fn recover_and_agree(
    signature: &[u8; 65],
    digest: &[u8; 32],
    secret: &Secret,
) -> Result<[u8; 32], KeyError> {
    let mut recovery = Recovery::new(signature, digest)?;
    recovery.multiply(secret);
    let product = ProjectivePoint::mul_by_generator(&recovery.of_generator)
        + nonce_point(&recovery)? * *recovery.of_nonce;
    let shared = product.to_affine();
    if shared.is_identity().into() {
        return Err(KeyError::BadSignature);
    }
    Ok(shared.x().into())
}
