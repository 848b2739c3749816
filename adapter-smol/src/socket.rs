//! TCP as the system has it: listening, finding, connecting, reading, writing.

use core::cell::RefCell;
use core::net::SocketAddr;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use async_io::{Async, Timer};
use async_lock::Semaphore;
use devp2p_core::identity::HostName;
use devp2p_core::limits;
use devp2p_core::session::Lost;
use devp2p_handle::DialError;
use devp2p_handle::adapter::ConnectionEnd;
use futures_lite::future::{or, poll_fn};

/// Slices that one write gathers.
const SLICES: usize = 16;

std::thread_local! {
    // One for each thread rather than one for each connection: an idle
    // connection then owns no buffer at all.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::SOCKET_READ].into_boxed_slice());
}

/// A listening socket.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// A connection to `address`, unless the application stops it first.
pub(crate) async fn connect(
    address: SocketAddr,
    end: &ConnectionEnd,
) -> Result<Async<TcpStream>, DialError> {
    let connected =
        async { Async::<TcpStream>::connect(address).await.map_err(DialError::Connect) };
    let timed_out = async {
        Timer::after(limits::DIAL_TIMEOUT).await;
        Err(DialError::Connect(ErrorKind::TimedOut.into()))
    };
    or(stopped(end), or(connected, timed_out)).await
}

/// Looks a name up, unless the application stops it first. `slots` bounds how
/// many are looked up at once.
pub(crate) async fn look_up(
    name: &HostName,
    port: u16,
    slots: &Arc<Semaphore>,
    end: &ConnectionEnd,
) -> Result<Vec<SocketAddr>, DialError> {
    let looked_up = async {
        let slot = slots.acquire_arc().await;
        let (send, found) = async_channel::bounded(1);
        let started = devp2p_host::look_up(name, port, move |addresses| {
            let _ = send.try_send(addresses);
            drop(slot);
        });
        match started {
            Ok(()) => found.recv().await.unwrap_or_else(|_| Err(ErrorKind::Other.into())),
            Err(error) => Err(error),
        }
    };
    let timed_out = async {
        Timer::after(limits::NAME_LOOK_UP_TIMEOUT).await;
        Err(ErrorKind::TimedOut.into())
    };
    let found = async { or(looked_up, timed_out).await.map_err(DialError::UnresolvedName) };
    or(stopped(end), found).await
}

async fn stopped<T>(end: &ConnectionEnd) -> Result<T, DialError> {
    loop {
        poll_fn(|cx| end.poll_work(cx)).await;
        if end.next_command().is_some() {
            return Err(DialError::Stopped);
        }
    }
}

/// How a read or write went that must not wait.
pub(crate) enum Moved<T> {
    /// It did this.
    Done(T),
    /// It would have to wait.
    Blocked,
    /// The connection is gone.
    Lost(Lost),
}

/// Reads what is there and hands it to `take`.
pub(crate) fn read(stream: &TcpStream, take: impl FnOnce(&[u8])) -> Moved<()> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            return match (&*stream).read(scratch) {
                Ok(0) => Moved::Lost(Lost::Closed),
                Ok(count) => {
                    take(&scratch[..count]);
                    Moved::Done(())
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => failed(&error),
            };
        }
    })
}

/// Writes what the socket takes of `bytes`; says how much.
pub(crate) fn write<'a>(stream: &TcpStream, bytes: impl Iterator<Item = &'a [u8]>) -> Moved<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slot, bytes) in slices.iter_mut().zip(bytes) {
        *slot = IoSlice::new(bytes);
        count += 1;
    }
    loop {
        return match (&*stream).write_vectored(&slices[..count]) {
            Ok(written) => Moved::Done(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => failed(&error),
        };
    }
}

fn failed<T>(error: &io::Error) -> Moved<T> {
    let kind = error.kind();
    if kind == ErrorKind::WouldBlock {
        return Moved::Blocked;
    }
    let reset = [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe];
    Moved::Lost(if reset.contains(&kind) { Lost::Reset } else { Lost::Failed })
}
