//! The JSON of geth's `admin_peers`, `admin_nodeInfo` and
//! `debug_discoveryV4Table`, and that of our own methods.

use std::collections::BTreeMap;

use devp2p_smol::core::driver::BucketSnapshot;
use devp2p_smol::core::identity::Contact;
use devp2p_smol::core::node::{
    DialPurpose, Dialling, EndpointProof, Explanation, Noted, PeerInfo, PeerSnapshot, TableEntry,
};
use devp2p_smol::core::session::Greeting;
use devp2p_smol::core::time::UnixTime;
use devp2p_smol::{ConnectionSnapshot, Direction, Node};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What geth says of a capability whose application says nothing.
const UNKNOWN: &str = "unknown";

/// A peer. geth `p2p.PeerInfo`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerJson {
    /// Its record, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enr: Option<String>,
    pub(crate) enode: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) caps: Vec<String>,
    pub(crate) network: NetworkJson,
    pub(crate) protocols: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkJson {
    pub(crate) local_address: String,
    pub(crate) remote_address: String,
    pub(crate) inbound: bool,
    pub(crate) trusted: bool,
    #[serde(rename = "static")]
    pub(crate) is_static: bool,
}

impl PeerJson {
    pub(crate) fn of(peer: &PeerSnapshot, connection: Option<&ConnectionSnapshot>) -> Self {
        let local = connection.and_then(|connection| connection.local);
        Self::new(&peer.peer, peer.is_trusted, local.map(|local| local.to_string()))
    }

    fn new(peer: &PeerInfo, trusted: bool, local: Option<String>) -> Self {
        let shared = peer.shared.iter().map(|shared| &shared.capability.name);
        Self {
            enr: record(&peer.contact),
            enode: peer.contact.to_enode().to_string(),
            id: peer.id.to_string(),
            name: peer.hello.client_name.clone(),
            caps: peer.hello.capabilities.iter().map(ToString::to_string).collect(),
            network: NetworkJson {
                local_address: local.unwrap_or_default(),
                remote_address: peer.address.to_string(),
                inbound: peer.direction == Direction::Inbound,
                trusted,
                is_static: peer.is_static,
            },
            protocols: shared
                .filter(|name| !name.is_empty())
                .map(|name| (name.clone(), UNKNOWN.to_owned()))
                .collect(),
        }
    }
}

/// As geth: what was never signed has no record.
fn record(contact: &Contact) -> Option<String> {
    contact.record().filter(|record| record.sequence() > 0).map(|record| record.to_string())
}

/// Ourselves. geth `p2p.NodeInfo`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeJson {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) enode: String,
    pub(crate) enr: String,
    pub(crate) ip: String,
    pub(crate) ports: PortsJson,
    pub(crate) listen_addr: String,
    pub(crate) protocols: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PortsJson {
    pub(crate) discovery: u16,
    pub(crate) listener: u16,
}

impl NodeJson {
    pub(crate) fn of(node: &Node) -> Self {
        let record = node.record();
        let contact = Contact::from_record(record.clone());
        let protocols = match node.local().greeting() {
            Greeting::Offer(offer) => offer
                .iter()
                .map(|offered| (offered.capability.name.clone(), UNKNOWN.to_owned()))
                .collect(),
            Greeting::Mirror => BTreeMap::new(),
        };
        Self {
            id: contact.id().to_string(),
            name: node.local().client_name().to_owned(),
            enode: contact.to_enode().to_string(),
            enr: record.to_string(),
            ip: contact.ip().map(|ip| ip.to_string()).unwrap_or_default(),
            ports: PortsJson { discovery: contact.udp(), listener: contact.tcp() },
            listen_addr: node.address().map(|at| at.to_string()).unwrap_or_default(),
            protocols,
        }
    }
}

/// A node of the table. geth `discover.BucketNode`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryJson {
    pub(crate) node: String,
    pub(crate) added_to_table: Timestamp,
    pub(crate) added_to_bucket: Timestamp,
    pub(crate) checks: u32,
    pub(crate) live: bool,
}

impl EntryJson {
    fn of(entry: &TableEntry) -> Self {
        let contact = &entry.contact;
        Self {
            node: record(contact).unwrap_or_else(|| contact.to_enode().to_string()),
            added_to_table: second(entry.known_since),
            added_to_bucket: second(entry.entered),
            checks: entry.checks,
            live: entry.is_live,
        }
    }
}

/// The table by bucket, the nearest first.
pub(crate) fn table(buckets: &[BucketSnapshot]) -> Vec<Vec<EntryJson>> {
    let entries = |bucket: &BucketSnapshot| bucket.entries.iter().map(EntryJson::of).collect();
    buckets.iter().map(entries).collect()
}

/// To the second: the difference of two clocks is not the same to the microsecond
/// each time.
fn second(at: UnixTime) -> Timestamp {
    time(UnixTime::from_secs(at.as_secs()))
}

/// All that is known of a node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplanationJson {
    pub(crate) id: String,
    /// Whether it is ourselves.
    #[serde(rename = "self")]
    pub(crate) is_self: bool,
    pub(crate) trusted: bool,
    #[serde(rename = "static")]
    pub(crate) is_static: bool,
    /// The peer, if it is one.
    pub(crate) peer: Option<PeerJson>,
    /// Since when it is one, if that is remembered.
    pub(crate) connected_since: Option<Timestamp>,
    /// The table's entry, if there is one.
    pub(crate) table: Option<EntryJson>,
    /// Whether it waits to replace an entry of the table.
    pub(crate) replacement: bool,
    /// Endpoint proofs, if there is discovery and an address.
    pub(crate) proof: Option<ProofJson>,
    /// Dials of it that are under way.
    pub(crate) dialling: Vec<DiallingJson>,
    /// Whether it waits for its turn to be dialled.
    pub(crate) awaits_dial: bool,
    /// Whether it would be dialled if its turn came now: "yes", or why not; `null`
    /// if nothing is against it but that it is not known now where it is.
    pub(crate) dial: Option<String>,
    /// Decisions that are not remembered any more.
    pub(crate) forgotten: u64,
    /// What was decided about it, oldest first.
    pub(crate) decisions: Vec<DecisionJson>,
}

/// Who has proved of late, at the address where the node is known.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProofJson {
    /// It to us, that it is there.
    pub(crate) proven: bool,
    /// We to it, where we are.
    pub(crate) known: bool,
}

/// A dial that is under way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiallingJson {
    pub(crate) purpose: PurposeJson,
    /// For people.
    pub(crate) stage: String,
}

/// For whom a node is dialled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PurposeJson {
    Static,
    Dynamic,
    Requested,
}

/// One decision, or the same several times in a row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DecisionJson {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) times: u64,
    /// Its kind, for scripts.
    pub(crate) what: String,
    /// All of it, for people.
    pub(crate) why: String,
}

impl ExplanationJson {
    pub(crate) fn of(explained: &Explanation, connection: Option<&ConnectionSnapshot>) -> Self {
        let Explanation { id, is_self, is_trusted, is_static, .. } = *explained;
        let local = connection.and_then(|connection| connection.local);
        let local = local.map(|local| local.to_string());
        let peer = explained.peer.as_ref();
        Self {
            id: id.to_string(),
            is_self,
            trusted: is_trusted,
            is_static,
            peer: peer.map(|peer| PeerJson::new(peer, is_trusted, local)),
            connected_since: explained.peer_since.map(time),
            table: explained.table.as_ref().map(EntryJson::of),
            replacement: explained.is_replacement,
            proof: explained.proof.map(ProofJson::of),
            dialling: explained.dialling.iter().map(DiallingJson::of).collect(),
            awaits_dial: explained.awaits_dial,
            dial: explained.dial.map(|dial| match dial {
                Ok(()) => "yes".to_owned(),
                Err(refusal) => refusal.to_string(),
            }),
            forgotten: explained.story.forgotten,
            decisions: explained.story.entries.iter().map(DecisionJson::of).collect(),
        }
    }
}

impl ProofJson {
    const fn of(proof: EndpointProof) -> Self {
        Self { proven: proof.is_proven, known: proof.is_known }
    }
}

impl DiallingJson {
    fn of(dialling: &Dialling) -> Self {
        let purpose = match dialling.purpose {
            DialPurpose::Static => PurposeJson::Static,
            DialPurpose::Requested => PurposeJson::Requested,
            DialPurpose::Dynamic | _ => PurposeJson::Dynamic,
        };
        Self { purpose, stage: dialling.stage.to_string() }
    }
}

impl DecisionJson {
    fn of(noted: &Noted) -> Self {
        Self {
            first: time(noted.first),
            last: time(noted.last),
            times: noted.times,
            what: noted.decision.label().to_owned(),
            why: noted.decision.to_string(),
        }
    }
}

fn time(unix: UnixTime) -> Timestamp {
    let micros = i64::try_from(unix.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
