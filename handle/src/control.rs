//! What application and node may tell a running connection, and how it wakes.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomic_waker::AtomicWaker;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::Command;

use crate::peer::Inner;

/// Wakes one connection's task; any number of others may.
#[derive(Debug, Default)]
pub(crate) struct Control {
    waker: AtomicWaker,
    work: AtomicBool,
    ping: AtomicBool,
    told: Mutex<Told>,
}

/// What has been said and not taken yet.
#[derive(Debug, Default)]
struct Told {
    proceed: bool,
    admit: bool,
    disconnect: Option<DisconnectReason>,
    /// What the application and an admitted connection share.
    peer: Option<Arc<Inner>>,
    /// Nobody takes anything any more.
    over: bool,
    handshake: Duration,
    local: Option<SocketAddr>,
}

impl Control {
    /// There is something to do: messages, room, or a command.
    pub(crate) fn wake(&self) {
        self.work.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The node says this.
    pub(crate) fn command(&self, command: Command) {
        match command {
            Command::Proceed => self.lock().proceed = true,
            // By `admit`, which comes before anybody knows of the peer.
            Command::Admit => return,
            Command::Ping => return self.ping(),
            Command::Disconnect(reason) => return self.disconnect(reason),
        }
        self.wake();
    }

    /// Ends the connection. The first reason stands.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) {
        self.lock().disconnect.get_or_insert(reason);
        self.wake();
    }

    pub(crate) fn ping(&self) {
        self.ping.store(true, Ordering::Release);
        self.wake();
    }

    /// [`Command::Admit`], with what the connection is to use from then on. To be
    /// said before the application knows of the peer: what that says comes after.
    pub(crate) fn admit(&self, peer: Arc<Inner>) {
        let mut told = self.lock();
        if !told.over {
            told.peer = Some(peer);
            told.admit = true;
        }
        drop(told);
        self.wake();
    }

    /// With [`Command::Admit`]. The peer holds this, so it is not to hold the peer.
    pub(crate) fn admitted(&self) -> Option<Arc<Inner>> {
        self.lock().peer.take()
    }

    /// The connection's task takes nothing any more, so that nothing is to wait
    /// here for it: least of all the peer, and both for ever.
    pub(crate) fn end(&self) {
        let mut told = self.lock();
        told.over = true;
        let peer = told.peer.take();
        drop(told);
        drop(peer);
    }

    pub(crate) fn set_handshake(&self, took: Duration) {
        self.lock().handshake = took;
    }

    pub(crate) fn set_local(&self, local: SocketAddr) {
        self.lock().local = Some(local);
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.lock().local
    }

    pub(crate) fn handshake(&self) -> Duration {
        self.lock().handshake
    }

    /// The next command that came in.
    pub(crate) fn take(&self) -> Option<Command> {
        let mut told = self.lock();
        if core::mem::take(&mut told.proceed) {
            return Some(Command::Proceed);
        }
        if core::mem::take(&mut told.admit) {
            return Some(Command::Admit);
        }
        if self.ping.swap(false, Ordering::AcqRel) {
            return Some(Command::Ping);
        }
        told.disconnect.take().map(Command::Disconnect)
    }

    /// Ready once for any number of wake-ups since the last time.
    pub(crate) fn poll_work(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.work.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Nothing panics while it is held.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
