//! An application as a state machine: it pings its peers by the clock and counts
//! what comes back. Nothing in it waits, so an adapter runs it as a simulator does.
//!
//! ```text
//! cargo run -p devp2p-smol --example pinging
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use devp2p_smol::core::application::{Application, Input, Output};
use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::discv4::RequestId;
use devp2p_smol::core::node::{self, Command, ConnectionId, PeerInfo};
use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_smol::core::session::Greeting;
use devp2p_smol::core::time::{Deadline, Instant, Now};
use devp2p_smol::{Config, Executor, host::seed, serve, start};

/// Capability `ping`: 0 is answered by 1.
#[derive(Default)]
struct Pinging {
    peers: BTreeMap<ConnectionId, Arc<PeerInfo>>,
    pongs: u64,
    due: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Pinging {
    fn say(&mut self, to: ConnectionId, code: u64) {
        let Some(peer) = self.peers.get(&to) else { return };
        if let Ok(message) = peer.shared.message(0, code, "".into()) {
            self.outputs.push_back(Output::Send(to, message));
        }
    }
}

impl Application for Pinging {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(peer) => drop(self.peers.insert(peer.connection, peer)),
            Input::Message(from, message) if message.code() == 0 => self.say(from, 1),
            Input::Message(..) => self.pongs += 1,
            Input::Disconnected(id, error) => {
                println!("{id} is gone: {error}");
                self.peers.remove(&id);
            }
            // A ping that finds no room is none: there will be others.
            Input::Unsent(..) | Input::Room(_) | Input::Answer(..) | Input::Timeout => {}
        }
        if self.due.is_none_or(|due| due <= now.mono) {
            self.due = Some(now.mono + Duration::from_millis(100));
            let peers: Vec<_> = self.peers.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.say(peer, 0));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.due.map(|at| Deadline { at, reason: "ping" })
    }
}

fn config() -> Result<Config, Box<dyn Error>> {
    let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
    config.greeting =
        Greeting::Offer(LocalCapabilities::new([LocalCapability::new("ping", 1, 2)])?);
    config.discovery = false;
    Ok(Config::new(config, seed()?).listen("127.0.0.1:0".parse()?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let executor = Arc::new(Executor::new());
    let (ann, bob) = (start(config()?, &executor)?, start(config()?, &executor)?);
    let mut dialling = Pinging::default();
    let dial = Command::AddPeer((&bob.enode()).into());
    dialling.outputs.push_back(Output::Command(RequestId(1), dial));
    async_io::block_on(executor.run(async {
        let serving = executor.spawn(serve(ann.clone(), dialling));
        executor.spawn(serve(bob.clone(), Pinging::default())).detach();
        ann.runtime().sleep(Duration::from_secs(1)).await;
        ann.stop().await?;
        println!("{} pings came back", serving.await.pongs);
        bob.stop().await?;
        Ok(())
    }))
}
