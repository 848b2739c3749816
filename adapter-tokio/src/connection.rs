//! The task of one connection: turns, and waits.

use core::future::{Future, poll_fn};
use core::task::{Context, Poll};

use devp2p_host::{Connection, Dial, Turn};
use futures_lite::future::or;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use crate::sockets::Stream;
use crate::timer::Timer;

// Not `async fn`, here and below: what one is given it holds twice.

/// Makes a connection, unless it is given up before, and runs it.
pub(crate) fn dial(mut dial: Dial) -> impl Future<Output = ()> {
    let to = dial.to();
    async move {
        let connected = async { Some(TcpStream::connect(to).await) };
        let given_up = async {
            poll_fn(|cx| dial.poll_given_up(cx)).await;
            None
        };
        match or(given_up, connected).await {
            Some(Ok(stream)) => run(dial.connected(), stream).await,
            Some(Err(error)) => dial.failed(&error),
            None => dial.given_up(),
        }
    }
}

/// Runs a connection to its end.
pub(crate) fn run(connection: Connection, stream: TcpStream) -> impl Future<Output = ()> {
    // Frames are whole messages: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    if let Ok(local) = stream.local_addr() {
        connection.bound_to(local);
    }
    let (stream, timer) = (Stream::new(stream), Timer::never());
    let mut running = Running { connection, stream, timer };
    async move {
        let error = loop {
            match running.connection.turns(&running.stream) {
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
    stream: Stream,
    timer: Timer,
}

impl Running {
    /// Waits for the socket, the application, or the deadline.
    async fn wait(&mut self) {
        let deadline = self.connection.deadline();
        self.timer.set(deadline.and_then(|deadline| self.connection.wall(deadline)));
        if poll_fn(|cx| self.poll(cx)).await {
            self.connection.timeout();
        }
    }

    /// Ready, with whether the deadline has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.connection.poll_work(cx).is_ready() {
            return Poll::Ready(false);
        }
        // An error shows when the read or write is tried.
        let stream = &self.stream.stream;
        let readable = self.connection.wants_read() && stream.poll_read_ready(cx).is_ready();
        let writable = self.connection.wants_write() && stream.poll_write_ready(cx).is_ready();
        if readable || writable {
            return Poll::Ready(false);
        }
        self.timer.poll(cx).map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Its heap (key schedules, the handles, the timer, the poller's) comes to it; bytes
    /// received or to be written only while there are any.
    #[test]
    fn the_task_of_a_connection_with_its_state_is_within_a_kilobyte_and_a_half() {
        let (accepted, dialled) = (size(run), size(|dial, _: ()| self::dial(dial)));
        let state = size_of::<Connection>();
        assert!(accepted.max(dialled) <= 1536, "{accepted}, {dialled}, of which state {state}");
    }
}
