//! Peers: who is kept, who gets in beyond the limits, and how few connections
//! two nodes have.

use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::pin::Pin;
use core::time::Duration;
use std::io::Write as _;
use std::time::Instant;

use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Enode, NodeId};
use devp2p_core::limits;
use devp2p_core::node::{self, DialRefusal, IncomingRefusal};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Phase, SessionError};
use devp2p_handle::{DialError, Event, Limits, Node, NodeSnapshot, Peer};
use devp2p_host::Config;
use futures_lite::future;
use socket2::SockRef;

use super::Runtime;
use super::alone::PUBLIC;
use super::raw::{RawPeer, garbage, stranger};
use super::rig::{ANY, ECHO, LIMIT, Rig, local, unique};

impl<R: Runtime> Rig<R> {
    /// A node that echoes, dials, and is configured by the case.
    pub(super) fn configured(&self, configure: impl FnOnce(&mut node::Config)) -> Node {
        let local = local(&[(ECHO, 1, 2)]);
        let seed = Seed::from_number(unique()).derive("node", 0);
        let mut config = node::Config::new(local.secret().clone());
        config.client_name = local.client_name().to_owned();
        config.greeting = local.greeting().clone();
        config.discovery = false;
        configure(&mut config);
        self.runtime.start(Config::new(config, seed).listen(ANY)).unwrap()
    }

    async fn look(&self, node: &Node) -> NodeSnapshot {
        self.within("snapshot", node.snapshot()).await.unwrap()
    }

    /// Waits until the node looks like this.
    async fn looks(
        &self,
        what: &str,
        node: &Node,
        mut condition: impl FnMut(&NodeSnapshot) -> bool,
    ) {
        let looking = async {
            while !condition(&node.snapshot().await.unwrap()) {
                self.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        self.within(what, looking).await;
    }

    /// The one peer that is left of all that a node was told of.
    async fn only_peer(&self, node: &Node) -> Peer {
        let mut peers = Vec::new();
        while let Some(event) = future::poll_once(node.next_event()).await {
            if let Event::Connected(peer) = event.expect("the node has stopped") {
                peers.push(peer);
            }
        }
        peers.retain(|peer| peer.end().is_none());
        assert_eq!(peers.len(), 1, "{peers:?}");
        peers.remove(0)
    }
}

/// A future that has been polled once.
struct Begun<F: Future> {
    future: Pin<Box<F>>,
    done: Option<F::Output>,
}

impl<F: Future> Begun<F> {
    async fn new(future: F) -> Self {
        let mut future = Box::pin(future);
        let done = future::poll_once(&mut future).await;
        Self { future, done }
    }

    async fn end(self) -> F::Output {
        match self.done {
            Some(done) => done,
            None => self.future.await,
        }
    }
}

fn id_of(node: &Node) -> NodeId {
    NodeId::from(node.local().public())
}

fn too_many(result: Result<Peer, DialError>) {
    let told = SessionError::Remote(DisconnectReason::TooManyPeers);
    assert!(matches!(&result, Err(DialError::Session(error)) if *error == told), "{result:?}");
}

/// Each has the other as a static node and learns of it at the same moment.
pub fn both_sides_dial_at_once_and_have_one_connection<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let mut at_once = 0;
        for _ in 0..30 {
            let (left, right) = (rig.configured(|_| {}), rig.configured(|_| {}));
            let (to_left, to_right) = (left.enode(), right.enode());
            let both = future::zip(left.add_peer(&to_right), right.add_peer(&to_left));
            let (first, second) = rig.within("requests", both).await;
            first.unwrap();
            second.unwrap();
            // One of the two may be there for a moment and give way to the other.
            let settled = |snapshot: &NodeSnapshot| {
                let node = &snapshot.node;
                node.peers.len() == 1 && node.dialling == 0 && node.pending_inbound == 0
            };
            let (one, other) = loop {
                rig.looks("one peer", &left, settled).await;
                rig.looks("one peer", &right, settled).await;
                let (one, other) = (rig.look(&left).await, rig.look(&right).await);
                if settled(&one) && settled(&other) {
                    break (one, other);
                }
            };
            let (one, other) = (&one.node, &other.node);
            // The same connection, by both its ends.
            assert_ne!(one.peers[0].peer.direction, other.peers[0].peer.direction);
            assert_eq!(one.peers[0].peer.id, id_of(&right));
            assert_eq!(other.peers[0].peer.id, id_of(&left));
            let (one_end, other_end) = (rig.only_peer(&left).await, rig.only_peer(&right).await);
            for peer in [&one_end, &other_end] {
                assert!(rig.within("ping", peer.ping()).await.is_some(), "{:?}", peer.end());
            }
            at_once += usize::from(one.counts.dials + other.counts.dials > 1);
            rig.stop(&left).await;
            rig.stop(&right).await;
        }
        assert!(at_once > 0, "they were never at it at the same time");
        rig.no_task_is_left().await;
    });
}

pub fn a_trusted_node_gets_in_though_all_places_are_taken<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let full = rig.start(local(&[(ECHO, 1, 2)]), ANY, 1);
        let (first, friend) = (rig.echo_node(), rig.echo_node());
        let _first = rig.connect(&first, &full).await;
        too_many(rig.dial(&friend, &full).await);
        rig.failed(&full).await;
        let id = id_of(&friend);
        rig.within("request", full.add_trusted(id)).await.unwrap();
        let (_peer, _inbound) = rig.connect(&friend, &full).await;
        let snapshot = rig.look(&full).await;
        let trusted = snapshot.node.peers.iter().find(|peer| peer.peer.id == id);
        assert!(trusted.is_some_and(|peer| peer.is_trusted));
        assert_eq!(snapshot.node.peers.len(), 2);
        // Who is there stays when he is trusted no more.
        rig.within("request", full.remove_trusted(id)).await.unwrap();
        assert_eq!(rig.look(&full).await.node.peers.len(), 2);
    });
}

pub fn limits_change_while_a_node_runs<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.start(local(&[(ECHO, 1, 2)]), ANY, 1);
        let others = [rig.echo_node(), rig.echo_node(), rig.echo_node()];
        let _first = rig.connect(&others[0], &node).await;
        too_many(rig.dial(&others[1], &node).await);
        rig.failed(&node).await;
        let mut limits = Limits::default();
        limits.max_peers = 2;
        rig.within("request", node.set_limits(limits)).await.unwrap();
        let _second = rig.connect(&others[1], &node).await;
        limits.max_peers = 1;
        rig.within("request", node.set_limits(limits)).await.unwrap();
        too_many(rig.dial(&others[2], &node).await);
        // Who is there stays.
        assert_eq!(rig.look(&node).await.node.peers.len(), 2);
    });
}

pub fn a_peer_that_is_removed_is_told_that_it_was_asked_for<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (node, other) = (rig.configured(|_| {}), rig.echo_node());
        rig.within("request", node.add_peer(&other.enode())).await.unwrap();
        let (outbound, inbound) = (rig.connected(&node).await, rig.connected(&other).await);
        assert!(outbound.is_static());
        let id = id_of(&other);
        rig.within("request", node.remove_peer(id)).await.unwrap();
        let requested = DisconnectReason::Requested;
        assert_eq!(rig.closed(&inbound).await, SessionError::Remote(requested));
        assert_eq!(outbound.end(), Some(SessionError::Local(requested)));
        let snapshot = rig.look(&node).await.node;
        assert_eq!((snapshot.static_nodes, snapshot.peers.len()), (0, 0));
    });
}

pub fn networks_outside_of_those_allowed_are_neither_taken_nor_dialled<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let elsewhere = "10.0.0.0/8".parse().unwrap();
        let node = rig.configured(|config| config.net_restrict = Some(elsewhere));
        let other = rig.echo_node();
        assert!(rig.dial(&other, &node).await.is_err());
        let refused = |snapshot: &NodeSnapshot| {
            snapshot.node.counts.incoming_refused.of(IncomingRefusal::NetRestrict) == 1
        };
        rig.looks("a refusal", &node, refused).await;
        rig.within("request", node.add_peer(&other.enode())).await.unwrap();
        let counts = rig.look(&node).await.node.counts;
        assert_eq!(counts.dials_refused.of(DialRefusal::NetRestrict), 1);
        assert_eq!((counts.dials_refused.total(), counts.dials), (1, 0));
    });
}

/// Its place is free at once, not only when the time for handshakes is over.
pub fn who_is_cut_off_in_the_middle_of_a_handshake_leaves_its_place<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.configured(|config| {
            config.no_dial = true;
            config.limits.max_pending_peers = 1;
        });
        for _ in 0..20 {
            let mut stream = stranger(node.address().unwrap());
            stream.write_all(&garbage()[..100]).unwrap();
            rig.looks("its place", &node, |snapshot| snapshot.node.pending_inbound == 1).await;
            // Reset, not closed.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            drop(stream);
            assert!(matches!(rig.failed(&node).await.error, SessionError::Lost(_)));
            rig.looks("no place", &node, |snapshot| snapshot.node.pending_inbound == 0).await;
        }
        let other = rig.echo_node();
        let (_outbound, _inbound) = rig.connect(&other, &node).await;
    });
}

/// As when the other's machine has lost its power: its system says nothing.
pub fn a_connection_whose_other_end_is_gone_is_given_up<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.start(local(&[(ECHO, 1, 2)]), ANY, 1);
        let gone = RawPeer::dial(local(&[(ECHO, 1, 2)]), &node.enode());
        let peer = rig.connected(&node).await;
        let other = rig.echo_node();
        too_many(rig.dial(&other, &node).await);
        rig.failed(&node).await;
        let begun = Instant::now();
        let end = rig.at_most(limits::READ_TIMEOUT + LIMIT, peer.closed()).await;
        assert_eq!(end, Some(SessionError::TimedOut(Phase::Read)));
        assert!(begun.elapsed() < limits::READ_TIMEOUT + Duration::from_secs(10));
        assert!(matches!(rig.event(&node).await, Event::Disconnected { .. }));
        let _second = rig.connect(&other, &node).await;
        drop(gone);
    });
}

/// Each round a moment later than the one before.
pub fn a_node_stops_while_it_dials_and_is_dialled<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let mut under_way = 0;
        for round in 0..10 {
            let nodes: Vec<Node> = (0..6).map(|_| rig.configured(|_| {})).collect();
            let enodes: Vec<Enode> = nodes.iter().map(Node::enode).collect();
            let (mut requests, mut looks) = (Vec::new(), Vec::new());
            // The requests of a node are executed in order.
            for from in &nodes {
                for to in &enodes {
                    requests.push(Begun::new(from.add_peer(to)).await);
                }
                looks.push(Begun::new(from.snapshot()).await);
            }
            rig.runtime.sleep(Duration::from_millis(round)).await;
            let mut stops = Vec::new();
            for node in &nodes {
                stops.push(Begun::new(rig.stop(node)).await);
            }
            for stop in stops {
                stop.end().await;
            }
            for request in requests {
                // Done, or there was no time for it.
                let _ = rig.within("an answer", request.end()).await;
            }
            for look in looks {
                let snapshot = rig.within("a snapshot", look.end()).await;
                under_way += snapshot.map_or(0, |snapshot| snapshot.node.dialling);
            }
            rig.no_task_is_left().await;
        }
        assert!(under_way > 0, "none was at it when it stopped");
    });
}

/// In a network where this machine has an address that is not of a LAN.
pub fn an_address_that_comes_again_within_half_a_minute_is_not_heard<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let public = SocketAddr::new(IpAddr::from(PUBLIC), 0);
        let node = rig.start(local(&[(ECHO, 1, 2)]), public, 50);
        let throttled = |snapshot: &NodeSnapshot| {
            snapshot.node.counts.incoming_refused.of(IncomingRefusal::Throttled)
        };
        let _first = rig.connect(&rig.echo_node(), &node).await;
        for again in 1..=3 {
            assert!(rig.dial(&rig.echo_node(), &node).await.is_err());
            rig.looks("a refusal", &node, |snapshot| throttled(snapshot) == again).await;
        }
        // Nothing was heard of them, and so nobody is told.
        assert_eq!(rig.look(&node).await.node.counts.accepted, 1);
        // From a LAN they may come as often as they like.
        let near = rig.echo_node();
        rig.serve_echo(&near);
        for _ in 0..3 {
            drop(rig.dial(&rig.echo_node(), &near).await.unwrap());
        }
    });
}
