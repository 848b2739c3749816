//! Discovery as the application sees it.

use core::net::SocketAddr;
use core::sync::atomic::Ordering;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use devp2p_core::discv4::{Answer, Command, Event, PingReply, RequestError, RequestId};
use devp2p_core::driver::DiscoverySnapshot;
use devp2p_core::identity::{Contact, Enode, Record};

use devp2p_core::node;

use crate::adapter::{Asked, Waiting};
use crate::node::Shared;
use crate::{Runtime, Stopped};

/// Running discovery, of a node or alone. Clones are the same one.
///
/// It runs until [`Discovery::stop`], or until the last clone is dropped, and
/// the last [`Node`](crate::Node) whose discovery it is.
/// Dropping the future of a request gives the request up.
///
/// Take its [events](Discovery::next_event), or do not: nothing waits for that.
#[derive(Clone, Debug)]
pub struct Discovery {
    address: SocketAddr,
    shared: Arc<Shared>,
    asked: Sender<Asked>,
    given_up: Sender<RequestId>,
    happened: Receiver<Event>,
}

impl Discovery {
    pub(crate) const fn new(
        address: SocketAddr,
        shared: Arc<Shared>,
        asked: Sender<Asked>,
        given_up: Sender<RequestId>,
        happened: Receiver<Event>,
    ) -> Self {
        Self { address, shared, asked, given_up, happened }
    }

    /// The UDP address that it is bound to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What we say of ourselves at the moment.
    pub fn record(&self) -> Arc<Record> {
        self.shared.record()
    }

    /// The URL at which others find us, as far as we know: what
    /// [`Discovery::record`] says.
    pub fn enode(&self) -> Enode {
        Contact::from_record(self.record()).to_enode()
    }

    /// Time, chance and tasks for what holds this handle.
    pub fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// Pings a node.
    ///
    /// Fails with [`RequestError::Timeout`] if it does not answer,
    /// [`RequestError::NoEndpoint`] or [`RequestError::Own`] if it cannot be
    /// asked, [`RequestError::Busy`] if too many requests wait,
    /// [`RequestError::Stopped`].
    pub async fn ping(&self, contact: &Contact) -> Result<PingReply, RequestError> {
        let answer = self.ask(Command::Ping(contact.clone())).await?;
        if let Answer::Pong(reply) = answer { Ok(reply) } else { Err(other(&answer)) }
    }

    /// Fetches a node's record from itself (EIP-868), after an endpoint proof
    /// where one is missing. The contact given comes back if its record is newer
    /// than the one that came.
    ///
    /// Fails as [`Discovery::ping`] does, and if what comes is no record of
    /// that node: [`RequestError::BadRecord`], [`RequestError::WrongIdentity`],
    /// [`RequestError::BadAddress`].
    pub async fn request_record(&self, contact: &Contact) -> Result<Contact, RequestError> {
        contact_in(self.ask(Command::RequestRecord(contact.clone())).await?)
    }

    /// Finds the latest record of a node wherever it is now: asks itself, then
    /// those we know, then the network.
    ///
    /// Fails with [`RequestError::NotFound`] if no newer record was found
    /// anywhere, and as [`Discovery::ping`] does for ourselves, for too many
    /// requests and at the end.
    pub async fn resolve(&self, contact: &Contact) -> Result<Contact, RequestError> {
        contact_in(self.ask(Command::Resolve(contact.clone())).await?)
    }

    /// Asks one node for those it knows that are closest to `target`, an
    /// uncompressed public key.
    ///
    /// Fails as [`Discovery::ping`] does.
    pub async fn find_node(
        &self,
        contact: &Contact,
        target: [u8; 64],
    ) -> Result<Vec<Contact>, RequestError> {
        contacts_in(self.ask(Command::FindNode(contact.clone(), target)).await?)
    }

    /// Finds the nodes closest to `target`, an uncompressed public key, which
    /// need not be a point of the curve: at most 16, closest first.
    ///
    /// Fails with [`RequestError::Busy`] if too many requests wait, and with
    /// [`RequestError::Stopped`]. A table without nodes finds none, which is no
    /// error.
    pub async fn look_up(&self, target: [u8; 64]) -> Result<Vec<Contact>, RequestError> {
        contacts_in(self.ask(Command::LookUp(target)).await?)
    }

    /// Nodes met on a random walk that this has not answered before. Waits until
    /// there are some.
    ///
    /// Fails with [`RequestError::Busy`] if too many requests wait, and with
    /// [`RequestError::Stopped`].
    pub async fn random_nodes(&self) -> Result<Vec<Contact>, RequestError> {
        contacts_in(self.ask(Command::RandomNodes).await?)
    }

    /// The next event; `None` when discovery has stopped and all that happened
    /// before has been taken. Each goes to one clone.
    ///
    /// Nothing waits for an application to take events: when
    /// [`DISCOVERY_EVENTS`](devp2p_core::limits::DISCOVERY_EVENTS) wait the oldest is dropped for
    /// each that comes. What they tell can be asked for: see
    /// [`Discovery::snapshot`], [`Discovery::record`], [`Discovery::missed_events`].
    pub async fn next_event(&self) -> Option<Event> {
        self.happened.recv().await.ok()
    }

    /// How many events were dropped since nobody took them.
    pub fn missed_events(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// What discovery looks like now: the table, and what was counted.
    ///
    /// Fails if it has stopped.
    pub async fn snapshot(&self) -> Result<DiscoverySnapshot, Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.asked.send(Asked::Snapshot(answer)).await.map_err(|_| Stopped)?;
        answered.recv().await.ok().and_then(|snapshot| snapshot.discovery).ok_or(Stopped)
    }

    /// Stops the whole node, as [`Node::stop`](crate::Node::stop) does: answers
    /// every request with [`RequestError::Stopped`] and returns when its sockets
    /// are closed and nothing of it is left.
    pub async fn stop(&self) -> Result<(), Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.asked.send(Asked::Stop(answer)).await.map_err(|_| Stopped)?;
        answered.recv().await.map_err(|_| Stopped)
    }

    async fn ask(&self, command: Command) -> Result<Answer, RequestError> {
        let id = self.shared.next_id();
        let (answer, answered) = async_channel::bounded(1);
        let command = Box::new(node::Command::Discovery(command));
        let asked = Asked::Command { id, command, waiting: Waiting::Answer(answer) };
        self.asked.send(asked).await.map_err(|_| RequestError::Stopped)?;
        let request = Request { id, answered, given_up: self.given_up.clone() };
        match request.answered.recv().await {
            Ok(node::Answer::Discovery(Answer::Failed(error))) => Err(error),
            Ok(node::Answer::Discovery(answer)) => Ok(answer),
            Ok(_) | Err(_) => Err(RequestError::Stopped),
        }
    }
}

/// A request under way. When it is dropped before it is answered it is given up.
pub(crate) struct Request<T> {
    pub(crate) id: RequestId,
    pub(crate) answered: Receiver<T>,
    pub(crate) given_up: Sender<RequestId>,
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        // Closed first: whoever comes too early to find the request under way
        // sees when taking it that nobody waits for it.
        if self.answered.close() {
            let _ = self.given_up.try_send(self.id);
        }
    }
}

fn contact_in(answer: Answer) -> Result<Contact, RequestError> {
    if let Answer::Contact(contact) = answer { Ok(contact) } else { Err(other(&answer)) }
}

fn contacts_in(answer: Answer) -> Result<Vec<Contact>, RequestError> {
    if let Answer::Contacts(contacts) = answer { Ok(contacts) } else { Err(other(&answer)) }
}

/// Each command has its kind of answer, so there is no other: a request that got
/// one is as good as given up.
fn other(answer: &Answer) -> RequestError {
    debug_assert!(false, "an answer of another kind: {answer:?}");
    RequestError::Cancelled
}
