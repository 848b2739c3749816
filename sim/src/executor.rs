//! Runs the async code of one machine's application, one task at a time, in
//! virtual time: the order of tasks that are ready, every timer and every seed
//! follow from the world's.
//!
//! ```text
//!   wake ─▶ ready ──(drawn)──▶ poll ─▶ … until none is ready
//!   timers ─▶ the machine is woken then ─▶ wake
//! ```

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Wake;

use devp2p_core::entropy::{Rng, Seed, SeedChain};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::{RuntimeEnd, Task};

use crate::draw::index;

/// The tasks of one machine's application.
pub(crate) struct Executor {
    tasks: BTreeMap<u64, (Task, Waker)>,
    shared: Arc<Mutex<State>>,
    order: Rng,
    named: u64,
}

struct State {
    now: Now,
    /// Tasks to be polled, each once.
    ready: Vec<u64>,
    spawned: Vec<Task>,
    timers: BTreeMap<(Instant, u64), Waker>,
    numbered: u64,
    seeds: SeedChain,
}

impl Executor {
    pub(crate) fn new(seed: &Seed) -> Self {
        let state = State {
            now: Now::ZERO,
            ready: Vec::new(),
            spawned: Vec::new(),
            timers: BTreeMap::new(),
            numbered: 0,
            seeds: SeedChain::new(seed.derive("seeds", 0)),
        };
        Self {
            tasks: BTreeMap::new(),
            shared: Arc::new(Mutex::new(state)),
            order: seed.derive("order", 0).jitter(),
            named: 0,
        }
    }

    /// What its tasks hold of it.
    pub(crate) fn runtime(&self) -> Held {
        Held(Arc::downgrade(&self.shared))
    }

    pub(crate) fn spawn(&self, task: Task) {
        lock(&self.shared).spawned.push(task);
    }

    /// Runs what is ready until nothing is, or so many turns are done. How many were.
    pub(crate) fn run(&mut self, now: Now, most: usize) -> usize {
        lock(&self.shared).now = now;
        let mut turns = 0;
        loop {
            self.adopt();
            let Some(id) = (turns < most).then(|| self.draw()).flatten() else { return turns };
            turns += 1;
            let Some((task, waker)) = self.tasks.get_mut(&id) else { continue };
            let polled = task.as_mut().poll(&mut Context::from_waker(waker));
            if polled.is_ready() {
                self.tasks.remove(&id);
            }
        }
    }

    /// Wakes whoever waits for a time that has come.
    pub(crate) fn on_time(&self, now: Now) {
        let mut due = Vec::new();
        let mut state = lock(&self.shared);
        state.now = now;
        while let Some(entry) = state.timers.first_entry()
            && entry.key().0 <= now.mono
        {
            due.push(entry.remove());
        }
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    /// When somebody is to be woken.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        lock(&self.shared).timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// New tasks get their names and their first turn.
    fn adopt(&mut self) {
        let spawned = core::mem::take(&mut lock(&self.shared).spawned);
        for task in spawned {
            let id = self.named;
            self.named += 1;
            let waker =
                Waker::from(Arc::new(TaskWaker { id, shared: Arc::downgrade(&self.shared) }));
            self.tasks.insert(id, (task, waker));
            lock(&self.shared).ready.push(id);
        }
    }

    /// Which of those that are ready is next: chance says, as it does elsewhere.
    fn draw(&mut self) -> Option<u64> {
        let mut state = lock(&self.shared);
        if state.ready.is_empty() {
            return None;
        }
        let at = index(&mut self.order, state.ready.len());
        Some(state.ready.remove(at))
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct TaskWaker {
    id: u64,
    shared: Weak<Mutex<State>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            let mut state = lock(&shared);
            if !state.ready.contains(&self.id) {
                state.ready.push(self.id);
            }
        }
    }
}

/// The executor, as its tasks hold it: they do not keep it alive.
pub(crate) struct Held(Weak<Mutex<State>>);

impl RuntimeEnd for Held {
    fn now(&self) -> Now {
        self.0.upgrade().map_or(Now::ZERO, |shared| lock(&shared).now)
    }

    fn sleep_until(&self, at: Instant) -> Task {
        Box::pin(Sleep { at, number: None, shared: self.0.clone() })
    }

    fn seed(&self) -> Seed {
        match self.0.upgrade() {
            Some(shared) => lock(&shared).seeds.draw(),
            // Nobody runs any more who could use it.
            None => Seed::new([0; 32]),
        }
    }

    fn spawn(&self, task: Task) {
        if let Some(shared) = self.0.upgrade() {
            lock(&shared).spawned.push(task);
        }
    }
}

struct Sleep {
    at: Instant,
    /// Its place among the timers, once it is there.
    number: Option<u64>,
    shared: Weak<Mutex<State>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = self.shared.upgrade() else { return Poll::Pending };
        let mut state = lock(&shared);
        if state.now.mono >= self.at {
            return Poll::Ready(());
        }
        let number = self.number.unwrap_or_else(|| {
            state.numbered += 1;
            state.numbered
        });
        state.timers.insert((self.at, number), cx.waker().clone());
        drop(state);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(number), Some(shared)) = (self.number, self.shared.upgrade()) {
            lock(&shared).timers.remove(&(self.at, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use devp2p_handle::Runtime;
    use devp2p_handle::adapter::runtime;

    use super::*;

    fn at(millis: u64) -> Now {
        Now { mono: Instant::from_millis(millis), ..Now::ZERO }
    }

    fn executor(seed: u64) -> (Executor, Runtime) {
        let executor = Executor::new(&Seed::from_number(seed));
        let runtime = runtime(executor.runtime());
        (executor, runtime)
    }

    /// In which order ten tasks say their numbers.
    fn order(seed: u64) -> Vec<u32> {
        let (mut executor, _) = executor(seed);
        let said = Arc::new(Mutex::new(Vec::new()));
        for number in 0..10 {
            let said = Arc::clone(&said);
            executor.spawn(Box::pin(async move { said.lock().unwrap().push(number) }));
        }
        assert_eq!((executor.run(at(0), 100), executor.run(at(0), 100)), (10, 0));
        let mut said = said.lock().unwrap();
        core::mem::take(&mut *said)
    }

    #[test]
    fn the_order_of_tasks_is_the_seeds() {
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_sleep_ends_when_its_time_has_come_and_a_dropped_one_wakes_nobody() {
        let (mut executor, runtime) = executor(1);
        let (ended, theirs) = (Arc::new(Mutex::new(None)), runtime.clone());
        let end = Arc::clone(&ended);
        drop(runtime.sleep(Duration::from_millis(1)));
        executor.spawn(Box::pin(async move {
            let mut early = Box::pin(theirs.sleep(Duration::from_millis(5)));
            let polled = core::future::poll_fn(|cx| Poll::Ready(early.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            drop(early);
            theirs.sleep(Duration::from_millis(20)).await;
            *end.lock().unwrap() = Some(theirs.now().mono);
        }));
        executor.run(at(0), 100);
        assert_eq!(executor.deadline(), Some(Instant::from_millis(20)));
        executor.on_time(at(19));
        assert_eq!(executor.run(at(19), 100), 0);
        executor.on_time(at(20));
        executor.run(at(20), 100);
        assert_eq!(*ended.lock().unwrap(), Some(Instant::from_millis(20)));
        assert_eq!((executor.deadline(), executor.tasks.len()), (None, 0));
    }

    #[test]
    fn tasks_spawned_by_tasks_run_and_seeds_are_never_the_same() {
        let (mut executor, runtime) = executor(3);
        let seeds = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seeds);
        executor.spawn(Box::pin(async move {
            for _ in 0..3 {
                let (seeds, here) = (Arc::clone(&theirs), runtime.clone());
                runtime.spawn(async move {
                    seeds.lock().unwrap().push(here.seed().jitter().bytes::<8>());
                });
            }
        }));
        executor.run(at(0), 100);
        let mut seeds = seeds.lock().unwrap().clone();
        seeds.dedup();
        assert_eq!(seeds.len(), 3);
    }

    #[test]
    fn who_always_wants_another_turn_gets_as_many_as_there_are() {
        let (mut executor, _) = executor(5);
        executor.spawn(Box::pin(core::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        assert_eq!(executor.run(at(0), 1000), 1000);
    }

    #[test]
    fn what_outlives_the_executor_waits_for_ever_and_breaks_nothing() {
        let (executor, runtime) = executor(4);
        drop(executor);
        runtime.spawn(async {});
        let mut sleep = Box::pin(runtime.sleep(Duration::ZERO));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
}
