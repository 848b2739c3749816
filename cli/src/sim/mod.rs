//! `devp2p sim`: networks of the real protocol code in virtual time, one for each
//! seed, and whether an invariant is broken in any.

mod progress;
mod smaller;
mod stop;
mod tell;
#[cfg(test)]
mod tests;

use core::num::NonZeroUsize;
use core::ops::{ControlFlow, Range};
use std::thread;

use devp2p_sim::{
    DrawOptions, Keys, Scenario, ScenarioError, Summary, Swarm, Talk, Trial, World, play_watched,
};

use crate::args::Sim;
use crate::failure::Failure;
use crate::output;
use progress::Progress;
use stop::Stop;
use tell::Teller;

/// Whether nodes may have keys that protect nothing.
pub(crate) const HAS_STAND_IN_KEYS: bool =
    cfg!(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only");

pub(crate) fn run(arguments: &Sim) -> Result<(), Failure> {
    run_with(&Talk, arguments)
}

fn run_with(trial: &impl Trial, arguments: &Sim) -> Result<(), Failure> {
    let stop = Stop::watch()?;
    let teller = Teller::new(arguments);
    let summary = match (&arguments.seeds, arguments.seed) {
        (Some(seeds), _) => many(trial, arguments, seeds.clone(), &teller, &stop),
        // clap asks for one of both.
        (None, seed) => one(trial, arguments, seed.unwrap_or_default(), &teller, &stop),
    }?;
    teller.summary(&summary)?;
    match (stop.by(), summary.violations) {
        (Some(signal), _) => Err(Failure::Interrupted(signal)),
        (None, 0) => Ok(()),
        (None, _) => Err(Failure::Told),
    }
}

/// A world for each seed.
fn many(
    trial: &impl Trial,
    arguments: &Sim,
    seeds: Range<u64>,
    teller: &Teller<'_>,
    stop: &Stop,
) -> Result<Summary, Failure> {
    let mut progress = Progress::new(seeds.end - seeds.start);
    let swarm = Swarm { seeds, jobs: jobs(arguments), options: options(arguments) };
    let mut told = Ok(());
    let summary = swarm.run(trial, stop.flag(), |played| {
        progress.add(played);
        if told.is_ok() {
            told = progress.beside(|| teller.played(played));
        }
        if told.is_err() {
            // Nobody reads any more.
            stop.now();
        }
    });
    progress.end();
    told?;
    summary.or_else(|error| {
        teller.summary(&error.summary)?;
        Err(wrong(error.seed, &error.mistake))
    })
}

/// The world of one seed, traced if that was asked for.
fn one(
    trial: &impl Trial,
    arguments: &Sim,
    seed: u64,
    teller: &Teller<'_>,
    stop: &Stop,
) -> Result<Summary, Failure> {
    let scenario = Scenario::draw(seed, &options(arguments));
    let traced = Traced { trial, traced: arguments.trace };
    let mut told = if arguments.trace { teller.scenario(&scenario) } else { Ok(()) };
    let played = play_watched(&scenario, &traced, |world| {
        for line in world.take_trace() {
            if told.is_ok() {
                told = teller.line(&line);
            }
        }
        let is_over = stop.is_set() || told.is_err();
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let played = played.map_err(|mistake| wrong(seed, &mistake))?;
    told?;
    teller.played(&played)?;
    match &played.violation {
        Some(violation) if arguments.shrink => smaller::print(trial, &scenario, violation, stop)?,
        None if arguments.shrink => output::say(format_args!("seed {seed} breaks nothing")),
        Some(_) | None => {}
    }
    // What was broken off is not done.
    let is_done = played.violation.is_some() || !stop.is_set();
    Ok(if is_done { Summary::of(&played) } else { Summary::default() })
}

/// A world of which everything is kept to be told.
struct Traced<'a, T> {
    trial: &'a T,
    traced: bool,
}

impl<T: Trial> Trial for Traced<'_, T> {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        if self.traced {
            world.trace();
        }
        self.trial.prepare(world)
    }

    fn check(&self, world: &World) -> Result<(), String> {
        self.trial.check(world)
    }

    fn check_settled(&self, world: &World) -> Result<(), String> {
        self.trial.check_settled(world)
    }
}

fn jobs(arguments: &Sim) -> NonZeroUsize {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    arguments.jobs.unwrap_or_else(cores)
}

fn options(arguments: &Sim) -> DrawOptions {
    DrawOptions {
        nodes: arguments.nodes,
        time: arguments.time,
        calm: None,
        keys: if arguments.stand_in_keys { stand_in_keys() } else { Keys::Curve },
        checked: arguments.unchecked.then_some(false),
        adversaries: arguments.adversaries,
    }
}

#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
const fn stand_in_keys() -> Keys {
    Keys::InsecureStandIn
}

/// Who asks for them without is told so before.
#[cfg(not(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only"))]
const fn stand_in_keys() -> Keys {
    Keys::Curve
}

fn wrong(seed: u64, mistake: &ScenarioError) -> Failure {
    Failure::Setting(format!("scenario of seed {seed}"), mistake.to_string())
}
