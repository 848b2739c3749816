//! Worlds as `devp2p sim` draws them, whole: no invariant is broken in any, and what is
//! rare comes about in some.
//!
//! `DEVP2P_SEEDS=A..B` says which; among few, what is rare may be missing. For optimised
//! builds, as it takes long: `cargo test --release -p devp2p-sim --test batch`.
#![cfg(not(debug_assertions))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::num::NonZeroUsize;
use core::ops::Range;
use core::sync::atomic::AtomicBool;
use std::sync::Mutex;

use devp2p_sim::{DrawOptions, Keys, Played, Reached, Summary, Swarm, Talk};

#[test]
#[expect(clippy::disallowed_methods, reason = "which seeds, not what comes of them")]
fn no_invariant_is_broken_in_drawn_worlds_and_every_rare_branch_is_reached() {
    let seeds = std::env::var("DEVP2P_SEEDS").unwrap_or_else(|_| format!("0..{ENOUGH}"));
    let (first, end) = seeds.split_once("..").expect("DEVP2P_SEEDS is A..B");
    let seeds: Range<u64> = first.parse().unwrap()..end.parse().unwrap();
    let is_enough = seeds.end - seeds.start >= ENOUGH;
    let is_pinned = seeds == (0..ENOUGH) && cheapest() != Keys::Curve;
    let (summary, reached) = all_hold(seeds, DrawOptions::DEFAULT);
    for (name, count) in reached.iter() {
        println!("{count:>9} {name}");
    }
    assert!(!is_enough || reached.missing().is_empty(), "never: {:?}", reached.missing());
    assert!(!is_pinned || summary.digest.to_string() == DIGEST, "{summary}");
}

/// Over all that these worlds put out with stand-in keys. Whatever a change to core or here
/// makes nodes say otherwise changes it: then the new one is right, once it is known why.
const DIGEST: &str = "d3832e6cc496bc534a3d3e85812e385ec0fd9bd64925171cae87410f6960333f";

#[test]
fn nor_in_those_that_have_adversaries() {
    all_hold(0..16, DrawOptions { adversaries: true, ..DrawOptions::DEFAULT });
}

/// What such worlds have come to; all of them hold.
fn all_hold(seeds: Range<u64>, options: DrawOptions) -> (Summary, Reached) {
    let options = DrawOptions { keys: cheapest(), ..options };
    let swarm = Swarm { seeds, jobs: NonZeroUsize::new(2).unwrap(), options };
    let reached = Mutex::new(Reached::default());
    let tell = |played: &Played| {
        reached.lock().unwrap().add(&played.reached);
        if let Some(violation) = &played.violation {
            println!("seed {}: {violation}", played.seed);
        }
    };
    let summary = swarm.run(&Talk, &AtomicBool::new(false), tell).unwrap();
    println!("{summary}");
    assert_eq!(summary.violations, 0);
    (summary, reached.into_inner().unwrap())
}

/// Among so many worlds there is one for each rare branch.
const ENOUGH: u64 = 64;

/// Keys that cost nothing, in builds that have them.
fn cheapest() -> Keys {
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    return Keys::InsecureStandIn;
    #[cfg(not(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only"))]
    Keys::Curve
}
