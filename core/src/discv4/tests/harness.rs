//! What the tests share: a machine under watch, strangers who make packets by
//! hand, and a network in virtual time.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::disk::{Disk, Mode};
use crate::crypto::SecretKey;
use crate::discv4::{
    Answer, Command, Config, Discovery, Event, Gate, Input, Kind, Output, Packet, PacketEndpoint,
    Ping, Pong, RequestId, Sources, encode, verify,
};
use crate::entropy::Seed;
use crate::identity::{Contact, NodeId};
use crate::machine::{Checked, Machine as _};
use crate::store::{Operation, Reply};
use crate::time::{Instant, Now, UnixTime};

/// When tests begin: a Tuesday in 2023.
pub(super) const START: Now =
    Now { mono: Instant::from_secs(1000), unix: UnixTime::from_secs(1_700_000_000) };

pub(super) fn address(last: u32) -> SocketAddr {
    // A /24 of its own for each, so that the table takes them all.
    let ip = Ipv4Addr::from(0x2100_0001 + (last << 8));
    SocketAddr::new(ip.into(), 30303)
}

pub(super) fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

/// A key and a place, and what it takes to write and read packets.
pub(super) struct Stranger {
    pub(super) key: SecretKey,
    pub(super) at: SocketAddr,
}

impl Stranger {
    pub(super) fn new(number: u32) -> Self {
        Self { key: key(1_000_000 + u64::from(number)), at: address(1000 + number) }
    }

    pub(super) fn id(&self) -> NodeId {
        NodeId::from(&self.key.public_key())
    }

    pub(super) fn contact(&self) -> Contact {
        Contact::new(self.key.public_key(), self.at.ip(), self.at.port(), 30303)
    }

    pub(super) fn encode(&self, packet: &Packet) -> (Vec<u8>, [u8; 32]) {
        let encoded = encode(packet, &self.key);
        (encoded.bytes.to_vec(), encoded.hash)
    }

    pub(super) fn ping(&self, to: SocketAddr, now: Now) -> Packet {
        Packet::Ping(Ping {
            version: 4,
            from: PacketEndpoint::new(self.at, 30303),
            to: PacketEndpoint::new(to, 0),
            expiration: now.unix.as_secs() + 20,
            enr_sequence: None,
        })
    }

    pub(super) fn pong(&self, to: SocketAddr, ping_hash: [u8; 32], now: Now) -> Packet {
        Packet::Pong(Pong {
            to: PacketEndpoint::new(to, 0),
            ping_hash,
            expiration: now.unix.as_secs() + 20,
            enr_sequence: None,
        })
    }
}

/// What a datagram says, to anyone who looks.
pub(super) fn read(from: SocketAddr, datagram: &[u8]) -> (Packet, [u8; 32], NodeId) {
    struct Anyone;
    impl Sources for Anyone {
        fn is_proven(&self, _: IpAddr) -> bool {
            true
        }
        fn is_awaited(&self, _: IpAddr, _: Kind, _: &[u8; 32]) -> bool {
            true
        }
    }
    let unverified =
        Gate::new(&Seed::from_number(0)).check(Now::ZERO, from, datagram, &Anyone).unwrap();
    let verified = verify(unverified).unwrap();
    let (hash, id) = (*verified.hash(), *verified.id());
    (verified.into_packet(), hash, id)
}

/// One machine under watch, with a clock. What it wants verified is, at once.
pub(super) struct Lone {
    pub(super) machine: Checked<Discovery>,
    number: u32,
    pub(super) at: SocketAddr,
    pub(super) now: Now,
    pub(super) sent: Vec<(SocketAddr, Bytes)>,
    pub(super) answers: Vec<(RequestId, Answer)>,
    pub(super) events: Vec<Event>,
    pub(super) operations: Vec<(Instant, Operation)>,
    pub(super) disk: Option<Disk>,
    pub(super) verified: usize,
    pub(super) stopped: bool,
}

impl Lone {
    pub(super) fn new(number: u32, configure: impl FnOnce(&mut Config)) -> Self {
        Self::at_time(number, START, configure)
    }

    pub(super) fn at_time(number: u32, now: Now, configure: impl FnOnce(&mut Config)) -> Self {
        Self::begin(number, now, None, configure)
    }

    /// One with a store.
    pub(super) fn with_disk(
        number: u32,
        now: Now,
        disk: Disk,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        Self::begin(number, now, Some(disk), configure)
    }

    fn begin(
        number: u32,
        now: Now,
        disk: Option<Disk>,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let at = address(number);
        let mut config = Config::new(key(number.into()));
        let IpAddr::V4(ip) = at.ip() else { unreachable!() };
        config.endpoints.fallback_ip4 = Some(ip);
        config.endpoints.fallback_udp = at.port();
        config.entries = config.entries.tcp(30303);
        config.store = disk.is_some();
        configure(&mut config);
        let seed = Seed::from_number(number.into());
        let mut lone = Self {
            machine: Checked::new(Discovery::new(config, &seed, now).unwrap()),
            number,
            at,
            now,
            sent: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            operations: Vec::new(),
            disk,
            verified: 0,
            stopped: false,
        };
        lone.drain();
        lone
    }

    pub(super) fn look(&self) -> &Discovery {
        self.machine.get()
    }

    pub(super) fn id(&self) -> NodeId {
        *self.look().node_id()
    }

    pub(super) fn contact(&self) -> Contact {
        Contact::from_record(self.look().local_record().clone())
    }

    pub(super) fn give(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut unverified = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    assert!(datagram.len() <= 1280);
                    let ip = to.ip();
                    assert!(to.port() != 0 && !ip.is_unspecified() && !ip.is_multicast(), "{to}");
                    self.sent.push((to, datagram));
                }
                Output::Verify(packet) => unverified.push(packet),
                Output::Store(id, operation) => {
                    if let Some(disk) = &mut self.disk {
                        disk.execute(self.now, id, &operation);
                    }
                    self.operations.push((self.now.mono, operation));
                }
                Output::Answer(id, answer) => self.answers.push((id, answer)),
                Output::Event(event) => self.events.push(event),
                Output::Stopped => self.stopped = true,
            }
        }
        for packet in unverified {
            self.verified += 1;
            self.give(Input::Verified(verify(packet)));
        }
        while let Some(reply) = self.reply() {
            self.give(Input::Store(reply));
        }
    }

    /// What the store has answered by now.
    fn reply(&mut self) -> Option<Reply> {
        self.disk.as_mut()?.reply(self.now.mono)
    }

    /// Goes down without a word, and comes up again with what was stored.
    pub(super) fn restart(&mut self, mode: Mode, configure: impl FnOnce(&mut Config)) {
        let disk = Disk::new(self.disk().memory.clone(), mode);
        *self = Self::with_disk(self.number, self.now, disk, configure);
    }

    pub(super) fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("a store")
    }

    /// The number of our record that is stored.
    pub(super) fn stored_sequence(&self) -> Option<u64> {
        self.disk().sequence(&self.id())
    }

    pub(super) fn receive(&mut self, source: SocketAddr, datagram: &[u8]) {
        self.give(Input::Datagram { source, bytes: datagram });
    }

    pub(super) fn hear(&mut self, stranger: &Stranger, packet: &Packet) -> [u8; 32] {
        let (datagram, hash) = stranger.encode(packet);
        self.receive(stranger.at, &datagram);
        hash
    }

    pub(super) fn ask(&mut self, number: u64, command: Command) {
        self.give(Input::Command(RequestId(number), command));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let reply = self.disk.as_ref().and_then(Disk::deadline);
        self.machine.poll_timeout().map(|deadline| deadline.at).into_iter().chain(reply).min()
    }

    /// It is the time of its deadline.
    fn wake(&mut self) {
        match self.reply() {
            Some(reply) => self.give(Input::Store(reply)),
            None => self.give(Input::Timeout),
        }
    }

    /// Lets time pass; the machine is woken whenever it wants.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        while let Some(at) = self.deadline().filter(|at| *at <= end.mono) {
            self.now = self.now.saturating_add(at - self.now.mono);
            self.wake();
        }
        self.now = end;
    }

    /// What was sent to an address since this was asked last.
    pub(super) fn said_to(&mut self, to: SocketAddr) -> Vec<(Packet, [u8; 32])> {
        let (said, rest) =
            core::mem::take(&mut self.sent).into_iter().partition(|sent| sent.0 == to);
        self.sent = rest;
        let said: Vec<(SocketAddr, Bytes)> = said;
        said.iter()
            .map(|(_, datagram)| {
                let (packet, hash, _) = read(self.at, datagram);
                (packet, hash)
            })
            .collect()
    }

    pub(super) fn kinds_to(&mut self, to: SocketAddr) -> Vec<Kind> {
        self.said_to(to).iter().map(|(packet, _)| packet.kind()).collect()
    }

    /// Has strangers answer all pings that they were sent.
    pub(super) fn serve(&mut self, strangers: &[Stranger]) {
        for stranger in strangers {
            for (packet, hash) in self.said_to(stranger.at) {
                if packet.kind() == Kind::Ping {
                    let pong = stranger.pong(self.at, hash, self.now);
                    self.hear(stranger, &pong);
                }
            }
        }
    }

    /// Lets time pass in which strangers answer all pings.
    pub(super) fn wait_serving(&mut self, strangers: &[Stranger], time: Duration) {
        const STEP: Duration = Duration::from_millis(100);
        let end = self.now.mono + time;
        while self.now.mono < end {
            self.wait(STEP);
            self.serve(strangers);
        }
    }

    /// Proves both endpoints to each other, as geth's test suite does.
    pub(super) fn bond(&mut self, stranger: &Stranger) {
        let ping = stranger.ping(self.at, self.now);
        self.hear(stranger, &ping);
        self.serve(core::slice::from_ref(stranger));
    }

    pub(super) fn answer(&self, number: u64) -> Option<&Answer> {
        let mut found = self.answers.iter().filter(|(id, _)| *id == RequestId(number));
        let answer = found.next().map(|(_, answer)| answer);
        assert!(found.next().is_none(), "request {number} was answered twice");
        answer
    }
}

/// Many machines and the network between them: each datagram takes some time,
/// drawn from the seed, and some are lost.
pub(super) struct World {
    pub(super) nodes: Vec<Lone>,
    now: Now,
    rng: crate::entropy::Rng,
    flying: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Bytes)>,
    next: u64,
    /// Of a thousand datagrams.
    pub(super) lost: u32,
    /// From one node to another, at most; half of it at least.
    pub(super) latency: Duration,
    /// By how many seconds the Unix clock of a node is wrong.
    skew: BTreeMap<usize, i64>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            now: START,
            rng: Seed::from_number(seed).derive("world", 0).jitter(),
            flying: BTreeMap::new(),
            next: 0,
            lost: 0,
            latency: Duration::from_millis(100),
            skew: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, configure: impl FnOnce(&mut Config)) -> usize {
        let number = u32::try_from(self.nodes.len()).unwrap();
        let node = Lone::at_time(number, self.time_of(self.nodes.len()), configure);
        self.nodes.push(node);
        self.collect(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// One more node, with a store.
    pub(super) fn add_with_disk(
        &mut self,
        disk: Disk,
        configure: impl FnOnce(&mut Config),
    ) -> usize {
        let number = u32::try_from(self.nodes.len()).unwrap();
        self.nodes.push(Lone::with_disk(number, self.now, disk, configure));
        self.collect(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// See [`Lone::restart`].
    pub(super) fn restart(&mut self, node: usize, mode: Mode, configure: impl FnOnce(&mut Config)) {
        self.nodes[node].now = self.time_of(node);
        self.nodes[node].restart(mode, configure);
        self.collect(node);
    }

    /// Nothing comes to it or from it any more.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].at = address(900 + u32::try_from(node).unwrap());
        self.nodes[node].give(Input::Stop);
        self.nodes[node].sent.clear();
    }

    /// One whose Unix clock is wrong from the start.
    pub(super) fn add_skewed(
        &mut self,
        seconds: i64,
        configure: impl FnOnce(&mut Config),
    ) -> usize {
        let node = self.nodes.len();
        self.skew(node, seconds);
        self.add(configure)
    }

    /// A datagram comes to a node, from where it says.
    pub(super) fn forge(&mut self, from: SocketAddr, node: usize, datagram: &[u8]) {
        self.nodes[node].now = self.time_of(node);
        self.nodes[node].receive(from, datagram);
        self.collect(node);
    }

    pub(super) fn ask(&mut self, node: usize, number: u64, command: Command) {
        self.nodes[node].now = self.time_of(node);
        self.nodes[node].ask(number, command);
        self.collect(node);
    }

    /// From now on the Unix clock of a node is wrong by so many seconds.
    pub(super) fn skew(&mut self, node: usize, seconds: i64) {
        self.skew.insert(node, seconds);
    }

    /// What a node takes for the time.
    fn time_of(&self, node: usize) -> Now {
        let micros = self.skew.get(&node).copied().unwrap_or(0).saturating_mul(1_000_000);
        let unix = self.now.unix.as_micros().saturating_add_signed(micros);
        Now { unix: UnixTime::from_micros(unix), ..self.now }
    }

    fn collect(&mut self, node: usize) {
        let from = self.nodes[node].at;
        for (to, datagram) in core::mem::take(&mut self.nodes[node].sent) {
            if self.rng.below(1000) < self.lost {
                continue;
            }
            let latency = u32::try_from(self.latency.as_micros()).unwrap();
            let delay = u64::from(latency / 2 + self.rng.below(latency / 2 + 1));
            let at = self.now.mono + Duration::from_micros(delay);
            self.flying.insert((at, self.next), (from, to, datagram));
            self.next += 1;
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            let timer = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(index, node)| Some((node.deadline()?, index)))
                .min();
            let flight = self.flying.first_key_value().map(|((at, _), _)| *at);
            let next = timer.map(|(at, _)| at).into_iter().chain(flight).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.saturating_add(at - self.now.mono);
            if flight == Some(at) {
                let (_, (from, to, datagram)) = self.flying.pop_first().unwrap();
                let Some(node) = self.nodes.iter().position(|node| node.at == to) else { continue };
                self.nodes[node].now = self.time_of(node);
                self.nodes[node].receive(from, &datagram);
                self.collect(node);
            } else if let Some((_, node)) = timer {
                self.nodes[node].now = self.time_of(node);
                self.nodes[node].wake();
                self.collect(node);
            }
        }
        self.now = self.now.saturating_add(end - self.now.mono);
        for node in 0..self.nodes.len() {
            self.nodes[node].now = self.time_of(node);
        }
    }

    /// A digest over all that all nodes have put out.
    pub(super) fn digest(&self) -> [u8; 32] {
        use sha2::{Digest as _, Sha256};
        let mut digest = Sha256::new();
        self.nodes.iter().for_each(|node| digest.update(node.machine.digest()));
        digest.finalize().into()
    }
}
