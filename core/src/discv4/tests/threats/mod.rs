//! What others have suffered, and what one might try: each threat by its name,
//! against the whole machine. What needs no machine is tested where its defence
//! stands: in the gate, the bonds, the table, the records.

mod clocks;
mod eclipse;
mod floods;
mod records;
mod reflection;

use core::net::SocketAddr;

use super::harness::{Lone, Stranger, World, address};
use super::packets::{asking, dropped, enr_request, find, lone, neighbor, neighbors};
use crate::discv4::{Answer, Command, DropReason, Kind, Neighbor, Packet, PacketEndpoint};

/// How many datagrams, and bytes, were sent to an address; forgets all that was
/// sent.
fn datagrams_to(lone: &mut Lone, to: SocketAddr) -> (usize, usize) {
    let sent = core::mem::take(&mut lone.sent);
    let lengths = sent.iter().filter(|sent| sent.0 == to).map(|(_, datagram)| datagram.len());
    (lengths.clone().count(), lengths.sum())
}

/// Has the nodes from 5000 on, of which so many have been named, answer what they
/// were asked: each names sixteen more. Says how many did.
fn reveal(lone: &mut Lone, named: &mut u32) -> usize {
    let mut answers = 0;
    for number in 0..*named {
        let node = Stranger::new(5000 + number);
        for (packet, hash) in lone.said_to(node.at) {
            if packet.kind() == Kind::Ping {
                lone.hear(&node, &node.pong(lone.at, hash, lone.now));
            } else if packet.kind() == Kind::FindNode {
                answers += 1;
                for _ in 0..2 {
                    let nodes = (*named..*named + 8).map(neighbor).collect();
                    lone.hear(&node, &neighbors(nodes, lone.now));
                    *named += 8;
                }
            }
        }
    }
    answers
}
