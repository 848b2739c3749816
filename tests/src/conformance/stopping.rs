//! A node stops: in good time whatever it is doing, and leaves nothing.

use core::net::SocketAddr;
use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::thread;

use devp2p_core::identity::Enode;
use devp2p_core::limits;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::SessionError;
use devp2p_handle::{DialError, Event, Node, Stopped};
use futures_lite::future;
use socket2::{Domain, Socket, Type};

use super::Runtime;
use super::raw::{speak_garbage, stranger};
use super::rig::{ANY, ECHO, Rig, STOP, local};

/// An address that answers no connection: its queue of those not yet accepted
/// is full, so the system drops what else comes. Good as long as it is held.
struct Void {
    enode: Enode,
    _socket: Socket,
    _queue: Vec<TcpStream>,
}

impl Void {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&ANY.into()).unwrap();
        socket.listen(0).unwrap();
        let address: SocketAddr = socket.local_addr().unwrap().as_socket().unwrap();
        let patience = core::time::Duration::from_millis(300);
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
            queue.push(stream);
            assert!(queue.len() < 10, "the queue does not fill");
        }
        let enode = Enode::new(*local(&[]).public(), address.ip(), address.port(), 0);
        Self { enode, _socket: socket, _queue: queue }
    }
}

/// What a node that has stopped still does.
async fn has_stopped<R: Runtime>(rig: &Rig<R>, node: &Node) {
    let address = node.address().unwrap();
    drop(TcpListener::bind(address).expect("the port is still in use"));
    assert_eq!(rig.within("stop", node.stop()).await, Err(Stopped));
    let dialled = rig.within("dial", node.dial(&node.enode())).await;
    assert!(matches!(dialled, Err(DialError::Stopped)), "{dialled:?}");
}

pub fn an_idle_node_stops_at_once_and_leaves_nothing<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let alone = rig.echo_node();
        rig.stop(&alone).await;
        has_stopped(&rig, &alone).await;
        assert!(rig.within("the last event", alone.next_event()).await.is_none());

        let pair = rig.pair(&[(ECHO, 1, 2)]).await;
        rig.stop(&pair.acceptor).await;
        rig.quits(&pair.outbound).await;
        let quitting = SessionError::Local(DisconnectReason::Quitting);
        assert_eq!(pair.inbound.end(), Some(quitting));
        has_stopped(&rig, &pair.acceptor).await;
        match rig.event(&pair.acceptor).await {
            Event::Disconnected { error, .. } => assert_eq!(error, quitting),
            other => panic!("{other:?}"),
        }
        assert!(rig.within("the last event", pair.acceptor.next_event()).await.is_none());
        rig.stop(&pair.dialler).await;
        rig.no_task_is_left().await;
    });
}

pub fn a_node_stops_while_it_dials_into_the_void<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let void = Void::new();
        let node = rig.echo_node();
        let mut dial = core::pin::pin!(node.dial(&void.enode));
        // The requests of a node are executed in order.
        assert!(future::poll_once(&mut dial).await.is_none());
        rig.stop(&node).await;
        let dialled = rig.within("dial", dial).await;
        assert!(matches!(dialled, Err(DialError::Stopped)), "{dialled:?}");
        has_stopped(&rig, &node).await;
        rig.no_task_is_left().await;
    });
}

pub fn requests_that_come_with_a_stop_are_all_answered<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let void = Void::new();
        for _ in 0..20 {
            let node = rig.echo_node();
            let dials: Vec<_> = (0..10)
                .map(|_| {
                    let (node, enode) = (node.clone(), void.enode.clone());
                    let (answer, answered) = std::sync::mpsc::channel();
                    rig.runtime.spawn(async move {
                        let dialled = node.dial(&enode).await;
                        let _ = answer.send(matches!(dialled, Err(DialError::Stopped)));
                    });
                    answered
                })
                .collect();
            let stops = future::zip(node.stop(), node.stop());
            let (first, second) = rig.at_most(STOP, stops).await.expect("it does not stop");
            assert!(first.is_ok() || second.is_ok());
            for answered in dials {
                let mut answer = None;
                rig.until("an answer", || {
                    answer = answer.or_else(|| answered.try_recv().ok());
                    answer.is_some()
                })
                .await;
                assert_eq!(answer, Some(true));
            }
        }
        rig.no_task_is_left().await;
    });
}

pub fn a_node_stops_under_load_and_says_so_to_everyone<R: Runtime>() {
    const PEERS: usize = 20;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        rig.serve_echo(&node);
        let mut peers = Vec::new();
        let mut nodes = Vec::new();
        for _ in 0..PEERS {
            let dialler = rig.echo_node();
            let peer = rig.dial(&dialler, &node).await.unwrap();
            let channel = peer.channel(ECHO).unwrap();
            // A few at a time: with full sockets a disconnect may well find no
            // room within the second that it has.
            for _ in 0..4 {
                channel.send(0, vec![7; 5000]).await.unwrap();
            }
            // Every one of them is echoing before the node stops.
            rig.within("an echo", channel.receive()).await.unwrap();
            rig.runtime.spawn(async move {
                while channel.send(0, vec![7; 5000]).await.is_ok() {
                    if channel.receive().await.is_none() {
                        break;
                    }
                }
            });
            peers.push(peer);
            nodes.push(dialler);
        }
        rig.stop(&node).await;
        for peer in &peers {
            rig.quits(peer).await;
        }
        has_stopped(&rig, &node).await;
        for dialler in nodes {
            rig.stop(&dialler).await;
        }
        rig.no_task_is_left().await;
    });
}

pub fn a_node_stops_in_the_middle_of_handshakes<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let silent = TcpListener::bind(ANY).unwrap();
        let address = silent.local_addr().unwrap();
        let enode = Enode::new(*local(&[]).public(), address.ip(), address.port(), 0);
        let mut strangers: Vec<_> = (0..20).map(|_| stranger(node.address().unwrap())).collect();
        let mut dial = core::pin::pin!(node.dial(&enode));
        let auth = async {
            let accepted = thread::spawn(move || silent.accept().unwrap().0);
            rig.until("a dial", || accepted.is_finished()).await;
            accepted.join().unwrap()
        };
        let auth = async { Ok(auth.await) };
        let mut dialled = match future::or(auth, async { Err(dial.as_mut().await) }).await {
            Ok(stream) => stream,
            Err(early) => panic!("{early:?}"),
        };
        rig.stop(&node).await;
        let result = rig.within("dial", dial).await;
        let quitting = SessionError::Local(DisconnectReason::Quitting);
        assert!(
            matches!(&result, Err(DialError::Session(error)) if *error == quitting),
            "{result:?}"
        );
        // In the middle of a handshake there is nothing to be said.
        for stream in &mut strangers {
            // Those that were never accepted are reset.
            assert!(matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)));
        }
        let mut auth = Vec::new();
        dialled.read_to_end(&mut auth).unwrap();
        assert!(!auth.is_empty() && auth.len() < 1000, "{} bytes", auth.len());
        rig.no_task_is_left().await;
    });
}

pub fn a_node_stops_though_nobody_takes_its_events<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let address = node.address().unwrap();
        let others: Vec<_> = (0..5).map(|_| rig.echo_node()).collect();
        // As much as there is room for, with those who come; not with their going.
        let failures = limits::NODE_EVENTS - others.len();
        let noise = thread::spawn(move || {
            for _ in 0..failures {
                speak_garbage(address);
            }
        });
        rig.until("failures", || noise.is_finished()).await;
        let mut peers = Vec::new();
        for other in &others {
            let peer = rig.dial(other, &node).await.unwrap();
            // Answered only when the node has admitted it.
            assert!(rig.within("ping", peer.ping()).await.is_some());
            peers.push(peer);
        }
        rig.stop(&node).await;
        for peer in &peers {
            rig.quits(peer).await;
        }
        for other in &others {
            rig.stop(other).await;
        }
        rig.no_task_is_left().await;
        // What there was room for is still there.
        for _ in 0..failures {
            rig.failed(&node).await;
        }
        for _ in &others {
            rig.connected(&node).await;
        }
        for _ in &others {
            assert!(matches!(rig.event(&node).await, Event::Disconnected { .. }));
        }
        assert!(rig.within("the end", node.next_event()).await.is_none());
    });
}

/// The process's open files. Run alone.
pub fn a_stopped_node_leaves_no_file_descriptor<R: Runtime>() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    Rig::<R>::run(async |rig| {
        // Once for whatever a runtime opens when it is first used.
        let mut before = 0;
        for time in 0..3 {
            let void = Void::new();
            let pair = rig.pair(&[(ECHO, 1, 2)]).await;
            let silent = stranger(pair.acceptor.address().unwrap());
            let (node, enode) = (pair.acceptor.clone(), void.enode.clone());
            let mut dial = Box::pin(async move { node.dial(&enode).await });
            assert!(future::poll_once(&mut dial).await.is_none());
            assert!(open() > before + 6);
            rig.stop(&pair.acceptor).await;
            rig.stop(&pair.dialler).await;
            drop((silent, void));
            rig.no_task_is_left().await;
            if time == 0 {
                before = open();
            } else {
                rig.until("the last file", || open() <= before).await;
            }
        }
    });
}
