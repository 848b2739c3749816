//! `devp2p discv4 listen`: a node for discovery alone, which others can begin
//! with, whoever reads what it prints.

use std::io;
use std::sync::Arc;

use devp2p_smol::core::identity::Record;
use devp2p_smol::host::Nat;
use devp2p_smol::{Discovery, DiscoveryEvent, Executor};
use futures_lite::future::{or, zip};

use super::{node, tidings};
use crate::args::Bootnode;
use crate::failure::{Failure, system};
use crate::writer::{Full, Lines, Written};
use crate::{signals, workers};

pub(super) fn run(listen: &Bootnode) -> Result<(), Failure> {
    let arguments = &listen.discover;
    // Who announces an address has seen to it.
    let announced = arguments.extaddr.as_ref().map(|_| Nat::None);
    let nat = listen.nat.clone().or(announced).unwrap_or(Nat::Any);
    let bootnodes = node::bootnodes(arguments.bootnodes.as_deref())?;
    let signals = signals::watch().map_err(system("signals"))?;
    let executor = Arc::new(Executor::new());
    let discovery = super::start(arguments, bootnodes, &nat, &executor)?;
    let (lines, written) = Lines::start(Full::Drop).map_err(system("output thread"))?;
    let record = discovery.record();
    let host = Host { discovery, record, lines, json: arguments.json };
    let until = async {
        let _ = signals.recv().await;
    };
    workers::run(&executor, host.serve(until, &written))?.map_err(Failure::Output)
}

struct Host {
    discovery: Discovery,
    record: Arc<Record>,
    lines: Lines,
    json: bool,
}

impl Host {
    /// Serves until it is told to stop. Others need it though nobody reads any
    /// more what it says: what cannot be written is dropped, and why is known in
    /// the end.
    async fn serve(self, until: impl Future<Output = ()>, written: &Written) -> io::Result<()> {
        self.lines.say(tidings::listening(&self.record, self.json)).await;
        or(until, self.receive()).await;
        // Who waits to be told of what happens ends too.
        let _ = zip(self.discovery.stop(), self.receive()).await;
        drop(self.lines);
        written.end().await
    }

    /// Takes what happens until discovery has stopped.
    async fn receive(&self) {
        while let Some(event) = self.discovery.next_event().await {
            // The record that was said first.
            if matches!(&event, DiscoveryEvent::LocalRecord(record) if *record == self.record) {
                continue;
            }
            if let Some(line) = tidings::happened(&event, self.json) {
                self.lines.say(line).await;
            }
        }
    }
}
