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
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devp2p_core::application::{self, Application, Hosted};
use devp2p_core::discv4::{DropReason, Verified, verify};
use devp2p_core::driver::SocketFailure;
use devp2p_core::driver::node::{Event as NodeEvent, Node as Driver};
use devp2p_core::entropy::Seed;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{self, Config, ConfigError, ConnectionId, DialFailure, Report};
use devp2p_core::session::{self, Counters, Local, Session, SessionError};
use devp2p_core::store::OperationId;
use devp2p_core::time::{Instant, Now};

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
mod recorded;

use connection::Connection;
use disk::Disk;
use handles::Handles;
use recorded::{Recorded, Tape};

/// Connections that the system has made and nobody has accepted yet: more are
/// not answered. Linux' `somaxconn` was 128 for long.
const BACKLOG: usize = 128;

/// Events that wait for a slow machine: what more datagrams there are is lost,
/// as in a full socket buffer.
const SOCKET_BUFFER: usize = 256;

/// What may not overtake each other: what sessions and node say is one lane, and
/// the packets of some sources are each of the others.
const LANES: u8 = 17;
const SESSIONS: u8 = 0;

fn lane_of(source: SocketAddr) -> u8 {
    let number = match source.ip().to_canonical() {
        IpAddr::V4(ip) => u32::from(ip),
        IpAddr::V6(ip) => u32::from(ip.segments()[7]),
    };
    u8::try_from(number.wrapping_mul(0x9E37_79B9) >> 28).unwrap_or(0) + 1
}

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
    /// It accepts nothing: it has no file descriptor left.
    pub(crate) accepts_nothing: bool,
}

impl Temper {
    pub(crate) const GOOD: Self = Self {
        cost: Duration::ZERO,
        late: Duration::ZERO,
        verifies_late: Duration::ZERO,
        reads_nothing: false,
        accepts_nothing: false,
    };
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
    /// What its node hears is kept.
    pub(crate) records: bool,
    /// It does nothing until then.
    busy_until: Instant,
    waiting: VecDeque<Event>,
}

/// What there is of a machine while it runs.
pub(crate) struct Running {
    pub(crate) node: Recorded,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) application: Option<Watched<Hosted<Box<dyn Hostable>>>>,
    /// If the application is async code instead.
    handles: Option<Handles>,
    local: Arc<Local>,
    backlog: VecDeque<PipeId>,
    accepted: Option<(ConnectionId, Seed)>,
    /// From where somebody is being accepted.
    accepting: Option<IpAddr>,
    todo: VecDeque<Todo>,
    /// What arrives later, by when and in order.
    late: BTreeMap<(Instant, u64), Todo>,
    latecomers: u64,
    /// When the last of each lane is due.
    lanes: [Option<Instant>; LANES as usize],
    /// When it is woken, if it is.
    armed: Option<Instant>,
}

impl core::fmt::Debug for Running {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Running")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
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

/// What is still to be done before the machine comes to rest.
enum Todo {
    Verified(Result<Verified, DropReason>),
    Tell(ConnectionId, session::Command),
    Report(ConnectionId, Report),
    /// The same two, over the handles.
    Order(ConnectionId, session::Command),
    Heard(ConnectionId, Report),
    Connected(ConnectionId, Result<(), DialFailure>),
    Named(ConnectionId),
    NotStored(OperationId),
    Application(application::Input),
    Pump(ConnectionId),
    /// A connection has ended, and the node has said what it says of that.
    Forget(ConnectionId, SessionError, Counters),
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
        around.watch.oracle.starts(self.place, self.name, &config, now);
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
        let mut running = Running {
            node,
            connections: BTreeMap::new(),
            application: machine.map(|one| Watched::new(Hosted(one), checked)),
            handles: None,
            local,
            backlog: VecDeque::new(),
            accepted: None,
            accepting: None,
            todo: VecDeque::new(),
            late: BTreeMap::new(),
            latecomers: 0,
            armed: None,
            lanes: [None; LANES as usize],
        };
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
        let Some(running) = self.running.take() else { return };
        self.is_off = silently;
        around.watch.oracle.crashes(self.place, running.node.machine());
        let unix = self.clock.at(around.now).unix;
        self.disk.fail(&mut self.seed.derive("crash", self.run.into()).jitter(), unix);
        self.waiting.clear();
        self.busy_until = around.now;
        for connection in running.connections.values() {
            let (pipe, side) = (connection.pipe, connection.side);
            if silently {
                around.network.abandon(pipe, side);
            } else {
                around.network.close(around.queue, around.now, pipe, side);
            }
        }
        for pipe in running.backlog {
            if silently {
                around.network.abandon(pipe, Side::Acceptor);
            } else {
                around.network.close(around.queue, around.now, pipe, Side::Acceptor);
            }
        }
        around.watch.say(around.now, self.name, format_args!("crashes"));
    }

    /// Stands still until then.
    pub(crate) fn pause(&mut self, queue: &mut Queue<Event>, until: Instant) {
        self.busy_until = self.busy_until.max(until);
        queue.push(self.busy_until, Event::Resume { machine: self.place });
    }

    /// Takes an event, now or when it has time for it.
    pub(crate) fn take(&mut self, around: &mut Around<'_>, event: Event) {
        if self.running.is_none() {
            return;
        }
        if self.waiting.is_empty() && self.busy_until <= around.now {
            self.handle(around, event);
            self.tire(around);
        } else if !matches!(event, Event::Datagram { .. }) || self.waiting.len() < SOCKET_BUFFER {
            self.waiting.push_back(event);
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

    fn handle(&mut self, around: &mut Around<'_>, event: Event) {
        let now = self.clock.at(around.now);
        let (name, this_run) = (self.name, self.run);
        let Some(running) = &mut self.running else { return };
        match event {
            Event::Wake { run, .. } if run == this_run => {
                if running.armed.is_some_and(|armed| armed <= around.now) {
                    running.armed = None;
                }
                around.watch.oracle.wakes(self.place, now.mono);
                running.on_time(around.now, now);
            }
            Event::WakeConnection { run, connection, .. } if run == this_run => {
                running.connection_on_time(around.now, now, connection);
            }
            Event::Stored { run, .. } if run == this_run => {
                if let Some(reply) = self.disk.next_done(around.now, now.unix) {
                    running.node.stored(now, reply);
                }
            }
            Event::Datagram { from, bytes, .. } => {
                around.watch.line(around.now, Some(name), || {
                    let (kind, bytes) = (kind_of(&bytes), bytes.len());
                    Happened::Received { from, kind, bytes }
                });
                let taken = bytes.len().min(devp2p_core::limits::DATAGRAM + 1);
                running.node.datagram(now, from, &bytes[..taken]);
            }
            Event::Icmp { .. } => running.node.not_received(SocketFailure::Refused),
            Event::Wake { .. }
            | Event::WakeConnection { .. }
            | Event::Stored { .. }
            | Event::Start { .. }
            | Event::Resume { .. }
            | Event::Syn { .. }
            | Event::Connected { .. }
            | Event::Segment { .. }
            | Event::Window { .. }
            | Event::Strike { .. }
            | Event::Fault { .. } => return,
        }
        self.settle(around);
    }

    /// Somebody wants to connect: whether the system makes a connection of it,
    /// refuses it, or (`None`) says nothing.
    pub(crate) fn syn(&mut self, around: &mut Around<'_>, pipe: PipeId) -> Option<bool> {
        let run = self.run;
        let running = self.running.as_mut()?;
        if running.backlog.len() >= BACKLOG {
            return None;
        }
        around.network.set_acceptor_run(pipe, run);
        running.backlog.push_back(pipe);
        self.settle(around);
        Some(true)
    }

    /// Something has happened to this end of a pipe.
    pub(crate) fn on_pipe(&mut self, around: &mut Around<'_>, connection: ConnectionId) {
        if let Some(running) = &mut self.running {
            running.todo.push_back(Todo::Pump(connection));
            self.settle(around);
        }
    }

    /// The other has answered our connecting.
    pub(crate) fn on_connected(
        &mut self,
        around: &mut Around<'_>,
        connection: ConnectionId,
        accepted: bool,
    ) {
        let Some(running) = &mut self.running else { return };
        let result = if accepted { Ok(()) } else { Err(DialFailure::Refused) };
        running.todo.push_back(Todo::Connected(connection, result));
        self.settle(around);
    }

    /// The application, or somebody in its place, asks something of the node.
    pub(crate) fn command(
        &mut self,
        around: &mut Around<'_>,
        id: devp2p_core::discv4::RequestId,
        command: node::Command,
    ) {
        let now = self.clock.at(around.now);
        if let Some(running) = &mut self.running {
            around.watch.oracle.commanded(self.place, now, id, &command);
            running.node.command(now, id, command);
            self.settle(around);
        }
    }

    /// It is to look at all its connections again: its temper has changed.
    pub(crate) fn stir(&mut self, around: &mut Around<'_>) {
        if let Some(running) = &mut self.running {
            let ids: Vec<_> = running.connections.keys().copied().collect();
            running.todo.extend(ids.into_iter().map(Todo::Pump));
            self.settle(around);
        }
    }

    /// Tells the node how it stands with its gateway.
    pub(crate) fn gateway(&mut self, around: &mut Around<'_>, status: devp2p_core::nat::Status) {
        let now = self.clock.at(around.now);
        if let Some(running) = &mut self.running {
            running.node.gateway(now, status);
            self.settle(around);
        }
    }

    /// Does all that is to be done at this point of time.
    pub(crate) fn settle(&mut self, around: &mut Around<'_>) {
        loop {
            self.execute(around);
            self.accept(around);
            let now = self.clock.at(around.now);
            let Some(running) = &mut self.running else { return };
            let Some(todo) = running.todo.pop_front() else {
                if self.run_tasks(around) {
                    continue;
                }
                break;
            };
            match todo {
                Todo::Verified(result) => {
                    let (oracle, due) = (&mut around.watch.oracle, running.node.poll_timeout());
                    let place = self.place;
                    oracle.before_packet(place, now, running.node.machine(), due, &result);
                    running.node.verified(now, result);
                    oracle.after_packet(place, running.node.machine());
                }
                Todo::Tell(id, command) => self.tell(around, id, command),
                Todo::Report(id, report) => {
                    around.watch.oracle.reports(self.place, id, &report);
                    running.node.report(now, id, report);
                }
                Todo::Order(id, command) => running.order(id, command),
                Todo::Heard(id, report) => running.heard(now, id, report),
                Todo::Connected(id, result) => self.connected(around, id, result),
                // Nobody has names here.
                Todo::Named(id) => running.node.named(now, id, &[]),
                Todo::NotStored(id) => running.node.not_stored(now, id),
                Todo::Application(input) => self.apply(around, input),
                Todo::Pump(id) => self.pump(around, id),
                Todo::Forget(id, error, counters) => {
                    if let Some(handles) = &mut running.handles {
                        handles.end.count(&counters);
                        handles.end.forget(id, error);
                    }
                }
            }
        }
        self.arm(around);
    }

    /// Executes what the node wants done.
    fn execute(&mut self, around: &mut Around<'_>) {
        let (place, name, run) = (self.place, self.name, self.run);
        let (temper, now) = (self.temper, self.clock.at(around.now));
        let Some(running) = &mut self.running else { return };
        while let Some(event) = running.node.poll_event() {
            match event {
                NodeEvent::Accept { id, seed } => {
                    if let Some(from) = running.accepting {
                        around.watch.oracle.accepts(place, now, from, id);
                    }
                    running.accepted = Some((id, seed));
                }
                NodeEvent::Refuse(refusal) => {
                    around.watch.say(around.now, name, format_args!("refuses: {refusal}"));
                }
                NodeEvent::LookUpName(id, _) => running.todo.push_back(Todo::Named(id)),
                NodeEvent::Connect { id, to, remote, seed } => {
                    around.watch.say(around.now, name, format_args!("connects to {to}"));
                    around.watch.oracle.connects(place, now, id, to, &remote);
                    let from = (place, run);
                    match around.network.connect(around.queue, around.now, from, id, to) {
                        Some(pipe) => {
                            let mut connection = Connection::dialling(pipe, remote, seed);
                            connection.end = running.begin(id, false);
                            running.connections.insert(id, connection);
                        }
                        None => {
                            let failed = Err(DialFailure::Unreachable);
                            running.todo.push_back(Todo::Connected(id, failed));
                        }
                    }
                }
                NodeEvent::Session(id, command) if running.handles.is_some() => {
                    around.watch.oracle.tells(place, id, command);
                    if running.is_prompt(around.now, temper.late, SESSIONS) {
                        running.order(id, command);
                    } else {
                        let todo = Todo::Order(id, command);
                        running.later(around.now, temper.late, SESSIONS, todo);
                    }
                }
                NodeEvent::Session(id, command) => {
                    around.watch.oracle.tells(place, id, command);
                    running.later(around.now, temper.late, SESSIONS, Todo::Tell(id, command));
                }
                NodeEvent::Verify(packet) => {
                    let lane = lane_of(packet.source());
                    let by = temper.verifies_late * u32::from(lane) / u32::from(LANES);
                    let result = verify(packet);
                    around.watch.oracle.gated(place, now, &result);
                    running.later(around.now, by, lane, Todo::Verified(result));
                }
                NodeEvent::Store(id, operation) => {
                    match self.disk.give(around.now, id, operation) {
                        Some(done) => {
                            around.queue.push(done, Event::Stored { machine: place, run });
                        }
                        None => running.todo.push_back(Todo::NotStored(id)),
                    }
                }
                NodeEvent::Answer(id, answer) => {
                    around.watch.say(around.now, name, format_args!("answers {id:?}: {answer:?}"));
                    around.watch.oracle.answers(place, now, id, &answer);
                    if let Some(handles) = &mut running.handles {
                        handles.end.answer(id, answer);
                    } else {
                        let input = application::Input::Answer(id, answer);
                        running.todo.push_back(Todo::Application(input));
                    }
                }
                NodeEvent::Happened(event) => {
                    running.happened(around, place, name, &event);
                    if let Some(handles) = &mut running.handles {
                        handles.end.tell(event);
                    }
                }
            }
        }
        while let Some((to, datagram)) = running.node.next_send() {
            let to = SocketAddr::new(to.ip().to_canonical(), to.port());
            around.watch.oracle.sends(place, now, to, datagram);
            match around.network.send(around.queue, around.now, place, to, datagram) {
                Ok(()) => {
                    around.watch.put_out(around.now, name, b'd', datagram);
                    around.watch.line(around.now, Some(name), || {
                        let (kind, bytes) = (kind_of(datagram), datagram.len());
                        Happened::Sent { to, kind, bytes }
                    });
                    running.node.sent();
                }
                Err(failure) => {
                    around.watch.line(around.now, Some(name), || Happened::NotSent { to });
                    running.node.not_sent(failure);
                }
            }
        }
        around.watch.oracle.executed(place, running.node.machine());
    }

    /// Accepts what waits to be accepted.
    fn accept(&mut self, around: &mut Around<'_>) {
        let now = self.clock.at(around.now);
        let checked = self.checked;
        let Some(running) = &mut self.running else { return };
        if self.temper.accepts_nothing || !running.node.wants_incoming() {
            return;
        }
        while let Some(pipe) = running.backlog.pop_front() {
            if !around.network.tcp.is_in_backlog(pipe) {
                continue;
            }
            let Some(from) = around.network.tcp.remote_address(pipe) else { continue };
            running.accepting = Some(from.ip());
            running.node.incoming(now, from);
            self.execute(around);
            let Some(running) = &mut self.running else { return };
            running.accepting = None;
            match running.accepted.take() {
                Some((id, seed)) => {
                    around.network.tcp.accept(pipe, id);
                    let (at, print) = ((pipe, Side::Acceptor), fingerprint(&seed));
                    around.watch.oracle.session_begins(self.place, now, id, at, print);
                    let session = Session::accept(Arc::clone(&running.local), seed, now);
                    let mut connection =
                        Connection::accepted(pipe, Watched::new(session, checked), now);
                    connection.end = running.begin(id, true);
                    running.connections.insert(id, connection);
                    running.todo.push_back(Todo::Pump(id));
                }
                None => around.network.close(around.queue, around.now, pipe, Side::Acceptor),
            }
            return;
        }
    }

    /// Has the queue wake it when the next deadline comes.
    fn arm(&mut self, around: &mut Around<'_>) {
        let Some(running) = &mut self.running else { return };
        let due = running.node.poll_timeout();
        around.watch.oracle.rests(self.place, running.node.machine(), due);
        let application = running.application.as_ref().and_then(|one| one.poll_timeout());
        let due = devp2p_core::time::Deadline::sooner(running.node.poll_timeout(), application);
        let tasks = running.handles.as_ref().and_then(|handles| handles.executor.deadline());
        let due = due.map(|deadline| deadline.at).into_iter().chain(tasks).min();
        let due = due.map(|at| self.clock.when(at));
        let late = running.late.first_key_value().map(|((at, _), _)| *at);
        let Some(due) = due.into_iter().chain(late).min() else { return };
        let due = due.max(around.now);
        if running.armed.is_none_or(|armed| armed > due) {
            running.armed = Some(due);
            around.queue.push(due, Event::Wake { machine: self.place, run: self.run });
        }
    }
}

impl Running {
    /// The application's end of a connection, if it is async code.
    fn begin(
        &mut self,
        id: ConnectionId,
        is_connected: bool,
    ) -> Option<devp2p_handle::adapter::ConnectionEnd> {
        self.handles.as_mut().map(|handles| handles.begin(id, is_connected))
    }

    fn on_time(&mut self, world: Instant, now: Now) {
        if let Some(handles) = &self.handles {
            handles.executor.on_time(now);
        }
        while let Some(entry) = self.late.first_entry()
            && entry.key().0 <= world
        {
            self.todo.push_back(entry.remove());
        }
        if self.node.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono) {
            self.node.timeout(now);
        }
        let due = self.application.as_ref().and_then(|application| application.poll_timeout());
        if due.is_some_and(|deadline| deadline.at <= now.mono) {
            self.todo.push_back(Todo::Application(application::Input::Timeout));
        }
    }

    fn connection_on_time(&mut self, world: Instant, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.armed.is_some_and(|armed| armed <= world) {
            connection.armed = None;
        }
        connection.on_time(now);
        self.todo.push_back(Todo::Pump(id));
    }

    /// Now, or so much later; what came before in the same lane stays before it.
    fn later(&mut self, now: Instant, by: Duration, lane: u8, todo: Todo) {
        let Some(before) = self.lanes.get_mut(usize::from(lane)) else { return };
        let due = before.map_or(now + by, |before| before.max(now + by));
        let overtakes_none = before.is_none_or(|before| before < now);
        *before = Some(due);
        if due <= now && overtakes_none {
            self.todo.push_back(todo);
        } else {
            self.latecomers += 1;
            self.late.insert((due, self.latecomers), todo);
        }
    }

    /// Whether nothing that comes now in this lane has to wait.
    fn is_prompt(&self, now: Instant, by: Duration, lane: u8) -> bool {
        let before = self.lanes.get(usize::from(lane)).copied().flatten();
        by.is_zero() && before.is_none_or(|before| before < now)
    }

    fn happened(&mut self, around: &mut Around<'_>, place: usize, name: u32, event: &node::Event) {
        around.watch.oracle.happened(place, around.now, event);
        let input = match event {
            node::Event::Connected(info) => {
                around.watch.say(
                    around.now,
                    name,
                    format_args!(
                        "is connected ({}) to {} at {}",
                        info.direction,
                        info.id.short(),
                        info.address
                    ),
                );
                if let Some(connection) = self.connections.get_mut(&info.connection) {
                    connection.info = Some(Arc::clone(info));
                    connection.admitted_at = Some(around.now);
                }
                application::Input::Connected(Arc::clone(info))
            }
            node::Event::Disconnected { peer, error, .. } => {
                around.watch.say(
                    around.now,
                    name,
                    format_args!("is disconnected from {}: {error}", peer.id.short()),
                );
                application::Input::Disconnected(peer.connection, *error)
            }
            node::Event::Failed { connection, address, direction, error, .. } => {
                around.watch.say(
                    around.now,
                    name,
                    format_args!(
                        "admits not connection {connection} ({direction}, {address}): {error}"
                    ),
                );
                return;
            }
            node::Event::DialFailed(contact, failure) => {
                around.watch.say(
                    around.now,
                    name,
                    format_args!("cannot dial {}: {failure}", contact.id().short()),
                );
                return;
            }
            node::Event::Discovery(event) => {
                around.watch.say(around.now, name, format_args!("{event:?}"));
                return;
            }
            node::Event::WantsCandidates(_) | _ => return,
        };
        self.todo.push_back(Todo::Application(input));
    }
}
