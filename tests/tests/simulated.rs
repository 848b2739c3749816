//! The async code that smol and tokio run, as it stands, in the simulator.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::{Digest, Scenario};

#[path = "../../adapter-smol/examples/rumour.rs"]
#[allow(dead_code, unreachable_pub, reason = "it has a main")]
mod rumour;

/// What everybody has heard of in the end, and what everybody has put out.
fn spread(seed: u64) -> (Vec<u64>, Digest) {
    let heard: Arc<[_; 4]> = Arc::new([(); 4].map(|()| Arc::new(AtomicU64::new(0))));
    let mut world = Scenario::new(seed).nodes(4).build().unwrap();
    let theirs = Arc::clone(&heard);
    let hosted = world.run([LocalCapability::new("rumour", 1, 1)], move |name, node| {
        rumour::spread(node, Arc::clone(&theirs[name as usize]))
    });
    hosted.unwrap();
    world.run_for(Duration::from_secs(20)).unwrap();
    let heard = heard.iter().map(|number| number.load(Ordering::Relaxed)).collect();
    (heard, world.digest())
}

#[test]
fn the_same_code_spreads_a_rumour_and_repeats_itself() {
    let (heard, digest) = spread(5);
    assert!(heard[0] > 0 && heard.iter().all(|number| *number == heard[0]), "{heard:?}");
    assert_eq!(spread(5), (heard.clone(), digest));
    assert_ne!(spread(6), (heard, digest));
}
