//! An application as async code that knows no runtime: [`spread`] holds types of
//! `devp2p_handle` alone, so smol, tokio and a simulator run it as it stands.
//!
//! ```text
//! cargo run -p devp2p-smol --example rumour
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use devp2p_handle::{Channel, Event, Node, Runtime};

/// Draws a number, tells the greatest one that it has heard of to every peer, again
/// and again, and listens. Ends with the node. Capability `rumour`, one message.
pub async fn spread(node: Node, heard: Arc<AtomicU64>) {
    let runtime = node.runtime().clone();
    let drawn = u64::from_be_bytes(runtime.seed().jitter().bytes());
    heard.fetch_max(drawn, Ordering::Relaxed);
    while let Some(event) = node.next_event().await {
        let Event::Connected(peer) = event else { continue };
        if let (Some(ear), Some(mouth)) = (peer.channel("rumour"), peer.channel("rumour")) {
            runtime.spawn(listen(ear, Arc::clone(&heard)));
            runtime.spawn(tell(runtime.clone(), mouth, Arc::clone(&heard)));
        }
    }
}

async fn listen(channel: Channel, heard: Arc<AtomicU64>) {
    while let Some(message) = channel.receive().await {
        if let Ok(number) = message.payload()[..].try_into() {
            heard.fetch_max(u64::from_be_bytes(number), Ordering::Relaxed);
        }
    }
}

async fn tell(runtime: Runtime, channel: Channel, heard: Arc<AtomicU64>) {
    let number = || heard.load(Ordering::Relaxed).to_be_bytes().to_vec();
    while channel.send(0, number()).await.is_ok() {
        runtime.sleep(Duration::from_millis(50)).await;
    }
}

// All that follows is smol's.

use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_smol::core::{crypto::SecretKey, node, session::Greeting};
use devp2p_smol::{Config, Executor, host::seed, start};

fn config() -> Result<Config, Box<dyn Error>> {
    let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
    let offer = LocalCapabilities::new([LocalCapability::new("rumour", 1, 1)])?;
    config.greeting = Greeting::Offer(offer);
    config.discovery = false;
    Ok(Config::new(config, seed()?).listen("127.0.0.1:0".parse()?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let executor = Arc::new(Executor::new());
    let nodes =
        [start(config()?, &executor)?, start(config()?, &executor)?, start(config()?, &executor)?];
    let heard = [const { AtomicU64::new(0) }; 3].map(Arc::new);
    async_io::block_on(executor.run(async {
        for (node, heard) in nodes.iter().zip(&heard) {
            executor.spawn(spread(node.clone(), Arc::clone(heard))).detach();
        }
        // The first and the last know of each other by hearsay.
        for pair in nodes.windows(2) {
            pair[0].add_peer(&pair[1].enode()).await?;
        }
        nodes[0].runtime().sleep(Duration::from_secs(1)).await;
        for node in &nodes {
            node.stop().await?;
        }
        println!("all have heard of {heard:?}");
        Ok(())
    }))
}
