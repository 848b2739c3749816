//! `devp2p discv4 crawl`: which nodes there are, and which of them answer.
//!
//! The file is written when the crawl ends, for whatever reason, and every now
//! and then before: whoever kills it loses half a minute.

mod plan;
mod progress;
mod saver;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use devp2p_smol::core::identity::{Contact, NodeId};
use devp2p_smol::core::time::{Instant, Now};
use devp2p_smol::host::Clock;
use devp2p_smol::host::Nat;
use devp2p_smol::{Discovery, Executor, RequestError};
use futures_lite::future::or;
use jiff::SignedDuration;
use serde::Serialize;

use plan::{Crawl, Outcome, Standing};
use progress::Progress;
use saver::Saver;

use super::node;
use crate::args;
use crate::failure::{Failure, system};
use crate::nodes;
use crate::output;
use crate::signals::{self, Signal};

/// Before a question that could not be sent is sent again.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &args::Crawl) -> Result<(), Failure> {
    let limit = positive(arguments.timeout);
    let bootnodes = node::bootnodes(arguments.discover.bootnodes.as_deref())?;
    let nodes = nodes::load_or_empty(&arguments.file)?;
    let crawl = Crawl::new(nodes, bootnodes.clone(), arguments.parallel, limit)
        .ok_or(Failure::NowhereToBegin)?;
    let signals = signals::watch().map_err(system("signals"))?;
    let executor = Arc::new(Executor::new());
    let discovery = super::start(&arguments.discover, bootnodes, &Nat::None, &executor)?;
    let crawler = Crawler::new(crawl, discovery, Arc::clone(&executor), arguments)?;
    let (standing, signal) = async_io::block_on(executor.run(crawler.run(&signals)))?;
    let done = Done::new(&standing);
    if arguments.discover.json { output::json(&done) } else { output::line(&done) }?;
    match signal {
        // Without a limit there is no other end.
        Some(signal) if limit.is_some() => Err(Failure::Interrupted(signal)),
        Some(_) | None => Ok(()),
    }
}

/// A time, or none for 0 and what is less.
fn positive(duration: SignedDuration) -> Option<Duration> {
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

/// A crawl at work.
struct Crawler {
    crawl: Crawl,
    discovery: Discovery,
    executor: Arc<Executor<'static>>,
    clock: Clock,
    heard: (Sender<Heard>, Receiver<Heard>),
    walk: Receiver<Vec<Contact>>,
    progress: Progress,
    saver: Saver,
    /// Whether the file has been written.
    saved: bool,
    save_every: Option<Duration>,
    next_save: Option<Instant>,
}

type Heard = (NodeId, Outcome);

/// What comes next.
enum Next {
    Heard(Heard),
    Met(Vec<Contact>),
    Written(Result<(), Failure>),
    Signal(Signal),
    Time,
    /// Discovery has stopped by itself.
    Stopped,
}

impl Crawler {
    fn new(
        crawl: Crawl,
        discovery: Discovery,
        executor: Arc<Executor<'static>>,
        arguments: &args::Crawl,
    ) -> Result<Self, Failure> {
        let clock = Clock::start();
        let saver = Saver::start(arguments.file.clone()).map_err(system("saving thread"))?;
        let (met, walk) = async_channel::bounded(1);
        executor.spawn(wander(discovery.clone(), met)).detach();
        let save_every = positive(arguments.save_every);
        Ok(Self {
            crawl,
            discovery,
            executor,
            clock,
            heard: async_channel::unbounded(),
            walk,
            progress: Progress::new(clock.now().mono),
            saver,
            saved: false,
            save_every,
            // At once: a file that cannot be written is better known now.
            next_save: save_every.map(|_| Instant::ZERO),
        })
    }

    /// Crawls until it is over, and saves what it found.
    async fn run(
        mut self,
        signals: &Receiver<Signal>,
    ) -> Result<(Standing, Option<Signal>), Failure> {
        let ended = self.crawl(signals).await;
        self.progress.end();
        let _ = self.discovery.stop().await;
        let standing = self.crawl.standing();
        self.saver.finish(self.crawl.into_nodes()).await?;
        Ok((standing, ended?))
    }

    /// The signal that ended it, if one did.
    async fn crawl(&mut self, signals: &Receiver<Signal>) -> Result<Option<Signal>, Failure> {
        loop {
            let now = self.clock.now();
            self.ask(now);
            if self.crawl.end().is_some_and(|end| now.mono >= end) {
                return Ok(None);
            }
            self.progress.show(&self.crawl.standing(), now.mono);
            self.save(now.mono);
            match self.next(signals).await {
                Next::Heard((id, outcome)) => self.crawl.heard(id, outcome, self.clock.now()),
                Next::Met(contacts) => self.crawl.met(contacts),
                Next::Written(result) => self.written(result)?,
                Next::Signal(signal) => return Ok(Some(signal)),
                Next::Time => {}
                Next::Stopped => return Err(RequestError::Stopped.into()),
            }
        }
    }

    /// Asks whoever is to be asked.
    fn ask(&mut self, now: Now) {
        while let Some(contact) = self.crawl.next(now) {
            let asking = ask(self.discovery.clone(), contact, self.heard.0.clone());
            self.executor.spawn(asking).detach();
        }
    }

    fn save(&mut self, now: Instant) {
        if self.saver.is_idle() && self.next_save.is_some_and(|at| now >= at) {
            self.saver.save(self.crawl.nodes());
            self.next_save = self.save_every.map(|interval| now + interval);
        }
    }

    async fn next(&mut self, signals: &Receiver<Signal>) -> Next {
        let until = self.wake_up();
        let heard = async {
            match self.heard.1.recv().await {
                Ok(heard) => Next::Heard(heard),
                Err(_) => core::future::pending().await,
            }
        };
        let met = async {
            if !self.crawl.wants_nodes() {
                return core::future::pending().await;
            }
            self.walk.recv().await.map_or(Next::Stopped, Next::Met)
        };
        let signal = async {
            match signals.recv().await {
                Ok(signal) => Next::Signal(signal),
                Err(_) => core::future::pending().await,
            }
        };
        let written = async { Next::Written(self.saver.written().await) };
        let time = async {
            match until {
                Some(until) => Timer::at(until).await,
                None => core::future::pending().await,
            };
            Next::Time
        };
        // Whichever is dropped has taken nothing.
        or(signal, or(heard, or(or(written, time), met))).await
    }

    /// When there is something to do though nothing happens.
    fn wake_up(&self) -> Option<time::Instant> {
        let save = self.next_save.filter(|_| self.saver.is_idle());
        let at = [self.crawl.end(), Some(self.progress.next()), save].into_iter().flatten().min();
        at.and_then(|at| self.clock.instant(at))
    }

    /// The first time it is said at once; later there may be room again.
    fn written(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => self.saved = true,
            Err(failure) if !self.saved => return Err(failure),
            Err(failure) => tracing::warn!("{failure}"),
        }
        Ok(())
    }
}

/// Asks one node for its record.
async fn ask(discovery: Discovery, contact: Contact, heard: Sender<Heard>) {
    let outcome = match discovery.request_record(&contact).await {
        Ok(contact) => Outcome::Answered(contact),
        Err(RequestError::Busy | RequestError::Cancelled | RequestError::Stopped) => {
            Timer::after(PAUSE).await;
            Outcome::NotAsked
        }
        Err(error) => {
            tracing::debug!(%contact, %error, "no record");
            Outcome::Silent
        }
    };
    let _ = heard.send((*contact.id(), outcome)).await;
}

/// Walks about the network, as far as somebody wants to know whom it meets.
async fn wander(discovery: Discovery, met: Sender<Vec<Contact>>) {
    loop {
        match discovery.random_nodes().await {
            Ok(contacts) => {
                if met.send(contacts).await.is_err() {
                    return;
                }
            }
            Err(RequestError::Stopped) => return,
            Err(_) => {
                Timer::after(PAUSE).await;
            }
        }
    }
}

/// What a crawl came to.
#[derive(Serialize)]
struct Done {
    nodes: usize,
    live: usize,
    added: u64,
    updated: u64,
    removed: u64,
    recent: u64,
    silent: u64,
}

impl Done {
    const fn new(standing: &Standing) -> Self {
        let Standing { tally, nodes, live } = *standing;
        let plan::Tally { added, updated, removed, recent, silent } = tally;
        Self { nodes, live, added, updated, removed, recent, silent }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, live, added, updated, removed, recent, silent } = self;
        write!(f, "{nodes} nodes, {live} of them live: {added} added, {updated} updated, ")?;
        write!(f, "{removed} removed, {recent} asked lately, {silent} silent")
    }
}
