//! How connections ended, counted by kind.

use crate::session::SessionError;

/// How many connections ended in which way since the node began.
///
/// The kinds are those of [`SessionError`]; the order is that of a connection's
/// life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Ends {
    /// A bad auth or ack: garbage, truncated, not for us.
    pub handshake: u64,
    /// A frame whose MAC or size is bad.
    pub frame: u64,
    /// A payload that does not decompress.
    pub compression: u64,
    /// A hello that does not decode.
    pub hello: u64,
    /// Legal bytes that no peer should send.
    pub misbehaved: u64,
    /// It took too long.
    pub timed_out: u64,
    /// The other ended it with a reason.
    pub remote: u64,
    /// We ended it with a reason: refusals and the application's.
    pub local: u64,
    /// The connection went away without a reason.
    pub lost: u64,
}

impl Ends {
    /// Counts one end.
    pub const fn count(&mut self, error: &SessionError) {
        let counter = match error {
            SessionError::Handshake(_) => &mut self.handshake,
            SessionError::Frame(_) => &mut self.frame,
            SessionError::Compression(_) => &mut self.compression,
            SessionError::Hello(_) => &mut self.hello,
            SessionError::Misbehaved(_) => &mut self.misbehaved,
            SessionError::TimedOut(_) => &mut self.timed_out,
            SessionError::Remote(_) => &mut self.remote,
            SessionError::Local(_) => &mut self.local,
            SessionError::Lost(_) => &mut self.lost,
        };
        *counter = counter.saturating_add(1);
    }

    /// All of them by name, in order.
    pub const fn by_name(&self) -> [(&'static str, u64); 9] {
        [
            ("handshake", self.handshake),
            ("frame", self.frame),
            ("compression", self.compression),
            ("hello", self.hello),
            ("misbehaved", self.misbehaved),
            ("timed_out", self.timed_out),
            ("remote", self.remote),
            ("local", self.local),
            ("lost", self.lost),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::DisconnectReason;
    use crate::session::{Lost, Phase};

    #[test]
    fn each_end_is_counted_under_its_kind() {
        let mut ends = Ends::default();
        ends.count(&SessionError::Lost(Lost::Closed));
        ends.count(&SessionError::TimedOut(Phase::Hello));
        ends.count(&SessionError::TimedOut(Phase::Read));
        ends.count(&SessionError::Remote(DisconnectReason::Quitting));
        assert_eq!(ends, Ends { lost: 1, timed_out: 2, remote: 1, ..Ends::default() });
        assert_eq!(ends.by_name().iter().map(|(_, count)| count).sum::<u64>(), 4);
    }
}
