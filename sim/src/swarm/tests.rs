//! Swarms of small worlds.

use core::sync::atomic::AtomicU64;

use super::*;
use crate::World;

static NOW: AtomicBool = AtomicBool::new(true);
static NEVER: AtomicBool = AtomicBool::new(false);

fn swarm(seeds: Range<u64>, jobs: usize) -> Swarm {
    let options =
        DrawOptions { nodes: Some(2), time: Some(Duration::from_secs(20)), ..DrawOptions::DEFAULT };
    Swarm { seeds, jobs: NonZeroUsize::new(jobs).unwrap(), options }
}

/// Finds something in some worlds, and panics in others.
struct Picky;

impl Trial for Picky {
    fn check(&self, world: &World) -> Result<(), String> {
        match (world.scenario.seed % 4, world.now().as_secs()) {
            (1, 5) => Err("the fifth second".to_owned()),
            (2, 7) => panic!("the seventh"),
            _ => Ok(()),
        }
    }
}

#[test]
fn what_a_swarm_comes_to_does_not_depend_on_how_many_threads_there_are() {
    let ran = [1, 3].map(|jobs| {
        let mut seen = Vec::new();
        let summary = swarm(10..18, jobs).run(&Picky, &NEVER, |played| seen.push(played.clone()));
        (summary.unwrap(), seen)
    });
    assert_eq!(ran[0], ran[1]);
    let (summary, seen) = &ran[0];
    assert_eq!((summary.seeds, summary.violations), (8, 4));
    assert!(seen.iter().map(|played| played.seed).eq(10..18));
    assert_ne!(summary.digest, swarm(11..19, 1).run(&Picky, &NEVER, |_| ()).unwrap().digest);
    assert!(summary.to_string().starts_with("seeds 8, violations 4, digest "), "{summary}");
}

#[test]
fn a_violation_and_a_panic_are_told_with_their_time() {
    let mut seen = Vec::new();
    swarm(1..3, 1).run(&Picky, &NEVER, |played| seen.extend(played.violation.clone())).unwrap();
    assert_eq!(seen[0].to_string(), "trial at 5.000000 s: the fifth second");
    let place = seen[1].what.strip_prefix("the seventh, at sim/src/swarm/tests.rs:");
    assert!(place.is_some(), "{}", seen[1]);
    assert_eq!((seen[1].invariant, seen[1].at), ("panic", Duration::from_secs(7)));
}

#[test]
fn a_swarm_that_is_stopped_says_what_was_done() {
    assert_eq!(swarm(0..5, 2).run(&(), &NOW, |_| ()).unwrap().seeds, 0);
    let stop = AtomicBool::new(false);
    let summary = swarm(0..1_000_000, 2).run(&(), &stop, |_| stop.store(true, Ordering::Relaxed));
    let seeds = summary.unwrap().seeds;
    assert!((1..5).contains(&seeds), "{seeds}");
}

/// The world of the first seed goes on until all others are as far ahead as they may be,
/// and then the swarm is stopped.
struct Slow {
    begun: AtomicU64,
    stop: AtomicBool,
}

impl Trial for Slow {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        if world.scenario.seed == 0 {
            while self.begun.load(Ordering::Relaxed) < AHEAD {
                thread::yield_now();
            }
            // The other thread is at its last, and waits soon: too late only shows nothing.
            (0..100_000).for_each(|_| thread::yield_now());
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn who_waits_for_a_world_that_was_broken_off_waits_no_longer() {
    let slow = Slow { begun: AtomicU64::new(0), stop: AtomicBool::new(false) };
    let mut swarm = swarm(0..10 * AHEAD, 2);
    let options = &mut swarm.options;
    (options.nodes, options.time) = (Some(1), Some(Duration::ZERO));
    (options.calm, options.checked) = (Some(Duration::from_secs(1)), Some(false));
    let summary = swarm.run(&slow, &slow.stop, |_| ()).unwrap();
    assert!((AHEAD - 2..AHEAD).contains(&summary.seeds), "{}", summary.seeds);
}

#[test]
fn options_that_make_no_network_are_an_error() {
    let mut swarm = swarm(0..1000, 2);
    swarm.options.nodes = Some(0);
    let error = swarm.run(&(), &NEVER, |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "scenario of seed 0: nodes: expected at least one");
    assert_eq!(*error.summary, Summary::default());
}

/// The scenario of one seed has a mistake.
struct Faulty;

impl Trial for Faulty {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        if world.scenario.seed == 2 { Scenario::new(2).check() } else { Ok(()) }
    }
}

#[test]
fn a_mistake_ends_the_swarm_and_says_whose_it_is_and_what_was_done() {
    let error = swarm(0..1_000_000, 2).run(&Faulty, &NEVER, |_| ()).unwrap_err();
    assert_eq!((error.seed, error.mistake.field.as_str()), (2, "nodes"));
    assert!((2..6).contains(&error.summary.seeds), "{}", error.summary);
}

/// Is stopped where something is found.
struct Last(AtomicBool);

impl Trial for Last {
    fn check(&self, _: &World) -> Result<(), String> {
        self.0.store(true, Ordering::Relaxed);
        Err("found".to_owned())
    }
}

#[test]
fn what_was_found_is_told_though_it_is_stopped() {
    let last = Last(AtomicBool::new(false));
    let summary = swarm(0..1, 1).run(&last, &last.0, |_| ()).unwrap();
    assert_eq!((summary.seeds, summary.violations), (1, 1));
}

#[test]
fn a_world_says_how_to_come_to_where_it_is() {
    let mut world = Scenario::new(7).nodes(2).build().unwrap();
    world.run_for(Duration::from_millis(1500)).unwrap();
    assert_eq!(world.whereabouts(), "simulated network of seed 7 at 1.500000 s");
    world.acting = Some(1);
    assert_eq!(world.whereabouts(), "simulated network of seed 7 at 1.500000 s, node 1");
}
