//! `devp2p devnet`: whole networks.

use serde_json::Value;

use crate::peers::World;
use crate::support::{KeyFile, Outcome, run};

fn summary(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.output.last().expect("no summary")).unwrap()
}

#[test]
fn a_network_finds_itself_and_every_echo_comes_back() {
    let outcome = run(&["devnet", "--nodes", "6", "--for", "8s", "--json"]);
    let summary = summary(&outcome);
    assert_eq!((outcome.status, &summary["ok"]), (0, &Value::Bool(true)), "{outcome:?}");
    assert_eq!(summary["peers"]["least"], 5);
    assert_eq!(summary["wrong"], 0);
    assert!(summary["echoes"].as_u64().unwrap() > 50);
    assert!(outcome.output.len() >= 4, "it says how it goes on");
}

#[test]
fn a_node_that_is_stopped_and_restarted_is_found_again() {
    let kill = ["--nodes", "5", "--for", "12s", "--kill", "1", "--runtime", "tokio", "--json"];
    let outcome = run(&[&["devnet"], &kill[..]].concat());
    let summary = summary(&outcome);
    assert_eq!((outcome.status, &summary["ok"]), (0, &Value::Bool(true)), "{outcome:?}");
    assert_eq!(summary["restarts"], 1);
}

#[test]
fn what_falls_short_is_named_and_is_a_failure() {
    let outcome = run(&["devnet", "--nodes", "3", "--for", "3s", "--maxpeers", "0"]);
    assert_eq!(outcome.status, 1, "{outcome:?}");
    let said = outcome.output.join("\n");
    assert!(said.contains("short: node 1 has 0 peers"), "{said}");
    assert!(said.contains("short: no echo came back"), "{said}");
    assert!(said.ends_with("fell short"), "{said}");
}

#[test]
fn restarts_for_which_there_is_no_time_are_a_failure() {
    let outcome = run(&["devnet", "--nodes", "3", "--for", "5s", "--kill", "20"]);
    assert_eq!(outcome.status, 1, "{outcome:?}");
    let said = outcome.output.join("\n");
    assert!(said.contains("short: of 20 restarts there was no time for more"), "{said}");
}

/// Whoever asks all the time is owed an answer and owes one.
#[test]
fn a_peer_that_answers_no_echo_is_a_failure() {
    let world = World::new();
    let deaf = world.deaf().enode().to_string();
    let outcome = run(&["devnet", "--nodes", "2", "--for", "4s", "--join", &deaf, "--json"]);
    let summary = summary(&outcome);
    assert_eq!((outcome.status, &summary["ok"]), (1, &Value::Bool(false)), "{outcome:?}");
    assert!(summary["wrong"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["unexpected_ends"], 0);
}

#[test]
fn a_network_to_join_that_is_not_there_is_a_failure() {
    let key = KeyFile::of('7');
    let nobody =
        run(&["key", "to-enode", key.name(), "--ip", "127.0.0.1", "--tcp", "9", "--udp", "9"]);
    let outcome = run(&["devnet", "--nodes", "2", "--for", "3s", "--join", &nobody.line()]);
    assert_eq!(outcome.status, 1, "{outcome:?}");
    let said = outcome.output.join("\n");
    assert!(said.contains("short: nobody answers where a network was to be joined"), "{said}");
}
