//! Records that are well-formed, and of which no more is known.

use core::fmt;

use super::raw::Raw;
use super::{Entries, Record, RecordError};

/// A record whose signature was not checked: for showing what is wrong with
/// it, and for the unsigned records that geth keeps of nodes it knows by their
/// packets alone.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedRecord(pub(super) Raw);

impl UnverifiedRecord {
    /// Exactly one record, strictly decoded.
    ///
    /// Fails with what is wrong first: size, RLP, order of keys. The signature
    /// is not looked at.
    pub fn decode(rlp: &[u8]) -> Result<Self, RecordError> {
        Raw::decode(rlp).map(Self)
    }

    /// Checks scheme, key and signature.
    ///
    /// Fails with [`RecordError::MissingScheme`], [`RecordError::Scheme`],
    /// [`RecordError::PublicKey`] or [`RecordError::Signature`].
    pub fn verify(&self) -> Result<Record, RecordError> {
        Record::verify(self.0.clone())
    }

    /// The record as it travels: RLP, at most 300 bytes.
    pub const fn as_rlp(&self) -> &[u8] {
        self.0.as_rlp()
    }

    /// The sequence number.
    pub const fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    /// What stands where the signature belongs; 64 bytes if it is one, none if
    /// the record is unsigned.
    pub fn signature(&self) -> &[u8] {
        self.0.signature()
    }

    /// What the record says, true or not.
    pub fn entries(&self) -> Entries<'_> {
        self.0.entries()
    }
}

impl fmt::Debug for UnverifiedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedRecord")
            .field("sequence", &self.sequence())
            .field("entries", &self.entries())
            .finish()
    }
}
