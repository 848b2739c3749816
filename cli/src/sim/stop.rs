//! A signal ends a swarm between two seconds of its worlds.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::failure::{Failure, system};
use crate::signals::{self, Signal};

/// Whether it is to end, and by whose wish.
pub(super) struct Stop(Arc<State>);

#[derive(Default)]
struct State {
    flag: AtomicBool,
    signal: OnceLock<Signal>,
}

impl Stop {
    /// Sets itself when a signal comes.
    pub(super) fn watch() -> Result<Self, Failure> {
        let signals = signals::watch().map_err(system("signals"))?;
        let state = Arc::new(State::default());
        let set = Arc::clone(&state);
        let wait = move || {
            if let Ok(signal) = signals.recv_blocking() {
                let _ = set.signal.set(signal);
                set.flag.store(true, Ordering::Release);
            }
        };
        let spawned = thread::Builder::new().name("stop".into()).spawn(wait);
        spawned.map_err(system("waiting thread"))?;
        Ok(Self(state))
    }

    pub(super) fn flag(&self) -> &AtomicBool {
        &self.0.flag
    }

    /// Sets it for another reason.
    pub(super) fn now(&self) {
        self.0.flag.store(true, Ordering::Release);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    /// The signal that has come, if one has.
    pub(super) fn by(&self) -> Option<Signal> {
        self.0.signal.get().copied()
    }
}
