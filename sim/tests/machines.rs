//! What simulated machines have in common with real ones.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use devp2p_sim::core::application::{Application, Input, Output};
use devp2p_sim::core::discv4::{self, RequestId};
use devp2p_sim::core::identity::NodeId;
use devp2p_sim::core::node::{Command, DialFailure, PeerInfo};
use devp2p_sim::core::p2p::{DisconnectReason, LocalCapability};
use devp2p_sim::core::time::{Deadline, Instant, Now};
use devp2p_sim::handle::{Event, Node};
use devp2p_sim::{
    Durable, Families, Fault, Kind, Nat, NatKind, NodePlan, Quality, Scenario, Whom, World, play,
};

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
fn who_stops_says_so_and_its_process_ends_and_may_be_started_again() {
    let kind =
        Kind::Crash { silently: false, durable: Durable::All, moves: false, renews_key: false };
    let mut world = Scenario::new(1)
        .nodes(3)
        .each(|_, plan| plan.has_store = true)
        .fault(Fault { at: secs(100), lasts: secs(60), whom: Whom::Nodes(vec![0]), kind })
        .build()
        .unwrap();
    world.run_for(secs(80)).unwrap();
    assert!(world.are_peers(0, 1) && world.are_peers(0, 2));
    let sequence = world.node(0).unwrap().local_record().sequence();
    world.stop(0);
    world.run_for(secs(5)).unwrap();
    assert!(world.node(0).is_none() && world.is_connected());
    for name in [1, 2] {
        let counts = world.node(name).unwrap().counts();
        let told = [counts.told_inbound, counts.told_outbound];
        let told: u64 = told.iter().map(|told| told.of(DisconnectReason::Quitting)).sum();
        assert_eq!(told, 1, "node {name}");
    }
    // It has nothing left that could crash, and starts when the crash is over.
    world.run_for(secs(60)).unwrap();
    assert!(world.node(0).is_none());
    world.run_for(secs(60)).unwrap();
    assert!(world.node(0).unwrap().local_record().sequence() > sequence);
    assert!(world.is_connected());
    world.stop_all().unwrap();
    assert!(world.names().all(|name| world.node(name).is_none()));
}

#[test]
fn a_datagram_to_a_killed_process_comes_back_as_an_error_where_the_path_says_so() {
    let unreachable = |silently, icmp| {
        let kind = Kind::Crash { silently, durable: Durable::All, moves: false, renews_key: false };
        let fault = |at, whom, kind| Fault { at: secs(at), lasts: secs(300), whom, kind };
        let mut world = Scenario::new(1)
            .nodes(3)
            .fault(fault(30, Whom::Nodes(vec![0]), kind))
            .fault(fault(0, Whom::All, Kind::Link(Quality { icmp, ..Quality::PERFECT })))
            .build()
            .unwrap();
        world.run_for(secs(120)).unwrap();
        world.reached().of("socket port_unreachable")
    };
    assert!(unreachable(false, true) > 0);
    assert_eq!((unreachable(true, true), unreachable(false, false)), (0, 0));
}

/// A connection that has much to say on it does not keep datagrams from a narrow link
/// for longer than it is narrow.
#[test]
fn a_link_that_was_narrow_carries_datagrams_again() {
    let answered = |bandwidth| {
        let link = Kind::LinkOut(Quality { bandwidth, ..Quality::PERFECT });
        let narrow = Fault { at: secs(29), lasts: secs(2), whom: Whom::Nodes(vec![0]), kind: link };
        let mut world = Scenario::new(1).nodes(2).fault(narrow).build().unwrap();
        world.host([LocalCapability::new("talk", 1, 1)], |_, _| Talks::default()).unwrap();
        world.run_for(secs(32)).unwrap();
        let before = world.datagrams().delivered;
        world.run_for(secs(60)).unwrap();
        world.datagrams().delivered - before
    };
    let (narrow, wide) = (answered(2000), answered(0));
    assert!(wide > 10 && narrow * 10 >= wide * 9, "{narrow} of {wide}");
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
    // With seven seconds to stop.
    assert_eq!((played.violation, played.time), (None, secs(112)));
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

#[test]
fn a_link_that_is_bad_one_way_carries_all_that_goes_the_other() {
    let dead = Quality { loss: 1_000_000, ..Quality::PERFECT };
    let heard = |kind| {
        let whom = Whom::Nodes(vec![1]);
        let fault = Fault { at: Duration::ZERO, lasts: secs(300), whom, kind };
        let scenario = Scenario::new(8).nodes(2).each(|_, plan| plan.starts = secs(1));
        let mut world = scenario.fault(fault).build().unwrap();
        world.run_for(secs(60)).unwrap();
        [0, 1].map(|name| {
            const PACKETS: [discv4::Kind; 2] = [discv4::Kind::Ping, discv4::Kind::Pong];
            let traffic = world.node(name).unwrap().discovery().unwrap().traffic();
            PACKETS.iter().any(|kind| traffic.packets_received(*kind) > 0)
        })
    };
    assert_eq!(heard(Kind::LinkOut(dead)), [false, false], "nobody knows of it");
    assert_eq!(heard(Kind::LinkIn(dead)), [true, false]);
    assert_eq!(heard(Kind::Link(Quality::PERFECT)), [true, true]);
}

#[test]
fn nobody_connects_where_no_answer_comes_back_and_nobody_stays_connected() {
    let dead = Quality { loss: 1_000_000, ..Quality::PERFECT };
    for (at, kind) in [(0, Kind::LinkIn(dead)), (0, Kind::LinkOut(dead)), (30, Kind::LinkIn(dead))]
    {
        let whom = Whom::Nodes(vec![1]);
        let fault = Fault { at: secs(at), lasts: secs(300), whom, kind };
        let scenario = Scenario::new(8).nodes(2).each(|name, plan| {
            plan.starts = secs(1);
            plan.static_nodes = if name == 1 { vec![0] } else { vec![] };
        });
        let mut world = scenario.fault(fault).build().unwrap();
        world.run_for(secs(29)).unwrap();
        assert_eq!(world.are_peers(0, 1), at > 0);
        // Whoever hears nothing for 30 s gives it up.
        world.run_for(secs(61)).unwrap();
        assert!(world.peers(1).is_empty());
        let dials = world.node(1).unwrap().counts().dials_failed;
        assert_eq!(dials.of(DialFailure::TimedOut), dials.total());
        assert!(dials.total() > 0);
    }
}

#[test]
fn connections_through_a_gateway_do_not_outlive_its_restart() {
    let (kind, time_out) = (NatKind::PortRestricted, secs(120));
    let nat = Nat { kind, time_out, hairpin: false, maps_ports: false };
    let fault =
        Fault { at: secs(60), lasts: secs(1), whom: Whom::Nodes(vec![1]), kind: Kind::Rebinding };
    let scenario = Scenario::new(11).nodes(3).each(|name, plan| {
        plan.nat = (name == 1).then_some(nat);
        plan.static_nodes = if name == 1 { vec![0] } else { vec![] };
    });
    let mut world = scenario.fault(fault).build().unwrap();
    let connection = |world: &World| world.peers(1).iter().map(|peer| peer.connection).min();
    world.run_for(secs(60)).unwrap();
    let before = connection(&world);
    assert!(before.is_some());
    world.run_for(secs(10)).unwrap();
    assert_eq!(connection(&world), before, "nobody has noticed yet");
    world.run_for(secs(100)).unwrap();
    assert!(connection(&world) > before && world.are_peers(0, 1));
}

#[test]
fn a_machine_that_is_crashed_does_not_start_and_comes_back_as_all_its_crashes_ask() {
    let crash = |at, lasts, renews_key| {
        let durable = Durable::All;
        let kind = Kind::Crash { silently: true, durable, moves: renews_key, renews_key };
        Fault { at: secs(at), lasts: secs(lasts), whom: Whom::Nodes(vec![1]), kind }
    };
    let scenario = Scenario::new(12).nodes(2).each(|name, plan| {
        plan.starts = secs(if name == 1 { 20 } else { 0 });
        plan.families = Families::V6;
    });
    let scenario = scenario.fault(crash(10, 20, false));
    let mut world =
        scenario.fault(crash(50, 10, true)).fault(crash(55, 15, false)).build().unwrap();
    for (second, runs) in [(19, false), (25, false), (31, true), (56, false), (65, false)] {
        world.run_for(secs(second) - world.now()).unwrap();
        assert_eq!(world.node(1).is_some(), runs, "{second} s");
    }
    let before = world.contact(1).unwrap();
    world.run_for(secs(71) - world.now()).unwrap();
    let after = world.contact(1).unwrap();
    assert!(world.node(1).is_some() && after.id() != before.id() && after.ip() != before.ip());
}

#[test]
fn those_of_one_home_are_seen_at_one_address_and_meet_where_the_gateway_turns_packets() {
    let meets = |hairpin| {
        let (kind, time_out) = (NatKind::PortRestricted, secs(120));
        let nat = Nat { kind, time_out, hairpin, maps_ports: true };
        let plan = NodePlan { nat: Some(nat), home: Some(7), ..NodePlan::ORDINARY };
        let scenario = Scenario::new(9).nodes(1).node(1, plan.clone()).node(2, plan);
        let mut world = scenario.build().unwrap();
        world.run_for(secs(120)).unwrap();
        let [one, other] = [1, 2].map(|name| world.contact(name).unwrap());
        assert_eq!(one.ip(), other.ip());
        assert_eq!((one.udp(), other.udp()), (30303, 30304));
        // Who is outside reaches both.
        assert!(world.are_peers(0, 1) && world.are_peers(0, 2));
        world.are_peers(1, 2)
    };
    assert!(meets(true));
    assert!(!meets(false));
}

/// Says something ten times a second, as long as there is room for it.
#[derive(Default)]
struct Talks {
    peer: Option<Arc<PeerInfo>>,
    due: Instant,
    outputs: VecDeque<Output>,
    unsent: u64,
    heard: u64,
}

impl Application for Talks {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(peer) => {
                self.due = now.mono + Duration::from_millis(100);
                self.peer = Some(peer);
            }
            Input::Message(..) => self.heard += 1,
            Input::Unsent(..) => self.unsent += 1,
            Input::Timeout => {
                let Some(peer) = self.peer.as_ref().filter(|_| now.mono >= self.due) else {
                    return;
                };
                self.due = now.mono + Duration::from_millis(100);
                // Nothing that snappy could make smaller.
                let mut state = 1_u32;
                let payload: Bytes = (0..4096)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        state.to_be_bytes()[0]
                    })
                    .collect();
                let message = peer.shared.message(0, 0, payload).unwrap();
                self.outputs.push_back(Output::Send(peer.connection, message));
            }
            Input::Disconnected(..) => self.peer = None,
            Input::Room(_) | Input::Answer(..) => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.peer.is_some().then_some(Deadline { at: self.due, reason: "talk" })
    }
}

#[test]
fn who_reads_slowly_holds_up_who_writes_and_hears_everything_afterwards() {
    let kind = Kind::ReadsSlowly(Duration::from_millis(500));
    let fault = Fault { at: secs(20), lasts: secs(100), whom: Whom::Nodes(vec![1]), kind };
    let mut world = Scenario::new(10).nodes(2).fault(fault).build().unwrap();
    world.host([LocalCapability::new("talk", 1, 1)], |_, _| Talks::default()).unwrap();
    let heard = |world: &World, name| world.application::<Talks>(name).unwrap().heard;
    world.run_for(secs(21)).unwrap();
    let before = heard(&world, 1);
    world.run_for(secs(20)).unwrap();
    assert!((39..=41).contains(&(heard(&world, 1) - before)));
    assert_eq!(world.application::<Talks>(1).unwrap().unsent, 0, "the other reads on");
    world.run_for(secs(60)).unwrap();
    assert!(world.application::<Talks>(0).unwrap().unsent > 100);
    world.run_for(secs(40)).unwrap();
    assert!(world.are_peers(0, 1));
    // Both say as much, and nothing is missing but what was given back and is on its way.
    let unsent = world.application::<Talks>(0).unwrap().unsent;
    assert!(heard(&world, 0).abs_diff(heard(&world, 1) + unsent) < 5);
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

/// The same as a task.
async fn spin() {
    core::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        core::task::Poll::Pending
    })
    .await
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
    let words = told(&|world| world.run(offer(), |_, _| spin()).unwrap());
    assert!(words.contains("node 0: a task does not come to rest"), "{words}");
    // And who does so when the node has stopped.
    let stops = |_, node: Node| async move {
        node.runtime().sleep(secs(1)).await;
        let _ = node.stop().await;
        spin().await;
    };
    let words = told(&|world| world.run(offer(), stops).unwrap());
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
