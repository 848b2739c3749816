//! `devp2p rlpx` when all goes well.

use devp2p_smol::core::identity::{Enode, PublicKeyHex};
use devp2p_smol::core::p2p::DisconnectReason;
use serde_json::Value;

use crate::peers::{World, visitor, within};
use crate::support::{KeyFile, Listener, run};

/// What a peer might call itself.
const HOSTILE: &str = "evil\u{1b}[31m\u{9b}2J\u{202e}\r\nenode://\u{7f}";

fn shows(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || c == '\u{202e}')
}

fn our_name() -> String {
    format!("devp2p-rs/v{}/", env!("CARGO_PKG_VERSION"))
}

#[test]
fn ping_prints_the_hello_and_two_times() {
    let listener = Listener::start(&["--echo"]);
    let outcome = run(&["rlpx", "ping", &listener.enode]);
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    let field = |name: &str| {
        let line = outcome.output.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    };
    assert!(field("client").starts_with(&our_name()));
    assert_eq!(field("capabilities"), "echo/1");
    assert_eq!(field("p2p version"), "5");
    assert_eq!(field("listen port"), "0");
    assert_eq!(field("id"), listener.enode["enode://".len()..][..128]);
    for time in [field("handshake"), field("ping")] {
        assert!(time.strip_suffix(" ms").unwrap().parse::<f64>().unwrap() > 0.0);
    }
}

#[test]
fn ping_prints_the_same_as_json() {
    let listener = Listener::start(&[]);
    let line = run(&["rlpx", "ping", &listener.enode, "--json"]).line();
    let value: Value = serde_json::from_str(&line).unwrap();
    let hello = &value["hello"];
    assert_eq!(hello["version"], 5);
    assert!(hello["name"].as_str().unwrap().starts_with(&our_name()));
    assert_eq!(hello["caps"], serde_json::json!([]));
    assert_eq!(hello["listen_port"], 0);
    assert_eq!(hello["id"], listener.enode["enode://".len()..][..128]);
    assert!(value["handshake_ms"].as_f64().unwrap() > 0.0);
    assert!(value["ping_ms"].as_f64().unwrap() > 0.0);
    assert!(value.get("error").is_none());
}

#[test]
fn listen_tells_who_comes_and_who_goes() {
    let key = KeyFile::of('7');
    let listener = Listener::start(&["--echo", "--nodekey", key.name()]);
    let url = run(&["key", "to-enode", key.name()]).line();
    assert_eq!(listener.enode[..137], url[..137], "the key is the file's");

    let world = World::new();
    let peer = world.dial(&listener.enode, "somebody/v1");
    let came = listener.program.line();
    let words: Vec<_> = came.split_whitespace().collect();
    assert_eq!(words[0], "+");
    assert_eq!(words[1].len(), 16);
    assert!(words[2].starts_with("127.0.0.1:"));
    assert_eq!(words[3..], ["inbound", "somebody/v1", "echo/1"]);

    peer.disconnect(DisconnectReason::Requested);
    let went = listener.program.line();
    let (who, why) = went.split_once("remote: ").unwrap();
    assert_eq!(who, came.replacen('+', "-", 1).split_once("somebody").unwrap().0);
    assert!(why.starts_with("disconnect requested, after ") && why.ends_with(" s"), "{why}");
}

#[test]
fn listen_tells_the_same_as_json() {
    let listener = Listener::start_json(&["--echo", "--maxpeers", "1"]);
    let world = World::new();
    let peer = world.dial(&listener.enode, "somebody/v1");
    let came = listener.program.json();
    assert_eq!(came["event"], "connected");
    assert_eq!(came["id"].as_str().unwrap().len(), 64);
    assert!(came["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(came["direction"], "inbound");
    assert_eq!(came["name"], "somebody/v1");
    assert_eq!(came["caps"], serde_json::json!(["echo/1"]));

    let node = world.node("another");
    let refusal = within(node.dial(&listener.enode.parse().unwrap())).unwrap_err();
    assert_eq!(refusal.to_string(), "too many peers");
    let refused = listener.program.json();
    assert_eq!(refused["event"], "refused");
    assert_eq!(refused["id"], node.enode().node_id().to_string());
    assert_eq!((&refused["by"], &refused["reason"]), (&"local".into(), &"too many peers".into()));

    peer.disconnect(DisconnectReason::Quitting);
    let went = listener.program.json();
    assert_eq!(went["event"], "disconnected");
    for name in ["id", "remote", "direction"] {
        assert_eq!(went[name], came[name]);
    }
    assert_eq!((&went["by"], &went["reason"]), (&"remote".into(), &"client quitting".into()));
}

#[test]
fn without_echo_everyone_is_admitted() {
    let listener = Listener::start(&[]);
    let world = World::new();
    // It is we who have no use for a node without capabilities.
    let refusal = within(world.node("x").dial(&listener.enode.parse().unwrap())).unwrap_err();
    assert_eq!(refusal.to_string(), "useless peer");
    let line = listener.program.line();
    assert!(line.contains("remote: useless peer") || line.starts_with('+'), "{line}");
}

#[test]
fn every_size_is_echoed() {
    let listener = Listener::start(&["--echo"]);
    for (count, size) in [("1", "0"), ("3000", "1"), ("300", "1024"), ("3", "1048576")] {
        let line = run(&["rlpx", "echo", &listener.enode, "--count", count, "--size", size]).line();
        let begin = format!("{count} messages of {size} bytes there and back in ");
        assert!(line.starts_with(&begin) && line.contains(" messages/s, "), "{line}");
    }
}

#[test]
fn echo_prints_its_figures_as_json() {
    let listener = Listener::start(&["--echo"]);
    for window in ["1", "7", "4096"] {
        let echo = ["rlpx", "echo", &listener.enode, "--count", "5000", "--size", "32"];
        let line = run(&[&echo[..], &["--window", window, "--json"]].concat()).line();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["count"], &value["size"]), (&5000.into(), &32.into()));
        assert!(value["seconds"].as_f64().unwrap() > 0.0);
        assert!(value["messages_per_second"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_dialling_echo_answers_requests_too() {
    let world = World::new();
    let node = world.node("asks back");
    let url = node.enode().to_string();
    let echo = ["rlpx", "echo", &url, "--count", "1", "--size", "3"];
    let program = crate::support::Program::start(&echo);
    let channel = visitor(&node).channel("echo").unwrap();
    within(async {
        let request = channel.receive().await.unwrap();
        channel.send(0, "and you?").await.unwrap();
        let answer = channel.receive().await.unwrap();
        assert_eq!((answer.code(), &answer.payload()[..]), (1, &b"and you?"[..]));
        channel.send(1, request.into_payload()).await.unwrap();
    });
    program.end().line();
}

#[test]
fn what_a_peer_calls_itself_never_reaches_a_terminal_as_it_is() {
    let world = World::new();
    for listener in [Listener::start(&["--echo"]), Listener::start_json(&["--echo"])] {
        let _peer = world.dial(&listener.enode, HOSTILE);
        let line = listener.program.line();
        assert!(line.contains("evil") && shows(&line), "{line:?}");
    }
    let node = world.node(HOSTILE);
    let url = node.enode().to_string();
    let outcome = run(&["rlpx", "ping", &url]);
    assert_eq!(outcome.output.len(), 7, "{outcome:?}");
    assert!(outcome.output.iter().all(|line| shows(line)), "{outcome:?}");
    let line = run(&["rlpx", "ping", &url, "--json"]).line();
    assert!(shows(&line), "{line:?}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["hello"]["name"], HOSTILE, "escaped, and yet the same");
}

#[test]
fn the_id_that_ping_prints_is_the_one_that_was_dialled() {
    let world = World::new();
    let node = world.node("x");
    let enode: Enode = node.enode();
    let line = run(&["rlpx", "ping", &enode.to_string(), "--json"]).line();
    assert!(line.contains(&PublicKeyHex(enode.public_key()).to_string()));
    let peer = visitor(&node);
    assert_eq!(peer.hello().capabilities.len(), 1, "it offers what we do");
}
