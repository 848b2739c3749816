//! An application as a state machine, driven like every other one.
//!
//! ```text
//!   peers, messages, answers, time ──▶ handle
//!                                      poll_output ──▶ messages, disconnects, commands
//!                                      poll_timeout ─▶ when to come back
//! ```
//!
//! Adapters and simulator host an [`Application`] alike, so what was found in a
//! simulated network is what runs in the real one. Whoever would rather write
//! async code holds the types of `devp2p-handle` instead.
//!
//! It keeps the [contract](crate::machine) of all machines; [`Hosted`] makes it
//! one, for [`Checked`].

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::discv4::RequestId;
use crate::limits;
use crate::machine::{Checked, Machine};
use crate::node::{Answer, Command, ConnectionId, PeerInfo};
use crate::p2p::{DisconnectReason, Message};
use crate::session::SessionError;
use crate::time::{Deadline, Now};

/// What happens to an application.
///
/// Exhaustive by intent, as is [`Output`]: a new one must not compile until
/// there is an arm for it.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer was admitted. Its messages follow, those of each capability in order,
    /// and [`Input::Disconnected`]; only then the next of the same node.
    Connected(Arc<PeerInfo>),
    /// A peer sent this.
    Message(ConnectionId, Message),
    /// A message comes back: too much waits to be sent to this peer, which is
    /// slow. From then on all that is sent to it comes back, in order, so that
    /// nothing overtakes it, until [`Input::Room`] or [`Input::Disconnected`].
    Unsent(ConnectionId, Message),
    /// After [`Input::Unsent`], once: there is room again.
    Room(ConnectionId),
    /// A peer is gone, and everything it sent before has been handed over. What was
    /// still to be sent to it is lost.
    Disconnected(ConnectionId, SessionError),
    /// An [`Output::Command`] is answered.
    Answer(RequestId, Answer),
    /// It may be the time that was asked for. When that has come, nothing else comes
    /// before this.
    Timeout,
}

/// What an application wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this, made by [`Shared::message`](crate::p2p::Shared::message) of
    /// [`PeerInfo::shared`]. Void if the peer is gone.
    Send(ConnectionId, Message),
    /// Disconnect a peer. Void if it is gone.
    Disconnect(ConnectionId, DisconnectReason),
    /// Ask something of the node. The number is the application's own, not used
    /// twice, and comes back with the [`Input::Answer`], of which there is exactly one
    /// as long as there is a node. Too many that wait are [`Answer::Busy`]: see
    /// [`limits::APPLICATION_COMMANDS`].
    Command(RequestId, Command),
}

/// A protocol of an application's own, on top of a node: three methods, and
/// what it holds.
///
/// It gets what happens on all of the node's connections, one input at a time,
/// and is drained after each. It must not read a clock or draw randomness: the
/// time comes with each input, and a [`Seed`](crate::entropy::Seed) may be
/// handed to it when it is made.
pub trait Application {
    /// Takes one input. Outputs wait in [`Application::poll_output`].
    fn handle(&mut self, now: Now, input: Input);

    /// The next output, until there is none. What it wants done from the start is
    /// taken before the first input.
    fn poll_output(&mut self) -> Option<Output>;

    /// When to be handed [`Input::Timeout`]; later than the latest input. Never,
    /// unless it says so.
    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}

impl<A: Application + ?Sized> Application for Box<A> {
    fn handle(&mut self, now: Now, input: Input) {
        (**self).handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        (**self).poll_output()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        (**self).poll_timeout()
    }
}

/// An [`Application`] as a [`Machine`].
#[derive(Clone, Debug)]
pub struct Hosted<A>(pub A);

impl<A: Application> Machine for Hosted<A> {
    type Input<'a> = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        self.0.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.0.poll_output()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.0.poll_timeout()
    }

    fn timeout() -> Input {
        Input::Timeout
    }

    fn is_last(_: &Output) -> bool {
        false
    }

    const MAX_OUTPUTS: usize = limits::APPLICATION_OUTPUTS;

    fn audit(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Under watch, it is an application still: for tests that host it.
impl<A: Application> Application for Checked<Hosted<A>> {
    fn handle(&mut self, now: Now, input: Input) {
        Machine::handle(self, now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Machine::poll_output(self)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Machine::poll_timeout(self)
    }
}
