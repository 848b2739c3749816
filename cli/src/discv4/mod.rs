//! `devp2p discv4`: the node for discovery that all its commands start, and how
//! their arguments shape it.

mod ask;
mod crawl;
mod listen;
mod node;
mod tidings;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::SeedChain;
use devp2p_smol::core::identity::{LocalEndpoints, NodeAddress};
use devp2p_smol::core::node::Config as NodeConfig;
use devp2p_smol::host::Nat;
use devp2p_smol::{Config, Discovery, Executor, StartError, discover, host};
use futures_lite::future::or;

use crate::args::{Discover, Discv4, External};
use crate::failure::{Failure, system};
use crate::{key, signals};

pub(crate) use node::{NodeError, bootnodes, looked_up, nodes, parse, public};

/// A node as the command line names it.
pub(crate) fn parse_node(text: &str) -> Result<NodeAddress, Failure> {
    parse(text).map_err(Failure::NotANode)
}

pub(crate) fn run(command: Discv4) -> Result<(), Failure> {
    match command {
        Discv4::Ping(arguments) => ask::ping(&arguments),
        Discv4::Requestenr(arguments) => ask::request_record(&arguments),
        Discv4::Resolve(arguments) => ask::resolve(&arguments),
        Discv4::Crawl(arguments) => crawl::run(&arguments),
        Discv4::Listen(arguments) => listen::run(&arguments),
    }
}

/// Where to listen when nothing is said of it: at every address.
const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// The same where there is no IPv6. Source: geth `discv4cmd.go`, `listen`.
const EVERYWHERE_IP4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Starts discovery with these bootnodes, which may be none.
fn start(
    arguments: &Discover,
    bootnodes: Vec<NodeAddress>,
    nat: &Nat,
    executor: &Arc<Executor<'static>>,
) -> Result<Discovery, Failure> {
    let mut seeds = SeedChain::new(host::seed()?);
    let mut config = NodeConfig::new(key(arguments, &mut seeds)?);
    let seed = seeds.draw();
    config.bootstrap_nodes = bootnodes.iter().map(NodeAddress::contact).collect();
    config.endpoints = arguments.extaddr.as_ref().map(announced).unwrap_or_default();
    let start = |address: SocketAddr| {
        let config = Config::new(config.clone(), seed.clone()).discovery(address);
        let mut config = config.nat(nat.clone());
        if let Some(directory) = &arguments.nodedb {
            config = config.node_database(directory);
        }
        discover(config, executor)
    };
    let failed = |error| Failure::of_start(error, arguments.nodedb.as_deref());
    let listen = arguments.addr.unwrap_or(EVERYWHERE);
    match start(listen) {
        Err(StartError::Listen(..)) if arguments.addr.is_none() => {
            start(EVERYWHERE_IP4).map_err(failed)
        }
        started => started.map_err(failed),
    }
}

/// What is announced stands whatever others state, but for the port: as long
/// as they state none.
fn announced(external: &External) -> LocalEndpoints {
    let mut endpoints = LocalEndpoints::default();
    for ip in &external.ips {
        endpoints.set_static(*ip);
    }
    endpoints.fallback_udp = external.port.unwrap_or(0);
    endpoints
}

fn key(arguments: &Discover, seeds: &mut SeedChain) -> Result<SecretKey, Failure> {
    match (&arguments.nodekey, &arguments.nodekeyhex) {
        (Some(file), _) => key::load(file),
        (None, Some(digits)) => key::from_hex(digits),
        (None, None) => Ok(SecretKey::generate(&mut seeds.draw().secrets())),
    }
}

/// Starts discovery and does `work` with it, until a signal ends it.
fn with_discovery(
    arguments: &Discover,
    work: impl AsyncFnOnce(Discovery) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let bootnodes = bootnodes(arguments.bootnodes.as_deref())?;
    let signals = signals::watch().map_err(system("signals"))?;
    let executor = Arc::new(Executor::new());
    let discovery = start(arguments, bootnodes, &Nat::None, &executor)?;
    async_io::block_on(executor.run(async {
        let interrupted = async {
            match signals.recv().await {
                Ok(signal) => Err(Failure::Interrupted(signal)),
                Err(_) => core::future::pending().await,
            }
        };
        let result = or(work(discovery.clone()), interrupted).await;
        let _ = discovery.stop().await;
        result
    }))
}
