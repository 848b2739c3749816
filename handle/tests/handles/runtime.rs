//! A runtime in the test's hand: its clock stands until the test moves it, and its
//! tasks run when the test runs them.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use devp2p_core::entropy::{Seed, SeedChain};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::{RuntimeEnd, Task};

#[derive(Clone)]
pub(crate) struct ByHand(Arc<Mutex<State>>);

struct State {
    now: Now,
    seeds: SeedChain,
    asleep: Vec<(Instant, Waker)>,
    tasks: Vec<Task>,
}

impl ByHand {
    pub(crate) fn new() -> Self {
        let seeds = SeedChain::new(Seed::from_number(1));
        let (asleep, tasks) = (Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(State { now: Now::ZERO, seeds, asleep, tasks })))
    }

    /// Lets time pass, and wakes whose time has come.
    pub(crate) fn pass(&self, duration: Duration) {
        let mut state = self.0.lock().unwrap();
        state.now = state.now.saturating_add(duration);
        let now = state.now.mono;
        let due: Vec<_> = state.asleep.extract_if(.., |(at, _)| *at <= now).collect();
        drop(state);
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Polls every task once. Gives back how many are left.
    pub(crate) fn run(&self) -> usize {
        let mut tasks = core::mem::take(&mut self.0.lock().unwrap().tasks);
        let cx = &mut Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        let mut state = self.0.lock().unwrap();
        state.tasks.append(&mut tasks);
        state.tasks.len()
    }

    fn poll_until(&self, at: Instant, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.now.mono >= at {
            return Poll::Ready(());
        }
        state.asleep.push((at, cx.waker().clone()));
        Poll::Pending
    }
}

impl RuntimeEnd for ByHand {
    fn now(&self) -> Now {
        self.0.lock().unwrap().now
    }

    fn sleep_until(&self, at: Instant) -> Task {
        let runtime = self.clone();
        Box::pin(poll_fn(move |cx| runtime.poll_until(at, cx)))
    }

    fn seed(&self) -> Seed {
        self.0.lock().unwrap().seeds.draw()
    }

    fn spawn(&self, task: Task) {
        self.0.lock().unwrap().tasks.push(task);
    }
}

mod tests {
    use core::sync::atomic::{AtomicBool, Ordering};

    use devp2p_handle::adapter::runtime;

    use super::*;
    use crate::rig::{begin, done};

    #[test]
    fn time_is_that_of_the_runtime_and_waits_begin_with_the_call() {
        let by_hand = ByHand::new();
        let runtime = runtime(by_hand.clone());
        let second = Duration::from_secs(1);
        let (mut short, mut long) = (runtime.sleep(second), runtime.sleep(2 * second));
        begin(&mut long);
        by_hand.pass(second);
        done(&mut short);
        assert_eq!(runtime.now(), Now::ZERO.saturating_add(second));
        done(runtime.sleep_until(Instant::from_secs(1)));
        begin(&mut long);
        by_hand.pass(second);
        done(long);
    }

    #[test]
    fn tasks_run_to_their_end_and_each_draws_a_seed_of_its_own() {
        let by_hand = ByHand::new();
        let runtime = runtime(by_hand.clone());
        let ran = Arc::new(AtomicBool::new(false));
        let (again, has_run) = (runtime.clone(), Arc::clone(&ran));
        runtime.spawn(async move {
            again.sleep(Duration::from_secs(1)).await;
            has_run.store(true, Ordering::Relaxed);
        });
        assert_eq!(by_hand.run(), 1);
        by_hand.pass(Duration::from_secs(1));
        assert!(!ran.load(Ordering::Relaxed));
        assert_eq!(by_hand.run(), 0);
        assert!(ran.load(Ordering::Relaxed));
        let draw = || runtime.seed().secrets().bytes::<32>();
        assert_ne!(draw(), draw());
    }
}
