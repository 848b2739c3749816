//! `devp2p nodeset`. The expected outputs are those of geth's tool
//! (go-ethereum 1.17.6) for the same file.

use serde_json::{Value, json};

use crate::support::run;

/// Three nodes: a plain one; one that serves mainnet and snapshots; one known
/// by its URL alone.
const NODES: &str = include_str!("nodes.json");

struct File {
    _folder: tempfile::TempDir,
    path: String,
}

impl File {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.json");
        std::fs::write(&path, text).unwrap();
        Self { path: path.to_str().unwrap().to_owned(), _folder: folder }
    }

    /// The ids of those that pass.
    fn filter(&self, filters: &[&str]) -> Vec<String> {
        let outcome = run(&[&["nodeset", "filter", &self.path], filters].concat());
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
        let passed: Value = serde_json::from_str(&outcome.output.join("\n")).unwrap();
        passed.as_object().unwrap().keys().map(|id| id[..4].to_owned()).collect()
    }
}

#[test]
fn info_counts_what_records_speak_of() {
    let file = File::with(NODES);
    let outcome = run(&["nodeset", "info", &file.path]);
    let expected = [
        "Set contains 3 nodes.",
        "ENR attribute counts:",
        "       eth: 1",
        "        id: 2",
        "        ip: 3",
        " secp256k1: 3",
        "      snap: 1",
        "       tcp: 2",
        "       udp: 3",
    ];
    assert_eq!((outcome.status, &outcome.output[..]), (0, &expected.map(String::from)[..]));
    let line = run(&["nodeset", "info", &file.path, "--json"]).line();
    let attributes =
        json!({"eth": 1, "id": 2, "ip": 3, "secp256k1": 3, "snap": 1, "tcp": 2, "udp": 3});
    let expected = json!({"nodes": 3, "attributes": attributes});
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn without_a_filter_the_file_comes_out_as_it_went_in() {
    let file = File::with(NODES);
    let outcome = run(&["nodeset", "filter", &file.path]);
    assert_eq!(outcome.output.join("\n"), NODES);
}

#[test]
fn filters_let_pass_whom_geth_s_let_pass() {
    let file = File::with(NODES);
    for (filters, ids) in [
        (&["--dialable"][..], &["3056", "c0a6"][..]),
        (&["--snap"], &["3056"]),
        (&["--les-server"], &[]),
        (&["--eth-network", "mainnet"], &["3056"]),
        (&["--eth-network", "sepolia"], &[]),
        (&["--ip", "127.0.0.0/8"], &["a448", "c0a6"]),
        (&["--min-age", "1h"], &["a448"]),
        (&["--limit", "2"], &["3056", "a448"]),
        (&["--limit", "1", "--dialable"], &["3056"]),
    ] {
        assert_eq!(file.filter(filters), ids, "{filters:?}");
    }
}

#[test]
fn nothing_that_does_not_show_comes_out() {
    let noted = NODES.replacen("\"seq\"", "\"note\": \"\u{9b}2J\u{202e}\", \"seq\"", 1);
    let file = File::with(&noted);
    let outcome = run(&["nodeset", "filter", &file.path]);
    let text = outcome.output.join("\n");
    assert!(text.contains(r#""note": "\u009b2J\u202e""#), "{text}");
    let [out, into] = [&text, &noted].map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(out, into);
}

#[test]
fn a_file_that_is_none_is_refused() {
    let cut = File::with(&NODES[..NODES.len() / 2]);
    for command in ["info", "filter"] {
        let complaint = run(&["nodeset", command, &cut.path]).complaint();
        assert!(complaint.contains("nodes.json: invalid JSON: EOF"), "{complaint}");
        let complaint = run(&["nodeset", command, "/nowhere/at/all"]).complaint();
        assert!(complaint.starts_with("devp2p: /nowhere/at/all: No such file"), "{complaint}");
    }
    for filter in [&["--ip", "10.0.0.0"][..], &["--eth-network", "holesky"], &["--min-age", "x"]] {
        let outcome = run(&[&["nodeset", "filter", &cut.path], filter].concat());
        assert_eq!(outcome.status, 2, "{filter:?}");
    }
}
