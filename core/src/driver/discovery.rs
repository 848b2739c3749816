//! Discovery and its socket: feeds a [`discv4::Discovery`] and keeps the
//! datagrams for which the socket has no room yet.
//!
//! An adapter's loop executes this:
//!
//! 1. hand in what happened, one thing at a time;
//! 2. after each, [`Discovery::poll_event`] until `None`, executing each;
//! 3. send [`Discovery::next_send`] while the socket takes it, saying how it went;
//! 4. wait for socket, application, store, verifiers or [`Discovery::poll_timeout`].
//!
//! A datagram is never worth an error: what cannot be sent, and what there is no
//! time to verify, is dropped and counted in [`Datagrams`].

use core::borrow::Borrow;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::discv4::{
    self, Answer, Command, Config, DropReason, Drops, Input, Output, RequestId, Traffic,
    Unverified, Verified,
};
use crate::entropy::Seed;
use crate::identity::{Contact, LocalEndpoints, Record, RecordError};
use crate::limits;
use crate::machine::Machine;
use crate::store::{Operation, OperationId, Reply, StoreCounts};
use crate::time::{Deadline, Now};

/// What an adapter must execute.
#[derive(Debug)]
pub enum Event {
    /// [`verify`](discv4::verify) this and hand the result to
    /// [`Discovery::verified`], one source's in order; or, when too much is being
    /// verified already, drop it, the least [standing](discv4::Standing) first, and
    /// say so by [`Discovery::left_unverified`].
    Verify(Unverified),
    /// Do this to the store; if it has no room for it, say so by
    /// [`Discovery::not_stored`].
    Store(OperationId, Operation),
    /// A request of the application is answered.
    Answer(RequestId, Answer),
    /// The application may want to know this.
    Happened(discv4::Event),
}

/// A [`discv4::Discovery`], or one that is watched over
/// ([`Checked`](crate::machine::Checked)).
pub trait Driven:
    for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<discv4::Discovery>
{
}

impl<D> Driven for D where
    D: for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<discv4::Discovery>
{
}

/// How a socket refused a datagram, or failed to give one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SocketFailure {
    /// An ICMP message came back: nobody listens there.
    Refused,
    /// Larger than the way there takes.
    TooLarge,
    /// There is no way there.
    Unreachable,
    /// The system does not let us: a packet filter, say.
    Denied,
    /// The system has no memory for it.
    NoBuffers,
    /// Something else.
    Other,
}

/// What the failures are called, in the order of [`SocketFailure::index`].
const LABELS: [&str; 6] = ["refused", "too_large", "unreachable", "denied", "no_buffers", "other"];

impl SocketFailure {
    const fn index(self) -> usize {
        match self {
            Self::Refused => 0,
            Self::TooLarge => 1,
            Self::Unreachable => 2,
            Self::Denied => 3,
            Self::NoBuffers => 4,
            Self::Other => 5,
        }
    }

    /// Its name for metrics, the same in all versions: `too_large`.
    pub const fn label(self) -> &'static str {
        LABELS[self.index()]
    }

    /// Whether it says something of one datagram only, so that the next one may
    /// be read at once.
    pub const fn is_of_one_datagram(self) -> bool {
        match self {
            Self::Refused | Self::TooLarge | Self::Unreachable => true,
            Self::Denied | Self::NoBuffers | Self::Other => false,
        }
    }
}

impl fmt::Display for SocketFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::TooLarge => "message too long",
            Self::Unreachable => "no route",
            Self::Denied => "not permitted",
            Self::NoBuffers => "no buffer space",
            Self::Other => "socket error",
        })
    }
}

/// What became of datagrams outside of the machine. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Datagrams {
    /// Read from the socket.
    pub received: u64,
    /// Given to the socket.
    pub sent: u64,
    /// Dropped since too many waited to be verified.
    pub unverified: u64,
    /// Dropped since [`limits::UNSENT_DATAGRAMS`] waited for the socket.
    pub unsent: u64,
    send_failures: [u64; LABELS.len()],
    receive_failures: [u64; LABELS.len()],
}

impl Datagrams {
    /// Datagrams that could not be sent, for this reason.
    pub const fn send_failures(&self, failure: SocketFailure) -> u64 {
        self.send_failures[failure.index()]
    }

    /// How often reading failed in this way.
    pub const fn receive_failures(&self, failure: SocketFailure) -> u64 {
        self.receive_failures[failure.index()]
    }
}

/// What discovery looks like at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What we say of ourselves.
    pub record: Arc<Record>,
    /// The nodes of the table, closest to us first.
    pub contacts: Vec<Contact>,
    /// Endpoint proofs that are remembered.
    pub bonds: usize,
    /// Requests that wait for an answer.
    pub pending: usize,
    /// Datagrams that were not acted on, by reason.
    pub drops: Drops,
    /// Packets that were, and those the machine sent, by kind.
    pub traffic: Traffic,
    /// What became of datagrams outside of the machine.
    pub datagrams: Datagrams,
    /// What has gone wrong with the store; `None` if there is none. An adapter
    /// knows, and the machine does not.
    pub store: Option<StoreCounts>,
}

/// The machine with the datagrams that it wants sent.
#[derive(Debug)]
pub struct Discovery<D = discv4::Discovery> {
    machine: D,
    /// The socket is one of IPv6, to which IPv4 addresses are mapped ones.
    is_ipv6: bool,
    unsent: VecDeque<(SocketAddr, Bytes)>,
    /// Operations for which the store had no room; the machine is told when it
    /// is drained. No more than one drain has put out.
    refused: VecDeque<(Now, OperationId)>,
    datagrams: Datagrams,
    stopped: bool,
}

impl Discovery {
    /// Discovery over a socket that is bound to `bound`. Where the
    /// configuration does not know our endpoint, it is taken from that, and
    /// 127.0.0.1 stands for every address, as geth has it.
    pub fn over(
        mut config: Config,
        bound: SocketAddr,
        seed: &Seed,
        now: Now,
    ) -> Result<Self, RecordError> {
        fall_back(&mut config.endpoints, bound);
        Ok(Self::new(discv4::Discovery::new(config, seed, now)?, bound.is_ipv6()))
    }
}

fn fall_back(endpoints: &mut LocalEndpoints, bound: SocketAddr) {
    if endpoints.fallback_udp == 0 {
        endpoints.fallback_udp = bound.port();
    }
    let LocalEndpoints { static_ip4, static_ip6, fallback_ip4, fallback_ip6, .. } = endpoints;
    if (static_ip4.is_some() || fallback_ip4.is_some())
        || (static_ip6.is_some() || fallback_ip6.is_some())
    {
        return;
    }
    match bound.ip().to_canonical() {
        IpAddr::V4(ip) if !ip.is_unspecified() => *fallback_ip4 = Some(ip),
        IpAddr::V6(ip) if !ip.is_unspecified() => *fallback_ip6 = Some(ip),
        IpAddr::V4(_) | IpAddr::V6(_) => *fallback_ip4 = Some(Ipv4Addr::LOCALHOST),
    }
}

impl<D: Driven> Discovery<D> {
    /// Takes a machine as it was made, and a socket of one family.
    pub const fn new(machine: D, is_ipv6: bool) -> Self {
        let datagrams = Datagrams {
            received: 0,
            sent: 0,
            unverified: 0,
            unsent: 0,
            send_failures: [0; LABELS.len()],
            receive_failures: [0; LABELS.len()],
        };
        Self {
            machine,
            is_ipv6,
            unsent: VecDeque::new(),
            refused: VecDeque::new(),
            datagrams,
            stopped: false,
        }
    }

    /// A datagram, or its first [`limits::DATAGRAM`] + 1 bytes.
    pub fn datagram(&mut self, now: Now, source: SocketAddr, bytes: &[u8]) {
        increment(&mut self.datagrams.received);
        self.machine.handle(now, Input::Datagram { source: unmapped(source), bytes });
    }

    /// Reading from the socket failed.
    pub const fn not_received(&mut self, failure: SocketFailure) {
        increment(&mut self.datagrams.receive_failures[failure.index()]);
    }

    /// What came of an [`Event::Verify`].
    pub fn verified(&mut self, now: Now, result: Result<Verified, DropReason>) {
        self.machine.handle(now, Input::Verified(result));
    }

    /// An [`Event::Verify`] was dropped.
    pub const fn left_unverified(&mut self) {
        increment(&mut self.datagrams.unverified);
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
        self.machine.handle(now, Input::Timeout);
    }

    /// Ends it. The events that follow are the last.
    pub fn stop(&mut self, now: Now) {
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
                    self.send(to, datagram);
                    continue;
                }
                Output::Stopped => {
                    self.stopped = true;
                    continue;
                }
                Output::Verify(unverified) => Event::Verify(unverified),
                Output::Store(id, operation) => Event::Store(id, operation),
                Output::Answer(id, answer) => Event::Answer(id, answer),
                Output::Event(event) => Event::Happened(event),
            });
        }
    }

    /// When to call [`Discovery::timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }

    /// The next datagram for the socket and where to, in its own family. Answer
    /// by [`Discovery::sent`] or [`Discovery::not_sent`], or leave it for later.
    pub fn next_send(&self) -> Option<(SocketAddr, &[u8])> {
        self.unsent.front().map(|(to, datagram)| (self.mapped(*to), &datagram[..]))
    }

    /// Whether datagrams wait for the socket.
    pub fn wants_send(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The socket has taken the next datagram.
    pub fn sent(&mut self) {
        if self.unsent.pop_front().is_some() {
            increment(&mut self.datagrams.sent);
        }
    }

    /// The socket will not take the next datagram, which is dropped.
    pub fn not_sent(&mut self, failure: SocketFailure) {
        if self.unsent.pop_front().is_some() {
            increment(&mut self.datagrams.send_failures[failure.index()]);
        }
    }

    /// Whether it has ended.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &discv4::Discovery {
        self.machine.borrow()
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let machine = self.machine();
        let contacts = machine.table().closest(machine.node_id(), usize::MAX, false);
        Snapshot {
            record: Arc::clone(machine.local_record()),
            contacts: contacts.into_iter().cloned().collect(),
            bonds: machine.bonds(),
            pending: machine.pending(),
            drops: machine.drops().clone(),
            traffic: *machine.traffic(),
            datagrams: self.datagrams,
            store: None,
        }
    }

    fn send(&mut self, to: SocketAddr, datagram: Bytes) {
        if !self.is_ipv6 && to.is_ipv6() {
            increment(&mut self.datagrams.send_failures[SocketFailure::Unreachable.index()]);
        } else if self.unsent.len() >= limits::UNSENT_DATAGRAMS {
            // Those that wait are about to leave, and some answers among them
            // are good for half a second only.
            increment(&mut self.datagrams.unsent);
        } else {
            self.unsent.push_back((to, datagram));
        }
    }

    fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.is_ipv6 => (ip.to_ipv6_mapped(), to.port()).into(),
            IpAddr::V4(_) | IpAddr::V6(_) => to,
        }
    }
}

/// A socket of both families shows an IPv4 address as a mapped one. Others are
/// left as they are, with their scope.
fn unmapped(source: SocketAddr) -> SocketAddr {
    match source.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, source.port()).into(),
        IpAddr::V6(_) => source,
    }
}

const fn increment(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests;
