//! The thread that accepts connections for a node.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// What was accepted.
type Accepted = io::Result<(TcpStream, SocketAddr)>;

pub(crate) struct Acceptor {
    address: SocketAddr,
    accepted: Receiver<Accepted>,
    thread: JoinHandle<()>,
}

impl Acceptor {
    /// Of the thread that calls this, which it wakes.
    pub(crate) fn start(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        let address = listener.local_addr()?;
        let node = thread::current();
        // One that waits to be taken and one that is accepted: no more is held.
        let (send, accepted) = sync_channel(1);
        let thread = thread::Builder::new().spawn(move || {
            while send.send(listener.accept()).is_ok() {
                node.unpark();
            }
        })?;
        Ok(Self { address, accepted, thread })
    }

    pub(crate) fn next(&self) -> Option<Accepted> {
        self.accepted.try_recv().ok()
    }

    /// Listens no more.
    pub(crate) fn end(self) {
        drop(self.accepted);
        // It waits for somebody to come.
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.thread.join();
        }
    }
}
