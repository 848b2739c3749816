//! How a thread waits for what wakes tasks.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes this thread from [`park_until`] and its like.
pub(crate) fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Waits until somebody wakes this thread, or until then.
pub(crate) fn park_until(due: Option<Instant>) {
    match due {
        Some(due) => thread::park_timeout(due.saturating_duration_since(Instant::now())),
        None => thread::park(),
    }
}

/// A time to wait for: a thread sleeps until then, whether somebody still waits or not.
pub(crate) fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send {
    let (sleeps, woken) = async_channel::bounded::<()>(1);
    let thread = thread::Builder::new().spawn(move || {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        drop(sleeps);
    });
    async move {
        match thread {
            Ok(_) => drop(woken.recv().await),
            Err(_) => pending().await,
        }
    }
}

/// Waits for a future on this thread.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = waker();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}
