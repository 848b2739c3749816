//! A runtime's side of the handles.

use core::future::Future;
use core::pin::Pin;

use devp2p_core::entropy::Seed;
use devp2p_core::time::{Instant, Now};

use crate::Runtime;

/// Something to run to its end, or to wait for.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What an adapter gives to the code of an application beside its node.
///
/// Handles hold it, and may outlive the runtime: it must not keep tasks alive, and
/// must not panic when there is nobody left to run any.
pub trait RuntimeEnd: Send + Sync + 'static {
    /// What the clocks show that the node is driven by.
    fn now(&self) -> Now;

    /// Ready when the monotonic one shows this, polled by whatever task; at once if
    /// it does already.
    fn sleep_until(&self, at: Instant) -> Task;

    /// A seed that nobody was given before.
    fn seed(&self) -> Seed;

    /// Runs this beside all else; drops it when there is nobody left to run it.
    fn spawn(&self, task: Task);
}

/// The handle of a runtime.
pub fn runtime(end: impl RuntimeEnd) -> Runtime {
    Runtime::new(end)
}
