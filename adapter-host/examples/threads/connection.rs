//! The thread of one connection: turns, and waits.

use std::net::TcpStream;
use std::sync::mpsc::{TryRecvError, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant;

use devp2p_core::limits;
use devp2p_host::{Connection, Dial, Turn};

use super::socket::Socket;
use super::waiting::{park_until, waker};

/// Makes a connection, unless it is given up before, and runs it.
pub(crate) fn dial(mut dial: Dial) {
    let (to, dialling) = (dial.to(), thread::current());
    let (send, connected) = channel();
    // On a thread that is left to itself, for nothing ends it before its time. If
    // there is none the channel tells.
    let _ = thread::Builder::new().spawn(move || {
        let _ = send.send(TcpStream::connect_timeout(&to, limits::DIAL_TIMEOUT));
        drop(send);
        dialling.unpark();
    });
    let waker = waker();
    loop {
        if dial.poll_given_up(&Context::from_waker(&waker)).is_ready() {
            return dial.given_up();
        }
        match connected.try_recv() {
            Ok(Ok(stream)) => return run(dial.connected(), stream),
            Ok(Err(error)) => return dial.failed(&error),
            Err(TryRecvError::Empty) => thread::park(),
            // Dropping it says that none came about.
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

/// Runs a connection to its end.
pub(crate) fn run(mut connection: Connection, stream: TcpStream) {
    // Dropping it says that it failed.
    let Ok(socket) = Socket::new(stream) else { return };
    let waker = waker();
    let error = loop {
        match connection.turns(&socket) {
            Turn::Yield => {}
            Turn::Wait => wait(&mut connection, &waker),
            Turn::Close(error) => break error,
        }
    };
    drop(socket);
    connection.close(error);
}

/// Waits for the reader, the application, or the deadline.
fn wait(connection: &mut Connection, waker: &Waker) {
    if connection.poll_work(&Context::from_waker(waker)).is_ready() {
        return;
    }
    let due = connection.deadline().and_then(|deadline| connection.wall(deadline));
    // A write that found no room has waited for it.
    if !connection.wants_write() {
        park_until(due);
    }
    if due.is_some_and(|due| due <= Instant::now()) {
        connection.timeout();
    }
}
