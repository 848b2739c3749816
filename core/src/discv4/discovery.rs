//! The machine: what to say to whom, given what was heard and what time it is.
//!
//! ```text
//!   Datagram ─▶ gate ─▶ Verify        Verified ─▶ on_packet.rs ─▶ Send
//!   Command ─▶ on_command.rs ─┐
//!   Timeout ─▶ upkeep.rs ─────┼─▶ queries, look-ups ─▶ Send … Answer
//!   Store ────────────────────┘
//! ```
//!
//! This file: what it is made of, the three methods, and what all its parts use.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::bonds::Bonds;
use super::look_ups::{LookUpCounts, LookUps};
use super::on_command::Pending;
use super::queries::Queries;
use super::requests::Requests;
use super::traffic::Traffic;
use super::upkeep::Upkeep;
use super::{
    Answer, Config, DropReason, Drops, Encoded, Event, Gate, Input, Kind, Output, Packet,
    RequestId, Sources, encode,
};
use crate::crypto::SecretKey;
use crate::entropy::Seed;
use crate::identity::{Contact, LocalRecord, NodeId, Record, RecordError};
use crate::kademlia::Table;
use crate::limits;
use crate::machine::{self, Machine};
use crate::store::{Operation, OperationId};
use crate::time::{Deadline, Instant, Now, UnixTime};

/// Node discovery, version 4: a table of nodes, kept alive, and the answers to
/// whoever asks. See the [room](super) for how it is driven.
#[derive(Debug)]
pub struct Discovery {
    pub(super) key: SecretKey,
    pub(super) own: NodeId,
    pub(super) config: Config,
    pub(super) local: LocalRecord,
    pub(super) gate: Gate,
    pub(super) bonds: Bonds,
    pub(super) requests: Requests,
    pub(super) queries: Queries,
    pub(super) look_ups: LookUps,
    pub(super) commands: BTreeMap<RequestId, Pending>,
    pub(super) table: Table,
    pub(super) upkeep: Upkeep,
    pub(super) drops: Drops,
    pub(super) traffic: Traffic,
    pub(super) now: Now,
    began: Now,
    outputs: VecDeque<Output>,
    operations: u64,
    stopped: bool,
}

impl Discovery {
    /// Discovery that begins with the first drain. All that it draws grows from
    /// `seed`. Fails if our own record has no room for what it is to say.
    pub fn new(config: Config, seed: &Seed, now: Now) -> Result<Self, RecordError> {
        let key = config.key.clone();
        let own = NodeId::from(&key.public_key());
        let (entries, endpoints) = (config.entries.clone(), config.endpoints);
        let local = LocalRecord::new(key.clone(), None, now.unix, entries, endpoints)?;
        let table = Table::new(own, config.table, seed.derive("table", 0).jitter(), now.mono);
        let gate = Gate::new(&seed.derive("gate", 0));
        let gate = if config.budgets { gate } else { gate.without_budgets() };
        let mut discovery = Self {
            local,
            gate,
            bonds: Bonds::new(seed.derive("bonds", 0).jitter()),
            requests: Requests::default(),
            queries: Queries::default(),
            look_ups: LookUps::new(seed.derive("look-ups", 0).jitter()),
            commands: BTreeMap::new(),
            upkeep: Upkeep::new(now.mono),
            drops: Drops::default(),
            traffic: Traffic::default(),
            outputs: VecDeque::new(),
            operations: 0,
            stopped: false,
            key,
            own,
            config,
            table,
            now,
            began: now,
        };
        discovery.open();
        discovery.settle();
        Ok(discovery)
    }

    /// The key's id.
    pub const fn node_id(&self) -> &NodeId {
        &self.own
    }

    /// What we say of ourselves.
    pub const fn local_record(&self) -> &Arc<Record> {
        self.local.record()
    }

    /// The nodes that are known.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Datagrams that were not acted on, by reason.
    pub const fn drops(&self) -> &Drops {
        &self.drops
    }

    /// Packets that were, and those sent, by kind.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What look-ups have come to.
    pub const fn look_ups(&self) -> &LookUpCounts {
        &self.look_ups.counts
    }

    /// Endpoint proofs that are remembered.
    pub fn bonds(&self) -> usize {
        self.bonds.len()
    }

    /// Whether a node has proved to us of late that it is at this address.
    pub fn is_proven(&self, id: &NodeId, ip: IpAddr) -> bool {
        self.bonds.is_proven(id, ip, self.now.mono)
    }

    /// Whether we have proved to a node, seen from this address, where we are.
    pub fn is_known(&self, id: &NodeId, ip: IpAddr) -> bool {
        self.bonds.is_known(id, ip, self.now.mono)
    }

    /// Requests that wait for an answer.
    pub fn pending(&self) -> usize {
        self.requests.len()
    }

    /// Finishes what has come to its end until nothing moves any more.
    fn settle(&mut self) {
        loop {
            if let Some((query, outcome)) = self.look_ups.next_outcome() {
                self.conclude(query, outcome);
            } else if let Some((caller, nodes)) = self.look_ups.next_done() {
                self.looked_up(caller, nodes);
            } else if !self.begin_what_is_due() {
                break;
            }
        }
    }

    /// Tells of a new record of ours, and has its number kept.
    pub(super) fn publish_record(&mut self) {
        self.store_sequence();
        self.tell(Event::LocalRecord(Arc::clone(self.local.record())));
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.outputs.push_back(Output::Answer(id, answer));
    }

    /// Has the store do something, if there is one.
    pub(super) fn store(&mut self, operation: Operation) -> Option<OperationId> {
        let id = self.config.store.then_some(OperationId(self.operations))?;
        self.operations += 1;
        self.outputs.push_back(Output::Store(id, operation));
        Some(id)
    }

    pub(super) fn drop_packet(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    /// Sends a packet; says its hash.
    pub(super) fn send(&mut self, to: SocketAddr, packet: &Packet) -> [u8; 32] {
        let Encoded { bytes, hash } = encode(packet, &self.key);
        self.traffic.sent(packet.kind());
        self.outputs.push_back(Output::Send { to, datagram: bytes });
        hash
    }

    /// When a packet that leaves now ceases to be valid, in Unix seconds.
    pub(super) fn expiration(&self) -> u64 {
        self.now.unix.max(self.steady_unix()).saturating_add(limits::PACKET_LIFE).as_secs()
    }

    /// What the Unix clock would say if nobody had set it since we began.
    ///
    /// Who sets our clock, or a time server's for us, could have us take every
    /// honest packet for expired, or have ours taken so; the table would empty in
    /// two minutes, and only who ignores expirations would be in it. So a packet is
    /// expired if both clocks say so, and ours are valid by either.
    const fn steady_unix(&self) -> UnixTime {
        self.began.unix.saturating_add(self.now.mono.saturating_since(self.began.mono))
    }

    /// The nodes of the table that are closest to a target, live or not.
    pub(super) fn closest(&self, target: &NodeId, prefer_live: bool) -> Vec<Contact> {
        self.table.closest(target, limits::NEIGHBORS, prefer_live).into_iter().cloned().collect()
    }

    fn on_datagram(&mut self, source: SocketAddr, bytes: &[u8]) {
        if !self.upkeep.is_open() {
            return self.drops.count(DropReason::NotOpen);
        }
        let known = Known { bonds: &self.bonds, requests: &self.requests };
        let now = Now { unix: self.now.unix.min(self.steady_unix()), ..self.now };
        match self.gate.check(now, source, bytes, &known) {
            Ok(unverified) => self.outputs.push_back(Output::Verify(unverified)),
            Err(reason) => self.drops.count(reason),
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.outputs.retain(|output| !matches!(output, Output::Verify(_)));
        self.answer_all_stopped();
        while self.requests.pop().is_some() {}
        while self.queries.pop().is_some() {}
        self.look_ups.clear();
        self.outputs.push_back(Output::Stopped);
    }
}

/// What the gate may know of where a datagram comes from.
struct Known<'a> {
    bonds: &'a Bonds,
    requests: &'a Requests,
}

impl Sources for Known<'_> {
    fn is_proven(&self, ip: IpAddr) -> bool {
        self.bonds.has_address(ip) || self.requests.is_finding_at(ip)
    }

    fn is_awaited(&self, ip: IpAddr, kind: Kind, request_hash: &[u8; 32]) -> bool {
        self.requests.awaits(ip, kind, request_hash)
    }
}

/// The last point of time that another can follow: at the very end all would be
/// due for ever.
const LAST: Instant = Instant::from_micros(u64::MAX - 1);

impl Machine for Discovery {
    type Input<'a> = Input<'a>;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input<'_>) {
        let mono = self.now.mono.max(now.mono).min(LAST);
        self.now = Now { mono, unix: now.unix };
        if self.stopped {
            return;
        }
        // Whatever comes: what was to happen before it happens before it.
        if self.poll_timeout().is_some_and(|deadline| deadline.at <= self.now.mono) {
            self.on_time();
            self.settle();
        }
        match input {
            Input::Datagram { source, bytes } => return self.on_datagram(source, bytes),
            Input::Verified(Ok(packet)) => self.on_packet(packet),
            Input::Verified(Err(reason)) => self.drops.count(reason),
            Input::Command(id, command) => self.on_command(id, command),
            Input::Store(reply) => self.on_store(reply),
            Input::Timeout => {}
            Input::Stop => return self.stop(),
        }
        self.settle();
    }

    fn poll_output(&mut self) -> Option<Output> {
        machine::take_first(&mut self.outputs)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        if self.stopped {
            return None;
        }
        let deadlines = [self.requests.deadline(), self.queries.deadline(), self.upkeep_deadline()];
        deadlines.into_iter().fold(None, Deadline::sooner)
    }

    fn timeout() -> Input<'static> {
        Input::Timeout
    }

    fn is_last(output: &Output) -> bool {
        matches!(output, Output::Stopped)
    }

    /// A time-out may end every request, and each end begin another.
    const MAX_OUTPUTS: usize =
        4 * (limits::PENDING_PROOFS + limits::PENDING_REQUESTS + limits::QUERIES);

    fn audit(&self) -> Result<(), &'static str> {
        self.bonds.audit()?;
        self.requests.audit()?;
        self.queries.audit()?;
        self.look_ups.audit()?;
        self.table.audit()?;
        if self.commands.len() > limits::DISCOVERY_COMMANDS {
            return Err("commands of discovery");
        }
        Ok(())
    }
}
