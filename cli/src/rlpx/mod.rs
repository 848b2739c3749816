//! `devp2p rlpx`: who the node of its commands is, and the peer that it dials.

mod describe;
mod echo;
pub(crate) mod listen;
mod ping;
pub(crate) mod tidings;

use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::{Seed, SeedChain};
use devp2p_smol::core::error::Misuse;
use devp2p_smol::core::identity::Enode;
use devp2p_smol::core::node;
use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_smol::core::session::Greeting;
use devp2p_smol::{Config, Executor, Peer, host, start};
use futures_lite::future::or;

use crate::args::{self, Rlpx};
use crate::failure::Failure;
use crate::{key, signals};

/// The capability that `listen --echo` and `run --echo` serve, and `echo` and
/// `devnet` use.
pub(crate) const ECHO: &str = "echo";

/// Its message with any payload.
pub(crate) const REQUEST: u64 = 0;

/// Its message with the same payload back.
pub(crate) const REPLY: u64 = 1;

pub(crate) fn run(command: Rlpx) -> Result<(), Failure> {
    match command {
        Rlpx::Ping(arguments) => ping::run(&arguments),
        Rlpx::Listen(arguments) => listen::run(&arguments),
        Rlpx::Echo(arguments) => echo::run(&arguments),
    }
}

/// The offer of a node that speaks echo.
pub(crate) fn echo_offer() -> Result<Greeting, Misuse> {
    LocalCapabilities::new([LocalCapability::new(ECHO, 1, 2)]).map(Greeting::Offer)
}

/// A node without discovery that dials nobody unasked: who it is, and the seed of
/// its connections.
fn identity(arguments: &args::Local, greeting: Greeting) -> Result<(node::Config, Seed), Failure> {
    let mut seeds = SeedChain::new(host::seed()?);
    let key = match &arguments.nodekey {
        Some(file) => key::load(file)?,
        None => SecretKey::generate(&mut seeds.draw().secrets()),
    };
    let mut config = node::Config::new(key);
    config.client_name = client_name(None);
    config.greeting = greeting;
    config.discovery = false;
    config.no_dial = true;
    Ok((config, seeds.draw()))
}

/// In the form that everybody uses: name, the operator's own name for it, version,
/// system. geth `NodeName`.
pub(crate) fn client_name(identity: Option<&str>) -> String {
    use std::env::consts::{ARCH, OS};
    let identity = identity.filter(|name| !name.is_empty());
    let identity = identity.map(|name| format!("/{name}")).unwrap_or_default();
    format!("devp2p-rs{identity}/v{}/{OS}-{ARCH}", env!("CARGO_PKG_VERSION"))
}

/// Dials a node and does `work` with it. However that ends, and if a signal
/// ends it, the other is told that we quit.
fn with_peer<T>(
    enode: &str,
    arguments: &args::Local,
    greeting: Greeting,
    work: impl AsyncFnOnce(Peer) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let enode: Enode = enode.parse()?;
    let (config, seed) = identity(arguments, greeting)?;
    let signals = signals::watch().map_err(|error| Failure::System("signals", error))?;
    let executor = Arc::new(Executor::new());
    async_io::block_on(executor.run(async {
        let node = start(Config::new(config, seed), &executor)?;
        let working = async { work(node.dial(&enode).await?).await };
        let interrupted = async {
            match signals.recv().await {
                Ok(signal) => Err(Failure::Interrupted(signal)),
                Err(_) => core::future::pending().await,
            }
        };
        let result = or(working, interrupted).await;
        let _ = node.stop().await;
        result
    }))
}
