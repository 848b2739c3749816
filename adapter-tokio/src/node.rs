//! The task of a node: turns, and waits.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use std::io;

use devp2p_core::limits;
use devp2p_handle::{Discovery, Node};
use devp2p_host::{Config, Serving, Sockets, StartError, Step};
use futures_lite::future::{or, pending, poll_once};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::connection;
use crate::sockets::Datagrams;
use crate::tasks::Tasks;
use crate::timer::Timer;

/// Starts a node whose tasks run on `runtime`, of either flavour. May be called
/// from within it or from anywhere else.
///
/// With a node database this blocks until that is open, has said what it
/// remembers, and keeps the number of our record: some milliseconds, or as long
/// as the disk takes. What [`Node::record`] says then will not be taken back.
///
/// # Panics
///
/// As all of tokio does, if the runtime was built without I/O or without time:
/// build it with `enable_all`.
pub fn start(config: Config, runtime: &Handle) -> Result<Node, StartError> {
    // For what tokio looks up where it is called.
    let within = runtime.enter();
    let timer = Timer::never();
    let (node, serving, Sockets { tcp, udp }) = Serving::start(config, Tasks(runtime.clone()))?;
    let listener = tcp.map(TcpListener::from_std).transpose().map_err(StartError::Runtime)?;
    let socket = udp.map(UdpSocket::from_std).transpose().map_err(StartError::Runtime)?;
    let socket = socket.map(Datagrams);
    tokio::spawn(Running { serving, listener, socket, timer }.serve());
    drop(within);
    Ok(node)
}

/// Starts discovery alone: a node that neither listens for TCP nor dials. It
/// ends with the last clone of its handle.
///
/// # Panics
///
/// As [`start`] does.
pub fn discover(mut config: Config, runtime: &Handle) -> Result<Discovery, StartError> {
    config.discovery_only();
    let node = start(config, runtime)?;
    node.into_discovery().ok_or(StartError::NoDiscovery)
}

struct Running {
    serving: Serving,
    listener: Option<TcpListener>,
    socket: Option<Datagrams>,
    timer: Timer,
}

/// What was accepted.
type Accepted = io::Result<(TcpStream, SocketAddr)>;

impl Running {
    async fn serve(mut self) {
        loop {
            let step = self.serving.turn(self.socket.as_ref());
            while let Some(dial) = self.serving.next_dial() {
                tokio::spawn(connection::dial(dial));
            }
            match step {
                // The other tasks get their chance, and so do those who connect:
                // whoever keeps the UDP socket busy is not to keep them out.
                Step::Yield => {
                    self.accept().await;
                    yield_now().await;
                }
                Step::Wait => self.wait().await,
                Step::Stop => break,
            }
        }
        let Self { serving, listener, socket, .. } = self;
        drop((listener, socket));
        serving.close(sleep(limits::STORE_CLOSE_TIMEOUT)).await;
    }

    /// Accepts a connection if there is one.
    async fn accept(&mut self) {
        if self.serving.wants_incoming()
            && let Some(listener) = &self.listener
            && let Some(accepted) = poll_once(listener.accept()).await
        {
            self.accepted(accepted);
        }
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self) {
        let Self { serving, listener, socket, timer } = self;
        timer.set(serving.deadline());
        if serving.is_stopping() {
            *listener = None;
        }
        let (accepts, receives) = (serving.wants_incoming(), serving.wants_receive());
        let sends = serving.wants_send();
        let accepted = on(listener.as_ref().filter(|_| accepts), async |listener| {
            Some(listener.accept().await)
        });
        // An error shows when the read or write is tried.
        let readable = on(socket.as_ref().filter(|_| receives), async |Datagrams(socket)| {
            let _ = socket.readable().await;
            None
        });
        let writable = on(socket.as_ref().filter(|_| sends), async |Datagrams(socket)| {
            let _ = socket.writable().await;
            None
        });
        let due = async {
            poll_fn(|cx| timer.poll(cx)).await;
            None
        };
        let asked = async {
            serving.next().await;
            None
        };
        let woken = or(asked, or(due, or(or(readable, writable), accepted))).await;
        if let Some(accepted) = woken {
            self.accepted(accepted);
        }
    }

    fn accepted(&mut self, accepted: Accepted) {
        match accepted {
            Ok((stream, from)) => {
                if let Some(connection) = self.serving.incoming(from) {
                    tokio::spawn(connection::run(connection, stream));
                }
            }
            Err(error) => self.serving.not_accepted(&error),
        }
    }
}

/// What comes of a socket; never anything where there is none.
async fn on<'a, S, F: Future>(socket: Option<&'a S>, wait: impl FnOnce(&'a S) -> F) -> F::Output {
    match socket {
        Some(socket) => wait(socket).await,
        None => pending().await,
    }
}
