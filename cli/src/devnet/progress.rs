//! How a network goes on: a table that changes on a terminal, elsewhere one line
//! after the other.

use core::fmt;
use core::time::Duration;
use std::io::{self, IsTerminal as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::report::{MemberStanding, Spread, Standing};
use crate::failure::Failure;
use crate::output;

/// Nodes that have a line of their own on a terminal.
const ROWS: usize = 20;

/// What is seen of a network.
pub(super) struct Progress {
    json: bool,
    /// On a terminal: the total, and a line for each node.
    table: Option<(ProgressBar, Vec<ProgressBar>, MultiProgress)>,
    messages: u64,
    at: Duration,
}

#[derive(Serialize)]
struct StatusJson {
    event: &'static str,
    seconds: f64,
    converged_seconds: Option<f64>,
    nodes: usize,
    short: usize,
    peers: Spread,
    table: Spread,
    messages_per_second: f64,
    echoes: u64,
    wrong: u64,
}

impl Progress {
    /// For people it shows itself on standard error.
    pub(super) fn new(json: bool) -> Self {
        let shows = !json && io::stderr().is_terminal();
        let table = shows.then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            (row(&all), Vec::new(), all)
        });
        Self { json, table, messages: 0, at: Duration::ZERO }
    }

    pub(super) fn show(
        &mut self,
        standing: &Standing,
        at: Duration,
        converged: Option<Duration>,
    ) -> Result<(), Failure> {
        let elapsed = at.saturating_sub(self.at).as_secs_f64().max(0.001);
        let messages = standing.counts.messages;
        let rate = messages.saturating_sub(self.messages) as f64 / elapsed;
        (self.at, self.messages) = (at, messages);
        let total = Total { standing, at, converged, rate };
        if self.json {
            return output::json(&total.json());
        }
        let Some((first, rows, all)) = &mut self.table else {
            output::say(format_args!("{total}"));
            return Ok(());
        };
        first.set_message(total.to_string());
        let members = standing.members.iter().take(ROWS);
        for (place, member) in members.enumerate() {
            if place == rows.len() {
                rows.push(row(all));
            }
            rows[place].set_message(Row(*member).to_string());
        }
        // Some are stopped now.
        rows.iter().skip(standing.members.len()).for_each(|row| row.set_message(""));
        Ok(())
    }

    /// Makes room for the result.
    pub(super) fn end(&self) {
        if let Some((first, rows, _)) = &self.table {
            rows.iter().for_each(ProgressBar::finish_and_clear);
            first.finish_and_clear();
        }
    }
}

fn row(all: &MultiProgress) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}");
    let row = all.add(ProgressBar::new_spinner());
    row.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

struct Total<'a> {
    standing: &'a Standing,
    at: Duration,
    converged: Option<Duration>,
    rate: f64,
}

impl Total<'_> {
    fn json(&self) -> StatusJson {
        StatusJson {
            event: "status",
            seconds: output::seconds(self.at),
            converged_seconds: self.converged.map(output::seconds),
            nodes: self.standing.members.len(),
            short: self.standing.short.len(),
            peers: self.standing.spread(|member| member.peers),
            table: self.standing.spread(|member| member.table),
            messages_per_second: self.rate,
            echoes: self.standing.counts.intact,
            wrong: self.standing.counts.wrong,
        }
    }
}

impl fmt::Display for Total<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { members, short, counts, .. } = self.standing;
        let peers = self.standing.spread(|member| member.peers);
        let table = self.standing.spread(|member| member.table);
        write!(f, "{:5.1} s  {} nodes  ", self.at.as_secs_f64(), members.len())?;
        write!(f, "peers {peers}  table {table}  {:.0} messages/s  ", self.rate)?;
        write!(f, "{} echoes, {} wrong  ", counts.intact, counts.wrong)?;
        match short.len() {
            0 => f.write_str("all have their share"),
            some => write!(f, "{some} lack some"),
        }
    }
}

struct Row(MemberStanding);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemberStanding { number, peers, table, share } = self.0;
        let lacks = if peers < share || table < share { "  lacks some" } else { "" };
        write!(f, "  node {number:3}  peers {peers:3}  table {table:3}{lacks}")
    }
}
