//! `devp2p discv4` on loopback. No test meets a node that it has not started.

use core::ops::ControlFlow;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Instant;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::{Contact, Record, RecordBuilder};
use devp2p_smol::host::store::dump;
use serde_json::{Value, json};

use crate::support::{KeyFile, Outcome, PATIENCE, Program, error_of, run};

/// A bootnode, or a node that joins others.
struct Node {
    program: Program,
    enode: String,
    record: String,
}

impl Node {
    fn start(bootnodes: &str) -> Self {
        let program = Program::start(&listen(bootnodes));
        let (enode, record) = (program.line(), program.line());
        Self { program, enode, record }
    }

    fn id(&self) -> String {
        self.record.parse::<Record>().unwrap().node_id().to_string()
    }
}

/// A node that remembers, and where.
struct Remembering {
    place: tempfile::TempDir,
    directory: String,
    key: KeyFile,
}

impl Remembering {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("nodes").to_str().unwrap().to_owned();
        Self { place, directory, key: KeyFile::of('9') }
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from(&self.directory)
    }

    fn flags(&self) -> [&str; 4] {
        ["--nodedb", &self.directory, "--nodekey", self.key.name()]
    }

    fn program(&self, bootnodes: &str) -> Program {
        Program::start(&[&listen(bootnodes)[..], &self.flags()].concat())
    }

    /// It listens, and says the number of its record.
    fn start(&self, bootnodes: &str) -> (Program, u64) {
        let program = self.program(bootnodes);
        let (_, record) = (program.line(), program.line());
        (program, record.parse::<Record>().unwrap().sequence())
    }

    /// What is stored of a node, while its owner writes on.
    fn stored(&self, node: &Record) -> Stored {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(self.directory()).unwrap().map_while(Result::ok) {
            // It may be gone already.
            let _ = fs::copy(file.path(), copy.path().join(file.file_name()));
        }
        let of_node = [b"n:", node.node_id().as_bytes().as_slice()].concat();
        let mut keys = Vec::new();
        // What was copied in between may be no database.
        let _ = dump(copy.path(), |(key, _)| {
            if key.starts_with(&of_node) {
                keys.push(key);
            }
            ControlFlow::Continue(())
        });
        Stored(keys)
    }
}

/// Keys.
struct Stored(Vec<Vec<u8>>);

impl Stored {
    /// Whether one ends so.
    fn any(&self, field: &str) -> bool {
        self.0.iter().any(|key| key.ends_with(&[b":", field.as_bytes()].concat()))
    }
}

fn listen(bootnodes: &str) -> [&str; 6] {
    ["discv4", "listen", "--addr", "127.0.0.1:0", "--bootnodes", bootnodes]
}

/// A command on one node that knows no other.
fn ask(command: &str, node: &str, more: &[&str]) -> Outcome {
    let alone = ["discv4", command, node, "--addr", "127.0.0.1:0", "--bootnodes="];
    run(&[&alone, more].concat())
}

/// A URL at which nobody answers.
fn nobody() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let key = KeyFile::of('1');
    (socket, run(&["key", "to-enode", key.name(), "--udp", &port]).line())
}

/// A file that a crawl writes.
struct File {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.json");
        Self { folder, path }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// What it holds; nothing before it is there.
    fn nodes(&self) -> serde_json::Map<String, Value> {
        let Ok(text) = fs::read_to_string(&self.path) else { return serde_json::Map::new() };
        serde_json::from_str(&text).expect("a whole file")
    }

    /// How many nodes it holds that have answered.
    fn answered(&self) -> usize {
        self.nodes().values().filter(|node| node["score"].as_i64() > Some(0)).count()
    }

    fn crawl(&self, bootnodes: &str, more: &[&str]) -> Program {
        let file = ["discv4", "crawl", self.name(), "--addr", "127.0.0.1:0"];
        Program::start(&[&file, &["--bootnodes", bootnodes][..], more].concat())
    }
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(core::time::Duration::from_millis(20));
    }
}

#[test]
fn a_listening_node_says_first_where_it_is_found() {
    let node = Node::start("");
    let record: Record = node.record.parse().unwrap();
    let contact = Contact::from_record(record.into());
    assert_eq!(contact.to_string(), node.enode);
    assert_eq!(contact.ip(), Some("127.0.0.1".parse().unwrap()));
    assert_ne!(contact.udp(), 0);

    let program = Program::start(&[&listen("")[..], &["--json"]].concat());
    let line = program.json();
    assert_eq!(line["event"], "listening");
    let record: Record = line["record"].as_str().unwrap().parse().unwrap();
    assert_eq!(Contact::from_record(record.into()).to_string(), line["enode"]);
}

#[test]
fn a_listening_node_is_whom_its_key_says_and_where_it_is_told() {
    let key = KeyFile::of('7');
    let id = run(&["key", "to-id", key.name()]).line();
    let digits = "7".repeat(64);
    for flags in [["--nodekey", key.name()], ["--nodekeyhex", &digits]] {
        let external = ["--extaddr", "192.0.2.1:7,2001:db8::1", "--json"];
        let program = Program::start(&[&listen("")[..], &flags, &external].concat());
        let line = program.json();
        let record: Record = line["record"].as_str().unwrap().parse().unwrap();
        assert_eq!(record.node_id().to_string(), id);
        let entries = record.entries();
        assert_eq!(entries.ip(), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(entries.ip6(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(entries.endpoints().map(|endpoint| endpoint.udp), [7, 7]);
    }
    let complaint = run(&[&listen("")[..], &["--nodekeyhex", "12"]].concat()).complaint();
    assert_eq!(complaint, "devp2p: invalid node key, want 64 hex characters");
}

#[test]
fn a_node_answers_a_ping() {
    let node = Node::start("");
    for name in [&node.enode, &node.record] {
        let outcome = ask("ping", name, &[]);
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
        let words: Vec<_> = outcome.output[0].split_whitespace().collect();
        assert_eq!(words, ["id", &node.id()]);
        assert!(outcome.output.iter().any(|line| line.starts_with("sees us at   127.0.0.1:")));
        let time = outcome.output.last().unwrap().strip_prefix("ping ").unwrap();
        assert!(time.trim().strip_suffix(" ms").unwrap().parse::<f64>().unwrap() > 0.0);
    }
    let line = ask("ping", &node.enode, &["--json"]).line();
    let value: Value = serde_json::from_str(&line).unwrap();
    let sequence = node.record.parse::<Record>().unwrap().sequence();
    assert_eq!((&value["id"], &value["seq"]), (&node.id().into(), &sequence.into()));
    assert!(value["ping_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_node_gives_its_record() {
    let node = Node::start("");
    assert_eq!(ask("requestenr", &node.enode, &[]).line(), node.record);
    assert_eq!(ask("resolve", &node.enode, &[]).line(), node.record);
    let line = ask("requestenr", &node.enode, &["--json"]).line();
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["record"], node.record);
    assert_eq!(value["id"], node.id());
}

#[test]
fn a_node_is_found_through_another_though_it_is_not_where_it_was() {
    let bootnode = Node::start("");
    let node = Node::start(&bootnode.enode);
    let (_silent, elsewhere) = nobody();
    let (_, address) = elsewhere.split_once('@').unwrap();
    let (name, _) = node.enode.split_once('@').unwrap();
    let moved = format!("{name}@{address}");
    let command = ["discv4", "resolve", &moved, "--addr", "127.0.0.1:0"];
    let command = [&command[..], &["--bootnodes", &bootnode.enode]].concat();
    // The bootnode has to see first that the node is alive.
    until("found", || {
        let outcome = run(&command);
        outcome.status == 0 && outcome.output == [node.record.clone()]
    });
}

#[test]
fn a_bootnode_tells_who_comes() {
    let bootnode = Program::start(&[&listen("")[..], &["--json"]].concat());
    let enode = bootnode.json()["enode"].as_str().unwrap().to_owned();
    let node = Node::start(&enode);
    let came = bootnode.json();
    assert_eq!((&came["event"], &came["id"]), (&"added".into(), &node.id().into()));
    let told = node.program.line();
    assert!(told.starts_with("+ ") && told.contains("127.0.0.1:"), "{told}");
}

#[test]
fn whoever_does_not_answer_is_a_failure() {
    let (_silent, url) = nobody();
    for command in ["ping", "requestenr"] {
        assert_eq!(ask(command, &url, &[]).complaint(), "devp2p: RPC timeout");
        let error = ask(command, &url, &["--json"]).error();
        assert_eq!(error, ("error".into(), "RPC timeout".into()));
    }
    assert_eq!(ask("resolve", &url, &[]).complaint(), "devp2p: node not found");
    let key = KeyFile::of('1');
    let nowhere = run(&["key", "to-enode", key.name(), "--ip="]).line();
    assert_eq!(ask("ping", &nowhere, &[]).complaint(), "devp2p: node has no UDP endpoint");
}

#[test]
fn what_names_no_node_is_refused() {
    let complaint = ask("ping", "enode://12", &[]).complaint();
    assert!(complaint.starts_with("devp2p: invalid enode URL: "), "{complaint}");
    let complaint = ask("ping", "enr:x", &[]).complaint();
    assert_eq!(complaint, "devp2p: invalid node record: invalid base64 in node record");
    let complaint = run(&listen("enode://12")).complaint();
    assert!(complaint.starts_with("devp2p: invalid bootnode: invalid enode URL"), "{complaint}");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = run(&["discv4", "listen", "--addr", &address, "--bootnodes="]).complaint();
    assert!(complaint.starts_with(&format!("devp2p: cannot listen at {address}: ")), "{complaint}");
}

/// The whole life of a node that remembers. Another is stored when it has answered
/// six pings of the table, which takes half a minute.
#[test]
fn a_node_that_remembers_finds_its_network_again_without_bootnodes_however_it_ended() {
    let (bootnode, home) = (Node::start(""), Remembering::new());
    let (program, mut number) = home.start(&bootnode.enode);
    let record = bootnode.record.parse::<Record>().unwrap();
    until("stored", || home.stored(&record).any("v4"));
    program.kill();

    let here = format!("+ {}", record.node_id().short());
    for signal in ["TERM", "KILL", "INT"] {
        let (program, next) = home.start("");
        assert_eq!(next, number + 1);
        number = next;
        let found = program.line();
        assert!(found.starts_with(&here), "{found}");
        if signal == "KILL" {
            program.kill();
            continue;
        }
        program.signal(signal);
        let outcome = program.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    }
}

#[test]
fn the_number_of_a_record_that_was_said_is_kept_though_the_node_is_killed_at_once() {
    let home = Remembering::new();
    let (program, first) = home.start("");
    program.kill();
    for number in 1..20 {
        let (program, next) = home.start("");
        assert_eq!(next, first + number);
        program.kill();
    }
}

#[test]
fn every_command_remembers_if_it_is_told_where() {
    let (node, home) = (Node::start(""), Remembering::new());
    let record = node.record.parse::<Record>().unwrap();
    let outcome = ask("ping", &node.enode, &home.flags());
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    assert!(home.stored(&record).any("lastpong"));
    assert_eq!(ask("requestenr", &node.enode, &home.flags()).line(), node.record);
    assert!(home.stored(&record).any("lastping"));
    assert_eq!(ask("resolve", &node.enode, &home.flags()).line(), node.record);
    let file = File::new();
    let crawl = file.crawl(&node.enode, &[&["--timeout", "1s"][..], &home.flags()].concat());
    assert_eq!(crawl.end().status, 0);
    assert_eq!(file.answered(), 1);
}

/// A node that has pinged us under another key does not know us under this one,
/// and answers only who has proved its endpoint.
#[test]
fn a_database_is_good_for_every_key_that_comes_to_use_it() {
    let (node, home) = (Node::start(""), Remembering::new());
    for _ in 0..3 {
        let flags = ["--nodedb", &home.directory];
        assert_eq!(ask("requestenr", &node.enode, &flags).line(), node.record);
    }
}

#[test]
fn a_node_database_that_cannot_be_used_is_a_failure_by_its_cause() {
    let (node, home) = (Node::start(""), Remembering::new());
    let (program, _) = home.start("");
    let directory = home.directory();
    let named = directory.display();
    let used = format!("{named}: node database is in use by another process");
    assert_eq!(home.program("").end().complaint(), format!("devp2p: {used}"));
    assert_eq!(ask("ping", &node.enode, &home.flags()).complaint(), format!("devp2p: {used}"));
    let json = [&home.flags()[..], &["--json"]].concat();
    assert_eq!(ask("ping", &node.enode, &json).error(), ("error".into(), used));
    // Where there is no IPv6 it is not tried again: the address was not at fault.
    let everywhere = ["discv4", "listen", "--bootnodes="];
    let complaint = run(&[&everywhere[..], &home.flags()].concat()).complaint();
    assert!(complaint.contains("in use by another process"), "{complaint}");
    program.signal("TERM");
    assert_eq!(program.end().status, 0);

    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "a file").unwrap();
    let complaint = home.program("").end().complaint();
    let expected = format!("devp2p: {named}: node database: ");
    assert!(complaint.starts_with(&expected), "{complaint}");
    assert_eq!(fs::read(&directory).unwrap(), b"a file");
}

#[test]
fn a_damaged_node_database_is_set_aside_and_that_is_said() {
    let home = Remembering::new();
    let (program, _) = home.start("");
    program.signal("TERM");
    assert_eq!(program.end().status, 0);
    fs::remove_file(home.directory().join("CURRENT")).unwrap();
    let (program, number) = home.start("");
    let said = program.error();
    assert!(said.contains("node database was damaged: set aside"), "{said}");
    assert!(said.contains("CURRENT is missing") && said.contains("nodes.damaged-1"), "{said}");
    program.kill();
    let (_program, next) = home.start("");
    assert_eq!(next, number + 1);
    assert!(home.place.path().join("nodes.damaged-1").is_dir());
}

#[test]
fn wrong_usage_is_told_apart() {
    for arguments in [
        &["discv4"][..],
        &["discv4", "ping"],
        &["discv4", "crawl"],
        &["discv4", "crawl", "file", "--parallel", "0"],
        &["discv4", "crawl", "file", "--parallel", "257"],
        &["discv4", "crawl", "file", "--timeout", "soon"],
        &["discv4", "listen", "--addr", "nowhere"],
        &["discv4", "listen", "--extaddr", "192.0.2.1:1,[::1]:2"],
        &["discv4", "listen", "--nodekey", "file", "--nodekeyhex", "12"],
    ] {
        assert_eq!(run(arguments).status, 2, "{arguments:?}");
    }
}

#[test]
fn signals_end_what_goes_on() {
    for signal in ["TERM", "INT"] {
        let node = Node::start("");
        node.program.signal(signal);
        let outcome = node.program.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    }
    // It waits for an answer that nobody gives.
    let (silent, url) = nobody();
    let program =
        Program::start(&["discv4", "ping", &url, "--addr", "127.0.0.1:0", "--bootnodes="]);
    silent.recv(&mut [0; 1280]).unwrap();
    program.signal("INT");
    let outcome = program.end();
    let errors = [String::from("devp2p: interrupted")];
    assert_eq!((outcome.status, &outcome.errors[..]), (130, &errors[..]));
}

#[test]
fn a_crawl_finds_all_and_goes_on_where_it_was() {
    let bootnode = Node::start("");
    let others = [(); 4].map(|()| Node::start(&bootnode.enode));
    let file = File::new();
    let forever = ["--timeout", "0", "--save-every", "50ms", "--json"];
    let crawl = file.crawl(&bootnode.enode, &forever);
    until("all found", || file.answered() == 5);
    crawl.signal("INT");
    let line = crawl.end().line();
    let done: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&done["nodes"], &done["live"], &done["added"]), (&5.into(), &5.into(), &5.into()));
    let nodes = file.nodes();
    for node in others.iter().chain([&bootnode]) {
        let found = &nodes[&node.id()];
        assert_eq!(found["record"], node.record);
        assert_eq!(found["seq"], node.record.parse::<Record>().unwrap().sequence());
        assert_eq!(found["score"], 1);
    }

    // They were asked a short time ago: nothing changes.
    let outcome = file.crawl("", &["--timeout", "1s"]).end();
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
    assert!(outcome.output[0].starts_with("5 nodes, 0 of them live: 0 added"), "{outcome:?}");
    assert_eq!(file.nodes(), nodes);

    // An hour later one of them is gone.
    let aged = fs::read_to_string(&file.path)
        .unwrap()
        .replace("\"lastCheck\": \"20", "\"lastCheck\": \"19");
    fs::write(&file.path, aged).unwrap();
    let [gone, ..] = others;
    let id = gone.id();
    drop(gone);
    let outcome = file.crawl("", &["--timeout", "1s", "--json"]).end();
    let done: Value = serde_json::from_str(&outcome.line()).unwrap();
    assert_eq!((&done["removed"], &done["updated"]), (&1.into(), &4.into()), "{done}");
    let nodes = file.nodes();
    assert!(!nodes.contains_key(&id));
    assert!(nodes.values().all(|node| node["score"] == 2));
}

#[test]
fn a_crawl_that_is_interrupted_has_saved_what_it_found_and_says_how_it_went_on() {
    let bootnode = Node::start("");
    let file = File::new();
    let crawl = file.crawl(&bootnode.enode, &["--save-every", "0"]);
    let told = crawl.error();
    assert!(told.starts_with("crawling: 1 found, 1 live of 1, 0 removed, "), "{told}");
    assert!(!file.path.exists(), "it is written only in the end");
    crawl.signal("TERM");
    let outcome = crawl.end();
    assert_eq!(outcome.status, 143, "{outcome:?}");
    assert_eq!(outcome.errors.last().unwrap(), "devp2p: interrupted");
    assert!(outcome.output[0].starts_with("1 nodes, 1 of them live: 1 added"), "{outcome:?}");
    assert_eq!(file.answered(), 1);
    assert_eq!(fs::read_dir(&file.folder).unwrap().count(), 1, "nothing is left beside it");
}

/// A file that takes a while to write: so many nodes, all asked just now.
fn many(count: u16) -> String {
    let now = jiff::Timestamp::now().to_string();
    let node = |number: u16| {
        let mut bytes = [1; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let key = SecretKey::from_bytes(&bytes).unwrap();
        let record = RecordBuilder::new(1).ip([192, 0, 2, 1].into()).udp(1).sign(&key).unwrap();
        let node = json!({"seq": 1, "record": record.to_string(), "score": 1, "lastCheck": now});
        (record.node_id().to_string(), node)
    };
    Value::Object((0..count).map(node).collect()).to_string()
}

#[test]
fn a_crawl_that_is_killed_leaves_a_whole_file() {
    const COUNT: u16 = 1000;
    let bootnode = Node::start("");
    let file = File::new();
    fs::write(&file.path, many(COUNT)).unwrap();
    let modified = || fs::metadata(&file.path).unwrap().modified().unwrap();
    for round in 0..20 {
        let before = modified();
        let crawl = file.crawl(&bootnode.enode, &["--timeout", "0", "--save-every", "1ms"]);
        until("written", || modified() != before);
        std::thread::sleep(core::time::Duration::from_micros(700 * round));
        crawl.signal("KILL");
        drop(crawl);
        // To read it is to check all of it.
        let outcome = run(&["nodeset", "info", file.name()]);
        assert_eq!(outcome.status, 0, "round {round}: {outcome:?}");
        assert!(file.nodes().len() >= COUNT.into());
    }
}

#[test]
fn a_crawl_that_cannot_begin_says_why_and_touches_nothing() {
    let file = File::new();
    let outcome = file.crawl("", &[]).end();
    assert_eq!(outcome.complaint(), "devp2p: no input nodes to start crawling");
    assert!(!file.path.exists());
    fs::write(&file.path, "{\"12").unwrap();
    let complaint = file.crawl("", &[]).end().complaint();
    assert!(complaint.contains("nodes.json: invalid JSON: EOF"), "{complaint}");
    assert_eq!(fs::read_to_string(&file.path).unwrap(), "{\"12");
    let bootnode = Node::start("");
    let nowhere = ["discv4", "crawl", "/nowhere/nodes.json", "--addr", "127.0.0.1:0"];
    let outcome = run(&[&nowhere[..], &["--bootnodes", &bootnode.enode, "--json"]].concat());
    let error = error_of(&serde_json::from_str(outcome.output.last().unwrap()).unwrap());
    let reason = "/nowhere/nodes.json: No such file or directory (os error 2)";
    assert_eq!(error, ("error".into(), reason.into()));
    assert_eq!((outcome.status, outcome.output.len()), (1, 1), "{outcome:?}");
}
