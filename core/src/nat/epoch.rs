//! How long a gateway says to have remembered its mappings, and so whether it
//! has forgotten ours. RFC 6887, section 8.5; RFC 6886, section 3.6, is laxer.

use crate::time::Instant;

/// The last answer's epoch, and when it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epoch(Option<(u64, Instant)>);

impl Epoch {
    /// A gateway has answered with this epoch, seconds: whether it has forgotten
    /// what it knew before. The first one says nothing of that.
    ///
    /// RFC 6887's rule, with the second that the two clocks may be apart made
    /// two: an answer may be a second old.
    pub fn heard(&mut self, now: Instant, epoch: u32) -> bool {
        let epoch = u64::from(epoch);
        let last = self.0.replace((epoch, now));
        let Some((before, at)) = last else { return false };
        if epoch + 2 <= before {
            return true;
        }
        let (ours, theirs) = ((now - at).as_secs(), epoch.saturating_sub(before));
        ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16
    }

    /// Another gateway, or another protocol, is asked from now on.
    pub const fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn heard(answers: &[(u64, u32)]) -> Vec<bool> {
        let mut epoch = Epoch::default();
        answers.iter().map(|(at, said)| epoch.heard(Instant::from_secs(*at), *said)).collect()
    }

    #[test]
    fn an_epoch_that_keeps_pace_is_the_same_gateway() {
        assert_eq!(heard(&[(10, 1000), (40, 1030), (70, 1059), (700, 1690)]), [false; 4]);
        // A clock that is off by a sixteenth.
        assert_eq!(heard(&[(0, 0), (1600, 1510)]), [false; 2]);
    }

    #[test]
    fn an_epoch_that_began_again_or_jumped_is_a_restart_told_once() {
        assert_eq!(heard(&[(10, 1000), (40, 3), (70, 33)]), [false, true, false]);
        assert_eq!(heard(&[(10, 3), (70, 20)]), [false, true]);
        assert_eq!(heard(&[(10, 3), (40, 5000), (70, 5030)]), [false, true, false]);
    }

    #[test]
    fn the_ends_of_both_clocks_break_nothing() {
        let mut epoch = Epoch::default();
        assert!(!epoch.heard(Instant::MAX, u32::MAX));
        assert!(epoch.heard(Instant::ZERO, 0));
        assert!(epoch.heard(Instant::MAX, u32::MAX));
    }
}
