//! SIGINT and SIGTERM: the first asks to end, the second ends at once. SIGHUP asks
//! to read the configuration again.
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
            let mut asked = false;
            while let Some(Ok(signal)) = signals.next().await {
                let interrupt = matches!(signal, Caught::Int);
                let signal = if interrupt { Signal::Interrupt } else { Signal::Terminate };
                // Also when whoever was to be asked has gone.
                if asked || first.try_send(signal).is_err() {
                    std::process::exit(signal.status().into());
                }
                asked = true;
            }
        });
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(watched)
}

#[cfg(unix)]
const HANGUPS: &[Caught] = &[Caught::Hup];
#[cfg(not(unix))]
const HANGUPS: &[Caught] = &[];

/// SIGHUP, caught from now on.
#[derive(Debug)]
pub(crate) struct Hangups(Signals);

impl Hangups {
    pub(crate) fn watch() -> io::Result<Self> {
        Signals::new(HANGUPS).map(Self)
    }

    /// Waits for the next. Several that come at once may count as one.
    pub(crate) async fn wait(&mut self) {
        if !matches!(self.0.next().await, Some(Ok(_))) {
            core::future::pending::<()>().await;
        }
    }
}
