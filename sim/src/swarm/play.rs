//! One world from its beginning to its end: its faults, then calm, then a look at
//! whether all is as it should be. Then all stop.

use core::ops::ControlFlow;
use core::time::Duration;

use devp2p_core::time::Instant;

use super::panics;
use crate::oracle::{Reached, SETTLED};
use crate::scenario::{Scenario, ScenarioError};
use crate::watch::Digest;
use crate::world::{Violation, World};

/// Between two looks at a world.
const LOOK: Duration = Duration::from_secs(1);

/// Events of one node in a second, on average over all of them. Far more than all
/// faults together bring about, and far less than a loop that never waits.
const BUSY: u64 = 50_000;

/// What is put into worlds, and what has to hold there beside the invariants.
/// `()`: nothing, and nothing. When all is done nodes are stopped, as by
/// [`World::stop_all`], and nothing is asked of a trial any more.
pub trait Trial: Sync {
    /// Before a world begins: the place for [`World::host`].
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        let _ = world;
        Ok(())
    }

    /// What is wrong with it now, if anything is: asked each second of its time.
    fn check(&self, world: &World) -> Result<(), String> {
        let _ = world;
        Ok(())
    }

    /// What is wrong with it when it is over, and was calm for
    /// [`SETTLED`](crate::SETTLED).
    fn check_settled(&self, world: &World) -> Result<(), String> {
        let _ = world;
        Ok(())
    }
}

impl Trial for () {}

/// How a world went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// Its seed.
    pub seed: u64,
    /// Over everything that its nodes put out.
    pub digest: Digest,
    /// How many events there were.
    pub events: u64,
    /// How long it went on, in its own time.
    pub time: Duration,
    /// What went wrong: it ended there.
    pub violation: Option<Violation>,
    /// Which rare branches were reached, and how often.
    pub reached: Reached,
}

/// Plays a scenario until it [ends](Scenario::ends) and all its nodes have stopped, or up
/// to the first violation. A panic is one too.
pub fn play(scenario: &Scenario, trial: &impl Trial) -> Result<Played, ScenarioError> {
    play_watched(scenario, trial, |_| ControlFlow::Continue(()))
}

/// The same, shown each second of its time and when it is over. It is over when
/// whoever looks breaks it off, too.
pub fn play_watched(
    scenario: &Scenario,
    trial: &impl Trial,
    mut look: impl FnMut(&mut World) -> ControlFlow<()>,
) -> Result<Played, ScenarioError> {
    let mut world = scenario.clone().build()?;
    let result = panics::catch(|| {
        trial.prepare(&mut world)?;
        Ok(run(&mut world, trial, &mut look))
    });
    let violation = match result {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(violation))) => Some(violation),
        Ok(Err(mistake)) => return Err(mistake),
        Err(said) => Some(Violation { node: world.acting, ..wrong(&world, "panic", said) }),
    };
    // What led to it.
    let _ = look(&mut world);
    let played = Played {
        seed: scenario.seed,
        digest: world.digest(),
        events: world.events(),
        time: world.now(),
        violation,
        reached: world.reached(),
    };
    // Whatever panicked once may do so again.
    let _ = panics::catch(move || drop(world));
    Ok(played)
}

fn run(
    world: &mut World,
    trial: &impl Trial,
    look: &mut impl FnMut(&mut World) -> ControlFlow<()>,
) -> Result<(), Violation> {
    let end = Instant::ZERO + world.scenario.ends();
    let check = |world: &World| trial.check(world).map_err(|what| wrong(world, TRIAL, what));
    if !each_second(world, end, check, look)? {
        return Ok(());
    }
    if world.scenario.calm >= SETTLED {
        world.check_settled()?;
        trial.check_settled(world).map_err(|what| wrong(world, TRIAL, what))?;
    }
    world.stop_all_while(|world, time| each_second(world, world.now + time, |_| Ok(()), look))
}

/// Goes on until then; `false` if whoever looks breaks it off.
fn each_second(
    world: &mut World,
    end: Instant,
    check: impl Fn(&World) -> Result<(), Violation>,
    look: &mut impl FnMut(&mut World) -> ControlFlow<()>,
) -> Result<bool, Violation> {
    while world.now < end {
        second(world, end)?;
        check(world)?;
        if look(world).is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The name of what a trial finds.
const TRIAL: &str = "trial";

/// Goes on for a second, and no further than to the end.
fn second(world: &mut World, end: Instant) -> Result<(), Violation> {
    let until = (world.now + LOOK).min(end);
    let nodes = u64::try_from(world.hosts.len()).unwrap_or(u64::MAX);
    let most = world.events().saturating_add(BUSY.saturating_mul(nodes));
    while world.queue.next_at().is_some_and(|at| at <= until) {
        world.step()?;
        if world.events() > most {
            let what = format!("more than {BUSY} events of each node within a second");
            return Err(wrong(world, "R1", what));
        }
    }
    world.run_for(until - world.now)
}

fn wrong(world: &World, invariant: &'static str, what: String) -> Violation {
    Violation { invariant, at: world.now(), node: None, what, last: world.watch.last() }
}
