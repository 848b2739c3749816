//! The clocks of one simulated machine, which need not agree with the world's.
//!
//! ```text
//!   world ──▶ × rate ──▶ floor to its grain ──▶ mono
//!         ╰─▶ + steps ───────────────────────▶ unix
//! ```

use core::time::Duration;

use devp2p_core::time::{Instant, Now, UnixTime};

/// When a world begins: 2026-01-01, 00:00 UTC.
pub(crate) const WORLD_BEGINS: UnixTime = UnixTime::from_secs(1_767_225_600);

const MILLION: u64 = 1_000_000;

/// One machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Since when the present rate holds: the world's time, and what the
    /// monotonic clock showed.
    since: Instant,
    shown: Instant,
    /// How much too fast it is, millionths.
    drift: i32,
    /// The monotonic clock shows multiples of this many microseconds, and never less than
    /// it has shown before.
    grain: u64,
    least: Instant,
    /// How far the Unix clock is ahead of the world's, microseconds.
    ahead: i64,
}

impl Clock {
    /// A clock that begins to run at `now` and is right.
    pub(crate) const fn starting(now: Instant) -> Self {
        Self {
            since: now,
            shown: Instant::ZERO,
            drift: 0,
            grain: 1,
            least: Instant::ZERO,
            ahead: 0,
        }
    }

    /// The same clocks after a restart: the monotonic one begins anew.
    pub(crate) fn restarted(self, now: Instant) -> Self {
        Self { since: now, shown: Instant::ZERO, least: Instant::ZERO, ..self }
    }

    /// What both show at this time of the world's.
    pub(crate) fn at(&self, world: Instant) -> Now {
        let exact = self.exact(world).as_micros();
        let mono = Instant::from_micros(exact - exact % self.grain).max(self.least);
        let true_unix = WORLD_BEGINS.as_micros().saturating_add(world.as_micros());
        let unix = true_unix.saturating_add_signed(self.ahead);
        Now { mono, unix: UnixTime::from_micros(unix) }
    }

    /// The first time of the world's at which the monotonic clock shows at least
    /// `mono`.
    pub(crate) fn when(&self, mono: Instant) -> Instant {
        if mono <= self.least {
            return self.since;
        }
        let grains = mono.as_micros().div_ceil(self.grain);
        let mono = Instant::from_micros(grains.saturating_mul(self.grain));
        let left = mono.saturating_since(self.shown);
        let left = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
        let scaled = u128::from(left) * u128::from(MILLION);
        let needed = scaled.div_ceil(u128::from(self.rate()));
        let needed = Duration::from_micros(u64::try_from(needed).unwrap_or(u64::MAX));
        self.since.saturating_add(needed)
    }

    /// From now on the monotonic clock runs so much too fast.
    pub(crate) fn set_drift(&mut self, world: Instant, millionths: i32) {
        if millionths != self.drift {
            self.shown = self.exact(world);
            self.since = world;
            self.drift = millionths;
        }
    }

    /// From now on the monotonic clock shows multiples of this alone.
    pub(crate) fn set_grain(&mut self, world: Instant, grain: Duration) {
        self.least = self.at(world).mono;
        self.grain = u64::try_from(grain.as_micros()).unwrap_or(u64::MAX).max(1);
    }

    /// Somebody sets the Unix clock so far ahead of the world's, or behind.
    pub(crate) const fn set_ahead(&mut self, micros: i64) {
        self.ahead = micros;
    }

    fn exact(&self, world: Instant) -> Instant {
        let passed = world.saturating_since(self.since).as_micros();
        let passed = passed * u128::from(self.rate()) / u128::from(MILLION);
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.shown.saturating_add(Duration::from_micros(passed))
    }

    /// Millionths of a second that it shows for each second. Never none.
    const fn rate(&self) -> u64 {
        let rate = MILLION.saturating_add_signed(self.drift as i64);
        if rate == 0 { 1 } else { rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_waited_for_has_come_when_the_wait_is_over_and_not_before() {
        for drift in [0, 200, -200, 333_333, -999_999] {
            for grain in [1, 15_000] {
                let mut clock = Clock::starting(Instant::from_secs(3));
                clock.set_grain(Instant::from_secs(3), Duration::from_micros(grain));
                clock.set_drift(Instant::from_secs(5), drift);
                for micros in [2_000_001, 7_654_321, 1_000_000_007] {
                    let mono = Instant::from_micros(micros);
                    let at = clock.when(mono);
                    assert!(clock.at(at).mono >= mono, "{drift} {grain} {micros}");
                    let before = Instant::from_micros(at.as_micros() - 1);
                    assert!(clock.at(before).mono < mono, "{drift} {grain} {micros}");
                }
            }
        }
    }

    #[test]
    fn the_monotonic_clock_never_goes_back_when_it_becomes_coarse() {
        let mut clock = Clock::starting(Instant::ZERO);
        let at = Instant::from_micros(1_017_345);
        clock.set_grain(at, Duration::from_millis(16));
        assert_eq!(clock.at(at).mono, at);
        let later = Instant::from_micros(1_023_999);
        assert_eq!(clock.at(later).mono, at);
        assert_eq!(clock.at(Instant::from_millis(1024)).mono, Instant::from_millis(1024));
        assert_eq!(clock.when(Instant::from_micros(1_017_346)), Instant::from_millis(1024));
        assert!(clock.when(at) <= at);
    }

    #[test]
    fn the_unix_clock_may_be_set_to_before_1970_and_reads_1970_then() {
        let mut clock = Clock::starting(Instant::ZERO);
        clock.set_ahead(-3_600_000_000);
        assert_eq!(clock.at(Instant::ZERO).unix.as_secs(), WORLD_BEGINS.as_secs() - 3600);
        clock.set_ahead(i64::MIN);
        assert_eq!(clock.at(Instant::ZERO).unix, UnixTime::EPOCH);
    }
}
