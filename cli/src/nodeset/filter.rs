//! Which nodes of a set pass.

use core::cmp::Reverse;

use alloy_rlp::{Decodable as _, Header};
use devp2p_smol::core::identity::{Entries, NodeId};

use super::chain;
use crate::args::NodesetFilter;
use crate::nodes::{Node, NodeSet};

/// The nodes that pass all filters; of those so many with the highest scores.
pub(super) fn apply(filter: &NodesetFilter, nodes: NodeSet) -> NodeSet {
    let forks = filter.eth_network.map(chain::fork_hashes);
    let mut passed = nodes;
    passed.retain(|_, node| passes(filter, forks.as_deref(), node));
    match filter.limit {
        Some(limit) => highest(passed, limit),
        None => passed,
    }
}

fn passes(filter: &NodesetFilter, forks: Option<&[[u8; 4]]>, node: &Node) -> bool {
    // Whatever was read once is read again.
    let Ok(record) = node.record() else { return false };
    let entries = record.entries();
    let ip = node.address.contact().ip();
    filter.ip.is_none_or(|network| ip.is_some_and(|ip| network.contains(ip)))
        && filter.min_age.is_none_or(|age| node.age() >= age)
        && forks.is_none_or(|forks| fork_hash(&entries).is_some_and(|hash| forks.contains(&hash)))
        && (!filter.les_server || has_list(&entries, b"les"))
        && (!filter.snap || has_list(&entries, b"snap"))
        && (!filter.dialable || is_dialable(&entries))
}

/// The hash in "eth": `[[hash, next fork], …]`.
fn fork_hash(entries: &Entries<'_>) -> Option<[u8; 4]> {
    let mut content = list(entries.get(b"eth")?)?;
    let mut fork = Header::decode_bytes(&mut content, true).ok()?;
    let hash = <[u8; 4]>::decode(&mut fork).ok()?;
    u64::decode(&mut fork).ok()?;
    fork.is_empty().then_some(hash)
}

fn has_list(entries: &Entries<'_>, key: &[u8]) -> bool {
    entries.get(key).and_then(list).is_some()
}

fn list(mut value: &[u8]) -> Option<&[u8]> {
    Header::decode_bytes(&mut value, true).ok()
}

fn is_dialable(entries: &Entries<'_>) -> bool {
    let ports = [entries.tcp(), entries.tcp6(), entries.quic(), entries.quic6()];
    ports.into_iter().flatten().any(|port| port != 0)
}

/// Those with the highest scores; of the same score those with the smallest
/// ids. geth leaves the latter to chance.
fn highest(nodes: NodeSet, limit: usize) -> NodeSet {
    let mut ranking: Vec<(NodeId, Node)> = nodes.into_iter().collect();
    ranking.sort_by_key(|(id, node)| (Reverse(node.score), *id));
    ranking.truncate(limit);
    ranking.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser as _;
    use devp2p_smol::core::crypto::SecretKey;
    use devp2p_smol::core::identity::{NodeAddress, RecordBuilder};
    use jiff::Timestamp;

    use super::*;
    use crate::args::{Args, Command, Nodeset};

    const PLAIN: u8 = 1;
    const MAINNET: u8 = 2;
    const HOODI: u8 = 3;
    const LIGHT: u8 = 4;
    const UNSIGNED: u8 = 5;
    const ODD: u8 = 6;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_bytes(&[number; 32]).unwrap()
    }

    fn id(number: u8) -> NodeId {
        NodeId::from(&key(number).public_key())
    }

    fn says(record: RecordBuilder, key: &[u8], value: &[u8]) -> RecordBuilder {
        record.rlp(key, value).unwrap()
    }

    /// `[[hash, next], 1]`: entries may grow.
    fn fork(hash: [u8; 4], next: u8) -> Vec<u8> {
        [&[0xc8, 0xc6, 0x84], &hash[..], &[next, 1]].concat()
    }

    /// Six nodes; the number of each is in its address and is its score.
    fn nodes() -> NodeSet {
        let ip = |number: u8| RecordBuilder::new(number.into()).ip([10, 0, 0, number].into());
        let mainnet = says(ip(MAINNET), b"eth", &fork([0xfc, 0x64, 0xec, 0x04], 5)).tcp(30303);
        let hoodi = says(ip(HOODI), b"eth", &fork([0x23, 0xaa, 0x13, 0x51], 0x80)).tcp6(1);
        let odd = says(ip(ODD), b"eth", &[0xc5, 0x84, 0xfc, 0x64, 0xec, 0x04]).tcp(0);
        let records = [
            (PLAIN, ip(PLAIN)),
            (MAINNET, says(mainnet, b"snap", &[0xc0])),
            (HOODI, says(hoodi, b"snap", &[0x80])),
            (LIGHT, says(ip(LIGHT), b"les", &[0xc1, 5]).uint(b"quic", 9)),
            (ODD, odd),
        ];
        let signed = records.map(|(number, record)| {
            (number, NodeAddress::Record(Arc::new(record.sign(&key(number)).unwrap())))
        });
        let url = devp2p_smol::core::identity::Enode::new(
            key(UNSIGNED).public_key(),
            [192, 168, 0, UNSIGNED].into(),
            30303,
            30301,
        );
        let all = signed.into_iter().chain([(UNSIGNED, NodeAddress::Enode(url))]);
        all.map(|(number, address)| {
            let mut node = Node::new(address);
            node.score = number.into();
            node.first_response = Some(Timestamp::UNIX_EPOCH);
            node.last_response = Timestamp::from_second(60 * i64::from(number)).ok();
            (id(number), node)
        })
        .collect()
    }

    /// The numbers of those that pass.
    fn passing(filters: &[&str]) -> Vec<u8> {
        let args = [&["devp2p", "nodeset", "filter", "nodes.json"], filters].concat();
        let Command::Nodeset(Nodeset::Filter(filter)) = Args::parse_from(args).command else {
            panic!("no filter");
        };
        let mut passed: Vec<_> = apply(&filter, nodes())
            .into_values()
            .map(|node| node.score.try_into().unwrap())
            .collect();
        passed.sort_unstable();
        passed
    }

    #[test]
    fn each_filter_lets_pass_what_geth_s_does() {
        for (filters, numbers) in [
            (&[][..], &[1, 2, 3, 4, 5, 6][..]),
            (&["--ip", "10.0.0.0/30"], &[1, 2, 3]),
            (&["--ip", "192.168.0.5/32"], &[UNSIGNED]),
            (&["--ip", "::/0"], &[]),
            (&["--min-age", "3m"], &[3, 4, 5, 6]),
            (&["--min-age", "3m1s"], &[4, 5, 6]),
            (&["--eth-network", "mainnet"], &[MAINNET]),
            (&["--eth-network", "hoodi"], &[HOODI]),
            (&["--eth-network", "sepolia"], &[]),
            (&["--les-server"], &[LIGHT]),
            (&["--snap"], &[MAINNET]),
            (&["--dialable"], &[MAINNET, HOODI, LIGHT, UNSIGNED]),
            (&["--dialable", "--ip", "10.0.0.0/8", "--min-age=4m"], &[LIGHT]),
        ] {
            assert_eq!(passing(filters), numbers, "{filters:?}");
        }
    }

    #[test]
    fn of_those_that_pass_the_limit_keeps_the_highest_scores() {
        assert_eq!(passing(&["--limit", "2"]), [5, 6]);
        assert!(passing(&["--limit", "0"]).is_empty());
        assert_eq!(passing(&["--limit", "9"]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(passing(&["--dialable", "--limit", "3"]), [3, 4, 5]);
    }

    #[test]
    fn of_equal_scores_the_smaller_ids_are_kept() {
        let mut nodes = nodes();
        nodes.values_mut().for_each(|node| node.score = 1);
        let mut ids: Vec<_> = nodes.keys().copied().collect();
        ids.truncate(3);
        assert_eq!(highest(nodes, 3).into_keys().collect::<Vec<_>>(), ids);
    }
}
