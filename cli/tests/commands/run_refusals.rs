//! What `devp2p run` does not begin with: one line that says what and where, and
//! nothing left half-written.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::run::{ALONE, start};
use crate::support::{KeyFile, Outcome, Program, command, run, unprivileged};

fn place() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A node that is not to find anybody, with these arguments, to its end.
fn outcome(more: &[&str]) -> Outcome {
    run(&[&ALONE[..], &["--nodiscover"], more].concat())
}

fn complaint(more: &[&str]) -> String {
    outcome(more).complaint()
}

/// The same where even the superuser is refused what a mode does not allow.
fn unprivileged_complaint(more: &[&str]) -> Option<String> {
    let arguments = [&ALONE[..], &["--nodiscover"], more].concat();
    Some(Program::of(unprivileged(&arguments)?).end().complaint())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything under a folder, by name.
fn tree(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        found.push(text(&path).to_owned());
        if path.is_dir() {
            found.extend(tree(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn a_port_in_use_is_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = place();
    let data = ["--datadir", text(place.path())];
    let first = ["run", "--addr", "127.0.0.1", "--bootnodes="];
    for (address, option) in
        [(tcp.local_addr().unwrap(), "--port"), (udp.local_addr().unwrap(), "--discovery.port")]
    {
        let port = address.port().to_string();
        let other = if option == "--port" { "--discovery.port" } else { "--port" };
        let more = [option, &port, other, "0"];
        let outcome = run(&[&first[..], &more, &data].concat());
        let said = outcome.complaint();
        assert!(said.starts_with(&format!("devp2p: cannot listen at {address}: ")), "{said}");
        assert!(said.contains("in use"), "{said}");
    }
    // The key that was made is whole, and is the one that is used.
    let key = place.path().join("geth/nodekey");
    let id = run(&["key", "to-enode", text(&key)]).line();
    let (node, enode) = start(&["--nodiscover", data[0], data[1]]);
    assert_eq!(enode.split('@').next(), id.split('@').next());
    drop(node);
}

#[test]
fn every_address_is_as_taken_as_one() {
    let Ok(taken) = TcpListener::bind("[::]:0") else { return };
    let port = taken.local_addr().unwrap().port().to_string();
    let said = run(&["run", "--nodiscover", "--port", &port]).complaint();
    assert!(said.starts_with(&format!("devp2p: cannot listen at [::]:{port}: ")), "{said}");
}

#[test]
fn a_key_that_cannot_be_read_is_named_and_left_alone() {
    let key = KeyFile::of('1');
    let is = |why: &str| format!("devp2p: node key file {}: {why}", key.name());
    for (text, why) in [
        ("1".repeat(63), "too short, want 64 hex characters"),
        ("1".repeat(65), "invalid character '1' after the key"),
        (format!("{}\n\n\n", "1".repeat(64)), "too long, want 64 hex characters"),
        ("g".repeat(64), "not hex"),
        ("0".repeat(64), "not a secret key: out of range"),
        (String::new(), "too short, want 64 hex characters"),
    ] {
        fs::write(key.path(), &text).unwrap();
        assert_eq!(complaint(&["--nodekey", key.name()]), is(why));
        assert_eq!(fs::read_to_string(key.path()).unwrap(), text);
    }
    fs::write(key.path(), "1".repeat(64)).unwrap();
    set_mode(key.path(), 0o000);
    if let Some(said) = unprivileged_complaint(&["--nodekey", key.name()]) {
        assert_eq!(said, is("permission denied"));
    }
    fs::remove_file(key.path()).unwrap();
    assert_eq!(complaint(&["--nodekey", key.name()]), is("no such file or directory"));
    let said = complaint(&["--nodekeyhex", "11"]);
    assert_eq!(said, "devp2p: invalid node key, want 64 hex characters");
}

#[test]
fn a_key_of_a_data_directory_that_is_none_is_not_replaced() {
    let place = place();
    fs::create_dir(place.path().join("geth")).unwrap();
    let file = place.path().join("geth/nodekey");
    fs::write(&file, "precious").unwrap();
    set_mode(&file, 0o600);
    let said = complaint(&["--datadir", text(place.path())]);
    assert!(
        said.starts_with(&format!("devp2p: node key file {}: too short", file.display())),
        "{said}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let place = place();
    fs::create_dir(place.path().join("geth")).unwrap();
    let file = place.path().join("geth/nodekey");
    fs::write(&file, "1".repeat(64)).unwrap();
    set_mode(&file, 0o644);
    let (node, _) = start(&["--nodiscover", "--datadir", text(place.path())]);
    let said = node.error();
    assert!(said.contains("WARN") && said.contains(text(&file)), "{said}");
    assert!(said.contains("is open to others: chmod 600 it"), "{said}");
}

#[test]
fn an_unknown_flag_is_told_with_the_nearest_and_status_2() {
    for (flag, nearest) in [
        ("--maxpeer=3", "--maxpeers"),
        ("--bootnode=", "--bootnodes"),
        ("--data-dir=x", "--datadir"),
        ("--discovery-port=3", "--discovery.port"),
    ] {
        let Outcome { status, output, errors } = outcome(&[flag]);
        assert_eq!((status, output.len(), errors.len()), (2, 0, 1), "{flag}: {errors:?}");
        let name = flag.split('=').next().unwrap();
        assert!(errors[0].starts_with(&format!("devp2p: unexpected argument '{name}' found")));
        assert!(errors[0].contains(&format!("'{nearest}'")), "{errors:?}");
    }
    for wrong in [
        &["--port", "70000"][..],
        &["--netrestrict", "10.0.0.0"],
        &["--addr", "nowhere"],
        &["--network", "ropsten"],
        &["--nodekey", "a", "--nodekeyhex", "b"],
        &["--discovery.v4"],
        &["--nodiscover=maybe"],
        &["--log", "wran"],
    ] {
        let Outcome { status, output, errors } = outcome(wrong);
        assert_eq!((status, output.len(), errors.len()), (2, 0, 1), "{wrong:?}: {errors:?}");
        assert!(errors[0].starts_with("devp2p: "), "{errors:?}");
    }
}

#[test]
fn a_file_that_is_wrong_is_named_with_line_and_reason_and_nothing_is_made() {
    let place = place();
    let (file, data) = (place.path().join("config.toml"), place.path().join("data"));
    let arguments = ["--config", text(&file), "--datadir", text(&data)];
    for (p2p, why) in [
        ("MaxPeer = 3", ":2: there is no \"MaxPeer\" in [Node.P2P], the nearest is \"MaxPeers\""),
        ("MaxPeers = \"3\"", ":2: MaxPeers: want a whole number, 0 or more"),
        ("StaticNodes = [\"enode://12\"]", ":2: \"enode://12\": invalid enode URL: "),
        ("TrustedNodes = [\"http://1\"]", ":2: \"http://1\": invalid node record: "),
        ("NetRestrict = [\"10.0.0.0\"]", ":2: \"10.0.0.0\": no '/' in network"),
        ("ListenAddr = \"here\"", ":2: invalid address, want "),
        ("MaxPeers =", ":2: "),
    ] {
        fs::write(&file, format!("[Node.P2P]\n{p2p}\n")).unwrap();
        let said = complaint(&arguments);
        assert!(said.starts_with(&format!("devp2p: {}{why}", file.display())), "{said}");
    }
    fs::write(&file, "[Node.P2P]\nMaxPeers = 99999\n").unwrap();
    let said = format!("devp2p: {}: MaxPeers: expected at most 10000", file.display());
    assert_eq!(complaint(&arguments), said);
    let said = complaint(&[&arguments[..], &["--maxpeers", "99999"]].concat());
    assert_eq!(said, "devp2p: --maxpeers: expected at most 10000");
    fs::write(&file, "").unwrap();
    let said = complaint(&[&arguments[..], &["--identity", &"x".repeat(300)]].concat());
    assert!(said.starts_with("devp2p: --identity: longer than "), "{said}");
    fs::remove_file(&file).unwrap();
    let said = complaint(&arguments);
    assert!(said.starts_with(&format!("devp2p: {}: No such file", file.display())), "{said}");
    assert_eq!(tree(place.path()), [] as [String; 0]);
}

#[test]
fn a_url_that_is_none_is_told_with_its_flag_and_nothing_is_made() {
    let place = place();
    let data = place.path().join("data");
    let cases: [(&[&str], &str); 3] = [
        (&["--bootnodes", "enode://12"], "invalid bootnode: "),
        (&["--nodiscover", "--staticnodes", "enode://12"], "--staticnodes: "),
        (&["--nodiscover", "--trustednodes", "enode://12"], "--trustednodes: "),
    ];
    for (arguments, name) in cases {
        let data = ["--datadir", text(&data)];
        let said = run(&[&ALONE[..], arguments, &data].concat()).complaint();
        assert!(said.starts_with(&format!("devp2p: {name}invalid enode URL: ")), "{said}");
    }
    assert_eq!(tree(place.path()), [] as [String; 0]);
}

#[test]
fn a_data_directory_has_one_process_at_a_time() {
    let place = place();
    let arguments = ["--nodiscover", "--datadir", text(place.path())];
    let (node, _) = start(&arguments);
    let before = tree(place.path());
    let is_used =
        format!("devp2p: data directory {}: in use by another process", place.path().display());
    assert_eq!(complaint(&arguments[1..]), is_used);
    assert_eq!(tree(place.path()), before);
    // One that was killed is as one that has ended.
    node.kill();
    let (node, _) = start(&arguments);
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
}

#[test]
fn a_node_database_has_one_process_at_a_time() {
    let place = place();
    let arguments = ["--bootnodes=", "--nodedb", text(place.path())];
    let (_node, _) = start(&arguments);
    let said = Program::of(command(&[&ALONE[..], &arguments].concat())).end().complaint();
    let is_used = "node database is in use by another process";
    assert_eq!(said, format!("devp2p: {}: {is_used}", place.path().display()));
}

#[test]
fn a_directory_that_cannot_be_written_is_named_and_left_alone() {
    let place = place();
    let outer = place.path().join("outer");
    let data = outer.join("data");
    for closed in [outer, data.clone(), data.join("geth")] {
        fs::create_dir_all(&closed).unwrap();
        set_mode(&closed, 0o500);
        let before = tree(place.path());
        let said = unprivileged_complaint(&["--datadir", text(&data)]);
        assert_eq!(tree(place.path()), before);
        set_mode(&closed, 0o700);
        let Some(said) = said else { return };
        let denied = "Permission denied (os error 13)";
        assert_eq!(said, format!("devp2p: data directory {}: {denied}", data.display()));
    }
    let file = place.path().join("file");
    fs::write(&file, "precious").unwrap();
    let said = complaint(&["--datadir", text(&file)]);
    assert!(said.starts_with(&format!("devp2p: data directory {}: ", file.display())), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}
