//! `devp2p key`. The expected outputs are those of geth's tool (go-ethereum
//! 1.17.6, `devp2p key …`) for the same files and flags.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{KeyFile, Program, run};

/// A key, its node id, its public key.
const KEYS: [[&str; 3]; 3] = [
    [
        "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291",
        "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7",
        "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f",
    ],
    [
        "0000000000000000000000000000000000000000000000000000000000000001",
        "c0a6c424ac7157ae408398df7e5f4552091a69125d5dfcb7b8c2659029395bdf",
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    ],
    [
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364140",
        "b8e8fc962bf5ccca6c6f73d280c0dbf239224071c59dd8970ab9d542e3414ab2",
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798b7c52588d95c3b9aa25b0403f1eef75702e84bb7597aabe663b82f6f04ef2777",
    ],
];

#[test]
fn ids_and_urls_are_those_of_geth_s_tool() {
    for [key, id, public] in KEYS {
        let file = KeyFile::with(key);
        assert_eq!(run(&["key", "to-id", file.name()]).line(), id);
        let url = format!("enode://{public}@127.0.0.1:30303");
        assert_eq!(run(&["key", "to-enode", file.name()]).line(), url);
    }
}

#[test]
fn every_flag_changes_the_url_as_it_does_in_geth_s_tool() {
    let [key, _, public] = KEYS[0];
    let file = KeyFile::with(key);
    for (flags, end) in [
        (&["--ip", ""][..], ""),
        (&["--ip=", "--tcp", "1"], ""),
        (
            &["--ip", "10.3.58.6", "--tcp", "30303", "--udp", "30301"],
            "@10.3.58.6:30303?discport=30301",
        ),
        (&["--ip", "::1", "--udp", "0"], "@[::1]:30303?discport=0"),
        (&["--ip", "::ffff:192.0.2.1"], "@192.0.2.1:30303"),
        (&["--ip", "224.0.0.1"], ""),
        (&["--ip", "192.0.2.1", "--tcp", "0"], "@192.0.2.1:0?discport=30303"),
        (&["--ip", "2001:db8::1", "--tcp", "0", "--udp", "7"], "@[2001:db8::1]:0?discport=7"),
        (&["--ip", "0.0.0.0"], "@0.0.0.0:30303"),
    ] {
        let line = run(&[&["key", "to-enode", file.name()], flags].concat()).line();
        assert_eq!(line, format!("enode://{public}{end}"), "{flags:?}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let file = KeyFile::of('1');
    for (ip, shown) in
        [("nonsense", "nonsense"), ("fe80::1%lo", "fe80::1%lo"), ("\u{1b}", r"\u{1b}")]
    {
        let complaint = run(&["key", "to-enode", file.name(), "--ip", ip]).complaint();
        assert_eq!(complaint, format!("devp2p: invalid IP address \"{shown}\""));
    }
    // geth's tool takes this port for 4464.
    assert_eq!(run(&["key", "to-enode", file.name(), "--tcp", "70000"]).status, 2);
}

#[test]
fn a_generated_key_is_new_and_its_owner_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for name in ["one", "other"] {
        let path = folder.path().join(name);
        let outcome = run(&["key", "generate", path.to_str().unwrap()]);
        assert_eq!((outcome.status, outcome.output.len(), outcome.errors.len()), (0, 0, 0));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
        ids.push(run(&["key", "to-id", path.to_str().unwrap()]).line());
    }
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_key_is_never_overwritten() {
    let file = KeyFile::of('1');
    let complaint = run(&["key", "generate", file.name()]).complaint();
    assert!(complaint.contains("exists already"), "{complaint}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "1".repeat(64));
}

#[test]
fn a_key_that_others_can_read_is_used_with_a_warning() {
    let file = KeyFile::of('1');
    fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
    let outcome = run(&["key", "to-id", file.name()]);
    assert_eq!((outcome.status, outcome.output.len(), outcome.errors.len()), (0, 1, 1));
    assert!(outcome.errors[0].contains("WARN") && outcome.errors[0].contains("open to others"));
    assert!(run(&["key", "to-id", file.name(), "--verbosity", "0"]).errors.is_empty());
}

#[test]
fn what_holds_no_key_is_refused() {
    let short = KeyFile::with("12");
    let complaint = run(&["key", "to-id", short.name()]).complaint();
    assert!(complaint.ends_with("too short, want 64 hex characters"), "{complaint}");
    let missing = short.path().with_file_name("missing");
    for command in
        [&["key", "to-id"][..], &["rlpx", "listen", "--addr", "127.0.0.1:0", "--nodekey"]]
    {
        let complaint = run(&[command, &[missing.to_str().unwrap()]].concat()).complaint();
        assert!(complaint.ends_with("no such file or directory"), "{complaint}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_no_panic() {
    let file = KeyFile::of('1');
    for arguments in [&["key", "to-id", file.name()][..], &["--help"], &["nonsense"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = Program::start_into(arguments, writer).end();
        assert!(matches!(outcome.status, 0 | 2), "{outcome:?}");
        assert!(!outcome.errors.iter().any(|line| line.contains("panic")), "{outcome:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_a_failure() {
    let file = KeyFile::of('1');
    let full = File::create("/dev/full").unwrap();
    let complaint = Program::start_into(&["key", "to-id", file.name()], full).end().complaint();
    assert!(complaint.starts_with("devp2p: cannot write to standard output"), "{complaint}");
}
