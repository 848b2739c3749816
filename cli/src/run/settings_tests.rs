//! Command lines and files, and what comes of both.

use clap::Parser as _;

use super::*;
use crate::args::{Args, Command};

const A: &str = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f\
                 5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@10.0.0.1:30303";
const B: &str = "enode://22a8232c3abc76a16ae9d6c3b164f98775fe226f0917b0ca871128a74a8e9630\
                 b458460865bab457221f1d448dd9791d24c4e5d88786180ac185df813a68d4de@10.0.0.2:30303";

fn arguments(words: &[&str]) -> Run {
    let args = Args::try_parse_from([&["devp2p", "run"], words].concat()).unwrap();
    let Command::Run(run) = args.command else { panic!("another command") };
    run
}

/// What these words come to beside a file of this text.
fn settings(words: &[&str], p2p: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, format!("[Node]\nUserIdent = \"file\"\n[Node.P2P]\n{p2p}\n")).unwrap();
    let words = [words, &["--config", path.to_str().unwrap()]].concat();
    Settings::read(&arguments(&words)).unwrap()
}

fn at(text: &str) -> Option<At> {
    Listen::try_from(text.to_owned()).unwrap().0
}

#[test]
fn without_anything_the_defaults_are_geth_s() {
    let settings = Settings::read(&arguments(&[])).unwrap();
    assert_eq!(settings.listen, at(":30303"));
    assert_eq!(settings.discovery_at, None);
    assert!(settings.discovery && !settings.no_dial && settings.data_directory.is_none());
    assert_eq!(settings.live.limits, Limits::default());
    assert_eq!(settings.live.limits.max_peers, 50);
    assert_eq!(settings.bootnodes, discv4::public(Network::Mainnet).unwrap());
    assert!(settings.net_restrict.is_none() && settings.node_database.is_none());
}

#[test]
fn bootnodes_are_those_of_the_command_line_then_of_the_file_then_of_the_network() {
    let count = |words: &[&str], p2p| settings(words, p2p).bootnodes.len();
    let (file, empty) = (format!("BootstrapNodes = [\"{A}\", \"{B}\"]"), "BootstrapNodes = []");
    assert_eq!(count(&["--bootnodes", A, "--network", "hoodi"], &file), 1);
    assert_eq!(count(&["--bootnodes", ""], &file), 0);
    assert_eq!(count(&["--network", "hoodi"], &file), 2);
    assert_eq!(count(&["--network", "hoodi"], empty), 0);
    assert_eq!(count(&["--network", "hoodi"], ""), 3);
    assert_eq!(count(&["--network", "sepolia"], ""), 5);
    assert_eq!(count(&["--sepolia"], ""), 5);
    assert_eq!(count(&["--hoodi"], ""), 3);
    assert_eq!(count(&["--mainnet"], ""), 4);
    assert_eq!(count(&[], ""), 4);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let file = format!(
        "MaxPeers = 3\nMaxPendingPeers = 4\nDialRatio = 5\nNetRestrict = [\"10.0.0.0/8\"]\n\
         NodeDatabase = \"/file\"\nStaticNodes = [\"{A}\"]\nTrustedNodes = [\"{A}\", \"{B}\"]"
    );
    let Settings { live, identity, net_restrict, node_database, .. } = settings(&[], &file);
    let Limits { max_peers, max_pending_peers, dial_ratio, .. } = live.limits;
    assert_eq!((max_peers, max_pending_peers, dial_ratio), (3, 4, 5));
    assert_eq!((live.static_nodes.len(), live.trusted_nodes.len()), (1, 2));
    assert_eq!((identity, net_restrict.unwrap().len()), (Some("file".into()), 1));
    assert_eq!(node_database, Some("/file".into()));

    let words = [
        "--maxpeers=6",
        "--maxpendpeers=7",
        "--netrestrict=fd00::/8,fe80::/10",
        "--nodedb=/line",
        "--identity=line",
        "--trustednodes=",
    ];
    let nodes = [A, B].join(",");
    let words = [&words[..], &["--staticnodes", &nodes]].concat();
    let Settings { live, identity, net_restrict, node_database, .. } = settings(&words, &file);
    let Limits { max_peers, max_pending_peers, dial_ratio, .. } = live.limits;
    assert_eq!((max_peers, max_pending_peers, dial_ratio), (6, 7, 5));
    assert_eq!((live.static_nodes.len(), live.trusted_nodes.len()), (2, 0));
    assert_eq!((identity, net_restrict.unwrap().len()), (Some("line".into()), 2));
    assert_eq!(node_database, Some("/line".into()));
}

#[test]
fn where_to_listen_is_put_together_from_both() {
    /// A command line and a file, and where TCP and discovery are then.
    type Case = (&'static [&'static str], &'static str, Option<At>, Option<At>);

    let cases: [Case; 9] = [
        (&[], "ListenAddr = \"127.0.0.1:1\"", at("127.0.0.1:1"), None),
        (&[], "ListenAddr = \"\"", None, None),
        (&[], "DiscAddr = \":2\"", at(":30303"), at(":2")),
        (&["--port=3"], "ListenAddr = \"127.0.0.1:1\"", at("127.0.0.1:3"), None),
        (&["--port=3"], "ListenAddr = \"\"", at(":3"), None),
        (&["--addr=::1"], "ListenAddr = \"127.0.0.1:1\"", at("[::1]:1"), None),
        (&["--addr=::1"], "DiscAddr = \"127.0.0.1:1\"", at("[::1]:30303"), at("[::1]:1")),
        (
            &["--discovery.port=4"],
            "ListenAddr = \"127.0.0.1:1\"",
            at("127.0.0.1:1"),
            at("127.0.0.1:4"),
        ),
        (&["--discovery.port=4"], "DiscAddr = \"127.0.0.1:1\"", at(":30303"), at("127.0.0.1:4")),
    ];
    for (words, file, listen, discovery) in cases {
        let settings = settings(words, file);
        assert_eq!(
            (settings.listen, settings.discovery_at),
            (listen, discovery),
            "{words:?} {file}"
        );
    }
}

#[test]
fn the_socket_is_where_geth_would_have_it() {
    /// A command line and lines of `[Node]`, and where the socket is then.
    type Case = (&'static [&'static str], &'static str, Option<&'static str>);

    let cases: [Case; 12] = [
        (&[], "", None),
        (&["--datadir=/d"], "", Some("/d/devp2p.ipc")),
        (&["--datadir=/d", "--ipcpath=x.ipc"], "", Some("/d/x.ipc")),
        (&["--datadir=/d", "--ipcpath=./x.ipc"], "", Some("./x.ipc")),
        (&["--datadir=/d", "--ipcpath=/run/x.ipc"], "", Some("/run/x.ipc")),
        (&["--ipcpath=x.ipc"], "", Some("x.ipc")),
        (&["--datadir=/d", "--ipcpath="], "", None),
        (&["--datadir=/d", "--ipcdisable"], "IPCPath = \"geth.ipc\"", None),
        (&[], "DataDir = \"/f\"\nIPCPath = \"geth.ipc\"", Some("/f/geth.ipc")),
        (&["--datadir=/d"], "DataDir = \"/f\"\nIPCPath = \"geth.ipc\"", Some("/d/geth.ipc")),
        (&["--ipcpath=x"], "DataDir = \"/f\"\nIPCPath = \"geth.ipc\"", Some("/f/x")),
        (&["--datadir=/d"], "IPCPath = \"\"", None),
    ];
    for (words, node, socket) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, format!("[Node]\n{node}\n")).unwrap();
        let words = [words, &["--config", path.to_str().unwrap()]].concat();
        let settings = Settings::read(&arguments(&words)).unwrap();
        assert_eq!(settings.socket, socket.map(PathBuf::from), "{words:?} {node}");
    }
    let both = ["devp2p", "run", "--ipcdisable", "--ipcpath", "x"];
    assert!(Args::try_parse_from(both).is_err());
}

#[test]
fn discovery_is_there_unless_one_of_three_takes_it_away() {
    let is_there = |words: &[&str], file| settings(words, file).discovery;
    assert!(is_there(&[], "DiscoveryV5 = true"));
    assert!(is_there(&["--discovery.v4"], "DiscoveryV4 = false"));
    assert!(is_there(&["--discv4=true"], ""));
    assert!(!is_there(&["--nodiscover"], ""));
    assert!(!is_there(&["--discovery.v4=false"], ""));
    assert!(!is_there(&[], "NoDiscovery = true"));
    assert!(!is_there(&[], "DiscoveryV4 = false"));
}

#[test]
fn what_geth_has_and_we_do_not_is_taken_without_effect() {
    let settings = settings(&["--discv5", "--discovery.dns", "enrtree://x"], "");
    assert!(settings.discovery);
    assert!(Args::try_parse_from(["devp2p", "run", "--sepolia", "--network", "hoodi"]).is_err());
}

#[test]
fn limits_beyond_all_measure_are_refused_when_the_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "[Node.P2P]\nMaxPeers = 1000000\n").unwrap();
    let run = arguments(&["--config", path.to_str().unwrap()]);
    let error = Live::read(&run).unwrap_err();
    assert_eq!(error.to_string(), "MaxPeers: expected at most 10000");
}
