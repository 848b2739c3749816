//! What an application has of its runtime, whichever that is.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use devp2p_core::entropy::Seed;
use devp2p_core::time::{Instant, Now};

use crate::adapter::{RuntimeEnd, Task};

/// Time, chance and tasks for the code of an application, from whoever drives its
/// node: smol, tokio, or a simulator, under which time is virtual and chance comes
/// from one seed. What takes all of them from here runs unchanged on each, and
/// repeats itself under the last. Clones are the same runtime.
///
/// [`Node::runtime`](crate::Node::runtime) has it.
#[derive(Clone)]
pub struct Runtime(Arc<dyn RuntimeEnd>);

impl Runtime {
    pub(crate) fn new(end: impl RuntimeEnd) -> Self {
        Self(Arc::new(end))
    }

    /// What the node's clocks show.
    pub fn now(&self) -> Now {
        self.0.now()
    }

    /// Waits this long, from the call on.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().mono + duration)
    }

    /// Waits until the monotonic clock of [`Runtime::now`] shows this. A time that
    /// has passed has come. When the runtime is gone no time comes any more.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep(self.0.sleep_until(at))
    }

    /// 32 bytes to grow keys, nonces and choices from; others with each call.
    pub fn seed(&self) -> Seed {
        self.0.seed()
    }

    /// Runs this beside all else, to its end or that of the runtime, with which it
    /// is dropped. It holds what it holds: a task that has a node's handle keeps
    /// that node running.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(Box::pin(task));
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime(..)")
    }
}

/// A time to wait for, by [`Runtime::sleep`]. It costs nothing any more when it is
/// dropped.
pub struct Sleep(Task);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep(..)")
    }
}
