//! Applications on simulated networks: as state machines and as async code, and
//! what becomes of those with mistakes.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use devp2p_sim::core::application::{Application, Input, Output};
use devp2p_sim::core::node::ConnectionId;
use devp2p_sim::core::p2p::{LocalCapability, Shared};
use devp2p_sim::core::time::{Deadline, Instant, Now};
use devp2p_sim::handle::{Channel, Event, Node};
use devp2p_sim::{Scenario, ScenarioError, Trial, World, play, play_twice};
use std::sync::Arc;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A scenario that is over after a minute.
fn short(seed: u64, nodes: u32) -> Scenario {
    Scenario { calm: secs(60), ..Scenario::new(seed).nodes(nodes) }
}

fn offer() -> [LocalCapability; 1] {
    [LocalCapability::new("rumour", 1, 1)]
}

/// Tells every number that is new to it to all of its peers. The first node knows
/// one to begin with.
#[derive(Default)]
struct Gossip {
    peers: Vec<(ConnectionId, Arc<Shared>)>,
    heard: Vec<u64>,
    outputs: VecDeque<Output>,
}

impl Gossip {
    fn tell(&mut self, number: u64, except: Option<ConnectionId>) {
        for (peer, shared) in self.peers.iter().filter(|(peer, _)| Some(*peer) != except) {
            let payload = Bytes::copy_from_slice(&number.to_be_bytes());
            let message = shared.message(0, 0, payload).unwrap();
            self.outputs.push_back(Output::Send(*peer, message));
        }
    }
}

impl Application for Gossip {
    fn handle(&mut self, _: Now, input: Input) {
        match input {
            Input::Connected(peer) => {
                self.peers.push((peer.connection, Arc::clone(&peer.shared)));
                for number in self.heard.clone() {
                    self.tell(number, None);
                }
            }
            Input::Message(from, message) => {
                let number = u64::from_be_bytes(message.payload()[..].try_into().unwrap());
                if !self.heard.contains(&number) {
                    self.heard.push(number);
                    self.tell(number, Some(from));
                }
            }
            Input::Disconnected(peer, _) => self.peers.retain(|(known, _)| *known != peer),
            Input::Unsent(..) | Input::Room(_) | Input::Answer(..) | Input::Timeout => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

fn gossiping(seed: u64) -> World {
    let mut world = Scenario::new(seed).nodes(12).build().unwrap();
    let hosted = world.host(offer(), |name, _| {
        let heard = if name == 0 { vec![42] } else { Vec::new() };
        Gossip { heard, ..Gossip::default() }
    });
    hosted.unwrap();
    world
}

#[test]
fn a_rumour_reaches_every_node_of_a_simulated_network() {
    let mut world = gossiping(1);
    let all_know = |world: &World| {
        world.names().all(|name| {
            world.application::<Gossip>(name).is_some_and(|gossip| gossip.heard == [42])
        })
    };
    assert!(world.run_until(secs(120), all_know).unwrap());
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let digest = |seed| {
        let mut world = gossiping(seed);
        world.run_for(secs(60)).unwrap();
        world.digest()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// An application whose clock rings at once and after each second.
struct Ringing {
    next: Instant,
    rang: u64,
}

impl Application for Ringing {
    fn handle(&mut self, now: Now, _: Input) {
        while self.next <= now.mono {
            self.next = self.next + secs(1);
            self.rang += 1;
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Some(Deadline { at: self.next, reason: "ring" })
    }
}

#[test]
fn an_application_is_woken_when_it_asked_for_it() {
    let mut world = Scenario::new(3).nodes(2).build().unwrap();
    world.host(offer(), |_, _| Ringing { next: Instant::from_secs(1), rang: 0 }).unwrap();
    world.run_for(secs(100)).unwrap();
    assert_eq!(world.application::<Ringing>(1).unwrap().rang, 100);
}

/// The same rumour as async code: only what handles offer.
async fn spread(node: Node, heard: Arc<AtomicU64>) {
    let runtime = node.runtime().clone();
    heard.fetch_max(u64::from_be_bytes(runtime.seed().jitter().bytes()), Ordering::Relaxed);
    while let Some(event) = node.next_event().await {
        let Event::Connected(peer) = event else { continue };
        let (Some(ear), Some(mouth)) = (peer.channel("rumour"), peer.channel("rumour")) else {
            continue;
        };
        runtime.spawn(listen(ear, Arc::clone(&heard)));
        let (heard, clock) = (Arc::clone(&heard), runtime.clone());
        runtime.spawn(async move {
            let number = || heard.load(Ordering::Relaxed).to_be_bytes().to_vec();
            while mouth.send(0, number()).await.is_ok() {
                clock.sleep(Duration::from_millis(700)).await;
            }
        });
    }
}

async fn listen(channel: Channel, heard: Arc<AtomicU64>) {
    while let Some(message) = channel.receive().await {
        if let Ok(number) = message.payload()[..].try_into() {
            heard.fetch_max(u64::from_be_bytes(number), Ordering::Relaxed);
        }
    }
}

#[test]
fn async_code_runs_unchanged_and_repeats_itself() {
    let run = |seed| {
        let heard: Arc<[_; 8]> = Arc::new([(); 8].map(|()| Arc::new(AtomicU64::new(0))));
        let mut world = Scenario::new(seed).nodes(8).build().unwrap();
        let theirs = Arc::clone(&heard);
        world
            .run(offer(), move |name, node| spread(node, Arc::clone(&theirs[name as usize])))
            .unwrap();
        world.run_for(secs(60)).unwrap();
        (
            world.digest(),
            [0, 1, 2, 3, 4, 5, 6, 7].map(|at: usize| heard[at].load(Ordering::Relaxed)),
        )
    };
    let (digest, heard) = run(5);
    assert!(heard[0] > 0 && heard.iter().all(|number| *number == heard[0]), "{heard:?}");
    assert_eq!(run(5), (digest, heard));
    assert_ne!(run(6).0, digest);
}

#[test]
fn async_code_may_stop_its_node_and_hears_that_it_has() {
    let stopped = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&stopped);
    let mut world = Scenario::new(7).nodes(3).build().unwrap();
    let hosted = world.run(offer(), move |name, node| {
        let stopped = Arc::clone(&theirs);
        async move {
            while node.next_event().await.is_some() {
                if name == 2 && node.stop().await.is_ok() {
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    hosted.unwrap();
    world.run_for(secs(60)).unwrap();
    assert_eq!(stopped.load(Ordering::Relaxed), 1);
    assert!(world.node(2).is_none() && world.node(1).is_some());
}

/// Puts an application into each world.
struct With<F>(F);

impl<F: Fn(&mut World) -> Result<(), ScenarioError> + Sync> Trial for With<F> {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        self.0(world)
    }
}

#[test]
fn a_panic_of_an_application_is_told_with_seed_and_time() {
    struct Bad;
    impl Application for Bad {
        fn handle(&mut self, _: Now, input: Input) {
            assert!(!matches!(input, Input::Connected(_)), "did not expect a peer");
        }
        fn poll_output(&mut self) -> Option<Output> {
            None
        }
    }
    let scenario = short(9, 2);
    let played = play(&scenario, &With(|world: &mut World| world.host(offer(), |_, _| Bad)));
    let played = played.unwrap();
    assert_eq!(played.seed, 9);
    let violation = played.violation.unwrap();
    assert!(violation.invariant == "panic" && violation.node.is_some(), "{violation}");
    assert!(violation.what.contains("did not expect a peer"), "{violation}");
    assert!(violation.at > Duration::ZERO && violation.at < secs(60), "{violation}");
}

#[test]
fn chance_that_is_not_the_seeds_is_found_by_playing_twice() {
    // What a hash map with `RandomState`, or a clock, would do.
    static LEAK: Mutex<u64> = Mutex::new(0);
    let leaking = With(|world: &mut World| {
        world.run(offer(), |_, node: Node| async move {
            while let Some(event) = node.next_event().await {
                let Event::Connected(peer) = event else { continue };
                let Some(channel) = peer.channel("rumour") else { continue };
                let leak = {
                    let mut leak = LEAK.lock().unwrap();
                    *leak += 1;
                    leak.to_be_bytes().to_vec()
                };
                let _ = channel.send(0, leak).await;
                node.runtime().spawn(async move { while channel.receive().await.is_some() {} });
            }
        })
    });
    let scenario = short(11, 2);
    let violation = play_twice(&scenario, &leaking).unwrap().violation.unwrap();
    assert_eq!(violation.invariant, "X1");
    assert!(violation.node.is_some());
    let words = violation.to_string();
    assert!(words.contains("expected") && words.contains("sends a message of 8 bytes"), "{words}");
}

#[test]
fn what_takes_everything_from_the_seed_is_the_same_twice() {
    let honest = With(|world: &mut World| world.host(offer(), |_, _| Gossip::default()));
    let played = play_twice(&short(11, 4), &honest).unwrap();
    assert_eq!(played.violation, None);
    assert_eq!(played.digest, play(&short(11, 4), &honest).unwrap().digest);
}
