//! The loop of discovery: a UDP socket, a machine, an application, and threads
//! that verify.

use core::net::{Ipv4Addr, SocketAddr};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use async_executor::Executor;
use async_io::{Async, Timer};
use devp2p_core::discv4::{Config, DropReason, Unverified, Verified, verify};
use devp2p_core::driver::discovery::{Discovery as Driver, Event, SocketFailure};
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::time::{Instant, Now};
use devp2p_handle::Discovery;
use devp2p_handle::adapter::{self, DiscoveryEnd, DiscoveryRequest};
use devp2p_host::udp::{self, Buffer, Moved};
use devp2p_host::{Clock, Verifiers};
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
}

impl DiscoveryConfig {
    /// Discovery at every IPv4 address, at a port that the system chooses.
    ///
    /// All that it draws grows from `seed`: take it from [`devp2p_host::seed`].
    pub fn new(discovery: Config, seed: Seed) -> Self {
        let listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        Self { discovery, seed, listen, verifiers: Verifiers::default_threads() }
    }

    /// Listens at this address; port 0 lets the system choose. `[::]` takes IPv4
    /// as well.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Verifies packets in so many threads; with 0 in the loop itself, beside all
    /// else that the executor runs. By default
    /// [as many as the machine has room for](Verifiers::default_threads).
    #[must_use]
    pub const fn verifiers(mut self, threads: usize) -> Self {
        self.verifiers = threads;
        self
    }
}

/// Starts discovery, whose one task runs on `executor`.
///
/// Fails if the address cannot be bound, if the system starts no threads, or if
/// our record has no room for what it is to say.
pub fn discover(
    config: DiscoveryConfig,
    executor: &Arc<Executor<'static>>,
) -> io::Result<Discovery> {
    let DiscoveryConfig { mut discovery, seed, listen, verifiers } = config;
    discovery.store = false;
    let socket = Async::new(udp::bind(listen)?)?;
    let address = socket.get_ref().local_addr()?;
    let clock = Clock::start();
    let driver = Driver::over(discovery, address, &seed, clock.now()).map_err(io::Error::other)?;
    let (check, checked) = async_channel::bounded(limits::VERIFIED_PACKETS);
    let verifiers = start_verifiers(verifiers, check)?;
    let (handle, end) = adapter::discovery(address, driver.machine().local_record().clone());
    let mut serving = Serving {
        driver,
        clock,
        socket,
        buffer: Box::new([0; limits::DATAGRAM + 1]),
        deaf_until: None,
        verifiers,
        checked,
        unverified: None,
        end,
        timer: Timer::never(),
        due: None,
    };
    serving.execute();
    executor.spawn(serving.serve()).detach();
    Ok(handle)
}

/// What became of a packet.
type Checked = Result<Verified, DropReason>;

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
    /// There is something to try at the socket.
    Socket,
    Due,
}

impl Serving {
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
                let _ = answer.try_send(self.driver.snapshot());
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
                Event::Store(id, _) => tracing::error!(?id, "there is no store"),
            }
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
        let Self { driver, socket, checked, end, timer, .. } = self;
        let asked = async { Wake::Asked(end.next().await) };
        let checked = async {
            match checked.recv().await {
                Ok(checked) => Wake::Checked(checked),
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
        match or(asked, or(checked, or(due, or(readable, writable)))).await {
            Wake::Asked(request) => self.asked(request),
            Wake::Checked(checked) => {
                self.checked(checked);
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
        if let Some(verifiers) = self.verifiers.take() {
            verifiers.close();
            // Those that wait for us get through, and each goes with its end of
            // the channel: then there is nothing left for the join to wait for.
            while self.checked.recv().await.is_ok() {}
            verifiers.join();
        }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}
