//! An executor on every core.

use std::sync::Arc;
use std::thread;

use devp2p_smol::Executor;

use crate::failure::{Failure, system};

/// Carries out `work`. Every core executes whatever is due meanwhile, this
/// thread among them.
pub(crate) fn run<T>(
    executor: &Arc<Executor<'static>>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let (running, stopped) = async_channel::bounded::<()>(1);
    for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
        let (executor, stopped) = (Arc::clone(executor), stopped.clone());
        let work = move || async_io::block_on(executor.run(stopped.recv()));
        thread::Builder::new()
            .name("worker".into())
            .spawn(work)
            .map_err(system("worker thread"))?;
    }
    let result = async_io::block_on(executor.run(work));
    drop(running);
    Ok(result)
}
