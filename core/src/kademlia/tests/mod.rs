//! Tests of the table and of look-ups, with real keys.

mod adding;
mod closest;
mod eclipse;
mod look_ups;
mod mined;
mod model;
mod revalidation;

extern crate std;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use std::sync::OnceLock;

use super::{Added, Bucket, Entry, Liveness, Table, TableConfig};
use crate::crypto::{PublicKey, SecretKey};
use crate::entropy::Seed;
use crate::identity::{Contact, NodeId, RecordBuilder};
use crate::limits;
use crate::time::Instant;
use mined::MINED;

const START: Instant = Instant::from_secs(1000);

/// The key whose secret is this number.
fn key(number: u32) -> SecretKey {
    let mut secret = [0; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&secret).unwrap()
}

/// The node that has the table, and for which [`MINED`] was mined.
fn own() -> NodeId {
    NodeId::from(&key(1).public_key())
}

/// The public keys of [`MINED`].
fn mined(bucket: usize, number: usize) -> PublicKey {
    static KEYS: OnceLock<Vec<Vec<PublicKey>>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let public = |number: &u32| key(*number).public_key();
        MINED.iter().map(|bucket| bucket.iter().map(public).collect()).collect()
    });
    keys[bucket][number]
}

/// An address of its own subnet for each pair.
fn address(bucket: usize, number: usize) -> IpAddr {
    IpAddr::from([44, bucket as u8, number as u8, 1])
}

/// A node of a bucket, unsigned, in a subnet of its own.
fn node(bucket: usize, number: usize) -> Contact {
    node_at(bucket, number, address(bucket, number))
}

fn node_at(bucket: usize, number: usize, ip: impl Into<IpAddr>) -> Contact {
    Contact::new(mined(bucket, number), ip.into(), 30303, 30303)
}

/// The same nodes, signed.
fn signed(bucket: usize, number: usize, sequence: u64, ip: impl Into<IpAddr>) -> Contact {
    let record = RecordBuilder::new(sequence).ip(ip.into()).udp(30303).tcp(30303);
    Contact::from_record(Arc::new(record.sign(&key(MINED[bucket][number])).unwrap()))
}

/// An empty table whose first refresh is over.
fn table() -> Table {
    let mut table = unready(1);
    table.set_ready();
    table
}

fn unready(seed: u64) -> Table {
    Table::new(own(), TableConfig::default(), Seed::from_number(seed).jitter(), START)
}

/// A table with sixteen nodes in each bucket.
fn full() -> Table {
    let mut table = table();
    for bucket in 0..limits::BUCKETS {
        for number in 0..limits::BUCKET_ENTRIES {
            assert_eq!(table.add_found(node(bucket, number), START), Added::Inserted);
        }
    }
    table.audit().unwrap();
    table
}

fn bucket(table: &Table, index: usize) -> Vec<&Contact> {
    table.buckets()[index].entries().iter().map(Entry::contact).collect()
}

/// All entries.
fn entries(table: &Table) -> impl Iterator<Item = &Entry> {
    table.buckets().iter().flat_map(Bucket::entries)
}

/// Lets the time pass until somebody is to be pinged.
fn next_check(table: &mut Table, now: &mut Instant) -> Contact {
    loop {
        *now = table.revalidation_deadline().unwrap();
        if let Some(contact) = table.poll_revalidation(*now) {
            return contact;
        }
    }
}

/// Lets all nodes of the table be pinged once at least, as `answers` says.
fn check_all(table: &mut Table, now: &mut Instant, answers: impl Fn(&NodeId) -> bool) {
    let mut left: Vec<_> = entries(table).map(|entry| *entry.contact().id()).collect();
    while !left.is_empty() {
        let contact = next_check(table, now);
        left.retain(|id| id != contact.id());
        let liveness = if answers(contact.id()) { Liveness::Alive } else { Liveness::Silent };
        let _ = table.revalidated(contact.id(), liveness, *now);
        table.audit().unwrap();
        left.retain(|id| table.contains(id));
    }
}

#[test]
fn a_full_table_has_17_buckets_of_16_and_10_who_wait_in_each() {
    let mut table = full();
    for bucket in 0..limits::BUCKETS {
        for number in limits::BUCKET_ENTRIES..26 {
            assert_eq!(table.add_found(node(bucket, number), START), Added::Replacement);
        }
    }
    table.audit().unwrap();
    assert_eq!((table.len(), table.replacements()), (272, 170));
    assert_eq!(table.buckets().len(), 17);
    assert!(table.buckets().iter().all(|bucket| bucket.entries().len() == 16));
}

#[test]
fn refreshes_are_15_to_30_minutes_apart_and_differ() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let mut table = table();
    let mut last = START;
    let mut intervals = Vec::new();
    for _ in 0..200 {
        let next = table.refresh_deadline().unwrap();
        let interval = next - last;
        assert!((minutes(15)..minutes(30)).contains(&interval), "{interval:?}");
        intervals.push(interval);
        table.refreshed(next);
        last = next;
    }
    intervals.sort();
    assert!(intervals[0] < minutes(17) && intervals[199] > minutes(28));
    intervals.dedup();
    assert!(intervals.len() > 190);
}

#[test]
fn a_random_node_may_be_any_of_the_table() {
    assert_eq!(table().random(), None);
    let mut table = table();
    let nodes: Vec<_> = [(0, 0), (7, 0), (16, 0), (16, 1)].map(|(b, n)| node(b, n)).into();
    for node in &nodes {
        let _ = table.add_found(node.clone(), START);
    }
    let drawn: Vec<_> = (0..100).map(|_| table.random().unwrap().clone()).collect();
    assert!(nodes.iter().all(|node| drawn.contains(node)));
    assert!(drawn.iter().all(|node| nodes.contains(node)));
}
