//! Table poisoning: ids that answer with nodes that there are not.

use core::net::Ipv4Addr;

use devp2p_core::discv4::Neighbor;
use devp2p_core::identity::NodeId;
use devp2p_core::limits;

use super::actor::Actor;
use crate::network::PORT;

/// Of so many the closest are named.
const GHOSTS: u16 = 512;

/// Nodes that there are not, the closest to the target first. Each is in a network of
/// its own, where nobody is.
pub(super) fn nodes(actor: &mut Actor, target: &NodeId) -> Vec<Neighbor> {
    if actor.ghosts.is_empty() {
        actor.ghosts = (0..GHOSTS).map(|number| ghost(actor, number)).collect();
    }
    let mut ghosts: Vec<_> = actor.ghosts.iter().collect();
    ghosts.sort_by(|(one, _), (other, _)| target.cmp_distance(one, other));
    ghosts.iter().take(limits::NEIGHBORS_IN_ANSWER).map(|(_, ghost)| *ghost).collect()
}

fn ghost(actor: &Actor, number: u16) -> (NodeId, Neighbor) {
    let seed = actor.seed.derive("ghost", 0);
    let public_key = crate::world::key(actor.keys, &seed, number.into()).public_key();
    let [high, low] = number.to_be_bytes();
    let neighbor = Neighbor {
        ip: Some(Ipv4Addr::new(180, high, low, 1).into()),
        udp: PORT,
        tcp: PORT,
        public_key: *public_key.as_bytes(),
    };
    (NodeId::from(&public_key), neighbor)
}
