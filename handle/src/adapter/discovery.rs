//! Discovery's side of the handles.

use core::future::{Future as _, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Poll;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender, TryRecvError};
use devp2p_core::discv4::{Answer, Command, Event, RequestId};
use devp2p_core::driver::discovery::Snapshot;
use devp2p_core::identity::Record;
use devp2p_core::limits;

use crate::discovery::{Discovery, Shared};

/// What an application asks of discovery, on its way to [`DiscoveryEnd`].
#[derive(Debug)]
pub(crate) enum Asked {
    Command { id: RequestId, command: Command, answer: Sender<Answer> },
    Snapshot(Sender<Snapshot>),
    Stop(Sender<()>),
}

/// What an adapter is to do for the application.
#[derive(Debug)]
pub enum DiscoveryRequest {
    /// Hand this to the machine.
    Command(RequestId, Command),
    /// Say what discovery looks like.
    Snapshot(Sender<Snapshot>),
    /// Stop, and say when it is done.
    Stop(Sender<()>),
    /// All handles are gone: stop.
    Abandoned,
}

/// A handle of discovery, and the end that its adapter holds.
pub fn discovery(address: SocketAddr, record: Arc<Record>) -> (Discovery, DiscoveryEnd) {
    let shared = Arc::new(Shared {
        address,
        record: Mutex::new(record),
        next: AtomicU64::new(0),
        missed: AtomicU64::new(0),
    });
    let (ask, asked) = async_channel::bounded(limits::DISCOVERY_REQUESTS);
    // Bounded by the requests: each is given up at most once, and those given up
    // are taken before a new one is.
    let (give_up, given_up) = async_channel::unbounded();
    let (happen, happened) = async_channel::bounded(limits::DISCOVERY_EVENTS);
    let end = DiscoveryEnd {
        shared: Arc::clone(&shared),
        asked,
        given_up,
        happen,
        waiting: BTreeMap::new(),
    };
    (Discovery::new(shared, ask, give_up, happened), end)
}

/// Discovery's side of the handles. When it is dropped everyone who waits is
/// told that discovery has stopped.
#[derive(Debug)]
pub struct DiscoveryEnd {
    shared: Arc<Shared>,
    asked: Receiver<Asked>,
    given_up: Receiver<RequestId>,
    happen: Sender<Event>,
    /// Who waits for the answers to what the machine was asked.
    waiting: BTreeMap<RequestId, Sender<Answer>>,
}

impl DiscoveryEnd {
    /// The next request. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> DiscoveryRequest {
        loop {
            if let Some(request) = self.try_next() {
                return request;
            }
            let first = self.first().await;
            if let Some(request) = self.take(first) {
                return request;
            }
        }
    }

    /// The next request, if there is one.
    pub fn try_next(&mut self) -> Option<DiscoveryRequest> {
        loop {
            let first = match self.given_up.try_recv() {
                Ok(id) => First::GivenUp(id),
                Err(_) => match self.asked.try_recv() {
                    Ok(asked) => First::Asked(asked),
                    Err(TryRecvError::Closed) => First::Abandoned,
                    Err(TryRecvError::Empty) => return None,
                },
            };
            if let Some(request) = self.take(first) {
                return Some(request);
            }
        }
    }

    /// Passes an answer of the machine on.
    pub fn answer(&mut self, id: RequestId, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // It has room for the one answer; or nobody waits any more.
            let _ = waiting.try_send(answer);
        }
    }

    /// Says that this happened.
    pub fn tell(&self, event: Event) {
        if let Event::LocalRecord(record) = &event {
            self.shared.set_record(Arc::clone(record));
        }
        if let Ok(Some(_oldest)) = self.happen.force_send(event) {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn first(&self) -> First {
        let mut given_up = pin!(self.given_up.recv());
        let mut asked = pin!(self.asked.recv());
        poll_fn(|cx| {
            if let Poll::Ready(Ok(id)) = given_up.as_mut().poll(cx) {
                return Poll::Ready(First::GivenUp(id));
            }
            asked.as_mut().poll(cx).map(|asked| asked.map_or(First::Abandoned, First::Asked))
        })
        .await
    }

    /// What there is to do, unless nobody waits for it any more.
    fn take(&mut self, first: First) -> Option<DiscoveryRequest> {
        Some(match first {
            First::GivenUp(id) => {
                self.waiting.remove(&id)?;
                DiscoveryRequest::Command(self.shared.next_id(), Command::Cancel(id))
            }
            First::Asked(Asked::Command { answer, .. }) if answer.is_closed() => return None,
            First::Asked(Asked::Command { id, command, answer }) => {
                self.waiting.insert(id, answer);
                DiscoveryRequest::Command(id, command)
            }
            First::Asked(Asked::Snapshot(answer)) => DiscoveryRequest::Snapshot(answer),
            First::Asked(Asked::Stop(answer)) => DiscoveryRequest::Stop(answer),
            First::Abandoned => DiscoveryRequest::Abandoned,
        })
    }
}

impl Drop for DiscoveryEnd {
    fn drop(&mut self) {
        self.asked.close();
        // The channel would keep them, and those who wait for the answers
        // waiting, for as long as there is a handle.
        while let Ok(asked) = self.asked.try_recv() {
            drop(asked);
        }
    }
}

/// What the application did first.
enum First {
    GivenUp(RequestId),
    Asked(Asked),
    Abandoned,
}
