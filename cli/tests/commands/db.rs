//! `devp2p db`, on what geth wrote and on what became of it.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use devp2p_smol::core::store::{Field, Key, KeyValue as _, VERSION_KEY};
use devp2p_smol::host::store::{LevelDb, Store, Sync};
use serde_json::{Value, json};

use crate::support::{Outcome, run};

/// Written by geth: 60 nodes, and what it knew of them.
const GETH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/nodedb");

struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    fn of_geth() -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(copy.dir()).unwrap();
        for file in fs::read_dir(Path::new(GETH).join("nodes")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.dir().join(file.file_name())).unwrap();
        }
        copy
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("nodes")
    }

    fn name(&self) -> String {
        self.dir().to_str().unwrap().to_owned()
    }

    /// Runs `db check` or `db dump`, and makes sure that it changed nothing.
    fn run(&self, command: &str, more: &[&str]) -> Outcome {
        let before = self.state();
        let outcome = run(&[&["db", command, &self.name()], more].concat());
        assert!(self.state() == before, "db {command} changed something");
        outcome
    }

    fn state(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let files = fs::read_dir(self.dir()).unwrap().map(|file| file.unwrap().path());
        let state = |file: PathBuf| {
            let changed = fs::metadata(&file).unwrap().modified().unwrap();
            (file.clone(), (fs::read(&file).unwrap(), changed))
        };
        let mut state: BTreeMap<_, _> = files.map(state).collect();
        let changed = fs::metadata(self.dir()).unwrap().modified().unwrap();
        state.insert(self.dir(), (Vec::new(), changed));
        state
    }

    fn file(&self, name: &str) -> PathBuf {
        let mut files = fs::read_dir(self.dir()).unwrap().map(|file| file.unwrap().path());
        files.find(|file| file.to_str().unwrap().ends_with(name)).unwrap()
    }

    fn flip(&self, name: &str, at: usize) {
        let file = self.file(name);
        let mut bytes = fs::read(&file).unwrap();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    /// At the end of a log damage looks like an interruption.
    fn double_log(&self) {
        let bytes = fs::read(self.file(".log")).unwrap();
        fs::write(self.file(".log"), bytes.repeat(2)).unwrap();
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let mut db = LevelDb::open(&self.dir(), Sync::EachWrite).unwrap();
        db.write(&[(key.to_vec(), Some(value.to_vec()))]).unwrap();
    }

    /// What `db check` complains of, for people and for scripts the same.
    fn fault(&self) -> String {
        let complaint = self.run("check", &[]).complaint();
        let outcome = self.run("check", &["--json"]);
        assert_eq!((outcome.status, outcome.output.len()), (1, 1), "{outcome:?}");
        let line: Value = serde_json::from_str(&outcome.output[0]).unwrap();
        assert_eq!(line["sound"], false);
        let reason = line["error"]["reason"].as_str().unwrap();
        assert_eq!(complaint, format!("devp2p: {reason}"));
        reason.strip_prefix(&format!("{}: ", self.name())).unwrap().to_owned()
    }
}

/// What geth said it had written.
fn nodes() -> Vec<Value> {
    let text = fs::read_to_string(Path::new(GETH).join("nodes.json")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_database_of_geth_is_sound() {
    let database = Database::of_geth();
    let line = database.run("check", &[]).line();
    assert_eq!(
        line,
        "Sound: 302 entries, 60 nodes among them, in 2 tables and 1 batch of the log."
    );
    let line = database.run("check", &["--json"]).line();
    let expected = json!({
        "sound": true, "entries": 302, "nodes": 60, "foreign": 0, "tables": 2, "batches": 1,
        "tornBytes": 0, "damagedRecords": 0, "damagedNumbers": 0,
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn all_that_geth_wrote_is_dumped() {
    let database = Database::of_geth();
    let outcome = database.run("dump", &["--json"]);
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    let mut lines: Vec<Value> =
        outcome.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut take = |kind: &str| {
        let (taken, rest) = lines.drain(..).partition::<Vec<_>, _>(|line| line["kind"] == kind);
        lines = rest;
        taken
    };
    let [known, addresses] = ["node", "address"].map(|kind| {
        let id = |line: Value| (line["id"].as_str().unwrap().to_owned(), line);
        take(kind).into_iter().map(id).collect::<BTreeMap<_, _>>()
    });
    let mut written = nodes();
    let local = written.pop().unwrap();
    assert_eq!((written.len(), known.len(), addresses.len()), (60, 60, 60));
    for node in written {
        let id = node["id"].as_str().unwrap();
        let text = node["node"].as_str().unwrap();
        let field = if text.starts_with("enr:") { "record" } else { "enode" };
        assert_eq!(known[id][field], text);
        assert_eq!(known[id]["record"].is_null(), field == "enode");
        let expected = json!({
            "kind": "address", "id": id, "ip": node["ip"],
            "lastPing": node["ping"], "lastPong": node["pong"], "findFailures": node["fails"],
        });
        assert_eq!(addresses[id], expected);
    }
    let local = json!({"kind": "local", "id": local["local"], "seq": local["sequence"]});
    assert_eq!(take("local"), [local]);
    assert_eq!(take("version"), [json!({"kind": "version", "version": 9})]);
    assert_eq!(lines, Vec::<Value>::new());
}

#[test]
fn a_dump_for_people_has_a_line_for_everything() {
    let database = Database::of_geth();
    let outcome = database.run("dump", &[]);
    let text = outcome.output.join("\n");
    for node in &nodes()[..60] {
        let (id, node) = (node["id"].as_str().unwrap(), node["node"].as_str().unwrap());
        assert!(text.contains(&format!("node {id}: enode://")), "{id}");
        assert!(text.contains(node), "{node}");
    }
    assert!(text.contains(": last ping 2025-10-09T08:"), "{text}");
    assert_eq!(outcome.output.last().unwrap(), "version 9");
}

#[test]
fn what_is_not_sound_has_a_reason() {
    type Spoil = fn(&Database);
    let cases: [(Spoil, &str); 6] = [
        (|db| fs::remove_file(db.file("CURRENT")).unwrap(), "CURRENT is missing"),
        (
            |db| fs::write(db.file("CURRENT"), "MANIFEST-000099\n").unwrap(),
            "CURRENT names no manifest",
        ),
        (|db| fs::remove_file(db.file("000002.ldb")).unwrap(), "table 000002 is missing"),
        (|db| db.flip("000002.ldb", 40), "table 000002"),
        (
            |db| {
                db.double_log();
                db.flip(".log", 9)
            },
            "log 000006 at byte 0",
        ),
        (|db| db.put(VERSION_KEY, &[20]), "format of another version"),
    ];
    for (spoil, reason) in cases {
        let database = Database::of_geth();
        spoil(&database);
        let expected = format!("node database is damaged: {reason}");
        assert_eq!(database.fault(), expected);
        if !reason.contains("version") {
            let outcome = database.run("dump", &[]);
            let complaint = format!("devp2p: {}: {expected}", database.name());
            assert_eq!((outcome.status, outcome.errors), (1, vec![complaint]));
        }
    }
}

#[test]
fn a_log_that_was_cut_off_is_sound_and_it_is_said() {
    let database = Database::of_geth();
    let log = database.file(".log");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    let outcome = database.run("check", &[]);
    assert_eq!((outcome.status, outcome.output.len()), (0, 2), "{outcome:?}");
    let expected = "The last 69 bytes of its log are no whole record: its writer was interrupted, or they are damaged.";
    assert_eq!(outcome.output[1], expected);
    let line: Value = serde_json::from_str(&database.run("check", &["--json"]).line()).unwrap();
    assert!(line["sound"] == true && line["tornBytes"].as_u64() > Some(0), "{line}");
}

#[test]
fn values_that_are_none_are_shown_and_are_not_sound() {
    let database = Database::of_geth();
    let id = |node: &Value| {
        let text = node["id"].as_str().unwrap();
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        devp2p_smol::core::identity::NodeId::new(std::array::from_fn(byte))
    };
    let (first, second) = (id(&nodes()[0]), id(&nodes()[1]));
    let ip = IpAddr::from([9, 9, 9, 9]);
    database.put(&Key::Record(first).encode(), b"\x1b[2Jno record");
    database.put(&Key::Item(second, ip, Field::LastPong).encode(), &[0x80]);
    database.put(b"other", b"\x1b[2J");
    assert_eq!(database.fault(), "node database has 2 damaged values");
    let outcome = database.run("dump", &[]);
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    let key = |key: &[u8]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for line in [
        format!(
            "damaged {}: truncated number",
            key(&Key::Item(second, ip, Field::LastPong).encode())
        ),
        String::from("foreign 6f74686572: 1b5b324a"),
        format!("node {first}: no record"),
    ] {
        assert!(outcome.output.contains(&line), "{line}: {:?}", outcome.output);
    }
    assert!(outcome.output.iter().all(|line| !line.contains('\x1b')));
}

#[test]
fn a_database_in_use_is_left_to_whom_it_belongs() {
    let database = Database::of_geth();
    let store = Store::open(database.dir(), |_, _| {}).unwrap();
    for command in ["check", "dump"] {
        let reason = format!("{}: node database is in use by another process", database.name());
        assert_eq!(database.run(command, &[]).complaint(), format!("devp2p: {reason}"));
        assert_eq!(database.run(command, &["--json"]).error(), ("error".to_owned(), reason));
    }
    store.close();
    database.run("check", &[]).line();
}

#[test]
fn where_there_is_none_there_is_nothing_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    for command in ["check", "dump"] {
        let complaint = run(&["db", command, name]).complaint();
        assert_eq!(complaint, format!("devp2p: {name}: there is no node database"));
        let complaint = run(&["db", command, "/nowhere/at/all"]).complaint();
        assert!(complaint.contains("/nowhere/at/all: node database: No such file"), "{complaint}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
