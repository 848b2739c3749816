//! The bytes that wait for the socket: how many, and since when.

use crate::limits;
use crate::rlpx::frame_length;
use crate::time::Instant;

/// Most bytes of the base protocol that wait: the answers, of which one may
/// exceed its limit, a ping and a disconnect.
pub(super) const BASE_BACKLOG: usize = limits::ANSWER_BACKLOG + 3 * frame_length(16);

/// How many written bytes are still on their way, and for how long.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) pending: usize,
    /// Of those pending, the bytes that must have left by the deadline.
    pub(super) due: usize,
    deadline: Instant,
    /// Bytes of answers among those due, and among those that came since.
    answers: [usize; 2],
}

impl Writes {
    pub(super) fn began(&mut self, bytes: usize, now: Instant) {
        self.pending += bytes;
        if self.due == 0 {
            self.all_due(now);
        }
    }

    /// Each time all that was due has left, what came since becomes due: no
    /// byte waits longer than twice the time limit, whatever else is written.
    pub(super) fn written(&mut self, bytes: usize, now: Instant) {
        self.pending = self.pending.saturating_sub(bytes);
        self.due = self.due.saturating_sub(bytes);
        if self.due == 0 {
            self.all_due(now);
        }
    }

    fn all_due(&mut self, now: Instant) {
        self.due = self.pending;
        self.deadline = now + limits::WRITE_TIMEOUT;
        self.answers = if self.pending > 0 { [self.answers[1], 0] } else { [0, 0] };
    }

    /// Bytes of an answer are about to be pending.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.answers[1] += bytes;
    }

    /// Bytes of answers that may be pending: at least those that are.
    pub(super) const fn answers(&self) -> usize {
        self.answers[0] + self.answers[1]
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        if self.due > 0 { Some(self.deadline) } else { None }
    }
}
