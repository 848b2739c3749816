//! One simulated machine: what an adapter does for a real node, over virtual
//! wires. Everything here executes what the machines of core put out.
//!
//! ```text
//!   Event ─▶ driver::Node ──▶ todo ──▶ driver::Connection ─▶ pipe
//!                ▲              ╰────▶ application
//!                ╰─ reports ──────────────╯
//! ```

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use devp2p_core::application::{Application, Hosted};
use devp2p_core::discv4::RequestId;
use devp2p_core::driver::SocketFailure;
use devp2p_core::driver::node::Node as Driver;
use devp2p_core::entropy::Seed;
use devp2p_core::nat;
use devp2p_core::node::{self, Config, ConfigError, ConnectionId, DialFailure};
use devp2p_core::time::Instant;

use crate::clock::Clock;
use crate::event::Event;
use crate::network::Network;
use crate::network::tcp::{PipeId, Side};
use crate::queue::Queue;
use crate::watch::{Happened, Watch, kind_of};
use crate::watched::Watched;

mod connection;
pub(crate) mod disk;
mod handles;
mod late;
mod recorded;
mod running;
mod settle;

use disk::Disk;
use handles::Handles;
use recorded::{Recorded, Tape};
pub(crate) use running::Running;
use running::Todo;

/// Connections that the system has made and nobody has accepted yet: more are
/// not answered. Linux' `somaxconn` was 128 for long.
const BACKLOG: usize = 128;

/// Events that wait for a slow machine: what more datagrams there are is lost,
/// as in a full socket buffer.
const SOCKET_BUFFER: usize = 256;

/// What an application may do at one point of time: turns of its tasks, outputs, steps.
/// Whoever does more never comes to rest.
const RESTLESS: usize = 100_000;

/// Tells a seed from others without giving it away.
fn fingerprint(seed: &Seed) -> [u8; 16] {
    seed.derive("fingerprint", 0).jitter().bytes()
}

/// What a machine sees of the rest of the world.
pub(crate) struct Around<'a> {
    pub(crate) now: Instant,
    pub(crate) queue: &'a mut Queue<Event>,
    pub(crate) network: &'a mut Network,
    pub(crate) watch: &'a mut Watch,
}

/// How a machine is told to misbehave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// What it takes for each event.
    pub(crate) cost: Duration,
    /// What node and sessions say to each other arrives so much later.
    pub(crate) late: Duration,
    /// Packets are verified up to so much later, each source's in order.
    pub(crate) verifies_late: Duration,
    /// Its application reads nothing.
    pub(crate) reads_nothing: bool,
    /// Its application reads a message of each connection so often alone.
    pub(crate) reads_every: Duration,
    /// It accepts nothing: it has no file descriptor left.
    pub(crate) accepts_nothing: bool,
}

impl Temper {
    pub(crate) const GOOD: Self = Self {
        cost: Duration::ZERO,
        late: Duration::ZERO,
        verifies_late: Duration::ZERO,
        reads_nothing: false,
        reads_every: Duration::ZERO,
        accepts_nothing: false,
    };
}

/// What a machine's system has for its process.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// Its node or its application may have come to a deadline.
    Wake,
    /// A connection may have.
    WakeConnection(ConnectionId),
    /// The store has done the first thing that it was given.
    Stored,
    Datagram(SocketAddr, Bytes),
    /// Nobody listened where a datagram was sent to.
    Icmp,
    /// Somebody waits to be accepted.
    Incoming,
    /// Something has happened to this end of a connection.
    Pipe(ConnectionId),
    /// The other has answered our connecting.
    Connected(ConnectionId, bool),
    /// Somebody in the application's place asks something of the node.
    Command(RequestId, node::Command),
    /// How it stands with its gateway.
    Gateway(nat::Status),
    /// It is to look at all its connections again: its temper has changed.
    Stir,
    /// It is to stop, in order.
    Stop,
}

/// A machine, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its position in the world.
    pub(crate) place: usize,
    /// Its name in scenario and trace.
    pub(crate) name: u32,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) temper: Temper,
    pub(crate) run: u32,
    pub(crate) running: Option<Running>,
    /// Not even its system runs: it has not started yet, or its power has failed.
    pub(crate) is_off: bool,
    seed: Seed,
    checked: bool,
    /// What its crashes have asked for, for when it starts again.
    pub(crate) owed: Restart,
    /// What its node hears is kept.
    pub(crate) records: bool,
    /// It does nothing until then.
    busy_until: Instant,
    waiting: VecDeque<Heard>,
}

/// How a machine comes back after it has crashed, or has crashed several times at once.
#[derive(Debug, Default)]
pub(crate) struct Restart {
    pub(crate) moves: bool,
    pub(crate) renews_key: bool,
    /// What becomes of its disk, one after the other.
    pub(crate) finds: Vec<disk::Durable>,
}

/// An application, to look at when the world stands still.
pub trait Hostable: Application {
    /// Itself, as what it is.
    fn as_any(&self) -> &dyn core::any::Any;
}

impl<A: Application + 'static> Hostable for A {
    fn as_any(&self) -> &dyn core::any::Any {
        self
    }
}

/// What runs on top of a node.
pub(crate) enum OnTop {
    Machine(Box<dyn Hostable>),
    Code(Box<dyn FnOnce(devp2p_handle::Node) -> devp2p_handle::adapter::Task>),
}

impl Host {
    pub(crate) fn new(place: usize, name: u32, seed: Seed, checked: bool) -> Self {
        Self {
            place,
            name,
            clock: Clock::starting(Instant::ZERO),
            disk: Disk::new(),
            temper: Temper::GOOD,
            run: 0,
            running: None,
            is_off: true,
            seed,
            checked,
            owed: Restart::default(),
            records: false,
            busy_until: Instant::ZERO,
            waiting: VecDeque::new(),
        }
    }

    /// Begins to run.
    pub(crate) fn start(
        &mut self,
        around: &mut Around<'_>,
        config: Config,
        application: Option<OnTop>,
    ) -> Result<(), ConfigError> {
        self.run += 1;
        self.clock = self.clock.restarted(around.now);
        let seed = self.seed.derive("run", self.run.into());
        let is_ipv6 = around.network.links[self.place].ip6.is_some();
        let now = self.clock.at(around.now);
        around.watch.oracle.starts(around.now, self.place, self.name, &config, now);
        let tape = self.records.then(|| Tape::new(config.clone(), seed.clone(), now, is_ipv6));
        let machine = node::Node::new(config, &seed, now)?;
        let local = Arc::clone(machine.local());
        let node = Driver::new(Watched::new(machine, self.checked), is_ipv6);
        let node = Recorded::new(node, tape.map(Box::new));
        let checked = self.checked;
        let (machine, code) = match application {
            Some(OnTop::Machine(machine)) => (Some(machine), None),
            Some(OnTop::Code(code)) => (None, Some(code)),
            None => (None, None),
        };
        let application = machine.map(|one| Watched::new(Hosted(one), checked));
        let mut running = Running::new(node, application, local);
        let link = &around.network.links[self.place];
        let ip = link.ip4.map(IpAddr::V4).or_else(|| link.ip6.map(IpAddr::V6));
        let ip = ip.unwrap_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED));
        let tasks = seed.derive("tasks", 0);
        running.handles = code.map(|code| Handles::start(&running, ip, &tasks, code));
        self.running = Some(running);
        self.is_off = false;
        around.watch.say(around.now, self.name, format_args!("starts"));
        self.drain_application(around);
        self.settle(around);
        Ok(())
    }

    /// Stops at once. With `silently` nobody is told: the power has failed.
    /// Without, the system closes its connections: the process was killed.
    pub(crate) fn crash(&mut self, around: &mut Around<'_>, silently: bool) {
        if self.running.is_none() {
            return;
        }
        let unix = self.clock.at(around.now).unix;
        self.disk.fail(&mut self.seed.derive("crash", self.run.into()).jitter(), unix);
        self.vanish(around, silently);
        around.watch.say(around.now, self.name, format_args!("crashes"));
    }

    /// The node has stopped, and its process ends.
    fn exit(&mut self, around: &mut Around<'_>) {
        let now = self.clock.at(around.now);
        self.disk.close(now.unix);
        let handles = self.vanish(around, false).and_then(|running| running.handles);
        if handles.is_some_and(|handles| !handles.finish(now)) {
            around.watch.restless(self.name, "a task");
        }
        around.watch.say(around.now, self.name, format_args!("has stopped"));
    }

    /// Runs no more, and its system lets go of its connections; `silently` there is no
    /// system any more.
    fn vanish(&mut self, around: &mut Around<'_>, silently: bool) -> Option<Running> {
        let running = self.running.take()?;
        self.is_off = silently;
        around.watch.oracle.ends(self.place, running.node.machine());
        self.waiting.clear();
        self.busy_until = around.now;
        let of_sessions = running.connections.values().map(|one| (one.pipe, one.side));
        let of_nobody = running.backlog.iter().map(|pipe| (*pipe, Side::Acceptor));
        for (pipe, side) in of_sessions.chain(of_nobody) {
            if silently {
                around.network.abandon(pipe, side);
            } else {
                around.network.close(around.queue, around.now, pipe, side);
            }
        }
        Some(running)
    }

    /// Stands still until then.
    pub(crate) fn pause(&mut self, around: &mut Around<'_>, until: Instant) {
        let [from, to] = [around.now, until].map(|at| self.clock.at(at).mono);
        around.watch.oracle.stands_still(self.place, from, to);
        self.busy_until = self.busy_until.max(until);
        around.queue.push(self.busy_until, Event::Resume { machine: self.place });
    }

    /// Takes what there is for it, now or when it has time.
    pub(crate) fn take(&mut self, around: &mut Around<'_>, heard: Heard) {
        if self.running.is_none() {
            return;
        }
        if self.is_idle(around.now) {
            self.handle(around, heard);
            self.tire(around);
        } else if !matches!(heard, Heard::Datagram(..)) || self.waiting.len() < SOCKET_BUFFER {
            self.waiting.push_back(heard);
        }
    }

    /// Goes on with what waits.
    pub(crate) fn resume(&mut self, around: &mut Around<'_>) {
        if self.busy_until > around.now {
            return;
        }
        while self.busy_until <= around.now
            && let Some(event) = self.waiting.pop_front()
        {
            self.handle(around, event);
            self.tire(around);
        }
    }

    /// Whether it does at once what comes.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.waiting.is_empty() && self.busy_until <= now
    }

    fn tire(&mut self, around: &mut Around<'_>) {
        if !self.temper.cost.is_zero() {
            self.busy_until = around.now + self.temper.cost;
            around.queue.push(self.busy_until, Event::Resume { machine: self.place });
        }
    }

    fn handle(&mut self, around: &mut Around<'_>, heard: Heard) {
        let now = self.clock.at(around.now);
        let name = self.name;
        let Some(running) = &mut self.running else { return };
        match heard {
            Heard::Wake => {
                if running.armed.is_some_and(|armed| armed <= around.now) {
                    running.armed = None;
                }
                around.watch.oracle.wakes(self.place, now.mono);
                // Most deadlines move on before they come.
                if !running.is_due(around.now, now) {
                    return self.rearm(around);
                }
                running.on_time(around.now, now);
            }
            Heard::WakeConnection(id) => running.connection_on_time(around.now, now, id),
            Heard::Stored => {
                if let Some(reply) = self.disk.next_done(around.now, now.unix) {
                    around.watch.oracle.store_says(self.place, &reply);
                    running.node.stored(now, reply);
                }
            }
            Heard::Datagram(from, bytes) => {
                around.watch.line(around.now, Some(name), || {
                    let (kind, bytes) = (kind_of(&bytes), bytes.len());
                    Happened::Received { from, kind, bytes }
                });
                let taken = bytes.len().min(devp2p_core::limits::DATAGRAM + 1);
                running.node.datagram(now, from, &bytes[..taken]);
            }
            Heard::Icmp => {
                around.watch.oracle.port_unreachable();
                running.node.not_received(SocketFailure::Refused);
            }
            // It is accepted when all else is done.
            Heard::Incoming => {}
            Heard::Pipe(id) => running.todo.push_back(Todo::Pump(id)),
            Heard::Connected(id, accepted) => {
                let result = if accepted { Ok(()) } else { Err(DialFailure::Refused) };
                running.todo.push_back(Todo::Connected(id, result));
            }
            Heard::Command(id, command) => {
                around.watch.oracle.commanded(self.place, now, id, &command);
                running.node.command(now, id, command);
            }
            Heard::Gateway(status) => running.node.gateway(now, status),
            Heard::Stir => running.todo.extend(running.connections.keys().copied().map(Todo::Pump)),
            Heard::Stop => {
                around.watch.oracle.stops(self.place);
                running.stop(now, None);
            }
        }
        self.settle(around);
    }

    /// Somebody wants to connect: whether the system makes a connection of it, refuses
    /// it, or (`None`) says nothing. It does so whatever the process is doing.
    pub(crate) fn syn(&mut self, around: &mut Around<'_>, pipe: PipeId) -> Option<bool> {
        let run = self.run;
        let running = self.running.as_mut()?;
        if running.backlog.len() >= BACKLOG {
            return None;
        }
        around.network.set_acceptor_run(pipe, run);
        running.backlog.push_back(pipe);
        self.take(around, Heard::Incoming);
        Some(true)
    }
}
