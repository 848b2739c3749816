//! `devp2p discv4 ping`, `requestenr` and `resolve`: one question to one node.

use core::fmt;
use core::net::SocketAddr;

use devp2p_smol::core::identity::{Contact, NodeId};
use devp2p_smol::{Discovery, PingReply};
use serde::Serialize;

use crate::args::AskNode;
use crate::failure::Failure;
use crate::output;

use super::node;

pub(super) fn ping(arguments: &AskNode) -> Result<(), Failure> {
    ask(arguments, async |discovery: Discovery, contact: Contact| {
        let reply = discovery.ping(&contact).await?;
        let found = Found::of(&contact, &reply);
        if arguments.discover.json { output::json(&found) } else { output::line(&found) }
    })
}

pub(super) fn request_record(arguments: &AskNode) -> Result<(), Failure> {
    ask(arguments, async |discovery: Discovery, contact: Contact| {
        tell(&discovery.request_record(&contact).await?, arguments.discover.json)
    })
}

pub(super) fn resolve(arguments: &AskNode) -> Result<(), Failure> {
    ask(arguments, async |discovery: Discovery, contact: Contact| {
        tell(&discovery.resolve(&contact).await?, arguments.discover.json)
    })
}

fn ask(
    arguments: &AskNode,
    question: impl AsyncFnOnce(Discovery, Contact) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let node = node::parse(&arguments.node).map_err(Failure::NotANode)?;
    super::with_discovery(&arguments.discover, async |discovery: Discovery| {
        question(discovery, node.contact()).await
    })
}

/// A node that answered a ping.
#[derive(Serialize)]
struct Found {
    #[serde(serialize_with = "text")]
    id: NodeId,
    seq: u64,
    seen_at: Option<SocketAddr>,
    ping_ms: f64,
}

pub(super) fn text<S: serde::Serializer>(
    value: &impl fmt::Display,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

impl Found {
    fn of(contact: &Contact, reply: &PingReply) -> Self {
        let PingReply { sequence, seen_at, round_trip, .. } = *reply;
        let ping_ms = output::milliseconds(round_trip);
        Self { id: *contact.id(), seq: sequence, seen_at, ping_ms }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, seq, seen_at, ping_ms } = self;
        writeln!(f, "id           {id}")?;
        writeln!(f, "record       sequence number {seq}")?;
        if let Some(address) = seen_at {
            writeln!(f, "sees us at   {address}")?;
        }
        write!(f, "ping         {ping_ms:.3} ms")
    }
}

/// A node for scripts.
#[derive(Serialize)]
pub(super) struct NodeJson {
    #[serde(serialize_with = "text")]
    id: NodeId,
    enode: String,
    record: Option<String>,
    seq: u64,
    #[serde(skip)]
    address: Option<SocketAddr>,
}

impl NodeJson {
    pub(super) fn of(contact: &Contact) -> Self {
        Self {
            id: *contact.id(),
            enode: contact.to_string(),
            record: contact.record().map(ToString::to_string),
            seq: contact.sequence(),
            address: contact.udp_endpoint(),
        }
    }

    /// For a column.
    pub(super) fn short(&self) -> String {
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        format!("{}  {address}", self.id.short())
    }
}

/// The record or, where there is none, the URL.
fn tell(contact: &Contact, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&NodeJson::of(contact));
    }
    match contact.record() {
        Some(record) => output::line(record),
        None => output::line(contact),
    }
}
