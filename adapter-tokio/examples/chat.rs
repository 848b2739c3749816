//! Two nodes with a capability of their own: one speaks, the other answers.
//!
//! ```text
//! cargo run -p devp2p-tokio --example chat-on-tokio
//! ```

use std::error::Error;

use devp2p_tokio as devp2p;

use devp2p::core::crypto::SecretKey;
use devp2p::core::node;
use devp2p::core::p2p::{LocalCapabilities, LocalCapability};
use devp2p::core::session::Greeting;
use devp2p::host::seed;
use devp2p::{Config, Event, Node, start};

/// Capability `chat`, version 1, with one message: 0 is a line of text.
fn config(name: &str) -> Result<Config, Box<dyn Error>> {
    let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
    config.client_name = name.into();
    let offer = LocalCapabilities::new([LocalCapability::new("chat", 1, 1)])?;
    config.greeting = Greeting::Offer(offer);
    config.discovery = false;
    Ok(Config::new(config, seed()?).listen("127.0.0.1:0".parse()?))
}

/// Answers everyone who connects, until the node stops.
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

/// Says a few things to the other, and stops both.
async fn speak(ann: Node, bob: Node) -> Result<(), Box<dyn Error>> {
    let peer = ann.dial(&bob.enode()).await?;
    let chat = peer.channel("chat").ok_or("bob does not chat")?;
    for line in ["good morning", "is anybody there?"] {
        chat.send(0, line).await?;
        let answer = chat.receive().await.ok_or("bob has gone")?;
        println!("{line} -> {}", String::from_utf8_lossy(answer.payload()));
    }
    ann.stop().await?;
    bob.stop().await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ann = start(config("ann")?, runtime.handle())?;
    let bob = start(config("bob")?, runtime.handle())?;
    runtime.block_on(async {
        let answering = runtime.spawn(answer(bob.clone()));
        speak(ann, bob).await?;
        answering.await?;
        Ok(())
    })
}
