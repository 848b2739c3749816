//! SIGHUP: the file of `--config` is read again, and the node told of what has
//! changed in it of static nodes, trusted nodes and limits.
//!
//! What the command line says stands. A file that is wrong changes nothing, and
//! neither does it touch a node that the file has never named.

use devp2p_smol::core::identity::{NodeAddress, NodeId};
use devp2p_smol::{Node, RefusedRequest};

use super::service;
use super::settings::Live;
use crate::args::Run;
use crate::signals::Hangups;

/// Waits for SIGHUP.
pub(super) struct Reloads<'a> {
    arguments: &'a Run,
    hangups: Hangups,
    live: Live,
}

impl<'a> Reloads<'a> {
    /// With what the node has been started with.
    pub(super) const fn new(arguments: &'a Run, hangups: Hangups, live: Live) -> Self {
        Self { arguments, hangups, live }
    }

    /// Reads again whenever it is asked to; it never ends.
    pub(super) async fn follow(&mut self, node: &Node) {
        loop {
            self.hangups.wait().await;
            service::reloading();
            self.reload(node).await;
            service::ready();
        }
    }

    async fn reload(&mut self, node: &Node) {
        let next = match Live::read(self.arguments) {
            Ok(next) => next,
            Err(failure) => {
                tracing::warn!("all stays as it was: {failure}");
                return;
            }
        };
        let changes = Changes::between(&self.live, &next);
        if let Err(error) = apply(&changes, &next, node).await {
            // What was may be applied again: all of it is, the next time.
            tracing::warn!(%error, "not all that was read again could be applied");
            return;
        }
        let Changes { drop, keep, distrust, trust } = changes;
        tracing::info!(
            limits = ?next.limits,
            static_nodes = next.static_nodes.len(),
            trusted_nodes = next.trusted_nodes.len(),
            added = keep.len() + trust.len(),
            removed = drop.len() + distrust.len(),
            "configuration read again"
        );
        self.live = next;
    }
}

async fn apply(changes: &Changes, next: &Live, node: &Node) -> Result<(), RefusedRequest> {
    node.set_limits(next.limits).await?;
    for id in &changes.distrust {
        node.remove_trusted(*id).await?;
    }
    for id in &changes.trust {
        node.add_trusted(*id).await?;
    }
    for id in &changes.drop {
        node.remove_peer(*id).await?;
    }
    for address in &changes.keep {
        node.add_peer(address.clone()).await?;
    }
    Ok(())
}

/// What a node is to be told.
#[derive(PartialEq, Eq, Debug)]
struct Changes {
    /// No static nodes any more.
    drop: Vec<NodeId>,
    /// Static nodes from now on.
    keep: Vec<NodeAddress>,
    distrust: Vec<NodeId>,
    trust: Vec<NodeId>,
}

impl Changes {
    /// A static node that has moved is dropped where it was and kept where it is.
    fn between(old: &Live, new: &Live) -> Self {
        let gone = missing(&old.static_nodes, &new.static_nodes);
        Self {
            drop: gone.iter().map(NodeAddress::node_id).collect(),
            keep: missing(&new.static_nodes, &old.static_nodes),
            distrust: missing(&old.trusted_nodes, &new.trusted_nodes),
            trust: missing(&new.trusted_nodes, &old.trusted_nodes),
        }
    }
}

/// Those of the first list that the second does not have. Lists have some thousand
/// elements at most.
fn missing<T: Clone + PartialEq>(of: &[T], others: &[T]) -> Vec<T> {
    of.iter().filter(|one| !others.contains(one)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use devp2p_smol::Limits;
    use devp2p_smol::core::crypto::SecretKey;
    use devp2p_smol::core::identity::Enode;

    use super::*;

    fn node(number: u8, port: u16) -> NodeAddress {
        let key = SecretKey::from_bytes(&[number; 32]).unwrap().public_key();
        Enode::new(key, [10, 0, 0, number].into(), port, port).into()
    }

    fn live(static_nodes: &[&NodeAddress], trusted_nodes: &[&NodeAddress]) -> Live {
        Live {
            limits: Limits::default(),
            static_nodes: static_nodes.iter().copied().cloned().collect(),
            trusted_nodes: trusted_nodes.iter().map(|node| node.node_id()).collect(),
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let [a, b, c] = [1, 2, 3].map(|number| node(number, 1));
        let same = live(&[&a, &b], &[&a, &b]);
        let Changes { drop, keep, distrust, trust } = Changes::between(&same, &same);
        assert!(drop.is_empty() && keep.is_empty() && distrust.is_empty() && trust.is_empty());

        let next = live(&[&c, &b], &[&a]);
        let changes = Changes::between(&same, &next);
        assert_eq!(changes.drop, [a.node_id()]);
        assert_eq!(changes.keep, [c]);
        assert_eq!(changes.distrust, [b.node_id()]);
        assert_eq!(changes.trust, []);
    }

    #[test]
    fn a_static_node_that_has_moved_is_dropped_and_kept_anew() {
        let (here, there) = (node(1, 1), node(1, 2));
        let changes = Changes::between(&live(&[&here], &[]), &live(&[&there], &[]));
        assert_eq!((changes.drop, changes.keep), (vec![here.node_id()], vec![there]));
    }
}
