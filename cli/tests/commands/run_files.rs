//! `devp2p run` with geth's files: the data directory, and the configuration that
//! it reads at its start and at SIGHUP.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{ALONE, start, started};
use crate::support::{KeyFile, PATIENCE, Program, command, run};

fn place() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The part of a URL that a node keeps.
fn identity(enode: &str) -> &str {
    enode.split_once('@').unwrap().0
}

/// A file of `--config` that can be written again.
struct Configuration {
    _place: TempDir,
    path: PathBuf,
}

impl Configuration {
    fn of(p2p: &str) -> Self {
        let place = place();
        let path = place.path().join("config.toml");
        let file = Self { _place: place, path };
        file.write(p2p);
        file
    }

    fn write(&self, p2p: &str) {
        let listen = "ListenAddr = \"127.0.0.1:0\"\nNoDiscovery = true";
        fs::write(&self.path, format!("[Node.P2P]\n{listen}\n{p2p}\n")).unwrap();
    }

    fn start(&self, more: &[&str]) -> (Program, String) {
        let arguments = ["run", "--echo", "--config", text(&self.path)];
        started(Program::start(&[&arguments[..], more].concat()))
    }
}

#[test]
fn a_data_directory_is_made_as_geth_has_it_and_keeps_who_we_are() {
    let place = place();
    let data = place.path().join("new/data");
    let arguments = ["--bootnodes=", "--datadir", text(&data)];
    let mut enodes = Vec::new();
    for runtime in ["smol", "tokio"] {
        let (node, enode) = start(&[&arguments[..], &["--runtime", runtime]].concat());
        node.signal("TERM");
        let outcome = node.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
        enodes.push(enode);
    }
    assert_eq!(identity(&enodes[0]), identity(&enodes[1]));

    let geth = data.join("geth");
    assert_eq!((mode(&geth), mode(&geth.join("nodekey"))), (0o700, 0o600));
    let id = run(&["key", "to-id", text(&geth.join("nodekey"))]).line();
    let dump = run(&["db", "dump", text(&geth.join("nodes"))]);
    assert!(dump.output.iter().any(|line| line.starts_with(&format!("local {id}: "))), "{dump:?}");
    let names = fs::read_dir(&geth).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["LOCK", "nodekey", "nodes"]);
}

#[test]
fn the_key_that_a_data_directory_has_is_taken_unless_another_is_given() {
    let place = place();
    let file = place.path().join("geth/nodekey");
    fs::create_dir(place.path().join("geth")).unwrap();
    fs::write(&file, "2".repeat(64)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let with = |more: &[&str]| {
        let (node, enode) =
            start(&[&["--nodiscover", "--datadir", text(place.path())], more].concat());
        node.signal("TERM");
        assert_eq!(node.end().status, 0);
        identity(&enode).to_owned()
    };
    let of = |file: &str| identity(&run(&["key", "to-enode", file]).line()).to_owned();
    assert_eq!(with(&[]), of(text(&file)));
    let other = KeyFile::of('3');
    assert_eq!(with(&["--nodekey", other.name()]), of(other.name()));
    assert_eq!(with(&["--nodekeyhex", &"3".repeat(64)]), of(other.name()));
    assert_eq!(fs::read_to_string(&file).unwrap(), "2".repeat(64));
}

#[test]
fn a_file_says_what_the_command_line_does_not() {
    let (first, enode) = start(&["--nodiscover"]);
    let place = place();
    let path = place.path().join("config.toml");
    let data = place.path().join("data");
    let file = format!(
        "[Node]\nDataDir = {data:?}\nUserIdent = \"kitchen\"\n\
         [Node.P2P]\nListenAddr = \"127.0.0.1:0\"\nNoDiscovery = true\nStaticNodes = [\"{enode}\"]\n"
    );
    fs::write(&path, file).unwrap();
    let arguments = ["run", "--echo", "--config", text(&path)];
    let cases: [(&[&str], &str); 2] = [(&[], "kitchen"), (&["--identity", "attic"], "attic")];
    for (more, name) in cases {
        let (second, url) = started(Program::start(&[&arguments[..], more].concat()));
        assert!(url.contains("@127.0.0.1:"), "{url}");
        let line = first.line();
        assert!(line.starts_with("+ ") && line.contains(&format!("devp2p-rs/{name}/v")), "{line}");
        assert!(second.line().contains("outbound"));
        second.signal("TERM");
        assert_eq!(second.end().status, 0);
        assert!(first.line().starts_with("- "));
    }
    assert!(data.join("geth/nodekey").exists());
}

#[test]
fn at_sighup_static_nodes_are_dialled_and_dropped_as_the_file_says() {
    let (other, enode) = start(&["--nodiscover"]);
    let file = Configuration::of("");
    let (node, _) = file.start(&[]);
    file.write(&format!("StaticNodes = [\"{enode}\"]"));
    node.signal("HUP");
    let line = node.line();
    assert!(line.starts_with("+ ") && line.contains("outbound"), "{line}");
    assert!(other.line().starts_with("+ "));

    // What is wrong changes nothing.
    file.write("StaticNode = []");
    node.signal("HUP");
    let said = node.error();
    assert!(
        said.contains("all stays as it was") && said.contains("nearest is \"StaticNodes\""),
        "{said}"
    );

    file.write("StaticNodes = []");
    node.signal("HUP");
    let line = node.line();
    assert!(line.starts_with("- "), "{line}");
    let line = other.line();
    assert!(line.starts_with("- ") && line.contains("disconnect requested"), "{line}");
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
}

#[test]
fn at_sighup_limits_and_trusted_nodes_are_those_of_the_file() {
    let key = KeyFile::of('7');
    let friend = run(&["key", "to-enode", key.name()]).line();
    let file = Configuration::of("MaxPeers = 0");
    let (node, enode) = file.start(&["--log", "devp2p::run::reload=info"]);
    let ping = |more: &[&str]| run(&[&["rlpx", "ping", &enode], more].concat());
    let refused = || {
        assert!(ping(&[]).complaint().contains("too many peers"));
        assert!(node.line().starts_with("x "));
    };
    let admitted = |more: &[&str]| {
        assert_eq!(ping(more).status, 0);
        assert!(node.line().starts_with("+ ") && node.line().starts_with("- "));
    };
    let read_again = |p2p: &str| {
        file.write(p2p);
        node.signal("HUP");
        let said = node.error();
        assert!(said.contains("configuration read again"), "{said}");
    };
    refused();
    read_again("MaxPeers = 5");
    admitted(&[]);
    read_again(&format!("MaxPeers = 0\nTrustedNodes = [\"{friend}\"]"));
    refused();
    admitted(&["--nodekey", key.name()]);
    read_again("MaxPeers = 0");
    refused();
    assert!(ping(&["--nodekey", key.name()]).complaint().contains("too many peers"));
}

#[test]
fn at_sighup_a_list_that_is_too_long_changes_nothing() {
    let file = Configuration::of("MaxPeers = 0");
    let (node, enode) = file.start(&["--log", "devp2p::run::reload=info"]);
    let (public, _) = identity(&enode).split_at("enode://".len() + 128);
    let nodes: Vec<_> = (1..=4097).map(|port| format!("\"{public}@127.0.0.1:{port}\"")).collect();
    file.write(&format!("MaxPeers = 5\nStaticNodes = [{}]", nodes.join(",")));
    node.signal("HUP");
    let said = node.error();
    assert!(said.contains("all stays as it was") && said.contains("StaticNodes"), "{said}");
    assert!(run(&["rlpx", "ping", &enode]).complaint().contains("too many peers"));
}

#[test]
fn the_command_line_stands_at_sighup() {
    let file = Configuration::of("MaxPeers = 5");
    let place = place();
    let socket = place.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut prepared = command(&["run", "--echo", "--maxpeers", "0", "--config", text(&file.path)]);
    prepared.env("NOTIFY_SOCKET", &socket);
    let (node, enode) = started(Program::of(prepared));
    assert_eq!(told(&manager), "READY=1");
    file.write("MaxPeers = 6");
    node.signal("HUP");
    told(&manager);
    assert_eq!(told(&manager), "READY=1");
    assert!(run(&["rlpx", "ping", &enode]).complaint().contains("too many peers"));
}

/// What the service manager is told next.
fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 1024];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()
}

#[test]
fn systemd_is_told_of_readiness_reloading_and_the_end() {
    let place = place();
    let socket = place.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut prepared = command(&[&ALONE[..], &["--nodiscover"]].concat());
    prepared.env("NOTIFY_SOCKET", &socket);
    let (node, _) = started(Program::of(prepared));
    assert_eq!(told(&manager), "READY=1");
    // Without a file there is nothing to read, and that is answered as well.
    node.signal("HUP");
    let reloading = told(&manager);
    let lines: Vec<_> = reloading.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "RELOADING=1"), "{reloading}");
    let time: u64 = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
    assert_eq!(told(&manager), "READY=1");
    node.signal("TERM");
    assert_eq!(told(&manager), "STOPPING=1");
    assert_eq!(node.end().status, 0);
}

#[test]
fn a_log_is_lines_of_json_where_that_is_asked_for() {
    let key = KeyFile::of('4');
    fs::set_permissions(key.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let arguments = ["--nodiscover", "--nodekey", key.name(), "--log.format", "json"];
    let (node, _) = start(&arguments);
    let line: Value = serde_json::from_str(&node.error()).unwrap();
    assert_eq!(line["level"], "WARN");
    assert!(line["message"].as_str().unwrap().contains("open to others"), "{line}");
    assert!(line["timestamp"].as_str().unwrap().starts_with("20"), "{line}");
    node.signal("TERM");
    assert_eq!(node.end().status, 0);

    for quiet in [["--log", "error"], ["--verbosity", "1"]] {
        let (node, _) = start(&[&arguments[..], &quiet].concat());
        node.signal("TERM");
        let outcome = node.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    }
}

#[test]
fn a_public_network_s_bootnodes_are_its_own() {
    // None of them may be asked from here.
    let (node, _) = start(&["--network", "hoodi", "--netrestrict", "127.0.0.0/8"]);
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
}
