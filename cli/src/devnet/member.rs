//! One node of the network: its key, its place, and who it is when it runs.

use std::net::Ipv4Addr;
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::SeedChain;
use devp2p_smol::core::identity::Contact;
use devp2p_smol::core::node;
use devp2p_smol::core::p2p::DisconnectReason;
use devp2p_smol::core::session::SessionError;
use devp2p_smol::{Config, Event, Node};

use super::echo::{self, Tally};
use super::report::MemberStanding;
use crate::failure::Failure;
use crate::rlpx::echo_offer;
use crate::runtime::Runtime;

/// Pings without an answer after which nobody is there.
const PINGS: usize = 3;

pub(super) struct Member {
    number: usize,
    key: SecretKey,
    max_peers: usize,
    bootnodes: Vec<Contact>,
    node: Option<Node>,
}

impl Member {
    pub(super) fn new(
        number: usize,
        max_peers: usize,
        bootnodes: Vec<Contact>,
        seeds: &mut SeedChain,
    ) -> Self {
        let key = SecretKey::generate(&mut seeds.draw().secrets());
        Self { number, key, max_peers, bootnodes, node: None }
    }

    /// Runs it, at a port that the system chooses.
    pub(super) fn start(
        &mut self,
        runtime: &Runtime,
        tally: &Arc<Tally>,
        seeds: &mut SeedChain,
    ) -> Result<(), Failure> {
        let mut config = node::Config::new(self.key.clone());
        config.client_name = format!("devnet/{}", self.number);
        config.greeting = echo_offer()?;
        config.limits.max_peers = self.max_peers;
        config.bootstrap_nodes = self.bootnodes.clone();
        let config = Config::new(config, seeds.draw()).listen((Ipv4Addr::LOCALHOST, 0).into());
        let node = runtime.start(config)?;
        runtime.spawn(attend(node.clone(), runtime.clone(), Arc::clone(tally)));
        self.node = Some(node);
        Ok(())
    }

    /// How others know it while it runs.
    pub(super) fn contact(&self) -> Option<Contact> {
        self.node.as_ref().map(|node| Contact::from_record(node.record()))
    }

    /// Tells its peers that it quits.
    pub(super) async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            let _ = node.stop().await;
        }
    }

    /// Whether this node answers it. A ping or its answer may be lost.
    pub(super) async fn reaches(&self, other: &Contact) -> bool {
        let Some(discovery) = self.node.as_ref().and_then(Node::discovery) else { return false };
        for _ in 0..PINGS {
            if discovery.ping(other).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// How it stands, of so many others. One that was stopped lacks nothing.
    pub(super) async fn look(&self, others: usize) -> Option<MemberStanding> {
        let node = self.node.as_ref()?;
        let snapshot = node.snapshot().await.ok()?;
        let dialled = (self.max_peers / devp2p_smol::core::limits::DIAL_RATIO).max(1);
        Some(MemberStanding {
            number: self.number,
            peers: snapshot.node.peers.len(),
            table: snapshot.node.table,
            // What it dials itself is in its own hand; who dials it is in others'.
            share: others.min(dialled),
        })
    }
}

/// Takes what happens at a node until it has stopped, and talks to its peers.
async fn attend(node: Node, runtime: Runtime, tally: Arc<Tally>) {
    while let Some(event) = node.next_event().await {
        match event {
            Event::Connected(peer) => {
                let number = tally.connected();
                let (runtime, tally) = (&runtime, Arc::clone(&tally));
                runtime.spawn(echo::converse(peer, number, runtime.clone(), tally));
            }
            Event::Disconnected { peer, error } if !is_expected(&error) => {
                tracing::warn!(peer = %peer.node_id(), %error, "unexpected end of a connection");
                tally.unexpected();
            }
            // Somebody stops, both have dialled at once, or the last place was taken
            // at the other end while this one said yes.
            Event::Disconnected { .. } => {}
            Event::Failed(_) | Event::DialFailed { .. } => tally.failed(),
            event @ (Event::WantsCandidates(_) | _) => {
                tracing::error!(?event, "not expected");
            }
        }
    }
}

const fn is_expected(error: &SessionError) -> bool {
    matches!(
        error,
        SessionError::Local(DisconnectReason::Quitting | DisconnectReason::AlreadyConnected)
            | SessionError::Remote(
                DisconnectReason::Quitting
                    | DisconnectReason::AlreadyConnected
                    | DisconnectReason::TooManyPeers
            )
    )
}
