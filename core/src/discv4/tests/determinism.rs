//! The same seed gives the same network, to the byte: here, in every build, and on
//! every machine.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

use sha2::{Digest as _, Sha256};

use super::harness::{Stranger, World};
use crate::discv4::Command;
use crate::entropy::Seed;
use crate::identity::RecordBuilder;

/// Five minutes of a small network in which datagrams are lost, somebody asks for
/// this and that, and a stranger sends what nobody asked for. The seed alone
/// decides.
fn run(seed: u64) -> World {
    let mut rng = Seed::from_number(seed).derive("script", 0).jitter();
    let mut world = World::new(seed);
    world.lost = rng.below(200);
    world.latency = Duration::from_micros(u64::from(1000 + rng.below(300_000)));
    let first = world.add(|_| {});
    let bootnode = world.nodes[first].contact();
    for _ in 0..3 + rng.below(4) {
        world.add(|config| config.bootnodes = [bootnode.clone()].into());
    }
    let count = u32::try_from(world.nodes.len()).unwrap();
    for step in 0..30_u8 {
        world.run(Duration::from_millis(u64::from(rng.below(20_000))));
        let node = rng.below(count) as usize;
        let other = world.nodes[rng.below(count) as usize].contact();
        let command = match rng.below(8) {
            0 => Command::Ping(other),
            1 => Command::FindNode(other, rng.bytes()),
            2 => Command::RequestRecord(other),
            3 => Command::Resolve(other),
            4 => Command::RandomNodes,
            5 => Command::SetEntries(RecordBuilder::new(0).uint(b"step", step.into())),
            6 => {
                let stranger = Stranger::new(step.into());
                let ping = stranger.ping(world.nodes[node].at, world.nodes[node].now);
                let (datagram, _) = stranger.encode(&ping);
                world.forge(stranger.at, node, &datagram);
                continue;
            }
            _ => Command::LookUp(rng.bytes()),
        };
        world.ask(node, step.into(), command);
    }
    world.run(Duration::from_secs(20));
    world
}

fn digests(seeds: core::ops::Range<u64>) -> Vec<[u8; 32]> {
    seeds.map(|seed| run(seed).digest()).collect()
}

#[test]
fn the_same_seed_twice_gives_the_same_network_and_other_seeds_give_others() {
    let first = digests(0..4);
    assert_eq!(first, digests(0..4));
    for (at, digest) in first.iter().enumerate() {
        assert!(!first[..at].contains(digest));
    }
}

/// Over all nodes of 16 networks. Computed once; debug and release, and every
/// machine, must agree. It changes when discovery's behaviour does.
const PINNED: &str = "f1831328ac534b2a9291683231000954bd8cb42c297199266dec5254561c8dd3";

#[test]
fn every_build_and_every_machine_puts_out_the_same_bytes() {
    let all = digests(0..16).iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    let hex = all.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    assert_eq!(hex, PINNED);
}
