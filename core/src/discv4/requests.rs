//! Requests: the book of packets that `asking.rs` has sent and that await their
//! answer. Some are steps of a query (`queries.rs`), others are pings of their own.
//!
//! An answer counts if it comes from the node that was asked, from the address
//! that was asked (ports are left out, as in geth), and in time; a pong and an
//! ENR response must name the hash of the request besides. Neighbours name
//! nothing, so no two find-node requests to one node are under way at once.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::{Kind, RequestId};
use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::time::{Deadline, Instant};

/// Something that was asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: NodeId,
    pub(super) to: SocketAddr,
    pub(super) sent: Instant,
    pub(super) asked: Asked,
}

#[derive(Debug)]
pub(super) enum Asked {
    Ping {
        /// The hash of the ping, which its pong names.
        token: [u8; 32],
        purpose: Purpose,
        /// The node has pinged us meanwhile, and said that this is its TCP port.
        inbound: Option<u16>,
    },
    Neighbors {
        query: u64,
        /// Those that are worth anything.
        found: Vec<Contact>,
        /// All of them.
        received: usize,
        answered: bool,
    },
    Record {
        /// The hash of the request, which its answer names.
        token: [u8; 32],
        query: u64,
    },
}

impl Asked {
    /// What kind of packet answers it.
    const fn answer(&self) -> Kind {
        match self {
            Self::Ping { .. } => Kind::Pong,
            Self::Neighbors { .. } => Kind::Neighbors,
            Self::Record { .. } => Kind::EnrResponse,
        }
    }
}

/// Why a node was pinged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It pinged us and has no bond.
    Proof,
    /// The table wants to know whether it lives.
    Revalidation,
    /// A query needs a bond.
    Query(u64),
    /// The application asked for it.
    Command(RequestId),
}

impl Request {
    const fn is_proof(&self) -> bool {
        matches!(self.asked, Asked::Ping { purpose: Purpose::Proof, .. })
    }

    const fn token(&self) -> Option<&[u8; 32]> {
        match &self.asked {
            Asked::Ping { token, .. } | Asked::Record { token, .. } => Some(token),
            Asked::Neighbors { .. } => None,
        }
    }

    fn is_with(&self, id: &NodeId, ip: IpAddr) -> bool {
        self.id == *id && self.to.ip() == ip
    }
}

/// All requests under way. Numbers ascend with time, so the first one is due
/// first.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Boxed, as a tree that grows at its end is half empty.
    requests: BTreeMap<u64, Box<Request>>,
    /// By the first bytes of their tokens. Two pings within a second are one
    /// packet, if they go to one endpoint, and two ENR requests wherever they go:
    /// so a token may be that of several.
    tokens: BTreeSet<(u64, u64)>,
    /// Pings, by the first bytes of the id that they go to.
    pings: BTreeSet<(u64, u64)>,
    finds: BTreeMap<(IpAddr, NodeId), u64>,
    next: u64,
    proofs: usize,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether one more stranger may be asked to prove its endpoint.
    pub(super) const fn has_room_for_proof(&self) -> bool {
        self.proofs < limits::PENDING_PROOFS
    }

    /// Whether one more request may be begun. There is always room for the one that
    /// each query may yet make, and for the revalidation of the table.
    pub(super) fn has_room(&self) -> bool {
        self.len() - self.proofs < limits::DISCOVERY_COMMANDS
    }

    /// Whether an answer of this kind that names this hash is awaited from there.
    pub(super) fn awaits(&self, ip: IpAddr, kind: Kind, token: &[u8; 32]) -> bool {
        let is_it = |request: &Request| request.to.ip() == ip && request.asked.answer() == kind;
        self.by_token(token).any(|(_, request)| is_it(request))
    }

    /// Whether neighbours are awaited from this address.
    pub(super) fn is_finding_at(&self, ip: IpAddr) -> bool {
        let first = (ip, NodeId::new([0; 32]));
        self.finds.range(first..).next().is_some_and(|((at, _), _)| *at == ip)
    }

    /// Whether neighbours are awaited from this node.
    pub(super) fn is_finding(&self, id: &NodeId, ip: IpAddr) -> bool {
        self.finds.contains_key(&(ip, *id))
    }

    pub(super) fn insert(&mut self, request: Request) {
        let number = self.next;
        self.next += 1;
        self.proofs += usize::from(request.is_proof());
        if let Some(token) = request.token() {
            self.tokens.insert((first_bytes(token), number));
        }
        match request.asked {
            Asked::Ping { .. } => {
                self.pings.insert((request.id.prefix(), number));
            }
            Asked::Neighbors { .. } => {
                self.finds.insert((request.to.ip(), request.id), number);
            }
            Asked::Record { .. } => {}
        }
        self.requests.insert(number, Box::new(request));
    }

    fn remove(&mut self, number: u64) -> Option<Request> {
        let request = self.requests.remove(&number)?;
        self.proofs -= usize::from(request.is_proof());
        if let Some(token) = request.token() {
            self.tokens.remove(&(first_bytes(token), number));
        }
        match request.asked {
            Asked::Ping { .. } => {
                self.pings.remove(&(request.id.prefix(), number));
            }
            Asked::Neighbors { .. } => {
                forget(&mut self.finds, &(request.to.ip(), request.id), number);
            }
            Asked::Record { .. } => {}
        }
        Some(*request)
    }

    /// The latest ping to this very endpoint that has no pong yet.
    pub(super) fn ping_to(&mut self, id: &NodeId, to: SocketAddr) -> Option<&mut Request> {
        let pings = self.pings.range((id.prefix(), 0)..=(id.prefix(), u64::MAX)).rev();
        let is_it = |request: &Request| request.id == *id && request.to == to;
        let mut numbers = pings.map(|(_, number)| *number);
        let number = numbers.find(|number| self.get(*number).is_some_and(is_it))?;
        self.requests.get_mut(&number).map(|request| &mut **request)
    }

    /// The ping that a pong answers.
    pub(super) fn pong(&mut self, id: &NodeId, ip: IpAddr, token: &[u8]) -> Option<Request> {
        self.answered(id, ip, token, |asked| matches!(asked, Asked::Ping { .. }))
    }

    /// The request that an ENR response answers.
    pub(super) fn record(&mut self, id: &NodeId, ip: IpAddr, token: &[u8]) -> Option<Request> {
        self.answered(id, ip, token, |asked| matches!(asked, Asked::Record { .. }))
    }

    fn answered(
        &mut self,
        id: &NodeId,
        ip: IpAddr,
        token: &[u8],
        is_kind: impl Fn(&Asked) -> bool,
    ) -> Option<Request> {
        let token = token.try_into().ok()?;
        let is_it = |request: &Request| request.is_with(id, ip) && is_kind(&request.asked);
        let (number, _) = self.by_token(token).find(|(_, request)| is_it(request))?;
        self.remove(number)
    }

    fn by_token<'a>(&'a self, token: &'a [u8; 32]) -> impl Iterator<Item = (u64, &'a Request)> {
        let first = first_bytes(token);
        let numbers = self.tokens.range((first, 0)..=(first, u64::MAX));
        let requests = numbers.filter_map(|(_, number)| Some((*number, self.get(*number)?)));
        requests.filter(move |(_, request)| request.token() == Some(token))
    }

    fn get(&self, number: u64) -> Option<&Request> {
        self.requests.get(&number).map(|request| &**request)
    }

    /// The request that neighbours answer, which goes on until it is
    /// [finished](Requests::finish_find).
    pub(super) fn find(&mut self, id: &NodeId, ip: IpAddr) -> Option<&mut Request> {
        self.requests.get_mut(self.finds.get(&(ip, *id))?).map(|request| &mut **request)
    }

    pub(super) fn finish_find(&mut self, id: &NodeId, ip: IpAddr) -> Option<Request> {
        let number = *self.finds.get(&(ip, *id))?;
        self.remove(number)
    }

    /// A request whose time is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Request> {
        let (number, request) = self.requests.first_key_value()?;
        let number = *number;
        (request.sent + limits::REPLY_TIMEOUT <= now).then_some(())?;
        self.remove(number)
    }

    /// Any request: for the end.
    pub(super) fn pop(&mut self) -> Option<Request> {
        let number = *self.requests.first_key_value()?.0;
        self.remove(number)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (_, request) = self.requests.first_key_value()?;
        Some(Deadline { at: request.sent + limits::REPLY_TIMEOUT, reason: "reply" })
    }

    /// Recounts.
    pub(super) fn audit(&self) -> Result<(), &'static str> {
        let proofs = self.requests.values().filter(|request| request.is_proof()).count();
        if proofs != self.proofs || proofs > limits::PENDING_PROOFS {
            return Err("pending proofs");
        }
        if self.requests.len() - proofs > limits::PENDING_REQUESTS {
            return Err("pending requests");
        }
        let tokens = self.requests.values().filter_map(|request| request.token()).count();
        let is_ping = |request: &Request| matches!(request.asked, Asked::Ping { .. });
        let pings = self.requests.values().filter(|request| is_ping(request)).count();
        let known = |number| self.requests.contains_key(number);
        if tokens != self.tokens.len()
            || pings != self.pings.len()
            || !self.finds.values().all(known)
        {
            return Err("index of requests");
        }
        Ok(())
    }
}

/// As good as all of them, but for who has made many hashes to be alike.
fn first_bytes(token: &[u8; 32]) -> u64 {
    token.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// A later request may have taken the place.
fn forget<K: Ord>(index: &mut BTreeMap<K, u64>, key: &K, number: u64) {
    if index.get(key) == Some(&number) {
        index.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn at(last: u8, port: u16) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::new(33, 0, 0, last).into(), port)
    }

    fn ping(id: u8, to: SocketAddr, token: u8, sent: u64) -> Request {
        Request {
            id: NodeId::new([id; 32]),
            to,
            sent: Instant::from_millis(sent),
            asked: Asked::Ping { token: [token; 32], purpose: Purpose::Proof, inbound: None },
        }
    }

    #[test]
    fn a_pong_counts_from_the_node_and_address_that_were_asked_by_the_hash_of_the_ping() {
        let mut requests = Requests::default();
        let id = NodeId::new([1; 32]);
        let ip = at(1, 0).ip();
        requests.insert(ping(1, at(1, 30303), 9, 0));
        assert!(requests.awaits(ip, Kind::Pong, &[9; 32]));
        assert!(!requests.awaits(ip, Kind::EnrResponse, &[9; 32]));
        assert!(!requests.awaits(at(2, 0).ip(), Kind::Pong, &[9; 32]));
        assert!(requests.pong(&NodeId::new([2; 32]), ip, &[9; 32]).is_none());
        assert!(requests.pong(&id, at(2, 0).ip(), &[9; 32]).is_none());
        assert!(requests.pong(&id, ip, &[8; 32]).is_none());
        assert!(requests.pong(&id, ip, &[9; 31]).is_none());
        let mut alike = [9; 32];
        alike[31] = 8;
        assert!(!requests.awaits(ip, Kind::Pong, &alike));
        assert!(requests.pong(&id, ip, &alike).is_none());
        assert!(requests.record(&id, ip, &[9; 32]).is_none());
        assert!(requests.pong(&id, ip, &[9; 32]).is_some());
        assert!(requests.pong(&id, ip, &[9; 32]).is_none(), "a pong counts once");
        requests.audit().unwrap();
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn requests_fall_due_in_the_order_in_which_they_were_made() {
        let mut requests = Requests::default();
        requests.insert(ping(1, at(1, 1), 1, 0));
        requests.insert(ping(2, at(2, 2), 2, 10));
        assert_eq!(requests.deadline().unwrap().at, Instant::from_millis(500));
        assert!(requests.pop_due(Instant::from_millis(499)).is_none());
        assert_eq!(requests.pop_due(Instant::from_millis(505)).unwrap().to, at(1, 1));
        assert!(requests.pop_due(Instant::from_millis(505)).is_none());
        assert_eq!(requests.deadline().unwrap().at, Instant::from_millis(510));
        requests.audit().unwrap();
    }

    #[test]
    fn a_second_ping_to_an_endpoint_takes_the_place_of_the_first() {
        let mut requests = Requests::default();
        let id = NodeId::new([1; 32]);
        requests.insert(ping(1, at(1, 1), 1, 0));
        requests.insert(ping(1, at(1, 1), 2, 10));
        assert!(requests.pop_due(Instant::from_millis(500)).is_some());
        assert!(requests.ping_to(&id, at(1, 1)).is_some());
        assert!(requests.ping_to(&id, at(1, 2)).is_none(), "another endpoint");
        assert!(requests.ping_to(&NodeId::new([2; 32]), at(1, 1)).is_none());
        requests.audit().unwrap();
        assert!(requests.pong(&id, at(1, 1).ip(), &[2; 32]).is_some());
        assert!(requests.ping_to(&id, at(1, 1)).is_none());
    }

    /// An ENR request says nothing but its expiration, in seconds.
    #[test]
    fn requests_that_are_the_same_bytes_are_each_answered() {
        let mut requests = Requests::default();
        let record = |id, query| Request {
            id: NodeId::new([id; 32]),
            to: at(id, 1),
            sent: Instant::ZERO,
            asked: Asked::Record { token: [9; 32], query },
        };
        requests.insert(record(1, 1));
        requests.insert(record(2, 2));
        requests.insert(record(1, 3));
        requests.audit().unwrap();
        let query = |request: Option<Request>| match request?.asked {
            Asked::Record { query, .. } => Some(query),
            Asked::Ping { .. } | Asked::Neighbors { .. } => None,
        };
        for (id, expected) in [(1, Some(1)), (1, Some(3)), (1, None), (2, Some(2)), (2, None)] {
            let ip = at(id, 1).ip();
            assert_eq!(requests.awaits(ip, Kind::EnrResponse, &[9; 32]), expected.is_some());
            let answered = requests.record(&NodeId::new([id; 32]), ip, &[9; 32]);
            assert_eq!(query(answered), expected);
            requests.audit().unwrap();
        }
    }
}
