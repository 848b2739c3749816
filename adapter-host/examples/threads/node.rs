//! The thread of a node: turns, and waits.

use std::future::{Future as _, pending};
use std::net::UdpSocket;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant;

use devp2p_handle::Node;
use devp2p_handle::adapter::Task;
use devp2p_host::{Config, Serving, StartError, Step, Tasks};

use super::accept::Acceptor;
use super::connection;
use super::waiting::{park_until, sleep_until, wait_for, waker};

/// What the application runs, and what it waits for, has a thread each.
struct Threads;

impl Tasks for Threads {
    fn spawn(&self, task: Task) {
        // Without a thread it is dropped.
        let _ = thread::Builder::new().spawn(|| wait_for(task));
    }

    fn sleep_until(&self, at: Instant) -> Task {
        Box::pin(sleep_until(at))
    }
}

/// Starts a node, without discovery.
pub(crate) fn start(config: Config) -> Result<Node, StartError> {
    let (node, serving, sockets) = Serving::start(config, Threads)?;
    let (send, started) = channel();
    let thread = thread::Builder::new();
    let thread = thread.spawn(move || match sockets.tcp.map(Acceptor::start).transpose() {
        Ok(acceptor) => {
            drop(send);
            serve(serving, acceptor);
        }
        Err(error) => drop(send.send(error)),
    });
    thread.map_err(StartError::Threads)?;
    started.recv().map_or(Ok(node), |error| Err(StartError::Runtime(error)))
}

fn serve(mut serving: Serving, mut acceptor: Option<Acceptor>) {
    let waker = waker();
    loop {
        let step = serving.turn(None::<&UdpSocket>);
        // What came meanwhile may be wanted only since this turn.
        let accepted = acceptor.as_ref().is_some_and(|acceptor| accept(&mut serving, acceptor));
        while let Some(dial) = serving.next_dial() {
            // Without a thread it is dropped, which says that none came about.
            let _ = thread::Builder::new().spawn(|| connection::dial(dial));
        }
        if serving.is_stopping()
            && let Some(acceptor) = acceptor.take()
        {
            acceptor.end();
        }
        match step {
            Step::Wait if !accepted => wait(&mut serving, &waker),
            Step::Yield | Step::Wait => {}
            Step::Stop => break,
        }
    }
    // There is no disk to wait for.
    wait_for(serving.close(pending()));
}

/// Whether there was anything.
fn accept(serving: &mut Serving, acceptor: &Acceptor) -> bool {
    let mut moved = false;
    while serving.wants_incoming()
        && let Some(accepted) = acceptor.next()
    {
        match accepted {
            Ok((stream, from)) => {
                if let Some(connection) = serving.incoming(from) {
                    let run = || connection::run(connection, stream);
                    // Without a thread it is dropped, which says that it failed.
                    let _ = thread::Builder::new().spawn(run);
                }
            }
            Err(error) => serving.not_accepted(&error),
        }
        moved = true;
    }
    moved
}

/// Waits for application, sessions, the acceptor, or the deadline.
fn wait(serving: &mut Serving, waker: &Waker) {
    let due = serving.deadline();
    let next = pin!(serving.next());
    if next.poll(&mut Context::from_waker(waker)).is_pending() {
        park_until(due);
    }
}
