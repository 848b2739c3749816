//! What application and node may tell a running connection, and how it wakes.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::sync::{Mutex, PoisonError};

use atomic_waker::AtomicWaker;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::Command;

/// Wakes one connection's task; any number of others may.
#[derive(Debug, Default)]
pub(crate) struct Control {
    waker: AtomicWaker,
    work: AtomicBool,
    ping: AtomicBool,
    disconnect: Mutex<Option<DisconnectReason>>,
}

impl Control {
    /// There is something to do: messages, room, or a command.
    pub(crate) fn wake(&self) {
        self.work.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ends the connection. The first reason stands.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) {
        self.lock().get_or_insert(reason);
        self.wake();
    }

    pub(crate) fn ping(&self) {
        self.ping.store(true, Ordering::Release);
        self.wake();
    }

    /// The next command that came in.
    pub(crate) fn take(&self) -> Option<Command> {
        if self.ping.swap(false, Ordering::AcqRel) {
            return Some(Command::Ping);
        }
        self.lock().take().map(Command::Disconnect)
    }

    /// Ready once for any number of wake-ups since the last time.
    pub(crate) fn poll_work(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.work.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<DisconnectReason>> {
        self.disconnect.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
