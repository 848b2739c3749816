//! What an application holds of a devp2p node.
//!
//! These types know no runtime: they are queues and wake-ups. The smol
//! adapter, the tokio adapter and the simulator hand out the very same ones,
//! so an application that holds a [`Node`], a [`Peer`] and its [`Channel`]s
//! runs unchanged on all three.
//!
//! - [`Node`]: dial, take what happens, stop.
//! - [`Peer`]: one connection: who it is, when and why it ended, end it.
//! - [`Channel`]: the messages of one capability of one connection.
//! - [`Discovery`]: find nodes.
//! - [`Runtime`]: time, chance and tasks, whatever runs it.
//! - [`adapter`]: the other ends, for those who write an adapter.
//!
//! Who would rather write a state machine has an
//! [`Application`](devp2p_core::application::Application), and [`serve`].
//!
//! Everything is bounded. A send waits while the connection has too much to
//! write; a reader that is slow stops the connection's socket, and no other's.
#![forbid(unsafe_code)]

mod control;
mod discovery;
mod events;
mod node;
mod peer;
mod queue;
mod runtime;
mod serve;
mod traffic;

pub mod adapter;

pub use devp2p_core::discv4::{Event as DiscoveryEvent, PingReply, RequestError};
pub use devp2p_core::driver::DiscoverySnapshot;
pub use devp2p_core::node::{ConnectionId, DialFailure, Direction, Limits, PeerInfo};
pub use discovery::Discovery;
pub use node::{
    ConnectionSnapshot, DialError, Event, Failure, Node, NodeSnapshot, Queues, RefusedRequest,
    Stopped,
};
pub use peer::{Channel, Peer, SendError};
pub use runtime::{Runtime, Sleep};
pub use serve::serve;
pub use traffic::CapabilityTraffic;
