//! Two nodes over real sockets, and no runtime: the loops are the test's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::time::Duration;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Instant;

use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::node;
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability};
use devp2p_core::session::{Greeting, Lost, SessionError};
use devp2p_handle::adapter::Task;
use devp2p_handle::{DialError, Event, Node, Peer};
use devp2p_host::{Config, Connection, Serving, Sockets, Step, Tasks, Turn};
use futures_lite::future::{block_on, poll_once};

/// The application is the test, which asks for none.
struct Nobody;

impl Tasks for Nobody {
    fn spawn(&self, _: Task) {}

    fn sleep_until(&self, _: Instant) -> Task {
        Box::pin(core::future::pending())
    }
}

/// A node, and its tasks.
struct Host {
    node: Node,
    serving: Serving,
    listener: TcpListener,
    tasks: Vec<(Connection, TcpStream)>,
    closed: bool,
}

impl Host {
    fn new(number: u64, peers: usize) -> Self {
        let seed = Seed::from_number(number);
        let mut config =
            node::Config::new(SecretKey::generate(&mut seed.derive("key", 0).secrets()));
        let offer = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)]).unwrap();
        config.greeting = Greeting::Offer(offer);
        config.discovery = false;
        config.limits.max_peers = peers;
        config.no_dial = true;
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (node, serving, Sockets { tcp, .. }) =
            Serving::start(Config::new(config, seed).listen(address), Nobody).unwrap();
        Self { node, serving, listener: tcp.unwrap(), tasks: Vec::new(), closed: false }
    }

    /// A turn of the node's loop.
    fn turn(&mut self) {
        let step = self.serving.turn(None::<&UdpSocket>);
        self.closed |= step == Step::Stop;
        while let Some(dial) = self.serving.next_dial() {
            match TcpStream::connect(dial.to()) {
                Ok(stream) => self.run(dial.connected(), stream),
                Err(error) => dial.failed(&error),
            }
        }
        while self.serving.wants_incoming()
            && let Ok((stream, from)) = self.listener.accept()
        {
            if let Some(connection) = self.serving.incoming(from) {
                self.run(connection, stream);
            }
        }
    }

    fn run(&mut self, connection: Connection, stream: TcpStream) {
        stream.set_nonblocking(true).unwrap();
        self.tasks.push((connection, stream));
    }

    /// A turn of each connection's loop.
    fn connections(&mut self) {
        for (mut connection, stream) in core::mem::take(&mut self.tasks) {
            let due = connection.deadline().and_then(|deadline| connection.wall(deadline));
            if due.is_some_and(|due| due <= Instant::now()) {
                connection.timeout();
            }
            match connection.turns(&stream) {
                Turn::Close(error) => {
                    drop(stream);
                    connection.close(error);
                }
                Turn::Yield | Turn::Wait => self.tasks.push((connection, stream)),
            }
        }
    }

    fn event(&self) -> Option<Event> {
        block_on(poll_once(self.node.next_event())).map(|event| event.expect("it has stopped"))
    }
}

/// Turns of everything until there is something.
fn until<T>(hosts: &mut [Host; 2], mut something: impl FnMut(&mut [Host; 2]) -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        for host in &mut *hosts {
            host.turn();
            host.connections();
        }
        if let Some(it) = something(hosts) {
            return it;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "still waiting");
        thread::sleep(Duration::from_millis(1));
    }
}

type Dialling = Pin<Box<dyn Future<Output = Result<Peer, DialError>>>>;

fn dial(hosts: &[Host; 2]) -> Dialling {
    let (from, to) = (hosts[0].node.clone(), hosts[1].node.enode());
    let mut dial: Dialling = Box::pin(async move { from.dial(to).await });
    assert!(block_on(poll_once(&mut dial)).is_none());
    dial
}

fn visitor(host: &Host) -> Option<Peer> {
    match host.event()? {
        Event::Connected(peer) => Some(peer),
        Event::Disconnected { .. } | Event::Failed(_) => None,
        other => panic!("{other:?}"),
    }
}

/// Both ends of a connection: the dialler's and the other's.
fn connect(hosts: &mut [Host; 2]) -> (Peer, Peer) {
    let mut dial = dial(hosts);
    let (mut ours, mut theirs) = (None, None);
    until(hosts, |hosts| {
        ours = ours.take().or_else(|| block_on(poll_once(&mut dial)));
        theirs = theirs.take().or_else(|| visitor(&hosts[1]));
        (ours.is_some() && theirs.is_some()).then_some(())
    });
    (ours.unwrap().unwrap(), theirs.unwrap())
}

fn pair() -> [Host; 2] {
    [Host::new(1, 1), Host::new(2, 1)]
}

/// The application has its peer as soon as the node has admitted it; the task of
/// the connection, here at a stand-still, does not know of that yet.
#[test]
fn what_an_application_says_right_after_the_admission_reaches_the_other() {
    let mut hosts = pair();
    let mut dial = dial(&hosts);
    let mut theirs = None;
    let dialled = until(&mut hosts, |hosts| {
        theirs = theirs.take().or_else(|| visitor(&hosts[1]));
        // The node's turn alone, so that no task comes between.
        hosts[0].turn();
        block_on(poll_once(&mut dial))
    });
    let peer = dialled.unwrap();
    let channel = peer.channel("echo").unwrap();
    for number in 0..10_u8 {
        channel.try_send(1, vec![number; 1000]).unwrap();
    }
    peer.disconnect(DisconnectReason::Requested);
    drop((channel, peer));
    let theirs = until(&mut hosts, |hosts| theirs.take().or_else(|| visitor(&hosts[1])));
    let ended = until(&mut hosts, |_| theirs.end());
    let channel = theirs.channel("echo").unwrap();
    for number in 0..10_u8 {
        let message = channel.try_receive().expect("a message is lost");
        assert_eq!(message.payload().as_ref(), [number; 1000]);
    }
    assert!(channel.try_receive().is_none());
    assert_eq!(ended, SessionError::Remote(DisconnectReason::Requested));
}

/// A task that panics while it holds this.
fn panic_with<T: Send + 'static>(held: T) {
    let task = thread::spawn(move || {
        let _held = held;
        // Without a word on standard error.
        std::panic::resume_unwind(Box::new("a task panics"));
    });
    assert!(task.join().is_err());
}

#[test]
fn a_connection_whose_task_dies_makes_room_and_both_sides_hear_of_it() {
    let mut hosts = pair();
    for _ in 0..3 {
        let (ours, theirs) = connect(&mut hosts);
        panic_with(hosts[1].tasks.pop().unwrap());
        until(&mut hosts, |_| theirs.end().zip(ours.end()));
        assert_eq!(theirs.end(), Some(SessionError::Lost(Lost::Failed)));
        assert!(matches!(ours.end(), Some(SessionError::Lost(_))), "{:?}", ours.end());
        until(&mut hosts, |hosts| match hosts[1].event()? {
            Event::Disconnected { .. } => Some(()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!((hosts[0].node.ends().lost, hosts[1].node.ends().lost), (3, 3));
}

#[test]
fn the_other_side_of_an_application_that_dies_is_told_that_it_quits() {
    let mut hosts = pair();
    let (ours, theirs) = connect(&mut hosts);
    let channel = ours.channel("echo").unwrap();
    panic_with((ours, channel));
    let ended = until(&mut hosts, |_| theirs.end());
    assert_eq!(ended, SessionError::Remote(DisconnectReason::Quitting));
}

#[test]
fn a_peer_can_be_looked_at_while_its_connection_never_waits() {
    let mut hosts = pair();
    let (ours, theirs) = connect(&mut hosts);
    let (to, from) = (ours.channel("echo").unwrap(), theirs.channel("echo").unwrap());
    let mut noise = vec![0; 16 * 1024];
    Seed::from_number(3).jitter().fill(&mut noise);
    while to.try_send(0, noise.clone()).is_ok() {}
    let before = ours.counters();
    // One turn, which is not through with it.
    let (connection, stream) = &mut hosts[0].tasks[0];
    assert_eq!(connection.turns(stream), Turn::Yield);
    assert_ne!(ours.counters(), before);
    until(&mut hosts, |_| from.try_receive());
}

#[test]
fn a_stop_disconnects_everyone() {
    let mut hosts = pair();
    let (ours, theirs) = connect(&mut hosts);
    let node = hosts[0].node.clone();
    let mut stop = Box::pin(async move { node.stop().await });
    assert!(block_on(poll_once(&mut stop)).is_none());
    until(&mut hosts, |hosts| (hosts[0].closed && theirs.end().is_some()).then_some(()));
    assert_eq!(ours.end(), Some(SessionError::Local(DisconnectReason::Quitting)));
    assert_eq!(theirs.end(), Some(SessionError::Remote(DisconnectReason::Quitting)));
    assert!(hosts[0].tasks.is_empty());
    let [first, _second] = hosts;
    block_on(first.serving.close(core::future::pending()));
    assert_eq!(block_on(stop), Ok(()));
}
