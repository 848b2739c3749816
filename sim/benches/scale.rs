//! Networks of 100 to 10,000 nodes: how much faster than time they run, what an event
//! costs, how much memory a node takes.
//!
//! ```text
//! cargo bench -p devp2p-sim --bench scale --features insecure-stand-in-curve-for-simulation-and-fuzzing-only
//! cargo bench -p devp2p-sim --bench scale --features insecure-… -- 10000 20       nodes, minutes
//! cargo bench -p devp2p-sim --bench scale                                          keys of the curve
//! ```
//!
//! All nodes start at once and know one bootnode; each connection has an echo a minute.
//! The first half of the time is the network's start, the second half is what is measured.
//! One core.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use core::error::Error;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant as Clock;

use bytes::Bytes;
use devp2p_sim::core::application::{Application, Input, Output};
use devp2p_sim::core::node::{ConnectionId, Direction, PeerInfo};
use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::core::time::{Deadline, Instant, Now};
use devp2p_sim::{Scenario, World};

const ASKS: u64 = 0;
const ANSWERS: u64 = 1;

const MINUTE: Duration = Duration::from_secs(60);

/// Who has dialled asks each minute.
#[derive(Default)]
struct Echo {
    peers: BTreeMap<ConnectionId, Arc<PeerInfo>>,
    outputs: VecDeque<Output>,
    next: Instant,
    answered: u64,
}

impl Echo {
    fn send(&mut self, peer: &PeerInfo, code: u64) {
        if let Ok(message) = peer.shared.message(0, code, Bytes::from_static(&[7; 32])) {
            self.outputs.push_back(Output::Send(peer.connection, message));
        }
    }
}

impl Application for Echo {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(peer) => {
                if self.peers.is_empty() {
                    self.next = now.mono + MINUTE;
                }
                self.peers.insert(peer.connection, peer);
            }
            Input::Message(from, message) if message.code() == ASKS => {
                if let Some(peer) = self.peers.get(&from).cloned() {
                    self.send(&peer, ANSWERS);
                }
            }
            Input::Message(..) => self.answered += 1,
            Input::Disconnected(from, _) => {
                self.peers.remove(&from);
            }
            Input::Timeout => {
                while now.mono >= self.next {
                    self.next = self.next + MINUTE;
                    for peer in self.peers.clone().into_values() {
                        if peer.direction == Direction::Outbound {
                            self.send(&peer, ASKS);
                        }
                    }
                }
            }
            Input::Unsent(..) | Input::Room(_) | Input::Answer(..) => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let waits = !self.peers.is_empty();
        waits.then_some(Deadline { at: self.next, reason: "ask all" })
    }
}

fn scenario(nodes: u32) -> Scenario {
    let scenario =
        Scenario { journal: 0, ..Scenario::new(1).nodes(nodes).unchecked().without_oracles() };
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    let scenario = scenario.keys(devp2p_sim::Keys::InsecureStandIn);
    scenario
}

/// KiB of memory that this process has, or had at most.
fn resident(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?;
    Ok(number.parse()?)
}

/// Runs a part of it; says seconds of the clock and events.
fn part(world: &mut World, time: Duration) -> Result<(f64, u64), Box<dyn Error>> {
    let (begun, events) = (Clock::now(), world.events());
    world.run_for(time)?;
    Ok((begun.elapsed().as_secs_f64(), world.events() - events))
}

fn bench(nodes: u32, half: Duration) -> Result<(), Box<dyn Error>> {
    let before = resident("VmRSS:")?;
    let mut world = scenario(nodes).build()?;
    world.host([LocalCapability::new("echo", 1, 2)], |_, _| Echo::default())?;
    let (start, _) = part(&mut world, half)?;
    let echoes = |world: &World| -> u64 {
        let of = |name| world.application::<Echo>(name).map_or(0, |echo| echo.answered);
        world.names().map(of).sum()
    };
    let heard = echoes(&world);
    let (steady, events) = part(&mut world, half)?;
    let heard = echoes(&world) - heard;
    let peers: usize = world.names().map(|name| world.peers(name).len()).sum();
    let memory = resident("VmRSS:")?.saturating_sub(before) / u64::from(nodes);
    let most = resident("VmHWM:")? as f64 / 1_048_576.0;
    let time = half.as_secs_f64();
    println!(
        "{nodes:>6}{:>9.1}{start:>9.1}{:>10.0}{:>9.0}{:>9.0}{:>14.2}{:>6.1}{:>16.2}{memory:>9}{most:>12.2}",
        time / 60.0,
        time / start,
        time / steady,
        steady * 1e9 / events as f64,
        events as f64 / time / f64::from(nodes),
        peers as f64 / f64::from(nodes),
        heard as f64 * 60.0 / time / f64::from(nodes),
    );
    println!("{}", if world.is_connected() { "one network" } else { "parts" });
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    println!("                start of it       steady");
    println!(
        " nodes  minutes  seconds    × time   × time ns/event events/s*node peers echoes/min*node KiB/node GiB at most"
    );
    if let [nodes, minutes] = numbers[..] {
        return bench(nodes, MINUTE * minutes / 2);
    }
    for nodes in [100, 300, 1000] {
        bench(nodes, MINUTE * 10)?;
    }
    Ok(())
}
