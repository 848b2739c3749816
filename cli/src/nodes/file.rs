//! The file `nodes.json`: one object, its keys node ids.
//!
//! ```text
//! {
//!     "<id>": {
//!         "seq": 1,
//!         "record": "enr:…",
//!         "score": 3,
//!         "firstResponse": "2026-01-02T03:04:05Z",
//!         "lastResponse": "2026-01-02T03:24:05Z",
//!         "lastCheck": "2026-01-02T03:24:05Z"
//!     }
//! }
//! ```
//!
//! A file is read whole or not at all, and replaced by a whole one or not at
//! all: whoever is interrupted leaves one or the other. geth's tool opens ours
//! and the other way round; what else somebody noted of a node is kept. Only
//! times of other zones are written in UTC.

use core::fmt;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use devp2p_smol::core::identity::{NodeAddressError, NodeId, NodeIdError};
use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::{Node, NodeSet, time};
use crate::failure::Failure;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object that says what is known of a node")]
struct NodeJson {
    #[serde(default, deserialize_with = "sequence")]
    seq: u64,
    record: String,
    #[serde(default, deserialize_with = "score", skip_serializing_if = "is_zero")]
    score: i64,
    #[serde(default, with = "time")]
    first_response: Option<Timestamp>,
    #[serde(default, with = "time")]
    last_response: Option<Timestamp>,
    #[serde(default, with = "time")]
    last_check: Option<Timestamp>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(score: &i64) -> bool {
    *score == 0
}

fn sequence<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::deserialize(from).map_err(|_| D::Error::custom("\"seq\" is no whole number of 64 bits"))
}

fn score<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    i64::deserialize(from).map_err(|_| D::Error::custom("\"score\" is no whole number of 64 bits"))
}

/// The whole file.
struct NodesJson(BTreeMap<String, NodeJson>);

impl<'de> Deserialize<'de> for NodesJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(NodesVisitor)
    }
}

struct NodesVisitor;

impl<'de> Visitor<'de> for NodesVisitor {
    type Value = NodesJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose keys are node IDs")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NodesJson, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(NodesJson)
    }
}

/// Why a file holds no set of nodes.
#[derive(Debug)]
pub(crate) enum NodesError {
    /// It is no JSON, or says something else.
    Json(serde_json::Error),
    /// A key is no node id.
    Id(NodeIdError),
    /// A node's record is none.
    Record(NodeId, NodeAddressError),
    /// A node's record is the other's.
    OtherNode(NodeId, NodeId),
    /// A node's record has this sequence number, and "seq" says another.
    OtherSequence(NodeId, u64),
}

impl fmt::Display for NodesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "invalid JSON: {error}"),
            Self::Id(error) => error.fmt(f),
            Self::Record(id, error) => write!(f, "invalid node {id}: {error}"),
            Self::OtherNode(id, other) => {
                write!(f, "invalid node {id}: ID does not match ID {other} in record")
            }
            Self::OtherSequence(id, sequence) => {
                write!(f, "invalid node {id}: 'seq' does not match seq {sequence} from record")
            }
        }
    }
}

impl core::error::Error for NodesError {}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<NodeSet, Failure> {
    let text = fs::read(path).map_err(failed(path))?;
    parse(&text).map_err(|error| Failure::Nodes(path.to_owned(), error))
}

/// Reads a file; one that is not there yet holds nothing.
pub(crate) fn load_or_empty(path: &Path) -> Result<NodeSet, Failure> {
    match load(path) {
        Err(Failure::File(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(NodeSet::new())
        }
        result => result,
    }
}

fn parse(text: &[u8]) -> Result<NodeSet, NodesError> {
    let NodesJson(nodes) = serde_json::from_slice(text).map_err(NodesError::Json)?;
    nodes.into_iter().map(|(id, node)| check(&id, node)).collect()
}

/// geth `nodeSet.verify`, which its tool does not always ask.
fn check(id: &str, node: NodeJson) -> Result<(NodeId, Node), NodesError> {
    let NodeJson { seq, record, score, first_response, last_response, last_check, other } = node;
    let id = id.parse().map_err(NodesError::Id)?;
    let address = record.parse().map_err(|error| NodesError::Record(id, error))?;
    let mut node = Node::new(address);
    if node.address.node_id() != id {
        return Err(NodesError::OtherNode(id, node.address.node_id()));
    }
    if node.sequence() != seq {
        return Err(NodesError::OtherSequence(id, node.sequence()));
    }
    node = Node { score, first_response, last_response, last_check, other, ..node };
    Ok((id, node))
}

/// The text of a file, without a line end after it, as geth's tool writes it.
pub(crate) fn to_json(nodes: &NodeSet) -> String {
    let mut bytes = Vec::new();
    let layout = PrettyFormatter::with_indent(b"    ");
    // Our own structs of strings and numbers always serialize.
    let _ =
        Sorted(nodes).serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, layout));
    String::from_utf8(bytes).unwrap_or_default()
}

struct Sorted<'a>(&'a NodeSet);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (id, node) in self.0 {
            map.serialize_entry(&id.to_string(), &NodeJson::of(node))?;
        }
        map.end()
    }
}

impl NodeJson {
    fn of(node: &Node) -> Self {
        Self {
            seq: node.sequence(),
            record: node.address.to_string(),
            score: node.score,
            first_response: node.first_response,
            last_response: node.last_response,
            last_check: node.last_check,
            other: node.other.clone(),
        }
    }
}

/// Replaces a file, or makes it. When this returns it is on the disk.
pub(crate) fn save(nodes: &NodeSet, path: &Path) -> Result<(), Failure> {
    let text = to_json(nodes);
    target(path).and_then(|target| replace(&target, text.as_bytes())).map_err(failed(path))
}

/// What a link points to is replaced, not the link, though nothing may be there
/// yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    loop {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Links in a circle, or too many of them, are an error of another kind.
            result => return result,
        }
        let Ok(to) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().map(|folder| folder.join(&to)).unwrap_or(to);
    }
}

fn replace(target: &Path, text: &[u8]) -> io::Result<()> {
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let mut file = beside(target, &folder)?;
    // Through the file itself: an error must not name what is only ours.
    file.as_file_mut().write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(target)?;
    // The name is on the disk when the folder is.
    #[cfg(unix)]
    File::open(&folder)?.sync_all()?;
    Ok(())
}

/// A new file with the permissions of the one that it replaces, or those that
/// any new file gets.
fn beside(target: &Path, folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nodes-").suffix(".json");
    let permissions: Option<Permissions> = match fs::metadata(target) {
        Ok(found) => Some(found.permissions()),
        Err(_) => None,
    };
    let file = builder.make_in(folder, |path| File::create_new(path))?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::File(path.to_owned(), error)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
