//! The traffic: each side of a connection sends requests, and gets back what it
//! sent.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use devp2p_smol::Peer;
use devp2p_smol::core::entropy::Seed;
use futures_lite::future::or;

use crate::rlpx::{ECHO, REPLY, REQUEST};
use crate::runtime::Runtime;

/// Between the answer to a request and the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// For an answer to come. Far more than it takes on one machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Sizes of requests, in turn, bytes.
const SIZES: [usize; 5] = [0, 32, 1000, 16_000, 100];

/// What all conversations have come to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connected: AtomicU64,
    failed: AtomicU64,
    unexpected: AtomicU64,
    messages: AtomicU64,
    sent: AtomicU64,
    intact: AtomicU64,
    wrong: AtomicU64,
    cut_off: AtomicU64,
    quiet: AtomicBool,
    closed: AtomicBool,
}

fn increment(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

impl Tally {
    /// A connection was admitted at one of its ends: how many were before.
    pub(super) fn connected(&self) -> u64 {
        increment(&self.connected)
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

    /// Nobody is to ask any more; whoever is asked answers.
    pub(super) fn quieten(&self) {
        self.quiet.store(true, Ordering::Relaxed);
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
            sent: of(&self.sent),
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
    /// Requests sent.
    pub(super) sent: u64,
    /// Requests that came back as they were sent.
    pub(super) intact: u64,
    /// Requests that came back otherwise, or not in time.
    pub(super) wrong: u64,
    /// Requests under way when their connection was ended.
    pub(super) cut_off: u64,
}

impl Counts {
    /// Requests that have not come back yet.
    pub(super) const fn under_way(&self) -> u64 {
        self.sent.saturating_sub(self.intact + self.wrong + self.cut_off)
    }
}

/// Asks and answers for as long as the connection lasts. `number` is of no other
/// end of a connection.
pub(super) async fn converse(peer: Peer, number: u64, runtime: Runtime, tally: Arc<Tally>) {
    let Some(channel) = peer.channel(ECHO) else { return };
    drop(peer);
    let mut payloads = Payloads::new(number);
    let mut awaited: Option<Bytes> = None;
    // When the answer has not come in time, or when to ask next.
    let mut due = Instant::now() + PAUSE;
    loop {
        let received = async { Some(channel.receive().await) };
        let waited = async {
            runtime.sleep(due.saturating_duration_since(Instant::now())).await;
            None
        };
        match or(received, waited).await {
            Some(Some(message)) => {
                increment(&tally.messages);
                if message.code() == REQUEST {
                    if channel.send(REPLY, message.into_payload()).await.is_err() {
                        break;
                    }
                    continue;
                }
                let intact = awaited.take().is_some_and(|sent| sent == *message.payload());
                increment(if intact { &tally.intact } else { &tally.wrong });
                due = Instant::now() + PAUSE;
            }
            Some(None) => break,
            None if awaited.take().is_some() => {
                increment(&tally.wrong);
            }
            None if tally.quiet.load(Ordering::Relaxed) => due = Instant::now() + PAUSE,
            None => {
                let payload = payloads.next();
                if channel.send(REQUEST, payload.clone()).await.is_err() {
                    break;
                }
                increment(&tally.sent);
                awaited = Some(payload);
                due = Instant::now() + PATIENCE;
            }
        }
    }
    if awaited.is_some() {
        increment(&tally.cut_off);
    }
}

/// What is sent: random bytes of several sizes, others by each end of each
/// connection, so that no answer is right where it does not belong.
struct Payloads {
    seed: Seed,
    number: u64,
}

impl Payloads {
    fn new(number: u64) -> Self {
        Self { seed: Seed::from_number(number), number: 0 }
    }

    fn next(&mut self) -> Bytes {
        let size = SIZES[usize::try_from(self.number).unwrap_or(0) % SIZES.len()];
        let mut payload = vec![0; size];
        self.seed.derive("payload", self.number).jitter().fill(&mut payload);
        self.number += 1;
        payload.into()
    }
}
