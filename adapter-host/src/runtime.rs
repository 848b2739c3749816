//! What application code has of the runtime that runs its node: the system's clocks,
//! seeds of its own, and an adapter's tasks and timers.

use core::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Instant as Wall;

use devp2p_core::entropy::{Seed, SeedChain};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::Runtime;
use devp2p_handle::adapter::{RuntimeEnd, Task, runtime};

use crate::Clock;

/// What a runtime brings for the code of an application, beside the node's own loops.
/// Handles hold it and may outlive the runtime: see [`RuntimeEnd`].
pub trait Tasks: Send + Sync + 'static {
    /// Runs this beside all else; drops it when there is nobody left to run it.
    fn spawn(&self, task: Task);

    /// Ready at this time of the system, polled by whatever task.
    fn sleep_until(&self, at: Wall) -> Task;
}

/// `seed` is for the application alone.
pub(crate) fn of(clock: Clock, seed: Seed, tasks: impl Tasks) -> Runtime {
    runtime(System { clock, seeds: Mutex::new(SeedChain::new(seed)), tasks })
}

struct System<T> {
    clock: Clock,
    seeds: Mutex<SeedChain>,
    tasks: T,
}

impl<T: Tasks> RuntimeEnd for System<T> {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn sleep_until(&self, at: Instant) -> Task {
        match self.clock.instant(at) {
            Some(at) => self.tasks.sleep_until(at),
            // The system will not live to see it.
            None => Box::pin(pending()),
        }
    }

    fn seed(&self) -> Seed {
        // Nothing panics while it is held.
        self.seeds.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }

    fn spawn(&self, task: Task) {
        self.tasks.spawn(task);
    }
}

/// Nobody runs anything: for tests whose application is the test.
#[cfg(test)]
pub(crate) struct Nobody;

#[cfg(test)]
impl Tasks for Nobody {
    fn spawn(&self, _: Task) {}

    fn sleep_until(&self, _: Wall) -> Task {
        Box::pin(pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_those_of_the_same_seed_are_the_same() {
        let draw = |number: u64| {
            let runtime = of(Clock::start(), Seed::from_number(number), Nobody);
            [(); 3].map(|()| runtime.seed().secrets().bytes::<32>())
        };
        let [first, second, third] = draw(1);
        assert!(first != second && second != third && third != first);
        assert_eq!([first, second, third], draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
