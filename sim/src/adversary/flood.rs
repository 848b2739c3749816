//! Ping flood: more pings than anyone has reason to send, from its own addresses.

use super::actor::Actor;
use crate::draw::index;
use crate::host::Around;

/// Pings so many times each victim, each time as an id that is drawn.
pub(super) fn strike(actor: &mut Actor, around: &mut Around<'_>, pings: u32) {
    for target in 0..actor.targets.len() {
        for _ in 0..pings {
            let mask = index(&mut actor.rng, actor.masks.len());
            actor.ping(around, mask, target);
        }
    }
}
