//! What the shrinker prints is a test, and one that fails in the same way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use core::time::Duration;

use devp2p_sim::{DrawOptions, Scenario, Trial, World, play, shrink};

/// Finds fault with whoever has two peers.
struct Loners;

impl Trial for Loners {
    fn check(&self, world: &World) -> Result<(), String> {
        match world.names().find(|name| world.peers(*name).len() > 1) {
            Some(name) => Err(format!("n{name} is no loner")),
            None => Ok(()),
        }
    }
}

/// As it was printed, below what is expected of it.
mod printed {
    use super::Loners;

    include!("printed/loners.rs");
}

#[test]
fn a_scenario_is_made_smaller_and_printed_as_the_test_above() {
    let time = Some(Duration::from_secs(20));
    let options = DrawOptions { nodes: Some(6), time, calm: time, ..DrawOptions::DEFAULT };
    let found = |scenario: &Scenario| play(scenario, &Loners).unwrap().violation;
    let drawn = (0..).map(|seed| Scenario::draw(seed, &options));
    let mut failing = drawn.filter_map(|scenario| Some((found(&scenario)?, scenario)));
    let (violation, scenario) = failing.next().unwrap();
    let small =
        shrink(&scenario, 100, |small| found(small).is_some_and(|found| found.is_like(&violation)));
    assert_eq!((small.nodes.len(), small.faults.len()), (3, 0));
    let name = format!("seed_{}_breaks_trial", small.seed);
    let expected = format!("#[should_panic = \"{}\"]\n", found(&small).unwrap());
    let text = expected + &small.to_rust(&name, "&Loners");
    assert!(text == include_str!("printed/loners.rs"), "{text}");
}
