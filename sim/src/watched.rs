//! A machine, held to its contract or not: whether it is, is said at run time.

use core::borrow::Borrow;

use devp2p_core::machine::{Checked, Machine};
use devp2p_core::time::{Deadline, Now};

/// A machine that behaves the same in both cases. [`Checked`] costs several
/// times what most machines do, so large networks do without.
#[derive(Debug)]
pub(crate) enum Watched<M> {
    Bare(M),
    Checked(Box<Checked<M>>),
}

impl<M: Machine> Watched<M> {
    pub(crate) fn new(machine: M, checked: bool) -> Self {
        if checked { Self::Checked(Box::new(Checked::new(machine))) } else { Self::Bare(machine) }
    }

    pub(crate) fn get(&self) -> &M {
        match self {
            Self::Bare(machine) => machine,
            Self::Checked(checked) => checked.get(),
        }
    }
}

impl<M: Machine> Borrow<M> for Watched<M> {
    fn borrow(&self) -> &M {
        self.get()
    }
}

impl<M: Machine> Machine for Watched<M> {
    type Input<'a> = M::Input<'a>;
    type Output = M::Output;

    fn handle(&mut self, now: Now, input: Self::Input<'_>) {
        match self {
            Self::Bare(machine) => machine.handle(now, input),
            Self::Checked(checked) => checked.handle(now, input),
        }
    }

    fn poll_output(&mut self) -> Option<M::Output> {
        match self {
            Self::Bare(machine) => machine.poll_output(),
            Self::Checked(checked) => checked.poll_output(),
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match self {
            Self::Bare(machine) => machine.poll_timeout(),
            Self::Checked(checked) => checked.poll_timeout(),
        }
    }

    fn timeout() -> Self::Input<'static> {
        M::timeout()
    }

    fn is_last(output: &M::Output) -> bool {
        M::is_last(output)
    }

    const MAX_OUTPUTS: usize = M::MAX_OUTPUTS;

    fn audit(&self) -> Result<(), &'static str> {
        match self {
            Self::Bare(machine) => machine.audit(),
            Self::Checked(checked) => checked.audit(),
        }
    }
}
