//! Watches one node of ours through its handle: the same code in the simulator
//! and on real sockets.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use devp2p_core::discv4::Kind;
use devp2p_core::entropy::SeedChain;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::p2p::LocalCapability;
use devp2p_smol::{Discovery, DiscoverySnapshot, Event, Node};

use crate::line::{Line, LookUp, Sample, Says};
use crate::plan::LookUps;

/// Between two looks. So exact are times.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Where lines go.
pub(crate) type Tell = Arc<dyn Fn(Line) + Send + Sync>;

/// What all nodes offer, and nobody ever uses.
pub(crate) fn offer() -> LocalCapability {
    LocalCapability::new("reality", 1, 1)
}

/// Tells of a node until it has stopped.
pub(crate) async fn observe(name: u32, node: Node, look_ups: Option<LookUps>, tell: Tell) {
    let runtime = node.runtime().clone();
    let tell = {
        let runtime = runtime.clone();
        move |says| tell(Line { node: name, at: runtime.now().unix.as_micros(), says })
    };
    let own = Contact::from_record(node.record());
    tell(Says::Started(own.id().to_string()));
    let comings = Arc::new(Comings::default());
    runtime.spawn(count(node.clone(), Arc::clone(&comings)));
    if let (Some(plan), Some(discovery)) = (look_ups, node.discovery().cloned()) {
        runtime.spawn(look_up(discovery, plan, tell.clone()));
    }
    while let Ok(snapshot) = node.snapshot().await {
        let counts = snapshot.node.counts;
        tell(Says::Looks(Sample {
            peers: snapshot.node.peers.len() as u64,
            table: snapshot.node.table as u64,
            sent: snapshot.discovery.as_ref().map(sent).unwrap_or_default(),
            dials: counts.dials,
            admitted: comings.admitted.load(Ordering::Relaxed),
            dropped: comings.dropped.load(Ordering::Relaxed),
            handshakes: micros(snapshot.connections.values().map(|one| one.handshake).sum()),
        }));
        runtime.sleep(LOOK).await;
    }
}

#[derive(Default)]
struct Comings {
    admitted: AtomicU64,
    dropped: AtomicU64,
}

/// Holds on to every peer, as a peer that nobody holds is hung up on.
async fn count(node: Node, comings: Arc<Comings>) {
    let mut peers = BTreeMap::new();
    while let Some(event) = node.next_event().await {
        match event {
            Event::Connected(peer) => {
                peers.insert(peer.node_id(), peer);
                comings.admitted.fetch_add(1, Ordering::Relaxed);
            }
            Event::Disconnected { peer, .. } => {
                peers.remove(&peer.node_id());
                comings.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Event::Failed(_) | Event::DialFailed { .. } | Event::WantsCandidates(_) | _ => {}
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn sent(snapshot: &DiscoverySnapshot) -> [u64; 6] {
    Kind::ALL.map(|kind| snapshot.traffic.packets_sent(kind))
}

/// One at a time: so all that is counted meanwhile is
/// this look-up's.
async fn look_up(discovery: Discovery, plan: LookUps, tell: impl Fn(Says)) {
    let runtime = discovery.runtime().clone();
    let mut seeds = SeedChain::new(runtime.seed());
    let every = Duration::from_secs(plan.every);
    let begin = runtime.now().mono + Duration::from_secs(plan.from);
    for number in 0..plan.each {
        runtime.sleep_until(begin + every * number).await;
        let Ok(before) = discovery.snapshot().await else { return };
        let target = seeds.draw().jitter().bytes::<64>();
        let started = runtime.now().mono;
        let Ok(found) = discovery.look_up(target).await else { return };
        let took = runtime.now().mono.saturating_since(started);
        let Ok(after) = discovery.snapshot().await else { return };
        if after.look_ups.finished != before.look_ups.finished + 1 {
            continue;
        }
        let find_nodes =
            |snapshot: &DiscoverySnapshot| snapshot.traffic.packets_sent(Kind::FindNode);
        tell(Says::LookedUp(LookUp {
            target: NodeId::hash_of(&target).to_string(),
            found: found.iter().map(|contact| contact.id().to_string()).collect(),
            queries: find_nodes(&after) - find_nodes(&before),
            hops: after.look_ups.hops - before.look_ups.hops,
            micros: micros(took),
        }));
    }
}
