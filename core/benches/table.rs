//! What a full table costs: its closest 16, and offers of nodes.
//!
//! `cargo bench -p devp2p-core --bench table`. Medians of 60 samples, in
//! nanoseconds.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use core::error::Error;
use core::net::IpAddr;

use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::kademlia::{Added, Liveness, Table, TableConfig};
use devp2p_core::time::Instant;

mod measuring;
#[path = "../src/kademlia/tests/mined.rs"]
mod mined;

fn contact(number: u32, ip: impl Into<IpAddr>) -> Result<Contact, Box<dyn Error>> {
    let mut secret = [0; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    Ok(Contact::new(SecretKey::from_bytes(&secret)?.public_key(), ip.into(), 30303, 30303))
}

fn full() -> Result<Table, Box<dyn Error>> {
    let own = *contact(1, [127, 0, 0, 1])?.id();
    let jitter = Seed::from_number(1).jitter();
    let mut table = Table::new(own, TableConfig::default(), jitter, Instant::ZERO);
    for (bucket, secrets) in (0..).zip(mined::MINED) {
        for (number, secret) in (0..).zip(secrets) {
            let _ = table.add_found(contact(secret, [44, bucket, number, 1])?, Instant::ZERO);
        }
    }
    table.set_ready();
    assert_eq!((table.len(), table.replacements()), (272, 170));
    Ok(table)
}

/// Lets a share of the nodes answer a ping.
fn enliven(table: &mut Table, share: usize) {
    let wanted = table.len() * share / 100;
    while table.live() < wanted {
        let Some(now) = table.revalidation_deadline() else { break };
        if let Some(contact) = table.poll_revalidation(now) {
            let _ = table.revalidated(contact.id(), Liveness::Alive, now);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut table = full()?;
    let mut rng = Seed::from_number(2).jitter();
    let keys: Vec<[u8; 64]> = (0..4096).map(|_| rng.bytes()).collect();
    let targets: Vec<NodeId> = keys.iter().map(NodeId::hash_of).collect();

    println!("{:<52}{:>9}", "a full table, 272 nodes and 170 replacements", "ns");
    measuring::measure("closest 16", |round| table.closest(&targets[round], 16, false).len());
    for share in [10, 50, 90, 100] {
        enliven(&mut table, share);
        let name = format!("closest 16, only live ones, {share} % live");
        measuring::measure(&name, |round| table.closest(&targets[round], 16, true).len());
    }
    measuring::measure("closest 16 of a key: its hash as well", |round| {
        table.closest(&NodeId::hash_of(&keys[round]), 16, true).len()
    });
    measuring::measure("the hash", |round| NodeId::hash_of(&keys[round]));

    let strangers = (0..=255_u8)
        .map(|n| contact(9_000_000 + u32::from(n), [45, 0, n, 1]))
        .collect::<Result<Vec<_>, _>>()?;
    measuring::measure("a node found again", |_| {
        table.add_found(strangers[0].clone(), Instant::ZERO) == Added::Inserted
    });
    measuring::measure("a node found, full bucket", |round| {
        table.add_found(strangers[round % 256].clone(), Instant::ZERO) == Added::Inserted
    });
    measuring::measure("audit", |_| table.audit().is_ok());
    Ok(())
}
