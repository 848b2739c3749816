//! The bytes of a record, found to be one; who signed them is another question.

use alloc::boxed::Box;
use alloc::vec::Vec;

use sha3::{Digest as _, Keccak256};

use super::{Entries, RecordError};
use crate::crypto::{PublicKey, SecretKey};
use crate::{limits, rlp};

/// A record in one allocation: its bytes, and where its parts begin.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Raw {
    rlp: Box<[u8]>,
    sequence: u64,
    /// Bytes of the signed part, sequence number and pairs, at the end.
    signed: u16,
    /// Bytes of the pairs, at the end.
    pairs: u16,
}

impl Raw {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > limits::RECORD {
            return Err(RecordError::TooLarge);
        }
        let mut rest = bytes;
        let mut content = rlp::list(&mut rest)?;
        if !rest.is_empty() {
            return Err(RecordError::TrailingBytes);
        }
        if content.is_empty() {
            return Err(RecordError::IncompleteList);
        }
        rlp::string(&mut content)?;
        let signed = length(content)?;
        if content.is_empty() {
            return Err(RecordError::IncompleteList);
        }
        let sequence = rlp::uint(&mut content)?;
        check_pairs(content)?;
        Ok(Self { rlp: bytes.into(), sequence, signed, pairs: length(content)? })
    }

    /// Puts a record together. `signed` is the content of the signed list.
    pub(super) fn assemble(signature: &[u8], signed: &[u8]) -> Result<Self, RecordError> {
        let mut content = Vec::with_capacity(limits::RECORD);
        rlp::put_string(signature, &mut content);
        content.extend_from_slice(signed);
        let mut whole = Vec::with_capacity(limits::RECORD);
        rlp::put_list(&content, &mut whole);
        Self::decode(&whole)
    }

    pub(super) const fn as_rlp(&self) -> &[u8] {
        &self.rlp
    }

    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn entries(&self) -> Entries<'_> {
        Entries::new(self.last(self.pairs))
    }

    /// Whatever stands where the signature belongs.
    pub(super) fn signature(&self) -> &[u8] {
        let mut rest = &*self.rlp;
        rlp::list(&mut rest).and_then(|mut content| rlp::string(&mut content)).unwrap_or_default()
    }

    /// Checks the signature and gives its key.
    pub(super) fn verify(&self) -> Result<PublicKey, RecordError> {
        let entries = self.entries();
        match entries.scheme() {
            Some(b"v4") => {}
            Some(_) => return Err(RecordError::Scheme),
            None => return Err(RecordError::MissingScheme),
        }
        let public_key = entries.public_key().ok_or(RecordError::PublicKey)?;
        let signature = self.signature().try_into().map_err(|_| RecordError::Signature)?;
        public_key
            .verify(&digest(self.last(self.signed)), signature)
            .map_err(|_| RecordError::Signature)?;
        Ok(public_key)
    }

    fn last(&self, count: u16) -> &[u8] {
        self.rlp.len().checked_sub(count.into()).map_or(&[], |at| &self.rlp[at..])
    }
}

/// r and s over the content of the signed list.
pub(super) fn sign(key: &SecretKey, signed: &[u8]) -> [u8; 64] {
    key.sign(&digest(signed)).r_and_s()
}

fn digest(signed: &[u8]) -> [u8; 32] {
    let mut list = Vec::with_capacity(limits::RECORD);
    rlp::put_list(signed, &mut list);
    Keccak256::digest(&list).into()
}

fn length(bytes: &[u8]) -> Result<u16, RecordError> {
    u16::try_from(bytes.len()).map_err(|_| RecordError::TooLarge)
}

fn check_pairs(mut pairs: &[u8]) -> Result<(), RecordError> {
    let mut previous = None;
    while !pairs.is_empty() {
        let key = rlp::string(&mut pairs)?;
        if pairs.is_empty() {
            return Err(RecordError::IncompletePair);
        }
        rlp::item(&mut pairs)?;
        match previous {
            Some(previous) if key == previous => return Err(RecordError::DuplicateKey),
            Some(previous) if key < previous => return Err(RecordError::UnsortedKeys),
            Some(_) | None => previous = Some(key),
        }
    }
    Ok(())
}
