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

use alloc::format;
use core::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::time::{Deadline, Instant, Now};

/// A state machine without I/O. See the [module](self) for the rules.
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

/// A machine under watch: it behaves as the machine it wraps and panics, by
/// intent, as soon as that machine or its caller breaks the contract.
///
/// Beside watching, it provokes: after each drain it hands in a time-out that
/// is not due, which must change nothing. All tests of core and the simulator
/// wrap their machines in it; production does not.
#[derive(Debug)]
pub struct Checked<M> {
    machine: M,
    now: Now,
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
        // Rule 4: nothing is due, so this must do nothing.
        self.machine.handle(self.now, M::timeout());
        if let Some(output) = self.machine.poll_output() {
            violated("4 (time-outs)", &format!("an early time-out made it say {output:?}"));
        }
        if self.machine.poll_timeout() != deadline {
            violated("4 (time-outs)", "an early time-out moved the deadline");
        }
    }

    fn require_later(&self, deadline: Option<Deadline>) {
        if let Some(deadline) = deadline
            && deadline.at <= self.now.mono
            && self.now.mono != Instant::MAX
        {
            violated("3 (deadlines)", deadline.reason);
        }
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
        if now.mono > self.now.mono {
            self.now.mono = now.mono;
        }
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

/// The one deliberate panic of core: it is how a test learns of a breach.
#[expect(
    clippy::panic,
    reason = "Checked is for tests and the simulator, where a breach must stop the run"
)]
fn violated(rule: &str, what: &str) -> ! {
    panic!("the machine contract is broken, rule {rule}: {what}")
}
