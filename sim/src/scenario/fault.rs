//! Faults: what goes wrong, with whom, from when to when. By the numbers of the
//! catalogue in `docs/simulator.md`.

use core::time::Duration;

use super::check::is_within;
use super::{Mistake, ScenarioError};
use crate::draw::EVERY_ONE;
use crate::host::disk::Durable;
use crate::network::quality::Quality;

/// Whom a fault befalls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Every node.
    All,
    /// These, by name.
    Nodes(Vec<u32>),
}

impl Whom {
    /// Whether it befalls this node.
    pub fn includes(&self, name: u32) -> bool {
        match self {
            Self::All => true,
            Self::Nodes(names) => names.contains(&name),
        }
    }
}

/// What goes wrong. Where several of a kind befall a node at a time the worst counts; links
/// add up, and so do drifts and steps of clocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Links are like this, both ways. All that befalls datagrams and segments.
    Link(Quality),
    /// Links are like this for what the nodes send.
    LinkOut(Quality),
    /// Links are like this for what is sent to the nodes.
    LinkIn(Quality),
    /// Nothing passes between these nodes and all others.
    Partition,
    /// Nothing passes from these nodes to all others.
    OneWay,
    /// Nodes crash, and start again when it is over with what is durable. With
    /// `silently` the power has failed; without, the process was killed, and its
    /// system refuses connections in its place.
    Crash {
        /// Whether nobody is told.
        silently: bool,
        /// What they find when they start.
        durable: Durable,
        /// Whether they come back with other addresses; behind a gateway it is the
        /// gateway's, for all who are behind it.
        moves: bool,
        /// Whether they come back with another key.
        renews_key: bool,
    },
    /// Processes do nothing, and then all at once. Their clocks run on, and so do their
    /// systems: connections are made, bytes and datagrams wait, as many as there is room
    /// for. A crash ends it.
    Pause,
    /// Nodes take so long for each event.
    Slow(Duration),
    /// What node and sessions say to each other arrives so much later.
    LateMessages(Duration),
    /// Packets are verified up to so much later.
    LateVerification(Duration),
    /// Applications read nothing.
    ReadsNothing,
    /// Applications read one message of each connection in so long a time; what more
    /// comes waits, until there is no room for it at either end.
    ReadsSlowly(Duration),
    /// Nodes accept no connection: no file descriptor is left.
    AcceptsNothing,
    /// Each operation of the store takes so long.
    SlowStore(Duration),
    /// Every operation of the store fails.
    FailingStore,
    /// The store takes no operation.
    FullStore,
    /// Unix clocks are so many microseconds ahead, or behind.
    ClockStep(i64),
    /// Monotonic clocks run so many millionths too fast, or too slow. What they are
    /// ahead by then, or behind, they stay.
    ClockDrift(i32),
    /// Monotonic clocks show multiples of this alone.
    ClockGrain(Duration),
    /// Gateways forget their mappings and are seen at another address.
    Rebinding,
}

impl Kind {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Link(_) => "Link",
            Self::LinkOut(_) => "LinkOut",
            Self::LinkIn(_) => "LinkIn",
            Self::Partition => "Partition",
            Self::OneWay => "OneWay",
            Self::Crash { .. } => "Crash",
            Self::Pause => "Pause",
            Self::Slow(_) => "Slow",
            Self::LateMessages(_) => "LateMessages",
            Self::LateVerification(_) => "LateVerification",
            Self::ReadsNothing => "ReadsNothing",
            Self::ReadsSlowly(_) => "ReadsSlowly",
            Self::AcceptsNothing => "AcceptsNothing",
            Self::SlowStore(_) => "SlowStore",
            Self::FailingStore => "FailingStore",
            Self::FullStore => "FullStore",
            Self::ClockStep(_) => "ClockStep",
            Self::ClockDrift(_) => "ClockDrift",
            Self::ClockGrain(_) => "ClockGrain",
            Self::Rebinding => "Rebinding",
        }
    }
}

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts; [`Duration::MAX`] for ever.
    pub lasts: Duration,
    /// Whom it befalls.
    pub whom: Whom,
    /// What it is.
    pub kind: Kind,
}

impl Fault {
    /// Whether it is never over.
    pub fn is_endless(&self) -> bool {
        self.lasts == Duration::MAX
    }

    /// Whether its times can be added to others.
    pub(super) fn check(&self, number: usize) -> Result<(), ScenarioError> {
        let within = |time, field| is_within(time, || format!("faults[{number}].{field}"));
        within(self.at, "at")?;
        if !self.is_endless() {
            within(self.lasts, "lasts")?;
        }
        match &self.kind {
            Kind::Link(quality) | Kind::LinkOut(quality) | Kind::LinkIn(quality) => {
                let wrong = |field, what| {
                    Err(ScenarioError { field: format!("faults[{number}].kind.{field}"), what })
                };
                let chances = quality.chances();
                if let Some((field, _)) = chances.into_iter().find(|(_, many)| *many > EVERY_ONE) {
                    return wrong(field, Mistake::TooMany(EVERY_ONE as usize));
                }
                if matches!(self.kind, Kind::LinkIn(_)) {
                    if quality.bandwidth > 0 {
                        return wrong("bandwidth", Mistake::OutwardAlone);
                    }
                    if quality.send_buffer_full {
                        return wrong("send_buffer_full", Mistake::OutwardAlone);
                    }
                }
                within(quality.delay, "kind.delay")?;
                within(quality.jitter, "kind.jitter")
            }
            Kind::Slow(time)
            | Kind::LateMessages(time)
            | Kind::LateVerification(time)
            | Kind::ReadsSlowly(time)
            | Kind::SlowStore(time)
            | Kind::ClockGrain(time) => within(*time, "kind"),
            Kind::Partition
            | Kind::OneWay
            | Kind::Crash { .. }
            | Kind::Pause
            | Kind::ReadsNothing
            | Kind::AcceptsNothing
            | Kind::FailingStore
            | Kind::FullStore
            | Kind::ClockStep(_)
            | Kind::ClockDrift(_)
            | Kind::Rebinding => Ok(()),
        }
    }

    /// When it is over.
    pub fn ends(&self) -> Duration {
        self.at.saturating_add(self.lasts)
    }
}
