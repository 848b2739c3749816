//! What is said of worlds: for people what went wrong goes to standard error, and
//! what they came to, with a trace if there is one, to standard output. For scripts
//! all goes there.

use core::fmt;

use devp2p_sim::{Line, Played, Scenario, Summary, Violation};
use serde::Serialize;

use crate::args::Sim;
use crate::failure::Failure;
use crate::output;

/// The last lines that a person is shown of a failure.
const SHOWN: usize = 20;

/// Says it as was asked for.
pub(super) struct Teller<'a> {
    arguments: &'a Sim,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Json<'a> {
    /// A part of it, as Rust: a node, an adversary or a fault, and which.
    Scenario {
        part: &'a str,
        number: u32,
        code: String,
    },
    Line {
        seconds: f64,
        node: Option<u32>,
        what: String,
    },
    Seed {
        seed: u64,
        digest: String,
        events: u64,
        seconds: f64,
        violation: Option<ViolationJson<'a>>,
    },
    Summary {
        seeds: u64,
        violations: u64,
        digest: String,
        events: u64,
        seconds: f64,
    },
}

#[derive(Serialize)]
struct ViolationJson<'a> {
    invariant: &'static str,
    seconds: f64,
    node: Option<u32>,
    what: &'a str,
    last: Vec<String>,
    replay: String,
}

impl<'a> Teller<'a> {
    pub(super) const fn new(arguments: &'a Sim) -> Self {
        Self { arguments }
    }

    /// What a world is made of.
    pub(super) fn scenario(&self, scenario: &Scenario) -> Result<(), Failure> {
        for (name, plan) in &scenario.nodes {
            self.part("node", *name, plan)?;
        }
        for (name, adversary) in &scenario.adversaries {
            self.part("adversary", *name, adversary)?;
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            self.part("fault", u32::try_from(number).unwrap_or(u32::MAX), fault)?;
        }
        Ok(())
    }

    fn part(&self, part: &str, number: u32, code: &dyn fmt::Display) -> Result<(), Failure> {
        if self.arguments.json {
            return output::json(&Json::Scenario { part, number, code: code.to_string() });
        }
        output::line(&format_args!("{part} {number}: {code}"))
    }

    /// One line of a trace.
    pub(super) fn line(&self, line: &Line) -> Result<(), Failure> {
        if !self.arguments.json {
            return output::line(line);
        }
        let seconds = output::seconds(line.at());
        output::json(&Json::Line { seconds, node: line.node(), what: line.what() })
    }

    /// One world is done.
    pub(super) fn played(&self, played: &Played) -> Result<(), Failure> {
        let violation = played.violation.as_ref();
        if self.arguments.json {
            return output::json(&Json::Seed {
                seed: played.seed,
                digest: played.digest.to_string(),
                events: played.events,
                seconds: output::seconds(played.time),
                violation: violation.map(|violation| self.json(played.seed, violation)),
            });
        }
        if let Some(violation) = violation {
            output::complain(format_args!("seed {}: {violation}", played.seed));
            for line in violation.last.iter().rev().take(SHOWN).rev() {
                output::say(format_args!("    {line}"));
            }
            let replay = Replay(self.arguments, played.seed);
            output::say(format_args!("  replay: {replay} --trace\n  shrink: {replay} --shrink"));
        }
        Ok(())
    }

    fn json<'v>(&self, seed: u64, violation: &'v Violation) -> ViolationJson<'v> {
        ViolationJson {
            invariant: violation.invariant,
            seconds: output::seconds(violation.at),
            node: violation.node,
            what: &violation.what,
            last: violation.last.iter().map(Line::to_string).collect(),
            replay: Replay(self.arguments, seed).to_string(),
        }
    }

    /// What all of them came to.
    pub(super) fn summary(&self, summary: &Summary) -> Result<(), Failure> {
        if self.arguments.shrink {
            // What is on standard output may be a test.
            output::say(format_args!("{summary}"));
            return Ok(());
        }
        if !self.arguments.json {
            return output::line(summary);
        }
        output::json(&Json::Summary {
            seeds: summary.seeds,
            violations: summary.violations,
            digest: summary.digest.to_string(),
            events: summary.events,
            seconds: output::seconds(summary.time),
        })
    }
}

/// The command that simulates the world of a seed again.
struct Replay<'a>(&'a Sim, u64);

impl fmt::Display for Replay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Sim { time, nodes, unchecked, stand_in_keys, adversaries, .. }, seed) = self;
        write!(f, "devp2p sim --seed {seed}")?;
        if let Some(time) = time {
            write!(f, " --time {}ms", time.as_millis())?;
        }
        if let Some(nodes) = nodes {
            write!(f, " --nodes {nodes}")?;
        }
        // Without the contract another invariant is the first to be broken.
        if *unchecked {
            f.write_str(" --unchecked")?;
        }
        if *stand_in_keys {
            f.write_str(" --stand-in-keys")?;
        }
        if *adversaries {
            f.write_str(" --adversaries")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn the_command_that_replays_a_seed_draws_the_same_world() {
        for (given, said) in [
            ("--seeds 0..9 --jobs 3", "devp2p sim --seed 7"),
            ("--seeds 0..9 --time 1m30s", "devp2p sim --seed 7 --time 90000ms"),
            ("--seeds 0..9 --nodes 5 --unchecked", "devp2p sim --seed 7 --nodes 5 --unchecked"),
            ("--seeds 0..9 --adversaries", "devp2p sim --seed 7 --adversaries"),
        ] {
            let words = ["devp2p", "sim"].into_iter().chain(given.split(' '));
            let Command::Sim(arguments) = Args::try_parse_from(words).unwrap().command else {
                panic!("{given}");
            };
            let replay = Replay(&arguments, 7).to_string();
            assert_eq!(replay, said);
            let Command::Sim(again) = Args::try_parse_from(said.split(' ')).unwrap().command else {
                panic!("{said}");
            };
            assert_eq!((again.time, again.nodes), (arguments.time, arguments.nodes));
            assert_eq!(again.unchecked, arguments.unchecked);
            assert_eq!(again.adversaries, arguments.adversaries);
        }
    }
}
