//! Adversaries: scripted machines in the world that speak the real protocol and mean
//! ill. Each attack has a file of its own; what they have in common is in `actor.rs`,
//! addresses, keys and packets, and in `lines.rs`, connections.
//!
//! ```text
//!   Scenario::adversaries ──▶ Actor ──▶ datagrams, true or forged ──▶ Network
//!        plain data             ▲  ╰──▶ connections ──▶ core's Session, or raw bytes
//!                               ╰─ time, and what arrives
//! ```
//!
//! All their chance grows from the seed and their name. They know the keys and the
//! addresses of those whom they are after, as anyone does in a public network.

use core::time::Duration;

use crate::scenario::Whom;

mod actor;
mod census;
mod flood;
mod forge;
mod lines;
mod poison;
mod stall;
mod sybil;
mod useless;

pub(crate) use actor::{Actor, Target};
pub use census::{Census, Share};

/// What an adversary does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attack {
    /// Each id pings its victims, answers with the others of its kind, accepts, and
    /// stays a peer like any: Douceur 2002, Henningsen et al. 2019. With `dials` they
    /// also take whatever slots their victims have for those who come: Marcus et al.
    /// 2018.
    Sybil {
        /// Whether they dial.
        dials: bool,
    },
    /// Each id pings its victims, and answers their questions with nodes that there
    /// are not, each in a network of its own and as close as it gets.
    Poison,
    /// So many packets a second to each victim, whose source is forged: pings from
    /// anywhere and from honest nodes, pongs and neighbours that nobody asked for.
    Forge(u16),
    /// So many pings a second to each victim, each of an id that is drawn, from its own
    /// addresses; nothing that they bring is answered.
    PingFlood(u16),
    /// Each id dials as often as it is let in, and holds its slot for as long as it
    /// can.
    Stall(Stall),
    /// Each id is found by discovery as any, and is of no use as a peer.
    Useless(Useless),
    /// Sybils whose packets are dated so many microseconds ahead, or behind: for
    /// victims whose clock somebody has set.
    ClockLie(i64),
}

/// How a connection is held up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stall {
    /// Says nothing.
    Silent,
    /// Says a byte each second.
    Trickle,
    /// Shakes hands and says no hello.
    Shaken,
}

/// Why a peer is of no use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Useless {
    /// It has no capability in common.
    Alien,
    /// It shakes hands and says that it has too many peers.
    HangsUp,
}

/// Somebody who means ill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adversary {
    /// From when on.
    pub begins: Duration,
    /// For how long. Then it is gone without a word.
    pub lasts: Duration,
    /// Whom it is after.
    pub whom: Whom,
    /// How many ids it has, each at an address of its own.
    pub ids: u16,
    /// Over how many /24 they are spread.
    pub networks: u16,
    /// What it does.
    pub attack: Attack,
}

/// Ids for which a /24 has addresses.
pub(crate) const IDS_IN_NETWORK: u16 = 254;

/// Names of adversaries, and so first bytes of their addresses.
pub(crate) const NAMES: u32 = 32;

/// Ids of one adversary, at most.
pub(crate) const IDS_MAX: usize = 4096;

impl Adversary {
    /// A single id that is after all nodes for all time.
    pub const LONE: Self = Self {
        begins: Duration::ZERO,
        lasts: Duration::MAX,
        whom: Whom::All,
        ids: 1,
        networks: 1,
        attack: Attack::Sybil { dials: false },
    };

    /// When it is over.
    pub fn ends(&self) -> Duration {
        self.begins.saturating_add(self.lasts)
    }
}

impl Attack {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sybil { .. } => "Sybil",
            Self::Poison => "Poison",
            Self::Forge(_) => "Forge",
            Self::PingFlood(_) => "PingFlood",
            Self::Stall(_) => "Stall",
            Self::Useless(_) => "Useless",
            Self::ClockLie(_) => "ClockLie",
        }
    }
}
