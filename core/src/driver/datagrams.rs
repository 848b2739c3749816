//! Datagrams outside of the machine: those for which the socket has no room
//! yet, and what became of all of them.
//!
//! A datagram is never worth an error: what cannot be sent, and what there is no
//! time to verify, is dropped and counted in [`Datagrams`].

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use alloc::collections::VecDeque;
use bytes::Bytes;

use crate::limits;

/// How a socket refused a datagram, or failed to give one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SocketFailure {
    /// An ICMP message came back: nobody listens there.
    Refused,
    /// Larger than the way there takes.
    TooLarge,
    /// There is no way there.
    Unreachable,
    /// The system does not let us: a packet filter, say.
    Denied,
    /// The system has no memory for it.
    NoBuffers,
    /// Something else.
    Other,
}

/// What the failures are called, in the order of [`SocketFailure::index`].
const LABELS: [&str; 6] = ["refused", "too_large", "unreachable", "denied", "no_buffers", "other"];

impl SocketFailure {
    /// All of them.
    pub const ALL: [Self; LABELS.len()] = [
        Self::Refused,
        Self::TooLarge,
        Self::Unreachable,
        Self::Denied,
        Self::NoBuffers,
        Self::Other,
    ];

    const fn index(self) -> usize {
        match self {
            Self::Refused => 0,
            Self::TooLarge => 1,
            Self::Unreachable => 2,
            Self::Denied => 3,
            Self::NoBuffers => 4,
            Self::Other => 5,
        }
    }

    /// Its name for metrics, the same in all versions: `too_large`.
    pub const fn label(self) -> &'static str {
        LABELS[self.index()]
    }

    /// Whether it says something of one datagram only, so that the next one may
    /// be read at once.
    pub const fn is_of_one_datagram(self) -> bool {
        match self {
            Self::Refused | Self::TooLarge | Self::Unreachable => true,
            Self::Denied | Self::NoBuffers | Self::Other => false,
        }
    }
}

impl fmt::Display for SocketFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::TooLarge => "message too long",
            Self::Unreachable => "no route",
            Self::Denied => "not permitted",
            Self::NoBuffers => "no buffer space",
            Self::Other => "socket error",
        })
    }
}

/// What became of datagrams outside of the machine. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Datagrams {
    /// Read from the socket.
    pub received: u64,
    /// Given to the socket.
    pub sent: u64,
    /// Dropped since too many waited to be verified.
    pub unverified: u64,
    /// Dropped since [`limits::UNSENT_DATAGRAMS`] waited for the socket.
    pub unsent: u64,
    send_failures: [u64; LABELS.len()],
    receive_failures: [u64; LABELS.len()],
}

impl Datagrams {
    /// Datagrams that could not be sent, for this reason.
    pub const fn send_failures(&self, failure: SocketFailure) -> u64 {
        self.send_failures[failure.index()]
    }

    /// How often reading failed in this way.
    pub const fn receive_failures(&self, failure: SocketFailure) -> u64 {
        self.receive_failures[failure.index()]
    }
}

/// Datagrams on their way to a socket of one family.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The socket is one of IPv6, to which IPv4 addresses are mapped ones.
    is_ipv6: bool,
    unsent: VecDeque<(SocketAddr, Bytes)>,
    counts: Datagrams,
}

impl Outbox {
    pub(super) fn new(is_ipv6: bool) -> Self {
        Self { is_ipv6, unsent: VecDeque::new(), counts: Datagrams::default() }
    }

    /// Datagrams that wait.
    pub(super) fn len(&self) -> usize {
        self.unsent.len()
    }

    pub(super) const fn counts(&self) -> Datagrams {
        self.counts
    }

    pub(super) const fn received(&mut self) {
        increment(&mut self.counts.received);
    }

    pub(super) const fn not_received(&mut self, failure: SocketFailure) {
        increment(&mut self.counts.receive_failures[failure.index()]);
    }

    pub(super) const fn left_unverified(&mut self) {
        increment(&mut self.counts.unverified);
    }

    pub(super) fn push(&mut self, to: SocketAddr, datagram: Bytes) {
        if !self.is_ipv6 && to.is_ipv6() {
            increment(&mut self.counts.send_failures[SocketFailure::Unreachable.index()]);
        } else if self.unsent.len() >= limits::UNSENT_DATAGRAMS {
            // Those that wait are about to leave, and some answers among them
            // are good for half a second only.
            increment(&mut self.counts.unsent);
        } else {
            self.unsent.push_back((to, datagram));
        }
    }

    pub(super) fn next(&self) -> Option<(SocketAddr, &[u8])> {
        self.unsent.front().map(|(to, datagram)| (self.mapped(*to), &datagram[..]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    pub(super) fn sent(&mut self) {
        if self.leave() {
            increment(&mut self.counts.sent);
        }
    }

    pub(super) fn not_sent(&mut self, failure: SocketFailure) {
        if self.leave() {
            increment(&mut self.counts.send_failures[failure.index()]);
        }
    }

    /// The first one goes, if there is one. Without any the queue begins at its front.
    fn leave(&mut self) -> bool {
        let is_one = self.unsent.pop_front().is_some();
        if self.unsent.is_empty() {
            self.unsent.clear();
        }
        is_one
    }

    pub(super) fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.is_ipv6 => (ip.to_ipv6_mapped(), to.port()).into(),
            IpAddr::V4(_) | IpAddr::V6(_) => to,
        }
    }
}

/// A socket of both families shows an IPv4 address as a mapped one. Others are
/// left as they are, with their scope.
pub(super) fn unmapped(source: SocketAddr) -> SocketAddr {
    match source.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, source.port()).into(),
        IpAddr::V6(_) => source,
    }
}

const fn increment(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_counter_and_a_label_of_its_own() {
        use SocketFailure::{Denied, NoBuffers, Other, Refused, TooLarge, Unreachable};
        for (index, failure) in
            [Refused, TooLarge, Unreachable, Denied, NoBuffers, Other].into_iter().enumerate()
        {
            assert_eq!(failure.index(), index);
            assert!(!LABELS[..index].contains(&failure.label()));
        }
    }

    #[test]
    fn a_socket_of_ipv6_gets_mapped_addresses_and_gives_plain_ones() {
        let outbox = Outbox::new(true);
        let (mapped, plain) =
            ("[::ffff:127.0.0.1]:2".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert_eq!(outbox.mapped(plain), mapped);
        assert_eq!(unmapped(mapped), plain);
        let own = "[::1]:5".parse().unwrap();
        assert_eq!((outbox.mapped(own), unmapped(own)), (own, own));
    }
}
