//! The loop of discovery: a UDP socket, a machine, an application, threads that
//! verify, and one that has the node database.

use core::net::{Ipv4Addr, SocketAddr};
use std::io;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use async_executor::Executor;
use async_io::{Async, Timer, block_on};
use devp2p_core::discv4::{Config, DropReason, Unverified, Verified, verify};
use devp2p_core::driver::discovery::{Discovery as Driver, Event, SocketFailure};
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::store::{Operation, OperationId, Reply};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::Discovery;
use devp2p_handle::adapter::{self, DiscoveryEnd, DiscoveryRequest};
use devp2p_host::store::Store;
use devp2p_host::udp::{self, Buffer, Moved};
use devp2p_host::{Clock, DiscoverError, Verifiers};
use futures_lite::future::{or, pending, yield_now};

/// Datagrams that one turn reads. Most cost a hash, some a signature of ours.
const DATAGRAMS: usize = 64;

/// Verified packets that one turn acts on, or verifies itself where there are no
/// threads for it. Each may cost a signature: some 60 microseconds.
const PACKETS: usize = 16;

/// Requests of the application that one turn takes. Each may cost a signature.
const REQUESTS: usize = 16;

/// How discovery is to be run.
#[derive(Debug)]
pub struct DiscoveryConfig {
    discovery: Config,
    seed: Seed,
    listen: SocketAddr,
    verifiers: usize,
    node_database: Option<PathBuf>,
}

impl DiscoveryConfig {
    /// Discovery at every IPv4 address, at a port that the system chooses.
    ///
    /// All that it draws grows from `seed`: take it from [`devp2p_host::seed`].
    pub fn new(discovery: Config, seed: Seed) -> Self {
        let listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        let verifiers = Verifiers::default_threads();
        Self { discovery, seed, listen, verifiers, node_database: None }
    }

    /// Listens at this address; port 0 lets the system choose. `[::]` takes IPv4
    /// as well.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Verifies packets in so many threads, [`limits::VERIFIERS`] at most; with 0 in
    /// the loop itself, beside all else that the executor runs. By default
    /// [as many as the machine has room for](Verifiers::default_threads).
    #[must_use]
    pub const fn verifiers(mut self, threads: usize) -> Self {
        self.verifiers = threads;
        self
    }

    /// Remembers nodes, endpoint proofs and the number of our record in this
    /// directory, geth's `nodes`, which is made if it is not there. Without it
    /// nothing is remembered beyond the end.
    ///
    /// A database that is damaged is set aside and another one begun: see
    /// [`StoreCounts`](devp2p_core::store::StoreCounts) in the
    /// [snapshot](devp2p_core::driver::discovery::Snapshot).
    #[must_use]
    pub fn node_database(mut self, directory: impl Into<PathBuf>) -> Self {
        self.node_database = Some(directory.into());
        self
    }
}

/// Starts discovery, whose one task runs on `executor`.
///
/// With a node database this blocks until that is open, has said what it
/// remembers, and keeps the number of our record: some milliseconds, or as long
/// as the disk takes. What [`Discovery::record`] says then will not be taken back.
pub fn discover(
    config: DiscoveryConfig,
    executor: &Arc<Executor<'static>>,
) -> Result<Discovery, DiscoverError> {
    let (discovery, mut serving) = Serving::new(config)?;
    serving.begin();
    executor.spawn(serving.serve()).detach();
    Ok(discovery)
}

fn bind(listen: SocketAddr) -> io::Result<(Async<UdpSocket>, SocketAddr)> {
    let socket = Async::new(udp::bind(listen)?)?;
    let address = socket.get_ref().local_addr()?;
    Ok((socket, address))
}

/// What became of a packet.
type Checked = Result<Verified, DropReason>;

/// `None` for no node database.
fn open_store(
    directory: Option<PathBuf>,
    reply: Sender<Reply>,
) -> Result<Option<Store>, DiscoverError> {
    let Some(directory) = directory else { return Ok(None) };
    let reply = move |_, answer| {
        // Waits while the machine has enough to do; fails when it has stopped.
        let _ = reply.send_blocking(answer);
    };
    Store::open(directory, reply).map(Some).map_err(DiscoverError::NodeDatabase)
}

/// `None` for no threads.
fn start_verifiers(threads: usize, checked: Sender<Checked>) -> io::Result<Option<Verifiers>> {
    if threads == 0 {
        return Ok(None);
    }
    let checked = move |result| {
        // Waits while the machine has enough to do; fails when it has stopped.
        let _ = checked.send_blocking(result);
    };
    Verifiers::start(threads, checked).map(Some)
}

/// Discovery while it runs.
struct Serving {
    driver: Driver,
    clock: Clock,
    socket: Async<UdpSocket>,
    buffer: Box<Buffer>,
    /// Reading failed for lack of something: it is tried again then.
    deaf_until: Option<Instant>,
    /// `None`: packets are verified here.
    verifiers: Option<Verifiers>,
    checked: Receiver<Checked>,
    /// To be verified here, as soon as the machine is drained.
    unverified: Option<Unverified>,
    /// `None`: nothing is remembered.
    store: Option<Store>,
    replies: Receiver<Reply>,
    end: DiscoveryEnd,
    timer: Timer,
    due: Option<Instant>,
}

/// What a turn of the loop came to.
enum Turn {
    /// Something moved: take another turn.
    Moved,
    /// Nothing will, until somebody wakes us.
    Idle,
    /// The application wants it to end, and to know when it has if it says so.
    Stop(Option<Sender<()>>),
}

/// What the loop wakes for.
enum Wake {
    Asked(DiscoveryRequest),
    Checked(Checked),
    Replied(Reply),
    /// There is something to try at the socket.
    Socket,
    Due,
}

impl Serving {
    fn new(config: DiscoveryConfig) -> Result<(Discovery, Self), DiscoverError> {
        let DiscoveryConfig { mut discovery, seed, listen, verifiers, node_database } = config;
        let (socket, address) = bind(listen).map_err(DiscoverError::Listen)?;
        let (check, checked) = async_channel::bounded(limits::VERIFIED_PACKETS);
        let verifiers = start_verifiers(verifiers, check).map_err(DiscoverError::Threads)?;
        let (reply, replies) = async_channel::bounded(limits::STORE_REPLIES);
        let store = open_store(node_database, reply)?;
        discovery.store = store.is_some();
        // Only now, for the machine does not wait long for an answer.
        let clock = Clock::start();
        let driver = match Driver::over(discovery, address, &seed, clock.now()) {
            Ok(driver) => driver,
            Err(error) => {
                store.into_iter().for_each(Store::close);
                return Err(DiscoverError::Record(error));
            }
        };
        let record = Arc::clone(driver.machine().local_record());
        let (discovery, end) = adapter::discovery(address, record);
        let serving = Self {
            driver,
            clock,
            socket,
            buffer: Box::new([0; limits::DATAGRAM + 1]),
            deaf_until: None,
            verifiers,
            checked,
            unverified: None,
            store,
            replies,
            end,
            timer: Timer::never(),
            due: None,
        };
        Ok((discovery, serving))
    }

    /// Has the machine begin. A store answers before anything else happens, if
    /// it does so in time: whoever sees our record sees that of this run, and its
    /// number is kept.
    fn begin(&mut self) {
        self.execute();
        if self.store.is_none() {
            return;
        }
        let replies = self.replies.clone();
        let answered = async {
            while let Ok(reply) = replies.recv().await {
                let is_opened = matches!(reply, Reply::Opened { .. });
                self.stored(reply);
                if !is_opened {
                    break;
                }
            }
        };
        let late = async {
            Timer::after(limits::STORE_OPEN_TIMEOUT).await;
        };
        block_on(or(answered, late));
    }

    async fn serve(mut self) {
        let answer = loop {
            let turn = match self.turn() {
                // The other tasks get their chance.
                Turn::Moved => {
                    yield_now().await;
                    continue;
                }
                Turn::Idle => self.wait().await,
                turn @ Turn::Stop(_) => turn,
            };
            if let Turn::Stop(answer) = turn {
                break answer;
            }
        };
        self.stop().await;
        if let Some(answer) = answer {
            let _ = answer.send(()).await;
        }
    }

    /// Some of everything that can be done without waiting.
    fn turn(&mut self) -> Turn {
        let mut moved = self.on_time();
        for _ in 0..REQUESTS {
            let Some(request) = self.end.try_next() else { break };
            match self.asked(request) {
                Turn::Moved | Turn::Idle => moved = true,
                stop @ Turn::Stop(_) => return stop,
            }
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
        moved |= self.receive();
        moved |= self.send();
        if moved { Turn::Moved } else { Turn::Idle }
    }

    fn on_time(&mut self) -> bool {
        let now = self.now();
        self.deaf_until = self.deaf_until.filter(|until| *until > now.mono);
        let due = self.driver.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono);
        if due {
            self.driver.timeout(now);
            self.execute();
        }
        due
    }

    fn asked(&mut self, request: DiscoveryRequest) -> Turn {
        match request {
            DiscoveryRequest::Command(id, command) => {
                self.driver.command(self.now(), id, command);
                self.execute();
            }
            DiscoveryRequest::Snapshot(answer) => {
                let mut snapshot = self.driver.snapshot();
                snapshot.store = self.store.as_ref().map(Store::counts);
                let _ = answer.try_send(snapshot);
            }
            DiscoveryRequest::Stop(answer) => return Turn::Stop(Some(answer)),
            DiscoveryRequest::Abandoned => return Turn::Stop(None),
        }
        Turn::Moved
    }

    fn checked(&mut self, checked: Checked) {
        self.driver.verified(self.now(), checked);
        self.execute();
    }

    fn stored(&mut self, reply: Reply) {
        self.driver.stored(self.now(), reply);
        self.execute();
    }

    fn receive(&mut self) -> bool {
        let mut verified = 0;
        for count in 0..DATAGRAMS {
            if verified == PACKETS || self.deaf_until.is_some() {
                return count > 0;
            }
            match udp::receive(self.socket.get_ref(), &mut self.buffer) {
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

    fn send(&mut self) -> bool {
        let mut moved = false;
        while let Some((to, datagram)) = self.driver.next_send() {
            match udp::send(self.socket.get_ref(), to, datagram) {
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
                Event::Verify(packet) => self.verify(packet),
                Event::Answer(id, answer) => self.end.answer(id, answer),
                Event::Happened(event) => self.end.tell(event),
                Event::Store(id, operation) => self.store(id, operation),
            }
        }
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

    /// Waits for whatever comes first.
    async fn wait(&mut self) -> Turn {
        self.set_timer();
        let is_deaf = self.deaf_until.is_some();
        let Self { driver, socket, checked, replies, end, timer, .. } = self;
        let asked = async { Wake::Asked(end.next().await) };
        let checked = async {
            match checked.recv().await {
                Ok(checked) => Wake::Checked(checked),
                Err(_) => pending().await,
            }
        };
        let replied = async {
            match replies.recv().await {
                Ok(reply) => Wake::Replied(reply),
                Err(_) => pending().await,
            }
        };
        // An error shows when the read or write is tried.
        let readable = async {
            if is_deaf {
                return pending().await;
            }
            let _ = socket.readable().await;
            Wake::Socket
        };
        let writable = async {
            if !driver.wants_send() {
                return pending().await;
            }
            let _ = socket.writable().await;
            Wake::Socket
        };
        let due = async {
            let _: std::time::Instant = timer.await;
            Wake::Due
        };
        match or(asked, or(checked, or(replied, or(due, or(readable, writable))))).await {
            Wake::Asked(request) => self.asked(request),
            Wake::Checked(checked) => {
                self.checked(checked);
                Turn::Moved
            }
            Wake::Replied(reply) => {
                self.stored(reply);
                Turn::Moved
            }
            Wake::Socket => Turn::Moved,
            Wake::Due => {
                self.due = None;
                Turn::Moved
            }
        }
    }

    fn set_timer(&mut self) {
        let deadline = self.driver.poll_timeout().map(|deadline| deadline.at);
        let due = deadline.into_iter().chain(self.deaf_until).min();
        if due != self.due {
            self.due = due;
            self.timer =
                due.and_then(|due| self.clock.instant(due)).map_or_else(Timer::never, Timer::at);
        }
    }

    /// Answers everyone, sends what can be sent at once, and leaves no thread.
    async fn stop(mut self) {
        self.driver.stop(self.now());
        self.execute();
        self.send();
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
            self.close(store).await;
        }
    }

    /// Waits until the store is through with what it was given. If its disk does
    /// not answer, its thread is left to itself.
    async fn close(&self, store: Store) {
        let ended = async {
            while self.replies.recv().await.is_ok() {}
            true
        };
        let late = async {
            Timer::after(limits::STORE_CLOSE_TIMEOUT).await;
            false
        };
        if or(ended, late).await {
            store.close();
        } else {
            tracing::warn!("the node database does not close in time");
        }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests;
