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
    assert!(
        Settings::read(&arguments(&["--datadir=/d", "--ipcdisable=true"]))
            .unwrap()
            .socket
            .is_none()
    );
    assert!(
        Settings::read(&arguments(&["--datadir=/d", "--ipcdisable=F"])).unwrap().socket.is_some()
    );
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
    assert!(!is_there(&["--nodiscover=true"], ""));
    assert!(is_there(&["--nodiscover=false"], "NoDiscovery = true"));
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
fn what_cannot_be_is_told_with_its_flag_or_its_file_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let file = path.to_str().unwrap();
    let live = |words: &[&str], text: &str| {
        std::fs::write(&path, text).unwrap();
        // As SIGHUP has it.
        Live::read(&arguments(&[words, &["--config", file]].concat())).unwrap_err().to_string()
    };
    let far = "[Node.P2P]\nMaxPeers = 1000000\nMaxPendingPeers = 1000000\n";
    assert_eq!(live(&[], far), format!("{file}: MaxPeers: expected at most 10000"));
    assert_eq!(
        live(&["--maxpeers=1"], far),
        format!("{file}: MaxPendingPeers: expected at most 1000")
    );
    assert_eq!(live(&["--maxpeers=100000"], ""), "--maxpeers: expected at most 10000");
    assert_eq!(
        live(&["--maxpendpeers=100000"], far.lines().next().unwrap()),
        "--maxpendpeers: expected at most 1000"
    );
    let nodes = vec![format!("{A:?}"); 4097].join(",");
    let many = format!("[Node.P2P]\nTrustedNodes = [{nodes}]\n");
    assert_eq!(live(&[], &many), format!("{file}: TrustedNodes: expected at most 4096"));
    assert_eq!(
        live(&["--staticnodes", &nodes.replace('"', "")], ""),
        "--staticnodes: expected at most 4096"
    );

    let long = "x".repeat(256);
    let whole = |words: &[&str], text: &str| {
        std::fs::write(&path, text).unwrap();
        Settings::read(&arguments(&[words, &["--config", file]].concat())).map(|all| all.identity)
    };
    let most = limits::CLIENT_NAME - client_name(None).len() - 1;
    let told = |read: Result<Option<String>, Failure>| read.unwrap_err().to_string();
    let user = format!("[Node]\nUserIdent = {long:?}\n");
    assert_eq!(
        told(whole(&["--identity", &long], "")),
        format!("--identity: longer than {most} bytes")
    );
    assert_eq!(told(whole(&[], &user)), format!("{file}: UserIdent: longer than {most} bytes"));
    // One byte less than too long is as long as a hello may have it.
    let longest = &long[..most];
    assert_eq!(whole(&["--identity", longest], "").unwrap().as_deref(), Some(longest));
    assert_eq!(client_name(Some(longest)).len(), limits::CLIENT_NAME);
}

/// geth `ParseNetlist`, `SetP2PConfig`.
#[test]
fn networks_are_written_as_geth_takes_them() {
    let kept_to = |list: &str, file: &str| {
        let settings = settings(&["--netrestrict", list], file);
        settings.net_restrict.map(|list| list.iter().map(Subnet::to_string).collect::<Vec<_>>())
    };
    let both = Some(vec!["10.0.0.0/8".to_owned(), "127.0.0.0/8".to_owned()]);
    for list in
        ["10.0.0.0/8,127.0.0.0/8", "10.0.0.0/8, 127.0.0.0/8", " 10.0.0.0/8,\n\t127.0.0.0/8,"]
    {
        assert_eq!(kept_to(list, "NetRestrict = [\"fd00::/8\"]"), both, "{list:?}");
    }
    assert_eq!(kept_to("", ""), None);
    assert_eq!(kept_to("", "NetRestrict = [\"fd00::/8\"]"), Some(vec!["fd00::/8".to_owned()]));
    // Nobody at all, then.
    assert_eq!(kept_to(" ", "NetRestrict = [\"fd00::/8\"]"), Some(Vec::new()));
    let wrong = ["devp2p", "run", "--netrestrict", "10.0.0.0/8,127.0.0.1"];
    assert!(Args::try_parse_from(wrong).unwrap_err().to_string().contains("no '/' in network"));
}

/// urfave/cli.
#[test]
fn of_a_flag_that_is_given_more_than_once_the_last_holds() {
    let run = arguments(&[
        "--maxpeers=1",
        "--nodiscover",
        "--netrestrict=10.0.0.0/8",
        "--sepolia",
        "--port",
        "1",
        "--maxpeers",
        "2",
        "--nodiscover=false",
        "--netrestrict=fd00::/8",
        "--sepolia=false",
        "--port",
        "3",
        "--echo",
        "--echo",
    ]);
    assert_eq!((run.maxpeers, run.nodiscover, run.port), (Some(2), Some(false), Some(3)));
    assert_eq!(run.netrestrict.clone().unwrap().0.unwrap()[0].to_string(), "fd00::/8");
    assert_eq!(run.network(), None);
}

/// Go's `strconv.ParseBool`.
#[test]
fn a_switch_may_have_its_value_behind_it() {
    for (text, is_set) in [
        ("--nodiscover", true),
        ("--nodiscover=true", true),
        ("--nodiscover=1", true),
        ("--nodiscover=T", true),
        ("--nodiscover=false", false),
        ("--nodiscover=False", false),
        ("--nodiscover=0", false),
    ] {
        assert_eq!(arguments(&[text]).nodiscover, Some(is_set), "{text}");
    }
    assert_eq!(arguments(&["--hoodi=true"]).network(), Some(Network::Hoodi));
    assert!(Args::try_parse_from(["devp2p", "run", "--nodiscover=maybe"]).is_err());
    // What stands apart is not the value, as in Go.
    assert!(Args::try_parse_from(["devp2p", "run", "--nodiscover", "false"]).is_err());
}

/// `geth dumpconfig --datadir ''` has `DataDir = "."`, and `DataDir = ""` means none.
#[test]
fn an_empty_data_directory_is_this_one_on_the_command_line_and_none_in_a_file() {
    assert_eq!(arguments(&["--datadir", ""]).datadir, Some(PathBuf::from(".")));
    assert_eq!(arguments(&["--datadir="]).datadir, Some(PathBuf::from(".")));
    assert_eq!(arguments(&[]).datadir, None);
    if let Some(home) = std::env::var_os("HOME") {
        assert_eq!(arguments(&["--datadir=~/a/b"]).datadir, Some(Path::new(&home).join("a/b")));
    }
    assert_eq!(arguments(&["--datadir=~a/b"]).datadir, Some(PathBuf::from("~a/b")));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "[Node]\nDataDir = \"\"\n").unwrap();
    let run = arguments(&["--config", path.to_str().unwrap()]);
    assert_eq!(Settings::read(&run).unwrap().data_directory, None);
}
