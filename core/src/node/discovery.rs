//! Discovery within the node: what is asked of it, for whom, and what it puts out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::journal::Decision;
use super::machine::OwnRecord;
use super::{Answer, ConnectionId, Event, Node, Output};
use crate::discv4::{self, Input, RequestId};
use crate::limits;
use crate::machine::Machine as _;

/// Who waits for an answer of discovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The application.
    Caller(RequestId),
    /// An attempt to dial a static node.
    Resolve(ConnectionId),
    /// The dial scheduler.
    Walk,
    /// The application, whose entry of our record is to change.
    Entry(RequestId),
    /// Nobody.
    Nobody,
}

/// What discovery has been asked and has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Asked {
    purposes: BTreeMap<RequestId, Purpose>,
    next: u64,
}

impl Asked {
    fn insert(&mut self, purpose: Purpose) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.purposes.insert(id, purpose);
        id
    }

    fn of_caller(&self, caller: RequestId) -> Option<RequestId> {
        let is_it = |purpose: &Purpose| *purpose == Purpose::Caller(caller);
        self.purposes.iter().find(|(_, purpose)| is_it(purpose)).map(|(id, _)| *id)
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        // Discovery answers at once what is beyond its own bound.
        if self.purposes.len() > limits::DISCOVERY_COMMANDS {
            return Err("questions to discovery");
        }
        Ok(())
    }
}

impl Node {
    /// Tells discovery what has happened, and takes what it puts out.
    pub(super) fn discover(&mut self, input: Input<'_>) {
        let now = self.now;
        if let OwnRecord::Discovery(discovery) = &mut self.record {
            discovery.handle(now, input);
            self.drain_discovery();
        }
    }

    pub(super) fn drain_discovery(&mut self) {
        while let OwnRecord::Discovery(discovery) = &mut self.record
            && let Some(output) = discovery.poll_output()
        {
            match output {
                discv4::Output::Send { to, datagram } => self.put(Output::Send { to, datagram }),
                discv4::Output::Verify(unverified) => self.put(Output::Verify(unverified)),
                discv4::Output::Store(id, operation) => self.put(Output::Store(id, operation)),
                discv4::Output::Event(event) => self.discovered(event),
                discv4::Output::Answer(id, answer) => {
                    if let Some(purpose) = self.asked.purposes.remove(&id) {
                        self.answers.push_back((purpose, answer));
                    }
                }
                // The node itself is what stops.
                discv4::Output::Stopped => {}
            }
        }
    }

    fn discovered(&mut self, event: discv4::Event) {
        let noted = match &event {
            discv4::Event::Added(contact) => {
                Some((*contact.id(), Decision::TableAdded(contact.udp_endpoint())))
            }
            discv4::Event::Updated(contact) => {
                Some((*contact.id(), Decision::TableUpdated(contact.udp_endpoint())))
            }
            discv4::Event::Removed(id) => Some((*id, Decision::TableRemoved)),
            discv4::Event::Refused(id, refusal) => Some((*id, Decision::TableRefused(*refusal))),
            discv4::Event::Ready | discv4::Event::LocalRecord(_) => None,
        };
        if let Some((id, decision)) = noted {
            self.note(id, decision);
        }
        // So many are refused that nobody would hear of anything else.
        if !matches!(event, discv4::Event::Refused(..)) {
            self.tell(Event::Discovery(event));
        }
    }

    /// Asks discovery something. Without discovery nothing is asked, and nothing
    /// will be answered.
    pub(super) fn ask(&mut self, purpose: Purpose, command: discv4::Command) {
        let id = self.asked.insert(purpose);
        self.discover(Input::Command(id, command));
    }

    /// Has discovery give a request of the application up.
    pub(super) fn cancel_asked(&mut self, caller: RequestId) {
        if let Some(id) = self.asked.of_caller(caller) {
            self.ask(Purpose::Nobody, discv4::Command::Cancel(id));
        }
    }

    pub(super) fn on_answer(&mut self, purpose: Purpose, answer: discv4::Answer) {
        match purpose {
            Purpose::Caller(id) => self.answer(id, Answer::Discovery(answer)),
            Purpose::Resolve(id) => {
                let found = match answer {
                    discv4::Answer::Contact(contact) => Some(contact),
                    discv4::Answer::Contacts(_)
                    | discv4::Answer::Pong(_)
                    | discv4::Answer::Done
                    | discv4::Answer::Failed(_) => None,
                };
                self.on_resolved(id, found);
            }
            Purpose::Walk => self.walked(answer),
            Purpose::Entry(id) => {
                let answer = match answer {
                    discv4::Answer::Failed(discv4::RequestError::BadRecord(error)) => {
                        Answer::BadRecord(error)
                    }
                    discv4::Answer::Failed(_) => Answer::Busy,
                    discv4::Answer::Contact(_)
                    | discv4::Answer::Contacts(_)
                    | discv4::Answer::Pong(_)
                    | discv4::Answer::Done => Answer::Done,
                };
                self.answer(id, answer);
            }
            Purpose::Nobody => {}
        }
    }

    fn walked(&mut self, answer: discv4::Answer) {
        if let discv4::Answer::Contacts(nodes) = answer {
            self.dial.offer(0, nodes);
        } else {
            // Too much else is being asked. The scheduler waits as if it were answered.
            self.walk_at = Some(self.now.mono + limits::WALK_RETRY);
        }
    }

    /// When the node stops: whoever of the application still waits is told.
    pub(super) fn answer_all_stopped(&mut self) {
        let answered = core::mem::take(&mut self.answers).into_iter().map(|(purpose, _)| purpose);
        let asked = core::mem::take(&mut self.asked.purposes).into_values();
        let waiting: Vec<_> = answered.chain(asked).collect();
        for purpose in waiting {
            match purpose {
                Purpose::Caller(id) | Purpose::Entry(id) => self.answer(id, Answer::Stopped),
                Purpose::Resolve(_) | Purpose::Walk | Purpose::Nobody => {}
            }
        }
    }
}
