//! The gate: what stands between a datagram and the cost of a signature.
//!
//! To verify a packet takes some 50 microseconds, to send one takes nothing, and
//! the source address may be forged. So the gate looks at what is cheap to see,
//! in this order, and lets through only as much as can be verified:
//!
//! ```text
//!  size ─▶ type ─▶ source ─▶ budget ─▶ hash ─▶ expiration ─▶ budget is charged
//! ```
//!
//! Without this anyone could occupy the machine for good; geth has none of it.
//! But a gate is a weapon too: if a source could use up its budget, whoever
//! forges that source could use it up in its place, and so cut two honest nodes off
//! from each other. Therefore:
//!
//! - A packet that names the hash of a request of ours, by which only who
//!   received that request can know it, is charged to that request and to nothing
//!   else. Whatever is sent by whomever, we hear the answers to what we ask,
//!   and so endpoints go on to be proved.
//! - A proven address has a budget of its own, apart from all strangers, not
//!   even shared with its neighbours in the network. Floods from elsewhere, forged or
//!   not, do not touch it.
//! - Beyond that budget it shares one with all other proven addresses. So a
//!   proven node that is busy is heard, and so is one whose address is forged: it
//!   then competes with the forger for that budget until the flood ends, and is heard
//!   again with its next packet. What a hundred other proven nodes send is
//!   covered by the budget of each.
//! - Strangers have one for each network, and one for all. A flood of strangers with
//!   forged addresses can keep new strangers out while it lasts; nothing cheap
//!   tells them apart. We still meet those whom we ask first.
//! - What fails at the hash, or is expired, is not charged: another protocol on
//!   the same port costs its users nothing here.
//!
//! Behind the gate packets may have to wait, and a queue that all share would undo
//! this. So each says with which [`Standing`] it came through, and a queue keeps
//! room for those that stand higher.
//!
//! What remains: who forges the address of one proven node with more than
//! [`ALL_PROVEN_PACKETS`](limits::ALL_PROVEN_PACKETS) leaves it a share of that, and
//! who forges thousands of proven nodes takes most of a core. Loopback and local
//! networks have larger budgets, since networks for tests put many nodes behind
//! one address; systems let nobody outside forge the one, but some the other, so
//! all local networks together have a bound as well.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::budget::Budget;
use super::{DropReason, Kind, is_expired, wire};
use crate::entropy::Seed;
use crate::limits;
use crate::time::{Instant, Now};

/// What the machine knows of where a datagram comes from. Asked at most once for
/// each datagram, and not for those that are dropped before.
pub trait Sources {
    /// Whether some node has proved that it is at this address, or is at least
    /// being asked something there that only such a node is asked.
    fn is_proven(&self, ip: IpAddr) -> bool;

    /// Whether a request of ours with this hash, to this address, awaits an
    /// answer of this kind, [`Kind::Pong`] or [`Kind::EnrResponse`].
    fn is_awaited(&self, ip: IpAddr, kind: Kind, request_hash: &[u8; 32]) -> bool;
}

/// By whose budget a datagram came through the [`Gate`], the least first. Where
/// room is short, the higher are not to compete with the lower.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Standing {
    /// Of an address that has proved nothing, be it in the local network.
    Stranger,
    /// Of a proven address, beyond its own budget.
    Busy,
    /// Of a proven address.
    Proven,
    /// It answers a request of ours.
    Awaited,
}

/// A datagram that is worth its verification: [`verify`](super::verify) it. Made
/// by a [`Gate`] alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Unverified {
    pub(super) datagram: Bytes,
    pub(super) source: SocketAddr,
    pub(super) kind: Kind,
    pub(super) hash: [u8; 32],
    pub(super) standing: Standing,
}

impl Unverified {
    /// Where it says it comes from; an IPv4-mapped address is an IPv4 one here.
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// What kind of packet it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The packet's hash, which is that of its bytes.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// By whose budget it came through.
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// All its bytes.
    pub const fn datagram(&self) -> &Bytes {
        &self.datagram
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unverified({} from {})", self.kind, self.source)
    }
}

/// Decides which datagrams are worth their verification.
pub struct Gate {
    budget: Budget,
    latest: Instant,
}

impl Gate {
    /// A gate that has seen nothing. It will never take more than 150 KiB.
    pub fn new(seed: &Seed) -> Self {
        Self { budget: Budget::new(seed), latest: Instant::ZERO }
    }

    /// Lets everybody through who is neither damaged nor late.
    pub(super) const fn without_budgets(mut self) -> Self {
        self.budget.turn_off();
        self
    }

    /// Looks at a datagram, which stays the caller's: when
    /// [another protocol](DropReason::may_be_foreign) shares the port, it may
    /// have it next.
    pub fn check(
        &mut self,
        now: Now,
        source: SocketAddr,
        datagram: &[u8],
        sources: &impl Sources,
    ) -> Result<Unverified, DropReason> {
        self.latest = self.latest.max(now.mono);
        let (kind, data) = packet(datagram)?;
        let source = answerable(source)?;
        let ip = source.ip();
        let answer = wire::token(kind, data).filter(|hash| sources.is_awaited(ip, kind, hash));
        let is_proven = || sources.is_proven(ip);
        let ticket = self.budget.ticket(self.latest, ip, answer.as_ref(), is_proven)?;
        let hash = wire::keccak256(&datagram[wire::HASH..]);
        if datagram[..wire::HASH] != hash {
            return Err(DropReason::BadHash);
        }
        if wire::expiration(kind, data)?.is_some_and(|at| is_expired(at, now.unix)) {
            return Err(DropReason::Expired);
        }
        self.budget.charge(self.latest, ticket);
        let (datagram, standing) = (Bytes::copy_from_slice(datagram), ticket.standing());
        Ok(Unverified { datagram, source, kind, hash, standing })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(..)")
    }
}

/// Kind and RLP.
fn packet(datagram: &[u8]) -> Result<(Kind, &[u8]), DropReason> {
    if datagram.len() > limits::DATAGRAM {
        return Err(DropReason::TooLong);
    }
    let (code, data) =
        datagram.get(wire::TYPE..).and_then(<[u8]>::split_first).ok_or(DropReason::TooShort)?;
    Kind::from_code(*code).map(|kind| (kind, data)).ok_or(DropReason::UnknownType)
}

fn answerable(source: SocketAddr) -> Result<SocketAddr, DropReason> {
    let ip = source.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if source.port() == 0 || ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(DropReason::BadSource);
    }
    // An IPv6 address keeps its scope.
    Ok(if ip == source.ip() { source } else { SocketAddr::new(ip, source.port()) })
}

#[cfg(test)]
mod tests;
