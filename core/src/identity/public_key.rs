//! Public keys as text: 128 hex digits, X and Y, as enode URLs carry them.

use core::fmt;

use base16ct::HexDisplay;

use crate::crypto::PublicKey;

/// Prints a public key as 128 lower-case hex digits, as geth does.
///
/// ```
/// use devp2p_core::crypto::SecretKey;
/// use devp2p_core::identity::{PublicKeyHex, public_key_from_hex};
///
/// let key = SecretKey::from_bytes(&[1; 32])?.public_key();
/// let text = PublicKeyHex(&key).to_string();
/// assert_eq!(text.len(), 128);
/// assert_eq!(public_key_from_hex(text.as_bytes()), Ok(key));
/// # Ok::<(), devp2p_core::crypto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PublicKeyHex<'a>(pub &'a PublicKey);

impl fmt::Display for PublicKeyHex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", HexDisplay(self.0.as_bytes()))
    }
}

/// The public key that 128 hex digits of either case spell. No prefix is
/// taken. geth `parsePubkey`.
pub fn public_key_from_hex(digits: &[u8]) -> Result<PublicKey, PublicKeyError> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(PublicKeyError::NotHex);
    }
    let mut bytes = [0; 64];
    match base16ct::mixed::decode(digits, &mut bytes) {
        Ok(decoded) if decoded.len() == 64 => {}
        Ok(_) | Err(_) => return Err(PublicKeyError::WrongLength),
    }
    PublicKey::from_bytes(&bytes).map_err(|_| PublicKeyError::NotOnCurve)
}

/// Why a text is not a public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// A character that is no hex digit.
    NotHex,
    /// Fewer or more than 128 hex digits.
    WrongLength,
    /// The digits name no point of the curve.
    NotOnCurve,
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHex => "not hex",
            Self::WrongLength => "wrong length, want 128 hex chars",
            Self::NotOnCurve => "not on the curve",
        })
    }
}

impl core::error::Error for PublicKeyError {}
