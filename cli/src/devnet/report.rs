//! How a network stands, and what it came to.

use core::fmt;

use serde::Serialize;

use super::echo::{Counts, Tally};
use crate::failure::Failure;
use crate::output;

/// One node.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct MemberStanding {
    pub(super) number: usize,
    pub(super) peers: usize,
    pub(super) table: usize,
    /// How many peers and entries of its table it is to have.
    pub(super) share: usize,
}

/// All nodes at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) members: Vec<MemberStanding>,
    pub(super) counts: Counts,
    /// Those that lack something.
    pub(super) short: Vec<MemberStanding>,
    /// Nodes that are stopped now.
    pub(super) stopped: usize,
}

impl Standing {
    pub(super) fn new(tally: &Tally) -> Self {
        Self { counts: tally.counts(), ..Self::default() }
    }

    pub(super) fn add(&mut self, member: Option<MemberStanding>) {
        let Some(member) = member else {
            self.stopped += 1;
            return;
        };
        if member.peers < member.share || member.table < member.share {
            self.short.push(member);
        }
        self.members.push(member);
    }

    /// The least, the mean and the most.
    pub(super) fn spread(&self, of: impl Fn(&MemberStanding) -> usize) -> Spread {
        let values = || self.members.iter().map(&of);
        let count = self.members.len().max(1);
        Spread {
            least: values().min().unwrap_or(0),
            mean: values().sum::<usize>() as f64 / count as f64,
            most: values().max().unwrap_or(0),
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Spread {
    pub(super) least: usize,
    pub(super) mean: f64,
    pub(super) most: usize,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.1}/{}", self.least, self.mean, self.most)
    }
}

/// What it came to.
pub(super) struct Report {
    pub(super) nodes: usize,
    pub(super) seconds: f64,
    pub(super) converged: Option<f64>,
    pub(super) restarts: u16,
    /// How many there were to be.
    pub(super) wanted_restarts: u16,
    /// Nobody answers where a network was to be joined.
    pub(super) is_alone: bool,
    pub(super) standing: Standing,
}

#[derive(Serialize)]
struct ReportJson<'a> {
    event: &'static str,
    ok: bool,
    nodes: usize,
    seconds: f64,
    converged_seconds: Option<f64>,
    restarts: u16,
    peers: Spread,
    table: Spread,
    connections: u64,
    refused: u64,
    unexpected_ends: u64,
    messages: u64,
    echoes: u64,
    wrong: u64,
    cut_off: u64,
    alone: bool,
    short: &'a [MemberStanding],
}

impl Report {
    /// Whether every node had its share in the end and every echo was right.
    pub(super) fn is_well(&self) -> bool {
        let Counts { intact, unexpected, .. } = self.standing.counts;
        self.standing.short.is_empty()
            && self.standing.stopped == 0
            && self.restarts == self.wanted_restarts
            && !self.is_alone
            && intact > 0
            && self.wrong() == 0
            && unexpected == 0
    }

    /// Requests that came back wrong, late, or never.
    const fn wrong(&self) -> u64 {
        self.standing.counts.wrong + self.standing.counts.under_way()
    }

    pub(super) fn tell(&self, json: bool) -> Result<(), Failure> {
        let Counts { connected, failed, unexpected, messages, intact, cut_off, .. } =
            self.standing.counts;
        if !json {
            return output::line(self);
        }
        output::json(&ReportJson {
            event: "summary",
            ok: self.is_well(),
            nodes: self.nodes,
            seconds: self.seconds,
            converged_seconds: self.converged,
            restarts: self.restarts,
            peers: self.standing.spread(|member| member.peers),
            table: self.standing.spread(|member| member.table),
            connections: connected,
            refused: failed,
            unexpected_ends: unexpected,
            messages,
            echoes: intact,
            wrong: self.wrong(),
            cut_off,
            alone: self.is_alone,
            short: &self.standing.short,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { counts, short, stopped, .. } = &self.standing;
        write!(f, "{} nodes, {:.1} s, {} restarts: ", self.nodes, self.seconds, self.restarts)?;
        match self.converged {
            Some(seconds) => writeln!(f, "all had found their share after {seconds:.1} s")?,
            None => writeln!(f, "they never all had their share")?,
        }
        let peers = self.standing.spread(|member| member.peers);
        let table = self.standing.spread(|member| member.table);
        writeln!(f, "peers {peers}, table {table} (least/mean/most)")?;
        writeln!(
            f,
            "{} messages, {} echoes intact, {} wrong, {} cut off by stops",
            counts.messages,
            counts.intact,
            self.wrong(),
            counts.cut_off
        )?;
        for member in short {
            let MemberStanding { number, peers, table, share } = member;
            writeln!(f, "short: node {number} has {peers} peers and knows {table}, of {share}")?;
        }
        if *stopped > 0 {
            writeln!(f, "short: {stopped} nodes did not come back")?;
        }
        if self.restarts < self.wanted_restarts {
            writeln!(f, "short: of {} restarts there was no time for more", self.wanted_restarts)?;
        }
        if self.is_alone {
            writeln!(f, "short: nobody answers where a network was to be joined")?;
        }
        if counts.intact == 0 {
            writeln!(f, "short: no echo came back")?;
        }
        if self.wrong() > 0 {
            writeln!(f, "short: {} echoes came back wrong, late or never", self.wrong())?;
        }
        if counts.unexpected > 0 {
            writeln!(f, "short: {} connections ended unasked", counts.unexpected)?;
        }
        f.write_str(if self.is_well() { "converged" } else { "fell short" })
    }
}
