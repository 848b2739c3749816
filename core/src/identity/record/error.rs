//! Why bytes or a text are no record.

use core::fmt;

use crate::error::DecodeError;
use crate::limits;

/// Why bytes or a text are no record, or none could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// More than [`limits::RECORD`] bytes.
    TooLarge,
    /// No strict RLP, or an item of another type than belongs there.
    Rlp(DecodeError),
    /// Something follows the record, or the one item that a value is.
    TrailingBytes,
    /// A list of fewer than two items.
    IncompleteList,
    /// A key without a value.
    IncompletePair,
    /// The same key twice.
    DuplicateKey,
    /// A key after one that is greater.
    UnsortedKeys,
    /// No key "id", or one whose value is no string.
    MissingScheme,
    /// An identity scheme other than "v4".
    Scheme,
    /// No key "secp256k1", or one whose value is no compressed public key.
    PublicKey,
    /// The signature is not the one of that key.
    Signature,
    /// A text that does not begin with `enr:`.
    MissingPrefix,
    /// What follows `enr:` is no URL-safe base64 without padding.
    Base64,
    /// The sequence number of the record before was the last there is.
    SequenceExhausted,
}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        Self::Rlp(error)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => return write!(f, "record bigger than {} bytes", limits::RECORD),
            Self::Rlp(error) => return error.fmt(f),
            Self::TrailingBytes => "bytes after the end of the RLP",
            Self::IncompleteList => "record contains less than two list elements",
            Self::IncompletePair => "record contains incomplete k/v pair",
            Self::DuplicateKey => "record contains duplicate key",
            Self::UnsortedKeys => "record key/value pairs are not sorted by key",
            Self::MissingScheme => "record names no identity scheme",
            Self::Scheme => "unknown identity scheme in node record",
            Self::PublicKey => "missing or invalid public key in node record",
            Self::Signature => "invalid signature on node record",
            Self::MissingPrefix => "missing 'enr:' prefix for base64-encoded record",
            Self::Base64 => "invalid base64 in node record",
            Self::SequenceExhausted => "no sequence number is left",
        })
    }
}

impl core::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Rlp(error) = self { Some(error) } else { None }
    }
}
