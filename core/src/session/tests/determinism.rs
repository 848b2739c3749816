//! The same seed gives the same run, to the byte: here, in every build, and on
//! every machine.

use core::time::Duration;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use sha2::{Digest as _, Sha256};

use super::pair::{End, Pair, noise};
use crate::entropy::Seed;
use crate::p2p::DisconnectReason;
use crate::session::Command;

/// A run that the seed alone decides: the wires, the messages, the end.
fn run(seed: u64) -> [End; 2] {
    let mut rng = Seed::from_number(seed).derive("script", 0).jitter();
    let mut pair = Pair::new(seed);
    for wire in &mut pair.wires {
        wire.latency = Duration::from_micros(u64::from(rng.below(100_000)));
        wire.chunk = 16 << rng.below(12);
        wire.pace = Duration::from_micros(u64::from(rng.below(1000)));
    }
    pair.run(Duration::from_secs(2));
    for step in 0..20 {
        let end = rng.below(2) as usize;
        match rng.below(4) {
            0 => pair.ends[end].command(Command::Ping),
            1 => pair.wires[end].stalled ^= true,
            _ => pair.ends[end].send(step % 2, noise(step, rng.below(20_000) as usize)),
        }
        pair.run(Duration::from_millis(u64::from(rng.below(2000))));
    }
    pair.wires.iter_mut().for_each(|wire| wire.stalled = false);
    let quitter = rng.below(2) as usize;
    pair.ends[quitter].command(Command::Disconnect(DisconnectReason::Quitting));
    pair.run(Duration::from_secs(60));
    assert!(pair.ends.iter().all(End::is_over));
    pair.ends
}

fn digests(seeds: core::ops::Range<u64>) -> Vec<[u8; 32]> {
    seeds.flat_map(|seed| run(seed).map(|end| end.session.digest())).collect()
}

#[test]
fn the_same_seed_twice_gives_the_same_digests_and_other_seeds_give_others() {
    let first = digests(0..8);
    assert_eq!(first, digests(0..8));
    for (at, digest) in first.iter().enumerate() {
        assert!(!first[..at].contains(digest));
    }
}

/// Over both ends of 32 seeds. Computed once; debug and release, and every
/// machine, must agree. It changes when the session's behaviour does, or
/// what snappy makes of the same bytes.
const PINNED: &str = if cfg!(feature = "std") {
    "5714e5c653a88ec9c43dea7caac83a6a5db355604772b7c40b889ade795d556e"
} else {
    "ef5da88f86fc46fafa13657955a4ace68d5b89aa7750ac78d7deb401a425814d"
};

#[test]
fn every_build_and_every_machine_puts_out_the_same_bytes() {
    let all = digests(0..32).iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    let hex = all.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    assert_eq!(hex, PINNED);
}
