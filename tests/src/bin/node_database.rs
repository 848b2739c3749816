//! Our node database as a process of its own, for geth's package to read what
//! it wrote, to write what it reads, and to be killed.
//!
//! ```text
//! node_database read FOLDER           prints its nodes as JSON lines, then what a start finds
//! node_database write FOLDER          writes the nodes that come as JSON lines
//! node_database hammer FOLDER FROM    writes numbers from FROM on and prints which are durable
//! ```
#![expect(clippy::expect_used, reason = "a tool for tests")]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use devp2p_core::identity::{Contact, Enode, NodeId, Record};
use devp2p_core::limits;
use devp2p_core::store::{Operation, OperationId, Reply};
use devp2p_core::time::UnixTime;
use devp2p_host::store::{self, Store};
use serde::Deserialize;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "read", folder] => read(Path::new(folder)),
        [_, "write", folder] => write(Path::new(folder)),
        [_, "hammer", folder, from] => hammer(Path::new(folder), from.parse().expect("a number")),
        _ => {
            eprintln!("usage: node_database read|write|hammer FOLDER [FROM]");
            std::process::exit(2);
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Node {
        node: String,
        ip: IpAddr,
        ping: u64,
        pong: u64,
        fails: u32,
    },
    Local {
        local: String,
        #[serde(default)]
        sequence: u64,
    },
}

fn lines() -> Vec<Line> {
    let lines = io::stdin().lines().map(|line| line.expect("a line"));
    lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn node_id(text: &str) -> NodeId {
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex");
    NodeId::new(std::array::from_fn(byte))
}

type Replies = mpsc::Receiver<(OperationId, Reply)>;

fn open(folder: &Path) -> (Store, Replies) {
    let (send, replies) = mpsc::channel();
    let reply = move |id, reply| send.send((id, reply)).expect("somebody who listens");
    (Store::open(folder, reply).expect("a database"), replies)
}

fn contact(node: &str) -> Contact {
    if node.starts_with("enr:") {
        return Contact::from_record(node.parse::<Record>().expect("a record").into());
    }
    Contact::from_enode(&node.parse::<Enode>().expect("an enode URL"))
}

fn operations(line: &Line) -> Vec<Operation> {
    match line {
        Line::Local { local, sequence } => {
            vec![Operation::PutSequence { local: node_id(local), sequence: *sequence }]
        }
        Line::Node { node, ip, ping, pong, fails } => {
            let contact = contact(node);
            let times = Operation::PutTimes {
                id: *contact.id(),
                ip: *ip,
                last_ping: Some(UnixTime::from_secs(*ping)),
                last_pong: Some(UnixTime::from_secs(*pong)),
                find_failures: Some(*fails),
            };
            vec![Operation::PutContact(contact), times]
        }
    }
}

fn write(folder: &Path) {
    let (store, replies) = open(folder);
    for (number, operation) in (0..).zip(lines().iter().flat_map(operations)) {
        while store.submit(OperationId(number), operation.clone()).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    store.close();
    let is_written = |reply| matches!(reply, (_, Reply::Written { .. }));
    assert!(replies.iter().all(is_written), "not all was written");
}

/// What is known of a node: its record, and by address and field the times.
#[derive(Default)]
struct Known {
    record: Vec<u8>,
    fields: BTreeMap<(IpAddr, String), u64>,
}

fn read(folder: &Path) {
    let mut nodes = BTreeMap::<Vec<u8>, Known>::new();
    store::dump(folder, |(key, value)| {
        let Some((id, rest)) = key.strip_prefix(b"n:").and_then(|key| key.split_at_checked(32))
        else {
            return ControlFlow::Continue(());
        };
        let known = nodes.entry(id.to_vec()).or_default();
        match rest.strip_prefix(b":v4:").and_then(|rest| rest.split_first_chunk::<16>()) {
            None => known.record = value,
            Some((ip, field)) => {
                let ip = Ipv6Addr::from(*ip).to_canonical();
                let field = String::from_utf8_lossy(&field[1..]).into_owned();
                known.fields.insert((ip, field), varint(&value));
            }
        }
        ControlFlow::Continue(())
    })
    .expect("a sound database");
    for (id, known) in &nodes {
        let field = |name: &str| {
            let found = known.fields.iter().find(|((_, field), _)| field == name);
            // Signed ones are stored zig-zag, and these are not negative.
            found
                .map_or((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0), |((ip, _), value)| (*ip, value / 2))
        };
        let ((ip, pong), (_, ping), (_, fails)) =
            (field("lastpong"), field("lastping"), field("findfail"));
        let line = serde_json::json!({
            "id": hex(id), "record": hex(&known.record), "ip": ip,
            "ping": ping, "pong": pong, "fails": fails,
        });
        println!("{line}");
    }
    start(folder);
}

fn varint(bytes: &[u8]) -> u64 {
    let shifts = (0..64).step_by(7);
    bytes.iter().zip(shifts).map(|(byte, shift)| u64::from(byte & 0x7f) << shift).sum()
}

/// What discovery gets when it starts.
fn start(folder: &Path) {
    let Some(Line::Local { local, .. }) = lines().into_iter().next() else { return };
    let (store, replies) = open(folder);
    let open = Operation::Open { local: node_id(&local) };
    let seeds = Operation::Seeds { count: 30, max_age: limits::SEED_MAX_AGE, draw: [0x5a; 32] };
    for (number, operation) in [open, seeds].into_iter().enumerate() {
        store.submit(OperationId(number as u64), operation).expect("room");
    }
    store.close();
    let (mut sequence, mut bonds, mut seeds) = (None, 0, 0);
    for (_, reply) in replies {
        match reply {
            Reply::Opened { sequence: found, bonds: all } => (sequence, bonds) = (found, all.len()),
            Reply::Seeds(nodes) => seeds = nodes.len(),
            reply @ (Reply::Written { .. } | Reply::Failed { .. }) => eprintln!("{reply:?}"),
        }
    }
    println!("{}", serde_json::json!({"sequence": sequence, "bonds": bonds, "seeds": seeds}));
}

/// Writes the pong of a node for each number, as fast as it goes.
fn hammer(folder: &Path, from: u64) {
    let reply = |_, reply| match reply {
        Reply::Written { up_to } => {
            let mut output = io::stdout().lock();
            writeln!(output, "{}", up_to.0).and_then(|()| output.flush()).expect("a reader");
        }
        reply @ (Reply::Opened { .. } | Reply::Seeds(_) | Reply::Failed { .. }) => {
            eprintln!("{reply:?}");
        }
    };
    let store = Store::open(folder, reply).expect("a database");
    for number in from.. {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let times = Operation::PutTimes {
            id: NodeId::new(id),
            ip: IpAddr::from([20, 0, 0, 1]),
            last_ping: None,
            last_pong: Some(UnixTime::from_secs(1_700_000_000 + number)),
            find_failures: None,
        };
        while store.submit(OperationId(number), times.clone()).is_err() {
            std::thread::yield_now();
        }
        // Many small batches rather than few large ones.
        std::thread::sleep(Duration::from_micros(200));
    }
}
