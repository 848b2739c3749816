//! Whom to admit: the two checks that every connection passes.
//!
//! Reasons are given in geth's order (`p2p/server.go`, `postHandshakeChecks`
//! and `addPeerChecks`): too many, already connected, self; after the hello
//! also a peer without a shared capability, before all others.

use core::fmt;

use alloc::collections::BTreeSet;

use crate::crypto::PublicKey;
use crate::p2p::{DisconnectReason, Shared};

/// Why a connection is not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// All slots are taken.
    TooManyPeers,
    /// There is a connection to this node already.
    AlreadyConnected,
    /// It is our own key.
    SelfConnected,
    /// No capability is shared.
    UselessPeer,
}

impl Refusal {
    /// What the other is told.
    pub const fn reason(self) -> DisconnectReason {
        match self {
            Self::TooManyPeers => DisconnectReason::TooManyPeers,
            Self::AlreadyConnected => DisconnectReason::AlreadyConnected,
            Self::SelfConnected => DisconnectReason::SelfConnected,
            Self::UselessPeer => DisconnectReason::UselessPeer,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl core::error::Error for Refusal {}

/// Who is admitted, and who may be.
#[derive(Debug)]
pub struct Admission {
    own: PublicKey,
    max_peers: usize,
    peers: BTreeSet<PublicKey>,
}

impl Admission {
    /// Nobody is admitted yet; at most `max_peers` will be.
    pub const fn new(own: PublicKey, max_peers: usize) -> Self {
        Self { own, max_peers, peers: BTreeSet::new() }
    }

    /// How many are admitted.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// The first check, when `peer` has proved its key. It reserves nothing:
    /// the second check repeats it, for the set may have changed.
    pub fn check(&self, peer: &PublicKey) -> Result<(), Refusal> {
        if self.peers.len() >= self.max_peers {
            return Err(Refusal::TooManyPeers);
        }
        if self.peers.contains(peer) {
            return Err(Refusal::AlreadyConnected);
        }
        if *peer == self.own {
            return Err(Refusal::SelfConnected);
        }
        Ok(())
    }

    /// The second check, after the hello; who passes it is admitted.
    /// `offers_nothing` says that we have no capability at all: such a node
    /// takes anyone.
    pub fn admit(
        &mut self,
        peer: &PublicKey,
        shared: &Shared,
        offers_nothing: bool,
    ) -> Result<(), Refusal> {
        if shared.is_empty() && !offers_nothing {
            return Err(Refusal::UselessPeer);
        }
        self.check(peer)?;
        self.peers.insert(*peer);
        Ok(())
    }

    /// An admitted peer is gone.
    pub fn release(&mut self, peer: &PublicKey) {
        self.peers.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::entropy::Seed;
    use crate::p2p::{Capability, LocalCapabilities, LocalCapability};

    fn keys<const N: usize>() -> [PublicKey; N] {
        let mut rng = Seed::from_number(1).secrets();
        [(); N].map(|()| SecretKey::generate(&mut rng).public_key())
    }

    fn shared() -> Shared {
        LocalCapabilities::new([LocalCapability::new("echo", 1, 2)])
            .unwrap()
            .shared_with(&[Capability::new("echo", 1)])
    }

    #[test]
    fn a_stranger_is_admitted_once_and_again_when_it_has_left() {
        let [own, peer] = keys();
        let mut admission = Admission::new(own, 2);
        assert_eq!(admission.check(&peer), Ok(()));
        assert_eq!(admission.admit(&peer, &shared(), false), Ok(()));
        assert_eq!(admission.check(&peer), Err(Refusal::AlreadyConnected));
        assert_eq!(admission.admit(&peer, &shared(), false), Err(Refusal::AlreadyConnected));
        admission.release(&peer);
        assert_eq!(admission.admit(&peer, &shared(), false), Ok(()));
    }

    #[test]
    fn our_own_key_is_refused() {
        let [own] = keys();
        let mut admission = Admission::new(own, 1);
        assert_eq!(admission.check(&own), Err(Refusal::SelfConnected));
        assert_eq!(admission.admit(&own, &shared(), false), Err(Refusal::SelfConnected));
    }

    #[test]
    fn reasons_come_in_the_order_of_geth() {
        let [own, peer] = keys();
        let mut full = Admission::new(own, 0);
        assert_eq!(full.check(&own), Err(Refusal::TooManyPeers));
        assert_eq!(full.admit(&peer, &Shared::default(), false), Err(Refusal::UselessPeer));
        assert_eq!(full.admit(&peer, &shared(), false), Err(Refusal::TooManyPeers));
    }

    #[test]
    fn a_slot_filled_between_the_two_checks_is_seen_by_the_second() {
        let [own, first, second] = keys();
        let mut admission = Admission::new(own, 1);
        assert_eq!(admission.check(&first), Ok(()));
        assert_eq!(admission.check(&second), Ok(()));
        assert_eq!(admission.admit(&first, &shared(), false), Ok(()));
        assert_eq!(admission.admit(&second, &shared(), false), Err(Refusal::TooManyPeers));
    }

    #[test]
    fn a_node_that_offers_nothing_takes_anyone() {
        let [own, peer] = keys();
        let mut admission = Admission::new(own, 1);
        assert_eq!(admission.admit(&peer, &Shared::default(), true), Ok(()));
    }
}
