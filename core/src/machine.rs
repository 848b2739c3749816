//! The contract that every machine keeps, and [`Checked`], which holds it to it.
//!
//! ```text
//!            handle(now, input)
//!  caller ───────────────────────▶ machine
//!         ◀─ poll_output() … None ─
//!         ◀─ poll_timeout() ───────   then the next input
//! ```
//!
//! 1. One input, then drain to `None`, then the next input.
//! 2. Time never goes back; a step back is clamped, never a panic.
//! 3. After a drain at `now` the deadline is `None` or strictly later than
//!    `now`: a busy loop is impossible.
//! 4. A time-out input carries nothing; an early or repeated one does nothing.
//! 5. Nothing a peer sends makes `handle` fail or panic: it yields outputs.
//! 6. The last output is marked ([`Machine::is_last`]) and nothing follows it.
//! 7. A parent drains its children within `handle`, so outputs depend on the
//!    order of inputs alone.
//! 8. One `handle` costs O(bytes in) or O(timers due), and every queue and map
//!    has a named bound in [`limits`](crate::limits) ([`Machine::audit`]).

use alloc::collections::VecDeque;
use alloc::format;
use core::borrow::Borrow;
use core::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::time::{Deadline, Instant, Now};

/// A state machine without I/O. See the [module](self) for the rules.
///
/// The enums of inputs and outputs are exhaustive by intent: a driver has an arm
/// for each, and a new one must not compile until it has.
pub trait Machine {
    /// What happens to it. Inputs may lend it buffers from which it takes.
    type Input<'a>;
    /// What it wants done.
    type Output: fmt::Debug;

    /// Takes one input. Outputs wait in [`Machine::poll_output`].
    fn handle(&mut self, now: Now, input: Self::Input<'_>);

    /// The next output, until there is none.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When to hand it [`Machine::timeout`], as of the last drain.
    fn poll_timeout(&self) -> Option<Deadline>;

    /// The input that says: it is (at least) the time you asked for.
    fn timeout() -> Self::Input<'static>;

    /// Whether nothing may follow `output`.
    fn is_last(output: &Self::Output) -> bool;

    /// The most outputs that one input may cause.
    const MAX_OUTPUTS: usize;

    /// Recounts every queue and map against its bound. Names the broken one.
    fn audit(&self) -> Result<(), &'static str>;
}

/// Outputs for which there is always room: as many as most turns make.
const KEPT_OUTPUTS: usize = 64;

/// The next of a machine's outputs. Without one the queue begins again at its front: going
/// round through all its room it would be in no cache wherever it comes.
pub(crate) fn take_first<T>(outputs: &mut VecDeque<T>) -> Option<T> {
    let first = outputs.pop_front();
    if first.is_none() {
        outputs.clear();
        // What one turn needed at its worst need not be held for ever.
        outputs.shrink_to(KEPT_OUTPUTS);
    }
    first
}

/// A machine under watch: it behaves as the machine it wraps and panics, by
/// intent, as soon as that machine or its caller breaks the contract.
///
/// Beside watching, it provokes: after each drain it hands in a time-out that
/// is not due and one that comes from the past, which must change nothing. All
/// tests of core and the simulator wrap their machines in it; production does
/// not.
///
/// Rules 5 and 7 it cannot see from outside: a panic is its own witness, and
/// the [digest](Checked::digest) of two runs tells whether they went alike.
#[derive(Debug)]
pub struct Checked<M> {
    machine: M,
    /// The latest of both clocks, whatever the caller said last.
    now: Now,
    /// The last input came with a time before that.
    stepped_back: bool,
    drained: bool,
    ended: bool,
    outputs: usize,
    trace: Sha256,
}

impl<M: Machine> Checked<M> {
    /// Watches `machine`, which has been handed nothing yet.
    pub fn new(machine: M) -> Self {
        Self {
            machine,
            now: Now::ZERO,
            stepped_back: false,
            // What construction itself wants done is drained first.
            drained: false,
            ended: false,
            outputs: 0,
            trace: Sha256::new(),
        }
    }

    /// The machine, to look at.
    pub fn get(&self) -> &M {
        &self.machine
    }

    /// The machine, no longer under watch.
    pub fn into_inner(self) -> M {
        self.machine
    }

    /// A digest over everything the machine has put out so far. Two runs with
    /// the same seed and the same inputs have the same digest.
    pub fn digest(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    fn after_drain(&mut self) {
        if let Err(broken) = self.machine.audit() {
            violated("8 (bounds)", broken);
        }
        let deadline = self.machine.poll_timeout();
        self.require_later(deadline);
        if self.ended && deadline.is_some() {
            violated("6 (last output)", "a deadline after the last output");
        }
        // At the end of time all is due for ever.
        if self.now.mono < Instant::MAX {
            self.provoke("4 (time-outs)", self.now, deadline);
            self.provoke("2 (time)", Now { mono: Instant::ZERO, ..self.now }, deadline);
        }
    }

    /// Nothing is due at `now`, so a time-out must do nothing.
    fn provoke(&mut self, rule: &str, now: Now, deadline: Option<Deadline>) {
        self.machine.handle(now, M::timeout());
        if let Some(output) = self.machine.poll_output() {
            let mut said = format!("{output:?}");
            said.truncate(said.floor_char_boundary(SAID));
            violated(rule, &format!("a time-out that was not due made it say {said}"));
        }
        if self.machine.poll_timeout() != deadline {
            violated(rule, "a time-out that was not due moved the deadline");
        }
    }

    fn require_later(&self, deadline: Option<Deadline>) {
        if let Some(deadline) = deadline
            && deadline.at <= self.now.mono
            && self.now.mono < Instant::MAX
        {
            let rule = if self.stepped_back { "2 (time)" } else { "3 (deadlines)" };
            violated(rule, deadline.reason);
        }
    }
}

impl<M> Borrow<M> for Checked<M> {
    fn borrow(&self) -> &M {
        &self.machine
    }
}

impl<M: Machine> Machine for Checked<M> {
    type Input<'a> = M::Input<'a>;
    type Output = M::Output;

    fn handle(&mut self, now: Now, input: Self::Input<'_>) {
        if !self.drained {
            violated("1 (drain)", "the caller gave an input before the drain was over");
        }
        // Rule 2 is the machine's to keep: it is given the step back as it came.
        self.stepped_back = now.mono < self.now.mono;
        self.now.mono = self.now.mono.max(now.mono);
        self.now.unix = now.unix;
        self.drained = false;
        self.outputs = 0;
        self.machine.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<M::Output> {
        let output = self.machine.poll_output();
        match &output {
            Some(output) => {
                if self.drained {
                    violated("1 (drain)", "an output after None without an input");
                }
                if self.ended {
                    violated("6 (last output)", "an output after the last one");
                }
                self.ended = M::is_last(output);
                self.outputs += 1;
                if self.outputs > M::MAX_OUTPUTS {
                    violated("8 (bounds)", "more outputs than MAX_OUTPUTS");
                }
                let _ = writeln!(Trace(&mut self.trace), "{output:?}");
            }
            None if !self.drained => {
                self.drained = true;
                self.after_drain();
            }
            None => {}
        }
        output
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        if !self.drained {
            violated("1 (drain)", "the caller asked for the deadline before the drain was over");
        }
        self.machine.poll_timeout()
    }

    fn timeout() -> Self::Input<'static> {
        M::timeout()
    }

    fn is_last(output: &M::Output) -> bool {
        M::is_last(output)
    }

    const MAX_OUTPUTS: usize = M::MAX_OUTPUTS;

    fn audit(&self) -> Result<(), &'static str> {
        self.machine.audit()
    }
}

/// Hashes what is written to it.
struct Trace<'a>(&'a mut Sha256);

impl fmt::Write for Trace<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Of what a machine said when it broke the contract, bytes that are shown: a message may
/// be of megabytes.
const SAID: usize = 400;

/// The one deliberate panic of core: it is how a test learns of a breach.
#[expect(
    clippy::panic,
    reason = "Checked is for tests and the simulator, where a breach must stop the run"
)]
fn violated(rule: &str, what: &str) -> ! {
    panic!("the machine contract is broken, rule {rule}: {what}")
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use alloc::collections::VecDeque;

    use super::*;

    /// Which rule a toy breaks, and how.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        /// 1: an output appears after `None`.
        SpeaksAgain,
        /// 2: it believes a clock that goes back.
        FollowsTheClock,
        /// 2: it acts on a time-out from the past.
        ListensToThePast,
        /// 3: its deadline is the present.
        BusyLoop,
        /// 3: its deadline stays when it has passed.
        ForgetsToRearm,
        /// 4: it does not look whether a time-out is due.
        TrustsTheCaller,
        /// 4: each time-out postpones the deadline.
        Postpones,
        /// 6: an output after the last one.
        SpeaksAfterTheEnd,
        /// 6: a deadline after the last output.
        WaitsAfterTheEnd,
        /// 8: more outputs for an input than it said.
        Talks,
        /// 8: a queue beyond its bound.
        Hoards,
    }

    /// An alarm clock: it rings a second after it was set, again and again.
    struct Toy {
        fault: Fault,
        now: Instant,
        rings_at: Option<Instant>,
        outputs: VecDeque<Output>,
        empty: core::cell::Cell<u32>,
    }

    enum Input {
        Set,
        End,
        Timeout,
    }

    #[derive(Debug, PartialEq)]
    enum Output {
        IsSet,
        Rang,
        Ended,
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn toy(fault: Fault) -> Checked<Toy> {
        Checked::new(Toy {
            fault,
            now: Instant::ZERO,
            rings_at: None,
            outputs: VecDeque::new(),
            empty: core::cell::Cell::new(0),
        })
    }

    impl Machine for Toy {
        type Input<'a> = Input;
        type Output = Output;
        const MAX_OUTPUTS: usize = 2;

        fn handle(&mut self, now: Now, input: Input) {
            let past = now.mono < self.now;
            self.now = if self.fault == Fault::FollowsTheClock {
                now.mono
            } else {
                self.now.max(now.mono)
            };
            match input {
                Input::Set => {
                    let delay = if self.fault == Fault::BusyLoop { Duration::ZERO } else { SECOND };
                    self.rings_at = Some(self.now + delay);
                    self.outputs.push_back(Output::IsSet);
                    if self.fault == Fault::Talks {
                        self.outputs.extend([Output::IsSet, Output::IsSet]);
                    }
                }
                Input::End => {
                    self.outputs.push_back(Output::Ended);
                    if self.fault == Fault::SpeaksAfterTheEnd {
                        self.outputs.push_back(Output::Rang);
                    }
                    if self.fault != Fault::WaitsAfterTheEnd {
                        self.rings_at = None;
                    }
                }
                Input::Timeout => {
                    let due = self.rings_at.is_some_and(|at| at <= self.now)
                        || self.fault == Fault::TrustsTheCaller
                        || self.fault == Fault::ListensToThePast && past;
                    if due && self.rings_at.is_some() {
                        self.outputs.push_back(Output::Rang);
                        if self.fault != Fault::ForgetsToRearm {
                            self.rings_at = Some(self.now + SECOND);
                        }
                    }
                    if self.fault == Fault::Postpones {
                        self.rings_at = self.rings_at.map(|at| at + SECOND);
                    }
                }
            }
        }

        fn poll_output(&mut self) -> Option<Output> {
            let output = self.outputs.pop_front();
            if output.is_none() && self.fault == Fault::SpeaksAgain {
                self.empty.set(self.empty.get() + 1);
                // Once the watcher has seen it drained and provoked it twice.
                return (self.empty.get() > 3).then_some(Output::Rang);
            }
            output
        }

        fn poll_timeout(&self) -> Option<Deadline> {
            self.rings_at.map(|at| Deadline { at, reason: "alarm" })
        }

        fn timeout() -> Input {
            Input::Timeout
        }

        fn is_last(output: &Output) -> bool {
            *output == Output::Ended
        }

        fn audit(&self) -> Result<(), &'static str> {
            if self.fault == Fault::Hoards && self.rings_at.is_some() {
                return Err("a hundred alarms");
            }
            Ok(())
        }
    }

    fn at(millis: u64) -> Now {
        Now { mono: Instant::from_millis(millis), ..Now::ZERO }
    }

    fn drain(toy: &mut Checked<Toy>) -> VecDeque<Output> {
        core::iter::from_fn(|| toy.poll_output()).collect()
    }

    /// A life with everything in it: a step back, a ring, an end.
    fn live(fault: Fault) -> Checked<Toy> {
        let mut toy = toy(fault);
        assert!(drain(&mut toy).is_empty());
        toy.handle(at(20_000), Input::Set);
        assert_eq!(drain(&mut toy), [Output::IsSet]);
        toy.handle(at(10_000), Input::Set);
        assert_eq!(drain(&mut toy), [Output::IsSet]);
        toy.handle(at(21_000), Input::Timeout);
        assert_eq!(drain(&mut toy), [Output::Rang]);
        toy.handle(at(21_500), Input::End);
        assert_eq!(drain(&mut toy), [Output::Ended]);
        assert_eq!(toy.poll_timeout(), None);
        assert_eq!(toy.poll_output(), None);
        toy
    }

    #[test]
    fn a_machine_that_keeps_the_contract_is_left_alone() {
        let twice = [live(Fault::None), live(Fault::None)].map(|toy| toy.digest());
        assert_eq!(twice[0], twice[1]);
        assert_ne!(twice[0], toy(Fault::None).digest());
        let mut eternal = toy(Fault::None);
        drain(&mut eternal);
        eternal.handle(Now { mono: Instant::MAX, ..Now::ZERO }, Input::Set);
        assert_eq!(drain(&mut eternal), [Output::IsSet]);
    }

    #[test]
    #[should_panic(expected = "rule 1 (drain): the caller gave an input")]
    fn a_caller_that_does_not_drain_is_caught() {
        let mut toy = toy(Fault::None);
        drain(&mut toy);
        toy.handle(at(1), Input::Set);
        toy.handle(at(1), Input::Set);
    }

    #[test]
    #[should_panic(expected = "rule 1 (drain): the caller asked for the deadline")]
    fn a_caller_that_asks_for_the_deadline_too_early_is_caught() {
        let mut toy = toy(Fault::None);
        drain(&mut toy);
        toy.handle(at(1), Input::Set);
        toy.poll_timeout();
    }

    #[test]
    #[should_panic(expected = "rule 1 (drain): an output after None")]
    fn an_output_after_the_drain_is_caught() {
        let mut toy = toy(Fault::SpeaksAgain);
        drain(&mut toy);
        toy.poll_output();
    }

    #[test]
    #[should_panic(expected = "rule 2 (time)")]
    fn a_machine_that_lets_time_go_back_is_caught() {
        live(Fault::FollowsTheClock);
    }

    #[test]
    #[should_panic(expected = "rule 2 (time)")]
    fn a_machine_that_acts_on_a_time_out_from_the_past_is_caught() {
        live(Fault::ListensToThePast);
    }

    #[test]
    #[should_panic(expected = "rule 3 (deadlines): alarm")]
    fn a_busy_loop_is_caught() {
        live(Fault::BusyLoop);
    }

    #[test]
    #[should_panic(expected = "rule 3 (deadlines): alarm")]
    fn a_deadline_that_stays_when_it_has_passed_is_caught() {
        live(Fault::ForgetsToRearm);
    }

    #[test]
    #[should_panic(expected = "rule 4 (time-outs): a time-out that was not due made it say Rang")]
    fn a_machine_that_acts_on_an_early_time_out_is_caught() {
        live(Fault::TrustsTheCaller);
    }

    #[test]
    #[should_panic(expected = "rule 4 (time-outs): a time-out that was not due moved")]
    fn a_deadline_that_each_time_out_postpones_is_caught() {
        live(Fault::Postpones);
    }

    #[test]
    #[should_panic(expected = "rule 6 (last output): an output after")]
    fn an_output_after_the_last_one_is_caught() {
        live(Fault::SpeaksAfterTheEnd);
    }

    #[test]
    #[should_panic(expected = "rule 6 (last output): a deadline after")]
    fn a_deadline_after_the_last_output_is_caught() {
        live(Fault::WaitsAfterTheEnd);
    }

    #[test]
    #[should_panic(expected = "rule 8 (bounds): more outputs")]
    fn more_outputs_than_stated_are_caught() {
        live(Fault::Talks);
    }

    #[test]
    #[should_panic(expected = "rule 8 (bounds): a hundred alarms")]
    fn a_queue_beyond_its_bound_is_caught() {
        live(Fault::Hoards);
    }
}
