//! How a swarm goes on: one line that changes on a terminal, elsewhere one line
//! after the other.

use core::fmt;
use core::time::Duration;
use std::io::{self, IsTerminal as _};
use std::time::Instant;

use devp2p_sim::Played;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// Between two changes of the line on a terminal.
const CHANGE: Duration = Duration::from_millis(250);

/// Between two lines elsewhere, as a crawl has it.
const LINE: Duration = Duration::from_secs(8);

/// What is seen of a swarm.
pub(super) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    began: Instant,
    next: Instant,
    standing: Standing,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    wanted: u64,
    seeds: u64,
    violations: u64,
    /// How long they went on, in their own time.
    time: Duration,
}

impl Progress {
    /// Shows itself on standard error.
    pub(super) fn new(wanted: u64) -> Self {
        let began = Instant::now();
        let standing = Standing { wanted, seeds: 0, violations: 0, time: Duration::ZERO };
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_bar} {msg}");
            let bar = ProgressBar::with_draw_target(Some(wanted), ProgressDrawTarget::stderr());
            let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(Line { standing, took: Duration::ZERO }.to_string());
            bar.enable_steady_tick(CHANGE);
            bar
        });
        let next = began + if bar.is_some() { CHANGE } else { LINE };
        Self { bar, began, next, standing }
    }

    /// One more is done.
    pub(super) fn add(&mut self, played: &Played) {
        self.standing.seeds += 1;
        self.standing.violations += u64::from(played.violation.is_some());
        self.standing.time = self.standing.time.saturating_add(played.time);
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let line = Line { standing: self.standing, took: now - self.began };
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.standing.seeds);
                bar.set_message(line.to_string());
                self.next = now + CHANGE;
            }
            None => {
                output::say(format_args!("simulating: {line}"));
                self.next = now + LINE;
            }
        }
    }

    /// Says something else without being in its way.
    pub(super) fn beside<R>(&self, say: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// Makes room for the result.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

struct Line {
    standing: Standing,
    took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { wanted, seeds, violations, time } = self.standing;
        let took = self.took.as_secs_f64().max(0.001);
        let (rate, times) = (seeds as f64 / took, time.as_secs_f64() / took);
        write!(f, "{seeds} of {wanted} seeds, {violations} violations, ")?;
        write!(f, "{rate:.2} seeds/s, {times:.0} × real time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_many_are_done_how_many_went_wrong_and_how_fast() {
        let time = Duration::from_secs(5000);
        let standing = Standing { wanted: 100, seeds: 7, violations: 1, time };
        let line = Line { standing, took: Duration::from_secs(10) };
        let said = "7 of 100 seeds, 1 violations, 0.70 seeds/s, 500 × real time";
        assert_eq!(line.to_string(), said);
    }
}
