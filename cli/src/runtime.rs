//! The runtime that a command's nodes run on: one of the adapters.

use core::time::Duration;
use std::sync::Arc;

use async_io::Timer;
use devp2p_smol::{Config, Executor, Node, StartError};
use futures_lite::future::or;
use tokio::runtime::Handle;

use crate::args::RuntimeName;
use crate::failure::{Failure, system};
use crate::workers;

/// Starts nodes, and tasks beside them. Clones are the same runtime.
#[derive(Clone)]
pub(crate) enum Runtime {
    Smol(Arc<Executor<'static>>),
    Tokio(Handle),
}

impl Runtime {
    /// Starts a node.
    pub(crate) fn start(&self, config: Config) -> Result<Node, StartError> {
        match self {
            Self::Smol(executor) => devp2p_smol::start(config, executor),
            Self::Tokio(handle) => devp2p_tokio::start(config, handle),
        }
    }

    /// Runs a task beside all others, to its end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Smol(executor) => executor.spawn(task).detach(),
            Self::Tokio(handle) => drop(handle.spawn(task)),
        }
    }

    /// Waits so long.
    pub(crate) async fn sleep(&self, duration: Duration) {
        match self {
            Self::Smol(_) => drop(Timer::after(duration).await),
            Self::Tokio(_) => tokio::time::sleep(duration).await,
        }
    }
}

/// What comes of the work, if it is done in time.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let work = async { Some(work.await) };
    let late = async {
        Timer::after(limit).await;
        None
    };
    or(work, late).await
}

/// As geth does: each connection takes a file. With fewer a node serves fewer
/// peers, and says so then.
pub(crate) fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files");
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
        RuntimeName::Tokio => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let runtime = runtime.map_err(system("runtime"))?;
            Ok(runtime.block_on(work(Runtime::Tokio(runtime.handle().clone()))))
        }
    }
}
