//! tokio's sockets as the loops use them. It remembers what is ready, and forgets
//! only when an attempt through it has to wait: so every attempt goes through it.

use core::net::SocketAddr;
use std::io::{self, IoSlice};

use devp2p_host::{tcp, udp};
use tokio::net::{TcpStream, UdpSocket};

/// A TCP connection.
pub(crate) struct Stream(pub(crate) TcpStream);

impl tcp::Stream for Stream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
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
