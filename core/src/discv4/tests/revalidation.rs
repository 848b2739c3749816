//! Revalidation when a node cannot be pinged: the table goes on all the same.
//! The contract is watched over: no deadline may be left in the past.

use core::net::SocketAddr;

use alloc::vec::Vec;

use super::harness::{START, key};
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
