//! What is said when an invariant is broken. No seed is known to break one, so a trial
//! stands in that finds fault with many peers; all else is the command as it is: this
//! executable is run again, and its output and exit status are looked at.

use std::process::{Command as Process, Output};

use clap::Parser as _;
use devp2p_sim::{Trial, World};

use super::run_with;
use crate::args::{Args, Command};
use crate::failure::Failure;

/// The arguments of `devp2p sim`, for the test that is run again.
const ARGUMENTS: &str = "DEVP2P_TEST_OF_SIM";

struct Loners;

impl Trial for Loners {
    fn check(&self, world: &World) -> Result<(), String> {
        match world.names().find(|name| world.peers(*name).len() > 1) {
            Some(name) => Err(format!("n{name} is no loner")),
            None => Ok(()),
        }
    }
}

#[test]
#[expect(clippy::exit, reason = "the exit status is what is under test")]
fn as_a_process_of_its_own() {
    let Ok(given) = std::env::var(ARGUMENTS) else { return };
    let words = ["devp2p", "sim"].into_iter().chain(given.split(' '));
    let Command::Sim(arguments) = Args::try_parse_from(words).unwrap().command else {
        unreachable!("{given}");
    };
    let result = run_with(&Loners, &arguments);
    if let Err(failure) = &result {
        failure.tell(arguments.json);
    }
    std::process::exit(result.map_or_else(|failure| Failure::status(&failure).into(), |()| 0));
}

/// Lines of standard output without those of the test itself, and of standard error.
fn sim(arguments: &str) -> (Option<i32>, Vec<String>, Vec<String>) {
    let test = "sim::tests::as_a_process_of_its_own";
    let this = std::env::current_exe().unwrap();
    let mut process = Process::new(this);
    process.args(["--exact", test, "--nocapture"]).env(ARGUMENTS, arguments);
    let Output { status, stdout, stderr } = process.output().unwrap();
    let lines = |bytes: Vec<u8>| -> Vec<String> {
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    };
    let said =
        lines(stdout).into_iter().filter(|line| !line.is_empty() && line != "running 1 test");
    (status.code(), said.collect(), lines(stderr))
}

#[test]
fn a_broken_invariant_is_told_replayed_and_made_smaller() {
    let worlds = "--nodes 6 --time 20s";
    let (status, said, told) = sim(&format!("--seeds 0..4 --jobs 2 {worlds}"));
    assert_eq!(status, Some(1));
    let summary = said.last().unwrap();
    let count = summary.strip_prefix("seeds 4, violations ").unwrap().split(',').next().unwrap();
    let found: Vec<_> = told.iter().filter(|line| line.starts_with("devp2p: seed ")).collect();
    assert_eq!(found.len(), count.parse::<usize>().unwrap());
    // Which seed, which invariant, when, what.
    let (seed, what) = found[0]["devp2p: seed ".len()..].split_once(": ").unwrap();
    assert!(what.starts_with("trial at ") && what.ends_with(" is no loner"), "{what}");
    let replay = format!("replay: devp2p sim --seed {seed}");
    assert!(told.iter().any(|line| line.trim_start().starts_with(&replay)), "{told:?}");
    assert!(
        told.iter().any(|line| line.trim_start().starts_with("shrink: devp2p sim")),
        "{told:?}"
    );
    // The last events are before both.
    assert!(told.iter().any(|line| line.contains(" is connected (")), "{told:?}");

    let one = format!("--seed {seed} {worlds}");
    let (status, traced, again) = sim(&format!("{one} --trace"));
    assert_eq!((status, &again[0]), (Some(1), found[0]));
    assert!(traced.len() > 100 && traced.last().unwrap().starts_with("seeds 1, violations 1,"));

    let (status, test, _) = sim(&format!("{one} --shrink"));
    assert_eq!((status, test.first().map(String::as_str)), (Some(1), Some("#[test]")));
    let name = format!("fn seed_{seed}_breaks_trial() {{");
    assert!(test.contains(&name) && test.last().unwrap() == "}", "{test:?}");
    let nodes = test.iter().filter(|line| line.contains(".node(")).count();
    assert_eq!(nodes, 3);

    let (status, objects, _) = sim(&format!("{one} --json"));
    let object: serde_json::Value = serde_json::from_str(&objects[0]).unwrap();
    assert_eq!((status, &object["violation"]["invariant"]), (Some(1), &"trial".into()));
    assert!(object["violation"]["last"].as_array().is_some_and(|lines| !lines.is_empty()));
}
