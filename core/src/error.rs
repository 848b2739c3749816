//! Errors that more than one room uses.
//!
//! Each room has its own enum beside its code: bytes that do not decode are a
//! [`DecodeError`]; what ends a connection is a
//! [`SessionError`](crate::session::SessionError); a caller's mistake is a [`Misuse`].

use core::fmt;

/// Why bytes are not the RLP that was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the item does, or an item leaves its list.
    Truncated,
    /// An integer or a size is not in its shortest form.
    NonCanonical,
    /// A list stands where a string was expected.
    UnexpectedList,
    /// A string stands where a list was expected.
    UnexpectedString,
    /// A string of fixed size has another.
    WrongLength,
    /// An integer does not fit its type.
    Overflow,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated RLP",
            Self::NonCanonical => "non-canonical RLP",
            Self::UnexpectedList => "unexpected RLP list",
            Self::UnexpectedString => "unexpected RLP string",
            Self::WrongLength => "RLP string of the wrong length",
            Self::Overflow => "RLP integer too large",
        })
    }
}

impl core::error::Error for DecodeError {}

impl From<alloy_rlp::Error> for DecodeError {
    fn from(error: alloy_rlp::Error) -> Self {
        use alloy_rlp::Error;
        match error {
            Error::Overflow | Error::Custom(_) => Self::Overflow,
            Error::LeadingZero | Error::NonCanonicalSingleByte | Error::NonCanonicalSize => {
                Self::NonCanonical
            }
            Error::InputTooShort => Self::Truncated,
            Error::UnexpectedLength | Error::ListLengthMismatch { .. } => Self::WrongLength,
            Error::UnexpectedString => Self::UnexpectedString,
            Error::UnexpectedList => Self::UnexpectedList,
        }
    }
}

/// What a caller got wrong. Never caused by a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misuse {
    /// A message code at or beyond the capability's length.
    CodeOutOfRange,
    /// A payload of more than [`limits::MESSAGE`](crate::limits::MESSAGE) bytes,
    /// or one that does not fit a frame once it is compressed.
    MessageTooLarge,
    /// More capabilities than [`limits::LOCAL_CAPABILITIES`](crate::limits::LOCAL_CAPABILITIES).
    TooManyCapabilities,
    /// The same capability and version twice.
    DuplicateCapability,
    /// A capability name that is empty, too long or not printable ASCII.
    CapabilityName,
    /// A client name longer than [`limits::CLIENT_NAME`](crate::limits::CLIENT_NAME).
    ClientName,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodeOutOfRange => "message code beyond the capability's length",
            Self::MessageTooLarge => "message length >= 16MB",
            Self::TooManyCapabilities => "too many capabilities",
            Self::DuplicateCapability => "the same capability and version twice",
            Self::CapabilityName => "capability name must be 1 to 8 printable ASCII characters",
            Self::ClientName => "client name too long",
        })
    }
}

impl core::error::Error for Misuse {}
