//! The listener serves on, whatever comes and whatever the system lacks.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs::File;
use std::time::Instant;

use devp2p_core::limits;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Level, Metadata, Subscriber};

use super::Runtime;
use super::raw::stranger;
use super::rig::{ECHO, Rig};

pub fn a_stranger_is_served_after_fifty_connections_that_never_speak<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        rig.serve_echo(&node);
        let address = node.address().unwrap();
        let begun = Instant::now();
        let silent: Vec<_> = (0..limits::PENDING_CONNECTIONS).map(|_| stranger(address)).collect();
        let dialler = rig.echo_node();
        let enode = node.enode();
        let peer = async {
            loop {
                if let Ok(peer) = dialler.dial(&enode).await {
                    break peer;
                }
            }
        };
        let peer = rig.within("a place", peer).await;
        let took = begun.elapsed();
        // Those who are silent make room after half a second, and not for nothing.
        assert!((limits::SILENT_CONNECTION..Duration::from_secs(4)).contains(&took), "{took:?}");
        rig.round_trip(&peer.channel(ECHO).unwrap(), 1, 1000).await;
        drop(silent);
    });
}

/// Whether anybody was warned.
static WARNED: AtomicBool = AtomicBool::new(false);

struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Accept;
        impl Visit for Accept {
            fn record_debug(&mut self, _: &Field, value: &dyn core::fmt::Debug) {
                if format!("{value:?}").contains("cannot accept") {
                    WARNED.store(true, Ordering::SeqCst);
                }
            }
        }
        event.record(&mut Accept);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Every file that the process may still open. Run alone.
pub fn the_listener_outlives_a_lack_of_file_descriptors<R: Runtime>() {
    tracing::subscriber::set_global_default(Warnings).unwrap();
    Rig::<R>::run(async |rig| {
        let (node, dialler) = (rig.echo_node(), rig.echo_node());
        rig.serve_echo(&node);
        // One connection before, for whatever is opened on first use.
        let peer = rig.dial(&dialler, &node).await.unwrap();
        drop(peer);

        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        // Only as much as a client needs to come: the system takes it in for
        // the listener, which cannot accept it.
        files.pop();
        let waiting = stranger(node.address().unwrap());
        rig.until("a warning", || WARNED.load(Ordering::SeqCst)).await;
        drop(files);
        let admitted = async {
            loop {
                // The one before may not be quite gone.
                if let Ok(peer) = dialler.dial(&node.enode()).await {
                    break peer;
                }
            }
        };
        let peer = rig.within("a connection", admitted).await;
        rig.round_trip(&peer.channel(ECHO).unwrap(), 1, 1000).await;
        drop(waiting);
    });
}
