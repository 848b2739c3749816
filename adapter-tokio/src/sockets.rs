//! tokio's sockets as the loops use them. It remembers what is ready, and forgets
//! only when an attempt through it has to wait: so every attempt goes through it,
//! but for those after which nobody waits.

use core::cell::Cell;
use core::net::SocketAddr;
use std::io::{self, ErrorKind, IoSlice, Read as _};

use devp2p_host::{tcp, udp};
use socket2::SockRef;
use tokio::net::{TcpStream, UdpSocket};

/// A TCP connection.
pub(crate) struct Stream {
    pub(crate) stream: TcpStream,
    /// Writing has failed.
    failed: Cell<bool>,
}

impl Stream {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, failed: Cell::new(false) }
    }
}

impl tcp::Stream for Stream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.get() {
            // tokio may not have heard yet of what came before the end.
            (&*SockRef::from(&self.stream)).read(buffer)
        } else {
            self.stream.try_read(buffer)
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.stream.try_write_vectored(slices);
        let waits = [ErrorKind::WouldBlock, ErrorKind::Interrupted];
        if written.as_ref().is_err_and(|error| !waits.contains(&error.kind())) {
            self.failed.set(true);
        }
        written
    }
}

/// Discovery's socket.
pub(crate) struct Datagrams(pub(crate) UdpSocket);

impl udp::Datagrams for Datagrams {
    fn receive(&self, buffer: &mut udp::Buffer) -> io::Result<(usize, SocketAddr)> {
        self.0.try_recv_from(buffer)
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send_to(datagram, to)
    }
}
