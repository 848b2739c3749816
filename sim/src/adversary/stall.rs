//! Handshake stallers: they take a slot of those who wait to be admitted, and keep it.

use super::Stall;
use super::actor::Actor;
use crate::host::Around;

/// In so many turns each id dials once, a little less often than it is let in: evenly,
/// so that there is always one that waits for the next free slot.
const TURNS: usize = 32;

/// A part of the ids dials every victim that it has no connection to.
pub(super) fn strike(actor: &mut Actor, around: &mut Around<'_>, how: Stall) {
    for target in 0..actor.targets.len() {
        for mask in (actor.turns % TURNS..actor.masks.len()).step_by(TURNS) {
            actor.dial(around, mask, target);
        }
    }
    actor.turns += 1;
    if how == Stall::Trickle {
        actor.trickle(around);
    }
}
