//! SIGINT and SIGTERM: the first asks to end, the second ends at once.
//!
//! A thread of their own waits for them, so that the second one is obeyed even
//! while everything else waits for a pipe that nobody reads.

use std::io;
use std::thread;

use async_channel::Receiver;
use async_signal::{Signal as Caught, Signals};
use futures_lite::StreamExt as _;

/// A signal that asks us to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill` sends.
    Terminate,
}

impl Signal {
    /// The exit status of a program that it cut short, as shells have it.
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

#[cfg(unix)]
const SIGNALS: &[Caught] = &[Caught::Int, Caught::Term];
#[cfg(not(unix))]
const SIGNALS: &[Caught] = &[Caught::Int];

/// Catches both signals from now on. The first one arrives at the receiver.
pub(crate) fn watch() -> io::Result<Receiver<Signal>> {
    let mut signals = Signals::new(SIGNALS)?;
    let (first, watched) = async_channel::bounded(1);
    let wait = move || {
        async_io::block_on(async {
            while let Some(Ok(signal)) = signals.next().await {
                let interrupt = matches!(signal, Caught::Int);
                let signal = if interrupt { Signal::Interrupt } else { Signal::Terminate };
                if first.try_send(signal).is_err() {
                    std::process::exit(signal.status().into());
                }
            }
        });
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(watched)
}
