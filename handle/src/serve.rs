//! A node that serves an [`Application`].
//!
//! ```text
//!   events ──╮                       ╭──▶ messages: one queue for each peer
//!   channels ├─▶ one input ─ drain ──┼──▶ disconnects
//!   answers ─┤                       ╰──▶ commands: requests of the node
//!   time ────╯
//! ```
//!
//! What can happen is a [`Source`]; each waits by itself and is polled when it is
//! woken, so that what happens costs the same however many peers there are.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use async_channel::{Sender, TrySendError};
use devp2p_core::application::{Application, Input, Output};
use devp2p_core::discv4::{self, RequestId};
use devp2p_core::identity::NodeId;
use devp2p_core::limits;
use devp2p_core::node::{Answer, Command, ConnectionId};
use devp2p_core::p2p::{DisconnectReason, Message};
use devp2p_core::session::{Lost, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use futures_lite::future::{poll_once, yield_now};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::adapter::{Asked, Waiting};
use crate::discovery::Request;
use crate::events::Happened;
use crate::node::Shared;
use crate::queue::Refused;
use crate::{Channel, Event, Node, Peer, Runtime, Sleep};

/// Inputs after which the other tasks get their chance.
const INPUTS: usize = 64;

/// Runs an application on a node until the node has stopped, and gives it back.
///
/// It is handed every peer that is admitted from the call on, whoever dialled it, all messages of all capabilities, the answers to its commands, and its
/// time-outs. Of one node it gets [`Input::Connected`], the messages of each
/// capability in order, [`Input::Disconnected`] after all that came before the end,
/// and only then the next [`Input::Connected`]. A dial's answer comes after the peer.
///
/// It takes the node's events and reads all channels: leave them to it. Other clones
/// of the node may dial, ask, look, and [`stop`](Node::stop) it, which is what ends
/// this: a node that serves is not stopped by being forgotten. What an application
/// still commands when its node has stopped is void, and not answered.
///
/// Dropping the future drops the application, and disconnects its peers as "client
/// quitting".
///
/// ```
/// use devp2p_core::application::{Application, Input, Output};
/// use devp2p_core::time::Now;
///
/// /// Counts what it is sent.
/// #[derive(Default)]
/// struct Counting(usize);
///
/// impl Application for Counting {
///     fn handle(&mut self, _: Now, input: Input) {
///         self.0 += usize::from(matches!(input, Input::Message(..)));
///     }
///
///     fn poll_output(&mut self) -> Option<Output> {
///         None
///     }
/// }
///
/// # async fn example(node: devp2p_handle::Node) {
/// let Counting(messages) = devp2p_handle::serve(node, Counting::default()).await;
/// # }
/// ```
pub fn serve<A: Application>(node: Node, application: A) -> impl Future<Output = A> {
    // Not `async fn`: what one is given it holds twice.
    let mut host = Host::new(node, application);
    let (mut timer, mut turns) = (Timer::default(), Turns::default());
    async move {
        let mut sources = FuturesUnordered::new();
        host.drain();
        loop {
            // A round: what came of the last one, then what has happened. So an
            // application that always has something to say still hears something.
            for _ in 0..host.inputs.len() {
                host.next();
                turns.count().await;
            }
            host.on_time(host.node.runtime().now());
            sources.extend(host.begun.drain(..).map(wait));
            let (is_idle, due) = (host.inputs.is_empty(), host.application.poll_timeout());
            if host.is_over && is_idle && sources.is_empty() {
                return host.application;
            }
            let happened = poll_fn(|cx| match sources.poll_next_unpin(cx) {
                Poll::Ready(Some(outcome)) => Poll::Ready(Some(outcome)),
                Poll::Ready(None) | Poll::Pending => {
                    timer.poll(host.node.runtime(), due, cx).map(|()| None)
                }
            });
            let outcome =
                if is_idle { happened.await } else { poll_once(happened).await.flatten() };
            if let Some(outcome) = outcome {
                host.happened(outcome);
            }
            turns.count().await;
        }
    }
}

/// Lets the other tasks have their turn now and then.
#[derive(Default)]
struct Turns(usize);

impl Turns {
    async fn count(&mut self) {
        self.0 += 1;
        if self.0 == INPUTS {
            self.0 = 0;
            yield_now().await;
        }
    }
}

/// Rings at the deadline, or before it if that has moved since.
#[derive(Default)]
struct Timer(Option<(Instant, Sleep)>);

impl Timer {
    fn poll(&mut self, runtime: &Runtime, due: Option<Deadline>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Deadline { at, .. }) = due else { return Poll::Pending };
        let set = self.0.take().filter(|(rings, _)| *rings <= at);
        let (rings, mut sleep) = set.unwrap_or_else(|| (at, runtime.sleep_until(at)));
        let polled = Pin::new(&mut sleep).poll(cx);
        if polled.is_pending() {
            self.0 = Some((rings, sleep));
        }
        polled
    }
}

/// What may happen, once.
enum Source {
    /// The next event.
    Events(Happened),
    /// The next message, or the end.
    Channel(Channel),
    /// Room to send to this peer.
    Room(Peer),
    /// Room for a request.
    Asking(Sender<Asked>, Asked),
    /// The answer to the application's command of this number.
    Answer(RequestId, Request<Answer>),
}

/// What did.
enum Outcome {
    Event(Option<Event>),
    Message(Channel, Option<Message>),
    Room(ConnectionId, bool),
    Asked,
    Answered(RequestId, RequestId, Option<Answer>),
}

async fn wait(source: Source) -> Outcome {
    match source {
        Source::Events(events) => Outcome::Event(events.next().await),
        Source::Channel(channel) => {
            let message = channel.receive().await;
            Outcome::Message(channel, message)
        }
        Source::Room(peer) => Outcome::Room(peer.id(), peer.room().await),
        Source::Asking(ask, asked) => {
            // What the node does not take any more is answered by being dropped.
            let _ = ask.send(asked).await;
            Outcome::Asked
        }
        Source::Answer(id, request) => {
            let answer = request.answered.recv().await.ok();
            Outcome::Answered(id, request.id, answer)
        }
    }
}

/// An application and what it needs to be fed.
struct Host<A> {
    application: A,
    node: Node,
    _serving: Serving,
    /// To be handed over before anything else happens: what comes back unsent, and
    /// what was left to be read of a peer that is gone. It was held somewhere before.
    inputs: VecDeque<Input>,
    /// To be waited for from now on.
    begun: Vec<Source>,
    peers: BTreeMap<ConnectionId, Served>,
    names: BTreeMap<NodeId, ConnectionId>,
    /// Commands that are not answered: the application's number, and the node's.
    commands: BTreeSet<(RequestId, RequestId)>,
    /// Those that wait until one that is [`Source::Asking`] is through.
    unasked: VecDeque<Asked>,
    is_asking: bool,
    /// The node has stopped.
    is_over: bool,
}

struct Served {
    peer: Peer,
    /// Something came back, and nothing is sent before [`Input::Room`]: it would
    /// overtake that.
    is_full: bool,
    /// How many of its messages are on their way back.
    unsent: usize,
}

/// While it is there events tell of all peers.
struct Serving(Arc<Shared>);

impl Serving {
    fn begin(node: &Node) -> Self {
        node.shared.set_served(true);
        Self(Arc::clone(&node.shared))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.set_served(false);
    }
}

impl<A: Application> Host<A> {
    fn new(node: Node, application: A) -> Self {
        let begun = vec![Source::Events(node.events.clone())];
        Self {
            application,
            _serving: Serving::begin(&node),
            node,
            inputs: VecDeque::new(),
            begun,
            peers: BTreeMap::new(),
            names: BTreeMap::new(),
            commands: BTreeSet::new(),
            unasked: VecDeque::new(),
            is_asking: false,
            is_over: false,
        }
    }

    /// Hands over what is next, after what is due.
    fn next(&mut self) {
        let now = self.node.runtime().now();
        self.on_time(now);
        let Some(input) = self.inputs.pop_front() else { return };
        match &input {
            Input::Unsent(id, _) => {
                if let Some(served) = self.peers.get_mut(id) {
                    served.unsent -= 1;
                }
            }
            Input::Room(id) => {
                let Some(served) = self.peers.get_mut(id) else { return };
                if served.unsent > 0 {
                    // All that comes back comes before it.
                    return self.inputs.push_back(input);
                }
                served.is_full = false;
            }
            Input::Connected(_)
            | Input::Message(..)
            | Input::Disconnected(..)
            | Input::Answer(..)
            | Input::Timeout => {}
        }
        self.application.handle(now, input);
        self.drain();
    }

    fn on_time(&mut self, now: Now) {
        if self.application.poll_timeout().is_some_and(|due| due.at <= now.mono) {
            self.application.handle(now, Input::Timeout);
            self.drain();
        }
    }

    /// Does what the application wants done, all of it.
    fn drain(&mut self) {
        while let Some(output) = self.application.poll_output() {
            match output {
                Output::Send(id, message) => self.send(id, message),
                Output::Disconnect(id, reason) => self.disconnect(id, reason),
                Output::Command(id, command) => self.command(id, command),
            }
        }
    }

    fn send(&mut self, id: ConnectionId, message: Message) {
        let Some(served) = self.peers.get_mut(&id) else { return };
        let message = if served.is_full {
            message
        } else {
            match served.peer.try_send(message) {
                Ok(()) | Err(Refused::Closed) => return,
                Err(Refused::Full(message)) => message,
            }
        };
        if !core::mem::replace(&mut served.is_full, true) {
            self.begun.push(Source::Room(served.peer.clone()));
        }
        served.unsent += 1;
        self.inputs.push_back(Input::Unsent(id, message));
    }

    fn disconnect(&self, id: ConnectionId, reason: DisconnectReason) {
        if let Some(served) = self.peers.get(&id) {
            served.peer.disconnect(reason);
        }
    }

    fn command(&mut self, id: RequestId, mut command: Command) {
        if self.is_over {
            return;
        }
        if self.commands.len() >= limits::APPLICATION_COMMANDS {
            return self.inputs.push_back(Input::Answer(id, Answer::Busy));
        }
        let named = self.node.shared.next_id();
        if let Command::Cancel(other) | Command::Discovery(discv4::Command::Cancel(other)) =
            &mut command
        {
            // Whoever is not under way gets a name that nothing has.
            *other = self.named(*other).unwrap_or(named);
        }
        self.commands.insert((id, named));
        let (answer, answered) = async_channel::bounded(1);
        let given_up = self.node.given_up.clone();
        self.begun.push(Source::Answer(id, Request { id: named, answered, given_up }));
        let (command, waiting) = (Box::new(command), Waiting::Answer(answer));
        self.unasked.push_back(Asked::Command { id: named, command, waiting });
        self.ask();
    }

    /// What the node calls this command, if it is under way.
    fn named(&self, id: RequestId) -> Option<RequestId> {
        let (first, last) = (RequestId(0), RequestId(u64::MAX));
        self.commands.range((id, first)..=(id, last)).next_back().map(|(_, named)| *named)
    }

    /// Asks the node what has to be asked, in order.
    fn ask(&mut self) {
        while !self.is_asking
            && let Some(asked) = self.unasked.pop_front()
        {
            match self.node.asked.try_send(asked) {
                Ok(()) => {}
                // Being dropped answers it.
                Err(TrySendError::Closed(asked)) => drop(asked),
                Err(TrySendError::Full(asked)) => {
                    self.is_asking = true;
                    self.begun.push(Source::Asking(self.node.asked.clone(), asked));
                }
            }
        }
    }

    fn happened(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Event(Some(event)) => {
                self.event(event);
                self.begun.push(Source::Events(self.node.events.clone()));
            }
            Outcome::Event(None) => self.is_over = true,
            Outcome::Message(channel, message) => self.message(channel, message),
            Outcome::Room(id, has_room) => self.room(id, has_room),
            Outcome::Asked => {
                self.is_asking = false;
                self.ask();
            }
            Outcome::Answered(id, named, answer) => {
                self.commands.remove(&(id, named));
                self.answered(id, answer.unwrap_or(Answer::Stopped));
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected(peer) => self.connected(peer),
            // Its channels say so, once all has been read.
            Event::Disconnected { .. } => {}
            Event::Failed(_) | Event::DialFailed { .. } | Event::WantsCandidates(_) => {}
        }
    }

    fn connected(&mut self, peer: Peer) {
        let id = peer.id();
        // It has ended, or this would not have been admitted.
        if let Some(before) = self.names.insert(peer.node_id(), id) {
            self.end(before);
        }
        self.inputs.push_back(Input::Connected(peer.info().clone()));
        self.begun.extend(peer.channels().map(Source::Channel));
        self.peers.insert(id, Served { peer, is_full: false, unsent: 0 });
    }

    fn message(&mut self, channel: Channel, message: Option<Message>) {
        let id = channel.peer().id();
        match message {
            // One channel of an ended connection may be the first to say so.
            _ if !self.peers.contains_key(&id) => {}
            Some(message) => {
                self.inputs.push_back(Input::Message(id, message));
                self.begun.push(Source::Channel(channel));
            }
            None => self.end(id),
        }
    }

    /// Hands over what can still be read, and the end.
    fn end(&mut self, id: ConnectionId) {
        let Some(Served { peer, .. }) = self.peers.remove(&id) else { return };
        if self.names.get(&peer.node_id()) == Some(&id) {
            self.names.remove(&peer.node_id());
        }
        for channel in peer.channels() {
            let left = core::iter::from_fn(|| channel.try_receive());
            self.inputs.extend(left.map(|message| Input::Message(id, message)));
        }
        let error = peer.end().unwrap_or(SessionError::Lost(Lost::Failed));
        self.inputs.push_back(Input::Disconnected(id, error));
    }

    fn room(&mut self, id: ConnectionId, has_room: bool) {
        if has_room && self.peers.contains_key(&id) {
            self.inputs.push_back(Input::Room(id));
        }
    }

    fn answered(&mut self, id: RequestId, answer: Answer) {
        if let Answer::Dialled(Ok(info)) = &answer {
            // Told before it was answered: it comes first.
            while !self.peers.contains_key(&info.connection)
                && let Some(event) = self.node.events.try_next()
            {
                self.event(event);
            }
        }
        self.inputs.push_back(Input::Answer(id, answer));
    }
}
