//! What the admin socket and the metrics port have in common: so many clients at a
//! time, and so long for anything.
//!
//! Both wait by async-io, whatever the node runs on.

pub(crate) mod reading;

use std::io;
use std::sync::Arc;

use async_io::Timer;
use async_lock::{Semaphore, SemaphoreGuardArc};
use devp2p_smol::core::limits;

use crate::runtime::Runtime;

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

/// Takes clients, so many at a time, and attends to each in a task of its own; one
/// for whom there is no place is refused. It never ends.
pub(crate) async fn receive<S, N, A>(
    clients: usize,
    door: &'static str,
    runtime: &Runtime,
    next: impl Fn() -> N,
    attend: impl Fn(S) -> A,
    refuse: impl Fn(S),
) where
    N: Future<Output = io::Result<S>>,
    A: Future<Output = io::Result<()>> + Send + 'static,
{
    let seats = Seats::new(clients);
    loop {
        let stream = match next().await {
            Ok(stream) => stream,
            Err(error) => {
                // For lack of files, say.
                tracing::warn!(%error, "cannot accept a client");
                Timer::after(limits::ACCEPT_RETRY).await;
                continue;
            }
        };
        let Some(seat) = seats.take() else {
            refuse(stream);
            continue;
        };
        let attended = attend(stream);
        runtime.spawn(async move {
            if let Err(error) = attended.await {
                tracing::debug!(%error, door, "a client is gone");
            }
            drop(seat);
        });
    }
}
