//! A census: how many of those whom nodes know and hold are honest. Only the world can
//! tell.

use std::collections::BTreeSet;

use devp2p_core::discv4::Kind;
use devp2p_core::identity::NodeId;
use devp2p_core::node::Direction;

use crate::world::World;

/// So many honest ones of so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Those that are nodes of the scenario.
    pub honest: u64,
    /// All of them: adversaries' ids, and nodes that there are not, as well.
    pub all: u64,
}

impl Share {
    /// Thousandths; `None` of none.
    pub const fn permille(self) -> Option<u64> {
        (self.honest * 1000).checked_div(self.all)
    }

    fn count(&mut self, is_honest: bool) {
        self.honest += u64::from(is_honest);
        self.all += 1;
    }
}

/// Whom some nodes know and hold, all of them together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Nodes that were asked and run.
    pub nodes: u64,
    /// Entries of their tables.
    pub table: Share,
    /// Those that have answered a ping: whom they name to others.
    pub live: Share,
    /// Peers that they have dialled.
    pub dialled: Share,
    /// All their peers.
    pub peers: Share,
    /// Packets of discovery that they have sent since they began to run.
    pub sent: u64,
}

impl World {
    /// Whom these nodes know and hold now.
    pub fn census(&self, names: impl IntoIterator<Item = u32>) -> Census {
        let honest: BTreeSet<NodeId> = self.identities.iter().map(|one| one.id).collect();
        let mut census = Census::default();
        for name in names {
            let Some(node) = self.node(name) else { continue };
            census.nodes += 1;
            let traffic = node.discovery().map(|discovery| discovery.traffic());
            let sent = |kind: Kind| traffic.map_or(0, |traffic| traffic.packets_sent(kind));
            census.sent += Kind::ALL.into_iter().map(sent).sum::<u64>();
            let buckets = node.discovery().map(|discovery| discovery.table().buckets());
            for entry in buckets.into_iter().flatten().flat_map(|bucket| bucket.entries()) {
                let is_honest = honest.contains(entry.contact().id());
                census.table.count(is_honest);
                if entry.is_live() {
                    census.live.count(is_honest);
                }
            }
            for peer in self.peers(name) {
                let is_honest = honest.contains(&peer.id);
                census.peers.count(is_honest);
                if peer.direction == Direction::Outbound {
                    census.dialled.count(is_honest);
                }
            }
        }
        census
    }
}
