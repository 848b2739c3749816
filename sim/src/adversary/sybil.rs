//! Sybils: many ids of one owner that vouch for each other and are peers like any.

use super::actor::Actor;
use crate::draw::index;
use crate::host::Around;

/// In how many turns each victim is dialled once.
const DIALS: usize = 4;

/// Some ids dial some victims, to take what places there are for those who come.
pub(super) fn strike(actor: &mut Actor, around: &mut Around<'_>) {
    for _ in 0..actor.targets.len().div_ceil(DIALS) {
        let mask = index(&mut actor.rng, actor.masks.len());
        let target = index(&mut actor.rng, actor.targets.len());
        actor.dial(around, mask, target);
    }
}
