//! Async code on a simulated machine: it holds the handles that it holds under
//! smol and tokio, and this is their other end.

use core::task::{Context, Poll, Waker};
use core::time::Duration;

use async_channel::Sender;
use devp2p_core::node::{ConnectionId, Report};
use devp2p_core::session::Command;
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::{self, ConnectionEnd, NodeEnd, NodeRequest, Task};
use devp2p_handle::{DiscoverySnapshot, Node};

use super::late::SESSIONS;
use super::running::{Running, Todo};
use super::{Around, Host, RESTLESS};
use crate::executor::Executor;
use crate::network::PORT;

/// What an application of async code is given, and where its tasks run.
pub(crate) struct Handles {
    pub(super) end: NodeEnd,
    pub(super) executor: Executor,
    /// It is to stop; who is told when it has.
    stop: Option<Option<Sender<()>>>,
}

impl Handles {
    /// The handles of a node, and the application's first task.
    pub(super) fn start(
        running: &Running,
        ip: core::net::IpAddr,
        seed: &devp2p_core::entropy::Seed,
        application: impl FnOnce(Node) -> Task,
    ) -> Self {
        let machine = running.node.machine();
        let executor = Executor::new(seed);
        let runtime = adapter::runtime(executor.runtime());
        let address = Some((ip, PORT).into());
        let (local, record) = (machine.local().clone(), machine.local_record().clone());
        let (node, end) = adapter::node(local, record, address, address, runtime);
        executor.spawn(application(node));
        Self { end, executor, stop: None }
    }

    /// A connection, or the attempt at one.
    pub(super) fn begin(&mut self, id: ConnectionId, is_connected: bool) -> ConnectionEnd {
        self.end.begin(id, is_connected)
    }
}

impl Host {
    /// Lets the application's tasks run, and does what they want done. Whether
    /// there was anything to do.
    pub(super) fn run_tasks(&mut self, around: &mut Around<'_>) -> bool {
        let now = self.clock.at(around.now);
        let Some(running) = &mut self.running else { return false };
        let Some(handles) = &mut running.handles else { return false };
        let turns = handles.executor.run(now, RESTLESS);
        if turns == RESTLESS {
            around.watch.restless(self.name, "a task");
        }
        let mut moved = turns > 0;
        if let Some(request) = handles.end.try_next() {
            let oracle = &mut around.watch.oracle;
            match &request {
                NodeRequest::Command(id, command) => {
                    oracle.commanded(self.place, now, *id, command);
                }
                NodeRequest::Session(id, report)
                    if running.late.is_prompt(around.now, self.temper.late, SESSIONS) =>
                {
                    oracle.reports(self.place, *id, report);
                }
                NodeRequest::Stop(_) | NodeRequest::Abandoned => oracle.stops(self.place),
                NodeRequest::Session(..)
                | NodeRequest::Connected(..)
                | NodeRequest::Hold(_)
                | NodeRequest::Snapshot(_)
                | NodeRequest::Explain(..) => {}
            }
            running.requested(around.now, now, self.temper.late, request);
            moved = true;
        }
        let cx = Context::from_waker(Waker::noop());
        for (id, connection) in &running.connections {
            let end = connection.end.as_ref();
            if end.is_some_and(|end| matches!(end.poll_work(&cx), Poll::Ready(()))) {
                running.todo.push_back(Todo::Pump(*id));
                moved = true;
            }
        }
        moved
    }
}

impl Handles {
    /// The node has stopped: whoever waits for that is told, and has the last word.
    /// Whether all comes to rest then.
    pub(super) fn finish(self, now: Now) -> bool {
        let Self { end, mut executor, stop } = self;
        drop(end);
        if let Some(Some(stopped)) = stop {
            let _ = stopped.try_send(());
        }
        executor.run(now, RESTLESS) < RESTLESS
    }
}

impl Running {
    /// Whether nothing remains to be done by it.
    pub(super) fn is_over(&self) -> bool {
        self.node.is_stopped() && self.handles.as_ref().is_none_or(|one| one.end.live() == 0)
    }

    /// Does what the handles ask for; what sessions say may be late.
    fn requested(&mut self, world: Instant, now: Now, late: Duration, request: NodeRequest) {
        match request {
            NodeRequest::Command(id, command) => self.node.command(now, id, command),
            NodeRequest::Connected(id, result) => self.node.connected(now, id, result),
            NodeRequest::Session(id, report) if self.late.is_prompt(world, late, SESSIONS) => {
                self.heard(now, id, report);
            }
            NodeRequest::Session(id, report) => {
                self.later(world, late, SESSIONS, Todo::Heard(id, report));
            }
            NodeRequest::Hold(held) => self.node.hold(now, held),
            NodeRequest::Snapshot(answer) => {
                let Some(handles) = &mut self.handles else { return };
                let discovery: Option<DiscoverySnapshot> = self.node.discovery_snapshot();
                let snapshot = handles.end.snapshot(self.node.machine().snapshot(), discovery);
                let _ = answer.try_send(snapshot);
            }
            NodeRequest::Explain(id, answer) => {
                let _ = answer.try_send(self.node.machine().explain(&id));
            }
            NodeRequest::Stop(answer) => self.stop(now, Some(answer)),
            NodeRequest::Abandoned => self.stop(now, None),
        }
    }

    /// A session is told this.
    pub(super) fn order(&self, id: ConnectionId, command: Command) {
        if let Some(handles) = &self.handles {
            handles.end.command(id, command);
        }
    }

    /// A session has said this.
    pub(super) fn heard(&mut self, now: Now, id: ConnectionId, report: Report) {
        let ended = match &report {
            Report::Closed { error, counters } => Some((*error, *counters)),
            Report::Authenticated(_) | Report::Ready { .. } => None,
        };
        self.node.report(now, id, report);
        if let Some((error, counters)) = ended {
            if let Some(handles) = &mut self.handles {
                handles.end.set_ends(self.node.machine().counts().ends);
            }
            // After what the node says of it.
            self.todo.push_back(Todo::Forget(id, error, counters));
        }
    }

    /// Tells the node to stop, and who is to be told when it has.
    pub(super) fn stop(&mut self, now: Now, answer: Option<Sender<()>>) {
        if let Some(handles) = &mut self.handles {
            // Who asked first is told, whoever asks again.
            if !matches!(handles.stop, Some(Some(_))) {
                handles.stop = Some(answer);
            }
            handles.end.close();
        }
        self.node.stop(now);
    }
}
