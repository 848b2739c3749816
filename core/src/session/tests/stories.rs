//! Random stories of two honest ends on an unreliable wire, and what an
//! onlooker may expect of all of them, by the numbers the simulator uses:
//!
//! - S1 the messages received are a prefix of those sent, whatever happened.
//! - S3 after a fatal error nothing is delivered, and only the disconnect sent.
//! - S4 nothing reaches a capability before the second admission.
//! - S5 every queue is bounded (`Checked` audits it after each input).
//! - S6 whatever stops, the session ends in its time.
//! - S9 the reason that one side tells is the one that the other reports.
//! - X1 the same story twice is the same to the byte.
//!
//! S2, that cutting the stream changes nothing, is among the
//! [properties](super::properties).

use core::time::Duration;

use alloc::format;
use alloc::vec::Vec;
use proptest::collection::vec;
use proptest::prelude::*;

use super::pair::{End, Manners, Pair, noise};
use super::properties::{a_while, command, config};
use crate::limits;
use crate::p2p::Message;
use crate::session::{Command, Input, Lost, Output, SessionError};
use crate::time::Instant;

/// What may happen to a pair from outside.
#[derive(Clone, Debug)]
enum Action {
    Pass(Duration),
    Command(usize, Command),
    Send(usize, usize),
    Deliver(usize),
    Stall(usize, bool),
    Cut(usize),
    Impatient(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let end = || 0..2usize;
    prop_oneof![
        6 => a_while().prop_map(Action::Pass),
        3 => (end(), command()).prop_map(|(end, command)| Action::Command(end, command)),
        4 => (end(), prop_oneof![4 => 0..3000usize, 1 => 0..200_000usize])
            .prop_map(|(end, length)| Action::Send(end, length)),
        2 => end().prop_map(Action::Deliver),
        1 => (end(), any::<bool>()).prop_map(|(wire, stall)| Action::Stall(wire, stall)),
        1 => end().prop_map(Action::Impatient),
    ]
}

fn manners() -> impl Strategy<Value = Manners> {
    let any = (any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(proceeds, admits, delivers)| Manners { proceeds, admits, delivers });
    prop_oneof![4 => Just(Manners::ALL), 1 => any]
}

#[derive(Clone, Debug)]
struct Story {
    /// Whether a second passes before anything happens: enough to open.
    starts_open: bool,
    manners: [Manners; 2],
    latency: [Duration; 2],
    chunk: [usize; 2],
    actions: Vec<Action>,
}

fn story() -> impl Strategy<Value = Story> {
    let latency = || (0..400_000u64).prop_map(Duration::from_micros);
    let chunk = || prop_oneof![1..2000usize, 1..1_000_000usize];
    // At most one cut, near the end: before it there should be a story.
    let cut =
        prop_oneof![3 => Just(None), 1 => (0..2usize).prop_map(|wire| Some(Action::Cut(wire)))];
    (
        any::<bool>(),
        [manners(), manners()],
        [latency(), latency()],
        [chunk(), chunk()],
        vec(action(), 0..50),
        cut,
        vec(action(), 0..5),
    )
        .prop_map(|(starts_open, manners, latency, chunk, mut actions, cut, after)| {
            actions.extend(cut);
            actions.extend(after);
            Story { starts_open, manners, latency, chunk, actions }
        })
}

/// A pair, and what an onlooker knows of it.
struct Watched {
    pair: Pair,
    sent: [Vec<Message>; 2],
    may_admit: [bool; 2],
    /// How much was written and delivered when it began to close.
    closing: [Option<(usize, usize)>; 2],
    faultless: bool,
}

impl Watched {
    fn live(story: &Story) -> Self {
        let mut pair = Pair::new(1);
        for n in 0..2 {
            pair.ends[n].manners = story.manners[n];
            pair.wires[n].latency = story.latency[n];
            pair.wires[n].chunk = story.chunk[n];
        }
        let mut watched = Self {
            pair,
            sent: [Vec::new(), Vec::new()],
            may_admit: story.manners.map(|manners| manners.admits),
            closing: [None, None],
            faultless: true,
        };
        if story.starts_open {
            watched.pair.run(Duration::from_secs(1));
        }
        for action in &story.actions {
            watched.act(action);
            watched.pair.settle();
            watched.look();
        }
        watched
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Pass(time) => self.pair.run(time),
            Action::Command(end, command) => {
                self.may_admit[end] |= command == Command::Admit;
                self.pair.ends[end].command(command);
            }
            Action::Send(end, length) => {
                let n = self.sent[end].len() as u64;
                let payload = noise(n, length).into();
                self.sent[end].push(Message { capability: 0, code: n % 2, payload });
                let message = self.sent[end].last().unwrap().clone();
                self.pair.ends[end].queue.push_back(message);
            }
            Action::Deliver(end) => self.pair.ends[end].handle(Input::Delivered),
            Action::Stall(wire, stall) => {
                self.faultless = false;
                self.pair.wires[wire].stalled = stall;
            }
            Action::Cut(wire) => {
                self.faultless = false;
                self.pair.wires[wire].cut = Some(0);
            }
            Action::Impatient(end) => self.pair.ends[end].handle(Input::Timeout),
        }
    }

    /// S1, S3, S4, S6 and the order of events, at any time.
    fn look(&mut self) {
        for n in 0..2 {
            let end = &self.pair.ends[n];
            let sent = &self.sent[1 - n];
            let received = end.messages();
            assert!(received.len() <= sent.len(), "S1: more than was sent");
            assert!(received.iter().zip(sent).all(|(got, sent)| *got == sent), "S1: a prefix");

            let state = (end.written.len(), received.len());
            if format!("{:?}", end.session.get()).contains("Clos") {
                assert_eq!(*self.closing[n].get_or_insert(state), state, "S3: silence");
            }
            assert!(self.may_admit[n] || received.is_empty(), "S4: admission first");
            let rank = |output: &Output| match output {
                Output::Authenticated(_) => 0,
                Output::Ready { .. } => 1,
                Output::Message(_) | Output::RoundTrip(_) => 2,
                Output::Closed(_) => 3,
                Output::Write(_) => 4,
            };
            let once = |rank| rank != 2;
            let ranks: Vec<_> = end.said.iter().map(rank).collect();
            assert!(
                ranks
                    .windows(2)
                    .all(|pair| pair[0] < pair[1] || pair[0] == pair[1] && !once(pair[0])),
                "the order of events: {ranks:?}"
            );
            let late = self.pair.now.mono >= Instant::ZERO + limits::ENCRYPTION_HANDSHAKE_TIMEOUT;
            assert!(!late || end.remote().is_some() || end.is_over(), "S6: the handshake");
        }
    }

    /// S6: nothing moves any more, so both must end, and soon.
    fn end(&mut self) {
        self.pair.wires.iter_mut().for_each(|wire| wire.stalled = true);
        self.pair.run(Duration::from_secs(60));
        self.look();
        assert!(self.pair.ends.iter().all(End::is_over), "S6: an end");
    }

    /// S9: the reasons of both ends fit together.
    fn compare_reasons(&self) {
        let closed = self.pair.ends.each_ref().map(|end| end.closed().unwrap());
        for (ours, theirs) in [(closed[0], closed[1]), (closed[1], closed[0])] {
            if let SessionError::Remote(reason) = ours {
                assert!(!matches!(theirs, SessionError::Remote(_)), "S9: {closed:?}");
                assert_eq!(theirs.disconnect_reason(), Some(reason), "S9: {closed:?}");
            }
            // Between honest ends nobody is malformed.
            assert!(
                matches!(
                    ours,
                    SessionError::Remote(_)
                        | SessionError::Local(_)
                        | SessionError::TimedOut(_)
                        | SessionError::Lost(_)
                ),
                "{closed:?}"
            );
            assert!(
                !self.faultless || ours != SessionError::Lost(Lost::Reset),
                "no connection broke: {closed:?}"
            );
        }
        for n in 0..2 {
            let other = &self.pair.ends[1 - n];
            let could_tell = other.remote().is_some() && other.unsent.is_empty();
            if closed[n] == SessionError::Lost(Lost::Closed) && self.faultless && could_tell {
                assert_eq!(closed[1 - n].disconnect_reason(), None, "S9: never told: {closed:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn two_honest_ends_keep_every_invariant_whatever_happens_to_them(story in story()) {
        let mut watched = Watched::live(&story);
        watched.end();
        watched.compare_reasons();
        // X1: and once more, to the byte.
        let mut again = Watched::live(&story);
        again.end();
        for (one, other) in watched.pair.ends.iter().zip(&again.pair.ends) {
            prop_assert_eq!(one.session.digest(), other.session.digest());
            prop_assert_eq!(&one.written, &other.written);
        }
    }
}
