//! The node's loop: accepts, dials, and keeps count of who is there.

use core::net::SocketAddr;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use async_executor::Executor;
use async_io::{Async, Timer};
use async_lock::{Semaphore, SemaphoreGuardArc};
use devp2p_core::entropy::{Seed, SeedChain};
use devp2p_core::identity::Enode;
use devp2p_core::limits;
use devp2p_core::node::Admission;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Greeting, Local, Session};
use devp2p_handle::adapter::{self, ConnectionEnd, Events, Request, Requests, Stopper};
use devp2p_handle::{DialError, Direction, Event, Node, Peer};
use devp2p_host::Clock;
use futures_lite::future::{or, pending, ready};

use crate::connection::{Connection, Outcome};

/// How a node is to be run.
#[derive(Debug)]
pub struct Config {
    local: Local,
    seed: Seed,
    listen: Option<SocketAddr>,
    max_peers: usize,
}

impl Config {
    /// A node that does not listen and has at most [`limits::PEERS`] peers.
    ///
    /// All keys of its connections grow from `seed`: take it from
    /// [`devp2p_host::seed`], and keep no copy of it. The node keeps none: what
    /// its memory holds later tells nothing of connections that have ended.
    pub const fn new(local: Local, seed: Seed) -> Self {
        Self { local, seed, listen: None, max_peers: limits::PEERS }
    }

    /// Listens at this address; port 0 lets the system choose.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Admits at most this many peers.
    #[must_use]
    pub const fn max_peers(mut self, max_peers: usize) -> Self {
        self.max_peers = max_peers;
        self
    }
}

/// Starts a node whose tasks run on `executor`, which the caller runs on as
/// many threads as it likes.
///
/// Fails if the address cannot be listened at.
pub fn start(config: Config, executor: &Arc<Executor<'static>>) -> io::Result<Node> {
    let Config { local, seed, listen, max_peers } = config;
    let listener = listen.map(|address| Async::new(crate::socket::listen(address)?)).transpose()?;
    let address = listener.as_ref().map(|l| l.get_ref().local_addr()).transpose()?;
    let local = Arc::new(local);
    let (node, requests, events) = adapter::node(Arc::clone(&local), address);
    let shared = Arc::new(Shared {
        admission: Mutex::new(Admission::new(*local.public(), max_peers)),
        local,
        clock: Clock::start(),
        seeds: Mutex::new(SeedChain::new(seed)),
        connections: AtomicU64::new(0),
        live: Mutex::new(BTreeMap::new()),
        gone: event(),
        pending: Arc::new(Semaphore::new(limits::PENDING_CONNECTIONS)),
        names: Arc::new(Semaphore::new(limits::NAME_LOOK_UPS)),
        events,
        executor: Arc::clone(executor),
    });
    executor.spawn(serve(shared, listener, requests)).detach();
    Ok(node)
}

/// What all tasks of one node share.
pub(crate) struct Shared {
    pub(crate) local: Arc<Local>,
    pub(crate) clock: Clock,
    pub(crate) admission: Mutex<Admission>,
    /// For sessions: one that has begun cannot be derived again.
    seeds: Mutex<SeedChain>,
    connections: AtomicU64,
    /// The connections, by a number that is never used again.
    live: Mutex<BTreeMap<u64, Stopper>>,
    /// One notice for each connection that is gone: the queue holds one at most.
    gone: (Sender<()>, Receiver<()>),
    pending: Arc<Semaphore>,
    /// Look-ups of names that may be under way.
    names: Arc<Semaphore>,
    pub(crate) events: Events,
    executor: Arc<Executor<'static>>,
}

fn event() -> (Sender<()>, Receiver<()>) {
    async_channel::bounded(1)
}

/// What the node's loop wakes for.
enum Next {
    Accepted(io::Result<(Async<TcpStream>, SocketAddr)>, SemaphoreGuardArc),
    Requested(Request),
    /// The last handle of the node is gone.
    Abandoned,
}

async fn serve(shared: Arc<Shared>, listener: Option<Async<TcpListener>>, requests: Requests) {
    // Out of file descriptors, say: the listener must outlive it.
    let mut pause = None;
    let answer = loop {
        let accepted = async {
            let Some(listener) = &listener else { return pending().await };
            if let Some(pause) = &mut pause {
                let _: std::time::Instant = pause.await;
            }
            pause = None;
            // geth holds a slot from before it accepts until the handshakes are through.
            let slot = shared.pending.acquire_arc().await;
            Next::Accepted(listener.accept().await, slot)
        };
        let requested = async { requests.next().await.map_or(Next::Abandoned, Next::Requested) };
        match or(requested, accepted).await {
            Next::Accepted(Ok((stream, address)), slot) => shared.accept(stream, address, slot),
            Next::Accepted(Err(error), _) => {
                tracing::warn!(%error, "cannot accept a connection");
                pause = Some(Timer::after(limits::ACCEPT_RETRY));
            }
            Next::Requested(Request::Dial { enode, answer }) => shared.dial(enode, answer),
            Next::Requested(Request::Stop { answer }) => break Some(answer),
            Next::Requested(request) => tracing::error!(?request, "unknown request"),
            Next::Abandoned => break None,
        }
    };
    drop(listener);
    requests.close();
    shared.stop().await;
    if let Some(answer) = answer {
        let _ = answer.send(()).await;
    }
}

impl Shared {
    fn accept(
        self: &Arc<Self>,
        stream: Async<TcpStream>,
        address: SocketAddr,
        slot: SemaphoreGuardArc,
    ) {
        let (end, live) = self.register();
        let seed = lock(&self.seeds).draw();
        let session = Session::accept(Arc::clone(&self.local), seed, self.clock.now());
        let connection =
            Box::new(Connection::new(self, stream, address, Direction::Inbound, session, end));
        self.executor.spawn(Arc::clone(self).run_inbound(connection, slot, live)).detach();
    }

    /// One inbound connection. It keeps its slot until there is room for the
    /// events that tell of it: when nobody takes events, new connections wait.
    async fn run_inbound(
        self: Arc<Self>,
        mut connection: Box<Connection>,
        slot: SemaphoreGuardArc,
        live: Live,
    ) {
        let events = &self.events;
        let mut room = pin!(async move {
            events.room().await;
            drop(slot);
        });
        let there_was_room = match connection.handshake().await {
            Ok(peer) => {
                events.tell(Event::Connected(peer));
                connection.run(room.as_mut()).await
            }
            Err(failure) => {
                events.tell(Event::Failed(failure));
                false
            }
        };
        drop(connection);
        drop(live);
        if !there_was_room {
            room.await;
        }
    }

    fn dial(self: &Arc<Self>, enode: Enode, answer: Sender<Result<Peer, DialError>>) {
        let (end, live) = self.register();
        let task = Arc::clone(self).run_outbound(enode, end, live, answer);
        self.executor.spawn(task).detach();
    }

    /// One dial from the TCP connection to the end of the peer.
    async fn run_outbound(
        self: Arc<Self>,
        enode: Enode,
        end: ConnectionEnd,
        live: Live,
        answer: Sender<Result<Peer, DialError>>,
    ) {
        let given_up = async {
            answer.closed().await;
            live.stopper.disconnect(DisconnectReason::Quitting);
            pending().await
        };
        let dialled = or(self.dialled(&enode, end), given_up).await;
        match dialled {
            Ok((mut connection, peer)) => {
                // If nobody waits for it any more it is dropped, which ends it.
                let _ = answer.try_send(Ok(peer));
                drop(answer);
                connection.run(pin!(ready(()))).await;
            }
            Err(error) => {
                drop(live);
                let _ = answer.try_send(Err(error));
            }
        }
    }

    async fn dialled(
        self: &Arc<Self>,
        enode: &Enode,
        end: ConnectionEnd,
    ) -> Result<(Box<Connection>, Peer), DialError> {
        let (stream, address) = self.connected(enode, &end).await?;
        let seed = lock(&self.seeds).draw();
        let now = self.clock.now();
        let session = Session::dial(Arc::clone(&self.local), *enode.public_key(), &seed, now);
        let mut connection =
            Box::new(Connection::new(self, stream, address, Direction::Outbound, session, end));
        match connection.handshake().await {
            Ok(peer) => Ok((connection, peer)),
            Err(failure) => Err(DialError::Session(failure.error)),
        }
    }

    /// A TCP connection to a node: to its address, or to the first that takes
    /// it of those that its name has.
    async fn connected(
        &self,
        enode: &Enode,
        end: &ConnectionEnd,
    ) -> Result<(Async<TcpStream>, SocketAddr), DialError> {
        let addresses = match (enode.tcp_endpoint(), enode.host_name()) {
            (Some(address), _) => vec![address],
            (None, Some(name)) if enode.tcp() != 0 => {
                crate::socket::look_up(name, enode.tcp(), &self.names, end).await?
            }
            (None, _) => Vec::new(),
        };
        let mut failed = DialError::NoEndpoint;
        for address in addresses {
            match crate::socket::connect(address, end).await {
                Ok(stream) => return Ok((stream, address)),
                Err(DialError::Stopped) => return Err(DialError::Stopped),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// A place among the living for a new connection.
    fn register(self: &Arc<Self>) -> (ConnectionEnd, Live) {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let (end, stopper) = ConnectionEnd::new();
        self.live().insert(number, stopper.clone());
        (end, Live { shared: Arc::clone(self), number, stopper })
    }

    async fn stop(&self) {
        self.events.hurry();
        self.live().values().for_each(|stopper| stopper.disconnect(DisconnectReason::Quitting));
        while !self.live().is_empty() {
            let _ = self.gone.1.recv().await;
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u64, Stopper>> {
        lock(&self.live)
    }

    /// Whether we have no capability at all: such a node takes anyone.
    pub(crate) fn takes_anyone(&self) -> bool {
        match self.local.greeting() {
            Greeting::Offer(offer) => offer.is_empty(),
            Greeting::Mirror => true,
        }
    }
}

/// A place among the living: freed when the task ends, however it ends.
struct Live {
    shared: Arc<Shared>,
    number: u64,
    stopper: Stopper,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.live().remove(&self.number);
        let _ = self.shared.gone.0.try_send(());
    }
}

/// Nothing panics while these locks are held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outcome {
    /// What the admission says of a connection becomes what the session is told.
    pub(crate) fn of(result: Result<(), devp2p_core::node::Refusal>) -> Self {
        result.map_or_else(|refusal| Self::Refused(refusal.reason()), |()| Self::Admitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Its heap (key schedules, the handles) comes to it; bytes received or to
    /// be written only while there are any.
    #[test]
    fn the_task_of_a_connection_and_its_state_are_within_two_kilobytes() {
        let task = size(Shared::run_inbound);
        let state = size_of::<Connection>();
        assert!(task + state <= 2048, "task {task}, state {state}");
    }
}
