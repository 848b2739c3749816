//! A node and its sockets: feeds a [`node::Node`] and keeps the datagrams for
//! which the UDP socket has no room yet.
//!
//! An adapter's loop executes this:
//!
//! 1. hand in what happened, one thing at a time;
//! 2. after each, [`Node::poll_event`] until `None`, executing each;
//! 3. send [`Node::next_send`] while the socket takes it, saying how it went;
//! 4. accept a TCP connection while [`Node::wants_incoming`];
//! 5. wait for sockets, sessions, application, store, verifiers or
//!    [`Node::poll_timeout`].

use core::borrow::Borrow;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

use super::datagrams::{Datagrams, Outbox, SocketFailure, unmapped};
use crate::crypto::PublicKey;
use crate::discv4::{DropReason, Drops, LookUpCounts, RequestId, Traffic, Unverified, Verified};
use crate::entropy::Seed;
use crate::identity::{Contact, HostName, LocalEndpoints, Record};
use crate::kademlia::Bucket;
use crate::machine::Machine;
use crate::nat::{self, stun};
use crate::node::{
    self, Answer, Command, Config, ConfigError, ConnectionId, DialFailure, IncomingRefusal, Input,
    Output, Report, TableEntry,
};
use crate::session;
use crate::store::{Operation, OperationId, Reply, StoreCounts};
use crate::time::{Deadline, Now};

/// What an adapter must execute.
#[derive(Debug)]
pub enum Event {
    /// Make a session of the TCP connection that was accepted.
    Accept {
        /// Its name from now on.
        id: ConnectionId,
        /// For [`Session::accept`](session::Session::accept).
        seed: Seed,
    },
    /// Close the TCP connection that was accepted.
    Refuse(IncomingRefusal),
    /// Look this name up, and say what came of it by [`Node::named`].
    LookUpName(ConnectionId, HostName),
    /// Connect, and say what came of it by [`Node::connected`]; a session says
    /// the rest.
    Connect {
        /// Its name.
        id: ConnectionId,
        /// Where to.
        to: SocketAddr,
        /// For [`Session::dial`](session::Session::dial): whom we expect.
        remote: PublicKey,
        /// For it as well.
        seed: Seed,
    },
    /// Tell this session, or whoever is still connecting.
    Session(ConnectionId, session::Command),
    /// [`verify`](crate::discv4::verify) this and hand the result to
    /// [`Node::verified`], one source's in order; or, when too much is being
    /// verified already, drop it, the least [standing](crate::discv4::Standing)
    /// first, and say so by [`Node::left_unverified`].
    Verify(Unverified),
    /// Do this to the store; if it has no room for it, say so by
    /// [`Node::not_stored`].
    Store(OperationId, Operation),
    /// A request of the application is answered.
    Answer(RequestId, Answer),
    /// The application may want to know this.
    Happened(node::Event),
}

/// A [`node::Node`], or one that is watched over
/// ([`Checked`](crate::machine::Checked)).
pub trait Driven:
    for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<node::Node>
{
}

impl<N> Driven for N where
    N: for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<node::Node>
{
}

/// What discovery looks like at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoverySnapshot {
    /// What we say of ourselves.
    pub record: Arc<Record>,
    /// The nodes of the table, closest to us first.
    pub contacts: Vec<Contact>,
    /// The table by bucket, the nearest first.
    pub buckets: Vec<BucketSnapshot>,
    /// Endpoint proofs that are remembered.
    pub bonds: usize,
    /// Requests that wait for an answer.
    pub pending: usize,
    /// Datagrams that were not acted on, by reason.
    pub drops: Drops,
    /// Packets that were, and those the machine sent, by kind.
    pub traffic: Traffic,
    /// What look-ups have come to.
    pub look_ups: LookUpCounts,
    /// What became of datagrams outside of the machine.
    pub datagrams: Datagrams,
    /// Datagrams that wait for the socket.
    pub unsent: usize,
    /// What has gone wrong with the store; `None` if there is none. An adapter
    /// knows, and the machine does not.
    pub store: Option<StoreCounts>,
}

/// A bucket of the table at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BucketSnapshot {
    /// Oldest first.
    pub entries: Vec<TableEntry>,
    /// Nodes that wait to replace them, newest first.
    pub replacements: Vec<Contact>,
}

impl BucketSnapshot {
    fn of(bucket: &Bucket, now: Now) -> Self {
        let entries = bucket.entries().iter().map(|entry| TableEntry::of(entry, now));
        let replacements = bucket.replacements().iter().map(|waiting| waiting.contact().clone());
        Self { entries: entries.collect(), replacements: replacements.collect() }
    }
}

/// The machine with the datagrams that it wants sent.
#[derive(Debug)]
pub struct Node<N = node::Node> {
    machine: N,
    outbox: Outbox,
    /// Operations for which the store had no room; the machine is told when it
    /// is drained. No more than one drain has put out.
    refused: VecDeque<(Now, OperationId)>,
    /// Shares the UDP socket.
    stun: Option<stun::Query>,
    stopped: bool,
}

impl Node {
    /// A node over sockets that are bound to these addresses, where there are
    /// any. What the configuration does not know of our endpoint is taken from
    /// them, and 127.0.0.1 stands for every address, as geth has it.
    pub fn over(
        mut config: Config,
        tcp: Option<SocketAddr>,
        udp: Option<SocketAddr>,
        seed: &Seed,
        now: Now,
    ) -> Result<Self, ConfigError> {
        config.listen_port = tcp.map_or(0, |address| address.port());
        if let Some(bound) = udp.or(tcp) {
            fall_back_to(&mut config.endpoints, bound.ip());
        }
        if let Some(udp) = udp
            && config.endpoints.fallback_udp == 0
        {
            config.endpoints.fallback_udp = udp.port();
        }
        let is_ipv6 = udp.is_some_and(|address| address.is_ipv6());
        Ok(Self::new(node::Node::new(config, seed, now)?, is_ipv6))
    }
}

fn fall_back_to(endpoints: &mut LocalEndpoints, bound: IpAddr) {
    let LocalEndpoints { static_ip4, static_ip6, fallback_ip4, fallback_ip6, .. } = endpoints;
    if (static_ip4.is_some() || fallback_ip4.is_some())
        || (static_ip6.is_some() || fallback_ip6.is_some())
    {
        return;
    }
    match bound.to_canonical() {
        IpAddr::V4(ip) if !ip.is_unspecified() => *fallback_ip4 = Some(ip),
        IpAddr::V6(ip) if !ip.is_unspecified() => *fallback_ip6 = Some(ip),
        IpAddr::V4(_) | IpAddr::V6(_) => *fallback_ip4 = Some(Ipv4Addr::LOCALHOST),
    }
}

impl<N: Driven> Node<N> {
    /// Takes a machine as it was made, and a UDP socket of one family.
    pub fn new(machine: N, is_ipv6: bool) -> Self {
        let outbox = Outbox::new(is_ipv6);
        Self { machine, outbox, refused: VecDeque::new(), stun: None, stopped: false }
    }

    /// A TCP connection was accepted; the next [`Event::Accept`] or
    /// [`Event::Refuse`] is of it.
    pub fn incoming(&mut self, now: Now, from: SocketAddr) {
        self.machine.handle(now, Input::Incoming(unmapped(from)));
    }

    /// Whether a TCP connection would be taken now.
    pub fn wants_incoming(&self) -> bool {
        self.machine.borrow().wants_incoming()
    }

    /// What came of an [`Event::Connect`].
    pub fn connected(&mut self, now: Now, id: ConnectionId, result: Result<(), DialFailure>) {
        self.machine.handle(now, Input::Connected(id, result));
    }

    /// What came of an [`Event::LookUpName`].
    pub fn named(&mut self, now: Now, id: ConnectionId, ips: &[IpAddr]) {
        self.machine.handle(now, Input::Named(id, ips));
    }

    /// A session says this.
    pub fn report(&mut self, now: Now, id: ConnectionId, report: Report) {
        self.machine.handle(now, Input::Session(id, report));
    }

    /// While this is so nothing new is begun: the application does not take its
    /// events.
    pub fn hold(&mut self, now: Now, held: bool) {
        self.machine.handle(now, Input::Hold(held));
    }

    /// A datagram, or its first [`limits::DATAGRAM`](crate::limits::DATAGRAM) + 1 bytes.
    pub fn datagram(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        self.outbox.received();
        let source = unmapped(source);
        let is_stun = |stun: &mut stun::Query| stun.received(now.mono, source, bytes);
        if self.stun.as_mut().is_some_and(is_stun) {
            self.ask_stun(now);
        } else {
            self.machine.handle(now, Input::Datagram { source, bytes });
        }
    }

    /// From now on STUN servers are asked over the UDP socket where they see us.
    /// Their answers do not reach discovery, and nothing else is kept from it.
    pub fn start_stun(&mut self, now: Now, query: stun::Query) {
        self.stun = Some(query);
        self.ask_stun(now);
    }

    fn ask_stun(&mut self, now: Now) {
        let Some(stun) = &mut self.stun else { return };
        while let Some((server, request)) = stun.next_request(now.mono) {
            self.outbox.push(server, Bytes::copy_from_slice(&request));
        }
        let status = stun.status();
        self.gateway(now, status);
    }

    /// This is how it stands with our gateway.
    pub fn gateway(&mut self, now: Now, status: nat::Status) {
        self.machine.handle(now, Input::Gateway(status));
    }

    /// Reading from the UDP socket failed.
    pub const fn not_received(&mut self, failure: SocketFailure) {
        self.outbox.not_received(failure);
    }

    /// What came of an [`Event::Verify`].
    pub fn verified(&mut self, now: Now, result: Result<Verified, DropReason>) {
        self.machine.handle(now, Input::Verified(result));
    }

    /// An [`Event::Verify`] was dropped.
    pub const fn left_unverified(&mut self) {
        self.outbox.left_unverified();
    }

    /// The application asks for something.
    pub fn command(&mut self, now: Now, id: RequestId, command: Command) {
        self.machine.handle(now, Input::Command(id, command));
    }

    /// The store answers.
    pub fn stored(&mut self, now: Now, reply: Reply) {
        self.machine.handle(now, Input::Store(reply));
    }

    /// The store has no room for an [`Event::Store`], or is no more. May be said
    /// while there are events to execute.
    pub fn not_stored(&mut self, now: Now, operation: OperationId) {
        self.refused.push_back((now, operation));
    }

    /// The deadline may have come.
    pub fn timeout(&mut self, now: Now) {
        let is_due =
            |deadline: Option<Deadline>| deadline.is_some_and(|deadline| deadline.at <= now.mono);
        // One thing at a time: the other one is still due then.
        if is_due(self.stun_deadline()) && !is_due(self.machine.poll_timeout()) {
            self.ask_stun(now);
        } else {
            self.machine.handle(now, Input::Timeout);
        }
    }

    fn stun_deadline(&self) -> Option<Deadline> {
        self.stun.as_ref().and_then(stun::Query::deadline)
    }

    /// Ends it: go on until [`Node::is_stopped`].
    pub fn stop(&mut self, now: Now) {
        self.stun = None;
        self.machine.handle(now, Input::Stop);
    }

    /// What to execute next, until there is nothing.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let Some(output) = self.machine.poll_output() else {
                let (now, operation) = self.refused.pop_front()?;
                self.stored(now, Reply::Failed { operation });
                continue;
            };
            return Some(match output {
                Output::Send { to, datagram } => {
                    self.outbox.push(to, datagram);
                    continue;
                }
                Output::Stopped => {
                    self.stopped = true;
                    continue;
                }
                Output::Accept { id, seed } => Event::Accept { id, seed },
                Output::Refuse(refusal) => Event::Refuse(refusal),
                Output::LookUpName { id, name } => Event::LookUpName(id, name),
                Output::Connect { id, to, remote, seed } => Event::Connect { id, to, remote, seed },
                Output::Session(id, command) => Event::Session(id, command),
                Output::Verify(unverified) => Event::Verify(unverified),
                Output::Store(id, operation) => Event::Store(id, operation),
                Output::Answer(id, answer) => Event::Answer(id, answer),
                Output::Event(event) => Event::Happened(event),
            });
        }
    }

    /// When to call [`Node::timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::sooner(self.machine.poll_timeout(), self.stun_deadline())
    }

    /// The next datagram for the socket and where to, in its own family. Answer
    /// by [`Node::sent`] or [`Node::not_sent`], or leave it for later.
    pub fn next_send(&self) -> Option<(SocketAddr, &[u8])> {
        self.outbox.next()
    }

    /// Whether datagrams wait for the socket.
    pub fn wants_send(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The socket has taken the next datagram.
    pub fn sent(&mut self) {
        self.outbox.sent();
    }

    /// The socket will not take the next datagram, which is dropped.
    pub fn not_sent(&mut self, failure: SocketFailure) {
        self.outbox.not_sent(failure);
    }

    /// Whether it has ended.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &node::Node {
        self.machine.borrow()
    }

    /// What discovery looks like now; `None` if there is none.
    pub fn discovery_snapshot(&self) -> Option<DiscoverySnapshot> {
        let discovery = self.machine().discovery()?;
        let contacts = discovery.table().closest(discovery.node_id(), usize::MAX, false);
        Some(DiscoverySnapshot {
            record: Arc::clone(discovery.local_record()),
            contacts: contacts.into_iter().cloned().collect(),
            buckets: discovery
                .table()
                .buckets()
                .iter()
                .map(|bucket| BucketSnapshot::of(bucket, self.machine().clocks()))
                .collect(),
            bonds: discovery.bonds(),
            pending: discovery.pending(),
            drops: discovery.drops().clone(),
            traffic: *discovery.traffic(),
            look_ups: *discovery.look_ups(),
            datagrams: self.outbox.counts(),
            unsent: self.outbox.len(),
            store: None,
        })
    }
}

#[cfg(test)]
mod tests;
