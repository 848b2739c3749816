//! Peers of the programs under test: nodes of the library, and one that talks
//! over a plain socket.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use async_io::{Timer, block_on};
use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::driver::{Connection, Event as Happened};
use devp2p_smol::core::entropy::Seed;
use devp2p_smol::core::identity::Enode;
use devp2p_smol::core::node;
use devp2p_smol::core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability};
use devp2p_smol::core::session::{Command, Greeting, Local, Lost, Session, SessionError};
use devp2p_smol::host::{Clock, seed};
use devp2p_smol::{Config, Event, Executor, Node, Peer, start};
use futures_lite::future::or;

use crate::support::PATIENCE;

/// Runs nodes of the library until it is dropped.
pub(crate) struct World {
    executor: Arc<Executor<'static>>,
    nodes: Mutex<Vec<Node>>,
    _running: Sender<()>,
}

impl World {
    pub(crate) fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let (running, stopped) = async_channel::bounded::<()>(1);
        let run = Arc::clone(&executor);
        thread::spawn(move || block_on(run.run(stopped.recv())));
        Self { executor, nodes: Mutex::default(), _running: running }
    }

    /// A listening node that offers echo/1.
    pub(crate) fn node(&self, client_name: &str) -> Node {
        self.start(client_name, false)
    }

    fn start(&self, client_name: &str, discovery: bool) -> Node {
        let seed = seed().unwrap();
        let mut config = node::Config::new(key(&seed));
        config.client_name = client_name.into();
        config.greeting = Greeting::Offer(offer());
        config.discovery = discovery;
        config.no_dial = true;
        let config = Config::new(config, seed);
        let node = start(config.listen("127.0.0.1:0".parse().unwrap()), &self.executor).unwrap();
        // A node stops with its last handle.
        self.nodes.lock().unwrap().push(node.clone());
        node
    }

    /// A node of a network that asks its peers all the time and answers nothing.
    pub(crate) fn deaf(&self) -> Node {
        let node = self.start("deaf", true);
        let (executor, asks) = (Arc::clone(&self.executor), node.clone());
        let visits = async move {
            while let Some(event) = asks.next_event().await {
                let Event::Connected(peer) = event else { continue };
                let (up, down) = (peer.channel("echo").unwrap(), peer.channel("echo").unwrap());
                executor.spawn(async move { while down.receive().await.is_some() {} }).detach();
                let ask = async move {
                    while up.send(0, "hello?").await.is_ok() {
                        Timer::after(Duration::from_millis(50)).await;
                    }
                };
                executor.spawn(ask).detach();
            }
        };
        self.executor.spawn(visits).detach();
        node
    }

    /// A peer of a program that listens.
    pub(crate) fn dial(&self, enode: &str, client_name: &str) -> Peer {
        let enode: Enode = enode.parse().unwrap();
        within(self.node(client_name).dial(enode)).unwrap()
    }
}

fn key(seed: &Seed) -> SecretKey {
    SecretKey::generate(&mut seed.derive("node key", 0).secrets())
}

fn offer() -> LocalCapabilities {
    LocalCapabilities::new([LocalCapability::new("echo", 1, 2)]).unwrap()
}

/// What a future gives, if it does so in time.
pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        Timer::after(PATIENCE).await;
        panic!("still waiting")
    };
    block_on(or(future, late))
}

/// The next peer that dials a node.
pub(crate) fn visitor(node: &Node) -> Peer {
    within(async {
        loop {
            let event = node.next_event().await.unwrap();
            if let Event::Connected(peer) = event {
                return peer;
            }
            assert!(matches!(event, Event::Disconnected { .. }), "{event:?}");
        }
    })
}

/// A node that says hello to one visitor, and then goodbye before it is of any
/// use. Its thread tells how that ended.
pub(crate) fn rude(reason: DisconnectReason) -> (Enode, thread::JoinHandle<SessionError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seed = seed().unwrap();
    let local = Arc::new(Local::new(key(&seed), "rude", Greeting::Offer(offer())).unwrap());
    let enode = Enode::new(*local.public(), address.ip(), address.port(), 0);
    let serve = move || {
        let (stream, _) = listener.accept().unwrap();
        let clock = Clock::start();
        let session = Session::accept(local, seed.derive("session", 0), clock.now());
        refuse(stream, Connection::new(session), clock, reason)
    };
    (enode, thread::spawn(serve))
}

fn refuse(
    mut stream: TcpStream,
    mut connection: Connection,
    clock: Clock,
    reason: DisconnectReason,
) -> SessionError {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match connection.poll_event() {
            Some(Happened::Authenticated(_)) => {
                connection.command(clock.now(), Command::Proceed);
                continue;
            }
            Some(Happened::Ready { .. }) => {
                connection.command(clock.now(), Command::Disconnect(reason));
                continue;
            }
            Some(Happened::Closed(error)) => return error,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        let bytes: Vec<u8> = connection.writes().flatten().copied().collect();
        if !bytes.is_empty() {
            stream.write_all(&bytes).unwrap();
            connection.written(clock.now(), bytes.len());
            continue;
        }
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => connection.received(clock.now(), &buffer[..count]),
            Ok(0) | Err(_) => connection.lost(clock.now(), Lost::Closed),
        }
    }
}
