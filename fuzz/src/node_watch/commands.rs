//! What the application asks, and how it may be answered.

use devp2p_core::discv4;
use devp2p_core::discv4::RequestId;
use devp2p_core::node::{Answer, Command, DialError};

use super::{Cause, Drained, Kind, NodeWatch, Seen, Stage};

impl NodeWatch {
    /// What the command changes before it is given.
    pub(super) fn prepare(&mut self, id: u64, command: &Command) {
        match command {
            Command::Dial(address) => {
                self.dialled.insert(address.node_id(), self.latest.max(self.clock.mono));
            }
            Command::AddPeer(address) => {
                self.once_static.insert(address.node_id());
                self.statics.entry(address.node_id()).or_insert_with(|| address.clone());
            }
            Command::RemovePeer(peer) => {
                self.statics.remove(peer);
                if let Some(peer) = self.peers.get(peer) {
                    self.removals.insert(id, peer.connection);
                }
            }
            Command::AddTrusted(peer) => {
                self.trusted.insert(*peer);
            }
            Command::RemoveTrusted(peer) => {
                self.trusted.remove(peer);
            }
            Command::SetLimits(limits) => self.limits = *limits,
            Command::Candidates(source, _) => {
                self.wanted.remove(source);
            }
            Command::SetEntry { .. } | Command::Cancel(_) | Command::Discovery(_) | _ => {}
        }
    }

    pub(super) fn answered(&mut self, cause: &Cause, id: u64, answer: &Answer) {
        let command = self.commands.remove(&id).expect("it was not asked, or is answered");
        let removed = self.removals.remove(&id);
        if let Answer::Stopped = answer {
            assert!(self.stopping.is_some(), "it does not stop");
            // Unless it came too late, it was given up.
            let is_late = matches!(cause, Cause::Command(of, _) if *of == id);
            self.counted.failed += u64::from(matches!(command, Command::Dial(_)) && !is_late);
            return;
        }
        match command {
            Command::Dial(address) => {
                let Answer::Dialled(result) = answer else { panic!("{answer:?} to a dial") };
                let node = address.node_id();
                match result {
                    Ok(peer) => {
                        assert!(matches!(cause, Cause::Ready(ready) if *ready == peer.connection));
                        assert!(peer.id == node && peer.is_requested);
                    }
                    Err(DialError::Failed(_)) => {
                        self.counted.failed += 1;
                        self.begun = true;
                    }
                    Err(DialError::Session(error)) => {
                        assert!(matches!(cause, Cause::Closed(_, why, _) if why == error));
                    }
                    Err(_) => panic!("a failure that nobody knows"),
                }
                self.ended(&node, Some(id));
                let names =
                    |seen: &Seen| seen.kind == Kind::Requested(id) && seen.stage == Stage::Naming;
                let unnamed = self.connections.values_mut().filter(|seen| names(seen));
                unnamed.for_each(|seen| seen.stage = Stage::Gone);
            }
            Command::RemovePeer(_) => {
                assert!(matches!(answer, Answer::Done));
                let given_up = matches!(cause, Cause::Command(_, command)
                    if matches!(**command, Command::Cancel(RequestId(of)) if of == id));
                let gone = removed.is_none_or(|id| self.connections[&id].stage == Stage::Gone);
                assert!(gone || given_up, "its connection is still there");
            }
            Command::SetEntry { .. } => {
                assert!(matches!(answer, Answer::Done | Answer::BadRecord(_)));
            }
            Command::Discovery(_) if self.discovery => {
                assert!(matches!(answer, Answer::Discovery(_)));
            }
            Command::Discovery(_) => assert!(matches!(answer, Answer::NoDiscovery)),
            Command::AddPeer(_)
            | Command::AddTrusted(_)
            | Command::RemoveTrusted(_)
            | Command::SetLimits(_)
            | Command::Candidates(..)
            | Command::Cancel(_)
            | _ => assert!(matches!(answer, Answer::Done), "{answer:?}"),
        }
    }

    pub(super) fn after_command(&self, id: u64, command: &Command, given: &Drained) {
        let at_once = match command {
            Command::Dial(_) => self.stopping.is_some(),
            Command::RemovePeer(_) => !self.removals.contains_key(&id),
            Command::Discovery(discv4::Command::Cancel(other)) => {
                let waits = self.commands.get(&other.0);
                let waits = waits.is_some_and(|it| matches!(it, Command::Discovery(_)));
                assert!(!waits || !self.discovery, "it was to be given up");
                true
            }
            Command::Discovery(
                discv4::Command::SetEntries(_) | discv4::Command::SetEndpoints(_),
            ) => true,
            Command::Discovery(_) => !self.discovery || self.stopping.is_some(),
            Command::Cancel(RequestId(other)) => {
                assert!(!self.commands.contains_key(other), "it was to be given up");
                let place = |id: u64| given.answers.iter().position(|(to, _)| *to == id);
                assert!(place(*other) <= place(id), "what is given up is answered first");
                true
            }
            Command::AddPeer(_)
            | Command::AddTrusted(_)
            | Command::RemoveTrusted(_)
            | Command::SetLimits(_)
            | Command::SetEntry { .. }
            | Command::Candidates(..)
            | _ => true,
        };
        assert!(!at_once || !self.commands.contains_key(&id), "{command:?} waits");
    }
}
