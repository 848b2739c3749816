//! What is noted of everything that happens: a digest that tells two runs apart,
//! the last events for whoever has to understand a failure, and what the oracles
//! want to know.

use core::fmt::{self, Write as _};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use devp2p_core::node::ConnectionId;
use devp2p_core::time::Instant;
use sha2::{Digest as _, Sha256};

use crate::marks::Marks;
use crate::oracle::{Found, Oracle};

/// Events that are kept for the report of a failure.
const KEPT: usize = 64;

/// A digest over everything that all nodes of a world have put out: datagrams,
/// bytes of streams, events, and when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// What a node has put out, or what was done to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Happened {
    Sent {
        to: SocketAddr,
        kind: u8,
        bytes: usize,
    },
    NotSent {
        to: SocketAddr,
    },
    Received {
        from: SocketAddr,
        kind: u8,
        bytes: usize,
    },
    Wrote {
        connection: ConnectionId,
        bytes: usize,
    },
    /// Something said in words.
    Said(String),
}

/// One line of a trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    at: Instant,
    /// `None`: the world's own.
    machine: Option<u32>,
    happened: Happened,
}

impl Line {
    /// When it was, since the world's beginning.
    pub fn at(&self) -> Duration {
        self.at - Instant::ZERO
    }

    /// Whose it is; `None` for the world's own.
    pub const fn node(&self) -> Option<u32> {
        self.machine
    }

    /// What happened, in words.
    pub fn what(&self) -> String {
        self.happened.to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_micros();
        write!(f, "{:>6}.{:06} ", micros / 1_000_000, micros % 1_000_000)?;
        match self.machine {
            Some(name) => write!(f, "n{name:<5} ")?,
            None => f.write_str("world  ")?,
        }
        self.happened.fmt(f)
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { to, kind, bytes } => {
                write!(f, "sends {} to {to}, {bytes} bytes", packet(*kind))
            }
            Self::NotSent { to } => write!(f, "cannot send to {to}"),
            Self::Received { from, kind, bytes } => {
                write!(f, "receives {} from {from}, {bytes} bytes", packet(*kind))
            }
            Self::Wrote { connection, bytes } => {
                write!(f, "writes {bytes} bytes to connection {connection}")
            }
            Self::Said(words) => f.write_str(words),
        }
    }
}

/// The field's name of a kind of packet.
const fn packet(kind: u8) -> &'static str {
    match kind {
        1 => "ping",
        2 => "pong",
        3 => "find-node",
        4 => "neighbors",
        5 => "ENR request",
        6 => "ENR response",
        _ => "a datagram",
    }
}

/// Where the kind is written in a packet of discv4: after hash and signature.
pub(crate) fn kind_of(datagram: &[u8]) -> u8 {
    datagram.get(97).copied().unwrap_or(0)
}

/// Notes what happens.
#[derive(Debug)]
pub(crate) struct Watch {
    digest: Sha256,
    last: VecDeque<Line>,
    /// Every line is kept, for who asks for a trace.
    all: Option<Vec<Line>>,
    /// Whether lines are made at all.
    lines: bool,
    pub(crate) events: u64,
    /// Those that look for what is wrong.
    pub(crate) oracle: Oracle,
    /// Somebody does not come to rest, whether oracles look or not.
    restless: Option<Found>,
    /// What another run is held to, or this one.
    pub(crate) marks: Option<Arc<Mutex<Marks>>>,
}

impl Watch {
    pub(crate) fn new(lines: bool, oracle: Oracle) -> Self {
        let digest = Sha256::new();
        Self {
            digest,
            last: VecDeque::new(),
            all: None,
            lines,
            events: 0,
            oracle,
            restless: None,
            marks: None,
        }
    }

    /// From now on everything is kept.
    pub(crate) fn keep_all(&mut self) {
        self.lines = true;
        self.all = Some(Vec::new());
    }

    /// What was kept since it was last asked.
    pub(crate) fn take_all(&mut self) -> Vec<Line> {
        self.all.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// The last lines.
    pub(crate) fn last(&self) -> Vec<Line> {
        self.last.iter().cloned().collect()
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.digest.clone().finalize().into())
    }

    /// A machine puts out bytes.
    pub(crate) fn put_out(&mut self, at: Instant, machine: u32, tag: u8, bytes: &[u8]) {
        let mut head = [tag; 17];
        head[1..9].copy_from_slice(&at.as_micros().to_le_bytes());
        head[9..13].copy_from_slice(&machine.to_le_bytes());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        head[13..].copy_from_slice(&length.to_le_bytes());
        self.digest.update(head);
        self.digest.update(bytes);
        if let Some(marks) = &self.marks {
            let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.put(at, machine, tag, bytes);
        }
    }

    /// What a node has on top does not come to rest.
    pub(crate) fn restless(&mut self, machine: u32, what: &str) {
        let what = format!("{what} does not come to rest");
        self.restless.get_or_insert(Found { invariant: "R1", node: Some(machine), what });
    }

    pub(crate) const fn is_restless(&self) -> bool {
        self.restless.is_some()
    }

    /// What was found, if anything was.
    pub(crate) fn found(&mut self) -> Option<Found> {
        self.restless.clone().or_else(|| self.oracle.found()).or_else(|| self.parted())
    }

    /// Where this run has parted from the one that it is held to, if it has.
    fn parted(&self) -> Option<Found> {
        let marks = self.marks.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let (found, expected) = marks.parted()?;
        let expected = expected.map_or_else(|| "nothing more".to_owned(), ToString::to_string);
        let what = format!("expected {expected}; found {found}");
        Some(Found { invariant: "X1", node: Some(found.machine), what })
    }

    /// A machine says something in words.
    pub(crate) fn say(&mut self, at: Instant, machine: u32, words: fmt::Arguments<'_>) {
        let mut text = String::new();
        let _ = text.write_fmt(words);
        self.put_out(at, machine, b'e', text.as_bytes());
        self.line(at, Some(machine), || Happened::Said(text));
    }

    /// A line of the trace, made only if somebody may read it.
    pub(crate) fn line(
        &mut self,
        at: Instant,
        machine: Option<u32>,
        happened: impl FnOnce() -> Happened,
    ) {
        if !self.lines {
            return;
        }
        let line = Line { at, machine, happened: happened() };
        if let Some(all) = &mut self.all {
            all.push(line.clone());
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}
