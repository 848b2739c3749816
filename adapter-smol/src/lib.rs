//! devp2p over real sockets on [smol](https://docs.rs/smol).
//!
//! [`start`] runs a node on an executor of yours and hands out the types of
//! [`devp2p_handle`], which are the same on every runtime:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use devp2p_smol::core::crypto::SecretKey;
//! use devp2p_smol::core::p2p::{LocalCapabilities, LocalCapability};
//! use devp2p_smol::core::session::{Greeting, Local};
//! use devp2p_smol::host::seed;
//! use devp2p_smol::{Config, Event, Executor, start};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SecretKey::generate(&mut seed()?.secrets());
//! let offer = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)])?;
//! let local = Local::new(key, "example/v0.1.0", Greeting::Offer(offer))?;
//!
//! let executor = Arc::new(Executor::new());
//! async_io::block_on(executor.run(async {
//!     let config = Config::new(local, seed()?).listen("127.0.0.1:30303".parse()?);
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
//! [`discover`] runs discovery beside it, or alone.
//!
//! There are three loops here and nothing else: the node's (`node.rs`), one for
//! each connection (`connection.rs`), and discovery's (`discovery.rs`). All that
//! they decide is decided in [`devp2p_core`].
#![forbid(unsafe_code)]

mod connection;
mod discovery;
mod node;
mod socket;

pub use async_executor::Executor;
pub use devp2p_core as core;
pub use devp2p_handle::{
    Channel, DialError, Direction, Discovery, DiscoveryEvent, Event, Failure, Node, Peer,
    PingReply, RequestError, SendError, Snapshot,
};
pub use devp2p_host as host;
pub use devp2p_host::DiscoverError;
pub use discovery::{DiscoveryConfig, discover};
pub use node::{Config, start};
