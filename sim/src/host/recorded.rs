//! A node whose inputs are kept, if somebody asks for it: the same inputs alone, handed
//! to another node of that configuration and seed, bring the same outputs. X2.

use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use core::ops::Deref;

use bytes::Bytes;
use devp2p_core::discv4::{DropReason, RequestId, Verified};
use devp2p_core::driver::SocketFailure;
use devp2p_core::driver::node::{Event, Node as Driver};
use devp2p_core::entropy::Seed;
use devp2p_core::nat;
use devp2p_core::node::{self, Command, Config, ConnectionId, DialFailure, Report};
use devp2p_core::store::{OperationId, Reply};
use devp2p_core::time::Now;
use sha2::{Digest as _, Sha256};

use crate::watched::Watched;

type Node = Driver<Watched<node::Node>>;

/// What it heard.
enum Heard {
    Incoming(SocketAddr),
    Connected(ConnectionId, Result<(), DialFailure>),
    Named(ConnectionId),
    Report(ConnectionId, Report),
    Datagram(SocketAddr, Bytes),
    Verified(Result<Verified, DropReason>),
    Command(RequestId, Command),
    Stored(Reply),
    NotStored(OperationId),
    Gateway(nat::Status),
    Hold(bool),
    Stop,
    Timeout,
}

/// All that a run of a node follows from, and what it said.
pub(crate) struct Tape {
    config: Config,
    seed: Seed,
    began: Now,
    is_ipv6: bool,
    heard: Vec<(Now, Heard)>,
    said: Said,
}

#[derive(Clone, Default)]
struct Said(Sha256, u64);

impl Said {
    fn say(&mut self, what: &[u8]) {
        self.0.update(what);
        self.1 += 1;
    }

    fn event(&mut self, event: &Event) {
        let mut text = String::new();
        let _ = write!(text, "{event:?}");
        self.say(text.as_bytes());
    }

    fn datagram(&mut self, node: &Node) {
        if let Some((to, bytes)) = node.next_send() {
            let to = to.to_string();
            self.say(to.as_bytes());
            self.say(bytes);
        }
    }
}

/// A driven node. Whatever is done to it is done here, for it to be recorded.
pub(crate) struct Recorded {
    node: Node,
    tape: Option<Box<Tape>>,
}

impl Deref for Recorded {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Recorded {
    pub(crate) const fn new(node: Node, tape: Option<Box<Tape>>) -> Self {
        Self { node, tape }
    }

    fn keep(&mut self, now: Now, heard: impl FnOnce() -> Heard) {
        if let Some(tape) = &mut self.tape {
            tape.heard.push((now, heard()));
        }
    }

    pub(crate) fn incoming(&mut self, now: Now, from: SocketAddr) {
        self.keep(now, || Heard::Incoming(from));
        self.node.incoming(now, from);
    }

    pub(crate) fn connected(&mut self, now: Now, id: ConnectionId, made: Result<(), DialFailure>) {
        self.keep(now, || Heard::Connected(id, made));
        self.node.connected(now, id, made);
    }

    pub(crate) fn named(&mut self, now: Now, id: ConnectionId, ips: &[IpAddr]) {
        self.keep(now, || Heard::Named(id));
        self.node.named(now, id, ips);
    }

    pub(crate) fn report(&mut self, now: Now, id: ConnectionId, report: Report) {
        self.keep(now, || Heard::Report(id, copy(&report)));
        self.node.report(now, id, report);
    }

    pub(crate) fn datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.keep(now, || Heard::Datagram(from, Bytes::copy_from_slice(bytes)));
        self.node.datagram(now, from, bytes);
    }

    pub(crate) fn verified(&mut self, now: Now, result: Result<Verified, DropReason>) {
        self.keep(now, || Heard::Verified(result.clone()));
        self.node.verified(now, result);
    }

    pub(crate) fn command(&mut self, now: Now, id: RequestId, command: Command) {
        self.keep(now, || Heard::Command(id, command.clone()));
        self.node.command(now, id, command);
    }

    pub(crate) fn stored(&mut self, now: Now, reply: Reply) {
        self.keep(now, || Heard::Stored(reply.clone()));
        self.node.stored(now, reply);
    }

    pub(crate) fn not_stored(&mut self, now: Now, id: OperationId) {
        self.keep(now, || Heard::NotStored(id));
        self.node.not_stored(now, id);
    }

    pub(crate) fn gateway(&mut self, now: Now, status: nat::Status) {
        self.keep(now, || Heard::Gateway(status));
        self.node.gateway(now, status);
    }

    pub(crate) fn hold(&mut self, now: Now, held: bool) {
        self.keep(now, || Heard::Hold(held));
        self.node.hold(now, held);
    }

    pub(crate) fn stop(&mut self, now: Now) {
        self.keep(now, || Heard::Stop);
        self.node.stop(now);
    }

    /// The driver counts it, and says nothing.
    pub(crate) fn not_received(&mut self, failure: SocketFailure) {
        self.node.not_received(failure);
    }

    pub(crate) fn timeout(&mut self, now: Now) {
        self.keep(now, || Heard::Timeout);
        self.node.timeout(now);
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let event = self.node.poll_event();
        if let (Some(tape), Some(event)) = (&mut self.tape, &event) {
            tape.said.event(event);
        }
        event
    }

    pub(crate) fn sent(&mut self) {
        self.leaves();
        self.node.sent();
    }

    pub(crate) fn not_sent(&mut self, failure: SocketFailure) {
        self.leaves();
        self.node.not_sent(failure);
    }

    fn leaves(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.said.datagram(&self.node);
        }
    }

    /// Whether a node that hears the same alone says the same: how much both have
    /// said, if it does not. `None` if nothing was kept.
    pub(crate) fn replays(&self) -> Option<Result<(), (u64, u64)>> {
        let tape = self.tape.as_ref()?;
        let again = tape.replay();
        let same = again.0.clone().finalize() == tape.said.0.clone().finalize();
        Some(if same { Ok(()) } else { Err((tape.said.1, again.1)) })
    }
}

impl Tape {
    pub(crate) fn new(config: Config, seed: Seed, began: Now, is_ipv6: bool) -> Self {
        Self { config, seed, began, is_ipv6, heard: Vec::new(), said: Said::default() }
    }

    fn replay(&self) -> Said {
        let mut said = Said::default();
        let Ok(machine) = node::Node::new(self.config.clone(), &self.seed, self.began) else {
            return said;
        };
        let mut node = Driver::new(Watched::new(machine, false), self.is_ipv6);
        drain(&mut node, &mut said);
        for (now, heard) in &self.heard {
            let now = *now;
            match heard {
                Heard::Incoming(from) => node.incoming(now, *from),
                Heard::Connected(id, made) => node.connected(now, *id, *made),
                Heard::Named(id) => node.named(now, *id, &[]),
                Heard::Report(id, report) => node.report(now, *id, copy(report)),
                Heard::Datagram(from, bytes) => node.datagram(now, *from, bytes),
                Heard::Verified(result) => node.verified(now, result.clone()),
                Heard::Command(id, command) => node.command(now, *id, command.clone()),
                Heard::Stored(reply) => node.stored(now, reply.clone()),
                Heard::NotStored(id) => node.not_stored(now, *id),
                Heard::Gateway(status) => node.gateway(now, *status),
                Heard::Hold(held) => node.hold(now, *held),
                Heard::Stop => node.stop(now),
                Heard::Timeout => node.timeout(now),
            }
            drain(&mut node, &mut said);
        }
        said
    }
}

fn drain(node: &mut Node, said: &mut Said) {
    while let Some(event) = node.poll_event() {
        said.event(&event);
    }
    while node.wants_send() {
        said.datagram(node);
        node.sent();
    }
}

fn copy(report: &Report) -> Report {
    match report {
        Report::Authenticated(remote) => Report::Authenticated(*remote),
        Report::Ready { hello, shared } => {
            Report::Ready { hello: hello.clone(), shared: std::sync::Arc::clone(shared) }
        }
        Report::Closed { error, counters } => Report::Closed { error: *error, counters: *counters },
    }
}
