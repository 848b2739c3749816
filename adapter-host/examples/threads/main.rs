//! The chat of the adapters without any of them: threads of std and sockets that
//! wait are runtime enough.
//!
//! ```text
//! cargo run -p devp2p-host --example threads
//! ```
//!
//! Where an adapter has a task a thread waits here, and where it asks a poller
//! whether a socket is ready another thread waits for that:
//!
//! | thread | waits for |
//! |---|---|
//! | of a node (`node.rs`) | application, sessions, its acceptor, the deadline |
//! | its acceptor (`accept.rs`) | connections |
//! | of a connection (`connection.rs`) | application, node, its reader, the deadline |
//! | its reader (`socket.rs`) | bytes |
//!
//! So a peer costs two threads and a copy of what it says, and one whose socket is
//! full is tried every ten milliseconds. There is no discovery, which would want a
//! thread that reads datagrams.

mod accept;
mod connection;
mod node;
mod socket;
mod waiting;

use std::error::Error;

use devp2p_core::crypto::SecretKey;
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::Greeting;
use devp2p_handle::{Event, Node};
use devp2p_host::{Config, seed};

use node::start;
use waiting::wait_for;

/// Capability `chat`, version 1, with one message: 0 is a line of text.
fn config(name: &str) -> Result<Config, Box<dyn Error>> {
    let mut config = devp2p_core::node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
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
    let ann = start(config("ann")?)?;
    let bob = start(config("bob")?)?;
    let answering = std::thread::spawn({
        let bob = bob.clone();
        move || wait_for(answer(bob))
    });
    wait_for(speak(ann, bob))?;
    answering.join().map_err(|_| "bob has panicked".into())
}
