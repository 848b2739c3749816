//! Two nodes with a capability of their own: one speaks, the other answers.
//!
//! ```text
//! cargo run -p devp2p-smol --example chat
//! ```

use std::error::Error;
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::node;
use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_smol::core::session::Greeting;
use devp2p_smol::host::seed;
use devp2p_smol::{Config, Event, Executor, Node, start};

/// Capability `chat`, version 1, with one message: 0 is a line of text.
fn node(name: &str, executor: &Arc<Executor<'static>>) -> Result<Node, Box<dyn Error>> {
    let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
    config.client_name = name.into();
    let offer = LocalCapabilities::new([LocalCapability::new("chat", 1, 1)])?;
    config.greeting = Greeting::Offer(offer);
    config.discovery = false;
    Ok(start(Config::new(config, seed()?).listen("127.0.0.1:0".parse()?), executor)?)
}

/// Answers everyone who connects.
async fn answer(node: Node) {
    while let Some(event) = node.next_event().await {
        let Event::Connected(peer) = event else { continue };
        println!("{} has come from {}", peer.hello().client_name, peer.address());
        let Some(chat) = peer.channel("chat") else { continue };
        while let Some(line) = chat.receive().await {
            let line = String::from_utf8_lossy(line.payload()).to_uppercase();
            if chat.send(0, line).await.is_err() {
                break;
            }
        }
        println!("and went: {}", peer.closed().await);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let executor = Arc::new(Executor::new());
    async_io::block_on(executor.run(async {
        let (ann, bob) = (node("ann", &executor)?, node("bob", &executor)?);
        let answering = executor.spawn(answer(bob.clone()));
        let peer = ann.dial(&bob.enode()).await?;
        let chat = peer.channel("chat").ok_or("bob does not chat")?;
        for line in ["good morning", "is anybody there?"] {
            chat.send(0, line).await?;
            let answer = chat.receive().await.ok_or("bob has gone")?;
            println!("{line} -> {}", String::from_utf8_lossy(answer.payload()));
        }
        ann.stop().await?;
        bob.stop().await?;
        answering.await;
        Ok(())
    }))
}
