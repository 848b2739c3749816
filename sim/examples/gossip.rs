//! A gossip protocol with a mistake that shows in no network where all goes well: the
//! simulator finds one where it does, makes it smaller, prints it as a test, replays it.
//! `cargo run --release -p devp2p-sim --example gossip`

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use devp2p_sim::core::application::{Application, Input, Output};
use devp2p_sim::core::identity::NodeId;
use devp2p_sim::core::node::{ConnectionId, PeerInfo};
use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::core::time::Now;
use devp2p_sim::{DrawOptions, Scenario, ScenarioError, Trial, World, play, shrink};

/// Tells everybody everything, and nobody the same twice.
#[derive(Default)]
struct Gossip {
    peers: BTreeMap<ConnectionId, Arc<PeerInfo>>,
    heard: BTreeSet<u32>,
    told: BTreeSet<(NodeId, u32)>,
    outputs: VecDeque<Output>,
}

impl Gossip {
    fn tell_all(&mut self) {
        for (connection, peer) in &self.peers {
            for rumour in &self.heard {
                if self.told.insert((peer.id, *rumour))
                    && let Ok(told) =
                        peer.shared.message(0, 0, Bytes::copy_from_slice(&rumour.to_be_bytes()))
                {
                    self.outputs.push_back(Output::Send(*connection, told));
                }
            }
        }
    }
}

impl Application for Gossip {
    fn handle(&mut self, _: Now, input: Input) {
        match input {
            Input::Connected(peer) => drop(self.peers.insert(peer.connection, peer)),
            // The mistake: who comes back may have forgotten what it was told.
            Input::Disconnected(peer, _) => drop(self.peers.remove(&peer)),
            Input::Message(from, message) => {
                let rumour = message.payload()[..].try_into().map(u32::from_be_bytes);
                if let (Ok(rumour), Some(peer)) = (rumour, self.peers.get(&from)) {
                    self.told.insert((peer.id, rumour));
                    self.heard.insert(rumour);
                }
            }
            Input::Unsent(..) | Input::Room(_) | Input::Answer(..) | Input::Timeout => {}
        }
        self.tell_all();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// Each node begins with a rumour of its own. From some time on peers know the same.
struct Spread(Duration);

impl Trial for Spread {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        world.host([LocalCapability::new("gossip", 1, 1)], |name, _| Gossip {
            heard: BTreeSet::from([name]),
            ..Gossip::default()
        })
    }

    fn check(&self, world: &World) -> Result<(), String> {
        let heard = |name| world.application::<Gossip>(name).map(|gossip| &gossip.heard);
        let pairs = world.names().flat_map(|name| (0..name).map(move |other| (name, other)));
        let mut peers = pairs.filter(|(one, other)| world.are_peers(*one, *other));
        match peers.find(|(one, other)| world.now() >= self.0 && heard(*one) != heard(*other)) {
            Some(pair) => Err(format!("of peers {pair:?} one has heard what the other has not")),
            None => Ok(()),
        }
    }
}

fn main() -> Result<(), &'static str> {
    let calm = Duration::from_secs(90);
    let options = DrawOptions { nodes: Some(4), calm: Some(calm), ..DrawOptions::DEFAULT };
    let fails = |scenario: &Scenario| {
        let played = play(scenario, &Spread(scenario.ends())).ok()?;
        played.violation.filter(|_| scenario.calm >= calm)
    };
    let mut drawn = (0..1000).map(|seed| Scenario::draw(seed, &options));
    let (found, large) = drawn.find_map(|one| Some((fails(&one)?, one))).ok_or("none shows it")?;
    let small = shrink(&large, 300, |one| fails(one).is_some_and(|it| it.is_like(&found)));
    println!("{}", small.to_rust("peers_know_the_same", "&Spread(scenario.ends())"));
    println!("seed {}: {}", small.seed, fails(&small).ok_or("it does not fail again")?);
    Ok(())
}
