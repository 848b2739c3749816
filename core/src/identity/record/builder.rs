//! Making records: set what they say, then sign.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::raw::{self, Raw};
use super::{Record, RecordError, UnverifiedRecord};
use crate::crypto::{PublicKey, SecretKey};
use crate::rlp;

/// What a record is to say. A value that was set already is replaced.
///
/// ```
/// use devp2p_core::crypto::SecretKey;
/// use devp2p_core::identity::RecordBuilder;
///
/// let key = SecretKey::from_bytes(&[1; 32])?;
/// let record = RecordBuilder::new(1)
///     .ip("10.3.58.6".parse()?)
///     .udp(30303)
///     .rlp(b"eth", &[0xc0])?
///     .sign(&key)?;
/// assert_eq!(record.sequence(), 1);
///
/// let next = RecordBuilder::from_record(&record).udp(30304).sign(&key)?;
/// assert_eq!(next.sequence(), 2);
/// assert_eq!(next.get(b"eth"), Some(&[0xc0][..]));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordBuilder {
    /// `None`: the last record had the last number there is.
    sequence: Option<u64>,
    pairs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl RecordBuilder {
    /// Nothing yet.
    pub const fn new(sequence: u64) -> Self {
        Self { sequence: Some(sequence), pairs: BTreeMap::new() }
    }

    /// What `record` says, with the sequence number after its own.
    pub fn from_record(record: &Record) -> Self {
        let pairs = record.entries().iter().map(|pair| (pair.key.into(), pair.value.into()));
        Self { sequence: record.sequence().checked_add(1), pairs: pairs.collect() }
    }

    /// Sets the sequence number.
    #[must_use]
    pub const fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Sets any key to any value, which must be exactly one RLP item. "id" and
    /// "secp256k1" are set again when the record is signed.
    pub fn rlp(self, key: &[u8], value: &[u8]) -> Result<Self, RecordError> {
        let mut rest = value;
        rlp::item(&mut rest)?;
        if !rest.is_empty() {
            return Err(RecordError::TrailingBytes);
        }
        Ok(self.set(key, value))
    }

    /// Sets any key to a string of bytes.
    #[must_use]
    pub fn string(self, key: &[u8], value: &[u8]) -> Self {
        let mut item = Vec::with_capacity(value.len() + 1);
        rlp::put_string(value, &mut item);
        self.set(key, &item)
    }

    /// Sets any key to a number.
    #[must_use]
    pub fn uint(self, key: &[u8], value: u64) -> Self {
        let mut item = Vec::new();
        rlp::put_uint(value, &mut item);
        self.set(key, &item)
    }

    /// Sets "ip" or "ip6"; an IPv4-mapped address becomes the IPv4 one.
    #[must_use]
    pub fn ip(self, ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.string(b"ip", &ip.octets()),
            IpAddr::V6(ip) => self.string(b"ip6", &ip.octets()),
        }
    }

    /// Sets "udp".
    #[must_use]
    pub fn udp(self, port: u16) -> Self {
        self.uint(b"udp", port.into())
    }

    /// Sets "tcp".
    #[must_use]
    pub fn tcp(self, port: u16) -> Self {
        self.uint(b"tcp", port.into())
    }

    /// Sets "udp6".
    #[must_use]
    pub fn udp6(self, port: u16) -> Self {
        self.uint(b"udp6", port.into())
    }

    /// Sets "tcp6".
    #[must_use]
    pub fn tcp6(self, port: u16) -> Self {
        self.uint(b"tcp6", port.into())
    }

    /// Takes a key away.
    #[must_use]
    pub fn remove(mut self, key: &[u8]) -> Self {
        self.pairs.remove(key);
        self
    }

    fn set(mut self, key: &[u8], value: &[u8]) -> Self {
        self.pairs.insert(key.into(), value.into());
        self
    }

    /// Signs by the scheme "v4". One signature. Fails if the record would be
    /// too large, or if no sequence number is left.
    pub fn sign(self, key: &SecretKey) -> Result<Record, RecordError> {
        let public_key = key.public_key();
        let content = self
            .string(b"id", b"v4")
            .string(b"secp256k1", &public_key.to_compressed())
            .content()?;
        let raw = Raw::assemble(&raw::sign(key, &content), &content)?;
        Ok(Record { raw, public_key, node_id: (&public_key).into() })
    }

    /// The record that geth keeps of a node which never gave one: neither
    /// scheme nor signature. geth `enode.NewV4`, whose sequence number is 0.
    pub fn unsigned(self, public_key: &PublicKey) -> Result<UnverifiedRecord, RecordError> {
        let content =
            self.remove(b"id").string(b"secp256k1", &public_key.to_compressed()).content()?;
        Raw::assemble(&[], &content).map(UnverifiedRecord)
    }

    /// Whether the record, once signed, is not too large.
    pub(in crate::identity) fn check_size(self) -> Result<(), RecordError> {
        let content = self.string(b"id", b"v4").string(b"secp256k1", &[2; 33]).content()?;
        Raw::assemble(&[0; 64], &content).map(drop)
    }

    /// The content of the signed list.
    fn content(&self) -> Result<Vec<u8>, RecordError> {
        let mut content = Vec::new();
        rlp::put_uint(self.sequence.ok_or(RecordError::SequenceExhausted)?, &mut content);
        for (key, value) in &self.pairs {
            rlp::put_string(key, &mut content);
            content.extend_from_slice(value);
        }
        Ok(content)
    }
}
