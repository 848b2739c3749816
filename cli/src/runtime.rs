//! The runtime that a command's nodes run on: one of the adapters.

use core::time::Duration;
use std::sync::Arc;

use async_io::Timer;
use devp2p_smol::{Config, Executor, Node, StartError};

use crate::args::RuntimeName;
use crate::failure::Failure;
use crate::workers;

/// Starts nodes, and tasks beside them. Clones are the same runtime.
#[derive(Clone)]
pub(crate) enum Runtime {
    Smol(Arc<Executor<'static>>),
}

impl Runtime {
    /// Starts a node.
    pub(crate) fn start(&self, config: Config) -> Result<Node, StartError> {
        match self {
            Self::Smol(executor) => devp2p_smol::start(config, executor),
        }
    }

    /// Runs a task beside all others, to its end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Smol(executor) => executor.spawn(task).detach(),
        }
    }

    /// Waits so long.
    pub(crate) async fn sleep(&self, duration: Duration) {
        match self {
            Self::Smol(_) => drop(Timer::after(duration).await),
        }
    }
}

/// Carries out `work` on every core.
pub(crate) fn run<T>(
    name: RuntimeName,
    work: impl AsyncFnOnce(Runtime) -> T,
) -> Result<T, Failure> {
    match name {
        RuntimeName::Smol => {
            let executor = Arc::new(Executor::new());
            workers::run(&executor, work(Runtime::Smol(Arc::clone(&executor))))
        }
    }
}
