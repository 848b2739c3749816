//! The task of a node: turns, and waits.

use core::future::Future;
use core::net::SocketAddr;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Instant;

use async_executor::Executor;
use async_io::{Async, Timer};
use devp2p_core::limits;
use devp2p_handle::adapter::Task;
use devp2p_handle::{Discovery, Node};
use devp2p_host::{Config, Serving, Sockets, StartError, Step};
use futures_lite::future::{or, pending, poll_once, yield_now};

use crate::connection;

/// Starts a node whose tasks run on `executor`, which the caller runs on as
/// many threads as it likes. When that is dropped the node goes with it, without
/// a word to its peers: [`Node::stop`] says goodbye.
///
/// With a node database this blocks until that is open, has said what it
/// remembers, and keeps the number of our record: some milliseconds, or as long
/// as the disk takes. What [`Node::record`] says then will not be taken back.
pub fn start(config: Config, executor: &Arc<Executor<'static>>) -> Result<Node, StartError> {
    let tasks = Tasks(Arc::downgrade(executor));
    let (node, serving, Sockets { tcp, udp }) = Serving::start(config, tasks.clone())?;
    let listener = tcp.map(Async::new_nonblocking).transpose().map_err(StartError::Runtime)?;
    let socket = udp.map(Async::new_nonblocking).transpose().map_err(StartError::Runtime)?;
    let running = Running { serving, listener, socket, tasks, timer: Timer::never(), due: None };
    executor.spawn(running.serve()).detach();
    Ok(node)
}

/// Starts discovery alone: a node that neither listens for TCP nor dials. It
/// ends with the last clone of its handle.
pub fn discover(
    mut config: Config,
    executor: &Arc<Executor<'static>>,
) -> Result<Discovery, StartError> {
    config.discovery_only();
    let node = start(config, executor)?;
    node.into_discovery().ok_or(StartError::NoDiscovery)
}

/// Where tasks are run, as one of them has it: an executor that its own tasks
/// held could never be dropped.
#[derive(Clone)]
pub(crate) struct Tasks(Weak<Executor<'static>>);

impl Tasks {
    /// Runs a task beside all others, to its end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // It is there while its tasks are run; an application's handles may be so longer.
        if let Some(executor) = self.0.upgrade() {
            executor.spawn(task).detach();
        }
    }
}

impl devp2p_host::Tasks for Tasks {
    fn spawn(&self, task: Task) {
        self.spawn(task);
    }

    fn sleep_until(&self, at: Instant) -> Task {
        let timer = Timer::at(at);
        Box::pin(async {
            let _: Instant = timer.await;
        })
    }
}

struct Running {
    serving: Serving,
    listener: Option<Async<TcpListener>>,
    socket: Option<Async<UdpSocket>>,
    tasks: Tasks,
    timer: Timer,
    due: Option<Instant>,
}

/// What was accepted.
type Accepted = io::Result<(Async<TcpStream>, SocketAddr)>;

impl Running {
    async fn serve(mut self) {
        loop {
            let socket = self.socket.as_ref().map(Async::get_ref);
            let step = self.serving.turn(socket);
            while let Some(dial) = self.serving.next_dial() {
                self.tasks.spawn(connection::dial(dial, self.tasks.clone()));
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
        let late = async {
            Timer::after(limits::STORE_CLOSE_TIMEOUT).await;
        };
        serving.close(late).await;
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
        self.set_timer();
        let Self { serving, listener, socket, timer, .. } = self;
        if serving.is_stopping() {
            *listener = None;
        }
        let (accepts, receives) = (serving.wants_incoming(), serving.wants_receive());
        let sends = serving.wants_send();
        let accepted = async {
            match listener {
                Some(listener) if accepts => Some(listener.accept().await),
                Some(_) | None => pending().await,
            }
        };
        // An error shows when the read or write is tried.
        let readable = on(socket.as_ref().filter(|_| receives), |socket| socket.readable());
        let writable = on(socket.as_ref().filter(|_| sends), |socket| socket.writable());
        let due = async {
            let _: Instant = timer.await;
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

    fn set_timer(&mut self) {
        let due = self.serving.deadline();
        // One that has rung rings no more.
        if due != self.due || due.is_some_and(|due| due <= Instant::now()) {
            self.due = due;
            self.timer = due.map_or_else(Timer::never, Timer::at);
        }
    }

    fn accepted(&mut self, accepted: Accepted) {
        match accepted {
            Ok((stream, from)) => {
                if let Some(connection) = self.serving.incoming(from) {
                    self.tasks.spawn(connection::run(connection, stream));
                }
            }
            Err(error) if connection::is_nothing(&error) => {}
            Err(error) => self.serving.not_accepted(&error),
        }
    }
}

/// When a socket is ready; never where there is none.
async fn on<'a, S, F: Future>(
    socket: Option<&'a S>,
    ready: impl FnOnce(&'a S) -> F,
) -> Option<Accepted> {
    match socket {
        Some(socket) => {
            ready(socket).await;
            None
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
