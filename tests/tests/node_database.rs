//! The node database against `kill -9`, and against a directory that geth wrote.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::limits;
use devp2p_core::store::{
    Key, KeyValue as _, MemoryStore, Operation, OperationId, Reply, StoredBond, Value,
};
use devp2p_core::time::UnixTime;
use devp2p_host::store;

/// `KILLS=200 cargo test -p devp2p-tests --test node_database`
fn kills() -> usize {
    std::env::var("KILLS").map_or(25, |kills| kills.parse().unwrap())
}

/// Lets a process write from a number on, kills it that long after it was started
/// or, if `begun`, after it has said something for the first time,
/// and gives the last number that it said to be durable.
fn hammer(folder: &Path, from: u64, begun: bool, after: Duration) -> Option<u64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_node_database"))
        .arg("hammer")
        .arg(folder)
        .arg(from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.split(b'\n') {
            send.send(String::from_utf8(line.unwrap()).unwrap()).unwrap();
        }
    });
    // Some while it opens the database, most while it writes.
    let first = begun.then(|| lines.recv_timeout(Duration::from_secs(60)).unwrap());
    std::thread::sleep(after);
    assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut off; what it says is then less than was said.
    reader.join().unwrap();
    first.into_iter().chain(lines).filter_map(|number| number.parse().ok()).max()
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nodes");
    let mut random = Seed::from_number(3).secrets();
    let (mut acknowledged, mut torn, mut idle) = (0, 0, 0);
    for kill in 0..kills() {
        let [after, choice] = random.bytes::<2>();
        let after = Duration::from_micros(u64::from(after) * 200);
        match hammer(&folder, acknowledged + 1, choice > 64, after) {
            Some(last) => acknowledged = last,
            None => idle += 1,
        }
        if !folder.join("CURRENT").exists() && acknowledged == 0 {
            continue;
        }
        let report = store::check(&folder).unwrap();
        assert!(report.error.is_none(), "kill {kill}: {report:?}");
        torn += usize::from(report.torn > 0);
        let mut found = BTreeSet::new();
        store::dump(&folder, |(key, _)| {
            if let Some(id) = key.strip_prefix(b"n:") {
                found.insert(u64::from_be_bytes(id[..8].try_into().unwrap()));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let lost = (1..=acknowledged).filter(|number| !found.contains(number)).count();
        assert_eq!(lost, 0, "kill {kill}, {acknowledged} acknowledged");
    }
    let beside: Vec<PathBuf> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside, [folder], "a database was set aside");
    println!(
        "{} kills, {acknowledged} acknowledged, none lost; {torn} torn logs, {idle} times \
         killed before the first one",
        kills()
    );
    assert!(acknowledged > 0);
}

#[derive(serde::Deserialize)]
struct Line {
    node: Option<String>,
    id: Option<String>,
    record: Option<String>,
    ip: Option<IpAddr>,
    ping: Option<u64>,
    pong: Option<u64>,
    fails: Option<u32>,
    local: Option<String>,
    sequence: Option<u64>,
}

fn bytes(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// What geth wrote, and what it said is in it. A copy for each: whoever opens a
/// database has it alone.
fn geths() -> (tempfile::TempDir, String) {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/nodedb");
    let text = std::fs::read_to_string(vectors.join("nodes.json")).unwrap();
    (copy_of(&vectors.join("nodes")), text)
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_database_that_geth_wrote_opens_with_all_its_nodes() {
    let (copy, text) = geths();
    let nodes = copy.path();
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = store::check(nodes).unwrap();
    assert!(report.error.is_none() && report.torn == 0 && report.tables > 0, "{report:?}");
    let mut entries = BTreeMap::new();
    let visit = |(key, value)| {
        entries.insert(key, value);
        ControlFlow::Continue(())
    };
    store::dump(nodes, visit).unwrap();
    // A record, its number, and three fields of each node; ours; the version.
    assert_eq!(entries.len(), 60 * 5 + 2);
    assert_eq!(report.entries, entries.len());
    let mut known = 0;
    for line in lines {
        if let (Some(id), Some(record), Some(ip), Some(pong)) =
            (line.id, line.record, line.ip, line.pong)
        {
            let node = [b"n:", &*bytes(&id), b":v4"].concat();
            assert_eq!(entries[&node], bytes(&record));
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            let field = [&node, b":".as_slice(), &ip.octets(), b":lastpong"].concat();
            let shifts = (0..).step_by(7);
            let value = entries[&field].iter().zip(shifts);
            let value: u64 = value.map(|(byte, shift)| u64::from(byte & 0x7f) << shift).sum();
            assert_eq!(value, 2 * pong);
            known += 1;
        }
        if let (Some(local), Some(sequence)) = (line.local, line.sequence) {
            let (opened, _) = start(nodes, &bytes(&local));
            assert!(
                matches!(opened, Reply::Opened { sequence: Some(found), .. } if found == sequence)
            );
        }
    }
    assert_eq!(known, 60);
}

/// All nodes, if they were drawn often enough.
const SEEDS: Operation =
    Operation::Seeds { count: 30, max_age: Duration::from_secs(u32::MAX as u64), draw: [3; 32] };

/// What a store says first, and seeds; it works on a copy.
fn start(nodes: &Path, local: &[u8]) -> (Reply, Reply) {
    let copy = copy_of(nodes);
    let (send, replies) = mpsc::channel();
    let store = store::Store::open(copy.path(), move |_, reply| send.send(reply).unwrap()).unwrap();
    let local = NodeId::new(local.try_into().unwrap());
    store.submit(OperationId(1), Operation::Open { local }).unwrap();
    store.submit(OperationId(2), SEEDS).unwrap();
    store.close();
    let opened = replies.recv().unwrap();
    let seeds = replies.recv().unwrap();
    assert!(matches!(&seeds, Reply::Seeds(seeds) if seeds.len() == 30), "{seeds:?}");
    (opened, seeds)
}

#[test]
fn what_geth_wrote_means_the_same_in_memory_as_on_disk() {
    let (copy, text) = geths();
    let folder = copy.path();
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (ours, nodes) = lines.split_last().unwrap();
    let mut memory = MemoryStore::new();
    let visit = |(key, value)| {
        let Ok(()) = memory.write(&[(key, Some(value))]);
        ControlFlow::Continue(())
    };
    store::dump(folder, visit).unwrap();

    // When geth wrote it, all its nodes had answered within the hour.
    let now = UnixTime::from_secs(1_760_000_000);
    let local = bytes(ours.local.as_ref().unwrap());
    let id = NodeId::new(local.clone().try_into().unwrap());
    let reply = memory.apply(OperationId(1), &Operation::Open { local: id }, now);
    let Reply::Opened { sequence, bonds } = reply else { panic!("{reply:?}") };
    assert_eq!(sequence, ours.sequence);
    assert_eq!(bonds.len(), nodes.len());
    for node in nodes {
        let of_node = |bond: &&StoredBond| Some(bond.id.to_string()) == node.id;
        let bond = bonds.iter().find(of_node).unwrap();
        let pong = node.pong.map(UnixTime::from_secs);
        assert_eq!((Some(bond.ip), bond.last_pong), (node.ip, pong));
        assert_eq!(bond.last_ping.map(UnixTime::as_secs), node.ping);
        assert_eq!(Some(bond.find_failures), node.fails);
    }

    let (_, on_disk) = start(folder, &local);
    assert_eq!(memory.apply(OperationId(2), &SEEDS, now), on_disk);
    // Each is read as geth said, and so is each that is drawn.
    let text = |contact: &Contact| {
        contact.record().map_or_else(|| contact.to_string(), ToString::to_string)
    };
    let mut known = BTreeMap::new();
    for (key, value) in memory.entries() {
        if let Some(key @ Key::Record(id)) = Key::decode(key) {
            let value = Value::decode(&key, value).unwrap();
            let Value::Node(contact) = value else { panic!("{value:?}") };
            known.insert(id, text(&contact));
        }
    }
    assert_eq!(known.len(), nodes.len());
    for node in nodes {
        let id = NodeId::new(bytes(node.id.as_ref().unwrap()).try_into().unwrap());
        assert_eq!(Some(&known[&id]), node.node.as_ref());
    }
    let mut drawn = BTreeSet::new();
    for draw in 0..20 {
        let seeds = Operation::Seeds { count: 30, max_age: limits::SEED_MAX_AGE, draw: [draw; 32] };
        let reply = memory.apply(OperationId(3), &seeds, now);
        let Reply::Seeds(seeds) = reply else { panic!("{reply:?}") };
        assert!(seeds.iter().all(|seed| known[seed.id()] == text(seed)));
        drawn.extend(seeds.iter().map(|seed| *seed.id()));
    }
    assert!(drawn.len() > 50, "{}", drawn.len());

    let later = now.saturating_add(limits::STORED_LIFE + Duration::from_secs(1));
    memory.apply(OperationId(4), &Operation::Expire, later);
    assert_eq!(memory.entries().count(), 2, "our number and the version");
    assert!(memory.skipped().is_none());
}
