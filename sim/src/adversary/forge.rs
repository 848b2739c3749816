//! Forged packets: their source is somebody else.

use core::net::{Ipv4Addr, SocketAddr};

use devp2p_core::discv4::{Neighbors, Packet, PacketEndpoint, Pong};

use super::actor::Actor;
use super::poison;
use crate::draw::index;
use crate::host::Around;
use crate::network::PORT;

/// Sends so many to each victim: as many from anywhere as from honest nodes.
pub(super) fn strike(actor: &mut Actor, around: &mut Around<'_>, packets: u32) {
    for target in 0..actor.targets.len() {
        for _ in 0..packets {
            let number = actor.turns % 8;
            actor.turns += 1;
            let mask = index(&mut actor.rng, actor.masks.len());
            let other = index(&mut actor.rng, actor.nodes.len());
            let [high, middle, low, _] = actor.rng.bytes::<4>();
            let anywhere = Ipv4Addr::new(181, high, middle, low);
            let anyone = SocketAddr::new(anywhere.into(), PORT);
            let to = actor.targets[target].at;
            let honest = actor.nodes.get(other).copied().filter(|at| *at != to);
            let source = honest.filter(|_| number % 2 == 1).unwrap_or(anyone);
            let packet = match number {
                5 => pong(actor, around, to),
                7 => neighbors(actor, around),
                _ => actor.ping_packet(around.now, source, to),
            };
            actor.send(around, mask, source, to, &packet);
        }
    }
}

/// It answers nothing that was ever asked.
fn pong(actor: &mut Actor, around: &Around<'_>, to: SocketAddr) -> Packet {
    Packet::Pong(Pong {
        to: PacketEndpoint::new(to, 0),
        ping_hash: actor.rng.bytes(),
        expiration: actor.expiration(around.now),
        enr_sequence: None,
    })
}

fn neighbors(actor: &mut Actor, around: &Around<'_>) -> Packet {
    let target = devp2p_core::identity::NodeId::new(actor.rng.bytes());
    let mut nodes = poison::nodes(actor, &target);
    nodes.truncate(devp2p_core::limits::NEIGHBORS_IN_PACKET);
    Packet::Neighbors(Neighbors { nodes, expiration: actor.expiration(around.now) })
}
