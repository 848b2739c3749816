//! Revalidation when a node cannot be pinged: the table goes on all the same.
//! The contract is watched over: no deadline may be left in the past.

use core::net::SocketAddr;
use core::time::Duration;

use alloc::vec::Vec;

use super::harness::{START, Stranger, key};
use crate::discv4::requests::{Asked, Request};
use crate::discv4::{Config, Discovery, Input, Output};
use crate::entropy::Seed;
use crate::identity::{Contact, NodeId};
use crate::kademlia::{Added, Table, TableConfig};
use crate::limits;
use crate::machine::{Checked, Machine as _};
use crate::time::{Instant, Now};

fn discovery() -> Discovery {
    Discovery::new(Config::new(key(1)), &Seed::from_number(1), START).unwrap()
}

/// Wakes it whenever it wants; says when it sent something, and to whom.
fn run(discovery: &mut Checked<Discovery>, until: Instant) -> Vec<(Instant, SocketAddr)> {
    let (mut sent, mut now) = (Vec::new(), START);
    loop {
        while let Some(output) = discovery.poll_output() {
            if let Output::Send { to, .. } = output {
                sent.push((now.mono, to));
            }
        }
        let Some(deadline) = discovery.poll_timeout().filter(|next| next.at <= until) else {
            return sent;
        };
        now = Now { mono: deadline.at, ..START };
        discovery.handle(now, Input::Timeout);
    }
}

#[test]
fn a_node_for_whose_ping_there_is_no_room_is_pinged_when_there_is() {
    let mut discovery = discovery();
    let node = Stranger::new(1);
    assert_eq!(discovery.table.add_found(node.contact(), START.mono), Added::Inserted);
    let sent = START.mono + Duration::from_secs(60);
    for number in 0..limits::PENDING_REQUESTS {
        let asked = Asked::Record { token: [1; 32], query: number as u64 };
        discovery.requests.insert(Request { id: NodeId::new([1; 32]), to: node.at, sent, asked });
    }
    let mut discovery = Checked::new(discovery);
    let room = sent + limits::REPLY_TIMEOUT;
    assert_eq!(run(&mut discovery, room), []);
    assert!(discovery.get().table.contains(&node.id()), "it has not failed to answer");
    let pings = run(&mut discovery, room + limits::FAST_REVALIDATION + limits::REPLY_TIMEOUT);
    assert!(pings.len() == 1 && pings[0].1 == node.at, "{pings:?}");
    // Now it has been asked, and does not answer.
    assert!(!discovery.get().table.contains(&node.id()));
}

/// The table takes no such node, which is the table's own affair.
#[test]
fn a_node_that_nobody_can_ping_does_not_answer() {
    let mut discovery = discovery();
    let own = Contact::new(discovery.key.public_key(), [9, 8, 7, 6].into(), 30303, 30303);
    let jitter = Seed::from_number(2).jitter();
    let of_another = NodeId::new([7; 32]);
    discovery.table = Table::new(of_another, TableConfig::default(), jitter, START.mono);
    assert_eq!(discovery.table.add_found(own, START.mono), Added::Inserted);
    let mut discovery = Checked::new(discovery);
    let sent = run(&mut discovery, START.mono + limits::FAST_REVALIDATION);
    assert!(sent.is_empty() && discovery.get().table.is_empty());
}
