//! What a packet does to the machine, where `packet.rs` is what it says. Each
//! came through the gate and names its true sender.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use super::bonds::Bond;
use super::queries::Outcome;
use super::requests::{Asked, Purpose, Request};
use super::{
    Answer, Discovery, DropReason, EnrResponse, FindNode, Neighbors, Packet, PacketEndpoint, Ping,
    PingReply, Pong, RequestError, Verified, split_neighbors,
};
use crate::crypto::PublicKey;
use crate::identity::{Contact, NodeId, Record, check_relay_address};
use crate::kademlia::Liveness;
use crate::limits;
use crate::store::Operation;
use crate::time::Now;

/// Who sent a packet, and from where.
#[derive(Clone, Copy)]
struct Sender {
    id: NodeId,
    public_key: PublicKey,
    source: SocketAddr,
}

impl Sender {
    const fn ip(&self) -> IpAddr {
        self.source.ip()
    }
}

impl Discovery {
    pub(super) fn on_packet(&mut self, packet: Verified) {
        let sender =
            Sender { id: *packet.id(), public_key: *packet.public_key(), source: packet.source() };
        if sender.id == self.own {
            return self.drop_packet(DropReason::FromSelf);
        }
        let hash = *packet.hash();
        let kind = packet.kind();
        let taken = match packet.into_packet() {
            Packet::Ping(ping) => self.on_ping(&sender, &ping, hash),
            Packet::Pong(pong) => self.on_pong(&sender, &pong),
            Packet::FindNode(find) => self.on_find_node(&sender, &find),
            Packet::Neighbors(neighbors) => self.on_neighbors(&sender, &neighbors),
            Packet::EnrRequest(_) => self.on_enr_request(&sender, hash),
            Packet::EnrResponse(response) => self.on_enr_response(&sender, &response),
        };
        match taken {
            Ok(()) => self.traffic.received(kind),
            Err(reason) => self.drop_packet(reason),
        }
    }

    /// A ping is answered whoever sends it. One who has not proved its endpoint
    /// is pinged in turn, and enters the table when it has.
    fn on_ping(&mut self, from: &Sender, ping: &Ping, hash: [u8; 32]) -> Result<(), DropReason> {
        let pong = Pong {
            to: PacketEndpoint::new(from.source, ping.from.tcp),
            ping_hash: hash,
            expiration: self.expiration(),
            enr_sequence: Some(self.local_record().sequence()),
        };
        self.send(from.source, &Packet::Pong(pong));
        let node = Contact::new(from.public_key, from.ip(), from.source.port(), ping.from.tcp);
        if self.bonds.is_proven(&from.id, from.ip(), self.now.mono) {
            let is_first = self.bonds.ping(&from.id, from.ip(), self.now.mono);
            self.store_times(from, is_first);
            self.state_endpoint(from, ping.to);
            self.add_inbound(node, ping.enr_sequence);
        } else if let Some(Request { asked: Asked::Ping { inbound, .. }, .. }) =
            self.requests.ping_to(&from.id, from.source)
        {
            *inbound = Some(node.tcp());
        } else if self.requests.has_room_for_proof() {
            self.ping(from.id, from.source, Purpose::Proof, Some(node.tcp()));
        } else {
            self.drop_packet(DropReason::NoCapacity);
        }
        self.queries.ping_came(&from.id, self.now.mono);
        Ok(())
    }

    fn on_pong(&mut self, from: &Sender, pong: &Pong) -> Result<(), DropReason> {
        let Some(request) = self.requests.pong(&from.id, from.ip(), &pong.ping_hash) else {
            return Err(DropReason::Unsolicited);
        };
        let Asked::Ping { purpose, inbound, .. } = request.asked else { return Ok(()) };
        let now = self.now.mono;
        let table = &self.table;
        let bond = self.bonds.pong(&from.id, from.ip(), now, |id| table.contains(id));
        if inbound.is_some() {
            bond.known = now + limits::BOND_LIFE;
        }
        self.store_times(from, false);
        self.state_endpoint(from, pong.to);
        if let Some(tcp) = inbound {
            let to = request.to;
            let seen = Contact::new(from.public_key, to.ip(), to.port(), tcp);
            self.add_inbound(seen, pong.enr_sequence);
        }
        let sequence = pong.enr_sequence.unwrap_or(0);
        match purpose {
            Purpose::Proof => {}
            Purpose::Revalidation => self.revalidated(&from.id, Liveness::Alive, sequence),
            Purpose::Query(query) => self.query_proved(query),
            Purpose::Command(id) => self.finish_command(
                id,
                Answer::Pong(PingReply {
                    sequence,
                    seen_at: pong.to.ip.map(|ip| SocketAddr::new(ip, pong.to.udp)),
                    round_trip: now - request.sent,
                }),
            ),
        }
        Ok(())
    }

    /// Has the store remember when a node was heard of: at once when it says
    /// something new, else not too often. geth writes with each packet.
    fn store_times(&mut self, from: &Sender, is_news: bool) {
        let Now { mono, unix } = self.now;
        if !self.bonds.is_to_store(&from.id, from.ip(), mono) && !is_news {
            return;
        }
        let bond = self.bonds.of(&from.id, from.ip());
        let time = |until| Some(unix.saturating_sub(Bond::age(until, mono)?));
        self.store(Operation::PutTimes {
            id: from.id,
            ip: from.ip(),
            last_ping: time(bond.known),
            last_pong: time(bond.proven),
            find_failures: None,
        });
    }

    /// Who proved its endpoint may say what it sees of ours. geth believes
    /// anyone's pings.
    fn state_endpoint(&mut self, from: &Sender, seen: PacketEndpoint) {
        if let Some(ip) = seen.ip {
            let seen = SocketAddr::new(ip, seen.udp);
            let changed = self.local.add_statement(self.now.mono, from.ip(), seen);
            // Before it is open the record gets another number yet.
            if changed.is_some() && self.upkeep.is_open() {
                self.publish_record();
            }
        }
    }

    fn on_find_node(&mut self, from: &Sender, find: &FindNode) -> Result<(), DropReason> {
        self.require_proof(from)?;
        let target = NodeId::hash_of(&find.target);
        let mut nodes = self.closest(&target, true);
        nodes.retain(|node| node.ip().is_some_and(|ip| check_relay_address(from.ip(), ip).is_ok()));
        for packet in split_neighbors(&nodes, self.expiration()) {
            self.send(from.source, &Packet::Neighbors(packet));
        }
        Ok(())
    }

    fn on_enr_request(&mut self, from: &Sender, hash: [u8; 32]) -> Result<(), DropReason> {
        self.require_proof(from)?;
        let record = self.local_record().as_rlp().to_vec();
        let response = EnrResponse { request_hash: hash, record };
        self.send(from.source, &Packet::EnrResponse(response));
        Ok(())
    }

    /// Answers that are larger than the question go to nobody who has not shown
    /// that it is where it says.
    fn require_proof(&self, from: &Sender) -> Result<(), DropReason> {
        if self.bonds.is_proven(&from.id, from.ip(), self.now.mono) {
            Ok(())
        } else {
            Err(DropReason::Unproven)
        }
    }

    fn on_neighbors(&mut self, from: &Sender, packet: &Neighbors) -> Result<(), DropReason> {
        let Some(request) = self.requests.find(&from.id, from.ip()) else {
            return Err(DropReason::Unsolicited);
        };
        let Asked::Neighbors { query, found, received, answered } = &mut request.asked else {
            return Err(DropReason::Unsolicited);
        };
        let query = *query;
        *answered = true;
        let room = limits::NEIGHBORS - *received;
        *received += packet.nodes.len().min(room);
        let finished = *received >= limits::NEIGHBORS;
        let config = &self.config;
        let worth = packet.nodes.iter().take(room).filter_map(|neighbor| {
            let node = config.believe(from.ip(), neighbor)?;
            (*node.id() != self.own).then_some(node)
        });
        found.extend(worth);
        if packet.nodes.len() > room {
            // What we have not asked for: sixteen is all that is wanted.
            self.drops.count(DropReason::Unsolicited);
        }
        if finished {
            let request = self.requests.finish_find(&from.id, from.ip());
            if let Some(Request { asked: Asked::Neighbors { found, .. }, .. }) = request {
                self.look_ups.ended(query, Outcome::Neighbors(found));
            }
            self.ask_next(&from.id);
        }
        Ok(())
    }

    fn on_enr_response(&mut self, from: &Sender, response: &EnrResponse) -> Result<(), DropReason> {
        let request = self.requests.record(&from.id, from.ip(), &response.request_hash);
        let Some(Request { asked: Asked::Record { query, .. }, to, .. }) = request else {
            return Err(DropReason::Unsolicited);
        };
        let Some(known) = self.queries.get(query).map(|query| &query.contact) else {
            return Ok(());
        };
        let fetched = fetched(known, &response.record, |ip| self.config.believes(to.ip(), ip));
        let (outcome, taken) = match fetched {
            Ok(contact) => (Outcome::Record(contact), Ok(())),
            Err(error) => (Outcome::Failed(error), Err(DropReason::BadRecord)),
        };
        self.look_ups.ended(query, outcome);
        taken
    }
}

/// What a node's record makes of what is known of it, if it may be where that says.
/// geth `RequestENR`.
fn fetched(
    known: &Contact,
    record: &[u8],
    may_be_at: impl FnOnce(IpAddr) -> bool,
) -> Result<Contact, RequestError> {
    let record = Record::decode(record).map_err(RequestError::BadRecord)?;
    if record.public_key() != known.public_key() {
        return Err(RequestError::WrongIdentity);
    }
    if record.sequence() < known.sequence() {
        return Ok(known.clone());
    }
    let contact = Contact::from_record(Arc::new(record));
    match contact.ip() {
        Some(ip) if may_be_at(ip) => Ok(contact),
        Some(_) | None => Err(RequestError::BadAddress),
    }
}
