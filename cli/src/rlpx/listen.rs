//! `devp2p rlpx listen`: a node that waits for peers, and tells who comes and
//! who goes.

use std::io;
use std::time::Instant;

use devp2p_smol::core::p2p::LocalCapabilities;
use devp2p_smol::core::session::Greeting;
use devp2p_smol::{Channel, Config, Event, Node, Peer, SendError};
use futures_lite::future::{or, zip};

use super::{ECHO, REPLY, REQUEST, tidings};
use crate::args::Listen;
use crate::failure::{Failure, system};
use crate::runtime::{self, Runtime};
use crate::signals;
use crate::writer::{Full, Lines, Written};

pub(super) fn run(arguments: &Listen) -> Result<(), Failure> {
    runtime::raise_file_limit();
    let greeting = if arguments.echo {
        super::echo_offer()?
    } else {
        Greeting::Offer(LocalCapabilities::default())
    };
    let (mut node, seed) = super::identity(&arguments.node, greeting)?;
    node.limits.max_peers = arguments.maxpeers;
    let signals = signals::watch().map_err(system("signals"))?;
    let config = Config::new(node, seed).listen(arguments.addr);
    let work = async |runtime: Runtime| {
        let node = runtime.start(config)?;
        let (lines, written) = Lines::start(Full::Wait).map_err(system("output thread"))?;
        let until = async {
            let _ = signals.recv().await;
        };
        let host = Host { node, lines, runtime, json: arguments.node.json };
        host.serve(until, &written).await.map_err(Failure::Output)
    };
    runtime::run(arguments.runtime, work)?
}

struct Host {
    node: Node,
    lines: Lines,
    runtime: Runtime,
    json: bool,
}

impl Host {
    /// Serves until it is told to stop, or until it has something to say that
    /// cannot be written: nobody reads it any more.
    async fn serve(self, until: impl Future<Output = ()>, written: &Written) -> io::Result<()> {
        self.lines.say(tidings::listening(&self.node.enode(), self.json)).await;
        let unheard = async { written.end().await.map(|()| None) };
        let told = async {
            until.await;
            Ok(Some(()))
        };
        let ended = or(or(unheard, told), async {
            self.receive().await;
            Ok(Some(()))
        })
        .await;
        // Events are taken meanwhile: those who wait to be told of end too.
        let _ = zip(self.node.stop(), self.receive()).await;
        ended?;
        drop(self.lines);
        written.end().await
    }

    /// Takes what happens until the node has stopped.
    async fn receive(&self) {
        while let Some(event) = self.node.next_event().await {
            match event {
                Event::Connected(peer) => {
                    let guest = attend(peer, self.lines.clone(), self.json);
                    self.runtime.spawn(guest);
                }
                Event::Failed(failure) => {
                    self.lines.say(tidings::refused(&failure, self.json)).await;
                }
                // The task that attends to the peer says so, in its turn.
                Event::Disconnected { .. } => {}
                event @ (Event::DialFailed { .. } | Event::WantsCandidates(_) | _) => {
                    tracing::error!(?event, "not expected")
                }
            }
        }
    }
}

/// One peer from its coming to its going.
pub(crate) async fn attend(peer: Peer, lines: Lines, json: bool) {
    let since = Instant::now();
    lines.say(tidings::connected(&peer, json)).await;
    if let Some(channel) = peer.channel(ECHO) {
        echo(&channel).await;
    }
    let error = peer.closed().await;
    lines.say(tidings::disconnected(&peer, &error, since.elapsed(), json)).await;
}

/// Answers requests for as long as the connection lasts.
async fn echo(channel: &Channel) {
    while let Some(message) = channel.receive().await {
        // A reply to what was never asked means nothing.
        if message.code() != REQUEST {
            continue;
        }
        match channel.send(REPLY, message.into_payload()).await {
            // What the other's compression got into a frame ours may not.
            Ok(()) | Err(SendError::Misuse(_)) => {}
            Err(_) => return,
        }
    }
}
