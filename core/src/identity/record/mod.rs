//! Node records (ENR, EIP-778): what a node says of itself, signed.
//!
//! ```text
//! [signature, sequence number, key, value, key, value, …]   RLP, ≤ 300 bytes
//! enr:…                                       the same, URL-safe base64 without padding
//! ```
//!
//! Keys ascend strictly. Values are any RLP; those of unknown keys are kept as
//! they came. The identity scheme is "v4", the only one that geth takes outside
//! its tests: r and s over the Keccak-256 of the list without its signature.
//!
//! geth and we take the same records, but for two things: we refuse a value
//! that writes one byte below 0x80 as a string of length 1 (`81 05`), which is
//! no RLP, and in the text form line ends and bits left over at its end, which
//! Go's decoder passes over.

mod builder;
mod entries;
mod error;
mod raw;
mod text;
mod unverified;

pub use builder::RecordBuilder;
pub use entries::{Endpoint, Entries, EntriesIter, Entry};
pub use error::RecordError;
pub use unverified::UnverifiedRecord;

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::NodeId;
use crate::crypto::PublicKey;
use raw::Raw;

/// A signed node record whose signature was checked.
///
/// ```
/// use devp2p_core::identity::Record;
///
/// // EIP-778, "Test Vectors".
/// let text = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjz\
///             CBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQ\
///             PKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
/// let record: Record = text.parse()?;
/// assert_eq!(record.sequence(), 1);
/// assert_eq!(record.endpoint().ip, Some("127.0.0.1".parse().unwrap()));
/// assert_eq!(record.endpoint().udp, 30303);
/// assert_eq!(record.to_string(), text);
/// # Ok::<(), devp2p_core::identity::RecordError>(())
/// ```
#[derive(Clone)]
pub struct Record {
    raw: Raw,
    public_key: PublicKey,
    node_id: NodeId,
}

impl Record {
    /// Exactly one record, strictly decoded, its signature checked. This is
    /// one verification, one decompression and one allocation.
    ///
    /// Fails as [`UnverifiedRecord::decode`] and [`UnverifiedRecord::verify`]
    /// do.
    pub fn decode(rlp: &[u8]) -> Result<Self, RecordError> {
        Self::verify(Raw::decode(rlp)?)
    }

    fn verify(raw: Raw) -> Result<Self, RecordError> {
        let public_key = raw.verify()?;
        Ok(Self { raw, public_key, node_id: NodeId::from(&public_key) })
    }

    /// The record as it travels: RLP, at most 300 bytes.
    pub fn as_rlp(&self) -> &[u8] {
        self.raw.as_rlp()
    }

    /// The sequence number: of two records of one node the higher holds.
    pub const fn sequence(&self) -> u64 {
        self.raw.sequence()
    }

    /// The key that signed it.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The signer's id.
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// What the record says: all its keys, the known ones typed.
    pub fn entries(&self) -> Entries<'_> {
        self.raw.entries()
    }

    /// The value of a key, one RLP item, if there is such a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries().get(key)
    }

    /// Where the node says it can be reached: [`Entries::endpoint`].
    pub fn endpoint(&self) -> Endpoint {
        self.entries().endpoint()
    }
}

/// Two records are the same if their bytes are; everything else follows.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.as_rlp() == other.as_rlp()
    }
}

impl Eq for Record {}

/// By node, the newest last.
impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |record: &Self| (record.node_id, record.sequence());
        key(self).cmp(&key(other)).then_with(|| self.as_rlp().cmp(other.as_rlp()))
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_rlp().hash(state);
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.node_id)
            .field("sequence", &self.sequence())
            .field("entries", &self.entries())
            .finish()
    }
}

#[cfg(test)]
mod tests;
