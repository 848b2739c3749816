//! What there is of a machine while it runs: its node and what is on top, and what is
//! under way between them.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devp2p_core::application::{self, Hosted};
use devp2p_core::discv4::{DropReason, Verified};
use devp2p_core::entropy::Seed;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{self, ConnectionId, DialFailure, Report};
use devp2p_core::session::{self, Counters, Local, SessionError};
use devp2p_core::store::OperationId;
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::ConnectionEnd;

use super::connection::Connection;
use super::handles::Handles;
use super::late::Late;
use super::recorded::Recorded;
use super::{Around, Hostable};
use crate::network::tcp::PipeId;
use crate::watched::Watched;

/// What there is of a machine while it runs.
pub(crate) struct Running {
    pub(crate) node: Recorded,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) application: Option<Watched<Hosted<Box<dyn Hostable>>>>,
    /// If the application is async code instead.
    pub(super) handles: Option<Handles>,
    pub(super) local: Arc<Local>,
    pub(super) backlog: VecDeque<PipeId>,
    pub(super) accepted: Option<(ConnectionId, Seed)>,
    /// From where somebody is being accepted.
    pub(super) accepting: Option<IpAddr>,
    pub(super) todo: VecDeque<Todo>,
    pub(super) late: Late<Todo>,
    /// When it is woken, if it is.
    pub(super) armed: Option<Instant>,
    /// When the first of its machines has something to do, by the machine's clock.
    pub(super) due: Option<Instant>,
}

impl core::fmt::Debug for Running {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Running")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// What is still to be done before the machine comes to rest.
pub(super) enum Todo {
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
    /// What comes next was late, in this lane.
    Arrived(u8),
    /// A connection has ended, and the node has said what it says of that.
    Forget(ConnectionId, SessionError, Counters),
}

impl Running {
    pub(super) fn new(
        node: Recorded,
        application: Option<Watched<Hosted<Box<dyn Hostable>>>>,
        local: Arc<Local>,
    ) -> Self {
        Self {
            node,
            connections: BTreeMap::new(),
            application,
            handles: None,
            local,
            backlog: VecDeque::new(),
            accepted: None,
            accepting: None,
            todo: VecDeque::new(),
            late: Late::new(),
            armed: None,
            due: None,
        }
    }

    /// The application's end of a connection, if it is async code.
    pub(super) fn begin(&mut self, id: ConnectionId, is_connected: bool) -> Option<ConnectionEnd> {
        self.handles.as_mut().map(|handles| handles.begin(id, is_connected))
    }

    /// Whether anybody has something to do.
    pub(super) fn is_due(&self, world: Instant, now: Now) -> bool {
        let is_late = self.late.next_at().is_some_and(|at| at <= world);
        is_late || self.due.is_some_and(|due| due <= now.mono)
    }

    pub(super) fn on_time(&mut self, world: Instant, now: Now) {
        if let Some(handles) = &self.handles {
            handles.executor.on_time(now);
        }
        while let Some((lane, todo)) = self.late.take(world) {
            self.todo.extend([Todo::Arrived(lane), todo]);
        }
        if self.node.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono) {
            self.node.timeout(now);
        }
        let due = self.application.as_ref().and_then(|application| application.poll_timeout());
        if due.is_some_and(|deadline| deadline.at <= now.mono) {
            self.todo.push_back(Todo::Application(application::Input::Timeout));
        }
    }

    pub(super) fn connection_on_time(&mut self, world: Instant, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.armed.is_some_and(|armed| armed <= world) {
            connection.armed = None;
        }
        connection.on_time(now);
        self.todo.push_back(Todo::Pump(id));
    }

    /// Now, or so much later; what came before in the same lane stays before it.
    pub(super) fn later(&mut self, now: Instant, by: Duration, lane: u8, todo: Todo) {
        self.todo.extend(self.late.put(now, by, lane, todo));
    }

    pub(super) fn happened(
        &mut self,
        around: &mut Around<'_>,
        place: usize,
        name: u32,
        event: &node::Event,
    ) {
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
