//! The other ends of the handles: what an adapter (or a simulator) holds.
//!
//! An adapter makes a [`node`] pair: the handle for the application, and a
//! [`NodeEnd`], which it joins to a [`driver::node::Node`](devp2p_core::driver::node::Node):
//! it hands in requests and reports, and passes on events, answers and commands.
//!
//! For each connection the [`NodeEnd`] gives it a [`ConnectionEnd`], which it
//! joins to a [`driver::Connection`](devp2p_core::driver::Connection) in the
//! connection's own task: it passes on commands, lends the messages to send,
//! delivers those received, and reports to the node.
//!
//! What application code wants of the runtime itself a [`RuntimeEnd`] does.

mod connection;
mod node;
mod runtime;

pub use connection::ConnectionEnd;
pub use node::{NodeEnd, NodeRequest, node};
pub use runtime::{RuntimeEnd, Task, runtime};

pub(crate) use node::{Asked, Waiting};
