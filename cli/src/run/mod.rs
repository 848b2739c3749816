//! `devp2p run`: a whole node, which finds others, connects to them, and tells who
//! comes and who goes.

mod tidings;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::{Seed, SeedChain};
use devp2p_smol::core::identity::{NetRestrict, NodeAddress, Record};
use devp2p_smol::core::node;
use devp2p_smol::{Config, Event, Node, StartError, host};
use futures_lite::future::{or, zip};

use crate::args::Run;
use crate::failure::{Failure, system};
use crate::rlpx::{self, client_name, echo_offer};
use crate::runtime::{self, Runtime};
use crate::writer::{Lines, Written};
use crate::{discv4, key, signals};

pub(crate) fn run(arguments: &Run) -> Result<(), Failure> {
    runtime::raise_file_limit();
    let (config, seed) = configuration(arguments)?;
    let signals = signals::watch().map_err(system("signals"))?;
    runtime::run(arguments.runtime, async move |runtime| {
        // With it go the copies of key and seed.
        let node = start(arguments, config, seed, &runtime)?;
        let (lines, written) = Lines::start().map_err(system("output thread"))?;
        let host = Host { record: node.record(), node, lines, runtime, json: arguments.json };
        let until = async {
            let _ = signals.recv().await;
        };
        host.serve(until, &written).await.map_err(Failure::Output)
    })?
}

fn configuration(arguments: &Run) -> Result<(node::Config, Seed), Failure> {
    let mut seeds = SeedChain::new(host::seed()?);
    let key = match &arguments.nodekey {
        Some(file) => key::load(file)?,
        None => SecretKey::generate(&mut seeds.draw().secrets()),
    };
    let mut config = node::Config::new(key);
    config.client_name = client_name();
    if arguments.echo {
        config.greeting = echo_offer()?;
    }
    config.limits.max_peers = arguments.maxpeers;
    config.limits.max_pending_peers = arguments.maxpendpeers;
    config.discovery = !arguments.nodiscover;
    if config.discovery {
        let bootnodes = discv4::bootnodes(arguments.bootnodes.as_deref())?;
        config.bootstrap_nodes = bootnodes.iter().map(NodeAddress::contact).collect();
    }
    if !arguments.netrestrict.is_empty() {
        config.net_restrict = Some(NetRestrict::new(arguments.netrestrict.iter().copied()));
    }
    config.static_nodes = discv4::nodes("--staticnodes", &arguments.staticnodes)?;
    let trusted = discv4::nodes("--trustednodes", &arguments.trustednodes)?;
    config.trusted_nodes = trusted.iter().map(NodeAddress::node_id).collect();
    Ok((config, seeds.draw()))
}

/// At every address unless one is given; where there is no IPv6, of IPv4.
fn start(
    arguments: &Run,
    config: node::Config,
    seed: Seed,
    runtime: &Runtime,
) -> Result<Node, Failure> {
    let at = |ip: IpAddr| {
        let listen = SocketAddr::new(ip, arguments.port);
        let mut config = Config::new(config.clone(), seed.clone()).listen(listen);
        if let Some(port) = arguments.discovery_port {
            config = config.discovery(SocketAddr::new(ip, port));
        }
        if let Some(directory) = &arguments.nodedb {
            config = config.node_database(directory);
        }
        runtime.start(config)
    };
    let started = match arguments.addr {
        Some(ip) => at(ip),
        None => match at(Ipv6Addr::UNSPECIFIED.into()) {
            Err(StartError::Listen(..)) => at(Ipv4Addr::UNSPECIFIED.into()),
            started => started,
        },
    };
    started.map_err(|error| Failure::of_start(error, arguments.nodedb.as_deref()))
}

struct Host {
    node: Node,
    record: Arc<Record>,
    lines: Lines,
    runtime: Runtime,
    json: bool,
}

impl Host {
    /// Serves until it is told to stop. Others are connected to it though nobody
    /// reads any more what it says: what cannot be written is dropped, and why is
    /// known in the end.
    async fn serve(self, until: impl Future<Output = ()>, written: &Written) -> io::Result<()> {
        let enode = self.node.enode();
        self.lines.say(tidings::listening(&enode, &self.record, self.json)).await;
        or(until, self.receive()).await;
        // Events are taken meanwhile: those who wait to be told of end too.
        let _ = zip(self.node.stop(), self.receive()).await;
        drop(self.lines);
        written.end().await
    }

    /// Takes what happens until the node has stopped.
    async fn receive(&self) {
        while let Some(event) = self.node.next_event().await {
            match event {
                Event::Connected(peer) => {
                    let guest = rlpx::listen::attend(peer, self.lines.clone(), self.json);
                    self.runtime.spawn(guest);
                }
                Event::Failed(failure) => {
                    self.lines.say(rlpx::tidings::refused(&failure, self.json)).await;
                }
                // Most nodes of a public network are not there: that is no news.
                Event::DialFailed { .. } => {}
                // The task that attends to the peer says so, in its turn.
                Event::Disconnected { .. } => {}
                event @ (Event::WantsCandidates(_) | _) => {
                    tracing::error!(?event, "not expected");
                }
            }
        }
    }
}
