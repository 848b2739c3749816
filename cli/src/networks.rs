//! The public networks: where their bootnodes are. The lists are data, each file
//! with its source.

use crate::args::Network;

/// The URLs of the network's bootnodes.
pub(crate) fn bootnodes(network: Network) -> impl Iterator<Item = &'static str> {
    let list = match network {
        Network::Mainnet => include_str!("networks/mainnet.txt"),
        Network::Sepolia => include_str!("networks/sepolia.txt"),
        Network::Hoodi => include_str!("networks/hoodi.txt"),
    };
    list.lines().filter_map(|line| {
        let url = line.split('#').next().unwrap_or_default().trim();
        (!url.is_empty()).then_some(url)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use devp2p_smol::core::identity::Enode;

    use super::*;

    #[test]
    fn each_network_has_its_own_bootnodes_all_of_which_can_be_asked() {
        let mut ids = BTreeSet::new();
        for (network, count) in [(Network::Mainnet, 4), (Network::Sepolia, 5), (Network::Hoodi, 3)]
        {
            let nodes: Vec<Enode> = bootnodes(network).map(|url| url.parse().unwrap()).collect();
            assert_eq!(nodes.len(), count, "{network:?}");
            for node in nodes {
                assert_eq!((node.tcp(), node.udp()), (30303, 30303));
                assert!(node.host_name().is_none());
                assert!(ids.insert(node.node_id()), "{node} is there twice");
            }
        }
    }
}
