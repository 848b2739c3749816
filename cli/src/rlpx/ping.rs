//! `devp2p rlpx ping`: who is there, and how fast it answers.
//!
//! Our hello offers whatever the other's does, so that any node admits us.

use core::fmt;
use core::time::Duration;

use devp2p_smol::Peer;
use devp2p_smol::core::identity::PublicKeyHex;
use devp2p_smol::core::session::Greeting;
use futures_lite::future::or;
use serde::Serialize;

use super::describe::{self, HelloJson};
use crate::args::Ping;
use crate::failure::{Cause, Failure};
use crate::output::{self, Escaped};

pub(super) fn run(arguments: &Ping) -> Result<(), Failure> {
    let Ping { enode, node } = arguments;
    super::with_peer(enode, node, Greeting::Mirror, async |peer: Peer| {
        let found = Found::of(peer).await;
        if node.json { found.tell_json() } else { found.tell() }
    })
}

/// Who was there. A peer that leaves before it answers has still said hello.
struct Found {
    peer: Peer,
    round_trip: Result<Duration, Failure>,
}

#[derive(Serialize)]
struct FoundJson {
    hello: HelloJson,
    handshake_ms: f64,
    ping_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cause>,
}

impl Found {
    async fn of(peer: Peer) -> Self {
        let round_trip = match or(peer.ping(), ignore(&peer)).await {
            Some(round_trip) => Ok(round_trip),
            None => Err(peer.closed().await.into()),
        };
        Self { peer, round_trip }
    }

    fn tell_json(self) -> Result<(), Failure> {
        let (ping_ms, error) = match &self.round_trip {
            Ok(round_trip) => (Some(output::milliseconds(*round_trip)), None),
            Err(failure) => (None, Some(failure.cause())),
        };
        output::json(&FoundJson {
            hello: HelloJson::of(&self.peer),
            handshake_ms: output::milliseconds(self.peer.handshake_time()),
            ping_ms,
            error,
        })?;
        self.round_trip.map(|_| ()).map_err(|_| Failure::Told)
    }

    fn tell(self) -> Result<(), Failure> {
        output::line(&self)?;
        self.round_trip.map(|_| ())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hello = self.peer.hello();
        let capabilities = describe::capabilities(&self.peer).join(" ");
        writeln!(f, "client       {}", Escaped(&hello.client_name))?;
        writeln!(f, "capabilities {}", Escaped(&capabilities))?;
        writeln!(f, "p2p version  {}", hello.version)?;
        writeln!(f, "listen port  {}", hello.listen_port)?;
        writeln!(f, "id           {}", PublicKeyHex(self.peer.public_key()))?;
        let handshake = output::milliseconds(self.peer.handshake_time());
        write!(f, "handshake    {handshake:.3} ms")?;
        if let Ok(round_trip) = &self.round_trip {
            write!(f, "\nping         {:.3} ms", output::milliseconds(*round_trip))?;
        }
        Ok(())
    }
}

/// Takes the messages of the other's capabilities, so that they do not stand
/// before its pong.
async fn ignore<T>(peer: &Peer) -> T {
    // One channel of no name holds them all.
    if let Some(channel) = peer.channel("") {
        while channel.receive().await.is_some() {}
    }
    core::future::pending().await
}
