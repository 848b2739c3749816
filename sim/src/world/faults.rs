//! Faults begin and end.

use std::collections::BTreeSet;

use devp2p_core::time::Instant;

use super::World;
use crate::event::Event;
use crate::host::disk::Mood;
use crate::host::{Heard, Temper};
use crate::network::Partition;
use crate::network::quality::Quality;
use crate::scenario::{Fault, Kind};

impl World {
    pub(super) fn on_fault(&mut self, number: usize, begins: bool) {
        let Some(fault) = self.scenario.faults.get(number).cloned() else { return };
        let places: Vec<usize> = self
            .places
            .iter()
            .filter(|(name, _)| fault.whom.includes(**name))
            .map(|(_, place)| *place)
            .collect();
        let verb = if begins { "begins" } else { "ends" };
        let line =
            || crate::watch::Happened::Said(format!("fault {number} {verb}: {:?}", fault.kind));
        self.watch.line(self.now, None, line);
        match &fault.kind {
            Kind::Partition | Kind::OneWay => {
                let one_way = matches!(fault.kind, Kind::OneWay);
                self.network.partitions.retain(|partition| partition.id != number);
                if begins {
                    let inside = if one_way { 0 } else { 1 };
                    let mut sides = vec![1 - inside; self.network.links.len()];
                    places.iter().for_each(|place| sides[*place] = inside);
                    self.network.partitions.push(Partition { id: number, sides, one_way });
                }
            }
            Kind::Crash { silently, durable, moves, renews_key } => {
                for place in places {
                    if begins {
                        self.with(place, |host, around| host.crash(around, *silently));
                        if *silently {
                            self.network.power_off(self.now, place);
                        }
                        let owed = &mut self.hosts[place].owed;
                        owed.moves |= *moves;
                        owed.renews_key |= *renews_key;
                        owed.finds.push(*durable);
                        continue;
                    }
                    // Another crash may hold it still.
                    if self.is_crashed(place) {
                        continue;
                    }
                    let owed = core::mem::take(&mut self.hosts[place].owed);
                    // Nor does a crash start what has not been started yet.
                    let starts = self.scenario.nodes.get(&self.hosts[place].name);
                    let starts = starts.map_or(Instant::ZERO, |plan| Instant::ZERO + plan.starts);
                    if self.now < starts {
                        continue;
                    }
                    if owed.moves {
                        self.renew_address(place);
                    }
                    if owed.renews_key {
                        self.renew_key(place);
                    }
                    let seed = self.seed.derive("found", number as u64);
                    let rng = &mut seed.derive("by", place as u64).jitter();
                    owed.finds.into_iter().for_each(|durable| {
                        self.hosts[place].disk.find(durable, rng);
                    });
                    self.queue.push(self.now, Event::Start { machine: place });
                }
            }
            Kind::Pause => {
                let until = Instant::ZERO + fault.ends();
                if begins {
                    for place in places {
                        self.with(place, |host, around| host.pause(around, until));
                    }
                }
            }
            Kind::Rebinding => {
                if begins {
                    let links = &self.network.links;
                    let gateways: BTreeSet<_> =
                        places.iter().filter_map(|place| links[*place].gateway).collect();
                    gateways.into_iter().for_each(|gateway| self.rebind(gateway));
                }
            }
            Kind::Link(_)
            | Kind::LinkOut(_)
            | Kind::LinkIn(_)
            | Kind::Slow(_)
            | Kind::LateMessages(_)
            | Kind::LateVerification(_)
            | Kind::ReadsNothing
            | Kind::ReadsSlowly(_)
            | Kind::AcceptsNothing
            | Kind::SlowStore(_)
            | Kind::FailingStore
            | Kind::FullStore
            | Kind::ClockStep(_)
            | Kind::ClockDrift(_)
            | Kind::ClockGrain(_) => {
                places.into_iter().for_each(|place| self.recompute(place));
            }
        }
    }

    /// Whether a crash keeps a machine from running.
    pub(super) fn is_crashed(&self, place: usize) -> bool {
        self.faults_on(place).any(|fault| matches!(fault.kind, Kind::Crash { .. }))
    }

    /// The faults that befall a machine now.
    fn faults_on(&self, place: usize) -> impl Iterator<Item = &Fault> {
        let (name, now) = (self.hosts[place].name, self.now);
        self.scenario.faults.iter().filter(move |fault| {
            fault.whom.includes(name)
                && Instant::ZERO + fault.at <= now
                && now < Instant::ZERO + fault.ends()
        })
    }

    /// What befalls a machine now follows from all faults that are on.
    fn recompute(&mut self, place: usize) {
        let name = self.hosts[place].name;
        let bandwidth = self.scenario.nodes.get(&name).map_or(0, |plan| plan.bandwidth);
        let now = self.now;
        let mut outbound = Quality { bandwidth, ..Quality::PERFECT };
        let mut inbound = Quality::PERFECT;
        let (mut temper, mut mood) = (Temper::GOOD, Mood::WELL);
        let (mut ahead, mut drift, mut grain) = (0_i64, 0_i32, core::time::Duration::ZERO);
        for fault in self.faults_on(place) {
            match &fault.kind {
                Kind::Link(link) => {
                    outbound = outbound.and(link);
                    inbound = inbound.and(link);
                }
                Kind::LinkOut(link) => outbound = outbound.and(link),
                Kind::LinkIn(link) => inbound = inbound.and(link),
                Kind::Slow(cost) => temper.cost = temper.cost.max(*cost),
                Kind::LateMessages(late) => temper.late = temper.late.max(*late),
                Kind::LateVerification(late) => {
                    temper.verifies_late = temper.verifies_late.max(*late);
                }
                Kind::ReadsNothing => temper.reads_nothing = true,
                Kind::ReadsSlowly(every) => temper.reads_every = temper.reads_every.max(*every),
                Kind::AcceptsNothing => temper.accepts_nothing = true,
                Kind::SlowStore(time) => mood = mood.max(Mood::Takes(*time)),
                Kind::FailingStore => mood = mood.max(Mood::Fails),
                Kind::FullStore => mood = mood.max(Mood::Full),
                Kind::ClockStep(micros) => ahead = ahead.saturating_add(*micros),
                Kind::ClockDrift(millionths) => drift = drift.saturating_add(*millionths),
                Kind::ClockGrain(coarse) => grain = grain.max(*coarse),
                Kind::Partition
                | Kind::OneWay
                | Kind::Crash { .. }
                | Kind::Pause
                | Kind::Rebinding => {}
            }
        }
        self.network.qualify(now, place, outbound, inbound);
        let host = &mut self.hosts[place];
        host.temper = temper;
        host.disk.mood = mood;
        host.clock.set_ahead(ahead);
        host.clock.set_drift(now, drift);
        host.clock.set_grain(now, grain);
        self.with(place, |host, around| host.take(around, Heard::Stir));
    }
}
