//! The lines of a `listen`, written by a thread of its own, so that a reader who
//! dawdles holds up what is to be told, and no connection.

use core::time::Duration;
use std::io::{self, Write as _};
use std::thread;

use async_channel::{Receiver, Sender};

/// Lines that may wait. Then those who come and go wait as well.
const WAITING: usize = 256;

/// Bytes that are written at once when many lines wait.
const BATCH: usize = 16 * 1024;

/// After a line others may come for so long, to be written at once: a thread that
/// wakes for every line costs more than what it tells of.
const GATHER: Duration = Duration::from_millis(5);

/// Takes lines. Clones are the same.
#[derive(Clone)]
pub(crate) struct Lines(Sender<String>);

/// Where it is told how the writing ended: after the last line, or when
/// nothing more could be written.
pub(crate) struct Written(Receiver<io::Result<()>>);

impl Lines {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<(Self, Written)> {
        let (lines, waiting) = async_channel::bounded(WAITING);
        let (end, ended) = async_channel::bounded(1);
        let write = move || {
            let result = write(&waiting);
            // Those who wait for room must learn that there will be none.
            drop(waiting);
            let _ = end.try_send(result);
        };
        thread::Builder::new().name("output".into()).spawn(write)?;
        Ok((Self(lines), Written(ended)))
    }

    /// Prints a line, as soon as there is room for it. Lines that nobody can
    /// read are dropped: [`Written::end`] says so.
    pub(crate) async fn say(&self, line: String) {
        let _ = self.0.send(line).await;
    }
}

impl Written {
    /// Waits for the end.
    pub(crate) async fn end(&self) -> io::Result<()> {
        self.0.recv().await.unwrap_or(Ok(()))
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
