//! Useless peers: found as any, dialled in vain, again and again.

use devp2p_core::p2p::{DisconnectReason, LocalCapability};
use devp2p_core::session::Command;

use super::Useless;

/// What they offer, where others offer this.
pub(super) fn offers(why: Useless, of_others: &[LocalCapability]) -> Vec<LocalCapability> {
    match why {
        Useless::Alien => vec![LocalCapability::new("alien", 1, 1)],
        Useless::HangsUp => of_others.to_vec(),
    }
}

/// What they say when they know who the other is.
pub(super) const fn first_answer(why: Useless) -> Command {
    match why {
        Useless::Alien => Command::Proceed,
        Useless::HangsUp => Command::Disconnect(DisconnectReason::TooManyPeers),
    }
}
