//! A node under [watch](crate::node_watch), with a handful of sessions on
//! [wires](crate::wire) to strangers of few keys, and everything late: reports
//! and commands come in order for each session and in any order between them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::{
    self, FindNode, Neighbor, Neighbors, Packet, PacketEndpoint, Ping, Pong, RequestId, Unverified,
    encode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, Enode, LocalEndpoints, NodeAddress, NodeId, RecordBuilder};
use devp2p_core::limits;
use devp2p_core::node::{
    Command, Config, ConnectionId, DialFailure, IncomingRefusal, Input, Limits, Reason as _,
};
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability};
use devp2p_core::session::{Greeting, Lost};
use devp2p_core::store::{OperationId, Reply};
use devp2p_core::time::{Instant, Now};

use crate::keys::{self, OURS, Offer};
use crate::node_watch::{Drained, NodeWatch, name_of};
use crate::packet::now;
use crate::tape::Tape;
use crate::wire::{Manner, Said, Wire};

/// What a step of an input is, by its first byte.
pub mod step {
    /// A stranger dials us: who, from where, how he behaves.
    pub const COME: u8 = 0;
    /// Everything that is under way arrives, until nothing moves.
    pub const SETTLE: u8 = 1;
    /// Which connection: its bytes go both ways, once.
    pub const CARRY: u8 = 2;
    /// Which connection: the node hears what it has to say next.
    pub const REPORT: u8 = 3;
    /// Which connection: its session hears the node's next command.
    pub const OBEY: u8 = 4;
    /// Which dial comes to a connection, and how he behaves who is there.
    pub const CONNECT: u8 = 5;
    /// Which dial comes to none, and why; or to somebody else.
    pub const FAIL: u8 = 6;
    /// Which name has how many addresses, from which on.
    pub const NAME: u8 = 7;
    /// The application asks for something.
    pub const COMMAND: u8 = 8;
    /// The application takes no events (odd), or does.
    pub const HOLD: u8 = 9;
    /// Milliseconds pass; do sessions look at the clock?
    pub const MILLISECONDS: u8 = 10;
    /// Seconds pass; the same.
    pub const SECONDS: u8 = 11;
    /// Milliseconds: the clock goes back for the next step.
    pub const BACK: u8 = 12;
    /// Which session's task dies.
    pub const KILL: u8 = 13;
    /// Which connection ends, and how.
    pub const LOSE: u8 = 14;
    /// A stranger comes, and everything arrives.
    pub const JOIN: u8 = 15;
    /// A datagram: who, from where, what.
    pub const DATAGRAM: u8 = 16;
    /// How many verdicts on datagrams arrive.
    pub const VERDICTS: u8 = 17;
    /// The store says something.
    pub const STORED: u8 = 18;
    /// Only if the next byte is 7: the node is to stop.
    pub const STOP: u8 = 19;
    /// How many there are.
    pub const COUNT: u8 = 20;
}

/// Steps of a run, at most.
const STEPS: usize = 200;
/// How often a node is woken in a run, at most.
const WAKES: usize = 300;
/// Strangers' keys: from ours on.
const KEYS: u8 = 7;

/// Runs one input: how the node is configured, then one thing after the other.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new(&mut tape);
    for _ in 0..STEPS {
        if tape.is_empty() {
            break;
        }
        world.step(&mut tape);
    }
    world.end(&mut tape);
}

struct World {
    watch: NodeWatch,
    wires: BTreeMap<ConnectionId, Wire>,
    /// Dials that nobody has answered, and look-ups.
    dials: Vec<(ConnectionId, PublicKey, Seed)>,
    names: Vec<ConnectionId>,
    unverified: VecDeque<Unverified>,
    /// Our pings and questions, the latest last: where to, and the hash.
    asked: Vec<(SocketAddr, u8, [u8; 32])>,
    operations: Vec<OperationId>,
    wakes: usize,
}

/// Where somebody is: eight networks, the local one, IPv6, and IPv4 within.
fn place(number: u8) -> SocketAddr {
    let home = Ipv4Addr::new(33, 0, number % 8, 1 + number % 8);
    let ip: IpAddr = match number % 16 {
        0..8 => home.into(),
        8..12 => Ipv4Addr::new(10, 0, 0, number % 16).into(),
        12 => home.to_ipv6_mapped().into(),
        13 => Ipv6Addr::new(0x2a00, 0, 0, 1, 0, 0, 0, 1).into(),
        _ => Ipv4Addr::new(34, 0, 0, 1 + number % 2).into(),
    };
    SocketAddr::new(ip, 30303)
}

const fn who(number: u8) -> u8 {
    OURS + number % KEYS
}

fn public(tape: &mut Tape<'_>) -> PublicKey {
    keys::public(who(tape.byte()))
}

fn id(tape: &mut Tape<'_>) -> NodeId {
    NodeId::from(&public(tape))
}

/// A node, and how much is known of where it is.
fn address(tape: &mut Tape<'_>) -> NodeAddress {
    let number = who(tape.byte());
    let key = keys::public(number);
    let at = place(number);
    NodeAddress::Enode(match tape.byte() % 8 {
        4 => Enode::with_host_name(key, name_of(number), 30303, 30303),
        5 => Enode::incomplete(key),
        6 => Enode::new(key, at.ip(), 0, 30303),
        7 => Enode::new(key, place(tape.byte()).ip(), 30303, 30303),
        _ => Enode::new(key, at.ip(), 30303, 30303),
    })
}

fn limits(tape: &mut Tape<'_>) -> Limits {
    let mut limits = Limits::default();
    limits.max_peers = usize::from(tape.choice(6));
    limits.max_pending_peers = usize::from(tape.choice(5));
    limits.dial_ratio = usize::from(tape.choice(4));
    limits
}

fn config(tape: &mut Tape<'_>) -> Config {
    let mut config = Config::new(keys::secret(OURS));
    let flags = tape.byte();
    config.discovery = flags & 1 == 1;
    config.store = flags & 2 != 0;
    config.no_dial = flags & 0x1C == 4;
    if flags & 0x1C == 8 {
        config.net_restrict = Some("33.0.0.0/8, 10.0.0.0/8".parse().expect("networks"));
    }
    if flags & 0x20 != 0 {
        config.candidates = vec!["a".into(), "b".into()];
    }
    config.greeting = if flags & 0xC0 == 0xC0 {
        Greeting::Mirror
    } else {
        let list = keys::capabilities(Offer::Ours).iter();
        let list = list.map(|(n, v, l)| LocalCapability::new(*n, *v, *l));
        Greeting::Offer(LocalCapabilities::new(list).expect("a good offer"))
    };
    config.listen_port = 30303;
    config.limits = limits(tape);
    let known = tape.byte();
    config.static_nodes = (0..known % 4).map(|_| address(tape)).collect();
    config.trusted_nodes = (0..known / 4 % 3).map(|_| id(tape)).collect();
    let bootnodes = known / 16 % 4;
    let bootnodes = (0..bootnodes).map(|_| address(tape).contact());
    config.bootstrap_nodes = bootnodes.filter(|node| node.check_complete().is_ok()).collect();
    config
}

impl World {
    fn new(tape: &mut Tape<'_>) -> Self {
        let (watch, drained) = NodeWatch::new(config(tape), now());
        let mut world = Self {
            watch,
            wires: BTreeMap::new(),
            dials: Vec::new(),
            names: Vec::new(),
            unverified: VecDeque::new(),
            asked: Vec::new(),
            operations: Vec::new(),
            wakes: WAKES,
        };
        world.act(drained);
        world
    }

    fn now(&self) -> Now {
        self.watch.clock
    }

    /// What an adapter does with what a node says; but commands are late.
    fn act(&mut self, drained: Drained) {
        for dial in drained.connects {
            self.dials.push((dial.id, dial.remote, dial.seed));
            self.wires.insert(dial.id, Wire::attempt());
        }
        self.names.extend(drained.names.into_iter().map(|(id, _)| id));
        for (id, command) in drained.commands {
            let wire = self.wires.get_mut(&id).expect("a command to nobody");
            wire.commands.push_back(command);
        }
        for (to, datagram) in drained.datagrams {
            if let (Some(hash), Some(kind)) = (datagram.first_chunk(), datagram.get(97)) {
                self.asked.push((to, *kind, *hash));
            }
        }
        self.unverified.extend(drained.unverified);
        self.operations.extend(drained.operations);
    }

    /// One of the wires, the latest first.
    fn wire(&mut self, tape: &mut Tape<'_>) -> Option<(ConnectionId, &mut Wire)> {
        let count = self.wires.len().min(16);
        let index = usize::from(tape.byte()).checked_rem(count)?;
        self.wires.iter_mut().nth_back(index).map(|(id, wire)| (*id, wire))
    }

    fn dial(&mut self, tape: &mut Tape<'_>) -> Option<(ConnectionId, PublicKey, Seed)> {
        let index = usize::from(tape.byte()).checked_rem(self.dials.len())?;
        Some(self.dials.remove(index))
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let now = self.now();
        match tape.choice(step::COUNT) {
            step::COME => self.come(tape),
            step::SETTLE => self.settle(),
            step::CARRY => {
                if let Some((_, wire)) = self.wire(tape) {
                    wire.carry(now);
                }
            }
            step::REPORT => {
                if let Some((id, _)) = self.wire(tape) {
                    self.report(id);
                }
            }
            step::OBEY => {
                if let Some((_, wire)) = self.wire(tape) {
                    wire.obey(now);
                }
            }
            step::CONNECT => {
                if let Some((id, remote, seed)) = self.dial(tape) {
                    let manner = Manner::new(tape.byte());
                    self.connect(id, remote, &seed, None, manner);
                }
            }
            step::FAIL => {
                if let Some((id, remote, seed)) = self.dial(tape) {
                    let index = usize::from(tape.byte());
                    match DialFailure::ALL.get(index) {
                        Some(why) => {
                            let drained = self.watch.connected(id, Err(*why));
                            self.act(drained);
                        }
                        None => {
                            let other = who(tape.byte());
                            self.connect(id, remote, &seed, Some(other), Manner::Proper);
                        }
                    }
                }
            }
            step::NAME => {
                let Some(index) = usize::from(tape.byte()).checked_rem(self.names.len()) else {
                    return;
                };
                let id = self.names.remove(index);
                let (count, first) = (tape.choice(6), tape.byte());
                let ips = (0..count).map(|more| place(first.wrapping_add(more)).ip());
                let drained = self.watch.named(id, &ips.collect::<Vec<_>>());
                self.act(drained);
            }
            step::COMMAND => self.command(tape),
            step::HOLD => {
                let drained = self.watch.hold(tape.yes());
                self.act(drained);
            }
            step::MILLISECONDS => {
                let time = Duration::from_millis(tape.word().into());
                self.pass(time, tape.yes());
            }
            step::SECONDS => {
                let time = tape.time();
                self.pass(time, tape.yes());
            }
            step::BACK => {
                let ago = u64::from(tape.word()) * 1000;
                let before = self.now().mono;
                let back = before.as_micros().saturating_sub(ago);
                self.watch.clock.mono = Instant::from_micros(back);
                if !tape.is_empty() {
                    self.step(tape);
                }
                self.watch.clock.mono = self.now().mono.max(before);
            }
            step::KILL => {
                if let Some((_, wire)) = self.wire(tape) {
                    wire.kill();
                }
            }
            step::LOSE => {
                let Some((_, wire)) = self.wire(tape) else { return };
                match tape.choice(6) {
                    0 => wire.lose(now, Lost::Closed),
                    1 => wire.lose(now, Lost::Reset),
                    2 => wire.hang_up(now, None),
                    3 => wire.hang_up(now, Some(DisconnectReason::Quitting)),
                    4 => wire.noise(now, &[0x5A; 400]),
                    _ => wire.timeout(now),
                }
            }
            step::JOIN => {
                self.come(tape);
                self.settle();
            }
            step::DATAGRAM => self.datagram(tape),
            step::VERDICTS => {
                for _ in 0..=tape.choice(8) {
                    self.verdict();
                }
            }
            step::STORED => self.stored(tape),
            _ => {
                if tape.byte() == 7 {
                    let drained = self.watch.stop();
                    self.act(drained);
                }
            }
        }
    }

    fn come(&mut self, tape: &mut Tape<'_>) {
        let (number, from) = (who(tape.byte()), place(tape.byte()));
        let how = tape.byte();
        let manner = Manner::new(how);
        // Whoever listens asks first, by the clock or without a look at it.
        let asks = how & 0x80 == 0;
        let held = self.watch.held();
        if asks {
            let drained = self.watch.wake();
            self.act(drained);
        }
        let wanted = self.watch.look().wants_incoming();
        let mut drained = self.watch.incoming(from);
        let accepted = drained.accepted.pop();
        if asks && let Some(accepted) = &accepted {
            assert!(!wanted || !held, "it wants connections while it is held");
            let fits = match accepted {
                Ok(_) | Err(IncomingRefusal::Throttled) => wanted || held,
                Err(IncomingRefusal::NetRestrict) => true,
                Err(_) => !wanted,
            };
            assert!(fits, "{accepted:?} where it was wanted: {wanted}");
        }
        if let Some(Ok((id, seed))) = accepted {
            let local = Arc::clone(self.watch.look().local());
            let wire = Wire::accepted(&local, seed, number, manner, self.now());
            self.wires.insert(id, wire);
        }
        self.act(drained);
    }

    fn connect(
        &mut self,
        id: ConnectionId,
        remote: PublicKey,
        seed: &Seed,
        other: Option<u8>,
        manner: Manner,
    ) {
        let number = (OURS..OURS + KEYS).find(|number| keys::public(*number) == remote);
        let number = other.or(number).expect("nobody else is dialled");
        let (local, now) = (Arc::clone(self.watch.look().local()), self.now());
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.connect(&local, remote, seed, number, manner, now);
        }
    }

    fn report(&mut self, id: ConnectionId) -> bool {
        let said = self.wires.get_mut(&id).and_then(|wire| wire.reports.pop_front());
        let drained = match said {
            Some(Said::Connected(result)) => self.watch.connected(id, result),
            Some(Said::Report(report)) => self.watch.report(id, report),
            None => return false,
        };
        self.act(drained);
        true
    }

    /// Everything that is under way arrives; dials stay as they are.
    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            let ids: Vec<_> = self.wires.keys().copied().collect();
            for id in ids {
                let now = self.now();
                if let Some(wire) = self.wires.get_mut(&id) {
                    moved |= wire.carry(now) | wire.obey(now);
                }
                moved |= self.report(id);
            }
        }
    }

    /// To the node's next deadlines, as a driver does; when it has been woken often,
    /// straight to the last.
    fn pass(&mut self, time: Duration, sessions: bool) {
        let end = self.now().saturating_add(time);
        while self.wakes > 0
            && let Some(at) = self.watch.deadline()
            && at <= end.mono
        {
            self.wakes -= 1;
            let step = at.saturating_since(self.now().mono);
            self.watch.clock = self.now().saturating_add(step);
            let drained = self.watch.wake();
            self.act(drained);
        }
        self.watch.clock = end;
        // Only sometimes: whatever comes next finds much to be done first.
        if sessions {
            let drained = self.watch.wake();
            self.act(drained);
            let now = self.now();
            self.wires.values_mut().for_each(|wire| wire.timeout(now));
        }
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let command = match tape.choice(12) {
            0 | 1 => Command::Dial(address(tape)),
            2 => Command::AddPeer(address(tape)),
            3 => Command::RemovePeer(id(tape)),
            4 => Command::AddTrusted(id(tape)),
            5 => Command::RemoveTrusted(id(tape)),
            6 => Command::SetLimits(limits(tape)),
            7 => Command::SetEntry {
                key: [&b"x"[..], b"eth", b"tcp", b"id", b""][usize::from(tape.choice(5))].into(),
                value: tape.yes().then(|| tape.bytes().to_vec()),
            },
            8 => {
                let source = usize::from(tape.choice(3));
                let count = tape.choice(5);
                Command::Candidates(source, (0..count).map(|_| address(tape).contact()).collect())
            }
            9 => Command::Cancel(RequestId(self.earlier(tape))),
            _ => Command::Discovery(self.asks(tape)),
        };
        let (_, drained) = self.watch.command(command);
        self.act(drained);
    }

    /// A request, the latest first.
    fn earlier(&self, tape: &mut Tape<'_>) -> u64 {
        self.watch.requests().saturating_sub(1 + u64::from(tape.byte()))
    }

    fn asks(&self, tape: &mut Tape<'_>) -> discv4::Command {
        use discv4::Command;
        let contact = |tape: &mut Tape<'_>| address(tape).contact();
        match tape.choice(9) {
            0 => Command::Ping(contact(tape)),
            1 => Command::RequestRecord(contact(tape)),
            2 => Command::Resolve(contact(tape)),
            3 => Command::FindNode(contact(tape), [tape.byte(); 64]),
            4 => Command::LookUp([tape.byte(); 64]),
            5 => Command::RandomNodes,
            6 => Command::Cancel(RequestId(self.earlier(tape))),
            7 => Command::SetEntries(RecordBuilder::new(0).string(b"y", tape.bytes())),
            _ => Command::SetEndpoints(LocalEndpoints {
                fallback_ip4: Some(Ipv4Addr::new(33, 0, 0, tape.byte())),
                fallback_udp: tape.word(),
                ..LocalEndpoints::default()
            }),
        }
    }

    fn datagram(&mut self, tape: &mut Tape<'_>) {
        let number = who(tape.byte());
        let at = place(number);
        let from = PacketEndpoint::new(at, 30303);
        let expiration = self.now().unix.as_secs().saturating_add(20);
        let asked = |kind: u8, back: u8| {
            let mut asked = self.asked.iter().rev().filter(|(_, of, _)| *of == kind);
            asked.nth(usize::from(back)).copied()
        };
        let (packet, source) = match tape.choice(5) {
            0 => {
                let to = PacketEndpoint::new(place(0), 0);
                let ping = Ping { version: 4, from, to, expiration, enr_sequence: Some(1) };
                (Packet::Ping(ping), at)
            }
            1 => {
                let Some((to, _, ping_hash)) = asked(1, tape.byte()) else { return };
                let to_us = PacketEndpoint::new(place(0), 0);
                (Packet::Pong(Pong { to: to_us, ping_hash, expiration, enr_sequence: None }), to)
            }
            2 => {
                let Some((to, ..)) = asked(3, tape.byte()) else { return };
                let node = |number: u8| {
                    let at = place(who(number));
                    Contact::new(keys::public(who(number)), at.ip(), at.port(), 30303)
                };
                let nodes = (0..tape.choice(5)).map(|_| Neighbor::from(&node(tape.byte())));
                (Packet::Neighbors(Neighbors { nodes: nodes.collect(), expiration }), to)
            }
            3 => (Packet::FindNode(FindNode { target: [tape.byte(); 64], expiration }), at),
            _ => {
                let drained =
                    self.watch.discovery(Input::Datagram { source: at, bytes: tape.bytes() });
                return self.act(drained);
            }
        };
        // Whoever is there answers as himself.
        let number = (OURS..OURS + KEYS).find(|number| place(*number).ip() == source.ip());
        let key = keys::secret(number.unwrap_or(OURS + 1));
        let datagram = encode(&packet, &key).bytes;
        let drained = self.watch.discovery(Input::Datagram { source, bytes: &datagram });
        self.act(drained);
        if tape.yes() {
            self.verdict();
        }
    }

    fn verdict(&mut self) {
        if let Some(unverified) = self.unverified.pop_front() {
            let drained = self.watch.discovery(Input::Verified(verify(unverified)));
            self.act(drained);
        }
    }

    fn stored(&mut self, tape: &mut Tape<'_>) {
        let last = self.operations.last().copied();
        let reply = match (tape.choice(4), last) {
            (0, _) => Reply::Opened { sequence: Some(tape.byte().into()), bonds: Vec::new() },
            (1, _) => Reply::Seeds((0..tape.choice(6)).map(|_| address(tape).contact()).collect()),
            (2, Some(up_to)) => Reply::Written { up_to },
            (_, Some(operation)) => Reply::Failed { operation },
            (_, None) => return,
        };
        let drained = self.watch.discovery(Input::Store(reply));
        self.act(drained);
    }

    /// Either it is told to stop, or everybody leaves and nobody ever answers: then
    /// all requests are answered in time all the same, and it stops.
    fn end(mut self, tape: &mut Tape<'_>) {
        let (quiet, kills) = (tape.yes(), tape.yes());
        if quiet {
            self.desert();
            assert_eq!(self.watch.waiting(), 0, "requests wait for ever");
            assert_eq!(self.watch.peers().count(), 0, "peers who are not there");
        }
        let drained = self.watch.stop();
        self.act(drained);
        if kills {
            self.desert();
        }
        self.pass(limits::STOP_TIMEOUT, true);
        assert!(self.watch.stopped, "it does not stop");
        // Late inputs of every kind; Checked panics if one of them has an effect.
        self.settle();
        let ids: Vec<_> = self.dials.drain(..).map(|(id, ..)| id).collect();
        for id in ids {
            let _ = self.watch.connected(id, Ok(()));
        }
        let _ = self.watch.incoming(place(1));
        let _ = self.watch.hold(false);
        let _ = self.watch.wake();
        assert_eq!(self.watch.deadline(), None);
        assert!(self.watch.is_at_peace(), "requests are not answered");
    }

    /// All sessions die, nothing more is answered, and time passes.
    fn desert(&mut self) {
        let drained = self.watch.hold(true);
        self.act(drained);
        self.wires.values_mut().for_each(Wire::kill);
        self.settle();
        self.wakes = WAKES;
        let lookup = limits::NAME_LOOK_UP_TIMEOUT;
        let most = u32::try_from(limits::NAME_ADDRESSES).unwrap_or(u32::MAX) + 1;
        self.pass(lookup + limits::DIAL_TIMEOUT * most, true);
    }
}
