//! The tokio adapter passes the suite that all adapters pass.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use core::future::Future;
use core::time::Duration;
use std::thread;

use async_channel::Sender;
use async_io::{Timer, block_on};
use devp2p_tests::conformance::Runtime;
use devp2p_tokio::{Config, Discovery, Handle, Node, StartError};
use tokio::runtime::Builder;

/// A runtime with two threads, so that tasks do run beside each other. The case
/// itself runs outside of it and has a timer of its own: what the runtime does is
/// the adapter's doing, or that of spawned tasks.
#[derive(Clone)]
struct Tokio {
    handle: Handle,
    /// Dropped with the last clone, which ends the threads.
    _running: Sender<()>,
}

const THREADS: usize = 2;

impl Runtime for Tokio {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        let runtime = runtime.unwrap();
        let handle = runtime.handle().clone();
        let (running, ended) = async_channel::bounded::<()>(1);
        // The last clone may be a task's, and none of those can end the runtime.
        thread::spawn(move || {
            let _ = ended.recv_blocking();
            drop(runtime);
        });
        Self { handle, _running: running }
    }

    fn start(&self, config: Config) -> Result<Node, StartError> {
        devp2p_tokio::start(config, &self.handle)
    }

    fn discover(&self, config: Config) -> Result<Discovery, StartError> {
        devp2p_tokio::discover(config, &self.handle)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    fn block_on<T>(&self, case: impl Future<Output = T>) -> T {
        block_on(case)
    }

    async fn sleep(&self, duration: Duration) {
        Timer::after(duration).await;
    }

    fn is_empty(&self) -> bool {
        self.handle.metrics().num_alive_tasks() == 0
    }

    /// tokio does not count polls where it is stable. It does count how often a
    /// thread of it has gone to sleep, and for how long each was busy, which grows
    /// even while one never sleeps. So this grows with every poll, and with every
    /// wake-up that polls nothing too: more than is asked.
    fn polls(&self) -> u64 {
        let metrics = self.handle.metrics();
        let of = |worker| {
            let busy = metrics.worker_total_busy_duration(worker).as_nanos();
            metrics.worker_park_count(worker) + u64::try_from(busy).unwrap()
        };
        (0..metrics.num_workers()).map(of).sum()
    }
}

devp2p_tests::conformance!(Tokio);
