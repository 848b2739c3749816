//! What can be asked of a running node: geth's `admin_` methods, and ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use devp2p_smol::core::identity::{NodeAddress, NodeId};
use devp2p_smol::core::limits;
use devp2p_smol::core::node::Explanation;
use devp2p_smol::{Node, NodeSnapshot, RefusedRequest};
use serde::Serialize;
use serde_json::{Value, json};

use super::rpc::{Methods, RpcError};
use super::shapes::{self, ExplanationJson, NodeJson, PeerJson};
use crate::metrics::reasons;
use crate::runtime::within;

/// What the methods are about.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) node: Node,
    pub(crate) datadir: Option<PathBuf>,
}

impl Methods for Api {
    async fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, RpcError> {
        let done = within(limits::ADMIN_CALL_TIMEOUT, self.carry_out(method, arguments)).await;
        done.unwrap_or_else(|| Err(RpcError::late()))
    }
}

impl Api {
    async fn carry_out(&self, method: &str, arguments: &[Value]) -> Result<Value, RpcError> {
        match method {
            "admin_peers" => self.peers(arguments).await,
            "admin_nodeInfo" => {
                none(arguments)?;
                value(&NodeJson::of(&self.node))
            }
            "admin_addPeer" => done(self.node.add_peer(node(arguments)?).await),
            "admin_removePeer" => done(self.node.remove_peer(node(arguments)?.node_id()).await),
            "admin_addTrustedPeer" => done(self.node.add_trusted(node(arguments)?.node_id()).await),
            "admin_removeTrustedPeer" => {
                done(self.node.remove_trusted(node(arguments)?.node_id()).await)
            }
            "admin_datadir" => {
                none(arguments)?;
                let directory = self.datadir.as_ref();
                Ok(json!(directory.map(|path| path.to_string_lossy()).unwrap_or_default()))
            }
            "admin_reasons" => {
                none(arguments)?;
                Ok(reasons(&self.snapshot().await?))
            }
            "admin_table" => {
                none(arguments)?;
                let discovery = self.snapshot().await?.discovery;
                let discovery =
                    discovery.ok_or_else(|| RpcError::failed("there is no discovery"))?;
                value(&shapes::table(&discovery.buckets))
            }
            "admin_explain" => self.explain(arguments).await,
            "rpc_modules" => {
                none(arguments)?;
                value(&BTreeMap::from([("admin", "1.0"), ("rpc", "1.0")]))
            }
            other => Err(RpcError::no_method(other)),
        }
    }

    async fn snapshot(&self) -> Result<NodeSnapshot, RpcError> {
        self.node.snapshot().await.map_err(RpcError::failed)
    }

    async fn peers(&self, arguments: &[Value]) -> Result<Value, RpcError> {
        none(arguments)?;
        let snapshot = self.snapshot().await?;
        let connection = |peer| snapshot.connections.get(peer);
        // They are in the order of their ids, as geth sorts them.
        let peers = snapshot.node.peers.iter();
        let peers = peers.map(|peer| PeerJson::of(peer, connection(&peer.peer.connection)));
        value(&peers.collect::<Vec<_>>())
    }

    /// The node that is called so.
    async fn named(&self, text: &str) -> Result<NodeId, RpcError> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        if let Some((digits, least)) = prefix(text) {
            let explained = self.node.explain(least).await.map_err(RpcError::failed)?;
            return one_of(&digits, &explained.alike);
        }
        let node = text.parse::<NodeAddress>();
        let node =
            node.map_err(|error| RpcError::failed(format_args!("no such node: {error}: {NAMES}")));
        node.map(|node| node.node_id())
    }

    async fn explain(&self, arguments: &[Value]) -> Result<Value, RpcError> {
        let id = self.named(text(arguments)?).await?;
        let explained = self.node.explain(id).await.map_err(RpcError::failed)?;
        let snapshot = self.snapshot().await?;
        let peer = explained.peer.as_ref();
        let connection = peer.and_then(|peer| snapshot.connections.get(&peer.connection));
        value(&ExplanationJson::of(&explained, connection))
    }
}

/// What is taken for a node to explain.
const NAMES: &str = "want a node id of 64 hex digits, at least the first 8 of a known node, \
                     an enode URL or a record";

/// The first digits of a node id, and the least id that begins so.
fn prefix(text: &str) -> Option<(String, NodeId)> {
    let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
    let is_one = digits.len() >= Explanation::PREFIX_DIGITS
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let least = format!("{digits:0<64}").parse().ok().filter(|_| is_one)?;
    Some((digits, least))
}

/// The one of those known that is meant.
fn one_of(digits: &str, known: &[NodeId]) -> Result<NodeId, RpcError> {
    let mut meant = known.iter().filter(|id| id.to_string().starts_with(digits));
    match (meant.next(), meant.count()) {
        (Some(id), 0) => Ok(*id),
        (Some(_), more) => Err(RpcError::failed(format_args!(
            "{} known nodes have ids that begin with {digits}: {NAMES}",
            more + 1
        ))),
        (None, _) => Err(RpcError::failed(format_args!(
            "no known nodes have ids that begin with {digits}: {NAMES}"
        ))),
    }
}

fn value(what: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(what).map_err(RpcError::failed)
}

/// geth answers true.
fn done(result: Result<(), RefusedRequest>) -> Result<Value, RpcError> {
    result.map(|()| Value::Bool(true)).map_err(RpcError::failed)
}

fn none(arguments: &[Value]) -> Result<(), RpcError> {
    at_most(0, arguments)
}

fn at_most(most: usize, arguments: &[Value]) -> Result<(), RpcError> {
    if arguments.len() > most {
        let why = format_args!("too many arguments, want at most {most}");
        return Err(RpcError::arguments(why));
    }
    Ok(())
}

/// The one argument, which is a text.
fn text(arguments: &[Value]) -> Result<&str, RpcError> {
    at_most(1, arguments)?;
    match arguments.first() {
        None | Some(Value::Null) => {
            Err(RpcError::arguments("missing value for required argument 0"))
        }
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(RpcError::arguments("invalid argument 0: expected a string")),
    }
}

/// The one argument, which is a node.
fn node(arguments: &[Value]) -> Result<NodeAddress, RpcError> {
    let text = text(arguments)?;
    text.parse().map_err(|error| RpcError::failed(format_args!("invalid enode: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digits: &str) -> NodeId {
        format!("{digits:0<64}").parse().unwrap()
    }

    #[test]
    fn eight_digits_or_more_are_the_beginning_of_an_id() {
        for text in ["0123abCD", "0x0123abcd", "0123abcd4"] {
            let (digits, least) = prefix(text).unwrap();
            assert!(text.to_ascii_lowercase().ends_with(&digits) && least == id(&digits));
        }
        for text in ["0123abc", "0123abcg", "", "enode://0123abcd", &"0".repeat(65)] {
            assert!(prefix(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_beginning_is_enough_where_only_one_node_is_meant() {
        let known = [id("0123abcd1"), id("0123abcd2"), id("0123abcd21")];
        assert_eq!(one_of("0123abcd1", &known).unwrap(), known[0]);
        assert_eq!(one_of("0123abcd21", &known).unwrap(), known[2]);
        let refused = |digits, why: &str| {
            let error = RpcError::failed(format_args!("{why} that begin with {digits}: {NAMES}"));
            assert_eq!(one_of(digits, &known), Err(error));
        };
        refused("0123abcd2", "2 known nodes have ids");
        refused("0123abcd3", "no known nodes have ids");
    }
}
