//! Nodes that talk to each other, so that something passes over their connections
//! in a drawn world.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devp2p_core::application::{Application, Input, Output};
use devp2p_core::discv4::{Command as Discovery, RequestId};
use devp2p_core::entropy::{Rng, Seed};
use devp2p_core::node::{Command, ConnectionId, PeerInfo};
use devp2p_core::p2p::{DisconnectReason, LocalCapability};
use devp2p_core::time::{Deadline, Instant, Now};

use super::Trial;
use crate::draw::index;
use crate::scenario::ScenarioError;
use crate::world::World;

/// In every other world nodes talk: they send each other messages of all sizes, the
/// first as soon as they are connected, and answer them, look for others, and hang up
/// now and then. In the rest they only are there, and a network that has all it wants
/// must be quiet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk;

impl Talk {
    /// Lets the nodes of this world talk, whatever its seed.
    ///
    /// Fails as [`World::host`] does.
    pub fn begin(world: &mut World) -> Result<(), ScenarioError> {
        world.host([LocalCapability::new("talk", 1, 2)], |_, seed| Talker::new(&seed))
    }
}

impl Trial for Talk {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        let seed = Seed::from_number(world.scenario.seed).derive("talk", 0);
        if seed.jitter().below(2) == 0 { Self::begin(world) } else { Ok(()) }
    }
}

/// Codes of messages.
const SAYS: u64 = 0;
const ANSWERS: u64 = 1;

/// How long messages are: nothing, little, what fits into a packet, some packets. Now
/// and then one has more than a window.
const LENGTHS: [usize; 5] = [0, 1, 100, 1400, 9000];
const LONG: usize = 200_000;

/// Between two things that a node does by itself, in milliseconds: most at most.
const PAUSE: u32 = 60_000;

struct Talker {
    rng: Rng,
    peers: BTreeMap<ConnectionId, Arc<PeerInfo>>,
    outputs: VecDeque<Output>,
    next: Instant,
    asked: u64,
}

impl Talker {
    fn new(seed: &Seed) -> Self {
        Self {
            rng: seed.jitter(),
            peers: BTreeMap::new(),
            outputs: VecDeque::new(),
            next: Instant::from_secs(1),
            asked: 0,
        }
    }

    fn send(&mut self, id: ConnectionId, code: u64, length: usize) {
        let Some(peer) = self.peers.get(&id) else { return };
        let mut payload = vec![0; length];
        self.rng.fill(&mut payload);
        if let Ok(message) = peer.shared.message(0, code, payload.into()) {
            self.outputs.push_back(Output::Send(id, message));
        }
    }

    fn say(&mut self, id: ConnectionId) {
        let at = index(&mut self.rng, LENGTHS.len());
        let length = if self.rng.below(16) == 0 { LONG } else { LENGTHS[at] };
        self.send(id, SAYS, length);
    }

    /// Somebody that it is connected to.
    fn somebody(&mut self) -> Option<ConnectionId> {
        let at = index(&mut self.rng, self.peers.len());
        self.peers.keys().nth(at).copied()
    }

    fn act(&mut self) {
        match (self.rng.below(40), self.somebody()) {
            (0, Some(id)) => {
                let reasons = [DisconnectReason::Requested, DisconnectReason::SubprotocolError];
                // Now and then it says so again, as if it had not been heard.
                for _ in 0..=self.rng.below(2) {
                    let reason = reasons[index(&mut self.rng, reasons.len())];
                    self.outputs.push_back(Output::Disconnect(id, reason));
                }
            }
            (1, _) => {
                let target = self.rng.bytes();
                self.ask(Discovery::LookUp(target));
            }
            (2, _) => self.ask(Discovery::RandomNodes),
            (3, Some(id)) => {
                if let Some(peer) = self.peers.get(&id) {
                    self.ask(Discovery::Resolve(peer.contact.clone()));
                }
            }
            (_, Some(id)) => {
                for _ in 0..=self.rng.below(3) {
                    self.say(id);
                }
            }
            (_, None) => {}
        }
    }

    fn ask(&mut self, command: Discovery) {
        self.asked += 1;
        self.outputs.push_back(Output::Command(RequestId(self.asked), Command::Discovery(command)));
    }
}

impl Application for Talker {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(peer) => {
                let id = peer.connection;
                self.peers.insert(id, peer);
                self.say(id);
            }
            Input::Disconnected(id, _) => {
                self.peers.remove(&id);
            }
            Input::Message(id, message) if message.code() == SAYS => {
                self.send(id, ANSWERS, message.payload().len().min(100));
            }
            Input::Message(..)
            | Input::Unsent(..)
            | Input::Room(_)
            | Input::Answer(..)
            | Input::Timeout => {}
        }
        if self.next <= now.mono {
            self.act();
            let pause = 1 + self.rng.below(PAUSE);
            self.next = now.mono + Duration::from_millis(pause.into());
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Some(Deadline { at: self.next, reason: "talk" })
    }
}
