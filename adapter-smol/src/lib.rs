//! devp2p over real sockets on [smol](https://docs.rs/smol).
//!
//! [`start`] runs a node on an executor of yours and hands out the types of
//! [`devp2p_handle`], which are the same on every runtime:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use devp2p_smol::core::crypto::SecretKey;
//! use devp2p_smol::core::node;
//! use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
//! use devp2p_smol::core::session::Greeting;
//! use devp2p_smol::host::seed;
//! use devp2p_smol::{Config, Event, Executor, start};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
//! config.client_name = "example/v0.1.0".into();
//! let offer = [LocalCapability::new("echo", 1, 2)];
//! config.greeting = Greeting::Offer(LocalCapabilities::new(offer)?);
//!
//! let executor = Arc::new(Executor::new());
//! async_io::block_on(executor.run(async {
//!     let config = Config::new(config, seed()?).listen("127.0.0.1:30303".parse()?);
//!     let node = start(config, &executor)?;
//!     println!("{}", node.enode());
//!     while let Some(event) = node.next_event().await {
//!         if let Event::Connected(peer) = event {
//!             println!("{} is {}", peer.node_id(), peer.hello().client_name);
//!         }
//!     }
//!     Ok(())
//! }))
//! # }
//! ```
//!
//! [`discover`] runs discovery alone, [`serve`] an application that is a state machine.
//!
//! There are two loops here and nothing else: the node's (`node.rs`) and one for
//! each connection (`connection.rs`). What they do between two waits is in
//! [`devp2p_host`], and all that is decided is decided in [`devp2p_core`].
#![forbid(unsafe_code)]

mod connection;
mod node;

pub use async_executor::Executor;
pub use devp2p_core as core;
pub use devp2p_handle::{
    CapabilityTraffic, Channel, ConnectionSnapshot, DialError, DialFailure, Direction, Discovery,
    DiscoveryEvent, DiscoverySnapshot, Event, Failure, Limits, Node, NodeSnapshot, Peer, PingReply,
    Queues, RefusedRequest, RequestError, Runtime, SendError, Sleep, Stopped, serve,
};
pub use devp2p_host as host;
pub use devp2p_host::{Config, StartError};
pub use node::{discover, start};
