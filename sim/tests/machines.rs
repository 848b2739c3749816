//! What simulated machines have in common with real ones.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::sync::{Arc, Mutex};

use devp2p_sim::core::node::DialFailure;
use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::core::time::Instant;
use devp2p_sim::handle::Event;
use devp2p_sim::{Durable, Fault, Kind, Scenario, Whom};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn who_dials_a_killed_process_is_refused_and_a_machine_without_power_says_nothing() {
    let failed = |silently| {
        let kind = Kind::Crash { silently, durable: Durable::All, moves: false, renews_key: false };
        let whom = Whom::Nodes(vec![0]);
        let mut world = Scenario::new(1)
            .nodes(2)
            .each(|name, plan| plan.static_nodes = if name == 1 { vec![0] } else { vec![] })
            .fault(Fault { at: secs(10), lasts: secs(300), whom, kind })
            .build()
            .unwrap();
        world.run_for(secs(120)).unwrap();
        let failed = world.node(1).unwrap().counts().dials_failed;
        assert!(failed.total() > 0);
        (failed.of(DialFailure::Refused) > 0, failed.of(DialFailure::TimedOut) > 0)
    };
    assert_eq!(failed(false), (true, false));
    assert_eq!(failed(true), (false, true));
}

#[test]
fn late_messages_hold_up_the_peers_of_async_code_and_their_handshakes_take_as_long_as_ever() {
    let connected = |late| {
        let mut scenario = Scenario::new(1)
            .nodes(2)
            .each(|name, plan| plan.static_nodes = if name == 1 { vec![0] } else { vec![] });
        if late > Duration::ZERO {
            let kind = Kind::LateMessages(late);
            let fault = Fault { at: Duration::ZERO, lasts: secs(60), whom: Whom::All, kind };
            scenario = scenario.fault(fault);
        }
        let mut world = scenario.build().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = Arc::clone(&told);
        world.run([LocalCapability::new("none", 1, 1)], move |_, node| {
            let tells = Arc::clone(&tells);
            async move {
                let mut peers = Vec::new();
                while let Some(event) = node.next_event().await {
                    if let Event::Connected(peer) = event {
                        let at = node.runtime().now().mono;
                        let snapshot = node.snapshot().await.unwrap();
                        let took = snapshot.connections.values().next().unwrap().handshake;
                        tells.lock().unwrap().push((at, took));
                        peers.push(peer);
                    }
                }
            }
        });
        world.run_for(secs(30)).unwrap();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "both are told");
        assert!(told.iter().all(|(_, took)| *took < Duration::from_millis(100)), "{told:?}");
        told.iter().map(|(at, _)| *at).max().unwrap().saturating_since(Instant::ZERO)
    };
    let prompt = connected(Duration::ZERO);
    // It is admitted when two things were said and one was told.
    let longer = connected(secs(1)) - prompt;
    assert!(longer.abs_diff(secs(3)) < Duration::from_millis(100), "{longer:?}");
}
