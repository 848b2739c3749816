//! What the cases have in common: nodes, pairs, echo, and patience.

use core::future::Future;
use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use bytes::Bytes;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::node;
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability};
use devp2p_core::session::{Greeting, Local, SessionError};
use devp2p_handle::{Channel, DialError, Event, Failure, Node, Peer};
use devp2p_host::Config;
use futures_lite::future;

use super::Runtime;

/// How long a case waits for anything at most. Far more than anything takes.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Within which time a node must stop: a disconnect may take 1 s to leave and
/// lingers 2 s.
pub(super) const STOP: Duration = Duration::from_secs(6);

/// A capability name; its two messages are a request and its echo.
pub(super) const ECHO: &str = "echo";

/// `host:0` on loopback.
pub(super) const ANY: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One case's runtime and what is done with it.
#[derive(Clone, Debug)]
pub struct Rig<R> {
    pub(super) runtime: R,
}

/// Two connected nodes.
pub(super) struct Pair {
    /// It dialled.
    pub(super) dialler: Node,
    pub(super) acceptor: Node,
    /// The acceptor, as the dialler has it.
    pub(super) outbound: Peer,
    /// The dialler, as the acceptor has it.
    pub(super) inbound: Peer,
}

impl Pair {
    /// Both ends of one capability, the dialler's first.
    pub(super) fn channels(&self, name: &str) -> (Channel, Channel) {
        (self.outbound.channel(name).unwrap(), self.inbound.channel(name).unwrap())
    }
}

/// A number that no other part of any case has.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A key of its own, and this offer: names, versions, lengths.
pub(super) fn local(offer: &[(&str, u64, u64)]) -> Local {
    let key = SecretKey::generate(&mut Seed::from_number(unique()).derive("key", 0).secrets());
    let offer =
        offer.iter().map(|(name, version, length)| LocalCapability::new(*name, *version, *length));
    let offer = LocalCapabilities::new(offer).unwrap();
    Local::new(key, "conformance/v1", Greeting::Offer(offer)).unwrap()
}

/// Bytes that do not compress; the same for the same number.
pub(super) fn noise(number: u64, size: usize) -> Bytes {
    let mut state = number.wrapping_mul(2).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

impl<R: Runtime> Rig<R> {
    /// Runs a case on a runtime of its own.
    pub(super) fn run<F: Future<Output = ()>>(case: impl FnOnce(Self) -> F) {
        let rig = Self { runtime: R::new() };
        let runtime = rig.runtime.clone();
        runtime.block_on(case(rig));
    }

    /// Waits for `what`, but not for ever.
    pub(super) async fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        self.at_most(LIMIT, future).await.unwrap_or_else(|| panic!("{what}: not within {LIMIT:?}"))
    }

    /// Waits this long at most.
    pub(super) async fn at_most<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let give_up = async {
            self.runtime.sleep(limit).await;
            None
        };
        future::or(async { Some(future.await) }, give_up).await
    }

    /// Waits until `condition` holds, by looking again and again: for what
    /// tells nobody when it happens.
    pub(super) async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let looking = async {
            while !condition() {
                self.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        self.within(what, looking).await;
    }

    pub(super) fn start(&self, local: Local, listen: SocketAddr, max_peers: usize) -> Node {
        let seed = Seed::from_number(unique()).derive("node", 0);
        let mut config = node::Config::new(local.secret().clone());
        config.client_name = local.client_name().to_owned();
        config.greeting = local.greeting().clone();
        config.limits.max_peers = max_peers;
        // All places are for whoever dials, and nobody is dialled unasked.
        config.no_dial = true;
        config.discovery = false;
        self.runtime.start(Config::new(config, seed).listen(listen)).unwrap()
    }

    /// A node that listens and offers this.
    pub(super) fn node(&self, offer: &[(&str, u64, u64)]) -> Node {
        self.start(local(offer), ANY, 500)
    }

    /// A node that listens and offers to echo.
    pub(super) fn echo_node(&self) -> Node {
        self.node(&[(ECHO, 1, 2)])
    }

    pub(super) async fn dial(&self, from: &Node, to: &Node) -> Result<Peer, DialError> {
        self.within("dial", from.dial(&to.enode())).await
    }

    pub(super) async fn event(&self, node: &Node) -> Event {
        self.within("event", node.next_event()).await.expect("the node has stopped")
    }

    pub(super) async fn connected(&self, node: &Node) -> Peer {
        match self.event(node).await {
            Event::Connected(peer) => peer,
            other => panic!("not connected: {other:?}"),
        }
    }

    pub(super) async fn failed(&self, node: &Node) -> Failure {
        match self.event(node).await {
            Event::Failed(failure) => failure,
            other => panic!("not failed: {other:?}"),
        }
    }

    pub(super) async fn closed(&self, peer: &Peer) -> SessionError {
        self.within("end of the connection", peer.closed()).await
    }

    pub(super) async fn connect(&self, dialler: &Node, acceptor: &Node) -> (Peer, Peer) {
        let outbound = self.dial(dialler, acceptor).await.unwrap();
        (outbound, self.connected(acceptor).await)
    }

    pub(super) async fn pair_of(&self, dialler: Node, acceptor: Node) -> Pair {
        let (outbound, inbound) = self.connect(&dialler, &acceptor).await;
        Pair { dialler, acceptor, outbound, inbound }
    }

    /// Two connected nodes that both offer this.
    pub(super) async fn pair(&self, offer: &[(&str, u64, u64)]) -> Pair {
        self.pair_of(self.node(offer), self.node(offer)).await
    }

    /// Echoes to whoever connects to `node`, until it has stopped.
    pub(super) fn serve_echo(&self, node: &Node) {
        let (rig, node) = (self.clone(), node.clone());
        self.runtime.spawn(async move {
            while let Some(event) = node.next_event().await {
                if let Event::Connected(peer) = event {
                    rig.echo(peer);
                }
            }
        });
    }

    /// Echoes to one peer, until it is gone.
    pub(super) fn echo(&self, peer: Peer) {
        let channel = peer.channel(ECHO).unwrap();
        self.runtime.spawn(async move {
            while let Some(message) = channel.receive().await {
                if channel.send(1, message.into_payload()).await.is_err() {
                    break;
                }
            }
        });
    }

    /// Sends this much to who echoes and checks what comes back.
    pub(super) async fn round_trip(&self, channel: &Channel, number: u64, size: usize) {
        let payload = noise(number, size);
        self.within("send", channel.send(0, payload.clone())).await.unwrap();
        let answer = self.within("echo", channel.receive()).await.unwrap();
        assert_eq!(answer.code(), 1);
        assert!(*answer.payload() == payload, "another payload came back");
    }

    /// Stops a node in good time.
    pub(super) async fn stop(&self, node: &Node) {
        let stopped = self.at_most(STOP, node.stop()).await;
        stopped.expect("the node does not stop in time").unwrap();
    }

    /// Whether no task is left, or will be in a moment.
    pub(super) async fn no_task_is_left(&self) {
        self.until("the last task", || self.runtime.is_empty()).await;
    }

    pub(super) async fn quits(&self, peer: &Peer) {
        let error = self.closed(peer).await;
        assert_eq!(error, SessionError::Remote(DisconnectReason::Quitting));
    }
}
