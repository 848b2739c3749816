//! Nodes as the command line names them.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::ErrorKind;
use std::sync::{Arc, mpsc};

use devp2p_smol::core::identity::{Enode, EnodeError, NodeAddress, RecordError};
use devp2p_smol::host::look_up;

use crate::args::Network;
use crate::failure::Failure;
use crate::{enr, networks};

/// Why a text names no node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeError {
    Enode(EnodeError),
    Record(RecordError),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enode(error) => write!(f, "invalid enode URL: {error}"),
            Self::Record(error) => write!(f, "invalid node record: {error}"),
        }
    }
}

/// An enode URL, or a record in any form that `enrdump` takes. geth
/// `parseNode`.
pub(crate) fn parse(text: &str) -> Result<NodeAddress, NodeError> {
    if text.starts_with("enode://") {
        return text.parse().map(NodeAddress::Enode).map_err(NodeError::Enode);
    }
    let record = enr::parse(text.as_bytes()).and_then(|record| record.verify());
    record.map(|record| NodeAddress::Record(Arc::new(record))).map_err(NodeError::Record)
}

/// The nodes of a list, or those of mainnet. Host names are looked up, once. geth
/// `setFallbackNodes`.
pub(crate) fn bootnodes(list: Option<&str>) -> Result<Vec<NodeAddress>, Failure> {
    looked_up(match list {
        Some(list) => listed(list).map_err(Failure::Bootnode)?,
        None => public(Network::Mainnet)?,
    })
}

/// The bootnodes of a public network.
pub(crate) fn public(network: Network) -> Result<Vec<NodeAddress>, Failure> {
    networks::bootnodes(network).map(|url| parse(url).map_err(Failure::Bootnode)).collect()
}

/// The same nodes at the addresses that their host names have now.
pub(crate) fn looked_up(nodes: Vec<NodeAddress>) -> Result<Vec<NodeAddress>, Failure> {
    nodes.into_iter().map(with_address).collect()
}

/// How long to wait for a bootnode's address. Source: geth `resolveBootnodeHostname`.
const LOOK_UP: Duration = Duration::from_secs(5);

/// The same node at the address that its host name has now.
fn with_address(node: NodeAddress) -> Result<NodeAddress, Failure> {
    let NodeAddress::Enode(enode) = &node else { return Ok(node) };
    let Some(name) = enode.host_name() else { return Ok(node) };
    let (send, found) = mpsc::channel();
    let look_up = look_up(name, enode.tcp(), move |found| drop(send.send(found)));
    let found = look_up.and_then(|()| {
        found.recv_timeout(LOOK_UP).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    });
    match found.map(|addresses| addresses.first().map(SocketAddr::ip)) {
        Ok(Some(ip)) => Ok(Enode::new(*enode.public_key(), ip, enode.tcp(), enode.udp()).into()),
        Ok(None) => Ok(node),
        Err(error) => Err(Failure::BootnodeName(name.clone(), error)),
    }
}

/// The nodes of the list that this option was given, if any.
pub(crate) fn nodes(
    option: &'static str,
    list: &Option<String>,
) -> Result<Vec<NodeAddress>, Failure> {
    listed(list.as_deref().unwrap_or("")).map_err(|error| Failure::NotNodes(option, error))
}

fn listed(list: &str) -> Result<Vec<NodeAddress>, NodeError> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    list.split(',').map(|text| parse(text.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_the_bootnodes_are_mainnet_s() {
        let nodes = bootnodes(None).unwrap();
        let address = |node: &NodeAddress| node.contact().udp_endpoint().unwrap().to_string();
        let endpoints: Vec<_> = nodes.iter().map(address).collect();
        let addresses = ["18.138.108.67", "3.209.45.79", "65.108.70.101", "157.90.35.166"];
        assert_eq!(endpoints, addresses.map(|ip| format!("{ip}:30303")));
        assert_eq!(bootnodes(Some("")).unwrap(), []);
    }

    #[test]
    fn a_node_is_a_url_or_a_record_whose_signature_is_right() {
        let text = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZu\
                    Oh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QA\
                    dpzBQA8yWM0xOIN1ZHCCdl8";
        let record = parse(text).unwrap();
        assert_eq!(parse(&text[4..]).unwrap(), record);
        let url = record.contact().to_string();
        assert_eq!(parse(&url).unwrap().node_id(), record.node_id());
        let list = [text, &url].join(", ");
        assert_eq!(bootnodes(Some(&list)).unwrap().len(), 2);
        let forged = text.replace("8RRcy5wB", "8RRcy5wC");
        assert_eq!(parse(&forged), Err(NodeError::Record(RecordError::Signature)));
        assert!(matches!(parse("enode://12"), Err(NodeError::Enode(_))));
        assert!(matches!(bootnodes(Some("enode://12")), Err(Failure::Bootnode(_))));
        assert!(bootnodes(Some(",")).is_err());
    }

    #[test]
    fn the_host_name_of_a_bootnode_is_looked_up() {
        let url = |host: &str| format!("enode://{}@{host}:30303?discport=30301", KEY);
        let nodes = bootnodes(Some(&url("localhost"))).unwrap();
        let at = nodes[0].contact().udp_endpoint().unwrap();
        assert!(at.ip().is_loopback() && at.port() == 30301, "{at}");
        // A label has 63 bytes at most: no question about it leaves the machine.
        let nowhere = bootnodes(Some(&url(&format!("{}.invalid", "a".repeat(64)))));
        assert!(matches!(nowhere, Err(Failure::BootnodeName(..))), "{nowhere:?}");
        // The name of a static node is looked up on each dial.
        let nodes = nodes_of(&url("localhost"));
        assert!(nodes[0].host_name().is_some());
    }

    const KEY: &str = "d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f\
                       5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666";

    fn nodes_of(list: &str) -> Vec<NodeAddress> {
        nodes("static nodes", &Some(list.to_owned())).unwrap()
    }
}
