//! The curve behind one small face: keys, agreement, recoverable signatures.
//!
//! Nothing outside this folder names a curve library.

mod k256;

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::Rng;
use k256 as backend;

/// Why 32 or 64 bytes are not a key, or a signature names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret key is zero or not below the order of the group.
    SecretOutOfRange,
    /// A public key is not a point of the curve (or is the identity).
    NotOnCurve,
    /// A signature from which no public key can be recovered.
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
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key from its 32 big-endian bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        backend::check_secret(bytes)?;
        Ok(Self(*bytes))
    }

    /// A fresh key.
    pub fn generate(rng: &mut Rng) -> Self {
        loop {
            let bytes = Zeroizing::new(rng.bytes::<32>());
            if let Ok(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// A fresh key of the same kind as `self`, to use beside it: an ephemeral
    /// key beside the static one. There is one kind only, so this is
    /// [`SecretKey::generate`].
    #[must_use]
    pub fn generate_like(&self, rng: &mut Rng) -> Self {
        Self::generate(rng)
    }

    /// The 32 big-endian bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// The public key that belongs to this key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(backend::public_key(&self.0))
    }

    /// ECDH: the x coordinate of `self` times `other`.
    pub fn agree(&self, other: &PublicKey) -> Result<SharedSecret, KeyError> {
        backend::agree(&self.0, &other.0).map(SharedSecret)
    }

    /// A recoverable signature over a 32-byte digest, RFC 6979, low s.
    pub fn sign(&self, digest: &[u8; 32]) -> Signature {
        Signature(backend::sign(&self.0, digest))
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
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, KeyError> {
        backend::check_public(bytes)?;
        Ok(Self(*bytes))
    }

    /// X and Y, 32 big-endian bytes each.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
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

/// A recoverable signature: r, s, then the recovery id (0 or 1).
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

    /// The public key whose owner signed `digest`.
    pub fn recover(&self, digest: &[u8; 32]) -> Result<PublicKey, KeyError> {
        backend::recover(&self.0, digest).map(PublicKey)
    }

    /// `secret.agree(self.recover(digest))`, for less than the two cost apart.
    pub fn recover_and_agree(
        &self,
        digest: &[u8; 32],
        secret: &SecretKey,
    ) -> Result<SharedSecret, KeyError> {
        secret.agree(&self.recover(digest)?)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// A fresh key pair used once: its public half, and what it agrees on with
/// `to`. This is what ECIES puts before a ciphertext; both multiplications
/// together cost less than apart.
pub fn encapsulate(rng: &mut Rng, to: &PublicKey) -> Result<(PublicKey, SharedSecret), KeyError> {
    let once = SecretKey::generate(rng);
    let shared = once.agree(to)?;
    Ok((once.public_key(), shared))
}
