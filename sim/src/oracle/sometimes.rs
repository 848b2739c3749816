//! Rare branches: what is never reached is not tested, however many seeds run.

use core::fmt;
use std::collections::BTreeMap;

use devp2p_core::discv4;
use devp2p_core::node::{Answer, Node};
use devp2p_core::session::{Lost, Phase, SessionError};

/// What the oracles see happen, besides what nodes count themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Branch {
    /// A pong that was asked for came.
    SolicitedPong,
    /// An answer came that nobody had asked for.
    UnsolicitedAnswer,
    /// Neighbours were sent.
    NeighborsSent,
    /// A bucket was full.
    BucketFull,
    /// As many as may waited for a bucket.
    ReplacementsFull,
    /// One that had waited took the place of an entry.
    ReplacementPromoted,
    /// A ping over a connection was answered.
    PingAnswered,
    /// A session reported something when it had been told to go.
    LateReport,
    /// Two nodes dialled each other, and the connection that this one made stayed.
    CrossingOutboundSurvives,
    /// The same, and the other's stayed.
    CrossingInboundSurvives,
    /// A trusted node was admitted where all slots were taken.
    TrustedBeyondLimits,
    /// A socket was told that nobody listens where it had sent a datagram.
    PortUnreachable,
}

impl Branch {
    const fn label(self) -> &'static str {
        match self {
            Self::SolicitedPong => "discovery solicited_pong",
            Self::UnsolicitedAnswer => "discovery unsolicited_answer",
            Self::NeighborsSent => "discovery neighbors_sent",
            Self::BucketFull => "table bucket_full",
            Self::ReplacementsFull => "table replacements_full",
            Self::ReplacementPromoted => "table replacement_promoted",
            Self::PingAnswered => "session ping_answered",
            Self::LateReport => "node late_report",
            Self::CrossingOutboundSurvives => "node crossing_outbound_survives",
            Self::CrossingInboundSurvives => "node crossing_inbound_survives",
            Self::TrustedBeyondLimits => "node trusted_beyond_limits",
            Self::PortUnreachable => "socket port_unreachable",
        }
    }
}

/// How often each rare branch was reached, by its name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reached(BTreeMap<String, u64>);

impl Reached {
    /// What a batch of seeds has to reach.
    pub const CATALOGUE: &'static [&'static str] = &[
        "answer contact",
        "answer contacts",
        "answer node not found",
        "dial_failed refused",
        "dial_failed timed_out",
        "dial_failed unreachable",
        "discovery neighbors_sent",
        "discovery solicited_pong",
        "discovery unsolicited_answer",
        "drop bad_hash",
        "drop bad_record",
        "drop expired",
        "drop from_self",
        "drop too_short",
        "drop unproven",
        "drop unsolicited",
        "end closed",
        "end handshake",
        "end local",
        "end remote",
        "end reset",
        "end timed_out_in_admission",
        "end timed_out_in_handshake",
        "end timed_out_in_hello",
        "end timed_out_reading",
        "end timed_out_writing",
        "end unanswered",
        "incoming net_restrict",
        "incoming throttled",
        "node crossing_inbound_survives",
        "node crossing_outbound_survives",
        "node late_report",
        "node replaced",
        "node trusted_beyond_limits",
        "refused_in already_connected",
        "refused_in too_many_peers",
        "refused_in useless_peer",
        "refused_out already_connected",
        "refused_out too_many_peers",
        "refused_out useless_peer",
        "session ping_answered",
        "socket port_unreachable",
        "table bucket_full",
        "table replacement_promoted",
        "table replacements_full",
        "told_in quitting",
        "told_in requested",
        "told_in subprotocol_error",
        "told_in too_many_peers",
        "told_out already_connected",
        "told_out quitting",
        "told_out requested",
        "told_out subprotocol_error",
        "told_out too_many_peers",
        "undialled already_connected",
        "undialled already_dialling",
        "undialled net_restrict",
        "undialled pending_inbound",
        "undialled recently_dialled",
    ];

    /// Every branch with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// How often this one was.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, count)| self.count(name, *count));
    }

    /// Those of the [catalogue](Reached::CATALOGUE) that were never reached.
    pub fn missing(&self) -> Vec<&'static str> {
        let missing = |name: &&&str| self.of(name) == 0;
        Self::CATALOGUE.iter().filter(missing).copied().collect()
    }

    pub(super) fn note(&mut self, branch: Branch) {
        self.count(branch.label(), 1);
    }

    fn count(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.get_mut(name) {
            Some(sum) => *sum = sum.saturating_add(count),
            None => {
                self.0.insert(name.to_owned(), count);
            }
        }
    }

    /// What a node has counted in its run, which ends or is looked at.
    pub(super) fn collect(&mut self, node: &Node) {
        let counts = node.counts();
        let mut all = |group: &str, label: &str, count: u64| {
            self.count(&format!("{group} {label}"), count);
        };
        counts.incoming_refused.iter().for_each(|(label, count)| all("incoming", label, count));
        counts.dials_refused.iter().for_each(|(label, count)| all("undialled", label, count));
        counts.dials_failed.iter().for_each(|(label, count)| all("dial_failed", label, count));
        counts.refused_inbound.iter().for_each(|(label, count)| all("refused_in", label, count));
        counts.refused_outbound.iter().for_each(|(label, count)| all("refused_out", label, count));
        counts.told_inbound.iter().for_each(|(label, count)| all("told_in", label, count));
        counts.told_outbound.iter().for_each(|(label, count)| all("told_out", label, count));
        all("node", "evicted", counts.evicted);
        all("node", "replaced", counts.replaced);
        if let Some(discovery) = node.discovery() {
            discovery.drops().iter().for_each(|(label, count)| all("drop", label, count));
        }
    }

    /// A command to discovery was answered so.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let Answer::Discovery(answer) = answer else { return };
        match answer {
            discv4::Answer::Pong(_) => self.count("answer pong", 1),
            discv4::Answer::Contact(_) => self.count("answer contact", 1),
            discv4::Answer::Contacts(_) => self.count("answer contacts", 1),
            discv4::Answer::Failed(error) => self.count(&format!("answer {error}"), 1),
            discv4::Answer::Done | _ => {}
        }
    }

    /// A session has ended in this way.
    pub(super) fn ended(&mut self, error: &SessionError) {
        let name: &dyn fmt::Display = match error {
            SessionError::Handshake(_) => &"handshake",
            SessionError::Frame(_) => &"frame",
            SessionError::Compression(_) => &"compression",
            SessionError::Hello(_) => &"hello",
            SessionError::Misbehaved(_) => &"misbehaved",
            SessionError::TimedOut(Phase::EncryptionHandshake) => &"timed_out_in_handshake",
            SessionError::TimedOut(Phase::Admission) => &"timed_out_in_admission",
            SessionError::TimedOut(Phase::Hello) => &"timed_out_in_hello",
            SessionError::TimedOut(Phase::Read) => &"timed_out_reading",
            SessionError::TimedOut(Phase::Write) => &"timed_out_writing",
            SessionError::Remote(_) => &"remote",
            SessionError::Local(_) => &"local",
            SessionError::Lost(Lost::Closed) => &"closed",
            SessionError::Lost(Lost::Unanswered) => &"unanswered",
            SessionError::Lost(Lost::Reset) => &"reset",
            SessionError::Lost(Lost::Failed) => &"failed",
            SessionError::TimedOut(_) | SessionError::Lost(_) | _ => &"otherwise",
        };
        self.count(&format!("end {name}"), 1);
    }
}
