//! Discovery over real sockets: nodes find each other, and nothing that comes by
//! UDP disturbs what it should not.

use core::net::SocketAddr;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::DropReason;
use devp2p_core::driver::SocketFailure;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::Contact;
use devp2p_core::limits;
use devp2p_core::node;
use devp2p_handle::{
    Discovery, DiscoveryEvent, DiscoverySnapshot, PingReply, RequestError, Stopped,
};
use devp2p_host::{Config, StartError};
use futures_lite::future;

use super::Runtime;
use super::rig::{ANY, ECHO, Rig, noise, unique};

/// Within which time discovery must stop: it has nothing to wait for but what
/// its threads have begun.
const STOP: Duration = Duration::from_secs(2);

pub(super) fn key() -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(unique()).derive("key", 0).secrets())
}

/// A node at this address.
fn contact_at(address: SocketAddr) -> Contact {
    Contact::new(key().public_key(), address.ip(), address.port(), 0)
}

/// How others know it.
pub(super) fn contact(discovery: &Discovery) -> Contact {
    Contact::from_enode(&discovery.enode())
}

/// A socket that takes datagrams and never answers.
fn silent() -> (UdpSocket, Contact) {
    let socket = UdpSocket::bind(ANY).unwrap();
    let contact = contact_at(socket.local_addr().unwrap());
    (socket, contact)
}

/// Who the table knows.
fn knows(snapshot: &DiscoverySnapshot, discovery: &Discovery) -> bool {
    let key = *discovery.record().public_key();
    snapshot.contacts.iter().any(|contact| *contact.public_key() == key)
}

impl<R: Runtime> Rig<R> {
    fn discover(
        &self,
        listen: SocketAddr,
        bootnodes: &[&Discovery],
        verifiers: usize,
    ) -> Result<Discovery, StartError> {
        self.discover_with(key(), listen, bootnodes, verifiers, None)
    }

    pub(super) fn discover_with(
        &self,
        key: SecretKey,
        listen: SocketAddr,
        bootnodes: &[&Discovery],
        verifiers: usize,
        node_database: Option<&Path>,
    ) -> Result<Discovery, StartError> {
        let mut config = node::Config::new(key);
        config.bootstrap_nodes = bootnodes.iter().map(|bootnode| contact(bootnode)).collect();
        let seed = Seed::from_number(unique()).derive("discovery", 0);
        let config = Config::new(config, seed).discovery(listen).verifiers(verifiers);
        self.runtime.discover(match node_database {
            Some(directory) => config.node_database(directory),
            None => config,
        })
    }

    pub(super) fn discovery(&self, bootnodes: &[&Discovery]) -> Discovery {
        self.discover(ANY, bootnodes, 1).unwrap()
    }

    pub(super) async fn snapshot(&self, discovery: &Discovery) -> DiscoverySnapshot {
        self.within("snapshot", discovery.snapshot()).await.unwrap()
    }

    /// Waits until the snapshot is like this.
    pub(super) async fn sees(
        &self,
        what: &str,
        discovery: &Discovery,
        mut condition: impl FnMut(&DiscoverySnapshot) -> bool,
    ) {
        let looking = async {
            while !condition(&discovery.snapshot().await.unwrap()) {
                self.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        self.within(what, looking).await;
    }

    pub(super) async fn meets(&self, discovery: &Discovery, other: &Discovery) {
        self.sees("the other in the table", discovery, |snapshot| knows(snapshot, other)).await;
    }

    /// Asks until an answer comes: on a machine that has other things to do half a
    /// second may be too short.
    async fn answer<T>(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut() -> Result<T, RequestError>,
    ) -> T {
        let asking = async {
            loop {
                match ask().await {
                    Ok(answer) => return answer,
                    Err(error) => assert_eq!(error, RequestError::Timeout),
                }
            }
        };
        self.within(what, asking).await
    }

    pub(super) async fn pong(&self, from: &Discovery, to: &Contact) -> PingReply {
        self.answer("pong", async || from.ping(to).await).await
    }

    /// Pings until an answer comes: how many it took.
    async fn pings(&self, from: &Discovery, to: &Contact) -> u32 {
        let mut pings = 0;
        let ping = async || {
            pings += 1;
            from.ping(to).await
        };
        self.answer("pong", ping).await;
        pings
    }

    pub(super) async fn stop_discovery(&self, discovery: &Discovery) {
        let stopped = self.at_most(STOP, discovery.stop()).await;
        stopped.expect("discovery does not stop in time").unwrap();
    }
}

pub fn two_nodes_know_each_other_when_one_knows_the_other<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let bob = rig.discovery(&[&ann]);
        rig.meets(&bob, &ann).await;
        rig.meets(&ann, &bob).await;
        let pong = rig.pong(&ann, &contact(&bob)).await;
        assert_eq!(pong.sequence, bob.record().sequence());
        assert_eq!(pong.seen_at, Some(ann.address()));
        let ann_there = contact(&ann);
        let fetched = rig.answer("record", async || bob.request_record(&ann_there).await).await;
        assert_eq!(fetched.record(), Some(&ann.record()));
        assert_eq!(fetched.udp_endpoint(), Some(ann.address()));
        let met = async {
            while let Some(event) = bob.next_event().await {
                if matches!(event, DiscoveryEvent::Ready) {
                    return;
                }
            }
        };
        rig.within("the event that says ready", met).await;
        assert_eq!(bob.missed_events(), 0);
    });
}

pub fn a_third_node_is_found_through_the_first<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let bob = rig.discovery(&[&ann]);
        rig.meets(&ann, &bob).await;
        let carol = rig.discovery(&[&ann]);
        rig.meets(&carol, &ann).await;
        let target = *bob.record().public_key().as_bytes();
        let looking = async {
            loop {
                let found = carol.look_up(target).await.unwrap();
                if let Some(first) = found.first()
                    && *first.public_key() == *bob.record().public_key()
                {
                    return first.udp_endpoint();
                }
                rig.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        let found = rig.within("bob", looking).await;
        assert_eq!(found, Some(bob.address()));
        let ann_there = contact(&ann);
        // Named are only those who have answered a ping of the table.
        let named = async {
            loop {
                let ask = async || carol.find_node(&ann_there, target).await;
                let neighbours = rig.answer("neighbours", ask).await;
                if neighbours.iter().any(|node| node.udp_endpoint() == found) {
                    break;
                }
                rig.runtime.sleep(Duration::from_millis(5)).await;
            }
        };
        rig.within("bob among the neighbours", named).await;
        let walked = rig.within("random nodes", carol.random_nodes()).await.unwrap();
        assert!(!walked.is_empty());
        let resolved = rig.within("resolve", carol.resolve(&contact(&bob))).await.unwrap();
        assert_eq!(resolved.record(), Some(&bob.record()));
    });
}

pub fn packets_are_verified_without_threads_too<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discover(ANY, &[], 0).unwrap();
        let bob = rig.discover(ANY, &[&ann], 0).unwrap();
        rig.meets(&ann, &bob).await;
        rig.pong(&ann, &contact(&bob)).await;
        rig.pong(&bob, &contact(&ann)).await;
    });
}

pub fn one_socket_takes_both_families<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let Ok(both) = rig.discover("[::]:0".parse().unwrap(), &[], 1) else {
            // No IPv6 here.
            return;
        };
        let four = rig.discovery(&[&both]);
        let pong = rig.pong(&both, &contact(&four)).await;
        // The mapped address is nobody's business.
        assert_eq!(pong.seen_at, Some(SocketAddr::new(ANY.ip(), both.address().port())));
        rig.pong(&four, &contact(&both)).await;
        rig.meets(&both, &four).await;
        let snapshot = rig.snapshot(&both).await;
        assert!(snapshot.contacts.iter().all(|node| node.udp_endpoint() == Some(four.address())));

        let Ok(six) = rig.discover("[::1]:0".parse().unwrap(), &[], 1) else { return };
        rig.pong(&both, &contact(&six)).await;
        let failed = rig.within("time-out", four.ping(&contact(&six))).await;
        assert_eq!(failed, Err(RequestError::Timeout));
        let datagrams = rig.snapshot(&four).await.datagrams;
        assert_eq!(datagrams.send_failures(SocketFailure::Unreachable), 1);
    });
}

pub fn datagrams_that_are_too_long_are_dropped_and_counted<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let stranger = UdpSocket::bind(ANY).unwrap();
        for length in [0, limits::DATAGRAM, limits::DATAGRAM + 1, 9000, 60_000] {
            stranger.send_to(&vec![7; length], ann.address()).unwrap();
        }
        rig.sees("all of them", &ann, |snapshot| snapshot.datagrams.received == 5).await;
        let drops = rig.snapshot(&ann).await.drops;
        assert_eq!(drops.of(DropReason::TooLong), 3);
        assert_eq!(drops.total(), 5);
        let bob = rig.discovery(&[]);
        rig.pong(&bob, &contact(&ann)).await;
    });
}

pub fn what_cannot_be_sent_is_counted_and_the_rest_goes_on<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let bob = rig.discovery(&[]);
        let closed = {
            let (socket, contact) = silent();
            drop(socket);
            contact
        };
        // The system answers by ICMP that nobody is there.
        let refused = rig.within("time-out", ann.ping(&closed)).await;
        assert_eq!(refused, Err(RequestError::Timeout));
        // Nobody may send there without asking first.
        let broadcast = contact_at("255.255.255.255:30303".parse().unwrap());
        let denied = rig.within("time-out", ann.ping(&broadcast)).await;
        assert_eq!(denied, Err(RequestError::Timeout));
        let datagrams = rig.snapshot(&ann).await.datagrams;
        let failures = [SocketFailure::Denied, SocketFailure::Unreachable]
            .map(|failure| datagrams.send_failures(failure));
        assert_eq!(failures.iter().sum::<u64>(), 1, "{datagrams:?}");
        rig.pong(&ann, &contact(&bob)).await;
        rig.pong(&bob, &contact(&ann)).await;
    });
}

/// Garbage from one socket, for as long as it is held.
struct Flood {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// In bursts, with so much between them that the system loses little: what is
    /// under test is the loop and not the buffer of its socket.
    fn new(to: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (stop, count) = (Arc::clone(&over), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let socket = UdpSocket::bind(ANY).unwrap();
            let mut garbage = noise(1, 600).to_vec();
            // Of a kind that there is, so that it comes as far as its hash.
            garbage[limits::PACKET_HEAD] = 1;
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..50 {
                    if socket.send_to(&garbage, to).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { over, sent, thread: Some(thread) }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn a_flood_of_garbage_stops_neither_proven_nodes_nor_connections<R: Runtime>() {
    const PINGS: u32 = 50;
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let bob = rig.discovery(&[&ann]);
        rig.meets(&ann, &bob).await;
        let pair = rig.pair(&[(ECHO, 1, 2)]).await;
        rig.echo(pair.inbound.clone());
        let channel = pair.outbound.channel(ECHO).unwrap();

        let flood = Flood::new(ann.address());
        let begun = rig.snapshot(&ann).await.drops.total();
        let (mut pings, mut pongs) = (0, 0);
        while pongs < PINGS || flood.sent() < 5_000 {
            pings += rig.pings(&bob, &contact(&ann)).await;
            pongs += 1;
            rig.round_trip(&channel, u64::from(pongs), 20_000).await;
        }
        // One may go lost; a node that is starved loses most.
        assert!(pings <= pongs + pongs / 5, "{pongs} pongs to {pings} pings");
        let dropped = rig.snapshot(&ann).await.drops.total() - begun;
        assert!(dropped > flood.sent() / 2, "{dropped} of {} came", flood.sent());
    });
}

pub fn requests_that_are_dropped_are_given_up<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let (_socket, nobody) = silent();
        // More than can be pending at once: they wait for ever, there is nobody.
        for _ in 0..2 * limits::DISCOVERY_COMMANDS {
            let mut nodes = Box::pin(ann.random_nodes());
            assert!(future::poll_once(&mut nodes).await.is_none());
            let mut ping = Box::pin(ann.ping(&nobody));
            // A packet that was sent is awaited for its time, whoever gave it up, and
            // a quick machine sends more of them than may be.
            let answer = future::poll_once(&mut ping).await;
            assert!(answer.is_none_or(|answer| answer == Err(RequestError::Busy)));
            // Requests are taken in their order.
            rig.snapshot(&ann).await;
        }
        let mut nodes = pin!(ann.random_nodes());
        assert!(future::poll_once(&mut nodes).await.is_none());
        rig.snapshot(&ann).await;
        assert!(future::poll_once(&mut nodes).await.is_none(), "there is no room for it");
    });
}

pub fn discovery_without_anybody_wakes_nobody<R: Runtime>() {
    const QUIET: Duration = Duration::from_secs(2);
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        rig.snapshot(&ann).await;
        let quiet = async {
            loop {
                let before = rig.runtime.polls();
                rig.runtime.sleep(QUIET).await;
                if rig.runtime.polls() == before {
                    break;
                }
            }
        };
        rig.until("a poll", || rig.runtime.polls() > 0).await;
        rig.within("quiet", quiet).await;
        rig.snapshot(&ann).await;
    });
}

pub fn stopping_discovery_answers_everyone_and_leaves_nothing<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (_socket, nobody) = silent();
        for _ in 0..20 {
            let ann = rig.discovery(&[]);
            let address = ann.address();
            let mut ping = pin!(ann.ping(&nobody));
            let mut nodes = pin!(ann.random_nodes());
            assert!(future::poll_once(&mut ping).await.is_none());
            assert!(future::poll_once(&mut nodes).await.is_none());
            let both = future::zip(ann.stop(), ann.stop());
            let (first, second) = rig.at_most(STOP, both).await.expect("it does not stop");
            assert!(first.is_ok() || second.is_ok());
            assert_eq!(rig.within("answer", ping).await, Err(RequestError::Stopped));
            assert_eq!(rig.within("answer", nodes).await, Err(RequestError::Stopped));
            assert_eq!(rig.within("stop", ann.stop()).await, Err(Stopped));
            assert_eq!(rig.within("snapshot", ann.snapshot()).await.unwrap_err(), Stopped);
            let over = async { while ann.next_event().await.is_some() {} };
            rig.within("the last event", over).await;
            drop(UdpSocket::bind(address).expect("the port is still in use"));
        }
        rig.no_task_is_left().await;
    });
}

pub fn dropping_the_last_handle_of_discovery_stops_it<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        let (clone, address) = (ann.clone(), ann.address());
        drop(ann);
        rig.snapshot(&clone).await;
        assert!(UdpSocket::bind(address).is_err());
        drop(clone);
        rig.no_task_is_left().await;
        drop(UdpSocket::bind(address).expect("the port is still in use"));
    });
}

pub fn discovery_stops_in_the_middle_of_a_flood<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        for verifiers in [0, 1, 3] {
            let ann = rig.discover(ANY, &[], verifiers).unwrap();
            let flood = Flood::new(ann.address());
            let others: Vec<_> = (0..5).map(|_| rig.discovery(&[&ann])).collect();
            for other in &others {
                rig.pings(other, &contact(&ann)).await;
            }
            rig.stop_discovery(&ann).await;
            for other in &others {
                rig.stop_discovery(other).await;
            }
            drop(flood);
        }
        rig.no_task_is_left().await;
    });
}

/// The process's threads and open files. Run alone.
pub fn stopped_discovery_leaves_no_thread_and_no_file_descriptor<R: Runtime>() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    Rig::<R>::run(async |rig| {
        // Once for whatever a runtime opens when it is first used.
        let mut before = (0, 0);
        for time in 0..3 {
            let place = tempfile::tempdir().unwrap();
            let ann = rig.discover_with(key(), ANY, &[], 4, Some(place.path())).unwrap();
            let bob = rig.discover(ANY, &[&ann], 4).unwrap();
            rig.meets(&ann, &bob).await;
            assert!(open() >= before.0 + 3 && threads() >= before.1 + 9);
            rig.stop_discovery(&ann).await;
            drop((ann, bob));
            rig.no_task_is_left().await;
            if time == 0 {
                before = (open(), threads());
            } else {
                rig.until("the last file and thread", || {
                    open() <= before.0 && threads() <= before.1
                })
                .await;
            }
        }
    });
}
