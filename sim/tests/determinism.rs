//! The same seeds come to the same, to the last bit: in debug and in release, today
//! and elsewhere, watched or not.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::num::NonZeroUsize;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::AtomicBool;
use core::time::Duration;

use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::handle::{Event, Node};
use devp2p_sim::{
    DrawOptions, Played, Scenario, ScenarioError, Summary, Swarm, Talk, Trial, World, play,
    play_watched,
};

const OPTIONS: DrawOptions = DrawOptions {
    nodes: Some(4),
    time: Some(Duration::from_secs(30)),
    calm: Some(Duration::from_secs(15)),
    ..DrawOptions::DEFAULT
};

fn swarm(seeds: Range<u64>, options: DrawOptions, trial: &impl Trial) -> Summary {
    let swarm = Swarm { seeds, jobs: NonZeroUsize::new(2).unwrap(), options };
    let tell = |played: &Played| {
        if let Some(violation) = &played.violation {
            println!("seed {}: {violation}", played.seed);
        }
    };
    swarm.run(trial, &AtomicBool::new(false), tell).unwrap()
}

/// Over all that 36 worlds put out. Whatever a change to core or here makes nodes say
/// otherwise changes it: then the new one is right, once it is known why.
const DIGEST: &str = "4455ae939c0cd4d83e8bd235a1af75917fe3578ea189f0c8b4856da7542a86d6";

#[test]
fn drawn_worlds_come_to_what_they_came_to_when_this_was_written() {
    let swarm = swarm(0..36, OPTIONS, &Talk);
    assert_eq!(swarm.to_string(), format!("seeds 36, violations 0, digest {DIGEST}"));
}

/// The same over worlds with adversaries, of which each node runs async code.
const DIGEST_OF_CODE: &str = "441dd8a18e81604a1c5f6545c0ec6ff5ba3e9fab4eb914881c32d9a3b30a827a";

#[test]
fn attacked_worlds_of_async_code_come_to_what_they_came_to_when_this_was_written() {
    let swarm = swarm(100..112, DrawOptions { adversaries: true, ..OPTIONS }, &Chatter);
    assert_eq!(swarm.to_string(), format!("seeds 12, violations 0, digest {DIGEST_OF_CODE}"));
}

struct Chatter;

impl Trial for Chatter {
    fn prepare(&self, world: &mut World) -> Result<(), ScenarioError> {
        world.run([LocalCapability::new("chat", 1, 1)], |_, node| chatter(node))
    }
}

/// Says something of some length to each peer, after some time, again and again, in a task
/// for each, and answers with what it hears.
async fn chatter(node: Node) {
    let runtime = node.runtime().clone();
    while let Some(event) = node.next_event().await {
        let Event::Connected(peer) = event else { continue };
        let (Some(ear), Some(mouth)) = (peer.channel("chat"), peer.channel("chat")) else {
            continue;
        };
        let (clock, mut rng) = (runtime.clone(), runtime.seed().jitter());
        runtime.spawn(async move {
            loop {
                clock.sleep(Duration::from_millis(rng.below(3000).into())).await;
                let mut said = vec![0; rng.below(2000) as usize + 1];
                rng.fill(&mut said[1..]);
                if mouth.send(0, said).await.is_err() {
                    return;
                }
            }
        });
        runtime.spawn(async move {
            while let Some(message) = ear.receive().await {
                let mut heard = message.payload().to_vec();
                if heard.first() == Some(&0) {
                    heard[0] = 1;
                    let _ = ear.send(0, heard).await;
                }
            }
        });
    }
}

#[test]
fn who_looks_changes_nothing() {
    let outcome = |played: Played| (played.digest, played.events, played.time);
    let mut lines = 0;
    for seed in 3..6 {
        let scenario = Scenario::draw(seed, &OPTIONS);
        let first = outcome(play(&scenario, &Talk).unwrap());
        for (checked, oracles) in [(false, true), (true, false), (false, false)] {
            let other = Scenario { checked, oracles, ..scenario.clone() };
            assert_eq!(outcome(play(&other, &Talk).unwrap()), first, "{seed}");
        }
        let mut begun = false;
        let traced = play_watched(&scenario, &Talk, |world| {
            lines += world.take_trace().len();
            if !begun {
                world.trace();
                begun = true;
            }
            ControlFlow::Continue(())
        });
        assert_eq!(outcome(traced.unwrap()), first, "{seed}");
    }
    assert!(lines > 1000, "{lines}");
}
