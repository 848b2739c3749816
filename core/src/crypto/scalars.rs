//! Arithmetic modulo n, the order of the group: what both backends share.

use k256::elliptic_curve::Curve as _;
use k256::elliptic_curve::bigint::{ArrayEncoding as _, CheckedAdd as _, U256};
use k256::elliptic_curve::ops::{Invert as _, Reduce as _};
use k256::{FieldBytes, NonZeroScalar, Scalar, Secp256k1};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::KeyError;

/// A secret key: a scalar that is not zero.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Secret(pub(super) NonZeroScalar);

impl Secret {
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Option::from(NonZeroScalar::from_repr(FieldBytes::from(*bytes)))
            .map(Self)
            .ok_or(KeyError::SecretOutOfRange)
    }

    pub(super) fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

/// The equation of recovery, solved for the signer's key: `of_generator` times
/// the generator plus `of_nonce` times the nonce point (SEC 1, section 4.1.6).
///
/// Accepts exactly what libsecp256k1 accepts, which is what geth uses: r and s
/// in 1..n (s may be high), and a recovery id below 4.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Recovery {
    /// The x coordinate of the nonce point, if such a point exists.
    pub(super) x: [u8; 32],
    /// 1 or 0: which of the two points with that x.
    pub(super) y_is_odd: u8,
    pub(super) of_generator: Scalar,
    pub(super) of_nonce: NonZeroScalar,
}

impl Recovery {
    /// Constant in time for the digest, which a handshake derives from a
    /// secret; not for the signature.
    pub(super) fn new(signature: &[u8; 65], digest: &[u8; 32]) -> Result<Self, KeyError> {
        let [rs @ .., id] = signature;
        let [r_bytes, s_bytes] = halves(rs);
        let r = scalar(r_bytes)?;
        let s = scalar(s_bytes)?;
        let x = match id {
            0 | 1 => r_bytes,
            2 | 3 => plus_order(r_bytes)?,
            _ => return Err(KeyError::BadSignature),
        };
        let inverse = r.invert_vartime();
        Ok(Self {
            x,
            y_is_odd: id & 1,
            of_generator: -(*inverse * Scalar::reduce(&FieldBytes::from(*digest))),
            of_nonce: inverse * s,
        })
    }

    /// Makes it the equation for `secret` times the signer's key.
    pub(super) fn multiply(&mut self, secret: &Secret) {
        self.of_generator *= secret.0.as_ref();
        self.of_nonce *= secret.0;
    }
}

pub(super) fn halves(bytes: &[u8; 64]) -> [[u8; 32]; 2] {
    let mut halves = [[0; 32]; 2];
    halves[0].copy_from_slice(&bytes[..32]);
    halves[1].copy_from_slice(&bytes[32..]);
    halves
}

fn scalar(bytes: [u8; 32]) -> Result<NonZeroScalar, KeyError> {
    Option::from(NonZeroScalar::from_repr(bytes.into())).ok_or(KeyError::BadSignature)
}

/// The nonce point's x was at least n and r is the rest: add n again. A sum of
/// the field's prime or more is refused later, as no point has it.
fn plus_order(r: [u8; 32]) -> Result<[u8; 32], KeyError> {
    Option::<U256>::from(U256::from_be_slice(&r).checked_add(&Secp256k1::ORDER))
        .map(|x| x.to_be_byte_array().into())
        .ok_or(KeyError::BadSignature)
}
