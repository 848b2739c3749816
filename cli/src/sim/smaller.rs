//! Looking for a smaller scenario that fails in the same way.

use core::ops::ControlFlow;

use devp2p_sim::{Scenario, Trial, Violation, play_watched, shrink};

use super::stop::Stop;
use crate::failure::Failure;
use crate::output;

/// Worlds that are tried at most.
const TRIALS: u32 = 500;

/// Of so many one is told of though it is no smaller.
const SAID: u32 = 10;

/// Prints the smallest that is found until it is told to stop, as a test.
pub(super) fn print(
    trial: &impl Trial,
    scenario: &Scenario,
    violation: &Violation,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut trials = 0;
    let smallest = shrink(scenario, TRIALS, |smaller| {
        trials += 1;
        let fails = !stop.is_set() && fails_alike(trial, smaller, violation, stop);
        if fails {
            let (nodes, faults) = (smaller.nodes.len(), smaller.faults.len());
            output::say(format_args!("shrinking: {nodes} nodes, {faults} faults, trial {trials}"));
        } else if trials % SAID == 0 && !stop.is_set() {
            output::say(format_args!("shrinking: trial {trials}, of {TRIALS} at most"));
        }
        fails
    });
    let invariant = violation.invariant.to_lowercase();
    let name = format!("seed_{}_breaks_{invariant}", scenario.seed);
    output::line(&smallest.to_rust(&name, "&Talk").trim_end())
}

fn fails_alike(
    trial: &impl Trial,
    scenario: &Scenario,
    violation: &Violation,
    stop: &Stop,
) -> bool {
    let played = play_watched(scenario, trial, |_| {
        if stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let found = played.ok().and_then(|played| played.violation);
    found.is_some_and(|found| found.is_like(violation))
}
