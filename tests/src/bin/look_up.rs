//! A node of ours that looks up whatever it is told, for `tests/interop/run`.
//!
//! ```text
//! look_up --bootnodes URL[,URL…]
//! ```
//!
//! Each line of its input is a target, a public key of 128 hex digits; each line
//! of its output is JSON: where it listens, then what each look-up returned. It
//! ends with its input.
#![expect(clippy::expect_used, reason = "a tool for developers, which stops where it cannot go on")]

use std::io::BufRead as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::{Contact, Enode};
use devp2p_smol::core::node;
use devp2p_smol::{Config, Discovery, Executor, discover, host};
use futures_lite::future::block_on;
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [option, bootnodes] = &arguments[..] else { usage() };
    if option != "--bootnodes" {
        usage();
    }
    let executor = Arc::new(Executor::new());
    let discovery = start(bootnodes, &executor);
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let running = std::thread::spawn(move || async_io::block_on(executor.run(stopped.recv())));

    let (enode, record) = (discovery.enode().to_string(), discovery.record().to_string());
    println!("{}", json!({ "event": "listening", "enode": enode, "record": record }));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        println!("{}", look_up(&discovery, &line));
    }
    block_on(discovery.stop()).expect("it was running");
    drop(stop);
    let _ = running.join();
}

fn usage() -> ! {
    eprintln!("usage: look_up --bootnodes URL[,URL...]");
    std::process::exit(2);
}

fn start(bootnodes: &str, executor: &Arc<Executor<'static>>) -> Discovery {
    let seed = host::seed().expect("randomness");
    let key = SecretKey::generate(&mut seed.derive("node key", 0).secrets());
    let mut config = node::Config::new(key);
    let contact = |url: &str| Contact::from_enode(&url.parse::<Enode>().expect("an enode URL"));
    config.bootstrap_nodes = bootnodes.split(',').map(contact).collect();
    let config = Config::new(config, seed).discovery((Ipv4Addr::LOCALHOST, 0).into());
    discover(config, executor).expect("a free port")
}

fn look_up(discovery: &Discovery, digits: &str) -> Value {
    let mut target = [0; 64];
    base16ct::lower::decode(digits, &mut target).expect("128 hex digits");
    let begin = Instant::now();
    let found = block_on(discovery.look_up(target)).expect("an answer");
    let named =
        |contact: &Contact| json!({ "id": contact.id().to_string(), "enode": contact.to_string() });
    let nodes: Vec<Value> = found.iter().map(named).collect();
    json!({
        "event": "looked up",
        "target": digits,
        "nodes": nodes,
        "milliseconds": begin.elapsed().as_secs_f64() * 1e3,
    })
}
