//! The three scenarios: the same numbers for whoever executes them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// By name 0, 1, …; the first is the bootnode of all others.
    pub(crate) nodes: u32,
    /// Each starts so much later than the one before.
    pub(crate) between_starts: Duration,
    /// Whether there are connections, or discovery alone.
    pub(crate) dials: bool,
    /// When it is over.
    pub(crate) ends: Duration,
    pub(crate) look_ups: Option<LookUps>,
    pub(crate) absence: Option<Absence>,
}

/// Every node looks up random targets. Seconds.
#[derive(Clone, Copy, Serialize, Deserialize, Debug)]
pub(crate) struct LookUps {
    /// From the start of a node to its first.
    pub(crate) from: u64,
    /// From one of a node to its next.
    pub(crate) every: u64,
    pub(crate) each: u32,
}

/// The last nodes are killed, and come back with nothing but key and address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absence {
    pub(crate) whom: u32,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// geth's default. It leaves room for all, and for 16 dials.
pub(crate) const MAX_PEERS: usize = 50;

impl Plan {
    pub(crate) const ALL: [Self; 3] = [Self::BOOTSTRAP, Self::LOOK_UPS, Self::ABSENCE];

    const BOOTSTRAP: Self = Self {
        name: "bootstrap",
        nodes: 16,
        between_starts: Duration::ZERO,
        dials: true,
        // What fails at first geth tries again after 35 s.
        ends: Duration::from_secs(45),
        look_ups: None,
        absence: None,
    };

    const LOOK_UPS: Self = Self {
        name: "look-ups",
        nodes: 120,
        between_starts: Duration::from_millis(80),
        dials: false,
        ends: Duration::from_secs(62),
        look_ups: Some(LookUps { from: 30, every: 10, each: 3 }),
        absence: None,
    };

    const ABSENCE: Self = Self {
        name: "absence",
        nodes: 16,
        between_starts: Duration::ZERO,
        dials: true,
        ends: Duration::from_secs(100),
        look_ups: None,
        absence: Some(Absence {
            whom: 5,
            from: Duration::from_secs(45),
            until: Duration::from_secs(60),
        }),
    };

    /// Whether this node is killed.
    pub(crate) fn leaves(&self, name: u32) -> bool {
        self.absence.is_some_and(|absence| name >= self.nodes - absence.whom)
    }
}
