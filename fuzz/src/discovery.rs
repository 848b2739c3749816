//! Discovery as a whole, under watch: any order of datagrams, commands, answers
//! of the store and times. It keeps the machine's contract, answers every
//! command exactly once, and tells nobody who is unproven more than a ping
//! calls for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    Answer, Command, Config, Discovery, Endpoint, EnrRequest, EnrResponse, FindNode, Input, Kind,
    Neighbor, Neighbors, Output, Packet, Ping, Pong, RequestId, Unverified, decode, encode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId, RecordBuilder};
use devp2p_core::machine::{Checked, Machine as _};
use devp2p_core::store::{OperationId, Reply, StoredBond};
use devp2p_core::time::{Instant, Now, UnixTime};

use crate::keys;
use crate::packet::{now, signed};
use crate::tape::Tape;

/// Runs one input: how it is configured, then one thing after the other.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new(&mut tape);
    world.drain();
    for _ in 0..400 {
        if tape.is_empty() {
            break;
        }
        world.step(&mut tape);
    }
    world.end();
}

struct World {
    machine: Checked<Discovery>,
    clock: Now,
    store: bool,
    /// Our packets that a node could answer: whom it went to, its kind and hash.
    asked: Vec<(SocketAddr, Kind, [u8; 32])>,
    unverified: Vec<Unverified>,
    operations: Vec<OperationId>,
    open: BTreeSet<u64>,
    commands: u64,
    /// Bytes to and from addresses, and those that were ever proven.
    traffic: BTreeMap<IpAddr, (usize, usize)>,
    answered: BTreeSet<IpAddr>,
    stopped: bool,
}

fn key(number: u8) -> SecretKey {
    keys::secret(10 + number % 40)
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(33, number % 40, 0, 1).into(), 30303)
}

fn contact(number: u8) -> Contact {
    let at = address(number);
    Contact::new(key(number).public_key(), at.ip(), at.port(), 30303)
}

impl World {
    fn new(tape: &mut Tape<'_>) -> Self {
        let mut config = Config::new(keys::secret(keys::OURS));
        let flags = tape.byte();
        config.store = flags & 1 == 1;
        config.bootnodes = (0..flags >> 5).map(contact).collect();
        let seed = Seed::from_number(1);
        let store = config.store;
        let machine = Discovery::new(config, &seed, now()).expect("room for the record");
        Self {
            machine: Checked::new(machine),
            clock: now(),
            store,
            asked: Vec::new(),
            unverified: Vec::new(),
            operations: Vec::new(),
            open: BTreeSet::new(),
            commands: 0,
            traffic: BTreeMap::new(),
            answered: BTreeSet::new(),
            stopped: false,
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.choice(16) {
            0 => {
                let source = SocketAddr::new(address(tape.byte()).ip(), tape.word());
                let bytes = tape.bytes().to_vec();
                self.receive(source, &bytes);
            }
            1 => {
                let number = tape.byte();
                let datagram = signed(1 + tape.choice(6), tape.bytes(), &key(number));
                self.receive(address(number), &datagram);
            }
            2..=5 => {
                let number = tape.byte();
                let packet = self.packet(tape, number);
                let datagram = encode(&packet, &key(number)).bytes;
                self.receive(address(number), &datagram);
            }
            6..=8 => self.reply(tape),
            9 | 10 => self.command(tape),
            11 => {
                let reply = self.stored(tape);
                self.give(Input::Store(reply));
            }
            12 => {
                // A verdict that comes late, or twice.
                let index = usize::from(tape.byte());
                if let Some(packet) = self.unverified.get(index).cloned() {
                    self.traffic.entry(packet.source().ip()).or_default().0 +=
                        packet.datagram().len();
                    self.give(Input::Verified(verify(packet)));
                }
            }
            13 => self.clock.unix = UnixTime::from_micros(tape.number()),
            14 => self.wait(Duration::from_millis(u64::from(tape.word()))),
            _ => self.wait(Duration::from_secs(tape.number().min(1 << 20))),
        }
    }

    /// To the next deadlines, as a driver does, but not for ever.
    fn wait(&mut self, time: Duration) {
        let end = self.clock.saturating_add(time);
        for _ in 0..50 {
            if self.stopped {
                break;
            }
            let Some(deadline) = self.machine.poll_timeout() else { break };
            if deadline.at > end.mono {
                break;
            }
            self.clock = self.clock.saturating_add(deadline.at - self.clock.mono);
            self.give(Input::Timeout);
        }
        self.clock = self.clock.saturating_add(end.mono - self.clock.mono);
        self.give(Input::Timeout);
    }

    fn packet(&self, tape: &mut Tape<'_>, number: u8) -> Packet {
        let expiration = self.clock.unix.as_secs().saturating_add(20);
        let at = Endpoint::new(address(number), 30303);
        match tape.choice(6) {
            0 | 1 => Packet::Ping(Ping {
                version: 4,
                from: at,
                to: Endpoint::new(address(tape.byte()), 0),
                expiration,
                enr_sequence: Some(tape.number()),
            }),
            2 => Packet::FindNode(FindNode { target: [tape.byte(); 64], expiration }),
            3 => Packet::EnrRequest(EnrRequest { expiration }),
            4 => {
                let nodes = (0..tape.choice(13)).map(|_| Neighbor::from(&contact(tape.byte())));
                Packet::Neighbors(Neighbors { nodes: nodes.collect(), expiration })
            }
            _ => Packet::Pong(Pong { to: at, ping_hash: [0; 32], expiration, enr_sequence: None }),
        }
    }

    /// A true answer to something that was asked.
    fn reply(&mut self, tape: &mut Tape<'_>) {
        let index = usize::from(tape.byte());
        let Some((to, kind, hash)) = self.asked.get(index % self.asked.len().max(1)).copied()
        else {
            return;
        };
        let Some(number) = (0..40).find(|number| address(*number) == to) else { return };
        let expiration = self.clock.unix.as_secs().saturating_add(20);
        let packet = match kind {
            Kind::Ping => Packet::Pong(Pong {
                to: Endpoint::new(address(tape.byte()), 0),
                ping_hash: hash,
                expiration,
                enr_sequence: Some(tape.number()),
            }),
            Kind::FindNode => {
                let nodes = (0..tape.choice(13)).map(|_| Neighbor::from(&contact(tape.byte())));
                Packet::Neighbors(Neighbors { nodes: nodes.collect(), expiration })
            }
            Kind::EnrRequest => {
                let record = RecordBuilder::new(tape.number()).ip(to.ip()).udp(to.port());
                let Ok(record) = record.sign(&key(number)) else { return };
                let record = record.as_rlp().to_vec();
                Packet::EnrResponse(EnrResponse { request_hash: hash, record })
            }
            Kind::Pong | Kind::Neighbors | Kind::EnrResponse => return,
        };
        let datagram = encode(&packet, &key(number)).bytes;
        self.answered.insert(to.ip());
        self.receive(to, &datagram);
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let number = tape.byte();
        let command = match tape.choice(8) {
            0 => Command::Ping(contact(number)),
            1 => Command::RequestRecord(contact(number)),
            2 => Command::Resolve(contact(number)),
            3 => Command::FindNode(contact(number), [tape.byte(); 64]),
            4 => Command::LookUp([number; 64]),
            5 => Command::RandomNodes,
            6 => Command::Cancel(RequestId(u64::from(number))),
            _ => Command::SetEntries(RecordBuilder::new(0).uint(b"x", u64::from(number))),
        };
        self.commands += 1;
        self.open.insert(self.commands);
        self.give(Input::Command(RequestId(self.commands), command));
    }

    fn stored(&mut self, tape: &mut Tape<'_>) -> Reply {
        let ago = |tape: &mut Tape<'_>, clock: Now| {
            Some(UnixTime::from_secs(clock.unix.as_secs().saturating_sub(tape.number())))
        };
        match tape.choice(4) {
            0 => Reply::Opened {
                sequence: tape.yes().then(|| tape.number()),
                bonds: (0..tape.choice(8))
                    .map(|_| StoredBond {
                        id: *contact(tape.byte()).id(),
                        ip: address(tape.byte()).ip(),
                        last_ping: ago(tape, self.clock),
                        last_pong: ago(tape, self.clock),
                        find_failures: u32::from(tape.byte()),
                    })
                    .inspect(|bond| {
                        self.answered.insert(bond.ip);
                    })
                    .collect(),
            },
            1 => Reply::Seeds((0..tape.choice(8)).map(|_| contact(tape.byte())).collect()),
            2 => Reply::Written { up_to: OperationId(tape.number()) },
            _ => {
                let record = RecordBuilder::new(tape.number()).ip(address(1).ip()).udp(30303);
                match record.sign(&key(1)) {
                    Ok(record) => Reply::Seeds(vec![Contact::from_record(Arc::new(record))]),
                    Err(_) => Reply::Seeds(Vec::new()),
                }
            }
        }
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.traffic.entry(source.ip()).or_default().0 += bytes.len();
        self.give(Input::Datagram { source, bytes });
    }

    fn give(&mut self, input: Input<'_>) {
        self.machine.handle(self.clock, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut verify_now = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send { to, datagram } => self.sent(to, &datagram),
                Output::Verify(packet) => verify_now.push(packet),
                Output::Store(id, _) => {
                    assert!(self.store, "there is no store");
                    assert!(self.operations.last().is_none_or(|last| *last < id));
                    self.operations.push(id);
                }
                Output::Answer(RequestId(id), answer) => {
                    assert!(self.open.remove(&id), "{id} was answered twice: {answer:?}");
                    self.check(&answer);
                }
                Output::Event(_) => {}
                Output::Stopped => self.stopped = true,
            }
        }
        for packet in verify_now {
            self.unverified.truncate(30);
            self.unverified.insert(0, packet.clone());
            self.give(Input::Verified(verify(packet)));
        }
    }

    fn sent(&mut self, to: SocketAddr, datagram: &[u8]) {
        assert!((98..=1280).contains(&datagram.len()));
        assert_ne!(to.port(), 0);
        let kind = Kind::from_code(datagram[97]).expect("one of the six");
        decode(kind, &datagram[98..]).expect("we understand ourselves");
        let (received, sent) = self.traffic.entry(to.ip()).or_default();
        let unproven = !self.answered.contains(&to.ip());
        match kind {
            Kind::Pong | Kind::Neighbors | Kind::EnrResponse => *sent += datagram.len(),
            Kind::Ping | Kind::FindNode | Kind::EnrRequest => {
                self.asked.push((to, kind, datagram[..32].try_into().expect("32 bytes")));
            }
        }
        if unproven {
            assert!(!matches!(kind, Kind::Neighbors | Kind::EnrResponse), "{kind} to {to}");
            assert!(*sent <= 2 * *received, "{sent} bytes for {received}");
        }
    }

    fn check(&self, answer: &Answer) {
        if let Answer::Contacts(nodes) = answer {
            let own = *self.machine.get().node_id();
            let ids: BTreeSet<NodeId> = nodes.iter().map(|node| *node.id()).collect();
            assert!(!ids.contains(&own), "we are not our own neighbour");
        }
    }

    fn end(mut self) {
        self.give(Input::Stop);
        assert!(self.stopped);
        assert!(self.open.is_empty(), "never answered: {:?}", self.open);
        self.give(Input::Timeout);
        self.clock.mono = Instant::MAX;
        self.give(Input::Timeout);
    }
}
