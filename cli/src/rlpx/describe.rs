//! What is said of an RLPx peer: the parts of its hello.

use devp2p_smol::Peer;
use devp2p_smol::core::identity::PublicKeyHex;
use devp2p_smol::core::p2p::Hello;
use serde::Serialize;

/// A hello for scripts.
#[derive(Serialize)]
pub(super) struct HelloJson {
    version: u64,
    name: String,
    caps: Vec<String>,
    listen_port: u64,
    id: String,
}

impl HelloJson {
    pub(super) fn of(peer: &Peer) -> Self {
        let Hello { version, client_name, listen_port, .. } = peer.hello();
        Self {
            version: *version,
            name: client_name.clone(),
            caps: capabilities(peer),
            listen_port: *listen_port,
            // The same as the hello's: a session that finds another has ended.
            id: PublicKeyHex(peer.public_key()).to_string(),
        }
    }
}

/// The capabilities of its hello, as `eth/69`.
pub(super) fn capabilities(peer: &Peer) -> Vec<String> {
    peer.hello().capabilities.iter().map(ToString::to_string).collect()
}
