//! Time as core sees it: plain counters that the caller moves forward.
//!
//! Nothing in core reads a clock. A driver passes [`Now`] with each input; a
//! simulator passes whatever its virtual clock says. All arithmetic
//! saturates, so no value a peer chooses can overflow it.

use core::fmt;
use core::time::Duration;

/// A point on the monotonic clock, in microseconds since an origin that the
/// driver chooses (usually the start of the process, or 0 in a simulation).
///
/// ```
/// use core::time::Duration;
/// use devp2p_core::time::Instant;
///
/// const START: Instant = Instant::from_micros(1_000);
/// assert_eq!(START + Duration::from_millis(1), Instant::from_micros(2_000));
/// assert_eq!(Instant::ZERO - START, Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// The last representable point, some 584,000 years after the origin.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The point `millis` milliseconds after the origin, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// The point `secs` seconds after the origin, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This point moved forward, saturating at [`Instant::MAX`].
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        self.saturating_add(by)
    }
}

impl core::ops::Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Wall-clock time in microseconds since 1970-01-01T00:00:00Z.
///
/// It serves packet expirations, record sequence numbers and stored
/// timestamps. Timers never use it: it may jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The point `micros` microseconds after the epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The point `secs` seconds after the epoch, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This point moved forward, saturating.
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// This point moved back, saturating.
    #[must_use]
    pub const fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix={}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Both clocks, as they stood when an input arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// The monotonic clock: timers use this one and no other.
    pub mono: Instant,
    /// The wall clock: for values that leave the machine, never for timers.
    pub unix: UnixTime,
}

impl Now {
    /// Both clocks at their origins: where tests begin.
    pub const ZERO: Self = Self { mono: Instant::ZERO, unix: UnixTime::EPOCH };

    /// Both clocks moved forward by the same amount.
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self { mono: self.mono.saturating_add(by), unix: self.unix.saturating_add(by) }
    }
}

/// When a machine wants to be woken by a time-out input, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    /// The point at which (or any time after which) to wake it.
    pub at: Instant,
    /// What runs out then, for logs and for hunting busy loops.
    pub reason: &'static str,
}

impl Deadline {
    /// The earlier of the two, and of two equal ones the first.
    pub fn sooner(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(a), Some(b)) if b.at < a.at => Some(b),
            (Some(a), _) => Some(a),
            (None, b) => b,
        }
    }
}

/// `Duration::as_micros` cut to 64 bits: it saturates like all arithmetic here.
const fn micros(by: Duration) -> u64 {
    let micros = by.as_micros();
    if micros > u64::MAX as u128 {
        u64::MAX
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "compared just above")]
        let cut = micros as u64;
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::MAX + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_secs(u64::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO - Instant::MAX, Duration::ZERO);
        assert_eq!(
            UnixTime::from_secs(u64::MAX).saturating_add(Duration::MAX).as_micros(),
            u64::MAX
        );
    }

    #[test]
    fn the_sooner_deadline_wins_and_ties_go_to_the_first() {
        let at = |at, reason| Some(Deadline { at: Instant::from_micros(at), reason });
        assert_eq!(Deadline::sooner(at(2, "a"), at(1, "b")), at(1, "b"));
        assert_eq!(Deadline::sooner(at(1, "a"), at(1, "b")), at(1, "a"));
        assert_eq!(Deadline::sooner(None, at(1, "b")), at(1, "b"));
        assert_eq!(Deadline::sooner(at(1, "a"), None), at(1, "a"));
    }

    #[test]
    fn an_instant_prints_as_seconds() {
        assert_eq!(alloc::format!("{:?}", Instant::from_micros(12_000_431)), "t=12.000431");
    }
}
