//! The hello: decoding never fails badly, what was decoded survives encoding
//! and decoding, and what two sides share is well formed.

use devp2p_core::limits;
use devp2p_core::p2p::{Hello, LocalCapabilities, LocalCapability, Shared};

use crate::keys::{self, Offer, THEIRS};
use crate::rlp;
use crate::tape::Tape;

/// Runs one input: a kind, then a payload as it comes in, or items.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.choice(2) {
        0 => check(tape.rest()),
        _ => check(&payload(&mut tape)),
    }
}

fn check(payload: &[u8]) {
    let Ok(hello) = Hello::decode(payload) else { return };
    assert_ne!(hello.id, [0; 64], "the null identity");
    let encoded = hello.encode();
    assert_eq!(Hello::decode(&encoded).as_ref(), Ok(&hello));
    assert_eq!(Hello::decode(&[&encoded[..], b"behind"].concat()).as_ref(), Ok(&hello));
    let memory: usize = hello.capabilities.iter().map(|capability| capability.name.len()).sum();
    // A byte that is no UTF-8 becomes the three of U+FFFD.
    assert!(memory + hello.client_name.len() <= 3 * payload.len());
    check_shared(&hello);
}

fn check_shared(hello: &Hello) {
    for offer in [Offer::Ours, Offer::Theirs, Offer::Mirror] {
        let local = keys::capabilities(offer).iter();
        let local = LocalCapabilities::new(local.map(|(n, v, l)| LocalCapability::new(*n, *v, *l)));
        let local = local.expect("a good offer");
        let shared: Shared = local.shared_with(&hello.capabilities);
        let mut next = limits::BASE_PROTOCOL_LENGTH;
        let mut last_name = "";
        for one in shared.iter() {
            assert_eq!(one.offset, next, "codes overlap or leave a gap");
            next = one.offset + one.length;
            let name = &one.capability.name[..];
            assert!(name > last_name, "out of order");
            last_name = name;
            // Both have it, and no later version of it.
            let versions = hello.capabilities.iter().filter(|other| other.name == name);
            let both =
                versions.filter(|other| local.iter().any(|local| local.capability == **other));
            assert_eq!(both.map(|both| both.version).max(), Some(one.capability.version));
        }
        for local in local.iter() {
            let both = hello.capabilities.contains(&local.capability);
            assert!(!both || shared.position(&local.capability.name).is_some(), "not shared");
        }
    }
}

/// A payload that is sound more often than chance is.
fn payload(tape: &mut Tape<'_>) -> Vec<u8> {
    let mut items = vec![rlp::uint(tape.number()), rlp::string(tape.bytes())];
    let mut capabilities = Vec::new();
    for _ in 0..tape.choice(16) {
        capabilities.push(match tape.choice(3) {
            0 => rlp::list(&[rlp::string(b"b"), rlp::uint(tape.number())]),
            1 => rlp::list(&[rlp::string(tape.bytes()), rlp::uint(tape.number())]),
            _ => rlp::item(tape),
        });
    }
    items.extend([rlp::list(&capabilities), rlp::uint(tape.number())]);
    items.push(match tape.choice(2) {
        0 => rlp::string(keys::public(THEIRS).as_bytes()),
        _ => rlp::item(tape),
    });
    for _ in 0..tape.choice(3) {
        items.push(rlp::item(tape));
    }
    [rlp::list(&items), tape.bytes().to_vec()].concat()
}
