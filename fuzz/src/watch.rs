//! Discovery under watch: what goes in and what comes out is held against what
//! a bystander knows, who sees all packets and reads the table.
//!
//! Of the invariants of a network of nodes these are the ones that a single
//! node can break:
//!
//! ```text
//!  table     never ourselves, nobody twice, each in the bucket of its distance,
//!            no more than there is room for, few of a subnet, live only who has
//!            answered from there, no older record than before, and what the
//!            events tell is what is there
//!  answers   to a packet go to its sender alone: a pong and at most one ping to
//!            whoever pings, neighbours and our record to those who have a bond,
//!            nothing for what nobody asked for, and little to the unproven
//!  commands  are answered once, by what was asked for, look-ups in order
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    Answer, Command, Config, Discovery, Event, FindNode, Input, Kind, Neighbor, Output, Packet,
    RequestError, RequestId, Unverified, Verified, decode, is_expired, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId, Record, Subnet, check_relay_address, is_lan};
use devp2p_core::limits;
use devp2p_core::machine::{Checked, Machine as _};
use devp2p_core::store::{Operation, OperationId, Reply};
use devp2p_core::time::{Instant, Now};
use sha3::{Digest as _, Keccak256};

/// How often a machine is woken in a run, before the end: some minutes of a
/// table that is being checked.
const WAKES: usize = 1000;

/// A packet of ours that asks for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Where it went.
    pub to: SocketAddr,
    /// Ping, FindNode or EnrRequest.
    pub kind: Kind,
    /// What an answer names.
    pub hash: [u8; 32],
    at: Instant,
    answered: bool,
}

/// The packets that one input made it send, and what it wants verified.
#[derive(Debug, Default)]
pub struct Drained {
    sent: Vec<(SocketAddr, Packet, usize)>,
    unverified: Vec<Unverified>,
    /// Answers to commands.
    pub answers: Vec<(u64, Answer)>,
    outputs: usize,
}

/// How long a node's proof of an address holds: for certain, and at most.
#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    certain: Instant,
    possible: Instant,
}

/// The machine and its bystander.
#[derive(Debug)]
pub struct Watch {
    machine: Checked<Discovery>,
    /// The time, which may step back; and the latest it has been.
    pub clock: Now,
    latest: Instant,
    began: Now,
    own: NodeId,
    key: SecretKey,
    config: Config,
    /// All questions of ours, the oldest first.
    pub asked: Vec<Asked>,
    commands: BTreeMap<u64, Command>,
    next_command: u64,
    last_operation: Option<OperationId>,
    proofs: BTreeMap<(NodeId, IpAddr), Proof>,
    /// Who may be where, by what anybody has said.
    introduced: BTreeSet<(NodeId, IpAddr)>,
    answered_from: BTreeSet<(NodeId, IpAddr)>,
    proven: BTreeSet<IpAddr>,
    /// Bytes from addresses that were never proven, and to them for it.
    traffic: BTreeMap<IpAddr, (usize, usize)>,
    /// The table as the events tell, with the numbers of the records.
    table: BTreeMap<NodeId, u64>,
    sequence: u64,
    /// How often it may still be woken.
    patience: usize,
    stopped: bool,
}

impl Watch {
    /// Starts discovery.
    pub fn new(config: Config, clock: Now) -> Self {
        let seed = Seed::from_number(1);
        let machine = Discovery::new(config.clone(), &seed, clock).expect("room for the record");
        let mut watch = Self {
            own: *machine.node_id(),
            machine: Checked::new(machine),
            clock,
            latest: clock.mono,
            began: clock,
            key: config.key.clone(),
            config,
            asked: Vec::new(),
            commands: BTreeMap::new(),
            next_command: 0,
            last_operation: None,
            proofs: BTreeMap::new(),
            introduced: BTreeSet::new(),
            answered_from: BTreeSet::new(),
            proven: BTreeSet::new(),
            traffic: BTreeMap::new(),
            table: BTreeMap::new(),
            sequence: 0,
            patience: WAKES,
            stopped: false,
        };
        for node in watch.config.bootnodes.clone() {
            watch.introduce(&node);
        }
        let _ = watch.drain();
        watch
    }

    fn introduce(&mut self, node: &Contact) {
        self.introduced.extend(node.ip().map(|ip| (*node.id(), ip)));
    }

    fn introduce_by(&mut self, packet: &Packet, from: &NodeId, ip: IpAddr) {
        match packet {
            Packet::Ping(_) => {
                self.introduced.insert((*from, ip));
            }
            Packet::Neighbors(neighbors) => {
                let nodes = neighbors.nodes.iter().filter_map(Neighbor::contact);
                nodes.for_each(|node| self.introduce(&node));
            }
            Packet::EnrResponse(response) => {
                if let Ok(record) = Record::decode(&response.record) {
                    self.introduce(&Contact::from_record(record.into()));
                }
            }
            Packet::Pong(_) | Packet::FindNode(_) | Packet::EnrRequest(_) => {}
        }
    }

    /// To the next deadlines, as a driver does. When the patience of the whole
    /// run is at its end, straight to the last one.
    pub fn wait(&mut self, time: Duration) {
        let end = self.latest + time;
        while self.patience > 0 {
            self.patience -= 1;
            let Some(deadline) = self.machine.poll_timeout() else { break };
            if deadline.at > end {
                break;
            }
            self.pass(deadline.at);
            let _ = self.give(Input::Timeout);
        }
        self.pass(end);
        let _ = self.give(Input::Timeout);
    }

    fn pass(&mut self, until: Instant) {
        self.clock.unix = self.clock.unix.saturating_add(until.saturating_since(self.latest));
        self.clock.mono = until;
    }

    /// A datagram arrives. Says what is to be verified, and later handed to
    /// [`verified`](Self::verified).
    pub fn receive(&mut self, source: SocketAddr, bytes: &[u8]) -> Option<Unverified> {
        let _ = self.give(Input::Timeout);
        let before = self.count();
        let drained = self.give(Input::Datagram { source, bytes });
        assert!(drained.sent.is_empty(), "nothing is done before it is verified");
        assert_eq!(drained.outputs, drained.unverified.len());
        let unverified = drained.unverified.into_iter().next();
        if !self.stopped {
            assert_eq!(self.count() - before, u64::from(unverified.is_none()), "no trace of it");
        }
        if let Some(unverified) = &unverified
            && let Ok(packet) = decode(unverified.kind(), &unverified.datagram()[98..])
        {
            // By the clock that somebody may have set, and by the time since it began.
            let steady = self.latest.saturating_since(self.began.mono);
            let now = self.clock.unix.min(self.began.unix.saturating_add(steady));
            let expired = packet.expiration().is_some_and(|at| is_expired(at, now));
            assert!(!expired, "it has expired");
        }
        unverified
    }

    /// A verdict arrives.
    pub fn verified(&mut self, unverified: Unverified) {
        let _ = self.give(Input::Timeout);
        let length = unverified.datagram().len();
        self.traffic.entry(unverified.source().ip()).or_default().0 += length;
        let before = self.count();
        match verify(unverified) {
            Ok(packet) => {
                self.packet(packet);
                self.check_table();
            }
            Err(reason) => {
                let drained = self.give(Input::Verified(Err(reason)));
                assert_eq!(drained.outputs, 0);
            }
        }
        assert!(self.stopped || self.count() > before, "no trace of it");
    }

    /// Datagrams and packets that have been seen to.
    fn count(&self) -> u64 {
        let machine = self.machine.get();
        let received = |kind: &Kind| machine.traffic().packets_received(*kind);
        machine.drops().total() + Kind::ALL.iter().map(received).sum::<u64>()
    }

    fn packet(&mut self, packet: Verified) {
        let (from, source) = (*packet.id(), packet.source());
        let (kind, hash, body) = (packet.kind(), *packet.hash(), packet.packet().clone());
        let expected = if let Packet::FindNode(find) = &body {
            self.neighbors(source.ip(), find)
        } else {
            Vec::new()
        };
        self.introduce_by(&body, &from, source.ip());
        let is_introduced = self.introduced.contains(&(from, source.ip()));
        let taken = self.machine.get().traffic().packets_received(kind);
        let drained = self.hand(Input::Verified(Ok(packet)));
        let taken = self.machine.get().traffic().packets_received(kind) - taken;
        assert!(taken <= 1);
        if self.stopped || from == self.own {
            assert_eq!((taken, drained.outputs), (0, 0), "from ourselves, or too late");
            return;
        }
        let taken = taken == 1;
        match &body {
            Packet::Ping(_) => self.after_ping(&drained, source, &hash),
            Packet::Pong(pong) => {
                let asked = self.find_asked(source.ip(), Kind::Ping, Some(&pong.ping_hash));
                if self.must_be_asked(taken, is_introduced && asked.is_some(), &drained) {
                    self.prove(from, source.ip(), asked);
                }
            }
            Packet::Neighbors(_) => {
                let asked = self.find_asked(source.ip(), Kind::FindNode, None);
                let _ = self.must_be_asked(taken, is_introduced && asked.is_some(), &drained);
            }
            Packet::EnrResponse(response) => {
                let hash = <&[u8; 32]>::try_from(&response.request_hash[..]).ok();
                let asked = self.find_asked(source.ip(), Kind::EnrRequest, hash);
                let asked = is_introduced && asked.is_some();
                // One that says what we do not believe is dropped, and ends the request.
                let failed = |(_, answer): &(u64, Answer)| matches!(answer, Answer::Failed(_));
                if !(asked && !taken && drained.answers.iter().all(failed)) {
                    let _ = self.must_be_asked(taken, asked, &drained);
                }
            }
            Packet::FindNode(_) => {
                if self.must_be_proven(taken, &from, source, &drained) {
                    after_find_node(&drained, &expected);
                }
            }
            Packet::EnrRequest(_) => {
                if self.must_be_proven(taken, &from, source, &drained) {
                    self.after_enr_request(&drained, &hash);
                }
            }
        }
    }

    /// A pong, and a ping if the sender is not known to be where it is.
    fn after_ping(&mut self, drained: &Drained, source: SocketAddr, hash: &[u8; 32]) {
        let mut sent = drained.sent.iter();
        match sent.next() {
            Some((to, Packet::Pong(pong), _)) => {
                assert_eq!((*to, &pong.ping_hash[..]), (source, &hash[..]));
            }
            other => panic!("a ping is answered by {other:?}"),
        }
        if let Some((to, packet, _)) = sent.next() {
            assert_eq!((*to, packet.kind()), (source, Kind::Ping));
        }
        assert!(sent.next().is_none(), "{drained:?}");
        let length: usize = drained.sent.iter().map(|(_, _, length)| *length).sum();
        let (received, sent) = self.traffic.entry(source.ip()).or_default();
        *sent += length;
        assert!(
            self.proven.contains(&source.ip()) || *sent <= 3 * *received,
            "{sent} bytes for {received}, to somebody who may not be there"
        );
    }

    /// Whether an answer was taken, which it may only be if it was asked for.
    fn must_be_asked(&self, taken: bool, asked: bool, drained: &Drained) -> bool {
        assert!(asked || !taken, "nobody has asked for it");
        assert!(taken || drained.outputs == 0, "{drained:?} for what nobody has asked");
        taken
    }

    /// Whether a question was answered, and to whom.
    fn must_be_proven(
        &self,
        taken: bool,
        from: &NodeId,
        source: SocketAddr,
        drained: &Drained,
    ) -> bool {
        let proof = self.proofs.get(&(*from, source.ip())).copied().unwrap_or_default();
        assert!(!taken || self.latest < proof.possible, "an answer to somebody without a bond");
        assert!(taken || self.latest >= proof.certain, "no answer to somebody with a bond");
        assert!(taken || drained.outputs == 0, "{drained:?} without a bond");
        assert!(drained.sent.iter().all(|(to, ..)| *to == source), "an answer to somebody else");
        taken
    }

    fn after_enr_request(&self, drained: &Drained, hash: &[u8; 32]) {
        let [(_, Packet::EnrResponse(response), _)] = &drained.sent[..] else {
            panic!("our record was asked for: {drained:?}");
        };
        assert_eq!(response.request_hash, hash[..]);
        assert_eq!(response.record, self.machine.get().local_record().as_rlp());
    }

    /// Whom we are to name to somebody there, by the table as it is.
    fn neighbors(&self, asker: IpAddr, find: &FindNode) -> Vec<Neighbor> {
        let target: [u8; 32] = Keccak256::digest(find.target).into();
        let table = self.machine.get().table();
        let entries = table.buckets().iter().flat_map(|bucket| bucket.entries());
        let mut nodes: Vec<&Contact> = entries
            .filter(|entry| entry.is_live() || table.live() == 0)
            .map(|entry| entry.contact())
            .collect();
        nodes.sort_by_key(|node| distance(&target, node.id()));
        nodes.truncate(limits::NEIGHBORS);
        let may_be_told =
            |node: &&Contact| node.ip().is_some_and(|ip| check_relay_address(asker, ip).is_ok());
        nodes.into_iter().filter(may_be_told).map(Neighbor::from).collect()
    }

    /// The question of ours that an answer from there is for.
    fn find_asked(&self, ip: IpAddr, kind: Kind, hash: Option<&[u8; 32]>) -> Option<usize> {
        self.asked.iter().position(|asked| {
            (asked.to.ip(), asked.kind) == (ip, kind)
                && !asked.answered
                && self.latest < asked.at + limits::REPLY_TIMEOUT
                && hash.is_none_or(|hash| asked.hash == *hash)
        })
    }

    fn prove(&mut self, id: NodeId, ip: IpAddr, asked: Option<usize>) {
        if let Some(asked) = asked {
            self.asked[asked].answered = true;
        }
        let until = self.latest + limits::BOND_LIFE;
        self.proofs.insert((id, ip), Proof { certain: until, possible: until });
        self.answered_from.insert((id, ip));
        self.proven.insert(ip);
    }

    /// The store answers.
    pub fn stored(&mut self, reply: Reply) {
        let _ = self.give(Input::Timeout);
        if let Reply::Opened { bonds, .. } = &reply {
            for bond in bonds {
                let Some(last_pong) = bond.last_pong else { continue };
                let age = self.clock.unix.as_micros().checked_sub(last_pong.as_micros());
                let age = age.map(Duration::from_micros);
                let left = age.and_then(|age| limits::BOND_LIFE.checked_sub(age));
                let Some(left) = left else { continue };
                let proof = self.proofs.entry((bond.id, bond.ip)).or_default();
                proof.possible = proof.possible.max(self.latest + left);
                self.proven.insert(bond.ip);
            }
        }
        if let Reply::Seeds(seeds) = &reply {
            seeds.iter().for_each(|seed| self.introduce(seed));
        }
        let _ = self.give(Input::Store(reply));
    }

    /// The application wants something. Says the number of the command, and what
    /// came of it at once.
    pub fn command(&mut self, command: Command) -> (u64, Drained) {
        self.next_command += 1;
        let number = self.next_command;
        let _ = self.give(Input::Timeout);
        if let Command::Ping(node)
        | Command::RequestRecord(node)
        | Command::Resolve(node)
        | Command::FindNode(node, _) = &command
        {
            self.introduce(node);
        }
        self.commands.insert(number, command.clone());
        (number, self.give(Input::Command(RequestId(number), command)))
    }

    /// Whether a command has not been answered yet.
    pub fn waits(&self, number: u64) -> bool {
        self.commands.contains_key(&number)
    }

    /// The end: nothing is left unanswered, and nothing happens any more.
    pub fn end(mut self) {
        // Twenty minutes are enough for all commands that wait for the network.
        let waits = |commands: &BTreeMap<u64, Command>| {
            commands.values().any(|command| !matches!(command, Command::RandomNodes))
        };
        for _ in 0..1200 {
            if !waits(&self.commands) {
                break;
            }
            self.patience = WAKES;
            self.wait(Duration::from_secs(1));
        }
        assert!(!waits(&self.commands), "still not answered: {:?}", self.commands);
        let _ = self.give(Input::Stop);
        assert!(self.stopped);
        assert!(self.commands.is_empty(), "never answered: {:?}", self.commands);
        let _ = self.give(Input::Timeout);
        self.clock.mono = Instant::MAX;
        let _ = self.give(Input::Timeout);
    }

    fn give(&mut self, input: Input<'_>) -> Drained {
        let drained = self.hand(input);
        if drained.outputs > 0 {
            self.check_table();
        }
        drained
    }

    fn hand(&mut self, input: Input<'_>) -> Drained {
        self.latest = self.latest.max(self.clock.mono);
        self.machine.handle(self.clock, input);
        self.drain()
    }

    fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        while let Some(output) = self.machine.poll_output() {
            drained.outputs += 1;
            match output {
                Output::Send { to, datagram } => {
                    let packet = self.sent(to, &datagram);
                    drained.sent.push((to, packet, datagram.len()));
                }
                Output::Verify(packet) => drained.unverified.push(packet),
                Output::Store(id, operation) => self.operation(id, &operation),
                Output::Answer(RequestId(number), answer) => {
                    self.answer(number, &answer);
                    drained.answers.push((number, answer));
                }
                Output::Event(event) => self.event(&event),
                Output::Stopped => self.stopped = true,
            }
        }
        drained
    }

    fn operation(&mut self, id: OperationId, operation: &Operation) {
        assert!(self.config.store, "there is no store");
        assert!(self.last_operation.is_none_or(|last| last < id));
        let first = self.last_operation.is_none();
        assert_eq!(first, matches!(operation, Operation::Open { .. }), "{operation:?}");
        self.last_operation = Some(id);
        if let Operation::PutContact(contact) = operation {
            assert_ne!(*contact.id(), self.own);
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Ready => {}
            Event::Added(node) => {
                let before = self.table.insert(*node.id(), node.sequence());
                assert_eq!(before, None, "{node:?} is there already");
            }
            Event::Updated(node) => {
                let before = self.table.insert(*node.id(), node.sequence());
                assert!(before.is_some_and(|before| before <= node.sequence()), "{node:?}");
            }
            // Known or not: it stays as it was.
            Event::Refused(..) => {}
            Event::Removed(id) => assert!(self.table.remove(id).is_some(), "{id:?} is not there"),
            Event::LocalRecord(record) => {
                assert!(self.sequence < record.sequence(), "{record:?}");
                self.sequence = record.sequence();
                assert_eq!(record.public_key(), &self.key.public_key());
            }
            _ => panic!("an event that this target does not know"),
        }
    }

    fn sent(&mut self, to: SocketAddr, datagram: &[u8]) -> Packet {
        assert!((limits::DATAGRAM_MIN..=limits::DATAGRAM).contains(&datagram.len()));
        assert!(to.port() != 0 && !to.ip().is_unspecified() && !to.ip().is_multicast());
        assert_eq!(datagram[..32], Keccak256::digest(&datagram[32..])[..]);
        let kind = Kind::from_code(datagram[97]).expect("one of the six");
        let packet = decode(kind, &datagram[98..]).expect("we understand ourselves");
        let expiration = packet.expiration();
        assert!(expiration.is_none_or(|at| !is_expired(at, self.clock.unix)), "{packet:?}");
        if matches!(kind, Kind::Ping | Kind::FindNode | Kind::EnrRequest) {
            let hash = datagram[..32].try_into().expect("32 bytes");
            self.asked.push(Asked { to, kind, hash, at: self.latest, answered: false });
        }
        packet
    }

    fn answer(&mut self, number: u64, answer: &Answer) {
        let Some(command) = self.commands.remove(&number) else {
            panic!("{number} was answered twice, or not asked: {answer:?}");
        };
        match (&command, answer) {
            (Command::Ping(_), Answer::Pong(reply)) => {
                assert!(reply.round_trip < limits::REPLY_TIMEOUT);
            }
            (Command::RequestRecord(asked) | Command::Resolve(asked), Answer::Contact(node)) => {
                assert_eq!(asked.id(), node.id());
                assert!(asked.sequence() <= node.sequence());
            }
            (Command::FindNode(..), Answer::Contacts(nodes)) => self.check_contacts(nodes),
            (Command::LookUp(target), Answer::Contacts(nodes)) => {
                self.check_contacts(nodes);
                let target: [u8; 32] = Keccak256::digest(target).into();
                let distances = nodes.iter().map(|node| distance(&target, node.id()));
                assert!(distances.is_sorted_by(|near, far| near < far), "not in order");
            }
            (Command::RandomNodes, Answer::Contacts(nodes)) => {
                assert!((1..=limits::WALK_BUFFER).contains(&nodes.len()));
            }
            (
                Command::Cancel(_) | Command::SetEndpoints(_) | Command::SetEntries(_),
                Answer::Done,
            )
            | (Command::SetEntries(_), Answer::Failed(RequestError::BadRecord(_))) => {}
            (
                Command::Ping(_)
                | Command::RequestRecord(_)
                | Command::Resolve(_)
                | Command::FindNode(..)
                | Command::LookUp(_)
                | Command::RandomNodes,
                Answer::Failed(error),
            ) => self.check_error(*error),
            (command, answer) => panic!("{answer:?} to {command:?}"),
        }
    }

    fn check_error(&self, error: RequestError) {
        assert!(error != RequestError::Stopped || !self.stopped);
    }

    fn check_contacts(&self, nodes: &[Contact]) {
        assert!(nodes.len() <= limits::NEIGHBORS);
        assert!(nodes.iter().all(|node| *node.id() != self.own), "we are not our own neighbour");
        assert!(nodes.iter().all(|node| node.udp_endpoint().is_some()));
    }

    /// All of the table, counted anew.
    fn check_table(&self) {
        let table = self.machine.get().table();
        let (mut ids, mut all) = (BTreeSet::new(), Vec::new());
        let (mut len, mut live) = (0, 0);
        for (index, bucket) in table.buckets().iter().enumerate() {
            assert!(bucket.entries().len() <= 16 && bucket.replacements().len() <= 10);
            let mut networks = Vec::new();
            for entry in bucket.entries() {
                let node = entry.contact();
                len += 1;
                live += usize::from(entry.is_live());
                let sequence = self.table.get(node.id());
                assert_eq!(sequence, Some(&node.sequence()), "{node:?}: not as the events tell");
                let ip = node.ip().expect("an address");
                let answered = self.answered_from.contains(&(*node.id(), ip));
                assert!(answered || !entry.is_live(), "{node:?} has never answered from there");
            }
            let entries = bucket.entries().iter().map(|entry| entry.contact());
            for node in entries.chain(bucket.replacements().iter().map(|other| other.contact())) {
                assert!(ids.insert(*node.id()), "{node:?} is there twice");
                assert_eq!(index, self.bucket(node.id()), "{node:?} is in the wrong bucket");
                networks.extend(node.ip().and_then(network));
            }
            assert_at_most(&networks, limits::SUBNET_IN_BUCKET.into());
            all.extend(networks);
        }
        assert_at_most(&all, limits::SUBNET_IN_TABLE.into());
        assert!(!ids.contains(&self.own), "we are in our own table");
        assert_eq!((len, live), (table.len(), table.live()));
        assert_eq!(len, self.table.len(), "the events tell of others");
    }

    /// By the definition: one for each of the sixteen largest distances.
    fn bucket(&self, id: &NodeId) -> usize {
        let own = self.own.as_bytes();
        let alike = distance(own, id).iter().position(|byte| *byte != 0).unwrap_or(32);
        let bits = distance(own, id).get(alike).map_or(0, |byte| byte.leading_zeros() as usize);
        16_usize.saturating_sub(8 * alike + bits)
    }
}

fn after_find_node(drained: &Drained, expected: &[Neighbor]) {
    let mut named = Vec::new();
    for (_, packet, _) in &drained.sent {
        let Packet::Neighbors(neighbors) = packet else {
            panic!("neighbours were asked for: {packet:?}");
        };
        named.extend(neighbors.nodes.iter().copied());
    }
    assert_eq!(named, expected);
    assert_eq!(drained.sent.len(), expected.len().div_ceil(12).max(1));
}

fn distance(target: &[u8; 32], id: &NodeId) -> [u8; 32] {
    let mut distance = *target;
    distance.iter_mut().zip(id.as_bytes()).for_each(|(byte, other)| *byte ^= other);
    distance
}

/// What is counted; the local network is not.
fn network(ip: IpAddr) -> Option<Subnet> {
    (!is_lan(ip)).then(|| Subnet::of(ip, 24))
}

fn assert_at_most(networks: &[Subnet], most: usize) {
    for network in networks {
        let count = networks.iter().filter(|other| *other == network).count();
        assert!(count <= most, "{count} of {network:?}");
    }
}
