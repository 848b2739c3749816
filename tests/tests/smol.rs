//! The smol adapter passes the suite that all adapters pass.

use core::future::Future;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;

use async_channel::Sender;
use async_io::{Timer, block_on};
use devp2p_smol::{Config, Discovery, Executor, Node, StartError};
use devp2p_tests::conformance::Runtime;

/// An executor with two threads, so that tasks do run beside each other.
#[derive(Clone)]
struct Smol {
    executor: Arc<Executor<'static>>,
    polls: Arc<AtomicU64>,
    /// Dropped with the last clone, which ends the threads.
    _running: Sender<()>,
}

const THREADS: usize = 2;

impl Runtime for Smol {
    fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let polls = Arc::new(AtomicU64::new(0));
        let (running, ended) = async_channel::bounded::<()>(1);
        for _ in 0..THREADS {
            let (executor, polls, ended) =
                (Arc::clone(&executor), Arc::clone(&polls), ended.clone());
            thread::spawn(move || {
                let run = async {
                    loop {
                        executor.tick().await;
                        polls.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let end = async {
                    let _ = ended.recv().await;
                };
                block_on(futures_lite::future::or(end, run));
            });
        }
        Self { executor, polls, _running: running }
    }

    fn start(&self, config: Config) -> Result<Node, StartError> {
        devp2p_smol::start(config, &self.executor)
    }

    fn discover(&self, config: Config) -> Result<Discovery, StartError> {
        devp2p_smol::discover(config, &self.executor)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(task).detach();
    }

    fn block_on<T>(&self, case: impl Future<Output = T>) -> T {
        block_on(case)
    }

    async fn sleep(&self, duration: Duration) {
        Timer::after(duration).await;
    }

    fn is_empty(&self) -> bool {
        self.executor.is_empty()
    }

    fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }
}

devp2p_tests::conformance!(Smol);
