//! Discovery as a whole, under [watch](crate::watch): any order of datagrams,
//! commands, answers of the store and times, by and about 64 nodes that lie in
//! few networks and are not always where they were.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    Command, Config, EnrRequest, EnrResponse, FindNode, Kind, Neighbor, Neighbors, Packet,
    PacketEndpoint, Ping, Pong, RequestId, Unverified, encode,
};
use devp2p_core::identity::{Contact, LocalEndpoints, NodeId, RecordBuilder};
use devp2p_core::store::{OperationId, Reply, StoredBond};
use devp2p_core::time::{Instant, UnixTime};

use crate::keys;
use crate::packet::{now, signed};
use crate::tape::Tape;
use crate::watch::{Asked, Watch};

/// What a step of an input is, by its first byte.
pub mod step {
    /// Source as a node and a port, bytes.
    pub const DATAGRAM: u8 = 0;
    /// Sender, kind from 0 on, body: behind a good signature.
    pub const BODY: u8 = 1;
    /// Sender, kind from 0 on, what it says.
    pub const PACKET: u8 = 2;
    /// Which of our questions, the latest first: the true answer to it.
    pub const REPLY: u8 = 3;
    /// A node, a command.
    pub const COMMAND: u8 = 4;
    /// An answer of the store.
    pub const STORED: u8 = 5;
    /// Which verdict comes late, or once more.
    pub const LATE: u8 = 6;
    /// Milliseconds pass.
    pub const MILLISECONDS: u8 = 7;
    /// Seconds pass.
    pub const SECONDS: u8 = 8;
    /// Microseconds since 1970: the clock on the wall jumps.
    pub const JUMP: u8 = 9;
    /// Milliseconds: the other clock steps back.
    pub const BACK: u8 = 10;
    /// A node that we ping, and that answers.
    pub const MEET: u8 = 11;
    /// Number of requests that the application makes and gives up.
    pub const CRAWL: u8 = 12;
    /// How many there are.
    pub const COUNT: u8 = 13;
}

/// Steps of a run, at most.
const STEPS: usize = 250;

/// Runs one input: how it is configured, then one thing after the other.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new(&mut tape);
    for _ in 0..STEPS {
        if tape.is_empty() {
            break;
        }
        world.step(&mut tape);
    }
    world.watch.end();
}

struct World {
    watch: Watch,
    /// What was handed out to be verified, the latest first.
    unverified: Vec<Unverified>,
}

/// The key of one of the nodes. One of them is ours: we may hear of ourselves.
/// Most belong in one bucket, which they fill, and the line of those who wait.
fn key(number: u8) -> SecretKey {
    static NUMBERS: OnceLock<Vec<u8>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        let id = |number| NodeId::from(&keys::public(number));
        let own = id(keys::OURS);
        let (far, near): (Vec<u8>, Vec<u8>) =
            (10..=250).partition(|number| own.log_distance(&id(*number)) == 256);
        let mut numbers = near[..IN_ONE_NETWORK].to_vec();
        numbers.extend_from_slice(&far[..63 - IN_ONE_NETWORK]);
        numbers
    });
    keys::secret(numbers.get(usize::from(number % 64)).copied().unwrap_or(keys::OURS))
}

/// So many, the first ones, are in one network.
const IN_ONE_NETWORK: usize = 14;

/// Where it is at first. Some are neighbours, some have IPv6, and some are on our
/// local network.
fn home(number: u8) -> SocketAddr {
    let number = number % 64;
    let ip: IpAddr = match number {
        0..14 => Ipv4Addr::new(33, 0, 0, 1 + number).into(),
        14..54 => Ipv4Addr::new(34, number, 0, 1).into(),
        54..58 => Ipv6Addr::new(0x2a00, 0, 0, number.into(), 0, 0, 0, 1).into(),
        _ => Ipv4Addr::new(10, 0, 0, number).into(),
    };
    SocketAddr::new(ip, 30303)
}

fn contact_at(number: u8, at: SocketAddr) -> Contact {
    Contact::new(key(number).public_key(), at.ip(), at.port(), 30303)
}

/// A node and where it is: at home, behind another port, or where another is.
fn somebody(tape: &mut Tape<'_>) -> (u8, SocketAddr) {
    let number = tape.byte();
    let home = home(number);
    let at = match number >> 6 {
        0 | 1 => home,
        2 => SocketAddr::new(home.ip(), tape.word()),
        _ => self::home(tape.byte()),
    };
    (number, at)
}

fn contact(tape: &mut Tape<'_>) -> Contact {
    let (number, at) = somebody(tape);
    contact_at(number, at)
}

fn neighbors(tape: &mut Tape<'_>, expiration: u64) -> Packet {
    let count = tape.choice(13);
    let nodes = (0..count).map(|_| Neighbor::from(&contact(tape))).collect();
    Packet::Neighbors(Neighbors { nodes, expiration })
}

impl World {
    fn new(tape: &mut Tape<'_>) -> Self {
        let mut config = Config::new(keys::secret(keys::OURS));
        let flags = tape.byte();
        config.store = flags & 1 == 1;
        if flags & 2 != 0 {
            config.net_restrict = Some("33.0.0.0/8, 10.0.0.0/8".parse().expect("networks"));
        }
        let count = flags >> 5;
        config.bootnodes = (0..count).map(|number| contact_at(number * 9, home(number))).collect();
        Self { watch: Watch::new(config, now()), unverified: Vec::new() }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.choice(step::COUNT) {
            step::DATAGRAM => {
                let (_, source) = somebody(tape);
                self.receive(source, tape.bytes());
            }
            step::BODY => {
                let (number, source) = somebody(tape);
                let datagram = signed(1 + tape.choice(6), tape.bytes(), &key(number));
                self.receive(source, &datagram);
            }
            step::PACKET => {
                let (number, source) = somebody(tape);
                let packet = self.packet(tape, source);
                self.receive(source, &encode(&packet, &key(number)).bytes);
            }
            step::REPLY => self.reply(tape),
            step::COMMAND => self.command(tape),
            step::STORED => {
                let reply = self.stored(tape);
                self.watch.stored(reply);
            }
            step::LATE => {
                let index = usize::from(tape.byte());
                if let Some(packet) = self.unverified.get(index).cloned() {
                    self.watch.verified(packet);
                }
            }
            step::MILLISECONDS => {
                self.watch.wait(Duration::from_millis(u64::from(tape.word())));
            }
            step::SECONDS => self.watch.wait(tape.time()),
            step::JUMP => self.watch.clock.unix = UnixTime::from_micros(tape.number().min(1 << 62)),
            step::BACK => {
                let ago = u64::from(tape.word()) * 1000;
                let mono = self.watch.clock.mono.as_micros().saturating_sub(ago);
                self.watch.clock.mono = Instant::from_micros(mono);
            }
            step::MEET => self.meet(tape.byte()),
            _ => self.crawl(tape.choice(16)),
        }
    }

    /// Verdicts come at once; some come again, by [`step::LATE`].
    fn receive(&mut self, source: SocketAddr, bytes: &[u8]) {
        if let Some(packet) = self.watch.receive(source, bytes) {
            self.unverified.truncate(30);
            self.unverified.insert(0, packet.clone());
            self.watch.verified(packet);
        }
    }

    fn expiration(&self, tape: &mut Tape<'_>) -> u64 {
        let now = self.watch.clock.unix.as_secs();
        match tape.byte() {
            0xFF => now.saturating_sub(1),
            later => now.saturating_add(u64::from(later)),
        }
    }

    fn packet(&self, tape: &mut Tape<'_>, source: SocketAddr) -> Packet {
        let from = PacketEndpoint::new(source, 30303);
        let kind = Kind::ALL[usize::from(tape.choice(6))];
        let expiration = self.expiration(tape);
        match kind {
            Kind::Ping => Packet::Ping(Ping {
                version: 4,
                from,
                to: PacketEndpoint::new(home(tape.byte()), 0),
                expiration,
                enr_sequence: tape.yes().then(|| tape.number()),
            }),
            Kind::Pong => {
                let ping_hash = self.asked(tape).map_or([0; 32], |asked| asked.hash);
                Packet::Pong(Pong { to: from, ping_hash, expiration, enr_sequence: None })
            }
            Kind::FindNode => Packet::FindNode(FindNode { target: [tape.byte(); 64], expiration }),
            Kind::Neighbors => neighbors(tape, expiration),
            Kind::EnrRequest => Packet::EnrRequest(EnrRequest { expiration }),
            Kind::EnrResponse => {
                let request_hash = self.asked(tape).map_or([0; 32], |asked| asked.hash);
                Packet::EnrResponse(EnrResponse { request_hash, record: record(tape) })
            }
        }
    }

    /// One of our questions, the latest first.
    fn asked(&self, tape: &mut Tape<'_>) -> Option<Asked> {
        self.watch.asked.iter().nth_back(usize::from(tape.byte())).copied()
    }

    /// A true answer to something that was asked.
    fn reply(&mut self, tape: &mut Tape<'_>) {
        let Some(Asked { to, kind, hash, .. }) = self.asked(tape) else { return };
        let Some(number) = (0..64).find(|number| home(*number).ip() == to.ip()) else { return };
        let expiration = self.watch.clock.unix.as_secs().saturating_add(20);
        let packet = match kind {
            Kind::Ping => pong(hash, tape.byte(), expiration, tape.number()),
            Kind::FindNode => neighbors(tape, expiration),
            Kind::EnrRequest => {
                let sequence = tape.number();
                let at = match tape.byte() {
                    0 => to,
                    moved => home(moved),
                };
                let record = RecordBuilder::new(sequence).ip(at.ip()).udp(at.port());
                let Ok(record) = record.sign(&key(number)) else { return };
                let record = record.as_rlp().to_vec();
                Packet::EnrResponse(EnrResponse { request_hash: hash, record })
            }
            Kind::Pong | Kind::Neighbors | Kind::EnrResponse => return,
        };
        self.receive(to, &encode(&packet, &key(number)).bytes);
    }

    /// We ping a node, and it answers. If that passes the gate we are told.
    fn meet(&mut self, number: u8) {
        let before = self.watch.asked.len();
        let (id, _) = self.watch.command(Command::Ping(contact_at(number, home(number))));
        let Some([ping]) = self.watch.asked.get(before..) else { return };
        // Two pings within a second are the same packet: a pong is for the first.
        if self.watch.asked[..before].iter().any(|other| other.hash == ping.hash) {
            return;
        }
        let (to, expiration) = (ping.to, self.watch.clock.unix.as_secs().saturating_add(20));
        let datagram = encode(&pong(ping.hash, 0, expiration, 0), &key(number)).bytes;
        if let Some(packet) = self.watch.receive(to, &datagram) {
            self.watch.verified(packet);
            assert!(!self.watch.waits(id), "the pong that was waited for came");
        }
    }

    /// Requests that are made and given up at once. To take all the room there is
    /// would take too long; a test of core does.
    fn crawl(&mut self, count: u8) {
        for port in (1025..).take(count.into()) {
            let node = contact_at(11, SocketAddr::new(home(11).ip(), port));
            let (id, _) = self.watch.command(Command::Ping(node));
            let _ = self.watch.command(Command::Cancel(RequestId(id)));
        }
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let contact = contact(tape);
        let command = match tape.choice(9) {
            0 => Command::Ping(contact),
            1 => Command::RequestRecord(contact),
            2 => Command::Resolve(contact),
            3 => Command::FindNode(contact, [tape.byte(); 64]),
            4 => Command::LookUp(*contact.public_key().as_bytes()),
            5 => Command::RandomNodes,
            6 => Command::Cancel(RequestId(tape.number())),
            7 => Command::SetEntries(RecordBuilder::new(0).string(b"x", tape.bytes())),
            _ => Command::SetEndpoints(LocalEndpoints {
                fallback_ip4: Some(Ipv4Addr::new(33, 0, 0, tape.byte())),
                fallback_udp: tape.word(),
                ..LocalEndpoints::default()
            }),
        };
        let _ = self.watch.command(command);
    }

    fn stored(&mut self, tape: &mut Tape<'_>) -> Reply {
        let unix = self.watch.clock.unix.as_secs();
        let ago = |tape: &mut Tape<'_>| {
            Some(UnixTime::from_secs(unix.saturating_sub(tape.number())))
                .filter(|at| *at != UnixTime::from_secs(unix))
        };
        match tape.choice(5) {
            0 => {
                let sequence = tape.yes().then(|| tape.number());
                let bond = |tape: &mut Tape<'_>| {
                    let (number, at) = somebody(tape);
                    StoredBond {
                        id: *contact_at(number, at).id(),
                        ip: at.ip(),
                        last_ping: ago(tape),
                        last_pong: ago(tape),
                        find_failures: u32::from(tape.byte()),
                    }
                };
                let count = tape.choice(8);
                Reply::Opened { sequence, bonds: (0..count).map(|_| bond(tape)).collect() }
            }
            1 => Reply::Seeds((0..tape.choice(8)).map(|_| contact(tape)).collect()),
            2 => Reply::Written { up_to: OperationId(tape.number()) },
            3 => Reply::Failed { operation: OperationId(tape.number()) },
            _ => {
                let (number, at) = somebody(tape);
                let record = RecordBuilder::new(tape.number()).ip(at.ip()).udp(at.port());
                let record = record.sign(&key(number)).expect("room for so little");
                Reply::Seeds(vec![Contact::from_record(Arc::new(record))])
            }
        }
    }
}

fn pong(ping_hash: [u8; 32], seen: u8, expiration: u64, sequence: u64) -> Packet {
    let to = PacketEndpoint::new(home(seen), 0);
    Packet::Pong(Pong { to, ping_hash, expiration, enr_sequence: Some(sequence) })
}

/// Somebody's record, or what is none.
fn record(tape: &mut Tape<'_>) -> Vec<u8> {
    if tape.yes() {
        return tape.bytes().to_vec();
    }
    let (number, at) = somebody(tape);
    let record = RecordBuilder::new(tape.number()).ip(at.ip()).udp(at.port());
    record.sign(&key(number)).map(|record| record.as_rlp().to_vec()).unwrap_or_default()
}
