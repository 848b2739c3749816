//! What a link does to what passes through it: nothing, unless a fault says so.

use core::time::Duration;

use crate::draw::Millionths;

/// The state of one machine's link, both ways or one. A path has that of the link that
/// it begins at and of that it ends at together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quality {
    /// Datagrams lost, each for itself. A TCP segment is sent again instead, after
    /// 200 ms, 400 ms and so on; where all is lost it never arrives.
    pub loss: Millionths,
    /// Datagrams after which so many in a row are lost.
    pub burst_loss: Millionths,
    /// Added to every way.
    pub delay: Duration,
    /// Added to every way: the mean of an exponential distribution.
    pub jitter: Duration,
    /// Datagrams held back for up to a second, so that later ones overtake them.
    pub reorder: Millionths,
    /// Datagrams that arrive twice.
    pub duplicate: Millionths,
    /// Datagrams that arrive once more, up to half a minute later: after they
    /// have expired, some of them.
    pub replay: Millionths,
    /// Datagrams in which a bit is wrong.
    pub corrupt: Millionths,
    /// Datagrams of which the end is missing.
    pub truncate: Millionths,
    /// Datagrams larger than this are lost, bytes.
    pub mtu: usize,
    /// Datagrams to where nobody listens come back as errors of the socket.
    pub icmp: bool,
    /// The socket takes no datagram now. Of what is sent to a machine it says nothing.
    pub send_buffer_full: bool,
    /// Nothing passes; TCP is sent again later.
    pub clogged: bool,
    /// TCP connections that are refused.
    pub refuse: Millionths,
    /// TCP connections that nobody answers.
    pub unanswered: Millionths,
    /// Writes to a TCP connection, of up to 64 KiB, within which it is reset.
    pub reset: Millionths,
    /// Writes to a TCP connection within which this direction ends.
    pub fin: Millionths,
    /// TCP segments are cut into pieces of this many bytes; 0 for whole ones.
    pub segment: usize,
    /// TCP segments wait for a while and arrive together.
    pub merge: bool,
    /// TCP connections stand still.
    pub stall: bool,
    /// Bytes each second upwards; 0 for no limit. Of what is sent to a machine it says
    /// nothing.
    pub bandwidth: u64,
}

impl Quality {
    /// As good as can be.
    pub const PERFECT: Self = Self {
        loss: 0,
        burst_loss: 0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        reorder: 0,
        duplicate: 0,
        replay: 0,
        corrupt: 0,
        truncate: 0,
        mtu: usize::MAX,
        icmp: false,
        send_buffer_full: false,
        clogged: false,
        refuse: 0,
        unanswered: 0,
        reset: 0,
        fin: 0,
        segment: 0,
        merge: false,
        stall: false,
        bandwidth: 0,
    };

    /// All that is a chance, by name.
    pub(crate) const fn chances(&self) -> [(&'static str, Millionths); 11] {
        [
            ("loss", self.loss),
            ("burst_loss", self.burst_loss),
            ("reorder", self.reorder),
            ("duplicate", self.duplicate),
            ("replay", self.replay),
            ("corrupt", self.corrupt),
            ("truncate", self.truncate),
            ("refuse", self.refuse),
            ("unanswered", self.unanswered),
            ("reset", self.reset),
            ("fin", self.fin),
        ]
    }

    /// Of two links, one behind the other.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let smaller = |a: u64, b: u64| if a == 0 || b == 0 { a.max(b) } else { a.min(b) };
        let segment = if self.segment == 0 || other.segment == 0 {
            self.segment.max(other.segment)
        } else {
            self.segment.min(other.segment)
        };
        Self {
            loss: self.loss.saturating_add(other.loss),
            burst_loss: self.burst_loss.saturating_add(other.burst_loss),
            delay: self.delay.saturating_add(other.delay),
            jitter: self.jitter.saturating_add(other.jitter),
            reorder: self.reorder.saturating_add(other.reorder),
            duplicate: self.duplicate.saturating_add(other.duplicate),
            replay: self.replay.saturating_add(other.replay),
            corrupt: self.corrupt.saturating_add(other.corrupt),
            truncate: self.truncate.saturating_add(other.truncate),
            mtu: self.mtu.min(other.mtu),
            icmp: self.icmp || other.icmp,
            send_buffer_full: self.send_buffer_full || other.send_buffer_full,
            clogged: self.clogged || other.clogged,
            refuse: self.refuse.saturating_add(other.refuse),
            unanswered: self.unanswered.saturating_add(other.unanswered),
            reset: self.reset.saturating_add(other.reset),
            fin: self.fin.saturating_add(other.fin),
            segment,
            merge: self.merge || other.merge,
            stall: self.stall || other.stall,
            bandwidth: smaller(self.bandwidth, other.bandwidth),
        }
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self::PERFECT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_link_adds_nothing_and_two_bad_ones_add_up() {
        let bad = Quality { loss: 10, mtu: 1280, segment: 5, bandwidth: 100, ..Quality::PERFECT };
        assert_eq!(bad.and(&Quality::PERFECT), bad);
        assert_eq!(Quality::PERFECT.and(&bad), bad);
        let worse = Quality { loss: 5, mtu: 1000, segment: 2, bandwidth: 50, ..Quality::PERFECT };
        let both = bad.and(&worse);
        assert_eq!((both.loss, both.mtu, both.segment, both.bandwidth), (15, 1000, 2, 50));
    }
}
