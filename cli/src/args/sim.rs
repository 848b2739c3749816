//! The arguments of `sim`.

use core::num::NonZeroUsize;
use core::ops::Range;
use core::time::Duration;

use clap::{ArgGroup, Args as Arguments};

use super::duration;

#[derive(Debug, Arguments)]
#[command(group = ArgGroup::new("which").required(true).args(["seeds", "seed"]))]
pub(crate) struct Sim {
    /// Simulates a network for each of these seeds: from A to B, without B
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// Simulates the network of this seed alone
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// How many at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = jobs, conflicts_with = "seed")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// How long things go wrong in each, as 90s or 10m, in its own time; a calm
    /// minute follows, or 36 [default: 2 to 6 minutes, as the seed has it]
    #[arg(long, value_name = "DURATION", value_parser = time)]
    pub(crate) time: Option<Duration>,
    /// Nodes of each [default: 2 to 24, or 50 to 72 in one of 32, as the seed has it]
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=devp2p_sim::NODES_MAX as i64))]
    pub(crate) nodes: Option<u32>,
    /// Prints everything that happens
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) trace: bool,
    /// Where an invariant is broken, looks for a smaller scenario that breaks it,
    /// and prints it as a Rust test
    #[arg(long, conflicts_with_all = ["seeds", "trace", "json"])]
    pub(crate) shrink: bool,
    /// Holds no machine to its contract after each input, as one network in four is:
    /// for large ones
    #[arg(long)]
    pub(crate) unchecked: bool,
    /// Gives nodes keys that protect nothing and cost nothing: for large networks
    /// and many seeds. Only a build with the feature of this has them
    #[arg(long, value_parser = stand_in_keys)]
    pub(crate) stand_in_keys: bool,
    /// Puts adversaries into each network as well. Then it is not asked whether it
    /// recovers
    #[arg(long)]
    pub(crate) adversaries: bool,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| {
        let number = |text: &str| text.parse::<u64>().ok();
        Some(number(from)?..number(to)?)
    });
    match ends {
        None => Err("expected two numbers, as 0..1000".to_owned()),
        Some(ends) if ends.is_empty() => Err("there is no seed from here to there".to_owned()),
        Some(ends) => Ok(ends),
    }
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<usize>().map(NonZeroUsize::new) {
        Ok(Some(jobs)) if jobs.get() <= JOBS => Ok(jobs),
        Ok(_) | Err(_) => Err(format!("expected a number from 1 to {JOBS}")),
    }
}

/// Threads at most.
const JOBS: usize = 1024;

/// The longest that things go wrong.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn time(text: &str) -> Result<Duration, String> {
    match duration(text).ok().and_then(|time| Duration::try_from(time).ok()) {
        Some(time) if (Duration::from_secs(1)..=LONGEST).contains(&time) => Ok(time),
        Some(_) | None => {
            Err("expected a time as 90s or 10m, of a second at least and a year at most".to_owned())
        }
    }
}

fn stand_in_keys(text: &str) -> Result<bool, String> {
    let wanted = text == "true";
    if wanted && !crate::sim::HAS_STAND_IN_KEYS {
        return Err(format!("this build has none: build it with --features {STAND_IN}"));
    }
    Ok(wanted)
}

const STAND_IN: &str = "insecure-stand-in-curve-for-simulation-and-fuzzing-only";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_something_in_it() {
        assert_eq!(seeds("3..17"), Ok(3..17));
        assert_eq!(seeds("0..18446744073709551615"), Ok(0..u64::MAX));
        for text in ["", "5", "5..", "..5", "5..5", "6..5", "0..=5", "-1..5", "a..b", "0...5"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_a_second_at_least() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        for text in ["0", "0s", "-1m", "999ms", "9000h", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
