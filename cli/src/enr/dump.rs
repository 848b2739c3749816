//! What `enrdump` prints of a record: its entries, line by line.
//!
//! ```text
//! Node ID: a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7
//! URLv4:   enode://ca63…@127.0.0.1:0?discport=30303
//! Record has sequence number 1 and 4 key/value pairs.
//!   "id"        "v4"
//!   "ip"        127.0.0.1
//!   "secp256k1" 03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138
//!   "udp"       30303
//! ```

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_rlp::{Decodable as _, Header};
use base16ct::HexDisplay;
use devp2p_smol::core::identity::{Contact, Entry, Record, RecordError, UnverifiedRecord};
use serde::Serialize;

use super::quote::Quoted;
use crate::failure::{Cause, Failure};

/// A record, and what came of checking it.
pub(super) struct Dump<'a> {
    record: &'a UnverifiedRecord,
    checked: Result<Contact, RecordError>,
}

impl<'a> Dump<'a> {
    pub(super) fn of(record: &'a UnverifiedRecord) -> Self {
        let contact = |record: Record| Contact::from_record(Arc::new(record));
        Self { record, checked: record.verify().map(contact) }
    }

    /// Whether the record is signed by whom it names.
    pub(super) const fn is_sound(&self) -> bool {
        self.checked.is_ok()
    }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.checked {
            Ok(contact) => {
                writeln!(f, "Node ID: {}", contact.id())?;
                writeln!(f, "URLv4:   {contact}")?;
            }
            Err(error) => writeln!(f, "INVALID: {error}")?,
        }
        let entries = self.record.entries();
        let sequence = self.record.sequence();
        let count = entries.iter().count();
        write!(f, "Record has sequence number {sequence} and {count} key/value pairs.")?;
        let longest = entries.iter().map(|entry| entry.key.len()).max().unwrap_or(0);
        for entry in entries.iter() {
            let blanks = longest - entry.key.len() + 1;
            write!(f, "\n  {}{:blanks$}{}", Quoted(entry.key), "", Value::of(&entry))?;
        }
        Ok(())
    }
}

/// A value as its key says it is to be read.
#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Bytes(#[serde(serialize_with = "hex")] Vec<u8>),
    Text(#[serde(serialize_with = "lossy")] Vec<u8>),
    Address(IpAddr),
    Number(u64),
    /// It is not what it should be, or a list: the RLP.
    Other {
        #[serde(serialize_with = "hex")]
        rlp: Vec<u8>,
    },
}

impl Value {
    fn of(entry: &Entry<'_>) -> Self {
        Self::known(entry).unwrap_or_else(|| Self::Other { rlp: entry.value.to_vec() })
    }

    fn known(entry: &Entry<'_>) -> Option<Self> {
        match entry.key {
            b"id" => string(entry.value).map(Self::Text),
            b"ip" | b"ip6" => address(&string(entry.value)?).map(Self::Address),
            b"tcp" | b"tcp6" | b"udp" | b"udp6" => {
                let mut value = entry.value;
                let number = u64::decode(&mut value).ok()?;
                value.is_empty().then_some(Self::Number(number))
            }
            _ => string(entry.value).map(Self::Bytes),
        }
    }
}

/// The content of an RLP string.
fn string(mut value: &[u8]) -> Option<Vec<u8>> {
    Header::decode_bytes(&mut value, false).ok().map(<[u8]>::to_vec)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{:x}", HexDisplay(bytes)),
            Self::Text(bytes) => Quoted(bytes).fmt(f),
            Self::Address(ip) => ip.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Other { rlp } => write!(f, "{:x} (!)", HexDisplay(rlp)),
        }
    }
}

fn hex<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{:x}", HexDisplay(bytes)))
}

fn lossy<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(bytes))
}

/// The same for scripts: addresses, numbers and the scheme as such, other
/// values as hex, and what is not what its key says as `{"rlp": hex}`.
#[derive(Serialize)]
pub(super) struct DumpJson {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cause>,
    id: Option<String>,
    enode: Option<String>,
    record: String,
    seq: u64,
    pairs: BTreeMap<String, Value>,
}

impl DumpJson {
    pub(super) fn of(dump: &Dump<'_>) -> Self {
        let Dump { record, checked } = dump;
        let key = |entry: &Entry<'_>| String::from_utf8_lossy(entry.key).into_owned();
        Self {
            valid: dump.is_sound(),
            error: checked.as_ref().err().map(|error| Failure::NotARecord(*error).cause()),
            id: checked.as_ref().ok().map(|contact| contact.id().to_string()),
            enode: checked.as_ref().ok().map(ToString::to_string),
            record: record.to_string(),
            seq: record.sequence(),
            pairs: record.entries().iter().map(|entry| (key(&entry), Value::of(&entry))).collect(),
        }
    }
}
