//! The lines of what runs until it is told to stop, written by a thread of its own,
//! so that a reader who dawdles holds up what is to be told at most, and no
//! connection.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;

use async_channel::{Receiver, Sender, TrySendError};

use crate::runtime::within;

/// What becomes of a line when too many wait already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// It waits, and whoever has it to say with it: of a tool, whose lines are what
    /// it is run for.
    Wait,
    /// It is dropped and counted: of a service, which nobody may be looking at.
    Drop,
}

impl Full {
    /// Lines that may wait.
    const fn waiting(self) -> usize {
        match self {
            Self::Wait => 256,
            Self::Drop => 4096,
        }
    }
}

/// For the last lines of a service to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Bytes that are written at once when many lines wait.
const BATCH: usize = 16 * 1024;

/// After a line others may come for so long, to be written at once: a thread that
/// wakes for every line costs more than what it tells of.
const GATHER: Duration = Duration::from_millis(5);

/// Takes lines. Clones are the same.
#[derive(Clone)]
pub(crate) struct Lines {
    waiting: Sender<String>,
    full: Full,
    /// Since it was last said how many.
    dropped: Arc<AtomicU64>,
}

/// Where it is told how the writing ended: after the last line, or when
/// nothing more could be written.
pub(crate) struct Written(Receiver<io::Result<()>>, Full);

impl Lines {
    /// Starts the thread.
    pub(crate) fn start(full: Full) -> io::Result<(Self, Written)> {
        let (lines, waiting) = async_channel::bounded(full.waiting());
        let (end, ended) = async_channel::bounded(1);
        let write = move || {
            let result = write(&waiting);
            // Those who wait for room must learn that there will be none.
            drop(waiting);
            let _ = end.try_send(result);
        };
        thread::Builder::new().name("output".into()).spawn(write)?;
        let lines = Self { waiting: lines, full, dropped: Arc::default() };
        Ok((lines, Written(ended, full)))
    }

    /// Prints a line, as soon as there is room for it. Lines that nobody can
    /// read are dropped: [`Written::end`] says so.
    pub(crate) async fn say(&self, line: String) {
        match self.full {
            Full::Wait => drop(self.waiting.send(line).await),
            Full::Drop => self.try_say(line),
        }
    }

    fn try_say(&self, line: String) {
        match self.waiting.try_send(line) {
            Ok(()) => {
                let lines = self.dropped.swap(0, Ordering::Relaxed);
                if lines > 0 {
                    tracing::warn!(lines, "standard output was full: lines were dropped");
                }
            }
            Err(TrySendError::Full(_)) => {
                if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!("standard output is full: lines are dropped");
                }
            }
            // Why is told in the end.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

impl Written {
    /// Waits for the end; of a service not for long.
    pub(crate) async fn end(&self) -> io::Result<()> {
        let end = async { self.0.recv().await.unwrap_or(Ok(())) };
        match self.1 {
            Full::Wait => end.await,
            Full::Drop => {
                let late =
                    || io::Error::new(io::ErrorKind::TimedOut, "nobody reads the last lines");
                within(LAST_LINES, end).await.unwrap_or_else(|| Err(late()))
            }
        }
    }
}

fn write(waiting: &Receiver<String>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let mut batch = String::new();
    while let Ok(line) = waiting.recv_blocking() {
        batch.clear();
        batch.push_str(&line);
        batch.push('\n');
        while batch.len() < BATCH
            && let Ok(line) = waiting.try_recv()
        {
            batch.push_str(&line);
            batch.push('\n');
        }
        output.write_all(batch.as_bytes())?;
        output.flush()?;
        thread::sleep(GATHER);
    }
    Ok(())
}
