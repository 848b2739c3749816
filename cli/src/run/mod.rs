//! `devp2p run`: a whole node, which finds others, connects to them, and tells who
//! comes and who goes.

mod directory;
mod doors;
mod file;
mod reload;
mod service;
mod settings;
mod tidings;

use std::io;
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::SeedChain;
use devp2p_smol::core::identity::Record;
use devp2p_smol::{Event, Node, host};
use futures_lite::future::{or, zip};

use crate::args::Run;
use crate::failure::{Failure, system};
use crate::runtime::{self, Runtime};
use crate::signals::{self, Hangups};
use crate::writer::{Full, Lines, Written};
use crate::{key, rlpx};

use directory::Directory;
use reload::Reloads;
use settings::Settings;

pub(crate) use directory::DirectoryError;
pub(crate) use file::FileError;

/// No file is made before what was asked for has been read and found right.
pub(crate) fn run(arguments: &Run) -> Result<(), Failure> {
    runtime::raise_file_limit();
    let settings = Settings::read(arguments)?;
    let given = given_key(arguments)?;
    // Before others may send them.
    let signals = signals::watch().map_err(system("signals"))?;
    let hangups = Hangups::watch().map_err(system("signals"))?;
    // Others are kept out of it until the node is gone.
    let directory = settings.data_directory.as_deref().map(Directory::open).transpose()?;
    let doors = doors::Closed::open(&settings, arguments.metrics)?;
    let mut seeds = SeedChain::new(host::seed()?);
    let key = match (given, &directory) {
        (Some(key), _) => key,
        (None, Some(directory)) => directory.key()?,
        (None, None) => SecretKey::generate(&mut seeds.draw().secrets()),
    };
    let (config, seed) = (settings.node(key)?, seeds.draw());
    let kept = directory.as_ref().map(Directory::node_database);
    runtime::run(arguments.runtime, async move |runtime| {
        // With it go the copies of key and seed.
        let node = settings.start(config, seed, kept, &runtime)?;
        let doors = doors.serve(&node, &runtime)?;
        let (lines, written) = Lines::start(Full::Drop).map_err(system("output thread"))?;
        let record = node.record();
        let host = Host { record, node, doors, lines, runtime, json: arguments.json };
        let until = async {
            let _ = signals.recv().await;
        };
        let reloads = Reloads::new(arguments, hangups, settings.live);
        host.serve(until, reloads, &written).await.map_err(Failure::Output)
    })?
}

/// The key that the command line names.
fn given_key(arguments: &Run) -> Result<Option<SecretKey>, Failure> {
    match (&arguments.nodekey, &arguments.nodekeyhex) {
        (Some(file), _) => key::load(file).map(Some),
        (None, Some(digits)) => key::from_hex(digits).map(Some),
        (None, None) => Ok(None),
    }
}

struct Host {
    node: Node,
    record: Arc<Record>,
    doors: doors::Doors,
    lines: Lines,
    runtime: Runtime,
    json: bool,
}

impl Host {
    /// Serves until it is told to stop. Others are connected to it though nobody
    /// reads any more what it says: what cannot be written is dropped, and why is
    /// known in the end.
    async fn serve(
        self,
        until: impl Future<Output = ()>,
        mut reloads: Reloads<'_>,
        written: &Written,
    ) -> io::Result<()> {
        let enode = self.node.enode();
        self.lines.say(tidings::listening(&enode, &self.record, self.json)).await;
        if let Some(url) = self.doors.metrics_url() {
            self.lines.say(tidings::metrics(url, self.json)).await;
        }
        service::ready();
        or(until, or(self.receive(), reloads.follow(&self.node))).await;
        service::stopping();
        // Events are taken meanwhile: those who wait to be told of end too.
        let _ = zip(self.node.stop(), self.receive()).await;
        drop((self.doors, self.lines));
        written.end().await
    }

    /// Takes what happens until the node has stopped.
    async fn receive(&self) {
        while let Some(event) = self.node.next_event().await {
            match event {
                Event::Connected(peer) => {
                    self.doors.admitted(&peer);
                    let guest = rlpx::listen::attend(peer, self.lines.clone(), self.json);
                    self.runtime.spawn(guest);
                }
                Event::Failed(failure) => {
                    self.lines.say(rlpx::tidings::refused(&failure, self.json)).await;
                }
                // Most nodes of a public network are not there: that is no news.
                Event::DialFailed { .. } => {}
                // The task that attends to the peer says so, in its turn.
                Event::Disconnected { .. } => {}
                event @ (Event::WantsCandidates(_) | _) => {
                    tracing::error!(?event, "not expected");
                }
            }
        }
    }
}
