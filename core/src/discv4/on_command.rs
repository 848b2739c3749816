//! What a command does to the machine, where `command.rs` is what it asks: each
//! is answered exactly once.

use alloc::vec::Vec;

use super::look_ups::For;
use super::queries::{Caller, Outcome, Question};
use super::requests::Purpose;
use super::{Answer, Command, Discovery, RequestError, RequestId};
use crate::identity::{Contact, RecordError};
use crate::limits;

/// A command that is not answered yet, and what it waits for.
#[derive(Debug)]
pub(super) enum Pending {
    /// Discovery is not open yet.
    Early(Command),
    /// A pong.
    Ping,
    /// The end of this query.
    Query(u64),
    /// The end of this look-up.
    LookUp(u64),
    /// The latest record of a node.
    Resolve(Contact, Resolve),
    /// Nodes on a random walk.
    Walk,
}

/// Where a [`Command::Resolve`] stands. geth `Resolve`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resolve {
    /// Asking the node where it is said to be.
    Given(u64),
    /// Asking it where the table has it.
    Table(u64),
    /// Looking for it.
    LookUp(u64),
    /// Asking it where the look-up has found it.
    Found(u64),
}

impl Discovery {
    pub(super) fn on_command(&mut self, id: RequestId, command: Command) {
        match command {
            Command::Cancel(other) => {
                self.cancel(other);
                self.answer(id, Answer::Done);
            }
            Command::SetEndpoints(endpoints) => {
                let changed = self.local.set_endpoints(self.now.mono, endpoints);
                self.change_record(id, Ok(changed));
            }
            Command::SetEntries(entries) => {
                let changed = self.local.set_entries(self.now.mono, entries);
                self.change_record(id, changed);
            }
            Command::Ping(_)
            | Command::RequestRecord(_)
            | Command::Resolve(_)
            | Command::FindNode(..)
            | Command::LookUp(_)
            | Command::RandomNodes => self.admit(id, command),
        }
    }

    fn admit(&mut self, id: RequestId, command: Command) {
        let busy = self.commands.len() >= limits::DISCOVERY_COMMANDS;
        if busy || self.commands.contains_key(&id) {
            return self.answer(id, Answer::Failed(RequestError::Busy));
        }
        if !self.upkeep.is_open() {
            self.commands.insert(id, Pending::Early(command));
            return;
        }
        if let Err(error) = self.begin(id, command) {
            self.answer(id, Answer::Failed(error));
        }
    }

    fn change_record(&mut self, id: RequestId, changed: Result<Option<u64>, RecordError>) {
        match changed {
            Ok(changed) => {
                // Before it is open the record gets another number yet.
                if changed.is_some() && self.upkeep.is_open() {
                    self.publish_record();
                }
                self.answer(id, Answer::Done);
            }
            Err(error) => self.answer(id, Answer::Failed(RequestError::BadRecord(error))),
        }
    }

    /// Those that came before it was open.
    pub(super) fn begin_early_commands(&mut self) {
        let is_early = |pending: &mut Pending| matches!(pending, Pending::Early(_));
        let early: Vec<_> = self.commands.extract_if(.., |_, pending| is_early(pending)).collect();
        for (id, pending) in early {
            if let Pending::Early(command) = pending {
                self.on_command(id, command);
            }
        }
    }

    fn begin(&mut self, id: RequestId, command: Command) -> Result<(), RequestError> {
        let pending = match command {
            Command::Ping(contact) => {
                let to = self.endpoint(&contact)?;
                if !self.requests.has_room() {
                    return Err(RequestError::Busy);
                }
                self.ping(*contact.id(), to, Purpose::Command(id), None);
                Pending::Ping
            }
            Command::RequestRecord(contact) => {
                Pending::Query(self.query(contact, Question::Record, Caller::Command(id))?)
            }
            Command::FindNode(contact, target) => {
                let question = Question::Neighbors(target);
                Pending::Query(self.query(contact, question, Caller::Command(id))?)
            }
            Command::LookUp(target) => {
                Pending::LookUp(self.look_up(target, For::Command(id)).ok_or(RequestError::Busy)?)
            }
            Command::Resolve(contact) => {
                let caller = Caller::Resolve(id);
                match self.query(contact.clone(), Question::Record, caller) {
                    Ok(query) => Pending::Resolve(contact, Resolve::Given(query)),
                    Err(RequestError::NoEndpoint) => {
                        self.commands.insert(id, Pending::Early(Command::Resolve(contact.clone())));
                        self.resolve_by_table(id, contact);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            Command::RandomNodes => {
                self.look_ups.walker.ask(id);
                Pending::Walk
            }
            // They wait for nothing.
            Command::Cancel(_) | Command::SetEndpoints(_) | Command::SetEntries(_) => return Ok(()),
        };
        self.commands.insert(id, pending);
        self.serve_walker();
        Ok(())
    }

    fn cancel(&mut self, id: RequestId) {
        let Some(pending) = self.commands.remove(&id) else { return };
        match pending {
            Pending::Query(query)
            | Pending::Resolve(
                _,
                Resolve::Given(query) | Resolve::Table(query) | Resolve::Found(query),
            ) => {
                self.queries.remove(query);
            }
            Pending::LookUp(look_up) | Pending::Resolve(_, Resolve::LookUp(look_up)) => {
                self.look_ups.remove(look_up);
            }
            Pending::Walk => self.look_ups.walker.forget(id),
            Pending::Early(_) | Pending::Ping => {}
        }
        self.answer(id, Answer::Failed(RequestError::Cancelled));
    }

    /// Answers a command, unless it was given up.
    pub(super) fn finish_command(&mut self, id: RequestId, answer: Answer) {
        if self.commands.remove(&id).is_some() {
            self.answer(id, answer);
        }
    }

    pub(super) fn answer_all_stopped(&mut self) {
        while let Some((id, _)) = self.commands.pop_first() {
            self.answer(id, Answer::Failed(RequestError::Stopped));
        }
    }

    /// Hands nodes of the random walk to those who wait for some.
    pub(super) fn serve_walker(&mut self) {
        if let Some((id, nodes)) = self.look_ups.walker.serve() {
            self.finish_command(id, Answer::Contacts(nodes));
        }
    }

    /// The end of a query of a [`Command::Resolve`]: the answer, or the next place
    /// to look.
    pub(super) fn resolve_queried(&mut self, id: RequestId, outcome: Outcome) {
        if let Outcome::Record(contact) = outcome {
            return self.finish_command(id, Answer::Contact(contact));
        }
        let Some(Pending::Resolve(contact, stage)) = self.commands.get(&id) else { return };
        let contact = contact.clone();
        match stage {
            Resolve::Given(_) => self.resolve_by_table(id, contact),
            Resolve::Table(_) => self.resolve_by_look_up(id, contact),
            Resolve::LookUp(_) | Resolve::Found(_) => {
                self.finish_command(id, Answer::Failed(RequestError::NotFound));
            }
        }
    }

    fn resolve_by_table(&mut self, id: RequestId, contact: Contact) {
        let known = self.table.contact(contact.id()).filter(|known| {
            known.sequence() > contact.sequence() || known.udp_endpoint() != contact.udp_endpoint()
        });
        if let Some(known) = known.cloned()
            && let Ok(query) = self.query(known, Question::Record, Caller::Resolve(id))
        {
            self.commands.insert(id, Pending::Resolve(contact, Resolve::Table(query)));
        } else {
            self.resolve_by_look_up(id, contact);
        }
    }

    fn resolve_by_look_up(&mut self, id: RequestId, contact: Contact) {
        match self.look_up(*contact.public_key().as_bytes(), For::Resolve(id)) {
            Some(look_up) => {
                self.commands.insert(id, Pending::Resolve(contact, Resolve::LookUp(look_up)));
            }
            None => self.finish_command(id, Answer::Failed(RequestError::Busy)),
        }
    }

    /// The end of the look-up of a [`Command::Resolve`].
    pub(super) fn resolve_looked_up(&mut self, id: RequestId, nodes: &[Contact]) {
        let Some(Pending::Resolve(contact, _)) = self.commands.get(&id) else { return };
        let contact = contact.clone();
        let found = nodes.iter().find(|node| node.id() == contact.id());
        let asked =
            found.map(|node| self.query(node.clone(), Question::Record, Caller::Resolve(id)));
        match asked {
            Some(Ok(query)) => {
                self.commands.insert(id, Pending::Resolve(contact, Resolve::Found(query)));
            }
            Some(Err(error)) => self.finish_command(id, Answer::Failed(error)),
            None => self.finish_command(id, Answer::Failed(RequestError::NotFound)),
        }
    }
}
