//! Many worlds: one for each seed, on several threads, folded in the order of the
//! seeds, so that nothing of the result depends on which was faster.
//!
//! ```text
//!   seeds ─▶ next ─┬─▶ thread: draw, play ─┬─▶ those that came early ─▶ fold ─▶ Summary
//!                  ╰─▶ thread: draw, play ─╯    at most AHEAD of them
//! ```

use core::fmt;
use core::num::NonZeroUsize;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

use sha2::{Digest as _, Sha256};

use crate::scenario::{DrawOptions, Scenario, ScenarioError};
use crate::watch::Digest;

mod panics;
mod play;
mod talk;
mod twice;

pub use play::{Played, Trial, play, play_watched};
pub use talk::Talk;
pub use twice::play_twice;

/// Seeds that may be done before an earlier one is: what is kept of them is small,
/// and still bounded.
const AHEAD: u64 = if cfg!(test) { 64 } else { 1024 };

/// Worlds to simulate.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// A world for each.
    pub seeds: Range<u64>,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// What is not left to the seeds.
    pub options: DrawOptions,
}

/// What a swarm came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Worlds that were simulated to their end, or to a violation.
    pub seeds: u64,
    /// Those of them with a violation.
    pub violations: u64,
    /// Over the digests of all of them, in the order of their seeds.
    pub digest: Digest,
    /// Events in all of them.
    pub events: u64,
    /// How long all of them went on, in their own time.
    pub time: Duration,
}

impl Summary {
    /// Of one world alone, as a swarm of one seed comes to it.
    pub fn of(played: &Played) -> Self {
        let mut folding = Folding::default();
        folding.add(played, &mut |_| ());
        folding.finish()
    }
}

impl Default for Summary {
    /// Of no world.
    fn default() -> Self {
        Folding::default().finish()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, violations, digest, .. } = self;
        write!(f, "seeds {seeds}, violations {violations}, digest {digest}")
    }
}

/// A seed's scenario has a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwarmError {
    /// Whose.
    pub seed: u64,
    /// What it is.
    pub mistake: ScenarioError,
    /// What was done all the same.
    pub summary: Box<Summary>,
}

impl fmt::Display for SwarmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scenario of seed {}: {}", self.seed, self.mistake)
    }
}

impl core::error::Error for SwarmError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.mistake)
    }
}

impl Swarm {
    /// Simulates them all, until it is told to `stop`: what is not done then is
    /// left out, unless something is wrong with it already. Each that is done is shown, in
    /// the order of seeds.
    ///
    /// Fails with the first seed whose scenario has a mistake, as where the options make
    /// no network.
    pub fn run(
        &self,
        trial: &impl Trial,
        stop: &AtomicBool,
        mut each: impl FnMut(&Played),
    ) -> Result<Summary, SwarmError> {
        let turns = Turns::new(self.seeds.clone());
        let (sender, done) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                let (sender, turns) = (sender.clone(), &turns);
                scope.spawn(move || {
                    while let Some(seed) = turns.next(stop) {
                        let scenario = Scenario::draw(seed, &self.options);
                        let mut is_stopped = false;
                        let played = play_watched(&scenario, trial, |_| {
                            is_stopped = is_set(stop) || turns.are_over();
                            if is_stopped {
                                ControlFlow::Break(())
                            } else {
                                ControlFlow::Continue(())
                            }
                        });
                        let is_wrong =
                            played.as_ref().is_ok_and(|played| played.violation.is_some());
                        if is_stopped && !is_wrong || sender.send((seed, played)).is_err() {
                            break;
                        }
                    }
                    // Who waits for what was broken off waits no longer.
                    turns.end();
                });
            }
            drop(sender);
            let mut folding = Folding::default();
            let mut early = BTreeMap::new();
            let mut next = self.seeds.start;
            let mut failed = None;
            for (seed, played) in done {
                early.insert(seed, played);
                while let Some(played) = early.remove(&next) {
                    next += 1;
                    match played {
                        Ok(played) => folding.add(&played, &mut each),
                        Err(mistake) => {
                            failed.get_or_insert((next - 1, mistake));
                            turns.break_off();
                        }
                    }
                }
                turns.folded_to(next);
            }
            // Only where it was stopped are there gaps.
            early.into_values().flatten().for_each(|played| folding.add(&played, &mut each));
            let summary = folding.finish();
            match failed {
                None => Ok(summary),
                Some((seed, mistake)) => {
                    Err(SwarmError { seed, mistake, summary: Box::new(summary) })
                }
            }
        })
    }
}

fn is_set(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

/// Whose turn it is.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
    are_over: AtomicBool,
}

struct State {
    left: Range<u64>,
    folded: u64,
}

impl Turns {
    const fn new(seeds: Range<u64>) -> Self {
        let state = State { folded: seeds.start, left: seeds };
        let are_over = AtomicBool::new(false);
        Self { state: Mutex::new(state), changed: Condvar::new(), are_over }
    }

    /// The next seed, when it is not too far ahead of the others.
    fn next(&self, stop: &AtomicBool) -> Option<u64> {
        // Nobody panics who holds it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if is_set(stop) || state.left.is_empty() {
                return None;
            }
            if state.left.start - state.folded < AHEAD {
                return state.left.next();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn folded_to(&self, seed: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).folded = seed;
        self.changed.notify_all();
    }

    /// Nobody gets another.
    fn end(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).left = 0..0;
        self.changed.notify_all();
    }

    /// There is no sense in what is still under way.
    fn break_off(&self) {
        self.are_over.store(true, Ordering::Relaxed);
        self.end();
    }

    fn are_over(&self) -> bool {
        is_set(&self.are_over)
    }
}

/// What has been folded so far.
#[derive(Default)]
struct Folding {
    digest: Sha256,
    seeds: u64,
    violations: u64,
    events: u64,
    time: Duration,
}

impl Folding {
    fn add(&mut self, played: &Played, each: &mut impl FnMut(&Played)) {
        self.digest.update(played.seed.to_le_bytes());
        self.digest.update(played.digest.0);
        self.seeds += 1;
        self.violations += u64::from(played.violation.is_some());
        self.events = self.events.saturating_add(played.events);
        self.time = self.time.saturating_add(played.time);
        each(played);
    }

    fn finish(self) -> Summary {
        Summary {
            seeds: self.seeds,
            violations: self.violations,
            digest: Digest(self.digest.finalize().into()),
            events: self.events,
            time: self.time,
        }
    }
}

#[cfg(test)]
mod tests;
