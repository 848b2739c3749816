//! The traffic: each side of a connection sends requests, and gets back what it
//! sent.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use devp2p_smol::core::entropy::Seed;
use devp2p_smol::core::p2p::Message;
use devp2p_smol::{Channel, Peer};
use futures_lite::future::or;

use crate::runtime::Runtime;

/// The capability.
pub(super) const NAME: &str = "echo";

/// Its message with any payload.
const REQUEST: u64 = 0;

/// Its message with the same payload back.
const REPLY: u64 = 1;

/// Between the answer to a request and the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// For an answer to come. Far more than it takes on one machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sizes of requests, in turn, bytes.
const SIZES: [usize; 5] = [0, 32, 1000, 16_000, 100];

/// What all conversations have come to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connected: AtomicU64,
    failed: AtomicU64,
    unexpected: AtomicU64,
    messages: AtomicU64,
    intact: AtomicU64,
    wrong: AtomicU64,
    cut_off: AtomicU64,
    closed: AtomicBool,
}

fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// A connection was admitted at one of its ends.
    pub(super) fn connected(&self) {
        increment(&self.connected);
    }

    /// A connection came to nothing: refused, or not made.
    pub(super) fn failed(&self) {
        increment(&self.failed);
    }

    /// A connection ended though nobody stopped.
    pub(super) fn unexpected(&self) {
        if !self.closed.load(Ordering::Relaxed) {
            increment(&self.unexpected);
        }
    }

    /// The network ends: what happens from now on says nothing.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connected: of(&self.connected),
            failed: of(&self.failed),
            unexpected: of(&self.unexpected),
            messages: of(&self.messages),
            intact: of(&self.intact),
            wrong: of(&self.wrong),
            cut_off: of(&self.cut_off),
        }
    }
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Connections admitted, counted at both ends.
    pub(super) connected: u64,
    /// Connections refused, and dials that failed.
    pub(super) failed: u64,
    /// Connections that ended though nobody stopped.
    pub(super) unexpected: u64,
    /// Messages received.
    pub(super) messages: u64,
    /// Requests that came back as they were sent.
    pub(super) intact: u64,
    /// Requests that came back otherwise, or not in time.
    pub(super) wrong: u64,
    /// Requests under way when their connection was ended.
    pub(super) cut_off: u64,
}

/// Asks and answers for as long as the connection lasts.
pub(super) async fn converse(peer: Peer, runtime: Runtime, tally: Arc<Tally>) {
    let Some(channel) = peer.channel(NAME) else { return };
    drop(peer);
    let mut payloads = Payloads::new(&channel);
    let mut awaited: Option<Bytes> = None;
    loop {
        let wait = if awaited.is_some() { PATIENCE } else { PAUSE };
        let received = async { Some(channel.receive().await) };
        let waited = async {
            runtime.sleep(wait).await;
            None
        };
        match or(received, waited).await {
            Some(Some(message)) => {
                increment(&tally.messages);
                if !heard(message, &channel, &mut awaited, &tally).await {
                    break;
                }
            }
            Some(None) => break,
            None if awaited.take().is_some() => increment(&tally.wrong),
            None => {
                let payload = payloads.next();
                if channel.send(REQUEST, payload.clone()).await.is_err() {
                    break;
                }
                awaited = Some(payload);
            }
        }
    }
    if awaited.is_some() {
        increment(&tally.cut_off);
    }
}

/// Whether the connection goes on.
async fn heard(
    message: Message,
    channel: &Channel,
    awaited: &mut Option<Bytes>,
    tally: &Tally,
) -> bool {
    match message.code() {
        REQUEST => channel.send(REPLY, message.into_payload()).await.is_ok(),
        _ => {
            let intact = awaited.take().is_some_and(|sent| sent == *message.payload());
            increment(if intact { &tally.intact } else { &tally.wrong });
            true
        }
    }
}

/// What is sent: random bytes of several sizes, others on each connection.
struct Payloads {
    seed: Seed,
    number: u64,
}

impl Payloads {
    fn new(channel: &Channel) -> Self {
        let peer = channel.peer();
        Self { seed: Seed::new(*peer.node_id().as_bytes()), number: 0 }
    }

    fn next(&mut self) -> Bytes {
        let size = SIZES[usize::try_from(self.number).unwrap_or(0) % SIZES.len()];
        let mut payload = vec![0; size];
        self.seed.derive("payload", self.number).jitter().fill(&mut payload);
        self.number += 1;
        payload.into()
    }
}
