//! Files that geth itself has written: `run --config` takes them as they are. Each
//! begins with the command that made it.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Instant;

use serde_json::Value;

use crate::run::{start, started};
use crate::support::{PATIENCE, Program, run};

/// The networks, and what geth was told of gateways.
const FILES: [(&str, &str); 3] =
    [("mainnet", "upnp"), ("sepolia", "extip:203.0.113.7"), ("hoodi", "stun")];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn file(network: &str) -> PathBuf {
    here(&format!("tests/commands/dumpconfig/{network}.toml"))
}

/// A node with such a file, kept to this machine.
fn configured(network: &str, more: &[&str]) -> (Program, String) {
    let file = file(network);
    let alone =
        ["run", "--addr=127.0.0.1", "--port=0", "--discovery.port=0", "--bootnodes=", "--echo"];
    let of_file = ["--config", file.to_str().unwrap()];
    started(Program::start(&[&alone[..], &of_file, more].concat()))
}

#[test]
fn a_node_starts_with_what_geth_s_dumpconfig_writes() {
    let place = tempfile::tempdir().unwrap();
    for (network, _) in FILES {
        let data = place.path().join(network);
        let text = data.to_str().unwrap();
        let (node, _) = configured(network, &["--nat", "none", "--datadir", text]);
        // Where the file would have the admin socket, if anywhere.
        let socket = data.join(["x.ipc", "geth.ipc"][usize::from(network == "sepolia")]);
        assert_eq!(socket.exists(), network != "hoodi", "{network}");
        node.signal("TERM");
        let outcome = node.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{network}: {outcome:?}");
        assert!(data.join("geth/nodekey").exists());
    }
}

#[test]
fn the_file_is_heeded_in_what_the_command_line_does_not_say() {
    let place = tempfile::tempdir().unwrap();
    let text = place.path().to_str().unwrap();
    let (other, other_url) = start(&["--nodiscover"]);
    let arguments = ["--datadir", text, "--staticnodes", &other_url];
    let (node, url) = configured("sepolia", &arguments);
    assert!(url.contains("@203.0.113.7:"), "{url}");
    let line = other.line();
    assert!(line.contains("devp2p-rs/kitchen/v"), "{line}");
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
    // Outside of the networks that the file names.
    let far = other_url.replace("127.0.0.1", "192.0.2.1");
    let (node, _) = configured("sepolia", &["--datadir", text, "--staticnodes", &far]);
    let socket = place.path().join("geth.ipc");
    let is_refused = || {
        let asked = ["admin", "reasons", "--json", "--ipcpath", socket.to_str().unwrap()];
        let reasons: Value = serde_json::from_str(&run(&asked).line()).unwrap();
        reasons["devp2p_dials_refused_total"]["net_restrict"].as_u64() > Some(0)
    };
    let begun = Instant::now();
    while !is_refused() {
        assert!(begun.elapsed() < PATIENCE, "the file's networks are not kept to");
        sleep(Duration::from_millis(50));
    }
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
}

/// The lists of `--network` are data of our own: here they are beside geth's.
#[test]
fn the_bootnodes_of_each_network_are_those_that_geth_writes() {
    for (network, nat) in FILES {
        let text = fs::read_to_string(file(network)).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let p2p = &file["Node"]["P2P"];
        assert_eq!(p2p["NAT"].as_str(), Some(nat));
        let theirs = p2p["BootstrapNodes"].as_array().unwrap();
        let theirs: Vec<_> = theirs.iter().map(|url| url.as_str().unwrap().to_owned()).collect();
        let ours = fs::read_to_string(here(&format!("src/networks/{network}.txt"))).unwrap();
        let ours: Vec<_> = ours
            .lines()
            .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("enode://")))
            .collect();
        assert_eq!(ours, theirs, "{network}");
    }
}
