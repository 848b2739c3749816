//! Peers that are no nodes: plain sockets, and a blocking one that speaks the
//! protocol by core's driver but does with its socket what a node never would.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use devp2p_core::driver::{Connection, Event};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::Enode;
use devp2p_core::p2p::{DisconnectReason, Message};
use devp2p_core::session::{Command, Local, Session, SessionError};
use devp2p_core::time::{Now, UnixTime};

use super::rig::LIMIT;

/// A connection with nothing behind it.
pub(super) fn stranger(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Whole and well-formed to look at, and sealed for nobody.
pub(super) fn garbage() -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend((0..=u8::MAX).map(|index| index.wrapping_mul(151) ^ (index >> 3)));
    bytes
}

/// Says something that is no handshake and waits for the end; gives what was
/// answered.
pub(super) fn speak_garbage(address: SocketAddr) -> Vec<u8> {
    let mut stream = stranger(address);
    stream.write_all(&garbage()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A blocking peer.
pub(super) struct RawPeer {
    stream: TcpStream,
    connection: Connection,
    start: Instant,
    received: VecDeque<Message>,
    closed: Option<SessionError>,
}

impl RawPeer {
    /// Dials a node and goes through both handshakes, admitting it.
    pub(super) fn dial(local: Local, enode: &Enode) -> Self {
        let stream = stranger(enode.tcp_endpoint().unwrap());
        let seed = Seed::new(*local.public().as_bytes().first_chunk().unwrap());
        let now = Now::ZERO;
        let session = Session::dial(Arc::new(local), *enode.public_key(), &seed, now);
        let mut peer = Self {
            stream,
            connection: Connection::new(session),
            start: Instant::now(),
            received: VecDeque::new(),
            closed: None,
        };
        while !peer.turn() {
            peer.read();
        }
        peer
    }

    fn now(&self) -> Now {
        Now { unix: UnixTime::EPOCH, ..Now::ZERO }.saturating_add(self.start.elapsed())
    }

    /// Answers events and writes; says whether the connection was just opened.
    fn turn(&mut self) -> bool {
        let mut opened = false;
        while let Some(event) = self.connection.poll_event() {
            let now = self.now();
            match event {
                Event::Authenticated(_) => self.connection.command(now, Command::Proceed),
                Event::Ready { .. } => {
                    self.connection.command(now, Command::Admit);
                    opened = true;
                }
                Event::Message(message) => {
                    self.received.push_back(message);
                    self.connection.delivered(now);
                }
                Event::RoundTrip(_) => {}
                Event::Closed(error) => self.closed = Some(error),
            }
        }
        while self.connection.wants_write() {
            let bytes: Vec<u8> = self.connection.writes().flatten().copied().collect();
            self.stream.write_all(&bytes).unwrap();
            self.connection.written(self.now(), bytes.len());
        }
        assert!(self.closed.is_none(), "closed: {:?}", self.closed);
        opened
    }

    fn read(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.unwrap(),
            }
        };
        assert!(count > 0, "the node closed the connection");
        self.connection.received(self.now(), &buffer[..count]);
    }

    /// The next message.
    pub(super) fn receive(&mut self) -> Message {
        loop {
            self.turn();
            if let Some(message) = self.received.pop_front() {
                return message;
            }
            self.read();
        }
    }

    /// Waits until so many bytes lie unread in its socket.
    pub(super) fn wait_for_unread(&self, bytes: usize) {
        let mut buffer = vec![0; bytes];
        let begun = Instant::now();
        while self.stream.peek(&mut buffer).unwrap() < bytes {
            assert!(begun.elapsed() < LIMIT, "nothing comes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Says goodbye and is gone, without reading what came: the system resets
    /// the connection right behind the disconnect, as after geth's close.
    pub(super) fn disconnect_and_close(mut self, reason: DisconnectReason) {
        let now = self.now();
        self.connection.command(now, Command::Disconnect(reason));
        let bytes: Vec<u8> = self.connection.writes().flatten().copied().collect();
        self.stream.write_all(&bytes).unwrap();
        drop(self.stream);
    }
}
