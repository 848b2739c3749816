//! A node under watch, with a clock, and somebody who speaks for its sessions.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::crypto::{PublicKey, SecretKey};
use crate::discv4::{self, Packet, RequestId, Unverified};
use crate::entropy::Seed;
use crate::identity::{Contact, Enode, HostName, NodeAddress, NodeId};
use crate::machine::{Checked, Machine as _};
use crate::node::{
    Answer, Command, Config, ConnectionId, Counts, DialFailure, Event, IncomingRefusal, Input,
    Limits, Node, Output, PeerInfo, Report, Snapshot,
};
use crate::p2p::{Capability, DisconnectReason, Hello, LocalCapabilities, LocalCapability, Shared};
use crate::session::{self, Counters, Greeting, Lost, SessionError};
use crate::time::{Instant, Now, UnixTime};

pub(super) const START: Now =
    Now { mono: Instant::from_secs(1000), unix: UnixTime::from_secs(1_700_000_000) };

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn key(number: u64) -> PublicKey {
    secret(number).public_key()
}

pub(super) fn secret(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

pub(super) fn id(number: u64) -> NodeId {
    NodeId::from(&key(number))
}

/// A public address for each number.
pub(super) fn address(number: u64) -> SocketAddr {
    let number = u32::try_from(number).unwrap();
    let ip = core::net::Ipv4Addr::from_bits(0x2100_0001 + (number << 8));
    SocketAddr::new(ip.into(), 30303)
}

pub(super) fn enode(number: u64) -> NodeAddress {
    let at = address(number);
    NodeAddress::Enode(Enode::new(key(number), at.ip(), at.port(), at.port()))
}

pub(super) fn named(number: u64) -> NodeAddress {
    let name = HostName::new("node.example").unwrap();
    NodeAddress::Enode(Enode::with_host_name(key(number), name, 30303, 0))
}

pub(super) fn contact(number: u64) -> Contact {
    enode(number).contact()
}

pub(super) fn offer() -> LocalCapabilities {
    LocalCapabilities::new([LocalCapability::new("echo", 1, 2)]).unwrap()
}

pub(super) fn shared(with_us: bool) -> Arc<Shared> {
    let theirs = [Capability::new(if with_us { "echo" } else { "other" }, 1)];
    Arc::new(offer().shared_with(&theirs))
}

pub(super) fn hello(public_key: &PublicKey) -> Hello {
    Hello {
        version: 5,
        client_name: "test".into(),
        capabilities: Vec::new(),
        listen_port: 0,
        id: *public_key.as_bytes(),
    }
}

/// A node that offers one capability, without discovery.
pub(super) fn config() -> Config {
    let mut config = Config::new(secret(0));
    config.greeting = Greeting::Offer(offer());
    config.discovery = false;
    config
}

pub(super) fn limits(max_peers: usize) -> Limits {
    Limits { max_peers, ..Limits::default() }
}

pub(super) struct Lone {
    pub(super) machine: Checked<Node>,
    pub(super) now: Now,
    /// Taken by the tests as they look.
    pub(super) accepted: Vec<Result<ConnectionId, IncomingRefusal>>,
    pub(super) connects: Vec<(ConnectionId, SocketAddr, PublicKey)>,
    pub(super) names: Vec<(ConnectionId, HostName)>,
    pub(super) commands: Vec<(ConnectionId, session::Command)>,
    pub(super) answers: Vec<(RequestId, Answer)>,
    pub(super) events: Vec<Event>,
    pub(super) sent: Vec<(SocketAddr, Bytes)>,
    unverified: VecDeque<Unverified>,
    pub(super) stopped: bool,
    requests: u64,
}

impl Lone {
    pub(super) fn new(config: Config) -> Self {
        let node = Node::new(config, &Seed::from_number(7), START).unwrap();
        let mut lone = Self {
            machine: Checked::new(node),
            now: START,
            accepted: Vec::new(),
            connects: Vec::new(),
            names: Vec::new(),
            commands: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            unverified: VecDeque::new(),
            stopped: false,
            requests: 0,
        };
        lone.drain();
        lone
    }

    pub(super) fn give(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Accept { id, .. } => self.accepted.push(Ok(id)),
                Output::Refuse(refusal) => self.accepted.push(Err(refusal)),
                Output::LookUpName { id, name } => self.names.push((id, name)),
                Output::Connect { id, to, remote, .. } => self.connects.push((id, to, remote)),
                Output::Session(id, command) => self.commands.push((id, command)),
                Output::Send { to, datagram } => self.sent.push((to, datagram)),
                Output::Verify(unverified) => self.unverified.push_back(unverified),
                Output::Store(..) => {}
                Output::Answer(id, answer) => self.answers.push((id, answer)),
                Output::Event(event) => self.events.push(event),
                Output::Stopped => self.stopped = true,
            }
        }
        self.machine.poll_timeout();
    }

    /// Time goes on, with a time-out at each deadline.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        while let Some(deadline) = self.machine.poll_timeout()
            && deadline.at <= end.mono
        {
            let step = deadline.at.saturating_since(self.now.mono);
            self.now = self.now.saturating_add(step);
            self.give(Input::Timeout);
        }
        self.now = end;
        self.give(Input::Timeout);
    }

    pub(super) fn look(&self) -> &Node {
        self.machine.get()
    }

    pub(super) fn counts(&self) -> Counts {
        self.look().counts()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.look().snapshot()
    }

    pub(super) fn peers(&self) -> Vec<NodeId> {
        self.snapshot().peers.iter().map(|peer| peer.peer.id).collect()
    }

    // What a listener says.

    pub(super) fn incoming(&mut self, from: SocketAddr) -> Result<ConnectionId, IncomingRefusal> {
        self.give(Input::Incoming(from));
        assert_eq!(self.accepted.len(), 1, "one answer to each connection");
        self.accepted.remove(0)
    }

    // What sessions say.

    pub(super) fn authenticated(&mut self, id: ConnectionId, number: u64) -> session::Command {
        self.give(Input::Session(id, Report::Authenticated(key(number))));
        self.commanded(id)
    }

    pub(super) fn ready(&mut self, id: ConnectionId, number: u64) -> session::Command {
        self.ready_with(id, number, true)
    }

    pub(super) fn ready_with(
        &mut self,
        id: ConnectionId,
        number: u64,
        with_us: bool,
    ) -> session::Command {
        let report = Report::Ready { hello: hello(&key(number)), shared: shared(with_us) };
        self.give(Input::Session(id, report));
        self.commanded(id)
    }

    pub(super) fn closed(&mut self, id: ConnectionId, error: SessionError) {
        self.give(Input::Session(id, Report::Closed { error, counters: Counters::default() }));
    }

    pub(super) fn lost(&mut self, id: ConnectionId) {
        self.closed(id, SessionError::Lost(Lost::Closed));
    }

    /// The one command that this session has been given since the last look.
    pub(super) fn commanded(&mut self, id: ConnectionId) -> session::Command {
        let mine: Vec<_> = self.commands.extract_if(.., |(to, _)| *to == id).collect();
        assert_eq!(mine.len(), 1, "{mine:?}");
        mine[0].1
    }

    /// A peer that has dialled us.
    pub(super) fn join(&mut self, number: u64) -> ConnectionId {
        let id = self.incoming(address(number)).unwrap();
        assert_eq!(self.authenticated(id, number), session::Command::Proceed);
        assert_eq!(self.ready(id, number), session::Command::Admit);
        id
    }

    /// The dial of this node that is under way, connected and admitted.
    pub(super) fn reach(&mut self, number: u64) -> ConnectionId {
        let id = self.connect(number);
        assert_eq!(self.authenticated(id, number), session::Command::Proceed);
        assert_eq!(self.ready(id, number), session::Command::Admit);
        id
    }

    /// The dial of this node that is under way comes to a TCP connection.
    pub(super) fn connect(&mut self, number: u64) -> ConnectionId {
        let id = self.dialled(number).expect("nobody dials it");
        self.give(Input::Connected(id, Ok(())));
        id
    }

    /// The dial of this node since the last look.
    pub(super) fn dialled(&mut self, number: u64) -> Option<ConnectionId> {
        let place = self.connects.iter().position(|(_, _, remote)| *remote == key(number))?;
        Some(self.connects.remove(place).0)
    }

    pub(super) fn not_connected(&mut self, id: ConnectionId, failure: DialFailure) {
        self.give(Input::Connected(id, Err(failure)));
    }

    pub(super) fn names_are(&mut self, id: ConnectionId, ips: &[IpAddr]) {
        self.give(Input::Named(id, ips));
    }

    // What other nodes' discovery says.

    /// A packet of this node.
    pub(super) fn hear(&mut self, number: u64, packet: &Packet) {
        let datagram = discv4::encode(packet, &secret(number)).bytes;
        self.give(Input::Datagram { source: address(number), bytes: &datagram });
        while let Some(unverified) = self.unverified.pop_front() {
            self.give(Input::Verified(discv4::verify(unverified)));
        }
    }

    // What the application says.

    pub(super) fn request(&mut self, command: Command) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.give(Input::Command(id, command));
        id
    }

    pub(super) fn ask(&mut self, command: Command) -> Answer {
        let id = self.request(command);
        self.answer(id).expect("no answer")
    }

    pub(super) fn answer(&mut self, id: RequestId) -> Option<Answer> {
        let place = self.answers.iter().position(|(to, _)| *to == id)?;
        Some(self.answers.remove(place).1)
    }

    /// Who came and who went since the last look: `+` and `-` with the connection.
    pub(super) fn tidings(&mut self) -> Vec<(char, NodeId, ConnectionId)> {
        let tiding = |sign, peer: &PeerInfo| (sign, peer.id, peer.connection);
        let told = self.events.iter().filter_map(|event| match event {
            Event::Connected(peer) => Some(tiding('+', peer)),
            Event::Disconnected { peer, .. } => Some(tiding('-', peer)),
            _ => None,
        });
        let told = told.collect();
        self.events.clear();
        told
    }
}

pub(super) const fn sent_away(reason: DisconnectReason) -> session::Command {
    session::Command::Disconnect(reason)
}
