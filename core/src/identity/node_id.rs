//! Node ids and the distance between them.
//!
//! A node id is the Keccak-256 hash of a public key. Kademlia measures how far
//! two of them are apart by XOR. Source: devp2p `discv4.md` ("Node
//! Identities"), geth `p2p/enode`.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use base16ct::HexDisplay;
use sha3::{Digest as _, Keccak256};

use crate::crypto::PublicKey;

/// The 32-byte name of a node: Keccak-256 over the 64 bytes of its public key.
///
/// It prints as 64 hex digits, and reads them with or without `0x`, as geth.
///
/// ```
/// use devp2p_core::identity::NodeId;
///
/// let text = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
/// let id: NodeId = text.parse()?;
/// assert_eq!(id.to_string(), text);
/// assert_eq!(id.short().to_string(), "a448f24c6d18e575");
/// # Ok::<(), devp2p_core::identity::NodeIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// An id from its 32 bytes, as packets and databases hold it.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id that 64 bytes hash to, whether or not they are a public key: the
    /// targets of look-ups need not be one.
    #[must_use]
    pub fn hash_of(bytes: &[u8; 64]) -> Self {
        Self(Keccak256::digest(bytes).into())
    }

    /// The first 16 hex digits, for logs. geth `TerminalString`.
    pub fn short(&self) -> impl fmt::Display + use<> {
        Short(*self)
    }

    /// The XOR of the two ids.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        Distance(core::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// Which of `a` and `b` is closer to `self`: `Less` if `a` is. geth
    /// `DistCmp`.
    pub fn cmp_distance(&self, a: &Self, b: &Self) -> Ordering {
        self.distance(a).cmp(&self.distance(b))
    }

    /// The first 64 bits.
    pub(crate) const fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// How many bits the distance has: 256 less the bits both ids begin with,
    /// so 0 for equal ids and 256 for ids that differ in the first bit. geth
    /// `LogDist`.
    pub fn log_distance(&self, other: &Self) -> u16 {
        self.distance(other).log2()
    }
}

impl From<&PublicKey> for NodeId {
    fn from(key: &PublicKey) -> Self {
        Self::hash_of(key.as_bytes())
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NodeIdError::NotHex);
        }
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(digits, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(NodeIdError::WrongLength),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", HexDisplay(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({}..)", self.short())
    }
}

struct Short(NodeId);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", HexDisplay(&self.0.0[..8]))
    }
}

/// How far two node ids are apart, a 256-bit number; smaller is closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 32]);

impl Distance {
    /// The number, big-endian.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// How many bits the number has, 0 to 256.
    pub fn log2(&self) -> u16 {
        let mut bits = 256;
        for byte in self.0 {
            bits -= byte.leading_zeros();
            if byte != 0 {
                break;
            }
        }
        u16::try_from(bits).unwrap_or(256)
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distance(2^{})", self.log2())
    }
}

/// Why a text is not a node id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeIdError {
    /// A character that is no hex digit.
    NotHex,
    /// Fewer or more than 64 hex digits.
    WrongLength,
}

impl fmt::Display for NodeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHex => "invalid node id (not hex)",
            Self::WrongLength => "invalid node id (wrong length, want 64 hex chars)",
        })
    }
}

impl core::error::Error for NodeIdError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::crypto::SecretKey;

    fn id(first: u8, last: u8) -> NodeId {
        let mut bytes = [0; 32];
        bytes[0] = first;
        bytes[31] = last;
        NodeId(bytes)
    }

    #[test]
    fn the_id_is_the_one_of_the_published_record() {
        // EIP-778, "Test Vectors".
        let mut secret = [0; 32];
        let text = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
        base16ct::lower::decode(text, &mut secret).unwrap();
        let key = SecretKey::from_bytes(&secret).unwrap().public_key();
        assert_eq!(
            NodeId::from(&key).to_string(),
            "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7"
        );
    }

    #[test]
    fn hex_is_read_as_geth_reads_it() {
        let digits = "ab".repeat(32);
        let expected = Ok(NodeId([0xab; 32]));
        assert_eq!(digits.parse(), expected);
        assert_eq!(digits.to_uppercase().parse(), expected);
        assert_eq!(["0x", &digits].concat().parse(), expected);

        let parse = |text: &str| text.parse::<NodeId>();
        assert_eq!(parse(""), Err(NodeIdError::WrongLength));
        assert_eq!(parse("0x"), Err(NodeIdError::WrongLength));
        assert_eq!(parse(&digits[1..]), Err(NodeIdError::WrongLength));
        assert_eq!(parse(&["ab", &digits].concat()), Err(NodeIdError::WrongLength));
        assert_eq!(parse(&["0X", &digits].concat()), Err(NodeIdError::NotHex));
        assert_eq!(parse(&["0x0x", &digits].concat()), Err(NodeIdError::NotHex));
        assert_eq!(parse(&digits.replace("ba", "é")), Err(NodeIdError::NotHex));
    }

    #[test]
    fn the_log_distance_counts_the_bits_of_the_xor() {
        let zero = id(0, 0);
        assert_eq!(zero.log_distance(&zero), 0);
        assert_eq!(zero.log_distance(&id(0, 1)), 1);
        assert_eq!(zero.log_distance(&id(0, 0x80)), 8);
        assert_eq!(zero.log_distance(&id(1, 0xff)), 249);
        assert_eq!(zero.log_distance(&id(0x80, 0)), 256);
    }

    #[test]
    fn logs_show_the_beginning_only() {
        assert_eq!(id(0xfe, 1).short().to_string(), "fe00000000000000");
        assert_eq!(alloc::format!("{:?}", id(0xfe, 1)), "NodeId(fe00000000000000..)");
    }

    proptest! {
        #[test]
        fn distances_are_ordered_as_numbers_bit_by_bit(
            target: [u8; 32], a: [u8; 32], b: [u8; 32], shared in 0..=32_usize,
        ) {
            let mut b = b;
            b[..shared].copy_from_slice(&a[..shared]);
            let bits = |id: &[u8; 32]| -> Vec<bool> {
                (0..256).map(|i| (id[i / 8] ^ target[i / 8]) >> (7 - i % 8) & 1 == 1).collect()
            };
            let (target_id, a_id, b_id) = (NodeId(target), NodeId(a), NodeId(b));
            prop_assert_eq!(target_id.cmp_distance(&a_id, &b_id), bits(&a).cmp(&bits(&b)));
            let zeros = bits(&a).iter().take_while(|bit| !**bit).count();
            prop_assert_eq!(usize::from(target_id.log_distance(&a_id)), 256 - zeros);
            prop_assert_eq!(a_id.distance(&target_id), target_id.distance(&a_id));
        }

        #[test]
        fn an_id_survives_printing(bytes: [u8; 32]) {
            prop_assert_eq!(NodeId(bytes).to_string().parse(), Ok(NodeId(bytes)));
        }
    }
}
