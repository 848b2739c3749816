//! Scenarios that once broke an invariant, made smaller and kept as they were printed
//! by `devp2p sim --seed S --shrink`. Above each: what was wrong, and where it was
//! mended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

/// A node that keeps to networks of IPv6 pinged a bootnode at the address of IPv4 that
/// was in its record: a record is believed only within `NetRestrict` now, as neighbours
/// are (`core/src/discv4/on_packet.rs`).
#[test]
fn seed_12_breaks_p7() {
    use core::time::Duration;

    use devp2p_sim::{Families, NodePlan, Scenario, Talk, play};

    let scenario = Scenario::new(12)
        .node(1, NodePlan { is_bootnode: true, families: Families::Both, ..NodePlan::ORDINARY })
        .node(
            5,
            NodePlan {
                families: Families::V6,
                net_restrict: vec!["2a00::/8".to_owned()],
                ..NodePlan::ORDINARY
            },
        );
    let scenario = Scenario { calm: Duration::from_secs(2), ..scenario };
    let played = play(&scenario, &Talk).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}

/// A crash began a node before its time, with a key that others did not know it by, and
/// an oracle took its pongs for answers: what has not been started cannot crash
/// (`sim/src/world/faults.rs`).
#[test]
fn seed_1194_breaks_d5() {
    use core::time::Duration;

    use devp2p_sim::{Durable, Fault, Kind, NodePlan, Scenario, Talk, Whom, play};

    let late = Duration::from_millis(145_763);
    let scenario = Scenario::new(1194)
        .node(1, NodePlan::ORDINARY)
        .node(2, NodePlan { is_bootnode: true, starts: late, ..NodePlan::ORDINARY })
        .fault(Fault {
            at: Duration::ZERO,
            lasts: Duration::ZERO,
            whom: Whom::Nodes(vec![2]),
            kind: Kind::Crash {
                silently: false,
                durable: Durable::All,
                moves: false,
                renews_key: true,
            },
        });
    let scenario = Scenario { calm: Duration::ZERO, ..scenario };
    let played = play(&scenario, &Talk).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}

/// A crash that went on when the node was to start gave it another key than the one that
/// others knew, and an oracle took its pongs for answers to those (`World::renew_key`).
#[test]
fn seed_1357_breaks_d5() {
    use core::time::Duration;

    use devp2p_sim::{Durable, Fault, Kind, NodePlan, Scenario, Talk, Whom, play};

    let late = Duration::from_millis(46_282);
    let scenario = Scenario::new(1357)
        .node(2, NodePlan { is_bootnode: true, starts: late, ..NodePlan::ORDINARY })
        .node(3, NodePlan::ORDINARY)
        .fault(Fault {
            at: Duration::from_millis(43_637),
            lasts: Duration::from_secs(3),
            whom: Whom::Nodes(vec![2]),
            kind: Kind::Crash {
                silently: false,
                durable: Durable::All,
                moves: false,
                renews_key: true,
            },
        });
    let scenario = Scenario { calm: Duration::from_secs(1), ..scenario };
    let played = play(&scenario, &Talk).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}

/// A process that stood still while its store opened gave it up and was told its number in
/// the same moment, with its clock an hour back: what it had said of its record before that
/// left after it. The oracle asks for the stored number from then on
/// (`sim/src/oracle/discovery.rs`).
#[test]
fn seed_3674_breaks_t8() {
    use core::time::Duration;

    use devp2p_sim::{Durable, Fault, Kind, NodePlan, Scenario, Talk, Whom, play};

    let scenario = Scenario::new(3674)
        .node(1, NodePlan { is_bootnode: true, ..NodePlan::ORDINARY })
        .node(3, NodePlan { has_store: true, ..NodePlan::ORDINARY })
        .fault(Fault {
            at: Duration::from_secs(90),
            lasts: Duration::from_secs(5),
            whom: Whom::Nodes(vec![3]),
            kind: Kind::ClockStep(-3_600_000_000),
        })
        .fault(Fault {
            at: Duration::from_secs(91),
            lasts: Duration::from_secs(2),
            whom: Whom::Nodes(vec![3]),
            kind: Kind::Crash {
                silently: false,
                durable: Durable::All,
                moves: false,
                renews_key: false,
            },
        })
        .fault(Fault {
            at: Duration::from_secs(93),
            lasts: Duration::from_secs(7),
            whom: Whom::Nodes(vec![3]),
            kind: Kind::Pause,
        });
    let scenario = Scenario { calm: Duration::ZERO, ..scenario };
    let played = play(&scenario, &Talk).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}

/// Three seconds lie between a node that stops and its sessions, and it was asked for
/// the slot of a dial meanwhile: it keeps that until the session has ended, and P6 asks
/// no more of who stops (`sim/src/oracle/peers.rs`). Seeds 3469, 3545, 5379, 5394, whose
/// scenarios did not grow small.
#[test]
fn who_stops_keeps_the_slot_of_a_dial_until_its_session_has_ended() {
    use core::time::Duration;

    use devp2p_sim::{Fault, Kind, Scenario, Whom};

    let (late, secs) = (Duration::from_secs(3), Duration::from_secs);
    let kind = Kind::LateMessages(late);
    let mut world = Scenario::new(5394)
        .nodes(2)
        .each(|name, plan| plan.starts = secs(8 * u64::from(name)))
        .fault(Fault { at: Duration::ZERO, lasts: secs(60), whom: Whom::Nodes(vec![1]), kind })
        .build()
        .unwrap();
    world.run_for(Duration::from_millis(9_500)).unwrap();
    assert_eq!(world.node(1).unwrap().snapshot().dialling, 1);
    world.stop(1);
    world.run_for(secs(1)).unwrap();
    assert_eq!(world.node(1).unwrap().snapshot().dialling, 1);
    world.run_for(secs(6)).unwrap();
    assert!(world.node(1).is_none());
}
