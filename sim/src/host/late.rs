//! What reaches a machine late, in lanes of which each keeps its order.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::time::Instant;

/// What may not overtake each other: what sessions and node say is one lane, and
/// the packets of some sources are each of the others.
pub(super) const LANES: u8 = 17;
pub(super) const SESSIONS: u8 = 0;

pub(super) fn lane_of(source: SocketAddr) -> u8 {
    let number = match source.ip().to_canonical() {
        IpAddr::V4(ip) => u32::from(ip),
        IpAddr::V6(ip) => u32::from(ip.segments()[7]),
    };
    u8::try_from(number.wrapping_mul(0x9E37_79B9) >> 28).unwrap_or(0) + 1
}

/// What is late.
pub(super) struct Late<T> {
    /// By when it is due, and in the order in which it came, with its lane.
    queue: BTreeMap<(Instant, u64), (u8, T)>,
    count: u64,
    lanes: [Lane; LANES as usize],
}

#[derive(Clone, Copy, Default)]
struct Lane {
    /// When the last is due.
    last: Option<Instant>,
    /// Those that have not arrived, though they may be due: a slow machine gets to
    /// them when it has time.
    waiting: u32,
}

impl<T> Late<T> {
    pub(super) fn new() -> Self {
        Self { queue: BTreeMap::new(), count: 0, lanes: [Lane::default(); LANES as usize] }
    }

    /// Whether nothing that comes now in this lane has to wait.
    pub(super) fn is_prompt(&self, now: Instant, by: Duration, lane: u8) -> bool {
        let Some(Lane { last, waiting }) = self.lanes.get(usize::from(lane)) else { return true };
        by.is_zero() && *waiting == 0 && last.is_none_or(|last| last < now)
    }

    /// Keeps it for so long, and until what came before in its lane has arrived. Gives
    /// it back if it does not have to wait.
    pub(super) fn put(&mut self, now: Instant, by: Duration, lane: u8, what: T) -> Option<T> {
        let is_prompt = self.is_prompt(now, by, lane);
        let Some(Lane { last, waiting }) = self.lanes.get_mut(usize::from(lane)) else {
            return Some(what);
        };
        let due = last.map_or(now + by, |last| last.max(now + by));
        *last = Some(due);
        if is_prompt {
            return Some(what);
        }
        *waiting += 1;
        self.count += 1;
        self.queue.insert((due, self.count), (lane, what));
        None
    }

    /// When the first is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first, if it is due, with its lane. It goes on to hold up what comes in its
    /// lane until it has [arrived](Self::arrived).
    pub(super) fn take(&mut self, now: Instant) -> Option<(u8, T)> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// One that was taken is what is done next.
    pub(super) fn arrived(&mut self, lane: u8) {
        if let Some(Lane { waiting, .. }) = self.lanes.get_mut(usize::from(lane)) {
            *waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(10);
    const LATE: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_due_goes_before_what_comes_while_the_machine_has_no_time() {
        let mut late = Late::new();
        assert_eq!(late.put(NOW, LATE, SESSIONS, "ready"), None);
        let now = NOW + LATE * 2;
        assert_eq!(late.next_at(), Some(NOW + LATE));
        // It is due, and what comes now may not overtake it,
        assert_eq!(late.put(now, Duration::ZERO, SESSIONS, "closed"), None);
        // which another lane does not mind.
        assert_eq!(late.put(now, Duration::ZERO, 1, "packet"), Some("packet"));
        assert_eq!(late.take(now), Some((SESSIONS, "ready")));
        assert!(!late.is_prompt(now + LATE, Duration::ZERO, SESSIONS));
        late.arrived(SESSIONS);
        assert_eq!(late.take(now), Some((SESSIONS, "closed")));
        late.arrived(SESSIONS);
        assert_eq!(late.take(now), None);
        assert!(late.is_prompt(now + LATE, Duration::ZERO, SESSIONS));
    }

    #[test]
    fn who_is_less_late_stays_behind_who_came_before() {
        let mut late = Late::new();
        assert_eq!(late.put(NOW, LATE, 3, 1), None);
        assert_eq!(late.put(NOW, LATE / 2, 3, 2), None);
        assert_eq!(late.put(NOW, LATE / 2, 4, 3), None);
        assert_eq!(late.take(NOW + LATE / 2), Some((4, 3)));
        assert_eq!(late.take(NOW + LATE / 2), None);
        assert_eq!(late.take(NOW + LATE), Some((3, 1)));
        assert_eq!(late.take(NOW + LATE), Some((3, 2)));
    }
}
