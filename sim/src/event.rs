//! What the world plans.

use core::net::SocketAddr;

use bytes::Bytes;
use devp2p_core::node::ConnectionId;

use crate::network::tcp::{PipeId, Side};

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    /// The machine that has sent it.
    pub(crate) by: usize,
    /// What it shows as its source, true or not.
    pub(crate) from: SocketAddr,
    /// Where it was sent to: an address of a machine, or of its gateway.
    pub(crate) at: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// Something that happens at its time, to one machine or to the network.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A machine begins to run, or does so again.
    Start { machine: usize },
    /// A node or its application may have come to a deadline.
    Wake { machine: usize, run: u32 },
    /// A connection may have.
    WakeConnection { machine: usize, run: u32, connection: ConnectionId },
    /// A machine goes on after it was slow or stood still.
    Resume { machine: usize },
    /// A datagram arrives.
    Datagram { to: usize, datagram: Datagram },
    /// A datagram arrives once more, long after it was sent: where that is now, if
    /// anywhere, is not known yet.
    Replay(Datagram),
    /// Nobody listened where a datagram was sent to.
    Icmp { to: usize },
    /// Somebody wants to connect.
    Syn { pipe: PipeId, attempt: u32 },
    /// The answer to that was lost, and is said again.
    Answer { pipe: PipeId, accepted: bool, attempt: u32 },
    /// The other has answered, or has refused.
    Connected { pipe: PipeId, accepted: bool },
    /// Something arrives at this end of a connection.
    Segment { pipe: PipeId, to: Side },
    /// What was read at this end of a connection did not reach the other, and is said again.
    Acknowledge { pipe: PipeId, from: Side },
    /// This end of a connection may write again.
    Window { pipe: PipeId, to: Side },
    /// A store has done the first thing that it was given.
    Stored { machine: usize, run: u32 },
    /// An adversary goes on with what it is after.
    Strike { adversary: usize },
    /// A fault begins, or ends.
    Fault { number: usize, begins: bool },
}
