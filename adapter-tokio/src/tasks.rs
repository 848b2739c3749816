//! What application code has of the runtime.

use core::future::pending;
use std::time::Instant;

use devp2p_handle::adapter::Task;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

/// A handle of tokio keeps neither threads nor tasks; what is spawned when the
/// runtime has shut down is dropped.
pub(crate) struct Tasks(pub(crate) Handle);

impl devp2p_host::Tasks for Tasks {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn sleep_until(&self, at: Instant) -> Task {
        // In a task of its own: a timer of tokio can be made within the runtime only,
        // and panics when it is polled after that has shut down.
        let mut timer = Timer(self.0.spawn(async move { sleep_until(at.into()).await }));
        Box::pin(async move {
            if (&mut timer.0).await.is_err() {
                // The runtime is gone, and time with it.
                pending().await
            }
        })
    }
}

/// Ends with who waits for it.
struct Timer(JoinHandle<()>);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::sync::Arc;

    use devp2p_host::Tasks as _;
    use futures_lite::future::{block_on, poll_once};
    use tokio::runtime::Builder;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(10)
    }

    #[test]
    fn who_waits_need_not_be_a_task_of_tokio() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let due = soon();
        block_on(Tasks(runtime.handle().clone()).sleep_until(due));
        assert!(Instant::now() >= due);
    }

    #[test]
    fn what_is_asked_of_a_runtime_that_is_gone_is_dropped_and_no_time_comes() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tasks = Tasks(runtime.handle().clone());
        let mut before = tasks.sleep_until(soon());
        let held = Arc::new(());
        let task = |held: Arc<()>| async move {
            pending::<()>().await;
            drop(held);
        };
        tasks.spawn(Box::pin(task(Arc::clone(&held))));
        drop(runtime);
        tasks.spawn(Box::pin(task(Arc::clone(&held))));
        assert_eq!(Arc::strong_count(&held), 1);
        let mut after = tasks.sleep_until(soon());
        std::thread::sleep(Duration::from_millis(20));
        // Again and again, which is no misuse.
        for _ in 0..2 {
            assert!(block_on(poll_once(&mut after)).is_none());
        }
        // Whether its time had come before the end is left to chance.
        let _ = block_on(poll_once(&mut before));
    }

    #[test]
    fn a_wait_that_is_given_up_leaves_no_task() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks(runtime.handle().clone());
        drop(tasks.sleep_until(Instant::now() + Duration::from_secs(3600)));
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}
