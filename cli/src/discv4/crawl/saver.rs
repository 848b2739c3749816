//! Writes the file while the crawl goes on, in a thread of its own: a disk
//! that dawdles holds up no answer.

use std::io;
use std::path::PathBuf;
use std::thread;

use async_channel::{Receiver, Sender};

use crate::failure::Failure;
use crate::nodes::{self, NodeSet};

/// Takes sets to write, one at a time.
pub(super) struct Saver {
    sets: Sender<NodeSet>,
    written: Receiver<Result<(), Failure>>,
    busy: bool,
}

impl Saver {
    pub(super) fn start(path: PathBuf) -> io::Result<Self> {
        let (sets, waiting) = async_channel::bounded::<NodeSet>(1);
        let (tell, written) = async_channel::bounded(1);
        let work = move || {
            while let Ok(nodes) = waiting.recv_blocking() {
                if tell.send_blocking(nodes::save(&nodes, &path)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("saver".into()).spawn(work)?;
        Ok(Self { sets, written, busy: false })
    }

    /// Whether nothing is being written.
    pub(super) const fn is_idle(&self) -> bool {
        !self.busy
    }

    /// Has this written, if nothing else is being written.
    pub(super) fn save(&mut self, nodes: &NodeSet) {
        if self.is_idle() && self.sets.try_send(nodes.clone()).is_ok() {
            self.busy = true;
        }
    }

    /// Waits until what was being written is.
    pub(super) async fn written(&mut self) -> Result<(), Failure> {
        if self.is_idle() {
            return core::future::pending().await;
        }
        let result = self.written.recv().await;
        self.busy = false;
        result.unwrap_or(Ok(()))
    }

    /// Writes this, after whatever is being written, and ends.
    pub(super) async fn finish(mut self, nodes: NodeSet) -> Result<(), Failure> {
        if self.busy {
            // What comes now is newer, and says itself whether it can be written.
            let _ = self.written().await;
        }
        self.save(&nodes);
        self.written().await
    }
}
