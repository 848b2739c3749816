//! The task of one connection: turns, and waits.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind};
use std::net::TcpStream;

use async_io::{Async, Timer};
use devp2p_core::time::Deadline;
use devp2p_host::{Connection, Dial, Turn};
use futures_lite::future::{or, yield_now};

use crate::node::Tasks;

// Not `async fn`, here and below: what one is given it holds twice.

/// Makes a connection, unless it is given up before, and runs it in a task of its
/// own, which needs no room for what dialling did.
pub(crate) fn dial(mut dial: Dial, tasks: Tasks) -> impl Future<Output = ()> {
    let to = dial.to();
    async move {
        let connected = async { Some(Async::<TcpStream>::connect(to).await) };
        let given_up = async {
            poll_fn(|cx| dial.poll_given_up(cx)).await;
            None
        };
        match or(given_up, connected).await {
            Some(Ok(stream)) => tasks.spawn(run(dial.connected(), stream)),
            Some(Err(error)) => dial.failed(&error),
            None => dial.given_up(),
        }
    }
}

/// Runs a connection to its end.
pub(crate) fn run(connection: Connection, stream: Async<TcpStream>) -> impl Future<Output = ()> {
    // Frames are whole messages: waiting for more to send only delays them.
    let _ = stream.get_ref().set_nodelay(true);
    if let Ok(local) = stream.get_ref().local_addr() {
        connection.bound_to(local);
    }
    let timer = Timer::never();
    let mut running = Running { connection, stream, timer, deadline: None };
    async move {
        let error = loop {
            match running.connection.turns(running.stream.get_ref()) {
                Turn::Yield => yield_now().await,
                Turn::Wait => running.wait().await,
                Turn::Close(error) => break error,
            }
        };
        let Running { connection, stream, .. } = running;
        drop(stream);
        connection.close(error);
    }
}

struct Running {
    connection: Connection,
    stream: Async<TcpStream>,
    timer: Timer,
    deadline: Option<Deadline>,
}

impl Running {
    /// Waits for the socket, the application, or the deadline. Ends with every
    /// wake-up: `poll_readable` may be pending still when it has woken us, for
    /// the reactor cannot tell in which order interest and event came, so the
    /// socket itself must be tried.
    async fn wait(&mut self) {
        self.set_timer();
        let mut waited = false;
        let due = poll_fn(|cx| {
            let polled = self.poll(cx);
            let woken = core::mem::replace(&mut waited, true);
            if woken && polled.is_pending() { Poll::Ready(false) } else { polled }
        })
        .await;
        if due {
            self.deadline = None;
            self.connection.timeout();
        }
    }

    /// Ready, with whether the deadline has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.connection.poll_work(cx).is_ready() {
            return Poll::Ready(false);
        }
        // An error shows when the read or write is tried.
        let readable = self.connection.wants_read() && self.stream.poll_readable(cx).is_ready();
        let writable = self.connection.wants_write() && self.stream.poll_writable(cx).is_ready();
        if readable || writable {
            return Poll::Ready(false);
        }
        pin!(&mut self.timer).poll(cx).map(|_| true)
    }

    fn set_timer(&mut self) {
        let deadline = self.connection.deadline();
        if deadline != self.deadline {
            self.deadline = deadline;
            let at = deadline.and_then(|deadline| self.connection.wall(deadline));
            self.timer = at.map_or_else(Timer::never, Timer::at);
        }
    }
}

/// What a non-blocking socket says when there is nothing to accept is no error.
pub(crate) fn is_nothing(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind())
}

#[cfg(test)]
mod tests;
