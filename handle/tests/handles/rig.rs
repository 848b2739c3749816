//! What the tests hold: the two ends, and a machine between them where one is
//! needed.

use core::future::Future;
use core::net::SocketAddr;
use std::sync::Arc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::driver::node::{Event as Wanted, Node as Driver};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, Enode, Record, RecordBuilder};
use devp2p_core::node::{Config, ConnectionId, Report};
use devp2p_core::p2p::{Capability, Hello, LocalCapabilities, LocalCapability, Message, Shared};
use devp2p_core::session::{Greeting, Local};
use devp2p_core::time::Now;
use devp2p_handle::adapter::{self, ConnectionEnd, NodeEnd, NodeRequest};
use devp2p_handle::{DialError, Event, Node, NodeSnapshot, Peer};
use futures_lite::future::{block_on, poll_once};

use crate::runtime::ByHand;

pub(crate) fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

pub(crate) fn address(number: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 30_000 + u16::try_from(number).unwrap()))
}

pub(crate) fn enode(number: u64) -> Enode {
    let at = address(number);
    Enode::new(key(number).public_key(), at.ip(), at.port(), 0)
}

pub(crate) fn record(sequence: u64) -> Arc<Record> {
    let ip = [127, 0, 0, 1].into();
    Arc::new(RecordBuilder::new(sequence).ip(ip).udp(30303).sign(&key(1)).unwrap())
}

pub(crate) fn contact() -> Contact {
    Contact::from_record(record(1))
}

fn offer(messages: u64) -> LocalCapabilities {
    LocalCapabilities::new([LocalCapability::new("echo", 1, messages)]).unwrap()
}

pub(crate) fn shared() -> Arc<Shared> {
    Arc::new(offer(2).shared_with(&[Capability::new("echo", 1)]))
}

pub(crate) fn message(code: u64) -> Message {
    let shared = offer(u64::MAX).shared_with(&[Capability::new("echo", 1)]);
    shared.message(0, code, b"payload".as_slice().into()).unwrap()
}

fn hello(number: u64) -> Hello {
    Hello {
        version: 5,
        client_name: "other".into(),
        capabilities: vec![Capability::new("echo", 1)],
        listen_port: 0,
        id: *key(number).public_key().as_bytes(),
    }
}

/// Both ends, and nobody between them.
pub(crate) fn ends() -> (Node, NodeEnd) {
    let local = Local::new(key(0), "handle", Greeting::Offer(LocalCapabilities::default()));
    let udp = "127.0.0.1:30303".parse().unwrap();
    let runtime = adapter::runtime(ByHand::new());
    adapter::node(Arc::new(local.unwrap()), record(1), None, Some(udp), runtime)
}

/// The next request, which must be there.
pub(crate) fn next(end: &mut NodeEnd) -> NodeRequest {
    block_on(poll_once(end.next())).expect("there is no request")
}

/// Polls it once, which must not end it.
pub(crate) fn begin<T>(future: &mut (impl Future<Output = T> + Unpin)) {
    assert!(block_on(poll_once(future)).is_none());
}

/// Polls it once, which must end it.
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
    block_on(poll_once(core::pin::pin!(future))).expect("it is not done")
}

/// A node whose machine is the real one: an adapter without loops, whose
/// connections' tasks are the tests.
pub(crate) struct Rig {
    pub(crate) node: Node,
    pub(crate) end: NodeEnd,
    pub(crate) runtime: ByHand,
    driver: Driver,
    accepted: Option<ConnectionId>,
    /// Connections to make.
    pub(crate) dials: Vec<ConnectionEnd>,
}

impl Rig {
    /// Without discovery, and with room for so many peers, inbound and outbound.
    pub(crate) fn new(peers: usize) -> Self {
        let mut config = Config::new(key(0));
        config.discovery = false;
        config.no_dial = true;
        config.greeting = Greeting::Offer(offer(2));
        config.limits.max_peers = peers;
        let driver = Driver::over(config, None, None, &Seed::from_number(7), Now::ZERO).unwrap();
        let machine = driver.machine();
        let (local, record) = (Arc::clone(machine.local()), Arc::clone(machine.local_record()));
        let runtime = ByHand::new();
        let given = adapter::runtime(runtime.clone());
        let (node, end) = adapter::node(local, record, None, None, given);
        let mut rig = Self { node, end, runtime, driver, accepted: None, dials: Vec::new() };
        rig.execute();
        rig
    }

    /// Everything that has been said to the node.
    pub(crate) fn turn(&mut self) {
        while let Some(request) = self.end.try_next() {
            self.requested(request);
        }
    }

    pub(crate) fn requested(&mut self, request: NodeRequest) {
        let now = Now::ZERO;
        match request {
            NodeRequest::Command(id, command) => self.driver.command(now, id, command),
            NodeRequest::Connected(id, result) => self.driver.connected(now, id, result),
            NodeRequest::Session(id, Report::Closed { error, counters }) => {
                self.driver.report(now, id, Report::Closed { error, counters });
                self.end.set_ends(self.driver.machine().counts().ends);
                self.execute();
                self.end.count(&counters);
                self.end.forget(id, error);
            }
            NodeRequest::Session(id, report) => self.driver.report(now, id, report),
            NodeRequest::Hold(held) => self.driver.hold(now, held),
            NodeRequest::Snapshot(answer) => {
                let snapshot = self.end.snapshot(self.driver.machine().snapshot(), None);
                answer.try_send(snapshot).unwrap();
            }
            NodeRequest::Explain(id, answer) => {
                answer.try_send(self.driver.machine().explain(&id)).unwrap();
            }
            NodeRequest::Stop(_) | NodeRequest::Abandoned => {
                self.end.close();
                self.driver.stop(now);
            }
        }
        self.execute();
    }

    fn execute(&mut self) {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Wanted::Accept { id, .. } => self.accepted = Some(id),
                Wanted::Connect { id, .. } => self.dials.push(self.end.begin(id, false)),
                Wanted::Session(id, command) => self.end.command(id, command),
                Wanted::Answer(id, answer) => self.end.answer(id, answer),
                Wanted::Happened(event) => self.end.tell(event),
                other => panic!("{other:?}"),
            }
        }
    }

    /// As if `limits::STOP_TIMEOUT` had gone by.
    pub(crate) fn time_out(&mut self) {
        let late = Now::ZERO.saturating_add(devp2p_core::limits::STOP_TIMEOUT);
        self.driver.timeout(late);
        self.execute();
    }

    pub(crate) fn wants_incoming(&self) -> bool {
        self.driver.wants_incoming()
    }

    /// Somebody has connected to us.
    pub(crate) fn accept(&mut self, number: u64) -> ConnectionEnd {
        self.driver.incoming(Now::ZERO, address(number));
        self.execute();
        self.end.begin(self.accepted.take().expect("it is refused"), true)
    }

    /// Both handshakes are through; the node has to admit it.
    pub(crate) fn shake_hands(&mut self, end: &mut ConnectionEnd, number: u64) {
        self.shake_hands_over(end, number, shared());
    }

    pub(crate) fn shake_hands_over(
        &mut self,
        end: &mut ConnectionEnd,
        number: u64,
        shared: Arc<Shared>,
    ) {
        end.report(Report::Authenticated(key(number).public_key()));
        self.turn();
        assert_eq!(end.next_command(), Some(devp2p_core::session::Command::Proceed));
        end.report(Report::Ready { hello: hello(number), shared });
    }

    /// A peer that has dialled us. Its task has not been told of it yet.
    pub(crate) fn join(&mut self, number: u64) -> (ConnectionEnd, Peer) {
        let mut end = self.accept(number);
        self.shake_hands(&mut end, number);
        self.turn();
        let Some(Event::Connected(peer)) = done(self.node.next_event()) else { panic!() };
        (end, peer)
    }

    /// A node that we have dialled.
    pub(crate) fn reach(&mut self, number: u64) -> (ConnectionEnd, Peer) {
        let node = self.node.clone();
        let mut dial = Box::pin(node.dial(enode(number)));
        begin(&mut dial);
        self.turn();
        let mut end = self.dials.pop().expect("nobody dials");
        end.connected();
        self.shake_hands(&mut end, number);
        self.turn();
        (end, done(dial).unwrap())
    }

    pub(crate) fn dial(
        &self,
        number: u64,
    ) -> impl Future<Output = Result<Peer, DialError>> + use<> {
        let node = self.node.clone();
        async move { node.dial(enode(number)).await }
    }

    pub(crate) fn event(&self) -> Event {
        done(self.node.next_event()).expect("the node has stopped")
    }

    pub(crate) fn snapshot(&mut self) -> NodeSnapshot {
        let node = self.node.clone();
        let mut snapshot = Box::pin(node.snapshot());
        begin(&mut snapshot);
        self.turn();
        done(snapshot).unwrap()
    }
}

/// An admitted connection whose task knows of it, and the node that admitted it.
pub(crate) fn admitted() -> (Rig, ConnectionEnd, Peer) {
    let mut rig = Rig::new(4);
    let (mut end, peer) = rig.join(1);
    assert_eq!(end.next_command(), Some(devp2p_core::session::Command::Admit));
    (rig, end, peer)
}
