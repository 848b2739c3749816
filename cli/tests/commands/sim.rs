//! `devp2p sim`: networks in virtual time.

use serde_json::Value;

use crate::support::{Program, run};

/// Small enough for a test.
const SMALL: [&str; 4] = ["--nodes", "2", "--time", "1s"];

fn sim(arguments: &[&str]) -> Vec<String> {
    let outcome = run(&[&["sim"], &SMALL[..], arguments].concat());
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    outcome.output
}

#[test]
fn one_line_says_what_all_seeds_came_to_however_many_run_at_a_time() {
    let one = sim(&["--seeds", "3..7", "--jobs", "1"]);
    assert_eq!(one, sim(&["--seeds", "3..7", "--jobs", "2"]));
    let [line] = &one[..] else { panic!("{one:?}") };
    let digest = line.strip_prefix("seeds 4, violations 0, digest ").expect("the summary");
    assert!(digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_hexdigit()), "{line}");
    assert_ne!(one, sim(&["--seeds", "4..8"]));
}

#[test]
fn a_seed_alone_comes_to_what_it_comes_to_among_others_traced_or_not() {
    let among = sim(&["--seeds", "5..6"]);
    assert_eq!(among, sim(&["--seed", "5"]));
    assert_eq!(among, sim(&["--seed", "5", "--unchecked"]));
    let traced = sim(&["--seed", "5", "--trace"]);
    assert_eq!(traced.last(), among.last());
    for part in ["node 1: NodePlan", "n0     starts", "sends ping to"] {
        assert!(traced.iter().any(|line| line.contains(part)), "{part}: {traced:?}");
    }
}

#[test]
fn scripts_get_an_object_for_each_seed_and_each_line() {
    let objects = |arguments: &[&str]| -> Vec<Value> {
        sim(arguments).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let seeds = objects(&["--seeds", "5..7", "--json"]);
    let events: Vec<_> = seeds.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["seed", "seed", "summary"]);
    assert_eq!((&seeds[0]["seed"], &seeds[1]["seed"]), (&Value::from(5), &Value::from(6)));
    assert_eq!(seeds[0]["violation"], Value::Null);
    assert_eq!((&seeds[2]["seeds"], &seeds[2]["violations"]), (&Value::from(2), &Value::from(0)));
    let lines = objects(&["--seed", "5", "--trace", "--json"]);
    // Its nodes and faults first, numbered.
    assert_eq!(lines[0]["event"], "scenario");
    assert_eq!((&lines[0]["part"], &lines[0]["number"]), (&Value::from("node"), &Value::from(0)));
    assert!(lines[0]["code"].as_str().unwrap().starts_with("NodePlan {"));
    let events = lines.iter().map(|object| object["event"].as_str().unwrap());
    assert!(events.skip_while(|event| *event == "scenario").all(|event| event != "scenario"));
    assert!(lines.iter().any(|line| line["node"] == 0 && line["what"] == "starts"));
    let seed = lines.iter().find(|object| object["event"] == "seed");
    assert_eq!(seed.unwrap()["digest"], seeds[0]["digest"]);
}

#[test]
fn what_cannot_be_simulated_is_told_with_its_flag() {
    for (arguments, flag) in [
        (&["--seeds", "5..5"][..], "--seeds"),
        (&["--seeds", "9"], "--seeds"),
        (&["--seeds", "0..1", "--jobs", "0"], "--jobs"),
        (&["--seeds", "0..1", "--nodes", "0"], "--nodes"),
        (&["--seeds", "0..1", "--nodes", "60001"], "--nodes"),
        (&["--seeds", "0..1", "--time", "0s"], "--time"),
        (&["--seeds", "0..1", "--seed", "1"], "--seed"),
        (&["--seeds", "0..1", "--trace"], "--trace"),
        (&["--seeds", "0..1", "--shrink"], "--shrink"),
        (&[], "--seeds"),
    ] {
        let outcome = run(&[&["sim"], arguments].concat());
        assert_eq!((outcome.status, outcome.errors.len()), (2, 1), "{outcome:?}");
        assert!(outcome.errors[0].contains(flag), "{outcome:?}");
    }
    if !cfg!(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only") {
        let outcome = run(&["sim", "--seed", "1", "--stand-in-keys"]);
        assert_eq!(outcome.status, 2);
        assert!(outcome.errors[0].contains("this build has none"), "{outcome:?}");
    }
}

#[test]
fn a_signal_ends_it_and_what_was_done_is_said() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let arguments = ["sim", "--seeds", "0..1000000", "--jobs", "2", "--json"];
        let program = Program::start(&[&arguments[..], &SMALL[..]].concat());
        assert_eq!(program.json()["event"], "seed");
        program.signal(signal);
        let outcome = program.end();
        assert_eq!(outcome.status, status, "{outcome:?}");
        let said: Vec<Value> =
            outcome.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [.., summary, error] = &said[..] else { panic!("{said:?}") };
        assert_eq!(error["error"]["reason"], "interrupted");
        let seeds = summary["seeds"].as_u64().unwrap();
        assert!((1..1_000_000).contains(&seeds), "{summary}");
        // One was read before, two were not of seeds.
        assert_eq!(usize::try_from(seeds).unwrap(), said.len() - 1);
    }
}
