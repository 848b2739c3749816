//! A scenario in the simulator, where nodes are watched by the code that watches
//! them in reality.

use std::sync::{Arc, Mutex, PoisonError};

use devp2p_sim::{Durable, Fault, Kind, Region, Scenario, Whom};

use crate::line::Line;
use crate::observer::{Tell, observe, offer};
use crate::plan::{MAX_PEERS, Plan};

pub(crate) fn run(plan: &Plan, repeat: u32, region: Region) -> Vec<Line> {
    let mut scenario =
        Scenario::new(u64::from(repeat) + 1).nodes(plan.nodes).unchecked().without_oracles();
    for (name, node) in &mut scenario.nodes {
        (node.max_peers, node.dials, node.region) = (MAX_PEERS, plan.dials, region);
        node.starts = plan.between_starts * *name;
    }
    if let Some(absence) = plan.absence {
        let whom = Whom::Nodes((0..plan.nodes).filter(|name| plan.leaves(*name)).collect());
        let kind = Kind::Crash {
            silently: false,
            durable: Durable::Nothing,
            moves: false,
            renews_key: false,
        };
        let lasts = absence.until - absence.from;
        scenario = scenario.fault(Fault { at: absence.from, lasts, whom, kind });
    }
    let mut world = scenario.build().expect("a sound scenario");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let tell: Tell = {
        let lines = Arc::clone(&lines);
        Arc::new(move |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push(line))
    };
    let look_ups = plan.look_ups;
    let code = move |name, node| observe(name, node, look_ups, Arc::clone(&tell));
    world.run([offer()], code).expect("a sound offer");
    world.run_for(plan.ends).expect("nobody looks for violations");
    drop(world);
    let mut lines: Vec<Line> =
        core::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    // The first starts when the world begins.
    let began = lines.first().map_or(0, |line| line.at);
    lines.iter_mut().for_each(|line| line.at -= began);
    lines
}
