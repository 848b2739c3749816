//! What is measured, from what nodes told: the same for all executions.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use devp2p_core::identity::NodeId;

use crate::line::{Line, LookUp, Sample, Says};
use crate::plan::Plan;

/// One measure of one execution, by its name. Not a number: it did not come to be
/// so while there was time.
#[derive(Debug)]
pub(crate) struct Measured(pub(crate) BTreeMap<Measure, f64>);

/// What is measured, in the order of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Measure {
    TablesFull,
    AllConnected,
    TablesFullAgain,
    AllConnectedAgain,
    Table,
    Pings,
    Pongs,
    FindNodes,
    Neighbors,
    RecordRequests,
    Records,
    Dials,
    Admitted,
    Dropped,
    Handshake,
    LookUpFindNodes,
    LookUpHops,
    LookUpFound,
    LookUpTime,
}

const KINDS: [Measure; 6] = [
    Measure::Pings,
    Measure::Pongs,
    Measure::FindNodes,
    Measure::Neighbors,
    Measure::RecordRequests,
    Measure::Records,
];

impl Measure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TablesFull => "until every table has everybody, s",
            Self::AllConnected => "until all are connected to all, s",
            Self::TablesFullAgain => "from the return until every table has everybody, s",
            Self::AllConnectedAgain => "from the return until all are connected to all, s",
            Self::Table => "entries of a table before the first look-up",
            Self::Pings => "pings sent",
            Self::Pongs => "pongs sent",
            Self::FindNodes => "find-nodes sent",
            Self::Neighbors => "neighbors sent",
            Self::RecordRequests => "ENR requests sent",
            Self::Records => "ENR responses sent",
            Self::Dials => "dials",
            Self::Admitted => "peers admitted",
            Self::Dropped => "peers gone",
            Self::Handshake => "encryption handshake of a peer, ms",
            Self::LookUpFindNodes => "find-nodes of a look-up",
            Self::LookUpHops => "hops of a look-up",
            Self::LookUpFound => "found of the 16 closest, %",
            Self::LookUpTime => "time of a look-up, ms",
        }
    }

    /// By how much the medians of two executions may differ beside the factor.
    /// `None`: they are not compared.
    pub(crate) const fn slack(self) -> Option<f64> {
        match self {
            Self::TablesFull
            | Self::AllConnected
            | Self::TablesFullAgain
            | Self::AllConnectedAgain => Some(3.0),
            Self::Table
            | Self::Pings
            | Self::Pongs
            | Self::FindNodes
            | Self::Neighbors
            | Self::RecordRequests
            | Self::Records
            | Self::Dials
            | Self::Admitted => Some(3.0),
            // Crossing dials are a matter of milliseconds.
            Self::Dropped => Some(8.0),
            Self::LookUpFindNodes => Some(1.0),
            Self::LookUpHops => Some(0.3),
            Self::LookUpFound => Some(0.0),
            // In the simulator nothing takes any time but the way.
            Self::Handshake | Self::LookUpTime => None,
        }
    }
}

/// Which packets are counted: those of this part of the scenario.
fn window(plan: &Plan) -> (Duration, Duration) {
    let from = plan.absence.map_or(Duration::ZERO, |absence| absence.from);
    let until = plan.look_ups.map(|look_ups| Duration::from_secs(look_ups.from));
    (from, until.unwrap_or(plan.ends))
}

impl Measured {
    /// As it is told.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, f64> {
        self.0.iter().map(|(measure, value)| (measure.name(), *value)).collect()
    }

    pub(crate) fn of(plan: &Plan, lines: &[Line]) -> Self {
        let mut all = BTreeMap::new();
        let others = u64::from(plan.nodes) - 1;
        let has_all = |sample: &Sample| sample.table == others;
        let is_connected = |sample: &Sample| sample.peers == others;
        if let Some(absence) = plan.absence {
            let since = absence.until;
            all.insert(Measure::TablesFullAgain, first(plan, lines, since, has_all));
            all.insert(Measure::AllConnectedAgain, first(plan, lines, since, is_connected));
        } else if plan.dials {
            all.insert(Measure::TablesFull, first(plan, lines, Duration::ZERO, has_all));
            all.insert(Measure::AllConnected, first(plan, lines, Duration::ZERO, is_connected));
        }
        let counted = Counted::of(plan, lines);
        let mean = |sum: u64| sum as f64 / f64::from(plan.nodes);
        for (measure, sum) in KINDS.into_iter().zip(counted.sum.sent) {
            all.insert(measure, mean(sum));
        }
        if plan.dials {
            all.insert(Measure::Dials, mean(counted.sum.dials));
            all.insert(Measure::Admitted, mean(counted.sum.admitted));
            all.insert(Measure::Dropped, mean(counted.sum.dropped));
            if counted.handshakes > 0 {
                let time = counted.handshakes as f64 / counted.peers as f64 / 1e3;
                all.insert(Measure::Handshake, time);
            }
        }
        if plan.look_ups.is_some() {
            all.insert(Measure::Table, mean(counted.tables));
            look_ups(lines, &mut all);
        }
        Self(all)
    }
}

/// From then on how long until it is so of all nodes at once, seconds.
fn first(plan: &Plan, lines: &[Line], since: Duration, so: impl Fn(&Sample) -> bool) -> f64 {
    let since = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let mut those = BTreeSet::new();
    for line in lines.iter().filter(|line| line.at >= since) {
        match &line.says {
            Says::Looks(sample) if so(sample) => those.insert(line.node),
            Says::Looks(_) | Says::Started(_) => those.remove(&line.node),
            Says::LookedUp(_) => continue,
        };
        if those.len() == plan.nodes as usize {
            return Duration::from_micros(line.at - since).as_secs_f64();
        }
    }
    f64::NAN
}

/// What all nodes counted in the window, over all their lives.
#[derive(Default)]
struct Counted {
    sum: Sample,
    tables: u64,
    peers: u64,
    /// Of them, microseconds.
    handshakes: u64,
}

impl Counted {
    fn of(plan: &Plan, lines: &[Line]) -> Self {
        let (from, until) = window(plan);
        let mut counted = Self::default();
        for name in 0..plan.nodes {
            let mut life = Sample::default();
            let mut before = Sample::default();
            for line in lines.iter().filter(|line| line.node == name) {
                let at = Duration::from_micros(line.at);
                match line.says {
                    _ if at > until => break,
                    Says::Looks(sample) if at < from => (life, before) = (sample, sample),
                    Says::Looks(sample) => life = sample,
                    Says::Started(_) => {
                        counted.add(&life, &before);
                        (life, before) = (Sample::default(), Sample::default());
                    }
                    Says::LookedUp(_) => {}
                }
            }
            counted.add(&life, &before);
            counted.tables += life.table;
            counted.peers += life.peers;
            counted.handshakes += life.handshakes;
        }
        counted
    }

    fn add(&mut self, life: &Sample, before: &Sample) {
        let sum = &mut self.sum;
        for ((sum, life), before) in sum.sent.iter_mut().zip(life.sent).zip(before.sent) {
            *sum += life - before;
        }
        sum.dials += life.dials - before.dials;
        sum.admitted += life.admitted - before.admitted;
        sum.dropped += life.dropped - before.dropped;
    }
}

fn look_ups(lines: &[Line], all: &mut BTreeMap<Measure, f64>) {
    let mut ids: BTreeMap<u32, NodeId> = BTreeMap::new();
    let mut look_ups: Vec<(u32, &LookUp)> = Vec::new();
    for line in lines {
        match &line.says {
            Says::Started(id) => {
                ids.insert(line.node, id.parse().expect("an id"));
            }
            Says::LookedUp(look_up) => look_ups.push((line.node, look_up)),
            Says::Looks(_) => {}
        }
    }
    let mean = |of: &dyn Fn(&(u32, &LookUp)) -> u64| {
        look_ups.iter().map(of).sum::<u64>() as f64 / look_ups.len() as f64
    };
    all.insert(Measure::LookUpFindNodes, mean(&|(_, look_up)| look_up.queries));
    all.insert(Measure::LookUpHops, mean(&|(_, look_up)| look_up.hops));
    let found = |(node, look_up): &(u32, &LookUp)| {
        let target: NodeId = look_up.target.parse().expect("an id");
        let mut closest: Vec<NodeId> =
            ids.iter().filter(|(name, _)| *name != node).map(|(_, id)| *id).collect();
        closest.sort_by(|a, b| target.cmp_distance(a, b));
        closest.truncate(16);
        let found: BTreeSet<&str> = look_up.found.iter().map(String::as_str).collect();
        closest.iter().filter(|id| found.contains(id.to_string().as_str())).count() as u64
    };
    all.insert(Measure::LookUpFound, mean(&found) / 16.0 * 100.0);
    let mut times: Vec<u64> = look_ups.iter().map(|(_, look_up)| look_up.micros).collect();
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied();
    all.insert(Measure::LookUpTime, middle.map_or(f64::NAN, |micros| micros as f64 / 1e3));
}
