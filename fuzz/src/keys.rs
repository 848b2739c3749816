//! Whose keys the targets use. Nobody else should.

use alloc::sync::Arc;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::entropy::Seed;
use devp2p_core::p2p::{Capability, LocalCapabilities, LocalCapability, Message, Shared};
use devp2p_core::rlpx::ecies;
use devp2p_core::session::{Greeting, Local};

/// The static key with this number, 1 to 254. Of the curve, or with the
/// feature `stand-in` one that costs nothing.
pub fn secret(number: u8) -> SecretKey {
    #[cfg(feature = "stand-in")]
    return SecretKey::insecure_stand_in(&[number; 32]);
    #[cfg(not(feature = "stand-in"))]
    SecretKey::from_bytes(&[number; 32]).expect("a number between 0 and the group's order")
}

/// Its public key.
pub fn public(number: u8) -> PublicKey {
    secret(number).public_key()
}

/// Our side in all targets.
pub const OURS: u8 = 1;
/// The other side.
pub const THEIRS: u8 = 2;
/// A bystander.
pub const OTHERS: u8 = 3;

/// What a [`Local`] offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// Three capabilities, one of them in two versions.
    Ours,
    /// Some of these, and one more.
    Theirs,
    /// Nothing of its own: it mirrors.
    Mirror,
}

/// The capabilities of an offer: name, version, codes.
pub const fn capabilities(offer: Offer) -> &'static [(&'static str, u64, u64)] {
    match offer {
        Offer::Ours => &[("a", 1, 2), ("b", 1, 3), ("b", 2, 5), ("c", 7, 1)],
        Offer::Theirs => &[("b", 1, 3), ("b", 2, 5), ("c", 7, 1), ("d", 1, 9)],
        Offer::Mirror => &[],
    }
}

/// One side with its offer. Made once for each process.
pub fn local(offer: Offer) -> Arc<Local> {
    static LOCALS: [OnceLock<Arc<Local>>; 3] = [const { OnceLock::new() }; 3];
    let (slot, number) = match offer {
        Offer::Ours => (0, OURS),
        Offer::Theirs => (1, THEIRS),
        Offer::Mirror => (2, OURS),
    };
    let make = || {
        let list = capabilities(offer).iter().map(|(n, v, l)| LocalCapability::new(*n, *v, *l));
        let greeting = match offer {
            Offer::Mirror => Greeting::Mirror,
            Offer::Ours | Offer::Theirs => {
                Greeting::Offer(LocalCapabilities::new(list).expect("a good offer"))
            }
        };
        Arc::new(Local::new(secret(number), "fuzz/1", greeting).expect("a short name"))
    };
    Arc::clone(LOCALS[slot].get_or_init(make))
}

/// A message as a connection of another peer's may have made it: of one of
/// eight capabilities, with any code but the last there is.
pub fn message(capability: usize, code: u64, payload: Bytes) -> Option<Message> {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let offer = names.map(|name| LocalCapability::new(name, 1, u64::MAX));
        let both = names.map(|name| Capability::new(name, 1));
        LocalCapabilities::new(offer).expect("a good offer").shared_with(&both)
    });
    shared.message(capability, code, payload).ok()
}

/// `plaintext` sealed for `to`, the same each time.
pub fn sealed(plaintext: &[u8], to: &PublicKey) -> BytesMut {
    let mut rng = Seed::from_number(0x5ea1).secrets();
    let packet = ecies::seal(plaintext, to, &mut rng).expect("a good key");
    BytesMut::from(&packet[..])
}
