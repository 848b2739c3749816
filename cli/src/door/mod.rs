//! What the admin socket and the metrics port have in common: so many clients at a
//! time, and so long for anything.
//!
//! Both wait by async-io, whatever the node runs on.

pub(crate) mod reading;

use core::time::Duration;
use std::io;
use std::sync::Arc;

use async_io::Timer;
use async_lock::{Semaphore, SemaphoreGuardArc};
use devp2p_smol::core::limits;
use futures_lite::future::or;

/// Places for clients.
#[derive(Clone)]
pub(crate) struct Seats(Arc<Semaphore>);

impl Seats {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// A place, free again when it is dropped; `None` if all are taken.
    pub(crate) fn take(&self) -> Option<SemaphoreGuardArc> {
        self.0.try_acquire_arc()
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

/// A client was not accepted, for lack of files, say: waits before the next try.
pub(crate) async fn not_accepted(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a client");
    Timer::after(limits::ACCEPT_RETRY).await;
}
