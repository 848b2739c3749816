//! The listener serves on, whatever comes and whatever the system lacks.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs::{self, File};
use std::thread;
use std::time::Instant;

use devp2p_core::limits;
use devp2p_core::p2p::DisconnectReason;
use devp2p_handle::{Node, Peer};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Level, Metadata, Subscriber};

use super::Runtime;
use super::raw::{RawPeer, stranger};
use super::rig::{ECHO, Rig, local};

impl<R: Runtime> Rig<R> {
    /// Dials again and again, at once, until there is a place.
    async fn dial_until_admitted(&self, from: &Node, to: &Node) -> Peer {
        let enode = to.enode();
        let dialling = async {
            loop {
                if let Ok(peer) = from.dial(&enode).await {
                    break peer;
                }
            }
        };
        self.within("a place", dialling).await
    }
}

pub fn a_stranger_is_served_after_fifty_connections_that_never_speak<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        rig.serve_echo(&node);
        let address = node.address().unwrap();
        let begun = Instant::now();
        let silent: Vec<_> = (0..limits::PENDING_CONNECTIONS).map(|_| stranger(address)).collect();
        let dialler = rig.echo_node();
        let peer = rig.dial_until_admitted(&dialler, &node).await;
        let took = begun.elapsed();
        // Those who are silent make room after half a second, and not for nothing.
        assert!((limits::SILENT_CONNECTION..Duration::from_secs(4)).contains(&took), "{took:?}");
        rig.round_trip(&peer.channel(ECHO).unwrap(), 1, 1000).await;
        drop(silent);
    });
}

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The process's memory and files, which it may have more of than most. Run alone.
pub fn two_thousand_connections_that_never_speak_keep_nobody_out<R: Runtime>() {
    const SILENT: usize = 2000;
    /// They get in no faster than those before them make room, fifty in half a
    /// second: some twenty seconds.
    const ALL_IN: Duration = Duration::from_secs(60);
    rlimit::increase_nofile_limit(8192).unwrap();
    Rig::<R>::run(async |rig| {
        let (node, dialler) = (rig.echo_node(), rig.echo_node());
        rig.serve_echo(&node);
        let address = node.address().unwrap();
        drop(rig.dial(&dialler, &node).await.unwrap());
        let before = resident();
        let silent =
            thread::spawn(move || -> Vec<_> { (0..SILENT).map(|_| stranger(address)).collect() });
        let all_are_here = async {
            while !silent.is_finished() {
                rig.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        rig.at_most(ALL_IN, all_are_here).await.expect("not all strangers got in");
        let silent = silent.join().unwrap();
        let begun = Instant::now();
        let peer = rig.dial_until_admitted(&dialler, &node).await;
        rig.round_trip(&peer.channel(ECHO).unwrap(), 1, 1000).await;
        let (took, grown) = (begun.elapsed(), resident().saturating_sub(before));
        println!("{SILENT} silent: a peer was served after {took:?}; {grown} bytes more in memory");
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert!(grown < 4 << 20, "{grown} bytes for {SILENT} connections");
        drop(silent);
    });
}

/// As many as ten a second are in a minute. The process's memory and files. Run
/// alone.
pub fn peers_that_come_and_leave_at_once_leave_nothing<R: Runtime>() {
    const AT_A_TIME: usize = 100;
    const TIMES: usize = 600;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        rig.serve_echo(&node);
        let ended = || node.ends().by_name().iter().map(|(_, count)| count).sum::<u64>();
        let come_and_leave = async || {
            for _ in 0..TIMES / AT_A_TIME {
                let (enode, before) = (node.enode(), ended());
                // Few threads, for each may leave memory behind.
                let visits = thread::spawn(move || {
                    for _ in 0..AT_A_TIME {
                        let guest = RawPeer::dial(local(&[(ECHO, 1, 2)]), &enode);
                        guest.disconnect_and_close(DisconnectReason::Quitting);
                    }
                });
                rig.until("visits", || visits.is_finished()).await;
                visits.join().unwrap();
                rig.until("an empty house", || ended() == before + AT_A_TIME as u64).await;
            }
        };
        // What is kept for another time, what a list grows to, and the story of each
        // of them, until there are as many as a node remembers.
        for _ in 0..limits::JOURNAL_STRANGERS.div_ceil(TIMES) {
            come_and_leave().await;
        }
        let (memory, files) = (resident(), open_files());
        come_and_leave().await;
        let grown = resident().saturating_sub(memory);
        println!("{TIMES} that came and left: {grown} bytes more in memory");
        assert!(grown < 256 << 10, "{grown} bytes for {TIMES}");
        rig.until("the last file", || open_files() <= files).await;
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
        // The one before may not be quite gone.
        let peer = rig.dial_until_admitted(&dialler, &node).await;
        rig.round_trip(&peer.channel(ECHO).unwrap(), 1, 1000).await;
        drop(waiting);
    });
}
