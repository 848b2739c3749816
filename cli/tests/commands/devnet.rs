//! `devp2p devnet`: whole networks.

use serde_json::Value;

use crate::support::{Outcome, run};

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
    let outcome = run(&["devnet", "--nodes", "5", "--for", "12s", "--kill", "1", "--json"]);
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
    assert!(said.ends_with("fell short"), "{said}");
}
