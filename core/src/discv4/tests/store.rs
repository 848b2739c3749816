//! Discovery with a store: what outlives a restart, what is written and how
//! often, and that nothing depends on it.

use alloc::vec::Vec;
use core::time::Duration;

use super::disk::{Disk, Mode};
use super::harness::{Lone, START, Stranger, World, key};
use super::packets::find;
use crate::discv4::{Answer, Command, Config, DropReason, Event, Input, Kind};
use crate::identity::{NodeId, RecordBuilder};
use crate::limits;
use crate::store::{Field, MemoryStore, Operation, OperationId, Reply, StoredBond};
use crate::time::{Instant, Now, UnixTime};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

const LATE: Mode = Mode::Late(Duration::from_secs(6));
const NOTHING: fn(&mut Config) = |_| {};

/// One whose store works, and is empty.
fn lone() -> Lone {
    with(MemoryStore::new(), Mode::Works)
}

fn with(memory: MemoryStore, mode: Mode) -> Lone {
    Lone::with_disk(1, START, Disk::new(memory, mode), NOTHING)
}

/// What is left of an earlier run whose record had this number.
fn remembering(sequence: u64) -> MemoryStore {
    let mut memory = MemoryStore::new();
    let local = NodeId::from(&key(1).public_key());
    let _ = memory.apply(OperationId(0), &Operation::PutSequence { local, sequence }, START.unix);
    memory
}

/// What is stored of a stranger.
fn item(lone: &Lone, node: &Stranger, field: Field) -> Option<u64> {
    lone.disk().item(&node.id(), node.at.ip(), field)
}

fn sequence(lone: &Lone) -> u64 {
    lone.look().local_record().sequence()
}

/// The numbers of our record that were given to the store.
fn sequences(lone: &Lone) -> Vec<u64> {
    let number = |(_, operation): &(Instant, Operation)| {
        if let Operation::PutSequence { sequence, .. } = operation { Some(*sequence) } else { None }
    };
    lone.operations.iter().filter_map(number).collect()
}

/// When the store was told of a node's pings and pongs.
fn times(lone: &Lone, node: &Stranger) -> Vec<Instant> {
    let is_it = |operation: &Operation| matches!(operation, Operation::PutTimes { id, last_pong: Some(_), .. } if *id == node.id());
    lone.operations.iter().filter(|(_, put)| is_it(put)).map(|(at, _)| *at).collect()
}

/// Eight nodes that know each other; the last one has a store.
fn network(seed: u64) -> (World, usize) {
    let mut world = World::new(seed);
    let first = world.add(NOTHING);
    let bootnode = world.nodes[first].contact();
    for _ in 1..7 {
        world.add(|config| config.bootnodes = [bootnode.clone()].into());
    }
    let disk = Disk::new(MemoryStore::new(), Mode::Works);
    let last = world.add_with_disk(disk, |config| config.bootnodes = [bootnode].into());
    (world, last)
}

#[test]
fn a_restart_finds_the_network_again_without_any_bootnode() {
    let (mut world, node) = network(1);
    world.run(MINUTE * 10);
    assert_eq!(world.nodes[node].look().table().len(), 7);
    assert!(world.nodes[node].disk().records().len() >= 5);
    // Who was its bootnode is there no more.
    world.kill(0);
    world.restart(node, Mode::Works, NOTHING);
    world.run(MINUTE);
    assert!(world.nodes[node].events.contains(&Event::Ready));
    assert!(world.nodes[node].look().table().live() >= 5);
}

#[test]
fn one_stored_node_is_enough_however_late_the_store_gives_it() {
    let (mut world, node) = network(2);
    world.run(MINUTE * 10);
    for mode in [Mode::Works, Mode::Late(SECOND * 3), LATE] {
        let mut one = MemoryStore::new();
        let (other, now) = (world.nodes[3].contact(), world.nodes[node].now.unix);
        let (id, ip) = (*other.id(), other.ip().unwrap());
        let (last_ping, last_pong, find_failures) = (None, Some(now), None);
        for put in [
            Operation::PutContact(other),
            Operation::PutTimes { id, ip, last_ping, last_pong, find_failures },
        ] {
            let _ = one.apply(OperationId(0), &put, now);
        }
        world.nodes[node].disk = Some(Disk::new(one, mode));
        world.restart(node, mode, NOTHING);
        world.run(MINUTE);
        assert_eq!(world.nodes[node].look().table().len(), 7, "{mode:?}");
    }
}

#[test]
fn a_node_whose_store_is_slow_or_fails_or_is_silent_finds_its_network() {
    for mode in [LATE, Mode::Fails, Mode::Silent] {
        let mut world = World::new(3);
        let first = world.add(NOTHING);
        let bootnode = world.nodes[first].contact();
        for _ in 0..6 {
            let disk = Disk::new(MemoryStore::new(), mode);
            world.add_with_disk(disk, |config| config.bootnodes = [bootnode.clone()].into());
            world.run(MINUTE);
        }
        for node in &world.nodes {
            assert!(node.events.contains(&Event::Ready), "{mode:?}");
        }
        for node in 0..7 {
            world.ask(node, 7, Command::LookUp([7; 64]));
        }
        world.run(SECOND * 10);
        for node in &world.nodes {
            let found = node.answer(7);
            assert!(matches!(found, Some(Answer::Contacts(all)) if all.len() == 6), "{mode:?}");
        }
        world.ask(3, 1, Command::Ping(bootnode));
        world.run(SECOND);
        assert!(matches!(world.nodes[3].answer(1), Some(Answer::Pong(_))), "{mode:?}");
    }
}

#[test]
fn what_proved_an_endpoint_before_a_restart_proves_it_after() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    lone.wait(HOUR);
    lone.restart(Mode::Works, NOTHING);
    assert_eq!(lone.look().bonds(), 1);
    // It may ask us, and knows us well enough to be asked.
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.ask(1, Command::FindNode(stranger.contact(), [1; 64]));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::FindNode]);
    // A day after the proof it is over, and not a day after the restart.
    lone.wait(limits::BOND_LIFE - HOUR - SECOND * 2);
    lone.said_to(stranger.at);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.wait(SECOND * 3);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), []);
    lone.ask(2, Command::FindNode(stranger.contact(), [1; 64]));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Ping]);
}

#[test]
fn a_proof_of_one_direction_is_none_of_the_other() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    // It answers us and never pings.
    lone.ask(1, Command::Ping(stranger.contact()));
    lone.serve(core::slice::from_ref(&stranger));
    lone.restart(Mode::Works, NOTHING);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.ask(1, Command::FindNode(stranger.contact(), [1; 64]));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Ping], "it has to prove itself first");
}

#[test]
fn a_ping_is_stored_with_the_time_when_it_came() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    lone.wait(HOUR);
    lone.ask(1, Command::Ping(stranger.contact()));
    lone.serve(core::slice::from_ref(&stranger));
    assert_eq!(item(&lone, &stranger, Field::LastPing), Some(START.unix.as_secs()));
    assert_eq!(item(&lone, &stranger, Field::LastPong), Some(lone.now.unix.as_secs()));
}

#[test]
fn times_that_lie_in_the_future_or_more_than_a_day_back_are_not_believed() {
    let stranger = Stranger::new(1);
    // The machine does not rely on a store for that.
    let stored = |time: UnixTime| {
        let (id, ip) = (stranger.id(), stranger.at.ip());
        let (last_ping, last_pong) = (Some(time), Some(time));
        let bond = StoredBond { id, ip, last_ping, last_pong, find_failures: 0 };
        let mut lone = with(MemoryStore::new(), Mode::Silent);
        lone.give(Input::Store(Reply::Opened { sequence: Some(1), bonds: [bond].into() }));
        lone.hear(&stranger, &find([1; 64], lone.now));
        let answered = lone.kinds_to(stranger.at) == [Kind::Neighbors];
        assert_eq!(lone.look().drops().of(DropReason::Unproven), u64::from(!answered));
        lone.ask(1, Command::FindNode(stranger.contact(), [1; 64]));
        let asked = lone.kinds_to(stranger.at) == [Kind::FindNode];
        assert_eq!(asked, answered);
        answered
    };
    assert!(stored(START.unix));
    assert!(stored(START.unix.saturating_sub(limits::BOND_LIFE - SECOND)));
    assert!(!stored(START.unix.saturating_sub(limits::BOND_LIFE)));
    assert!(!stored(START.unix.saturating_sub(limits::BOND_LIFE + SECOND)));
    assert!(!stored(START.unix.saturating_add(SECOND)));
    assert!(!stored(START.unix.saturating_add(HOUR * 24 * 365)));
    assert!(!stored(UnixTime::from_micros(u64::MAX)));
}

/// The database of another key: its nodes have proved themselves, and know that
/// other key only.
#[test]
fn pings_that_were_meant_for_another_key_are_not_believed() {
    let stranger = Stranger::new(1);
    let (id, ip, now) = (stranger.id(), stranger.at.ip(), Some(START.unix));
    let bond = StoredBond { id, ip, last_ping: now, last_pong: now, find_failures: 0 };
    let mut lone = with(MemoryStore::new(), Mode::Silent);
    lone.give(Input::Store(Reply::Opened { sequence: None, bonds: [bond].into() }));
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.ask(1, Command::FindNode(stranger.contact(), [1; 64]));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Ping]);
}

// The number of our record.

#[test]
fn the_number_of_our_record_goes_on_where_it_was_and_changes_only_with_what_is_said() {
    let mut lone = lone();
    let first = START.unix.as_millis() + 1;
    lone.wait(HOUR);
    let same = RecordBuilder::new(0).tcp(30303);
    lone.ask(1, Command::SetEntries(same));
    assert_eq!((sequence(&lone), sequences(&lone)), (first, [first].into()));
    let other = RecordBuilder::new(0).tcp(30304);
    lone.ask(2, Command::SetEntries(other.clone()));
    assert_eq!((sequence(&lone), lone.stored_sequence()), (first + 1, Some(first + 1)));

    // The clock says 1970 now. As in geth the start itself is a new record: who
    // kept only its number cannot tell whether it would say the same.
    lone.now.unix = UnixTime::EPOCH;
    lone.restart(Mode::Works, |config| config.entries = other);
    assert_eq!(sequence(&lone), first + 2);
    lone.wait(HOUR);
    assert_eq!((sequence(&lone), sequences(&lone)), (first + 2, [first + 2].into()));
    let told = lone.events.iter().filter(|event| matches!(event, Event::LocalRecord(_)));
    assert_eq!(told.count(), 1);
}

#[test]
fn an_answer_that_comes_after_we_went_on_never_lowers_the_number_of_our_record() {
    let mut lone = with(remembering(7), LATE);
    lone.wait(limits::STORE_OPEN_TIMEOUT);
    let first = START.unix.as_millis() + 1;
    assert_eq!(sequences(&lone), [first]);
    lone.wait(MINUTE);
    assert_eq!((sequence(&lone), sequences(&lone)), (first, [first].into()));

    // The clock went back since the earlier run: that one's number is higher.
    let mut lone = with(remembering(first + 1000), LATE);
    lone.wait(MINUTE);
    assert_eq!(sequence(&lone), first + 1001);
    assert_eq!(sequences(&lone), [first, first + 1001]);
    assert_eq!(lone.stored_sequence(), Some(first + 1001));
}

#[test]
fn a_number_that_could_not_be_written_is_as_soon_as_anything_can() {
    let mut lone = with(MemoryStore::new(), Mode::Fails);
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    assert_eq!(lone.stored_sequence(), None);
    lone.disk.as_mut().unwrap().mode = Mode::Works;
    lone.wait(limits::BOND_STORE_INTERVAL);
    lone.ask(1, Command::Ping(stranger.contact()));
    lone.serve(core::slice::from_ref(&stranger));
    assert_eq!(lone.stored_sequence(), Some(sequence(&lone)));
    assert_eq!(sequences(&lone).len(), 2);
}

#[test]
fn a_last_number_of_all_is_not_gone_on_with() {
    let lone = with(remembering(u64::MAX), Mode::Works);
    assert_eq!(lone.stored_sequence(), Some(sequence(&lone)));
    assert_eq!(sequence(&lone), START.unix.as_millis() + 1);
}

// The beginning.

#[test]
fn while_the_store_opens_nothing_is_said_and_commands_wait() {
    for (mode, wait) in [
        (Mode::Late(SECOND * 2), SECOND * 2),
        (LATE, limits::STORE_OPEN_TIMEOUT),
        (Mode::Silent, limits::STORE_OPEN_TIMEOUT),
    ] {
        let mut lone = with(MemoryStore::new(), mode);
        let [stranger, other] = [1, 2].map(Stranger::new);
        // What we would say of ourselves is not certain yet.
        lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
        assert_eq!(lone.kinds_to(stranger.at), []);
        assert_eq!(lone.look().drops().of(DropReason::NotOpen), 1);
        lone.ask(1, Command::Ping(other.contact()));
        lone.wait(wait - SECOND);
        assert_eq!(lone.look().pending(), 0);
        assert_eq!(lone.kinds_to(other.at), []);
        lone.wait(SECOND);
        assert_eq!(lone.kinds_to(other.at), [Kind::Ping], "{mode:?}");
    }
}

#[test]
fn a_failure_ends_only_the_wait_for_what_has_failed() {
    let mut lone = with(MemoryStore::new(), Mode::Late(SECOND));
    let fail = |lone: &mut Lone, number| {
        let operation = OperationId(number);
        lone.give(Input::Store(Reply::Failed { operation }));
    };
    (1..100).for_each(|number| fail(&mut lone, number));
    assert_eq!(lone.operations.len(), 1, "it opens");
    fail(&mut lone, 0);
    // The number of our record, and seeds: they fail as well.
    assert_eq!(lone.operations.len(), 3);
    assert!(!lone.events.contains(&Event::Ready));
    fail(&mut lone, 1);
    assert!(!lone.events.contains(&Event::Ready));
    fail(&mut lone, 2);
    assert!(lone.events.contains(&Event::Ready));
}

// What is written.

/// One with a node in its table that answers all pings, for so long.
fn steady(lone: &mut Lone, node: &Stranger, time: Duration) {
    let end = lone.now.mono + time;
    while lone.now.mono < end {
        lone.serve(core::slice::from_ref(node));
        lone.wait(SECOND / 10);
    }
}

#[test]
fn a_node_is_stored_when_it_has_answered_six_pings_of_the_table() {
    let node = Stranger::new(1);
    let disk = Disk::new(MemoryStore::new(), Mode::Works);
    let bootnodes = [node.contact()];
    let mut lone = Lone::with_disk(1, START, disk, |config| config.bootnodes = bootnodes.to_vec());
    let checks = |lone: &Lone| lone.look().table().entry(&node.id()).unwrap().checks();
    while checks(&lone) <= limits::CHECKS_BEFORE_STORE {
        assert_eq!(lone.disk().records(), []);
        assert!(lone.now.mono < START.mono + HOUR);
        steady(&mut lone, &node, SECOND / 10);
    }
    assert_eq!(checks(&lone), 6);
    assert_eq!(lone.disk().records(), [node.id()]);
}

#[test]
fn times_are_stored_at_once_when_they_say_something_new_and_else_once_a_minute() {
    let mut lone = lone();
    let node = Stranger::new(1);
    // We ping it, then it pings us: both are news.
    lone.ask(1, Command::Ping(node.contact()));
    lone.serve(core::slice::from_ref(&node));
    lone.wait(SECOND);
    lone.hear(&node, &node.ping(lone.at, lone.now));
    assert_eq!(times(&lone, &node), [START.mono, START.mono + SECOND]);
    assert_eq!(item(&lone, &node, Field::LastPing), Some(START.unix.as_secs() + 1));
    assert_eq!(item(&lone, &node, Field::LastPong), Some(START.unix.as_secs()));
    // From now on it pings us, and we it, every second or so.
    for _ in 0..600 {
        lone.hear(&node, &node.ping(lone.at, lone.now));
        steady(&mut lone, &node, SECOND);
    }
    let times = times(&lone, &node);
    assert!((10..=12).contains(&times.len()), "{}", times.len());
    let news = &times[1..];
    assert!(news.windows(2).all(|pair| pair[1] - pair[0] >= limits::BOND_STORE_INTERVAL - SECOND));
    let pongs = lone.look().traffic().packets_received(Kind::Pong);
    assert!(pongs >= 60, "{pongs}");
}

#[test]
fn find_node_requests_without_an_answer_are_counted_across_a_restart() {
    let mut lone = lone();
    let node = Stranger::new(1);
    lone.bond(&node);
    assert!(lone.look().table().contains(&node.id()));
    for count in 1..=2 {
        lone.ask(count, Command::FindNode(node.contact(), [1; 64]));
        lone.wait(SECOND);
        assert_eq!(item(&lone, &node, Field::FindFailures), Some(count));
    }
    lone.restart(Mode::Works, NOTHING);
    lone.bond(&node);
    lone.ask(1, Command::FindNode(node.contact(), [1; 64]));
    lone.wait(SECOND);
    assert_eq!(item(&lone, &node, Field::FindFailures), Some(3));
}

#[test]
fn the_store_is_swept_once_an_hour() {
    let mut lone = lone();
    lone.wait(HOUR * 5);
    let sweeps = lone.operations.iter().filter(|(_, operation)| *operation == Operation::Expire);
    let sweeps: Vec<_> = sweeps.map(|(at, _)| *at).collect();
    assert_eq!(sweeps, [1, 2, 3, 4, 5].map(|hours| START.mono + HOUR * hours));
}

#[test]
fn without_a_store_nothing_is_said_to_it() {
    let mut lone = Lone::at_time(1, Now::ZERO, NOTHING);
    lone.bond(&Stranger::new(1));
    lone.wait(HOUR * 2);
    assert_eq!(lone.operations, []);
}
