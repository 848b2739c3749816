//! How a crawl goes on: one line that changes on a terminal, elsewhere one
//! line after the other.

use core::fmt;
use core::time::Duration;
use std::io::{self, IsTerminal as _};

use devp2p_smol::core::time::Instant;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Standing;
use crate::output;

/// Between two changes of the line on a terminal.
const CHANGE: Duration = Duration::from_millis(250);

/// Between two lines elsewhere. geth's `statusTicker`.
const LINE: Duration = Duration::from_secs(8);

/// What is seen of a crawl.
pub(super) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    next: Instant,
    rate: Rate,
}

impl Progress {
    /// Shows itself on standard error.
    pub(super) fn new(now: Instant) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        let mut progress = Self { bar, next: now, rate: Rate::new(now) };
        progress.next = now + progress.interval();
        progress
    }

    /// When there is something to show again.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Shows how it stands, if it is time to.
    pub(super) fn show(&mut self, standing: &Standing, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval();
        let line = Line { standing, rate: self.rate.at(standing.tally.asked(), now) };
        match &self.bar {
            Some(bar) => {
                bar.set_message(line.to_string());
                bar.tick();
            }
            None => output::say(format_args!("crawling: {line}")),
        }
    }

    /// Makes room for the result.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    const fn interval(&self) -> Duration {
        if self.bar.is_some() { CHANGE } else { LINE }
    }
}

struct Line<'a> {
    standing: &'a Standing,
    rate: f64,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { tally, nodes, live } = self.standing;
        write!(f, "{} found, {live} live of {nodes}, {} removed, ", tally.added, tally.removed)?;
        write!(f, "{:.1} asked/s", self.rate)
    }
}

/// Questions a second, lately.
struct Rate {
    since: Instant,
    asked: u64,
    latest: f64,
}

impl Rate {
    const fn new(now: Instant) -> Self {
        Self { since: now, asked: 0, latest: 0.0 }
    }

    /// With `asked` questions so far.
    fn at(&mut self, asked: u64, now: Instant) -> f64 {
        let elapsed = now.saturating_since(self.since);
        // A shorter time says nothing.
        if elapsed >= Duration::from_secs(1) {
            self.latest = asked.saturating_sub(self.asked) as f64 / elapsed.as_secs_f64();
            (self.since, self.asked) = (now, asked);
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Tally;
    use super::*;

    #[test]
    fn the_line_says_what_was_found_what_lives_what_went_and_how_fast() {
        let tally = Tally { added: 12, updated: 5, removed: 2, recent: 1, silent: 7 };
        let standing = Standing { tally, nodes: 40, live: 17 };
        let line = Line { standing: &standing, rate: 3.25 };
        assert_eq!(line.to_string(), "12 found, 17 live of 40, 2 removed, 3.2 asked/s");
    }

    #[test]
    fn the_rate_is_that_of_the_last_second_or_more() {
        let at = Instant::from_millis;
        let mut rate = Rate::new(at(0));
        let rates = [(0, 0), (5, 500), (10, 1000), (50, 1100), (50, 6000), (50, 8000)]
            .map(|(asked, millis)| rate.at(asked, at(millis)));
        assert_eq!(rates, [0.0, 0.0, 10.0, 10.0, 8.0, 0.0]);
    }
}
