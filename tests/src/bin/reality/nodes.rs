//! Our nodes on real sockets: what they are comes as one line of standard input,
//! and when that ends they end.

use std::io::{BufRead as _, Read as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::{Contact, Enode};
use devp2p_core::node;
use devp2p_core::p2p::LocalCapabilities;
use devp2p_core::session::Greeting;
use devp2p_smol::{Config, Executor, host, start};
use serde::{Deserialize, Serialize};

use crate::observer::{Tell, observe, offer};
use crate::plan::LookUps;

/// geth's port, which every node has at its own address of loopback.
pub(crate) const PORT: u16 = 30303;

/// What one process runs.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Order {
    /// The URL where all others begin.
    pub(crate) bootnode: String,
    pub(crate) max_peers: usize,
    pub(crate) dials: bool,
    pub(crate) start_milliseconds: u64,
    pub(crate) look_milliseconds: u64,
    pub(crate) look_ups: Option<LookUps>,
    pub(crate) nodes: Vec<Ordered>,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Ordered {
    pub(crate) name: u32,
    /// 64 hex digits.
    pub(crate) key: String,
    pub(crate) ip: Ipv4Addr,
}

pub(crate) fn serve() {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).expect("an order");
    let order: Order = serde_json::from_str(&line).expect("an order");
    let executor = Arc::new(Executor::new());
    let tell: Tell = Arc::new(|line| {
        println!("{}", serde_json::to_string(&line).expect("it is plain"));
    });
    for _ in 0..2 {
        let executor = Arc::clone(&executor);
        std::thread::spawn(move || {
            async_io::block_on(executor.run(core::future::pending::<()>()));
        });
    }
    let began = Instant::now();
    for ordered in &order.nodes {
        let at = Duration::from_millis(order.start_milliseconds * u64::from(ordered.name));
        std::thread::sleep(at.saturating_sub(began.elapsed()));
        let node = start(config(&order, ordered), &executor).expect("free ports");
        let watched = observe(ordered.name, node, order.look_ups, Arc::clone(&tell));
        executor.spawn(watched).detach();
    }
    let _ = input.read_to_end(&mut Vec::new());
}

fn config(order: &Order, ordered: &Ordered) -> Config {
    let mut key = [0; 32];
    base16ct::lower::decode(&ordered.key, &mut key).expect("a key");
    let mut config = node::Config::new(SecretKey::from_bytes(&key).expect("a key"));
    config.client_name = format!("reality/n{}", ordered.name);
    config.greeting = Greeting::Offer(LocalCapabilities::new([offer()]).expect("one capability"));
    config.limits.max_peers = order.max_peers;
    config.no_dial = !order.dials;
    if ordered.name != 0 {
        let bootnode: Enode = order.bootnode.parse().expect("a URL");
        config.bootstrap_nodes = vec![Contact::from_enode(&bootnode)];
    }
    let seed = host::seed().expect("randomness");
    Config::new(config, seed).listen((ordered.ip, PORT).into()).verifiers(1)
}
