//! What goes wrong: one line, one exit status, and whose doing it was.

use std::net::TcpListener;

use devp2p_smol::core::p2p::DisconnectReason;
use devp2p_smol::core::session::SessionError;

use crate::peers::{World, rude, visitor, within};
use crate::support::{KeyFile, Listener, Program, error_of, run};

/// Pings a node twice: what it says to people, and to scripts.
fn ping(url: &str, more: &[&str]) -> (String, (String, String)) {
    let arguments = [&["rlpx", "ping", url], more].concat();
    let complaint = run(&arguments).complaint();
    (complaint, run(&[&arguments[..], &["--json"]].concat()).error())
}

fn pair(by: &str, reason: &str) -> (String, String) {
    (by.into(), reason.into())
}

#[test]
fn nobody_listens() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    drop(socket);
    let key = KeyFile::of('1');
    let url = run(&["key", "to-enode", key.name(), "--tcp", &port]).line();
    let (complaint, (by, reason)) = ping(&url, &[]);
    assert!(complaint.starts_with("devp2p: cannot connect: connection refused"), "{complaint}");
    assert_eq!((by, format!("devp2p: {reason}")), ("error".into(), complaint));
}

#[test]
fn another_listens_than_was_meant() {
    let listener = Listener::start_json(&[]);
    let (_, address) = listener.enode.split_once('@').unwrap();
    let key = KeyFile::of('1');
    let other = run(&["key", "to-enode", key.name(), "--ip="]).line();
    let (complaint, error) = ping(&format!("{other}@{address}"), &[]);
    // Nobody tells us so, for want of a common secret.
    let reason = "connection closed by peer without an answer to the handshake: another key than \
                  expected, or no room";
    assert_eq!(complaint, format!("devp2p: {reason}"));
    assert_eq!(error, pair("error", reason));
    let refused = listener.program.json();
    assert_eq!(refused["event"], "refused");
    assert!(refused["id"].is_null());
    assert_eq!(refused["by"], "error");
    assert_eq!(refused["reason"], "handshake message not encrypted to our key");
}

#[test]
fn a_full_node_says_so_until_there_is_room() {
    let listener = Listener::start(&["--echo", "--maxpeers", "1"]);
    let world = World::new();
    let peer = world.dial(&listener.enode, "first");
    assert!(listener.program.line().starts_with('+'));
    let (complaint, error) = ping(&listener.enode, &[]);
    assert_eq!(complaint, "devp2p: peer disconnected: too many peers");
    assert_eq!(error, pair("remote", "too many peers"));
    for _ in 0..2 {
        let line = listener.program.line();
        assert!(line.starts_with('x') && line.ends_with("local: too many peers"), "{line}");
    }
    peer.disconnect(DisconnectReason::Quitting);
    assert!(listener.program.line().starts_with('-'));
    assert_eq!(run(&["rlpx", "ping", &listener.enode]).status, 0);
}

#[test]
fn a_node_without_echo_is_useless() {
    let listener = Listener::start(&[]);
    let echo = ["rlpx", "echo", &listener.enode, "--count", "1", "--size", "1"];
    assert_eq!(run(&echo).complaint(), "devp2p: we disconnected: useless peer");
    let error = run(&[&echo[..], &["--json"]].concat()).error();
    assert_eq!(error, pair("local", "useless peer"));
}

#[test]
fn a_node_is_no_peer_of_its_own() {
    let key = KeyFile::of('1');
    let listener = Listener::start(&["--nodekey", key.name()]);
    let (complaint, (by, reason)) = ping(&listener.enode, &["--nodekey", key.name()]);
    // Both find it out; which one is faster is nobody's business.
    assert!(by == "local" || by == "remote", "{by}");
    assert_eq!(reason, "connected to self");
    assert!(complaint.ends_with("disconnected: connected to self"), "{complaint}");
}

#[test]
fn a_peer_that_leaves_before_its_pong_has_still_said_hello() {
    let (enode, ended) = rude(DisconnectReason::TooManyPeers);
    let outcome = run(&["rlpx", "ping", &enode.to_string(), "--json"]);
    assert_eq!((outcome.status, outcome.output.len(), outcome.errors.len()), (1, 1, 0));
    let value: serde_json::Value = serde_json::from_str(&outcome.output[0]).unwrap();
    assert_eq!(value["hello"]["name"], "rude");
    assert!(value["handshake_ms"].as_f64().unwrap() > 0.0);
    assert!(value["ping_ms"].is_null());
    assert_eq!(error_of(&value), pair("remote", "too many peers"));
    assert_eq!(ended.join().unwrap(), SessionError::Local(DisconnectReason::TooManyPeers));

    let (enode, _) = rude(DisconnectReason::TooManyPeers);
    let outcome = run(&["rlpx", "ping", &enode.to_string()]);
    assert_eq!((outcome.status, outcome.output.len()), (1, 6), "{outcome:?}");
    assert_eq!(outcome.errors, ["devp2p: peer disconnected: too many peers"]);
}

#[test]
fn what_is_no_node_cannot_be_dialled() {
    let key = KeyFile::of('1');
    let (complaint, (by, _)) = ping("http://127.0.0.1", &[]);
    assert_eq!(complaint, "devp2p: invalid enode URL: invalid URL scheme, want \"enode\"");
    assert_eq!(by, "error");
    let nowhere = run(&["key", "to-enode", key.name(), "--ip="]).line();
    let (complaint, _) = ping(&nowhere, &[]);
    assert_eq!(complaint, "devp2p: node has no TCP endpoint");
    // A label has 63 bytes at most: no question about it leaves the machine.
    let (complaint, (by, _)) = ping(&format!("{nowhere}@{}.invalid:30303", "a".repeat(64)), &[]);
    assert_eq!(complaint, "devp2p: cannot resolve host name");
    assert_eq!(by, "error");
}

#[test]
fn what_does_not_fit_into_a_message_is_not_sent() {
    let listener = Listener::start(&["--echo"]);
    let echo = |size| ["rlpx", "echo", &listener.enode, "--count", "1", "--size", size];
    // Random bytes grow when compressed, so that the second just does not fit.
    for size in ["16777216", "16777215"] {
        assert_eq!(run(&echo(size)).complaint(), "devp2p: message length >= 16MB");
    }
    // The first was not even dialled for; the second ended as any other does.
    assert!(listener.program.line().starts_with('+'));
    assert!(listener.program.line().contains("remote: client quitting"));
    run(&echo("16776000")).line();
}

#[test]
fn a_reply_that_differs_is_noticed() {
    let world = World::new();
    let node = world.node("careless");
    let url = node.enode().to_string();
    let program = Program::start(&["rlpx", "echo", &url, "--count", "9", "--size", "100"]);
    let peer = visitor(&node);
    let channel = peer.channel("echo").unwrap();
    let error = within(async {
        for number in 0..4 {
            let mut payload = channel.receive().await.unwrap().payload().to_vec();
            payload[99] ^= u8::from(number == 3);
            channel.send(1, payload).await.unwrap();
        }
        peer.closed().await
    });
    assert_eq!(error, SessionError::Remote(DisconnectReason::SubprotocolError));
    let complaint = program.end().complaint();
    assert_eq!(complaint, "devp2p: the reply to request 3 is not what was sent");
}

#[test]
fn replies_in_another_order_are_noticed() {
    let world = World::new();
    let node = world.node("confused");
    let url = node.enode().to_string();
    let program = Program::start(&["rlpx", "echo", &url, "--count", "2", "--size", "100"]);
    let channel = visitor(&node).channel("echo").unwrap();
    within(async {
        let first = channel.receive().await.unwrap();
        let second = channel.receive().await.unwrap();
        for message in [second, first] {
            let _ = channel.send(1, message.into_payload()).await;
        }
    });
    let complaint = program.end().complaint();
    assert_eq!(complaint, "devp2p: the reply to request 0 is not what was sent");
}

#[test]
fn a_peer_that_leaves_amid_an_echo_is_named_with_its_reason() {
    let world = World::new();
    let node = world.node("leaves");
    let url = node.enode().to_string();
    let program = Program::start(&["rlpx", "echo", &url, "--count", "9", "--size", "1"]);
    let peer = visitor(&node);
    within(peer.channel("echo").unwrap().receive()).unwrap();
    peer.disconnect(DisconnectReason::ProtocolBreach);
    assert_eq!(program.end().complaint(), "devp2p: peer disconnected: breach of protocol");
}

#[test]
fn where_another_listens_we_cannot() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let listen = ["rlpx", "listen", "--addr", &address];
    let complaint = run(&listen).complaint();
    assert!(complaint.starts_with(&format!("devp2p: cannot listen at {address}: ")), "{complaint}");
    assert_eq!(run(&[&listen[..], &["--json"]].concat()).error().0, "error");
}

#[test]
fn wrong_usage_is_told_apart() {
    for arguments in [
        &[][..],
        &["rlpx", "ping"],
        &["rlpx", "echo", "enode://00"],
        &["rlpx", "echo", "enode://00", "--count", "0", "--size", "1"],
        &["rlpx", "listen", "--addr", "nowhere"],
        &["key", "to-id", "file", "--verbosity", "6"],
        &["run", "--nat", "upmp"],
        &["discv4", "listen", "--nat", "extip"],
    ] {
        assert_eq!(run(arguments).status, 2, "{arguments:?}");
    }
}
