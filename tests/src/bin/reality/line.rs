//! What nodes tell of themselves, whoever they are: a line of JSON each, where
//! they are processes of their own.

use serde::{Deserialize, Serialize};

/// One line of one node.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Line {
    pub(crate) node: u32,
    /// Microseconds: first since 1970, then since the scenario began.
    pub(crate) at: u64,
    pub(crate) says: Says,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Says {
    /// It has started, under this id.
    Started(String),
    Looks(Sample),
    LookedUp(LookUp),
}

/// A node at one moment; what is counted is so since it started.
#[derive(Clone, Copy, Serialize, Deserialize, Default, Debug)]
pub(crate) struct Sample {
    pub(crate) peers: u64,
    /// Entries of the table, proven or not.
    pub(crate) table: u64,
    /// Packets sent: pings, pongs, find-nodes, neighbors, requests for a record,
    /// records.
    pub(crate) sent: [u64; 6],
    /// TCP connections that it tried to make.
    pub(crate) dials: u64,
    /// Peers that it was told of, and that they are gone.
    pub(crate) admitted: u64,
    pub(crate) dropped: u64,
    /// How long the encryption handshakes of its peers took together,
    /// microseconds; geth does not say.
    #[serde(default)]
    pub(crate) handshakes: u64,
}

/// One look-up.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct LookUp {
    /// The id that was looked for.
    pub(crate) target: String,
    /// Ids, closest first.
    pub(crate) found: Vec<String>,
    /// Find-nodes sent for it.
    pub(crate) queries: u64,
    /// Through how many answers, one after the other, the closest was met.
    pub(crate) hops: u64,
    pub(crate) micros: u64,
}
