//! The loop of a node, but for the waiting: the machine, its sockets, threads and
//! application.
//!
//! An adapter's task executes this:
//!
//! 1. [`Serving::turn`], until it says to wait or to stop;
//! 2. run what [`Serving::next_dial`] gives, each in a task of its own;
//! 3. accept TCP connections while [`Serving::wants_incoming`], and run what
//!    [`Serving::incoming`] makes of them likewise;
//! 4. wait for [`Serving::next`], for sockets, and until [`Serving::deadline`].

use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant as Wall;

use async_channel::{Receiver, Sender};
use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::{DropReason, Unverified, Verified, verify};
use devp2p_core::driver::SocketFailure;
use devp2p_core::driver::node::{Event, Node as Driver};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::HostName;
use devp2p_core::limits;
use devp2p_core::nat::Nat;
use devp2p_core::nat::stun::Query;
use devp2p_core::node::{self, ConnectionId, DialFailure, Report};
use devp2p_core::session::Local;
use devp2p_core::store::{Operation, OperationId, Reply};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::{self, ConnectionEnd, NodeEnd, NodeRequest};
use devp2p_handle::{Node, NodeSnapshot};
use futures_lite::future::{or, pending};

use crate::connection::Connection;
use crate::nat::{Gateway, Told};
use crate::store::Store;
use crate::udp::{self, Buffer, Datagrams, Moved};
use crate::{Clock, Config, StartError, Tasks, Verifiers, look_up, runtime, tcp};

/// Datagrams that one turn reads. Most cost a hash, some a signature of ours.
const DATAGRAMS: usize = 64;

/// Verified packets that one turn acts on, or verifies itself where there are no
/// threads for it. Each may cost a signature: some 60 microseconds.
const PACKETS: usize = 16;

/// Requests of the application, and reports of sessions, that one turn takes.
/// Each may cost a signature.
const REQUESTS: usize = 16;

/// What became of a packet.
type Checked = Result<Verified, DropReason>;

/// What became of the look-up of a name.
type Named = (ConnectionId, io::Result<Vec<SocketAddr>>);

/// The sockets of a node, which its adapter waits for. None of them blocks.
#[derive(Debug)]
pub struct Sockets {
    /// Where TCP connections are accepted.
    pub tcp: Option<TcpListener>,
    /// Discovery's.
    pub udp: Option<UdpSocket>,
}

/// A node while it runs.
#[derive(Debug)]
pub struct Serving {
    driver: Driver,
    end: NodeEnd,
    clock: Clock,
    local: Arc<Local>,
    buffer: Box<Buffer>,
    /// Reading failed for lack of something: it is tried again then.
    deaf_until: Option<Instant>,
    /// Accepting did.
    closed_until: Option<Instant>,
    /// `None`: packets are verified here.
    verifiers: Option<Verifiers>,
    checked: Receiver<Checked>,
    /// To be verified here, as soon as the machine is drained.
    unverified: Option<Unverified>,
    /// `None`: nothing is remembered.
    store: Option<Store>,
    replies: Receiver<Reply>,
    /// Names that wait for their look-up, and how many are being looked up.
    names: VecDeque<(ConnectionId, HostName)>,
    looking: usize,
    named: Receiver<Named>,
    name: Sender<Named>,
    gateway: Gateway,
    /// For STUN, if it comes to that.
    stun: Seed,
    dials: VecDeque<Dial>,
    accepted: Option<(ConnectionId, Seed)>,
    stop: Option<Option<Sender<()>>>,
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Something moved: let other tasks have their turn, and take another.
    Yield,
    /// Nothing will, until something happens.
    Wait,
    /// The node has stopped: close its sockets, then [`Serving::close`].
    Stop,
}

/// A TCP connection to be made.
///
/// Dropping it says that none came about.
#[derive(Debug)]
pub struct Dial {
    to: SocketAddr,
    remote: PublicKey,
    seed: Seed,
    local: Arc<Local>,
    clock: Clock,
    end: ConnectionEnd,
}

impl Dial {
    /// Where to.
    pub const fn to(&self) -> SocketAddr {
        self.to
    }

    /// Ready when it is to be given up. Wakes the task of `cx` otherwise.
    pub fn poll_given_up(&mut self, cx: &Context<'_>) -> Poll<()> {
        while self.end.poll_work(cx).is_ready() {
            // There is only one thing to be told before there is a session.
            if self.end.next_command().is_some() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// It is there.
    pub fn connected(self) -> Connection {
        Connection::dial(self.local, self.remote, &self.seed, self.clock, self.end)
    }

    /// It did not come about.
    pub fn failed(mut self, error: &io::Error) {
        self.end.not_connected(tcp::dial_failure(error));
    }

    /// It was given up.
    pub fn given_up(mut self) {
        self.end.not_connected(DialFailure::GivenUp);
    }
}

impl Serving {
    /// Binds what is to be bound and begins. `tasks` is for the application: what its
    /// handles call their [runtime](Node::runtime).
    ///
    /// With a node database this blocks until that is open, has said what it
    /// remembers, and keeps the number of our record: some milliseconds, or as
    /// long as the disk takes. What [`Node::record`] says then will not be taken
    /// back.
    pub fn start(config: Config, tasks: impl Tasks) -> Result<(Node, Self, Sockets), StartError> {
        let Config { mut node, seed, listen, discovery, verifiers, node_database, nat } = config;
        // The operator knows it from the start. geth `ExtIP`.
        if let Nat::ExtIp(ip) = nat {
            node.endpoints.set_static(ip);
        }
        let nonces = Seed::new(*node.key.to_bytes()).derive("pcp", 0);
        let (sockets, tcp, udp) = bind(listen, discovery, node.discovery)?;
        let threads = if udp.is_some() { verifiers } else { 0 };
        let (check, checked) = async_channel::bounded(limits::VERIFIED_PACKETS);
        let verifiers = start_verifiers(threads, check).map_err(StartError::Threads)?;
        let (reply, replies) = async_channel::bounded(limits::STORE_REPLIES);
        let directory = node_database.filter(|_| node.discovery);
        let store = directory.map(|directory| {
            // Waits while the machine has enough to do; fails when it has stopped.
            Store::open(directory, move |_, answer| drop(reply.send_blocking(answer)))
        });
        let store = store.transpose().map_err(StartError::NodeDatabase)?;
        node.store = store.is_some();
        // Only now, for the machine does not wait long for an answer.
        let clock = Clock::start();
        let driver = match Driver::over(node, tcp, udp, &seed, clock.now()) {
            Ok(driver) => driver,
            Err(error) => {
                store.into_iter().for_each(Store::close);
                return Err(error.into());
            }
        };
        let machine = driver.machine();
        let (local, record) = (Arc::clone(machine.local()), Arc::clone(machine.local_record()));
        let runtime = runtime::of(clock, seed.derive("application", 0), tasks);
        let (node, end) = adapter::node(Arc::clone(&local), record, tcp, udp, runtime);
        let (name, named) = async_channel::bounded(limits::NAME_LOOK_UPS);
        let gateway = Gateway::start(&nat, &nonces, tcp, udp);
        let mut serving = Self {
            driver,
            end,
            clock,
            local,
            buffer: Box::new([0; limits::DATAGRAM + 1]),
            deaf_until: None,
            closed_until: None,
            verifiers,
            checked,
            unverified: None,
            store,
            replies,
            names: VecDeque::new(),
            looking: 0,
            named,
            name,
            // Without a thread for it nobody is asked; the node can do without.
            gateway: gateway.unwrap_or_else(|error| Gateway::none(&error)),
            stun: seed.derive("stun", 0),
            dials: VecDeque::new(),
            accepted: None,
            stop: None,
        };
        serving.execute();
        serving.await_store();
        Ok((node, serving, sockets))
    }

    /// A store answers before anything else happens, if it does so in time:
    /// whoever sees our record sees that of this run, and its number is kept.
    fn await_store(&mut self) {
        let until = Wall::now() + limits::STORE_OPEN_TIMEOUT;
        let mut opened = self.store.is_none();
        while !opened {
            let replies = self.replies.clone();
            let Some(Ok(reply)) = block_on(replies.recv(), until) else { return };
            // After its opening one thing more: that the number is kept.
            opened = !matches!(reply, Reply::Opened { .. });
            self.stored(reply);
        }
    }

    /// Some of everything that can be done without waiting. `udp` is the socket of
    /// [`Sockets::udp`], as the runtime has it.
    pub fn turn(&mut self, udp: Option<&impl Datagrams>) -> Step {
        let mut moved = self.on_time();
        for _ in 0..REQUESTS {
            let Some(request) = self.end.try_next() else { break };
            self.requested(request);
            moved = true;
        }
        for _ in 0..PACKETS {
            let Ok(checked) = self.checked.try_recv() else { break };
            self.checked(checked);
            moved = true;
        }
        for _ in 0..limits::STORE_REPLIES {
            let Ok(reply) = self.replies.try_recv() else { break };
            self.stored(reply);
            moved = true;
        }
        while let Ok(named) = self.named.try_recv() {
            self.named(named);
            moved = true;
        }
        while let Ok(told) = self.gateway.told.try_recv() {
            self.told(told);
            moved = true;
        }
        if let Some(udp) = udp {
            moved |= self.receive(udp);
            moved |= self.send(udp);
        }
        match moved {
            true => Step::Yield,
            false if self.is_over() => Step::Stop,
            false => Step::Wait,
        }
    }

    /// The next connection to make.
    pub fn next_dial(&mut self) -> Option<Dial> {
        self.dials.pop_front()
    }

    /// Whether to accept TCP connections.
    pub fn wants_incoming(&self) -> bool {
        self.closed_until.is_none() && self.driver.wants_incoming()
    }

    /// A TCP connection was accepted. `None` if it is refused: close it.
    pub fn incoming(&mut self, from: SocketAddr) -> Option<Connection> {
        self.driver.incoming(self.now(), from);
        self.execute();
        let (id, seed) = self.accepted.take()?;
        let end = self.end.begin(id, true);
        Some(Connection::accept(Arc::clone(&self.local), seed, self.clock, end))
    }

    /// The system refused to accept one, for lack of file descriptors, say: it is
    /// tried again after a while. One that was gone before it was accepted holds
    /// up no other.
    pub fn not_accepted(&mut self, error: &io::Error) {
        if tcp::is_of_one_connection(error) {
            return tracing::debug!(%error, "a connection was gone before it was accepted");
        }
        tracing::warn!(%error, "cannot accept a connection");
        self.closed_until = Some(self.now().mono + limits::ACCEPT_RETRY);
    }

    /// Whether to wait until the UDP socket can be read.
    pub const fn wants_receive(&self) -> bool {
        self.deaf_until.is_none()
    }

    /// Whether to wait until it can be written.
    pub fn wants_send(&self) -> bool {
        self.driver.wants_send()
    }

    /// When to take a turn though nothing has happened.
    pub fn deadline(&self) -> Option<Wall> {
        let due = self.driver.poll_timeout().map(|deadline| deadline.at);
        let due = due.into_iter().chain(self.deaf_until).chain(self.closed_until).min();
        let due = due.and_then(|due| self.clock.instant(due));
        due.into_iter().chain(self.gateway.deadline()).min()
    }

    /// Waits for application, sessions, threads, and does what the first of them
    /// wants. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) {
        enum Next {
            Requested(NodeRequest),
            Checked(Checked),
            Replied(Reply),
            Named(Named),
            Told(Told),
        }
        async fn from<T>(channel: &Receiver<T>) -> T {
            match channel.recv().await {
                Ok(received) => received,
                Err(_) => pending().await,
            }
        }
        let Self { end, checked, replies, named, gateway, .. } = self;
        let requested = async { Next::Requested(end.next().await) };
        let checked = async { Next::Checked(from(checked).await) };
        let replied = async { Next::Replied(from(replies).await) };
        let named = async { Next::Named(from(named).await) };
        let told = async { Next::Told(from(&gateway.told).await) };
        match or(requested, or(checked, or(replied, or(named, told)))).await {
            Next::Requested(request) => self.requested(request),
            Next::Checked(checked) => self.checked(checked),
            Next::Replied(reply) => self.stored(reply),
            Next::Named(named) => self.named(named),
            Next::Told(told) => self.told(told),
        }
    }

    /// Leaves no thread, but for those that nothing can end before the system
    /// does: one that looks up a name, or waits for a disk. Close the sockets
    /// before. `late` is when to wait no longer for a disk that does not answer:
    /// [`limits::STORE_CLOSE_TIMEOUT`].
    pub async fn close(mut self, late: impl Future<Output = ()>) {
        // It works on meanwhile.
        self.store.iter_mut().for_each(Store::finish);
        if let Some(verifiers) = self.verifiers.take() {
            verifiers.close();
            // Those that wait for us get through, and each goes with its end of
            // the channel: then there is nothing left for the join to wait for.
            while self.checked.recv().await.is_ok() {}
            verifiers.join();
        }
        if let Some(store) = self.store.take() {
            self.close_store(store, late).await;
        }
        let answer = self.stop.take().flatten();
        drop(self);
        if let Some(answer) = answer {
            let _ = answer.try_send(());
        }
    }

    async fn close_store(&self, store: Store, late: impl Future<Output = ()>) {
        let ended = async {
            while self.replies.recv().await.is_ok() {}
            true
        };
        let late = async {
            late.await;
            false
        };
        if or(ended, late).await {
            store.close();
        } else {
            // Its thread is left to itself.
            tracing::warn!("the node database does not close in time");
        }
    }

    /// Whether it has been told to stop: listen no more.
    pub const fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    fn is_over(&self) -> bool {
        self.driver.is_stopped() && self.end.live() == 0 && self.gateway.is_over()
    }

    fn on_time(&mut self) -> bool {
        let now = self.now();
        self.deaf_until = self.deaf_until.filter(|until| *until > now.mono);
        self.closed_until = self.closed_until.filter(|until| *until > now.mono);
        let due = self.driver.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono);
        if due {
            self.driver.timeout(now);
            self.execute();
        }
        due
    }

    fn requested(&mut self, request: NodeRequest) {
        let now = self.now();
        match request {
            NodeRequest::Command(id, command) => self.driver.command(now, id, command),
            NodeRequest::Connected(id, result) => self.driver.connected(now, id, result),
            NodeRequest::Session(id, report) => return self.reported(id, report),
            NodeRequest::Hold(held) => {
                tracing::debug!(held, "too many events that nobody takes");
                self.driver.hold(now, held);
            }
            NodeRequest::Snapshot(answer) => drop(answer.try_send(self.snapshot())),
            NodeRequest::Explain(id, answer) => {
                let _ = answer.try_send(self.driver.machine().explain(&id));
            }
            NodeRequest::Stop(answer) => self.begin_stop(Some(answer)),
            NodeRequest::Abandoned => self.begin_stop(None),
        }
        self.execute();
    }

    fn snapshot(&self) -> NodeSnapshot {
        let mut discovery = self.driver.discovery_snapshot();
        if let Some(discovery) = &mut discovery {
            discovery.store = self.store.as_ref().map(Store::counts);
        }
        let mut snapshot = self.end.snapshot(self.driver.machine().snapshot(), discovery);
        snapshot.store = self.store.as_ref().map(Store::work);
        snapshot.queues.dials = self.dials.len();
        snapshot.queues.names = self.names.len();
        snapshot.queues.unverified = self.verifiers.as_ref().map_or(0, Verifiers::waiting);
        snapshot.queues.verified = self.checked.len();
        snapshot
    }

    fn reported(&mut self, id: ConnectionId, report: Report) {
        let ended = match &report {
            Report::Closed { error, counters } => Some((*error, *counters)),
            Report::Authenticated(_) | Report::Ready { .. } => None,
        };
        self.driver.report(self.now(), id, report);
        if ended.is_some() {
            self.end.set_ends(self.driver.machine().counts().ends);
        }
        self.execute();
        if let Some((error, counters)) = ended {
            self.end.count(&counters);
            self.end.forget(id, error);
        }
    }

    fn begin_stop(&mut self, answer: Option<Sender<()>>) {
        self.stop = Some(answer);
        self.end.close();
        self.gateway.stop();
        self.driver.stop(self.now());
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Status(status) => self.driver.gateway(self.now(), status),
            Told::Servers(servers) => {
                let query = Query::new(servers, self.stun.secrets());
                self.driver.start_stun(self.now(), query);
            }
            Told::Ended => self.gateway.ended(),
        }
        self.execute();
    }

    fn checked(&mut self, checked: Checked) {
        self.driver.verified(self.now(), checked);
        self.execute();
    }

    fn stored(&mut self, reply: Reply) {
        self.driver.stored(self.now(), reply);
        self.execute();
    }

    fn named(&mut self, (id, found): Named) {
        self.looking -= 1;
        let ips: Vec<IpAddr> = match found {
            Ok(addresses) => addresses.iter().map(SocketAddr::ip).collect(),
            Err(error) => {
                tracing::debug!(%error, connection = %id, "cannot resolve host name");
                Vec::new()
            }
        };
        self.driver.named(self.now(), id, &ips);
        self.execute();
        self.look_up_next();
    }

    fn look_up_next(&mut self) {
        // Look-ups may take longer than anybody waits, and new names come.
        let machine = self.driver.machine();
        self.names.retain(|(id, _)| machine.awaits_name(*id));
        while self.looking < limits::NAME_LOOK_UPS
            && let Some((id, name)) = self.names.pop_front()
        {
            self.looking += 1;
            let send = self.name.clone();
            let found = move |found| drop(send.try_send((id, found)));
            // The port is the machine's to add.
            if let Err(error) = look_up(&name, 0, found) {
                let _ = self.name.try_send((id, Err(error)));
            }
        }
    }

    fn receive(&mut self, udp: &impl Datagrams) -> bool {
        let mut verified = 0;
        for count in 0..DATAGRAMS {
            if verified == PACKETS || self.deaf_until.is_some() || self.driver.is_stopped() {
                return count > 0;
            }
            match udp::moved(|| udp.receive(&mut self.buffer)) {
                Moved::Done((length, source)) => {
                    let now = self.now();
                    self.driver.datagram(now, source, &self.buffer[..length]);
                    self.execute();
                }
                Moved::Failed(failure) => self.not_received(failure),
                Moved::Blocked => return count > 0,
            }
            if let Some(packet) = self.unverified.take() {
                self.checked(verify(packet));
                verified += 1;
            }
        }
        true
    }

    fn not_received(&mut self, failure: SocketFailure) {
        tracing::debug!(%failure, "cannot receive a datagram");
        self.driver.not_received(failure);
        if !failure.is_of_one_datagram() {
            self.deaf_until = Some(self.now().mono + limits::RECEIVE_RETRY);
        }
    }

    fn send(&mut self, udp: &impl Datagrams) -> bool {
        let mut moved = false;
        while let Some((to, datagram)) = self.driver.next_send() {
            match udp::moved(|| udp.send(to, datagram)) {
                Moved::Done(_) => self.driver.sent(),
                Moved::Failed(failure) => {
                    tracing::debug!(%failure, %to, "cannot send a datagram");
                    self.driver.not_sent(failure);
                }
                Moved::Blocked => break,
            }
            moved = true;
        }
        moved
    }

    /// Does what the machine wants done, all of it.
    fn execute(&mut self) {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Accept { id, seed } => self.accepted = Some((id, seed)),
                Event::Refuse(refusal) => tracing::debug!(%refusal, "connection refused"),
                Event::LookUpName(id, name) => {
                    self.names.push_back((id, name));
                    self.look_up_next();
                }
                Event::Connect { id, to, remote, seed } => self.connect(id, to, remote, seed),
                Event::Session(id, command) => self.end.command(id, command),
                Event::Verify(packet) => self.verify(packet),
                Event::Store(id, operation) => self.store(id, operation),
                Event::Answer(id, answer) => self.end.answer(id, answer),
                Event::Happened(event) => {
                    log(&event);
                    self.end.tell(event);
                }
            }
        }
        // Without discovery nobody else says so.
        if self.driver.machine().discovery().is_none() {
            self.end.set_record(Arc::clone(self.driver.machine().local_record()));
        }
    }

    fn connect(&mut self, id: ConnectionId, to: SocketAddr, remote: PublicKey, seed: Seed) {
        let (local, clock) = (Arc::clone(&self.local), self.clock);
        let end = self.end.begin(id, false);
        self.dials.push_back(Dial { to, remote, seed, local, clock, end });
    }

    fn store(&mut self, id: OperationId, operation: Operation) {
        let taken = self.store.as_ref().is_some_and(|store| store.submit(id, operation).is_ok());
        if !taken {
            tracing::debug!(?id, "no room for an operation of the node database");
            self.driver.not_stored(self.now(), id);
        }
    }

    fn verify(&mut self, packet: Unverified) {
        match &self.verifiers {
            Some(verifiers) => {
                if verifiers.submit(packet).is_err() {
                    self.driver.left_unverified();
                }
            }
            None => self.unverified = Some(packet),
        }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

fn log(event: &node::Event) {
    match event {
        node::Event::Connected(peer) => {
            let (address, direction) = (peer.address, peer.direction);
            tracing::info!(peer = %peer.id, %address, %direction, "connected");
        }
        node::Event::Disconnected { peer, error, .. } => {
            tracing::info!(peer = %peer.id, %error, "disconnected");
        }
        node::Event::Failed { connection, address, direction, error, .. } => {
            tracing::debug!(%connection, %address, %direction, %error, "not admitted");
        }
        node::Event::DialFailed(contact, failure) => {
            tracing::debug!(%contact, %failure, "cannot dial");
        }
        node::Event::WantsCandidates(_) | node::Event::Discovery(_) | _ => {}
    }
}

/// `None` for no threads.
fn start_verifiers(threads: usize, checked: Sender<Checked>) -> io::Result<Option<Verifiers>> {
    if threads == 0 {
        return Ok(None);
    }
    // Waits while the machine has enough to do; fails when it has stopped.
    Verifiers::start(threads, move |result| drop(checked.send_blocking(result))).map(Some)
}

type Bound = (Sockets, Option<SocketAddr>, Option<SocketAddr>);

fn bind(
    listen: Option<SocketAddr>,
    discovery: Option<SocketAddr>,
    wants_discovery: bool,
) -> Result<Bound, StartError> {
    let failed = |address| move |error| StartError::Listen(address, error);
    let tcp = listen
        .map(|address| {
            let listener = tcp::listen(address)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        })
        .transpose()
        .map_err(failed(listen.unwrap_or(ANY)))?;
    let (tcp, tcp_bound) = tcp.unzip();
    let udp = wants_discovery.then(|| bind_udp(listen, tcp_bound, discovery)).transpose();
    let (udp, udp_bound) = udp.map_err(failed(discovery.or(listen).unwrap_or(ANY)))?.unzip();
    Ok((Sockets { tcp, udp }, tcp_bound, udp_bound))
}

/// Every IPv4 address, a port that the system chooses.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);

/// Where TCP is, unless it is configured. A port that the system chose for TCP may
/// be taken for UDP: then it chooses another.
fn bind_udp(
    listen: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    discovery: Option<SocketAddr>,
) -> io::Result<(UdpSocket, SocketAddr)> {
    let chosen = listen.is_some_and(|address| address.port() == 0);
    let socket = match (discovery, tcp) {
        (Some(address), _) => udp::bind(address)?,
        (None, Some(tcp)) if chosen => {
            udp::bind(tcp).or_else(|_| udp::bind(SocketAddr::new(tcp.ip(), 0)))?
        }
        (None, Some(tcp)) => udp::bind(tcp)?,
        (None, None) => udp::bind(ANY)?,
    };
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// Waits for a future here, until then.
fn block_on<T>(future: impl Future<Output = T>, until: Wall) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        let left = until.saturating_duration_since(Wall::now());
        if left == Duration::ZERO {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests;
