//! The curve behind one small face: keys, agreement, signatures.
//!
//! The curve is secp256k1, computed by `k256` or, with the feature
//! `secp256k1`, by libsecp256k1; both take and give the same bytes. Nothing
//! outside this folder names a curve library. Everything that touches a secret
//! runs in constant time.

#[cfg(any(not(feature = "secp256k1"), test))]
mod k256;
#[cfg(feature = "secp256k1")]
mod libsecp256k1;
mod scalars;
#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
mod stand_in;
#[cfg(test)]
mod tests;

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::Rng;
#[cfg(not(feature = "secp256k1"))]
use k256 as backend;
#[cfg(feature = "secp256k1")]
use libsecp256k1 as backend;
use scalars::Secret;

/// Why bytes are not a key, or a signature names none or another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret key is zero or not below the order of the group.
    SecretOutOfRange,
    /// A public key is not a point of the curve (or is the identity).
    NotOnCurve,
    /// A signature from which no public key can be recovered, or that is not
    /// the expected signer's.
    BadSignature,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretOutOfRange => "secret key out of range",
            Self::NotOnCurve => "public key not on the curve",
            Self::BadSignature => "invalid signature",
        })
    }
}

impl core::error::Error for KeyError {}

/// A secret key. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey(Kind);

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
enum Kind {
    Curve(Secret),
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    StandIn([u8; 32]),
}

impl SecretKey {
    /// A key from its 32 big-endian bytes.
    ///
    /// Fails with [`KeyError::SecretOutOfRange`] if they are zero or not below
    /// the order of the group.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Secret::from_bytes(bytes).map(|secret| Self(Kind::Curve(secret)))
    }

    /// A fresh key.
    pub fn generate(rng: &mut Rng) -> Self {
        Self(Kind::Curve(generate(rng)))
    }

    /// A fresh key of the same kind as `self`, to use beside it: an ephemeral
    /// key beside the static one. This is [`SecretKey::generate`], unless a
    /// feature adds a second kind of key.
    #[must_use]
    pub fn generate_like(&self, rng: &mut Rng) -> Self {
        match &self.0 {
            Kind::Curve(_) => Self::generate(rng),
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(_) => Self::insecure_stand_in_generate(rng),
        }
    }

    /// A key that protects NOTHING, for simulations and fuzzing: everyone can
    /// sign as its owner and read what is encrypted to it.
    ///
    /// It works with keys of its own kind alone. Where such a key meets one of
    /// the curve, the operation is a [`KeyError`]. Its bytes do not keep the
    /// kind: [`SecretKey::from_bytes`] of them is a key of the curve.
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    pub const fn insecure_stand_in(bytes: &[u8; 32]) -> Self {
        Self(Kind::StandIn(*bytes))
    }

    /// A fresh [`SecretKey::insecure_stand_in`]: it protects NOTHING.
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    pub fn insecure_stand_in_generate(rng: &mut Rng) -> Self {
        Self::insecure_stand_in(&rng.bytes())
    }

    /// The 32 big-endian bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match &self.0 {
            Kind::Curve(secret) => secret.to_bytes(),
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(secret) => *secret,
        })
    }

    /// The public key that belongs to this key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Kind::Curve(secret) => backend::public_key(secret),
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(secret) => stand_in::public_key(secret),
        })
    }

    /// ECDH: the x coordinate of `self` times `other`.
    ///
    /// Fails with [`KeyError::NotOnCurve`] only if the two keys are of
    /// different kinds.
    pub fn agree(&self, other: &PublicKey) -> Result<SharedSecret, KeyError> {
        match &self.0 {
            Kind::Curve(secret) => backend::agree(secret, &other.0),
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(secret) => stand_in::agree(secret, &other.0),
        }
        .map(SharedSecret)
    }

    /// A recoverable signature over a 32-byte digest, RFC 6979, low s.
    pub fn sign(&self, digest: &[u8; 32]) -> Signature {
        Signature(match &self.0 {
            Kind::Curve(secret) => backend::sign(secret, digest),
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(secret) => stand_in::sign(secret, digest),
        })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A public key: a point of the curve, checked when it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 64]);

impl PublicKey {
    /// A key from X and Y, 32 big-endian bytes each.
    ///
    /// Fails with [`KeyError::NotOnCurve`].
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, KeyError> {
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        if stand_in::is_public(bytes) {
            return stand_in::check_public(bytes).map(|()| Self(*bytes));
        }
        backend::check_public(bytes).map(|()| Self(*bytes))
    }

    /// X and Y, 32 big-endian bytes each.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// A key from its compressed form, as node records hold it: 2 for an even
    /// and 3 for an odd Y, then X (SEC 1, section 2.3.4).
    ///
    /// Fails with [`KeyError::NotOnCurve`].
    pub fn from_compressed(bytes: &[u8; 33]) -> Result<Self, KeyError> {
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        if stand_in::is_compressed(bytes) {
            return Ok(Self(stand_in::decompress(bytes)));
        }
        backend::decompress(bytes).map(Self)
    }

    /// The compressed form.
    pub fn to_compressed(&self) -> [u8; 33] {
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        if stand_in::is_public(&self.0) {
            return stand_in::compress(&self.0);
        }
        let mut compressed = [2 | (self.0[63] & 1); 33];
        compressed[1..].copy_from_slice(&self.0[..32]);
        compressed
    }

    /// Checks that the owner of this key signed `digest`: r and s, 32
    /// big-endian bytes each. A high s is refused, as by geth's
    /// `crypto.VerifySignature`. Not constant in time: for digests that
    /// everyone may know.
    pub fn verify(&self, digest: &[u8; 32], signature: &[u8; 64]) -> Result<(), KeyError> {
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        if stand_in::is_public(&self.0) {
            return stand_in::verify(&self.0, digest, signature);
        }
        backend::verify(&self.0, digest, signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// What two keys agree on: an x coordinate. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// The 32 big-endian bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A recoverable signature: r, s, then the recovery id.
///
/// [`SecretKey::sign`] gives a low s and the id 0 or 1 (2 or 3 once in
/// 2^127 signatures). Like geth, recovery takes a high s and every id below 4 as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 65]);

impl Signature {
    /// A signature as it came; whether it is one shows in [`Signature::recover`].
    pub const fn from_bytes(bytes: [u8; 65]) -> Self {
        Self(bytes)
    }

    /// The 65 bytes.
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// r and s, without the recovery id.
    pub fn r_and_s(&self) -> [u8; 64] {
        let [r_and_s @ .., _] = self.0;
        r_and_s
    }

    /// The public key whose owner signed `digest`. Not constant in time: for
    /// digests that everyone may know.
    ///
    /// Fails with [`KeyError::BadSignature`] if no key could have made it.
    pub fn recover(&self, digest: &[u8; 32]) -> Result<PublicKey, KeyError> {
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        if stand_in::is_signature(&self.0) {
            return stand_in::recover(&self.0, digest).map(PublicKey);
        }
        backend::recover(&self.0, digest).map(PublicKey)
    }

    /// `secret.agree(&self.recover(digest)?)`, for less than the two cost
    /// apart, and constant in time for the digest too.
    pub fn recover_and_agree(
        &self,
        digest: &[u8; 32],
        secret: &SecretKey,
    ) -> Result<SharedSecret, KeyError> {
        match &secret.0 {
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            _ if stand_in::is_signature(&self.0) => secret.agree(&self.recover(digest)?),
            Kind::Curve(secret) => {
                backend::recover_and_agree(&self.0, digest, secret).map(SharedSecret)
            }
            #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
            Kind::StandIn(_) => secret.agree(&self.recover(digest)?),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// A fresh key pair used once: its public half, and what it agrees on with
/// `to`. This is what ECIES puts before a ciphertext; both multiplications
/// together cost less than apart. The key is of the same kind as `to`.
pub fn encapsulate(rng: &mut Rng, to: &PublicKey) -> Result<(PublicKey, SharedSecret), KeyError> {
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    if stand_in::is_public(&to.0) {
        let once = SecretKey::insecure_stand_in_generate(rng);
        return Ok((once.public_key(), once.agree(to)?));
    }
    let (public, shared) = backend::encapsulate(&generate(rng), &to.0)?;
    Ok((PublicKey(public), SharedSecret(shared)))
}

fn generate(rng: &mut Rng) -> Secret {
    loop {
        let bytes = Zeroizing::new(rng.bytes::<32>());
        if let Ok(secret) = Secret::from_bytes(&bytes) {
            return secret;
        }
    }
}
