//! What the application asks: each is answered exactly once.

use alloc::vec::Vec;

use super::discovery::Purpose;
use super::journal::Decision;
use super::machine::OwnRecord;
use super::{Answer, Command, DialError, DialFailure, Limits, Node, Output};
use crate::discv4::{self, RequestId};
use crate::identity::{NodeAddress, NodeId, RecordBuilder, RecordError};
use crate::limits;
use crate::p2p::DisconnectReason;

impl Node {
    pub(super) fn on_command(&mut self, id: RequestId, command: Command) {
        match command {
            Command::Dial(address) => self.dial_requested(id, &address),
            Command::AddPeer(address) => {
                let node = address.node_id();
                let is_new = !self.dial.is_static(&node);
                let added = self.with_dial(|dial, around| dial.add_static(&address, around));
                if added && is_new {
                    self.note(node, Decision::StaticAdded);
                }
                self.answer(id, if added { Answer::Done } else { Answer::Busy });
            }
            Command::RemovePeer(peer) => self.remove_peer(id, &peer),
            Command::AddTrusted(peer) => {
                let is_new = !self.peers.is_trusted(&peer);
                let added = self.peers.trust(peer);
                if added && is_new {
                    self.note(peer, Decision::TrustedAdded);
                }
                self.answer(id, if added { Answer::Done } else { Answer::Busy });
            }
            Command::RemoveTrusted(peer) => {
                if self.peers.is_trusted(&peer) {
                    self.note(peer, Decision::TrustedRemoved);
                }
                self.peers.distrust(&peer);
                self.answer(id, Answer::Done);
            }
            Command::SetLimits(limits) => self.set_limits(id, limits),
            Command::SetEntry { key, value } => self.set_entry(id, &key, value.as_deref()),
            Command::Candidates(source, nodes) => {
                if !self.walks {
                    self.dial.offer(source, nodes);
                }
                self.answer(id, Answer::Done);
            }
            Command::Cancel(other) => {
                if let Some(attempt) = self.dial.of_request(other) {
                    self.give_up(attempt);
                }
                for _ in self.removals.extract_if(.., |(_, request)| *request == other) {
                    self.outputs.push_back(Output::Answer(other, Answer::Done));
                }
                self.cancel_asked(other);
                // The answer to what was given up comes first.
                self.settle_answers();
                self.answer(id, Answer::Done);
            }
            Command::Discovery(command) => match self.record {
                OwnRecord::Discovery(_) => self.ask_for(id, command),
                OwnRecord::Alone(_) => self.answer(id, Answer::NoDiscovery),
            },
        }
    }

    /// Requests of the application have their own names: those that name others
    /// are the node's to translate.
    fn ask_for(&mut self, id: RequestId, command: discv4::Command) {
        match command {
            discv4::Command::Cancel(other) => {
                self.cancel_asked(other);
                self.settle_answers();
                self.answer(id, Answer::Discovery(discv4::Answer::Done));
            }
            // What our record says besides the endpoint is the node's.
            discv4::Command::SetEntries(entries) => {
                let entries = super::machine::with_port(entries, self.listen_port);
                self.ask_to_say(Purpose::Caller(id), entries);
            }
            command @ (discv4::Command::Ping(_)
            | discv4::Command::RequestRecord(_)
            | discv4::Command::Resolve(_)
            | discv4::Command::FindNode(..)
            | discv4::Command::LookUp(_)
            | discv4::Command::RandomNodes) => self.ask(Purpose::Caller(id), command),
            discv4::Command::SetEndpoints(endpoints) => {
                self.configured.1 = endpoints;
                let endpoints = self.behind_gateway(endpoints);
                self.ask(Purpose::Caller(id), discv4::Command::SetEndpoints(endpoints));
            }
        }
    }

    fn dial_requested(&mut self, id: RequestId, address: &NodeAddress) {
        let now = self.now.mono;
        let room = limits::REQUESTED_DIALS.saturating_sub(self.given_up);
        match self.dial.request(now, id, address, room) {
            Some(attempt) => self.begin(attempt),
            None => {
                let failure = DialFailure::TooManyDials;
                self.counts.dials_failed.count(failure);
                self.note(address.node_id(), Decision::DialFailed(failure));
                self.answer(id, Answer::Dialled(Err(DialError::Failed(failure))));
            }
        }
    }

    /// geth `RemovePeer`.
    fn remove_peer(&mut self, id: RequestId, peer: &NodeId) {
        let connection = self.peers.get(peer).map(|peer| peer.connection);
        if connection.is_some() && self.removals.len() >= limits::PENDING_NODE_REQUESTS {
            return self.answer(id, Answer::Busy);
        }
        if self.dial.is_static(peer) {
            self.note(*peer, Decision::StaticRemoved);
        }
        self.dial.remove_static(peer);
        let Some(connection) = connection else {
            return self.answer(id, Answer::Done);
        };
        self.removals.push((connection, id));
        self.dismiss(connection, DisconnectReason::Requested);
    }

    fn set_limits(&mut self, id: RequestId, limits: Limits) {
        self.limits = limits.clamped();
        self.answer(id, Answer::Done);
    }

    fn set_entry(&mut self, id: RequestId, key: &[u8], value: Option<&[u8]>) {
        let changed = match value {
            Some(value) => self.entries.clone().rlp(key, value),
            None => Ok(self.entries.clone().remove(key)),
        };
        let entries = changed.map(|entries| super::machine::with_port(entries, self.listen_port));
        match entries {
            Ok(entries) => self.set_entries(id, entries),
            Err(error) => self.answer(id, Answer::BadRecord(error)),
        }
    }

    fn set_entries(&mut self, id: RequestId, entries: RecordBuilder) {
        let now = self.now.mono;
        match &mut self.record {
            OwnRecord::Discovery(_) => self.ask_to_say(Purpose::Entry(id), entries),
            OwnRecord::Alone(local) => {
                let set: Result<Option<u64>, RecordError> = local.set_entries(now, entries.clone());
                match set {
                    Ok(_) => {
                        self.entries = entries;
                        self.answer(id, Answer::Done);
                    }
                    Err(error) => self.answer(id, Answer::BadRecord(error)),
                }
            }
        }
    }

    /// Has discovery say this of us. It answers at once; what it refuses is not
    /// kept, or no later change would be sound.
    pub(super) fn ask_to_say(&mut self, purpose: Purpose, entries: RecordBuilder) {
        self.ask(purpose, discv4::Command::SetEntries(entries.clone()));
        let is_refusal = |(to, answer): &(Purpose, discv4::Answer)| {
            *to == purpose && matches!(answer, discv4::Answer::Failed(_))
        };
        if !self.answers.iter().any(is_refusal) {
            self.entries = entries;
        }
    }

    fn settle_answers(&mut self) {
        let answers: Vec<_> = self.answers.drain(..).collect();
        for (purpose, answer) in answers {
            self.on_answer(purpose, answer);
        }
    }
}
