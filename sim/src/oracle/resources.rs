//! R1, R2 and what R3 counts: wake-ups, packets, sizes.

use core::time::Duration;

use devp2p_core::discv4::Discovery;
use devp2p_core::time::{Deadline, Instant};

use super::{Flaw, hold};

/// Endpoint proofs, and requests under way: `limits.rs` says why so many.
const BONDS: usize = 4096;
const PENDING: usize = 1000 + 512 + 512 + 17 * 16;

const MINUTE: u64 = 60_000_000;

/// What one run has done by the minute.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// All packets so far.
    pub(super) packets: u64,
    minute: u64,
    /// Packets and wake-ups of this minute, and of the last whole one.
    this: [u64; 2],
    last: [u64; 2],
    /// When the machine did nothing, whatever came: from, to.
    pauses: Vec<(Instant, Instant)>,
}

impl Book {
    fn turn(&mut self, now: Instant) {
        let minute = now.as_micros() / MINUTE;
        if minute != self.minute {
            self.last = if minute == self.minute + 1 { self.this } else { [0, 0] };
            (self.minute, self.this) = (minute, [0, 0]);
        }
    }

    pub(super) fn sends(&mut self, now: Instant) {
        self.turn(now);
        self.packets += 1;
        self.this[0] += 1;
    }

    pub(super) fn wakes(&mut self, now: Instant) {
        self.turn(now);
        self.this[1] += 1;
    }

    pub(super) fn stands_still(&mut self, from: Instant, to: Instant) {
        self.pauses.push((from, to));
    }

    /// How long the machine did nothing in this time.
    pub(super) fn stood_still(&self, since: Instant, now: Instant) -> Duration {
        let within =
            |(from, to): &(Instant, Instant)| (*to).min(now).saturating_since((*from).max(since));
        self.pauses.iter().map(within).sum()
    }

    /// Packets and wake-ups of the last whole minute.
    pub(super) const fn last_minute(&self) -> [u64; 2] {
        self.last
    }
}

/// R1: what comes to rest is to be woken later than now.
pub(super) fn rests(handled: Instant, who: &str, due: Option<Deadline>) -> Result<(), Flaw> {
    if let Some(due) = due {
        let late = due.at > handled;
        hold!(late, "R1", "{who} rests and is due at once, for {}", due.reason);
    }
    Ok(())
}

/// R2: nothing is larger than it may be.
pub(super) fn check(discovery: &Discovery) -> Result<(), Flaw> {
    within(discovery.bonds(), discovery.pending())
}

pub(super) fn within(bonds: usize, pending: usize) -> Result<(), Flaw> {
    hold!(bonds <= BONDS, "R2", "{bonds} endpoint proofs");
    hold!(pending <= PENDING, "R2", "{pending} requests are pending");
    Ok(())
}
