//! What a node does with a stranger whom it refuses, its journal included, and what
//! it costs to be asked.
//!
//! `cargo bench -p devp2p-core --bench journal`. Medians of 60 samples, in
//! nanoseconds.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use core::error::Error;
use core::net::{Ipv4Addr, SocketAddr};

use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::NodeId;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{Config, Input, Node, Output, Report};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Counters, SessionError};
use devp2p_core::time::{Instant, Now, UnixTime};

mod measuring;

/// Strangers that come again and again: more than a journal keeps.
const STRANGERS: u32 = 4096;

/// Connects, shows its key, is refused, and goes.
fn refuse(node: &mut Node, now: Now, key: &PublicKey) {
    // Of the local network, so that nobody is throttled.
    let from = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 1).into(), 30303);
    node.handle(now, Input::Incoming(from));
    let mut accepted = None;
    while let Some(output) = node.poll_output() {
        if let Output::Accept { id, .. } = output {
            accepted = Some(id);
        }
    }
    let Some(id) = accepted else { return };
    let error = SessionError::Local(DisconnectReason::TooManyPeers);
    for report in
        [Report::Authenticated(*key), Report::Closed { error, counters: Counters::default() }]
    {
        node.handle(now, Input::Session(id, report));
        while node.poll_output().is_some() {}
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = |number: u32| {
        let mut secret = [1; 32];
        secret[28..].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_bytes(&secret)
    };
    let mut config = Config::new(key(u32::MAX)?);
    config.discovery = false;
    config.limits.max_peers = 0;
    let now = Now { mono: Instant::from_secs(1), unix: UnixTime::from_secs(1_700_000_000) };
    let mut node = Node::new(config, &Seed::from_number(1), now)?;
    let keys: Vec<_> = (0..STRANGERS)
        .map(|number| Ok(key(number)?.public_key()))
        .collect::<Result<_, Box<dyn Error>>>()?;
    measuring::measure("a stranger refused, from its first byte to its end", |round| {
        refuse(&mut node, now, &keys[round % keys.len()]);
    });
    assert_eq!(node.counts().refused_inbound.total(), 60 * 4096);
    let ids: Vec<_> = keys.iter().map(NodeId::from).collect();
    measuring::measure("explained", |round| node.explain(&ids[round % ids.len()]));
    Ok(())
}
