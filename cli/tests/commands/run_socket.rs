//! `devp2p run`: where its admin socket is, and that `devp2p admin` looks there.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{start, started};
use crate::support::{Program, run};

/// A data directory.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn start(&self, more: &[&str]) -> (Program, String) {
        start(&[&["--nodiscover", "--datadir", self.path()], more].concat())
    }

    /// The names of the sockets in it.
    fn sockets(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        let sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
        sockets.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    /// The URL of the node that answers at its directory.
    fn asked(&self, more: &[&str]) -> Value {
        let command = [&["admin", "info", "--json", "--datadir", self.path()], more].concat();
        let info: Value = serde_json::from_str(&run(&command).line()).unwrap();
        info["enode"].clone()
    }
}

#[test]
fn a_node_is_asked_by_its_data_directory() {
    let data = Data::new();
    let (node, enode) = data.start(&[]);
    assert_eq!(data.sockets(), ["devp2p.ipc"]);
    assert_eq!(data.asked(&[]), enode);
    let peers = ["admin", "peers", "--datadir", data.path()];
    assert_eq!(run(&[&peers[..], &["--json"]].concat()).line(), "[]");
    let (other, _) = start(&["--nodiscover", "--staticnodes", &enode]);
    assert!(node.line().starts_with("+ ") && other.line().starts_with("+ "));
    let table = run(&peers);
    assert_eq!((table.status, table.output.len()), (0, 2), "{table:?}");
    assert!(table.output[1].contains("inbound"), "{table:?}");
    node.signal("TERM");
    assert_eq!(node.end().status, 0);
    assert!(data.sockets().is_empty());
}

#[test]
fn a_bare_name_is_in_the_data_directory_and_any_other_path_is_itself() {
    let (data, place) = (Data::new(), tempfile::tempdir().unwrap());
    let (node, enode) = data.start(&["--ipcpath", "mine.ipc"]);
    assert_eq!(data.sockets(), ["mine.ipc"]);
    assert_eq!(data.asked(&["--ipcpath", "mine.ipc"]), enode);
    drop(node);

    let data = Data::new();
    let path = place.path().join("mine.ipc");
    let path = path.to_str().unwrap();
    let (_node, enode) = data.start(&["--ipcpath", path]);
    assert!(data.sockets().is_empty());
    assert_eq!(data.asked(&["--ipcpath", path]), enode);
}

#[test]
fn a_socket_that_is_not_wanted_is_not_made() {
    let data = Data::new();
    let (_node, _) = data.start(&["--ipcdisable"]);
    assert!(data.sockets().is_empty());
    let complaint = run(&["admin", "info", "--datadir", data.path()]).complaint();
    assert!(complaint.contains("devp2p.ipc: No such file"), "{complaint}");
}

#[test]
fn geth_s_file_names_the_socket() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.toml");
    let with = |data: &Data, name: &str, more: &[&str]| {
        let text = format!(
            "[Node]\nDataDir = {:?}\nIPCPath = {name:?}\n\
             [Node.P2P]\nListenAddr = \"127.0.0.1:0\"\nNoDiscovery = true\n",
            data.path()
        );
        fs::write(&file, text).unwrap();
        let arguments = ["run", "--config", file.to_str().unwrap()];
        started(Program::start(&[&arguments[..], more].concat()))
    };
    // As `geth dumpconfig` writes it.
    let data = Data::new();
    let (_node, enode) = with(&data, "geth.ipc", &[]);
    assert_eq!(data.sockets(), ["geth.ipc"]);
    assert_eq!(data.asked(&[]), enode);

    let data = Data::new();
    let (_node, enode) = with(&data, "geth.ipc", &["--ipcpath", "ours.ipc"]);
    assert_eq!(data.sockets(), ["ours.ipc"]);
    assert_eq!(data.asked(&["--ipcpath", "ours.ipc"]), enode);

    for (name, more) in [("", &[][..]), ("geth.ipc", &["--ipcdisable"][..])] {
        let data = Data::new();
        let (_node, _) = with(&data, name, more);
        assert!(data.sockets().is_empty());
        assert!(Path::new(data.path()).join("geth/nodekey").exists());
    }
}
