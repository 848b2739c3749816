//! Verification: who signed a packet, and what it says. Pure, so it may run
//! anywhere.

use core::fmt;
use core::net::SocketAddr;

use super::{DropReason, Kind, Packet, Unverified, wire};
use crate::crypto::{PublicKey, Signature};
use crate::identity::NodeId;

/// A packet whose signer is known. Made by [`verify`] alone, so that nobody
/// acts on an unchecked one.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    source: SocketAddr,
    public_key: PublicKey,
    id: NodeId,
    hash: [u8; 32],
    packet: Packet,
}

impl Verified {
    /// Where it says it comes from. It may be forged, the rest is not.
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// The key that signed it.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The id that belongs to the key.
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    /// The packet's hash, by which an answer refers to it.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// What it says.
    pub const fn packet(&self) -> &Packet {
        &self.packet
    }

    /// What it says, to keep.
    pub fn into_packet(self) -> Packet {
        self.packet
    }

    /// What kind of packet it is.
    pub const fn kind(&self) -> Kind {
        self.packet.kind()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({} of {} from {})", self.kind(), self.id.short(), self.source)
    }
}

/// Reads a packet and recovers who signed it, which takes most of the time.
/// Fails with [`DropReason::Malformed`] or [`DropReason::BadSignature`].
/// Whether it is our own key is not asked here.
pub fn verify(unverified: Unverified) -> Result<Verified, DropReason> {
    let Unverified { datagram, source, kind, hash, .. } = unverified;
    let (head, signed) = datagram.split_at(wire::TYPE);
    let signature = head[wire::HASH..].try_into().map_err(|_| DropReason::TooShort)?;
    // The cheaper of the two comes first.
    let packet = wire::decode(kind, &signed[1..])?;
    let public_key = Signature::from_bytes(signature)
        .recover(&wire::keccak256(signed))
        .map_err(|_| DropReason::BadSignature)?;
    Ok(Verified { source, id: NodeId::from(&public_key), public_key, hash, packet })
}
