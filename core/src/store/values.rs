//! Values of the node database, as geth writes them.
//!
//! Times and counts are signed, sequence numbers unsigned varints (Go's
//! `encoding/binary`: groups of seven bits, the lowest first; a signed number
//! is `n << 1 ^ n >> 63`). As in geth, whatever follows the number is not
//! looked at. A record is RLP: signed (EIP-778), or, for a node that is known
//! by its packets alone, one with an empty signature and no "id".

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::{Field, Key};
use crate::identity::{
    Contact, Endpoint, Enode, NodeId, RecordBuilder, RecordError, UnverifiedRecord,
};
use crate::time::UnixTime;

/// The schema that geth and we write, as it stands under
/// [`VERSION_KEY`](super::VERSION_KEY): 9 as a signed number.
pub const VERSION: [u8; 1] = [0x12];

/// A number of up to 64 bits has at most so many groups of seven.
const GROUPS: usize = 10;

/// The bytes of an unsigned number.
pub fn encode_unsigned(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(GROUPS);
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// Reads an unsigned number.
pub fn decode_unsigned(bytes: &[u8]) -> Result<u64, ValueError> {
    let mut number = 0_u64;
    for (group, byte) in bytes.iter().take(GROUPS).enumerate() {
        if group == GROUPS - 1 && *byte > 1 {
            return Err(ValueError::Overflow);
        }
        number |= u64::from(*byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(if bytes.len() < GROUPS { ValueError::Truncated } else { ValueError::Overflow })
}

/// The bytes of a signed number.
pub fn encode_signed(number: i64) -> Vec<u8> {
    encode_unsigned((number << 1 ^ number >> 63).cast_unsigned())
}

/// Reads a signed number.
pub fn decode_signed(bytes: &[u8]) -> Result<i64, ValueError> {
    let number = decode_unsigned(bytes)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Reads a time, in seconds. What lies before 1970 was never written by a clock.
pub fn decode_time(bytes: &[u8]) -> Result<UnixTime, ValueError> {
    let seconds = u64::try_from(decode_signed(bytes)?).map_err(|_| ValueError::Overflow)?;
    Ok(UnixTime::from_secs(seconds))
}

/// Reads a count.
pub fn decode_count(bytes: &[u8]) -> Result<u32, ValueError> {
    u32::try_from(decode_signed(bytes)?).map_err(|_| ValueError::Overflow)
}

/// The bytes of a node: its record if it gave one, else geth's unsigned form.
/// Fails only for a record that is too large, which these are not.
pub fn encode_contact(contact: &Contact) -> Result<Vec<u8>, RecordError> {
    if let Some(record) = contact.record() {
        return Ok(record.as_rlp().to_vec());
    }
    let mut builder = RecordBuilder::new(0);
    if let Some(ip) = contact.ip() {
        builder = builder.ip(ip);
    }
    if contact.udp() != 0 {
        builder = builder.udp(contact.udp());
    }
    if contact.tcp() != 0 {
        builder = builder.tcp(contact.tcp());
    }
    Ok(builder.unsigned(contact.public_key())?.as_rlp().to_vec())
}

/// A node's value, well-formed; its signature, if any, is not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRecord(UnverifiedRecord);

impl StoredRecord {
    /// Exactly one record.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(Self(UnverifiedRecord::decode(bytes)?))
    }

    /// Where the node says it is.
    pub fn endpoint(&self) -> Endpoint {
        self.0.entries().endpoint()
    }

    /// What it says, true or not.
    pub const fn record(&self) -> &UnverifiedRecord {
        &self.0
    }

    /// Whether it is the form without signature.
    pub fn is_unsigned(&self) -> bool {
        self.0.signature().is_empty()
    }

    /// The node, if it is the one with this id. Checks the signature of a
    /// record that has one.
    pub fn contact(&self, id: &NodeId) -> Result<Contact, ValueError> {
        let contact = if self.is_unsigned() {
            self.unsigned()?
        } else {
            Contact::from_record(Arc::new(self.0.verify()?))
        };
        if contact.id() == id { Ok(contact) } else { Err(ValueError::OtherNode) }
    }

    fn unsigned(&self) -> Result<Contact, ValueError> {
        let entries = self.0.entries();
        if entries.scheme().is_some() {
            return Err(ValueError::Record(RecordError::Signature));
        }
        let key = entries.public_key().ok_or(RecordError::PublicKey)?;
        let Endpoint { ip, udp, tcp } = entries.endpoint();
        let contact = |ip: IpAddr| Contact::new(key, ip, udp, tcp);
        Ok(ip.map_or_else(|| Contact::from_enode(&Enode::incomplete(key)), contact))
    }
}

/// A value, read as its key says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// The schema, a count, or a sequence number.
    Number(u64),
    /// When something came.
    Time(UnixTime),
    /// A node.
    Node(Contact),
}

impl Value {
    /// Reads the value of a key. Checks the signature of a record that has one.
    pub fn decode(key: &Key, bytes: &[u8]) -> Result<Self, ValueError> {
        match key {
            Key::LocalSequence(_) | Key::Sequence(_) => decode_unsigned(bytes).map(Self::Number),
            Key::Record(id) => StoredRecord::decode(bytes)?.contact(id).map(Self::Node),
            Key::Item(_, _, Field::LastPing | Field::LastPong) => {
                decode_time(bytes).map(Self::Time)
            }
            Key::Version | Key::Item(_, _, Field::FindFailures) | Key::FindFailuresV5(..) => {
                decode_count(bytes).map(|count| Self::Number(count.into()))
            }
        }
    }
}

/// Why a value is not what stands under such a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ValueError {
    /// The number ends before its last group.
    Truncated,
    /// The number has more than 64 bits, or is too large for what it counts.
    Overflow,
    /// No record, or one that its owner has not signed.
    Record(RecordError),
    /// A record of another node than the key says.
    OtherNode,
}

impl From<RecordError> for ValueError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated number",
            Self::Overflow => "number too large",
            Self::Record(error) => return error.fmt(f),
            Self::OtherNode => "record of another node",
        })
    }
}

impl core::error::Error for ValueError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Record(error) = self { Some(error) } else { None }
    }
}
