//! Two sessions joined by a pipe that stalls, breaks and flips bits.
//!
//! ```text
//!  A (dials) ══ written ══▶ pipe ══▶ received ══ B (accepts)
//! ```
//!
//! Whatever the pipe does: what one receives is what the other sent, in its
//! order and from its beginning; nobody is taken for somebody else; each
//! closes exactly once. While the pipe does nothing bad, everything arrives.

use bytes::Bytes;

use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Command, SessionError};

use crate::end::End;
use crate::keys::{self, OURS, Offer, THEIRS};
use crate::script;
use crate::tape::Tape;

/// Steps of one run, at most.
const STEPS: usize = 256;
/// Bytes that one run sends, about.
const BYTES: usize = 1 << 19;

/// What a step is, by the byte it begins with. Seeds are written with these.
/// The lowest bit of the byte behind it says whose step it is.
pub mod step {
    /// Everything arrives and is answered, both ways, until nothing moves.
    pub const PUMP: u8 = 0;
    /// So many bytes arrive at the other.
    pub const MOVE: u8 = 1;
    /// It sends a message: capability, code, payload.
    pub const SEND: u8 = 2;
    /// Its driver does all that it can do now.
    pub const SETTLE: u8 = 3;
    /// Time passes for both.
    pub const TIME: u8 = 4;
    /// Its node or application decides.
    pub const COMMAND: u8 = 5;
    /// So many of its bytes have been written.
    pub const WRITTEN: u8 = 6;
    /// Its message has been delivered.
    pub const DELIVERED: u8 = 7;
    /// A bit on its way to the other is flipped.
    pub const FLIP: u8 = 8;
    /// It loses the connection, and what was on its way is gone.
    pub const CUT: u8 = 9;
    /// How many kinds there are.
    pub const KINDS: u8 = 10;
}

/// Both ends, and what is on its way from each.
struct Pair {
    ends: [End; 2],
    /// Up to where the bytes that an end wrote have left its pipe.
    moved: [usize; 2],
    /// Bits of what an end wrote that arrive flipped.
    flips: [Vec<usize>; 2],
    /// Whether the pipe, or somebody, did anything bad.
    harmed: bool,
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut pair = Pair {
        ends: [End::dial(Offer::Ours, &keys::public(THEIRS)), End::accept(Offer::Theirs)],
        moved: [0; 2],
        flips: [Vec::new(), Vec::new()],
        harmed: false,
    };
    if tape.yes() {
        pair.pump();
        assert!(pair.ends.iter().all(End::is_open), "two proper ends do not meet");
    }
    let mut bytes = 0;
    for _ in 0..STEPS {
        if tape.is_empty() || bytes > BYTES {
            break;
        }
        pair.step(&mut tape, &mut bytes);
        pair.check();
    }
    let (silence, closer) = (tape.yes(), usize::from(tape.choice(3)));
    pair.end(closer, silence);
}

impl Pair {
    fn step(&mut self, tape: &mut Tape<'_>, bytes: &mut usize) {
        let (kind, who) = (tape.choice(step::KINDS), usize::from(tape.yes()));
        let end = &mut self.ends[who];
        match kind {
            step::PUMP => self.pump(),
            step::MOVE => {
                let count = usize::from(tape.word());
                self.carry(who, count);
                self.ends[1 - who].receive();
            }
            step::SEND => {
                let (capability, code) = (usize::from(tape.choice(2)), u64::from(tape.choice(5)));
                let payload = Bytes::from(tape.payload());
                *bytes += payload.len();
                let shared = end.ready.as_ref().map(|(_, shared)| shared);
                if let Some(Ok(message)) =
                    shared.map(|shared| shared.message(capability, code, payload))
                {
                    end.queue.push_back(message);
                }
                end.send();
            }
            step::SETTLE => end.settle(),
            step::TIME => {
                self.harmed = true;
                script::sleep(end, tape);
            }
            step::COMMAND => {
                let command = script::command(tape);
                self.harmed |= matches!(command, Command::Disconnect(_));
                end.command(command);
            }
            step::WRITTEN => {
                let count = usize::from(tape.word()).min(end.unconfirmed);
                end.confirm(count);
            }
            step::DELIVERED => end.delivered(),
            step::FLIP => {
                self.harmed = true;
                let first = self.moved[who] * 8;
                self.flips[who].push(first + usize::from(tape.word()));
            }
            _ => {
                self.harmed = true;
                end.lost(script::lost(tape));
                self.moved[1 - who] = self.ends[1 - who].written.len();
            }
        }
    }

    /// `count` bytes leave the pipe of `who`.
    fn carry(&mut self, who: usize, count: usize) -> bool {
        let from = self.moved[who];
        let to = self.ends[who].written.len().min(from.saturating_add(count));
        let mut piece = self.ends[who].written[from..to].to_vec();
        for flip in &self.flips[who] {
            if let Some(byte) = (flip / 8).checked_sub(from).and_then(|at| piece.get_mut(at)) {
                *byte ^= 1 << (flip % 8);
            }
        }
        self.moved[who] = to;
        self.ends[1 - who].received.extend_from_slice(&piece);
        !piece.is_empty()
    }

    fn pump(&mut self) {
        loop {
            self.ends.iter_mut().for_each(End::settle);
            let moved = [self.carry(0, usize::MAX), self.carry(1, usize::MAX)];
            if moved == [false; 2] {
                return;
            }
        }
    }

    fn check(&self) {
        for (who, key) in [(0, THEIRS), (1, OURS)] {
            let (end, other) = (&self.ends[who], &self.ends[1 - who]);
            if let Some(remote) = &end.authenticated {
                assert_eq!(remote, &keys::public(key), "taken for somebody else");
            }
            if let (Some((_, ours)), Some((_, theirs))) = (&end.ready, &other.ready) {
                assert_eq!(ours, theirs, "they do not agree on what they share");
            }
            let sent = other.taken.get(..end.messages.len());
            assert!(sent == Some(&end.messages[..]), "received is not what was sent");
        }
    }

    fn end(mut self, closer: usize, silence: bool) {
        if !self.harmed {
            self.pump();
            for (end, other) in [(0, 1), (1, 0)].map(|(a, b)| (&self.ends[a], &self.ends[b])) {
                assert_eq!(end.closed, None, "it closed, and nothing was wrong");
                assert_eq!(end.messages.len(), other.taken.len(), "something was lost");
                assert!(end.queue.is_empty() && end.received.is_empty());
            }
            if let Some(end) = self.ends.get_mut(closer)
                && end.is_open()
            {
                end.command(Command::Disconnect(DisconnectReason::Quitting));
                self.pump();
                let told = self.ends[1 - closer].closed;
                assert_eq!(told, Some(SessionError::Remote(DisconnectReason::Quitting)));
            }
        }
        self.ends.iter_mut().for_each(|end| end.finish(silence));
        self.check();
    }
}
