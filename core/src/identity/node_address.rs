//! A node as a person names it: an enode URL or a record's text.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use super::{Contact, Enode, EnodeError, HostName, NodeId, Record, RecordError};
use crate::crypto::PublicKey;

/// What a command line or a configuration says of a node. geth `enode.Parse`:
/// the scheme must be there, a bare public key is none.
///
/// It prints as it would be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeAddress {
    /// `enode://…`
    Enode(Enode),
    /// `enr:…`
    Record(Arc<Record>),
}

impl NodeAddress {
    /// The node's static key.
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Enode(enode) => enode.public_key(),
            Self::Record(record) => record.public_key(),
        }
    }

    /// The node's id. Costs a hash for an enode URL.
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Enode(enode) => enode.node_id(),
            Self::Record(record) => record.node_id(),
        }
    }

    /// The name that is to be looked up before the node can be reached.
    pub const fn host_name(&self) -> Option<&HostName> {
        match self {
            Self::Enode(enode) => enode.host_name(),
            Self::Record(_) => None,
        }
    }

    /// What discovery needs to know, without the host name.
    pub fn contact(&self) -> Contact {
        match self {
            Self::Enode(enode) => Contact::from_enode(enode),
            Self::Record(record) => Contact::from_record(Arc::clone(record)),
        }
    }
}

impl From<Enode> for NodeAddress {
    fn from(enode: Enode) -> Self {
        Self::Enode(enode)
    }
}

impl From<&Enode> for NodeAddress {
    fn from(enode: &Enode) -> Self {
        Self::Enode(enode.clone())
    }
}

impl From<Arc<Record>> for NodeAddress {
    fn from(record: Arc<Record>) -> Self {
        Self::Record(record)
    }
}

impl FromStr for NodeAddress {
    type Err = NodeAddressError;

    fn from_str(text: &str) -> Result<Self, NodeAddressError> {
        if text.starts_with("enode://") {
            text.parse().map(Self::Enode).map_err(NodeAddressError::Enode)
        } else if text.starts_with("enr:") {
            text.parse()
                .map(|record| Self::Record(Arc::new(record)))
                .map_err(NodeAddressError::Record)
        } else {
            Err(NodeAddressError::Scheme)
        }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enode(enode) => enode.fmt(f),
            Self::Record(record) => record.fmt(f),
        }
    }
}

/// Why a text names no node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeAddressError {
    /// It begins neither with `enode://` nor with `enr:`.
    Scheme,
    /// It is no enode URL.
    Enode(EnodeError),
    /// It is no record.
    Record(RecordError),
}

impl fmt::Display for NodeAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("missing 'enode://' or 'enr:'"),
            Self::Enode(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NodeAddressError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Scheme => None,
            Self::Enode(error) => Some(error),
            Self::Record(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::identity::{PublicKeyHex, RecordBuilder};

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[1; 32]).unwrap()
    }

    #[test]
    fn an_enode_url_and_a_record_name_the_same_node() {
        let hex = PublicKeyHex(&key().public_key()).to_string();
        let url = ["enode://", &hex, "@10.3.58.6:30303?discport=30301"].concat();
        let record =
            RecordBuilder::new(1).ip([10, 3, 58, 6].into()).tcp(30303).udp(30301).sign(&key());
        let text = record.unwrap().to_string();
        let [one, other] = [&url, &text].map(|text| text.parse::<NodeAddress>().unwrap());
        assert_eq!(one.node_id(), other.node_id());
        assert_eq!(one.public_key(), other.public_key());
        assert_eq!(one.to_string(), url);
        assert_eq!(other.to_string(), text);
        assert_eq!(one.contact().to_string(), url);
        assert_eq!(other.contact().to_string(), url);
        assert_eq!((one.contact().sequence(), other.contact().sequence()), (0, 1));
    }

    #[test]
    fn the_scheme_is_asked_for_as_geth_asks() {
        let hex = PublicKeyHex(&key().public_key()).to_string();
        let parse = |text: &str| text.parse::<NodeAddress>();
        for text in ["", &hex, "01010101", "foo", "ENODE://x", "enode:x", "Enr:x"] {
            assert_eq!(parse(text), Err(NodeAddressError::Scheme), "{text}");
        }
        assert!(parse(&["enode://", &hex].concat()).is_ok());
        assert!(matches!(parse("enode://"), Err(NodeAddressError::Enode(_))));
        assert_eq!(parse("enr:x"), Err(NodeAddressError::Record(RecordError::Base64)));
    }

    #[test]
    fn a_host_name_waits_to_be_looked_up() {
        let hex = PublicKeyHex(&key().public_key()).to_string();
        let node: NodeAddress = ["enode://", &hex, "@valid.:3"].concat().parse().unwrap();
        assert_eq!(node.host_name().unwrap().as_str(), Some("valid."));
        assert_eq!((node.contact().ip(), node.contact().tcp()), (None, 3));
    }
}
