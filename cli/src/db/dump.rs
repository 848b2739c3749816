//! `devp2p db dump`: what stands in a database, in the order of its keys.
//!
//! ```text
//! local a448…: sequence number 1760000000123
//! node 9f1c…: enode://ca63…@20.0.0.1:30303
//!   enr:-IS4Q…
//!   at 20.0.0.1: last ping 2025-10-09T08:53:17Z, last pong 2025-10-09T08:53:20Z, 1 find failure
//! damaged 6e3a…: invalid signature
//! version 9
//! ```

use core::fmt;
use core::net::IpAddr;
use core::ops::ControlFlow;
use std::io::{self, BufWriter, Write as _};

use base16ct::HexDisplay;
use devp2p_smol::core::identity::NodeId;
use devp2p_smol::core::store::{Field, Key, Value};
use devp2p_smol::host::store::dump;
use jiff::Timestamp;
use serde::Serialize;

use super::{Count, failed};
use crate::args::Database;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(database: &Database) -> Result<(), Failure> {
    let Database { dir, json } = database;
    let mut printer =
        Printer { json: *json, output: BufWriter::new(io::stdout()), node: None, address: None };
    let mut printed = Ok(());
    let dumped = dump(dir, |(key, value)| {
        printed = printer.entry(&key, &value);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    // What stands before damage is printed too.
    printed.and_then(|()| printer.close()).map_err(Failure::Output)?;
    dumped.map_err(failed(dir))
}

struct Printer {
    json: bool,
    output: BufWriter<io::Stdout>,
    /// The node that was printed last, and the sequence number of its record.
    node: Option<(NodeId, Option<u64>)>,
    /// To be printed when all its fields have come, side by side as they stand.
    address: Option<((NodeId, IpAddr), Address)>,
}

impl Printer {
    fn entry(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let Some(kind) = Key::decode(key) else {
            return self.print(&Line::Foreign { key: hex(key), value: hex(value) });
        };
        match (kind, Value::decode(&kind, value)) {
            (Key::Item(id, ip, field), Ok(value)) => self.field((id, ip), field, &value),
            (Key::Sequence(id), Ok(Value::Number(number)))
                if self.node == Some((id, Some(number))) =>
            {
                Ok(())
            }
            (kind, Ok(value)) => {
                if let (Key::Record(id), Value::Node(contact)) = (&kind, &value) {
                    self.node = Some((*id, Some(contact.sequence())));
                }
                self.print(&Line::of(&kind, value))
            }
            (_, Err(error)) => {
                let reason = error.to_string();
                self.print(&Line::Damaged { key: hex(key), value: hex(value), reason })
            }
        }
    }

    fn field(&mut self, at: (NodeId, IpAddr), field: Field, value: &Value) -> io::Result<()> {
        if self.address.as_ref().is_none_or(|(known, _)| *known != at) {
            self.end_address()?;
        }
        let (id, ip) = at;
        // A node may be at several addresses.
        let follows_node = self.node.is_some_and(|(node, _)| node == id);
        if !follows_node {
            self.node = Some((id, None));
        }
        let new = || Address {
            id: id.to_string(),
            ip,
            last_ping: None,
            last_pong: None,
            find_failures: None,
            follows_node,
        };
        let (_, address) = self.address.get_or_insert_with(|| (at, new()));
        let number = match value {
            Value::Number(number) => *number,
            Value::Time(time) => time.as_secs(),
            Value::Node(_) => return Ok(()),
        };
        match field {
            Field::LastPing => address.last_ping = Some(number),
            Field::LastPong => address.last_pong = Some(number),
            Field::FindFailures => address.find_failures = Some(number),
        }
        Ok(())
    }

    fn end_address(&mut self) -> io::Result<()> {
        let Some((_, address)) = self.address.take() else { return Ok(()) };
        self.write(&Line::Address(address))
    }

    fn print(&mut self, line: &Line) -> io::Result<()> {
        self.end_address()?;
        self.write(line)
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        if self.json {
            writeln!(self.output, "{}", output::to_json(line))
        } else {
            writeln!(self.output, "{line}")
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.end_address()?;
        self.output.flush()
    }
}

/// What is printed at once. `key` and `value` are hex.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Version {
        version: u64,
    },
    Local {
        id: String,
        seq: u64,
    },
    Node {
        id: String,
        enode: String,
        record: Option<String>,
        seq: u64,
    },
    /// Only where it is not what the record says.
    Sequence {
        id: String,
        seq: u64,
    },
    Address(Address),
    /// Of discovery v5, where geth has a place for it and does not use it.
    Discv5 {
        id: String,
        ip: IpAddr,
        #[serde(rename = "findFailures")]
        find_failures: u64,
    },
    Damaged {
        key: String,
        value: String,
        reason: String,
    },
    Foreign {
        key: String,
        value: String,
    },
}

/// What is known of a node at an address; times in Unix seconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    id: String,
    ip: IpAddr,
    last_ping: Option<u64>,
    last_pong: Option<u64>,
    find_failures: Option<u64>,
    #[serde(skip)]
    follows_node: bool,
}

impl Line {
    fn of(key: &Key, value: Value) -> Self {
        let number = match value {
            Value::Number(number) => number,
            Value::Time(time) => time.as_secs(),
            Value::Node(contact) => {
                return Self::Node {
                    id: contact.id().to_string(),
                    enode: contact.to_string(),
                    record: contact.record().map(ToString::to_string),
                    seq: contact.sequence(),
                };
            }
        };
        match key {
            Key::LocalSequence(id) => Self::Local { id: id.to_string(), seq: number },
            Key::Sequence(id) => Self::Sequence { id: id.to_string(), seq: number },
            Key::FindFailuresV5(id, ip) => {
                Self::Discv5 { id: id.to_string(), ip: *ip, find_failures: number }
            }
            Key::Version | Key::Record(_) | Key::Item(..) | _ => Self::Version { version: number },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { version } => write!(f, "version {version}"),
            Self::Local { id, seq } => write!(f, "local {id}: sequence number {seq}"),
            Self::Node { id, enode, record, .. } => {
                write!(f, "node {id}: {enode}")?;
                record.iter().try_for_each(|record| write!(f, "\n  {record}"))
            }
            Self::Sequence { id, seq } => write!(f, "node {id}: sequence number {seq}"),
            Self::Address(address) => address.fmt(f),
            Self::Discv5 { id, ip, find_failures } => {
                let failures = Count(*find_failures, "find failure", "find failures");
                write!(f, "node {id}: at {ip}: {failures} of discovery v5")
            }
            Self::Damaged { key, reason, .. } => write!(f, "damaged {key}: {reason}"),
            Self::Foreign { key, value } => write!(f, "foreign {key}: {value}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.follows_node {
            writeln!(f, "node {}: no record", self.id)?;
        }
        let time = |name: &str, time: Option<u64>| Some(format!("{name} {}", Time(time?)));
        let failures = |count| Count(count, "find failure", "find failures").to_string();
        let failures = self.find_failures.map(failures);
        let known =
            [time("last ping", self.last_ping), time("last pong", self.last_pong), failures];
        let known: Vec<_> = known.into_iter().flatten().collect();
        write!(f, "  at {}: {}", self.ip, known.join(", "))
    }
}

/// Unix seconds for people, as long as the year has four digits.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).ok();
        match seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(time) => time.fmt(f),
            None => write!(f, "{} s", self.0),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", HexDisplay(bytes))
}
