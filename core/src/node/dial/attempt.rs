//! One attempt to reach one node, from its name or address to a TCP connection.
//!
//! ```text
//!   name ──LookUpName──▶ addresses ──Connect──▶ each in turn ──▶ connected
//!                            ▲                      │ none (static nodes only)
//!                            ╰──────── Resolve ◀────╯ once, by discovery
//! ```

use core::net::{IpAddr, SocketAddr};

use alloc::collections::VecDeque;

use super::statics::{Static, Statics};
use crate::discv4::RequestId;
use crate::identity::{Contact, HostName, NetRestrict, NodeAddress, NodeId};
use crate::limits;
use crate::node::DialFailure;
use crate::time::Instant;

/// For whom a node is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::node) enum Kind {
    /// A node to keep a connection to.
    Static,
    /// A node that discovery or a capability has brought.
    Dynamic,
    /// A request of the application.
    Requested(RequestId),
}

/// What is to be done next.
#[derive(Debug)]
pub(in crate::node) enum Step {
    LookUpName(HostName),
    /// Have discovery find it.
    Resolve(Contact),
    Connect(SocketAddr),
    Failed(DialFailure),
}

/// What an attempt waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::node) enum Stage {
    Naming,
    Resolving,
    Connecting,
    /// There is a session, which is not admitted yet.
    Shaking,
}

#[derive(Debug)]
pub(in crate::node) struct Attempt {
    pub(in crate::node) kind: Kind,
    /// What is known of the node by now.
    pub(in crate::node) contact: Contact,
    /// Where it is, as we were told.
    given: Contact,
    pub(in crate::node) stage: Stage,
    /// The one that is being tried, or was connected.
    pub(in crate::node) address: Option<SocketAddr>,
    /// When it is given up if nothing comes of this stage; a session keeps its own time.
    pub(in crate::node) deadline: Option<Instant>,
    name: Option<HostName>,
    /// Still to be tried.
    addresses: VecDeque<SocketAddr>,
    /// Why the last one failed.
    failure: DialFailure,
    resolved: bool,
}

/// What an attempt may ask while it goes on.
pub(in crate::node) struct Means<'a> {
    pub(in crate::node) now: Instant,
    pub(in crate::node) net_restrict: Option<&'a NetRestrict>,
    pub(super) statics: &'a mut Statics,
    /// Whether there is discovery to resolve nodes.
    pub(in crate::node) discovery: bool,
}

impl Means<'_> {
    fn allow(&self, ip: IpAddr) -> bool {
        self.net_restrict.is_none_or(|networks| networks.contains(ip))
    }
}

impl Attempt {
    pub(super) fn new(kind: Kind, given: Contact, name: Option<HostName>) -> Self {
        Self {
            kind,
            contact: given.clone(),
            given,
            stage: Stage::Naming,
            address: None,
            deadline: None,
            name,
            addresses: VecDeque::new(),
            failure: DialFailure::NoEndpoint,
            resolved: false,
        }
    }

    pub(super) fn of_static(node: Static) -> Self {
        let attempt = Self::new(Kind::Static, node.given, node.name);
        match node.found {
            Some(found) => Self { contact: found, ..attempt },
            None => attempt,
        }
    }

    pub(super) fn requested(id: RequestId, address: &NodeAddress) -> Self {
        Self::new(Kind::Requested(id), address.contact(), address.host_name().cloned())
    }

    pub(in crate::node) const fn id(&self) -> &NodeId {
        self.contact.id()
    }

    pub(super) fn begin(&mut self, means: &mut Means<'_>) -> Step {
        match self.name.clone().filter(|_| self.given.tcp() != 0) {
            Some(name) => self.wait(Stage::Naming, means.now, Step::LookUpName(name)),
            None => self.located(means),
        }
    }

    /// Its name has these addresses.
    pub(super) fn named(&mut self, ips: &[IpAddr], means: &mut Means<'_>) -> Step {
        let port = self.given.tcp();
        let ips = ips.iter().take(limits::NAME_ADDRESSES);
        self.addresses = ips.map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect();
        if self.addresses.is_empty() {
            self.failure = DialFailure::UnresolvedName;
        }
        self.located(means)
    }

    /// Discovery has found it here, or nowhere. A record that says nothing of use
    /// is not worth what is known already.
    pub(super) fn resolved(&mut self, found: Option<Contact>, means: &mut Means<'_>) -> Step {
        if let Some(found) = found
            && let Some(address) = found.tcp_endpoint().filter(|address| means.allow(address.ip()))
        {
            means.statics.relocate(&found);
            self.contact = found;
            self.addresses.push_back(address);
        }
        self.next(means)
    }

    /// No connection came about.
    pub(super) fn failed(&mut self, failure: DialFailure, means: &mut Means<'_>) -> Step {
        self.failure = failure;
        self.next(means)
    }

    /// Where nothing better is known there is what was said at first. It is tried
    /// as well where discovery has found the node elsewhere: its record may be wrong.
    fn located(&mut self, means: &mut Means<'_>) -> Step {
        if self.addresses.is_empty() {
            let known = self.contact.tcp_endpoint();
            let given = self.given.tcp_endpoint().filter(|given| Some(*given) != known);
            self.addresses.extend(known.into_iter().chain(given));
        }
        self.next(means)
    }

    fn next(&mut self, means: &mut Means<'_>) -> Step {
        while let Some(address) = self.addresses.pop_front() {
            if means.allow(address.ip()) {
                self.address = Some(address);
                return self.wait(Stage::Connecting, means.now, Step::Connect(address));
            }
            self.failure = DialFailure::NetRestrict;
        }
        let resolves = self.kind == Kind::Static && means.discovery && !self.resolved;
        if resolves && means.statics.may_resolve(means.now, self.contact.id()) {
            self.resolved = true;
            let contact = self.contact.clone();
            return self.wait(Stage::Resolving, means.now, Step::Resolve(contact));
        }
        Step::Failed(self.failure)
    }

    fn wait(&mut self, stage: Stage, now: Instant, step: Step) -> Step {
        self.stage = stage;
        self.deadline = match stage {
            Stage::Naming => Some(now + limits::NAME_LOOK_UP_TIMEOUT),
            Stage::Connecting => Some(now + limits::DIAL_TIMEOUT),
            // Discovery answers every request, and a session ends by itself.
            Stage::Resolving | Stage::Shaking => None,
        };
        step
    }

    /// There is a session now.
    pub(super) const fn connected(&mut self) {
        self.stage = Stage::Shaking;
        self.deadline = None;
    }
}
