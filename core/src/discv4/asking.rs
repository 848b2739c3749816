//! Asking: the steps of the machine that turn a query (`queries.rs`) into requests
//! (`requests.rs`), and what came of them into an answer for who wanted it. Those
//! two only keep the books; this sends.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::look_ups::{For, LookUp};
use super::queries::{Caller, Outcome, Query, Question};
use super::requests::{Asked, Purpose, Request};
use super::{Answer, Discovery, EnrRequest, FindNode, Packet, PacketEndpoint, Ping, RequestError};
use crate::identity::{Contact, NodeId};
use crate::kademlia::{Liveness, Lookup};
use crate::limits;
use crate::store::Operation;

impl Discovery {
    /// Where to reach a node that is not ourselves.
    pub(super) fn endpoint(&self, contact: &Contact) -> Result<SocketAddr, RequestError> {
        if *contact.id() == self.own {
            return Err(RequestError::Own);
        }
        contact.udp_endpoint().ok_or(RequestError::NoEndpoint)
    }

    /// Sends a ping and awaits its pong.
    pub(super) fn ping(
        &mut self,
        id: NodeId,
        to: SocketAddr,
        purpose: Purpose,
        inbound: Option<u16>,
    ) {
        let record = self.local_record();
        let endpoint = record.endpoint();
        let ping = Ping {
            version: Ping::VERSION,
            from: PacketEndpoint { ip: endpoint.ip, udp: endpoint.udp, tcp: endpoint.tcp },
            to: PacketEndpoint::new(to, 0),
            expiration: self.expiration(),
            enr_sequence: Some(record.sequence()),
        };
        let token = self.send(to, &Packet::Ping(ping));
        let asked = Asked::Ping { token, purpose, inbound };
        self.requests.insert(Request { id, to, sent: self.now.mono, asked });
    }

    /// Starts a query. It ends by [`conclude`](Self::conclude).
    pub(super) fn query(
        &mut self,
        contact: Contact,
        question: Question,
        caller: Caller,
    ) -> Result<u64, RequestError> {
        let to = self.endpoint(&contact)?;
        if !self.queries.has_room() || !self.requests.has_room() {
            return Err(RequestError::Busy);
        }
        let id = *contact.id();
        let failures = self.bonds.of(&id, to.ip()).find_failures;
        let number = self.queries.insert(contact, to, question, caller);
        if self.bonds.is_known(&id, to.ip(), self.now.mono) && failures <= limits::FIND_FAILURES {
            self.ask(number);
        } else {
            self.ping(id, to, Purpose::Query(number), None);
        }
        Ok(number)
    }

    /// The node of a query has answered our ping.
    pub(super) fn query_proved(&mut self, number: u64) {
        let Some(query) = self.queries.get(number) else { return };
        let (id, ip) = (*query.contact.id(), query.to.ip());
        if self.bonds.is_known(&id, ip, self.now.mono) {
            // It has pinged us before. Our pong may be as young as its own.
            self.queries.await_ping(number, self.now.mono + limits::PING_BACK_GRACE);
        } else {
            self.queries.await_ping(number, self.now.mono + limits::PING_BACK_TIMEOUT);
        }
    }

    /// Asks, unless another question to the same node has to be answered first.
    pub(super) fn ask(&mut self, number: u64) {
        let Some(Query { contact, to, question, .. }) = self.queries.get(number) else { return };
        let (id, to, question) = (*contact.id(), *to, *question);
        let asked = match question {
            Question::Neighbors(_) if self.requests.is_finding(&id, to.ip()) => {
                return self.queries.block(number);
            }
            Question::Neighbors(target) => {
                let find = FindNode { target, expiration: self.expiration() };
                self.send(to, &Packet::FindNode(find));
                Asked::Neighbors { query: number, found: Vec::new(), received: 0, answered: false }
            }
            Question::Record => {
                let request = EnrRequest { expiration: self.expiration() };
                let token = self.send(to, &Packet::EnrRequest(request));
                Asked::Record { token, query: number }
            }
        };
        self.queries.ask(number);
        self.requests.insert(Request { id, to, sent: self.now.mono, asked });
    }

    /// No answer came.
    pub(super) fn expired(&mut self, request: Request) {
        match request.asked {
            Asked::Ping { purpose, .. } => match purpose {
                Purpose::Proof => {}
                Purpose::Revalidation => {
                    self.revalidated(&request.id, Liveness::Silent, 0);
                }
                Purpose::Query(query) => self.fail_query(query),
                Purpose::Command(id) => {
                    self.finish_command(id, Answer::Failed(RequestError::Timeout));
                }
            },
            // It answered with fewer than we would have taken: that is all it has.
            Asked::Neighbors { query, found, answered, .. } => {
                if answered {
                    self.look_ups.ended(query, Outcome::Neighbors(found));
                } else {
                    self.fail_query(query);
                }
                self.ask_next(&request.id);
            }
            Asked::Record { query, .. } => self.fail_query(query),
        }
    }

    /// Find-node requests to one node take turns: the next one.
    pub(super) fn ask_next(&mut self, id: &NodeId) {
        if let Some(next) = self.queries.unblock(id) {
            self.ask(next);
        }
    }

    fn fail_query(&mut self, query: u64) {
        self.look_ups.ended(query, Outcome::Failed(RequestError::Timeout));
    }

    /// A query has come to its end: whoever wanted to know is told.
    pub(super) fn conclude(&mut self, number: u64, outcome: Outcome) {
        let Some(query) = self.queries.remove(number) else { return };
        if let Question::Neighbors(_) = query.question {
            self.track(&query, &outcome);
        }
        match query.caller {
            Caller::LookUp(look_up) => self.continue_look_up(look_up, &query.contact, outcome),
            Caller::Command(id) => {
                let answer = match outcome {
                    Outcome::Neighbors(nodes) => Answer::Contacts(nodes),
                    Outcome::Record(contact) => Answer::Contact(contact),
                    Outcome::Failed(error) => Answer::Failed(error),
                };
                self.finish_command(id, answer);
            }
            Caller::Resolve(id) => self.resolve_queried(id, outcome),
            Caller::Revalidation => {
                if let Outcome::Record(contact) = outcome {
                    self.add_found(contact);
                }
            }
        }
    }

    /// Keeps count of who answers find-node requests; who does not is dropped
    /// from the table in the end. All nodes found are candidates for it. geth
    /// `trackRequest`.
    fn track(&mut self, query: &Query, outcome: &Outcome) {
        let (id, ip) = (query.contact.id(), query.to.ip());
        let nodes = match outcome {
            Outcome::Neighbors(nodes) => nodes.as_slice(),
            Outcome::Record(_) | Outcome::Failed(_) => &[],
        };
        let success = !nodes.is_empty();
        let before = self.bonds.of(id, ip).find_failures;
        let failures = self.bonds.found(id, ip, success, self.table.contains(id));
        // Who never answered is not worth a place on the disk, were it named a
        // thousand times.
        if failures != before && self.bonds.of(id, ip).was_proven() {
            self.store(Operation::PutTimes {
                id: *id,
                ip,
                last_ping: None,
                last_pong: None,
                find_failures: Some(failures),
            });
        }
        if failures >= limits::FIND_FAILURES {
            let removed = self.table.find_failure(id, failures, self.now.mono);
            self.tell_removed(id, removed);
        }
        for node in nodes {
            self.add_found(node.clone());
        }
    }

    /// Starts a look-up from the nodes of the table.
    pub(super) fn look_up(&mut self, target: [u8; 64], caller: For) -> Option<u64> {
        if !self.look_ups.has_room() {
            return None;
        }
        if self.table.is_empty() {
            self.add_bootnodes();
        }
        let id = NodeId::hash_of(&target);
        let start = self.closest(&id, false);
        if caller == For::Walk {
            start.iter().for_each(|node| self.look_ups.walker.meet(node.clone()));
        }
        let number = self.look_ups.insert(Lookup::new(id, self.own, start), target, caller);
        self.pump(number);
        Some(number)
    }

    fn continue_look_up(&mut self, number: u64, asked: &Contact, outcome: Outcome) {
        let Some(look_up) = self.look_ups.get(number) else { return };
        let caller = look_up.caller;
        let met = match outcome {
            Outcome::Neighbors(nodes) => look_up.lookup.answered(asked.id(), nodes),
            Outcome::Record(_) | Outcome::Failed(_) => {
                look_up.lookup.failed(asked.id());
                Vec::new()
            }
        };
        if caller == For::Walk {
            met.into_iter().for_each(|node| self.look_ups.walker.meet(node));
            self.serve_walker();
        }
        self.pump(number);
    }

    /// Asks whom a look-up wants to ask; ends it when it wants nobody any more.
    fn pump(&mut self, number: u64) {
        while let Some(look_up) = self.look_ups.get(number) {
            let target = look_up.target;
            let Some(contact) = look_up.lookup.next_query() else { break };
            let id = *contact.id();
            let question = Question::Neighbors(target);
            if self.query(contact, question, Caller::LookUp(number)).is_err()
                && let Some(look_up) = self.look_ups.get(number)
            {
                look_up.lookup.failed(&id);
            }
        }
        let finished = self.look_ups.get(number).is_some_and(|run| run.lookup.is_finished());
        if finished && let Some(LookUp { lookup, caller, .. }) = self.look_ups.remove(number) {
            self.look_ups.done(caller, &lookup);
        }
    }

    /// A look-up has come to its end.
    pub(super) fn looked_up(&mut self, caller: For, nodes: Vec<Contact>) {
        match caller {
            For::Refresh => self.refresh_step(),
            For::Walk => {
                self.look_ups.walker.arrived();
                self.serve_walker();
            }
            For::Command(id) => self.finish_command(id, Answer::Contacts(nodes)),
            For::Resolve(id) => self.resolve_looked_up(id, &nodes),
        }
    }
}
