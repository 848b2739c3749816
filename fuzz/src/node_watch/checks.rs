//! What must hold whenever a node has been drained.

use devp2p_core::limits;
use devp2p_core::node::{Command, Direction, Snapshot};

use super::{Counted, NodeWatch, Seen, Stage};

impl NodeWatch {
    pub(super) fn check(&self) {
        let snapshot = self.look().snapshot();
        let counts = snapshot.counts;
        assert_eq!(Counted::by(&counts), self.counted, "by the node, and as seen");
        let alive = self.alive().count();
        let untold = self
            .connections
            .iter()
            .find(|(_, seen)| !seen.told && matches!(seen.stage, Stage::Leaving | Stage::Replaced));
        assert_eq!(untold.map(|(id, _)| id), None, "it does not know that it has to go");
        if let Some(since) = self.stopping {
            let late = since + limits::STOP_TIMEOUT <= self.latest;
            assert_eq!(self.stopped, alive == 0 || late, "it stops too early, or late");
            assert!(!self.stopped || self.peers.is_empty(), "peers are forgotten");
            assert!(!self.stopped || self.commands.is_empty(), "{:?} wait", self.commands);
            return;
        }
        assert!(!self.stopped, "nobody has told it to stop");
        let told = self.peers.values().map(|peer| peer.connection);
        assert!(snapshot.peers.iter().map(|peer| peer.peer.connection).eq(told), "who is there");
        for peer in &snapshot.peers {
            assert_eq!(peer.is_trusted, self.trusted.contains(&peer.peer.id));
            assert_eq!(peer.is_static, self.statics.contains_key(&peer.peer.id));
        }
        assert_eq!(snapshot.static_nodes, self.statics.len());
        let pending = self.in_stages(&[Stage::Handshake, Stage::Hello], Direction::Inbound);
        assert_eq!(snapshot.pending_inbound, pending.len());
        if pending.len() >= self.max_pending() {
            let silent = pending.iter().filter(|(_, seen)| seen.stage == Stage::Handshake);
            let first = silent.map(|(_, seen)| seen.since + limits::SILENT_CONNECTION).min();
            let waits = first.is_some_and(|at| at > self.latest);
            assert!(
                !waits || self.deadline().is_some_and(|at| Some(at) <= first),
                "it does not say when there is room"
            );
        }
        self.check_dials(&snapshot);
    }

    pub(super) fn check_dials(&self, snapshot: &Snapshot) {
        let is_dial = |command: &&Command| matches!(command, Command::Dial(_));
        let requested = self.commands.values().filter(is_dial).count();
        let scheduled = snapshot.dialling.checked_sub(requested).expect("a dial that nobody does");
        let dialled = self.peers.len() - self.inbound_peers();
        let missing = self.max_dialled().saturating_sub(dialled);
        let slots = (2 * missing).min(self.max_pending());
        let free = slots.saturating_sub(scheduled);
        assert!(!self.scheduled || scheduled <= slots, "more dials than there is room for");
        let overdue = |seen: &&Seen| {
            seen.stage == Stage::Connecting && seen.since + limits::DIAL_TIMEOUT <= self.latest
        };
        assert_eq!(self.connections.values().find(overdue).map(|seen| seen.key), None, "overdue");
        assert!(!self.no_dial || scheduled == 0, "it dials");
        if self.held || free == 0 {
            return;
        }
        assert!(self.wanted.len() == self.sources, "a source is not asked");
        if self.discovery {
            return;
        }
        for (id, address) in &self.statics {
            let idle = self.may_be_dialled(id) && self.may_be_dialled_there(address);
            assert!(!idle, "{id} could be dialled");
        }
    }
}
