//! Which endpoint of ours others see: their statements, counted.
//!
//! ```text
//! pong from 9.8.7.6: "you are 1.2.3.4:30303"  ─▶  1 statement of its host, for 5 minutes
//! 10 hosts say the same, and no other endpoint more often  ─▶  believed
//! ```
//!
//! geth `netutil.IPTracker`, without its guess about the kind of NAT, which
//! nothing uses. Whom to listen to is for the caller to say: a statement that
//! came unasked may have a forged sender. geth takes the word of every ping, so
//! that ten forged ones move its endpoint.

use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::limits;
use crate::time::Instant;

/// The statements about one family of addresses.
///
/// They are counted as they come and go: every pong brings one, and none of them
/// costs a look at the others. Most say again what their host has said before.
#[derive(Clone, Debug)]
pub(super) struct EndpointStatements {
    life: Duration,
    min: usize,
    max: usize,
    /// One for each host.
    statements: BTreeMap<IpAddr, Statement>,
    /// When which host spoke last, in the order in which they did.
    order: BTreeMap<u64, (Instant, IpAddr)>,
    /// How many hosts state an endpoint.
    counts: BTreeMap<SocketAddr, usize>,
    next: u64,
    predicted: Option<SocketAddr>,
    /// The counts have changed since then.
    is_outdated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Statement {
    number: u64,
    endpoint: SocketAddr,
}

impl EndpointStatements {
    pub(super) const fn new() -> Self {
        Self::with(
            limits::ENDPOINT_STATEMENT_LIFE,
            limits::ENDPOINT_STATEMENTS_MIN,
            limits::ENDPOINT_STATEMENTS,
        )
    }

    const fn with(life: Duration, min: usize, max: usize) -> Self {
        Self {
            life,
            min,
            max,
            statements: BTreeMap::new(),
            order: BTreeMap::new(),
            counts: BTreeMap::new(),
            next: 0,
            predicted: None,
            is_outdated: false,
        }
    }

    /// A host says that it sees us at `endpoint`. Its earlier word no longer
    /// counts.
    pub(super) fn add(&mut self, now: Instant, host: IpAddr, endpoint: SocketAddr) {
        self.next += 1;
        let number = self.next;
        match self.statements.get_mut(&host) {
            Some(said) if said.endpoint == endpoint => {
                self.order.remove(&said.number);
                said.number = number;
            }
            _ => {
                self.remove(host);
                if self.statements.len() >= self.max
                    && let Some((_, (_, oldest))) = self.order.first_key_value()
                {
                    self.remove(*oldest);
                }
                self.statements.insert(host, Statement { number, endpoint });
                *self.counts.entry(endpoint).or_default() += 1;
                self.is_outdated = true;
            }
        }
        self.order.insert(number, (now, host));
    }

    fn remove(&mut self, host: IpAddr) {
        let Some(Statement { number, endpoint }) = self.statements.remove(&host) else { return };
        self.order.remove(&number);
        self.is_outdated = true;
        if let Some(count) = self.counts.get_mut(&endpoint) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&endpoint);
            }
        }
    }

    /// The endpoint that most hosts state, if enough do. Of endpoints stated
    /// equally often the one last predicted stays, or else the lowest wins.
    pub(super) fn predict(&mut self, now: Instant) -> Option<SocketAddr> {
        while let Some((_, (at, oldest))) = self.order.first_key_value()
            && now - *at > self.life
        {
            self.remove(*oldest);
        }
        if core::mem::take(&mut self.is_outdated) {
            self.predicted = self.most_stated();
        }
        self.predicted
    }

    fn most_stated(&self) -> Option<SocketAddr> {
        self.counts
            .iter()
            .filter(|(_, count)| **count >= self.min)
            // What is stated most often; then what was; then the lowest.
            .min_by_key(|(endpoint, count)| {
                (core::cmp::Reverse(**count), Some(**endpoint) != self.predicted, **endpoint)
            })
            .map(|(endpoint, _)| *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "127.0.0.1:8000";

    struct Tracker(EndpointStatements);

    impl Tracker {
        fn new() -> Self {
            Self(EndpointStatements::with(Duration::from_secs(10), 3, 1000))
        }

        fn state(&mut self, millis: u64, endpoint: &str, host: &str) {
            let at = Instant::from_millis(millis);
            self.0.add(at, host.parse().unwrap(), endpoint.parse().unwrap());
        }

        #[track_caller]
        fn expect(&mut self, millis: u64, endpoint: Option<&str>) {
            let expected = endpoint.map(|endpoint| endpoint.parse().unwrap());
            assert_eq!(self.0.predict(Instant::from_millis(millis)), expected);
        }
    }

    #[test]
    fn enough_hosts_must_say_the_same() {
        // geth, TestIPTracker, minStatements
        let mut tracker = Tracker::new();
        tracker.expect(0, None);
        tracker.state(0, ENDPOINT, "127.0.0.2");
        tracker.expect(1000, None);
        tracker.state(1000, ENDPOINT, "127.0.0.3");
        tracker.expect(1000, None);
        tracker.state(1000, ENDPOINT, "127.0.0.4");
        tracker.expect(1000, Some(ENDPOINT));
    }

    #[test]
    fn a_statement_counts_for_a_while() {
        // geth, TestIPTracker, window
        let mut tracker = Tracker::new();
        tracker.state(0, ENDPOINT, "127.0.0.2");
        tracker.state(2000, ENDPOINT, "127.0.0.3");
        tracker.state(3000, ENDPOINT, "127.0.0.4");
        tracker.expect(10_000, Some(ENDPOINT));
        tracker.expect(10_001, None);
        tracker.state(10_100, ENDPOINT, "127.0.0.2");
        tracker.expect(10_200, Some(ENDPOINT));
    }

    #[test]
    fn a_host_has_one_statement_however_often_it_speaks() {
        let mut tracker = Tracker::new();
        for _ in 0..10 {
            tracker.state(0, ENDPOINT, "127.0.0.2");
            tracker.state(0, ENDPOINT, "127.0.0.3");
        }
        tracker.expect(0, None);
        tracker.state(0, ENDPOINT, "127.0.0.4");
        tracker.state(0, "127.0.0.1:9", "127.0.0.2");
        tracker.expect(0, None);
    }

    #[test]
    fn the_most_frequent_wins_and_a_tie_changes_nothing() {
        let (lower, higher) = ("1.1.1.1:1", "2.2.2.2:2");
        let mut tracker = Tracker::new();
        let state = |tracker: &mut Tracker, endpoint, hosts: core::ops::Range<u8>| {
            for host in hosts {
                let host = IpAddr::from([9, 9, 9, host]);
                tracker.0.add(Instant::ZERO, host, str::parse(endpoint).unwrap());
            }
        };
        state(&mut tracker, higher, 0..3);
        tracker.expect(0, Some(higher));
        state(&mut tracker, lower, 3..6);
        tracker.expect(0, Some(higher));
        state(&mut tracker, lower, 6..7);
        tracker.expect(0, Some(lower));

        let mut fresh = Tracker::new();
        state(&mut fresh, higher, 0..3);
        state(&mut fresh, lower, 3..6);
        fresh.expect(0, Some(lower));
    }

    #[test]
    fn a_flood_of_statements_is_bounded_and_the_oldest_make_room() {
        let mut tracker = EndpointStatements::new();
        for number in 0..100_000_u32 {
            let host = IpAddr::from(number.to_be_bytes());
            let endpoint = SocketAddr::new(IpAddr::from((!number).to_be_bytes()), 9000);
            tracker.add(Instant::ZERO, host, endpoint);
        }
        assert_eq!(tracker.statements.len(), limits::ENDPOINT_STATEMENTS);
        assert_eq!(tracker.predict(Instant::ZERO), None);
        let oldest = tracker.order.first_key_value().map(|(_, (_, host))| *host);
        assert_eq!(oldest, Some(IpAddr::from((100_000_u32 - 256).to_be_bytes())));
        assert_eq!(tracker.order.len(), tracker.statements.len());
        assert_eq!(tracker.counts.len(), tracker.statements.len());
        assert_eq!(tracker.predict(Instant::from_secs(301)), None);
        assert!(tracker.statements.is_empty());
        assert!(tracker.order.is_empty());
        assert!(tracker.counts.is_empty());
    }

    #[test]
    fn the_last_word_of_a_host_counts_from_when_it_was_said() {
        let mut tracker = Tracker::new();
        for host in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
            tracker.state(0, ENDPOINT, host);
        }
        tracker.state(5000, ENDPOINT, "127.0.0.2");
        tracker.state(5000, "127.0.0.1:9", "127.0.0.3");
        tracker.state(6000, ENDPOINT, "127.0.0.3");
        tracker.expect(10_000, Some(ENDPOINT));
        tracker.expect(10_001, None);
        tracker.state(10_001, ENDPOINT, "127.0.0.5");
        tracker.expect(15_000, Some(ENDPOINT));
        tracker.expect(15_001, None);
    }

    #[test]
    fn time_that_goes_back_forgets_nothing_and_breaks_nothing() {
        let mut tracker = Tracker::new();
        for (millis, host) in [(9000, "127.0.0.2"), (1000, "127.0.0.3"), (5000, "127.0.0.4")] {
            tracker.state(millis, ENDPOINT, host);
        }
        tracker.expect(0, Some(ENDPOINT));
        tracker.expect(19_000, Some(ENDPOINT));
        tracker.expect(30_000, None);
    }
}
