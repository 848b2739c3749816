//! `devp2p run`: whole nodes.

use crate::support::{KeyFile, Program, run};

/// A node for which nothing is found.
pub(crate) const ALONE: [&str; 6] = ["run", "--addr", "127.0.0.1", "--port", "0", "--echo"];

pub(crate) fn start(more: &[&str]) -> (Program, String) {
    started(Program::start(&[&ALONE[..], more].concat()))
}

/// A node that has been started, and its URL.
pub(crate) fn started(program: Program) -> (Program, String) {
    let enode = program.line();
    assert!(enode.starts_with("enode://"), "{enode}");
    assert!(program.line().starts_with("enr:"));
    (program, enode)
}

#[test]
fn nodes_find_each_other_and_tell_who_comes_and_who_goes() {
    let (first, enode) = start(&["--bootnodes="]);
    let (second, _) = start(&["--bootnodes", &enode]);
    for node in [&first, &second] {
        let line = node.line();
        assert!(line.starts_with("+ ") && line.contains("devp2p-rs/"), "{line}");
    }
    second.signal("TERM");
    assert_eq!(second.end().status, 0);
    let line = first.line();
    assert!(line.starts_with("- ") && line.contains("remote: client quitting"), "{line}");
    first.signal("INT");
    assert_eq!(first.end().status, 0);
}

#[test]
fn a_static_node_is_dialled_without_discovery() {
    let (first, enode) = start(&["--nodiscover"]);
    let (second, _) = start(&["--nodiscover", "--staticnodes", &enode, "--runtime", "tokio"]);
    assert!(first.line().contains("inbound"));
    assert!(second.line().contains("outbound"));
}

#[test]
fn a_full_node_refuses_and_says_so_unless_the_other_is_trusted() {
    let key = KeyFile::of('7');
    let friend = run(&["key", "to-enode", key.name()]).line();
    let (full, enode) = start(&["--nodiscover", "--maxpeers", "0", "--trustednodes", &friend]);
    let (other, _) = start(&["--nodiscover", "--staticnodes", &enode]);
    let line = full.line();
    assert!(line.starts_with("x ") && line.contains("local: too many peers"), "{line}");
    let line = other.line();
    assert!(line.starts_with("x ") && line.contains("remote: too many peers"), "{line}");
    let arguments = ["--nodiscover", "--staticnodes", &enode, "--nodekey", key.name()];
    let (_friend, _) = start(&arguments);
    let line = full.line();
    assert!(line.starts_with("+ "), "{line}");
}

#[test]
fn what_is_wrong_with_a_setting_is_said_by_its_flag() {
    let outcome = run(&[&ALONE[..], &["--bootnodes=", "--maxpeers", "99999"]].concat());
    assert_eq!(outcome.complaint(), "devp2p: --maxpeers: expected at most 10000");
    for option in ["--staticnodes", "--trustednodes"] {
        let outcome = run(&[&ALONE[..], &["--bootnodes=", option, "enode://12"]].concat());
        let complaint = outcome.complaint();
        assert!(
            complaint.starts_with(&format!("devp2p: {option}: invalid enode URL")),
            "{complaint}"
        );
    }
}
