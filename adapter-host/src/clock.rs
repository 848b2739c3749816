//! Both clocks of the system, as core takes them.

use std::time::{Instant, SystemTime};

use core::time::Duration;

use devp2p_core::time::{Instant as Mono, Now, UnixTime};

/// Reads the time for one node. Its monotonic clock begins at 0 when it is
/// started, so one node has one `Clock`; copies agree with each other.
///
/// ```
/// let clock = devp2p_host::Clock::start();
/// assert!(clock.now().mono <= clock.now().mono);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What both clocks show.
    pub fn now(&self) -> Now {
        let mono = Mono::ZERO + self.start.elapsed();
        Now { mono, unix: unix(SystemTime::now()) }
    }

    /// The point of the system's clock that core calls `at`; `None` if it is
    /// too far off for the system. For timers, which want the system's own.
    pub fn instant(&self, at: Mono) -> Option<Instant> {
        self.start.checked_add(Duration::from_micros(at.as_micros()))
    }
}

/// A clock set before 1970 reads as 1970: expirations then seem far away,
/// which drops nothing that is valid.
fn unix(time: SystemTime) -> UnixTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::EPOCH.saturating_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_begins_at_zero_and_goes_on() {
        let before = Instant::now();
        let clock = Clock::start();
        let first = clock.now();
        while clock.now().mono == first.mono {}
        let last = clock.now();
        assert!(last.mono > first.mono);
        assert!(last.mono - Mono::ZERO <= before.elapsed());
        assert_eq!(clock.instant(Mono::ZERO), Some(clock.start));
        assert!(clock.instant(last.mono).is_some_and(|at| at <= Instant::now()));
    }

    #[test]
    fn the_wall_clock_is_the_system_s() {
        let seconds =
            || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let before = seconds();
        let now = Clock::start().now().unix.as_secs();
        assert!((before..=seconds()).contains(&now));
    }

    #[test]
    fn a_time_before_1970_reads_as_1970() {
        let day = Duration::from_secs(86_400);
        assert_eq!(unix(SystemTime::UNIX_EPOCH - day), UnixTime::EPOCH);
        assert_eq!(unix(SystemTime::UNIX_EPOCH + day), UnixTime::from_secs(86_400));
    }
}
