//! Files as operators write them.

use super::*;

const URL: &str = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f\
                   5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@10.0.0.1:30303";

/// What is said of a text that is wrong.
fn said(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let said = read(&path).unwrap_err().to_string();
    said.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
}

#[test]
fn all_of_geth_s_names_are_understood() {
    let text = format!(
        r#"
            [Eth]
            NetworkId = 1
            [Node]
            DataDir = "/data"
            UserIdent = "kitchen"
            HTTPHost = "localhost"
            IPCPath = "geth.ipc"
            [Node.P2P]
            MaxPeers = 7
            MaxPendingPeers = 8
            DialRatio = 2
            NoDiscovery = true
            DiscoveryV4 = true
            DiscoveryV5 = true
            BootstrapNodes = []
            BootstrapNodesV5 = ["enr:…"]
            StaticNodes = ["{URL}", "{URL}"]
            TrustedNodes = ["{URL}"]
            NetRestrict = ["10.0.0.0/8", "fd00::/8"]
            NodeDatabase = "/nodes"
            ListenAddr = ":30305"
            DiscAddr = "127.0.0.1:30306"
            NAT = "none"
            NoDial = true
            EnableMsgEvents = false
            [Node.HTTPTimeouts]
            ReadTimeout = 30000000000
            [Metrics]
            HTTP = "127.0.0.1"
        "#
    );
    let File { node: Node { data_dir, user_ident, ipc_path, p2p } } = parse(&text).unwrap();
    assert_eq!((data_dir, user_ident), (Some("/data".into()), Some("kitchen".into())));
    assert_eq!(ipc_path, Some("geth.ipc".into()));
    assert_eq!((p2p.max_peers, p2p.max_pending_peers, p2p.dial_ratio), (Some(7), Some(8), Some(2)));
    assert!(p2p.no_discovery && p2p.discovery_v4 == Some(true) && p2p.no_dial);
    assert_eq!(p2p.bootstrap_nodes.map(|nodes| nodes.len()), Some(0));
    assert_eq!((p2p.static_nodes.len(), p2p.trusted_nodes.len()), (2, 1));
    assert_eq!(p2p.static_nodes[0].0.to_string(), URL);
    let networks =
        p2p.net_restrict.unwrap().iter().map(|net| net.0.to_string()).collect::<Vec<_>>();
    assert_eq!(networks, ["10.0.0.0/8", "fd00::/8"]);
    assert_eq!(p2p.node_database, Some("/nodes".into()));
    assert_eq!(p2p.listen_addr, Some(Listen(Some(At { ip: None, port: 30305 }))));
    let ip = Some("127.0.0.1".parse().unwrap());
    assert_eq!(p2p.disc_addr, Some(Listen(Some(At { ip, port: 30306 }))));
}

#[test]
fn an_empty_file_says_nothing() {
    let File { node: Node { data_dir, p2p, .. } } = parse("").unwrap();
    assert!(data_dir.is_none() && p2p.bootstrap_nodes.is_none() && p2p.listen_addr.is_none());
}

#[test]
fn a_name_that_nobody_has_is_told_with_the_nearest() {
    assert_eq!(
        said("[Node.P2P]\n\nMaxPeer = 3\n"),
        ":3: there is no \"MaxPeer\" in [Node.P2P], the nearest is \"MaxPeers\""
    );
    // Cases matter, as in geth; of two the first in the file is told.
    assert_eq!(
        said("[Node.P2P]\nstaticnodes = []\nBogus = 1\n"),
        ":2: there is no \"staticnodes\" in [Node.P2P], the nearest is \"StaticNodes\""
    );
    // What is like nothing is not told with what it is least unlike.
    assert_eq!(said("[Node.P2P]\nBogus = 1\n"), ":2: there is no \"Bogus\" in [Node.P2P]");
    assert_eq!(said("[Node.P2P]\nX = 1\n"), ":2: there is no \"X\" in [Node.P2P]");
    assert_eq!(
        said("[Node]\nDatadir = ''\n"),
        ":2: there is no \"Datadir\" in [Node], the nearest is \"DataDir\""
    );
    assert_eq!(
        said("[node]\nDataDir = ''\n"),
        ":1: there is no \"node\" in the file, the nearest is \"Node\""
    );
    assert!(said("\"\u{202e}x\" = 1").contains(r#""\u{202e}x""#));
}

#[test]
fn what_is_wrong_with_a_value_is_told_with_its_line() {
    let p2p = |line: &str| said(&format!("[Node.P2P]\n{line}\n"));
    for (line, said) in [
        ("MaxPeers = \"many\"", "MaxPeers: want a whole number, 0 or more"),
        ("MaxPeers = -1", "MaxPeers: want a whole number, 0 or more"),
        ("DialRatio = 1.5", "DialRatio: want a whole number, 0 or more"),
        ("MaxPeers = 99999999999999999999", "MaxPeers: want a whole number, 0 or more"),
        ("NoDial = 1", "NoDial: want true or false"),
        ("NAT = 3", "NAT: want text in quotes"),
        ("ListenAddr = 30303", "ListenAddr: want text in quotes"),
        ("NodeDatabase = 1979-05-27", "NodeDatabase: want text in quotes"),
        ("StaticNodes = \"enode://12\"", "StaticNodes: want a list of texts in quotes"),
        ("NetRestrict = [[]]", "NetRestrict: want a list of texts in quotes"),
        ("NoDial = 1\nMaxPeers = true", "NoDial: want true or false"),
    ] {
        assert_eq!(p2p(line), format!(":2: {said}"), "{line}");
    }
    // Of a list it is the line of the element.
    let number = p2p("StaticNodes = [\n  3]");
    assert_eq!(number, ":3: StaticNodes: want a list of texts in quotes");
    assert_eq!(said("[Node]\nP2P = 3\n"), ":2: P2P: want a table");
    assert_eq!(said("Node = 3"), ":1: Node: want a table");
    // In TOML a number may be written in other ways too.
    assert_eq!(parse("Node.P2P.MaxPeers = 0x1_0").unwrap().node.p2p.max_peers, Some(16));
    let bad = p2p("StaticNodes = [\n  \"enode://12\"]");
    assert!(bad.starts_with(":2: ") || bad.starts_with(":3: "), "{bad}");
    assert!(bad.contains("\"enode://12\": invalid enode URL"), "{bad}");
    assert!(p2p("NetRestrict = [\"10.0.0.0\"]").ends_with("no '/' in network"));
    for address in ["30303", "localhost:30303", ":70000", "nowhere"] {
        let said = p2p(&format!("ListenAddr = \"{address}\""));
        assert!(said.starts_with(":2: invalid address"), "{said}");
    }
    assert!(p2p("MaxPeers").starts_with(":2: "));
    assert!(!p2p("MaxPeers = [").contains('\n'));
}

#[test]
fn what_cannot_be_read_is_told_without_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    assert!(read(&missing).unwrap_err().to_string().contains("No such file"));
    assert!(read(folder.path()).is_err());
    // A file without an end is not read for ever.
    assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("more than 4194304"));
}
