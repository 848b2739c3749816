//! What simulated machines have in common with real ones.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::sync::{Arc, Mutex};

use devp2p_sim::core::application::{Application, Input, Output};
use devp2p_sim::core::discv4::RequestId;
use devp2p_sim::core::identity::NodeId;
use devp2p_sim::core::node::{Command, DialFailure};
use devp2p_sim::core::p2p::LocalCapability;
use devp2p_sim::core::time::{Deadline, Instant, Now};
use devp2p_sim::handle::Event;
use devp2p_sim::{Durable, Fault, Kind, Quality, Scenario, Whom, World, play};

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
        let hosted = world.run([LocalCapability::new("none", 1, 1)], move |_, node| {
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
        hosted.unwrap();
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

#[test]
fn a_process_that_stands_still_says_nothing_and_goes_on_afterwards() {
    let fault =
        Fault { at: secs(30), lasts: secs(25), whom: Whom::Nodes(vec![1]), kind: Kind::Pause };
    let mut world = Scenario::new(2).nodes(4).fault(fault).build().unwrap();
    world.trace();
    world.run_for(secs(90)).unwrap();
    let lines: Vec<_> =
        world.take_trace().into_iter().filter(|line| line.node() == Some(1)).collect();
    let within = |from, to| {
        let (from, to) = (secs(from), secs(to));
        lines.iter().filter(|line| from < line.at() && line.at() < to).count()
    };
    assert_eq!(within(30, 55), 0);
    assert!(within(0, 30) > 10 && within(54, 90) > 10);
    assert!(world.is_connected());
}

#[test]
fn what_crashed_twice_at_a_time_runs_again_when_the_last_is_over() {
    let crash = |at, lasts| {
        let kind =
            Kind::Crash { silently: true, durable: Durable::All, moves: false, renews_key: false };
        Fault { at: secs(at), lasts: secs(lasts), whom: Whom::Nodes(vec![1]), kind }
    };
    let scenario = Scenario::new(3).nodes(2).fault(crash(10, 20)).fault(crash(15, 30));
    let mut world = scenario.build().unwrap();
    for (second, runs) in [(9, true), (12, false), (31, false), (44, false), (46, true)] {
        world.run_for(secs(second) - world.now()).unwrap();
        assert_eq!(world.node(1).is_some(), runs, "{second} s");
    }
}

#[test]
fn what_lasts_for_ever_is_never_over() {
    let scenario = Scenario::new(4).nodes(6).partition(vec![0, 1], secs(5), Duration::MAX);
    let scenario = Scenario { calm: secs(100), ..scenario };
    let played = play(&scenario, &()).unwrap();
    assert_eq!((played.violation, played.time), (None, secs(105)));
    let mut world = scenario.build().unwrap();
    world.run_for(secs(1000)).unwrap();
    assert!(!world.is_connected());
}

#[test]
fn where_all_is_lost_no_byte_of_a_connection_arrives() {
    let kind = Kind::Link(Quality { loss: 1_000_000, ..Quality::PERFECT });
    let fault = Fault { at: secs(30), lasts: secs(300), whom: Whom::All, kind };
    let mut world = Scenario::new(5).nodes(2).fault(fault).build().unwrap();
    world.run_for(secs(29)).unwrap();
    assert!(world.are_peers(0, 1));
    // Nothing is heard for 30 s.
    world.run_for(secs(35)).unwrap();
    assert!(world.peers(0).is_empty() && world.peers(1).is_empty());
}

/// Never has enough.
#[derive(Default)]
struct Restless;

impl Application for Restless {
    fn handle(&mut self, _: Now, _: Input) {}

    fn poll_output(&mut self) -> Option<Output> {
        Some(Output::Command(RequestId(1), Command::RemoveTrusted(NodeId::new([1; 32]))))
    }
}

/// Always has something to do, and does nothing.
struct Due;

impl Application for Due {
    fn handle(&mut self, _: Now, _: Input) {}

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Some(Deadline { at: Instant::ZERO, reason: "always" })
    }
}

#[test]
fn who_never_comes_to_rest_is_told_by_name() {
    let told = |prepare: &dyn Fn(&mut World)| {
        let mut world = Scenario::new(6).nodes(2).unchecked().build().unwrap();
        prepare(&mut world);
        let violation = world.run_for(secs(10)).unwrap_err();
        assert_eq!(violation.invariant, "R1");
        violation.to_string()
    };
    let offer = || [LocalCapability::new("none", 1, 1)];
    let words = told(&|world| world.host(offer(), |_, _| Restless).unwrap());
    assert!(words.contains("node 0: the application does not come to rest"), "{words}");
    let words = told(&|world| {
        let spin = |_, _| {
            core::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                core::task::Poll::Pending
            })
        };
        world.run(offer(), spin).unwrap();
    });
    assert!(words.contains("node 0: a task does not come to rest"), "{words}");
    let words = told(&|world| world.host(offer(), |_, _| Due).unwrap());
    assert!(words.contains("events of each node at one point of time"), "{words}");
}

#[test]
fn what_nobody_can_offer_or_comes_too_late_is_said() {
    let mut world = Scenario::new(7).nodes(2).build().unwrap();
    let mut offer = |name: &str| {
        let offered = world.run([LocalCapability::new(name, 1, 1)], |_, _| async {});
        let said = offered.map_err(|mistake| mistake.to_string()).err();
        if said.is_none() {
            world.run_for(secs(20)).unwrap();
        }
        said
    };
    assert!(offer("mychatprotocol").is_some_and(|said| said.starts_with("offers: ")));
    assert_eq!(offer("chat"), None);
    assert_eq!(offer("chat").as_deref(), Some("offers: the world has begun"));
}
