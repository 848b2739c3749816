//! The dial scheduler at work.

use core::net::IpAddr;
use core::time::Duration;

use alloc::vec::Vec;

use super::harness::{limits as max_peers, *};
use crate::identity::{Contact, Enode, NetRestrict, NodeAddress};
use crate::limits;
use crate::node::{Answer, Command, Config, DialError, DialFailure, DialRefusal, Event, Input};

fn with_candidates() -> Config {
    let mut config = config();
    config.candidates = ["test".into()].into();
    config
}

fn offer(lone: &mut Lone, nodes: impl IntoIterator<Item = Contact>) {
    lone.ask(Command::Candidates(0, nodes.into_iter().collect()));
}

#[test]
fn candidates_are_dialled_twice_as_many_as_there_are_places() {
    let mut config = with_candidates();
    config.limits = max_peers(9);
    let mut lone = Lone::new(config);
    offer(&mut lone, (1..=20).map(contact));
    assert_eq!(lone.connects.len(), 6, "three places");
    lone.reach(1);
    assert_eq!(lone.look().dial.len(), 5, "for two places four are enough: nobody comes to it");
    let second = lone.dialled(2).unwrap();
    lone.not_connected(second, DialFailure::Refused);
    assert_eq!(lone.look().dial.len(), 4);
    let third = lone.dialled(3).unwrap();
    lone.not_connected(third, DialFailure::Refused);
    assert_eq!(lone.look().dial.len(), 4, "now there is room for the next");
}

#[test]
fn no_more_are_dialled_at_once_than_may_be_pending() {
    let mut config = with_candidates();
    config.limits = max_peers(1000);
    let mut lone = Lone::new(config);
    offer(&mut lone, (1..=60).map(contact));
    assert_eq!(lone.connects.len(), 50);
}

#[test]
fn when_all_places_are_taken_nobody_is_dialled_and_no_source_is_asked() {
    let mut config = with_candidates();
    config.limits = max_peers(3);
    let mut lone = Lone::new(config);
    offer(&mut lone, [contact(1)]);
    lone.reach(1);
    lone.events.clear();
    offer(&mut lone, [contact(2)]);
    lone.wait(100 * SECOND);
    assert_eq!(lone.dialled(2), None);
    assert!(lone.events.is_empty());
}

#[test]
fn static_nodes_come_before_all_others() {
    let mut config = with_candidates();
    config.limits = max_peers(3);
    let mut lone = Lone::new(config);
    lone.give(Input::Hold(true));
    for number in 1..=2 {
        lone.ask(Command::AddPeer(enode(number)));
    }
    offer(&mut lone, (3..=9).map(contact));
    lone.give(Input::Hold(false));
    let mut dialled: Vec<_> = lone.connects.iter().map(|(_, to, _)| *to).collect();
    dialled.sort();
    assert_eq!(dialled, [address(1), address(2)]);
}

#[test]
fn with_no_dial_only_the_application_dials() {
    let mut config = with_candidates();
    config.no_dial = true;
    config.static_nodes = [enode(1)].into();
    let mut lone = Lone::new(config);
    offer(&mut lone, [contact(2)]);
    assert!(lone.connects.is_empty());
    lone.request(Command::Dial(enode(3)));
    assert!(lone.dialled(3).is_some());
}

#[test]
fn with_no_room_for_peers_nobody_is_dialled() {
    let mut config = with_candidates();
    config.limits = max_peers(0);
    config.static_nodes = [enode(1)].into();
    assert!(Lone::new(config).connects.is_empty());
}

/// geth `checkDial`: each of its reasons.
#[test]
fn whom_not_to_dial() {
    let mut config = with_candidates();
    let networks = ["33.0.0.0/8".parse().unwrap(), "34.0.0.0/8".parse().unwrap()];
    config.net_restrict = Some(NetRestrict::new(networks));
    let mut lone = Lone::new(config);
    lone.join(1);
    let pending = lone.incoming(address(2)).unwrap();
    lone.authenticated(pending, 2);
    let refused = |lone: &mut Lone, contact: Contact, refusal: DialRefusal| {
        let before = lone.counts().dials_refused.of(refusal);
        offer(lone, [contact]);
        assert_eq!(lone.counts().dials_refused.of(refusal), before + 1, "{refusal:?}");
        assert!(lone.connects.is_empty());
    };
    refused(&mut lone, contact(0), DialRefusal::SelfDialled);
    let portless = Contact::new(key(3), address(3).ip(), 30303, 0);
    refused(&mut lone, portless, DialRefusal::NoPort);
    refused(&mut lone, contact(1), DialRefusal::AlreadyConnected);
    refused(&mut lone, contact(2), DialRefusal::PendingInbound);
    let outside = Contact::new(key(4), [8, 8, 8, 8].into(), 1, 1);
    refused(&mut lone, outside, DialRefusal::NetRestrict);
    offer(&mut lone, [contact(5)]);
    let dial = lone.dialled(5).unwrap();
    refused(&mut lone, contact(5), DialRefusal::AlreadyDialling);
    lone.not_connected(dial, DialFailure::Refused);
    refused(&mut lone, contact(5), DialRefusal::RecentlyDialled);
    lone.wait(35 * SECOND);
    offer(&mut lone, [contact(5)]);
    assert!(lone.dialled(5).is_some());
}

#[test]
fn a_static_node_is_dialled_again_thirty_five_seconds_after_the_last_time() {
    let mut config = config();
    config.static_nodes = [enode(1)].into();
    let mut lone = Lone::new(config);
    let first = lone.reach(1);
    lone.wait(100 * SECOND);
    assert_eq!(lone.dialled(1), None, "it is connected");
    lone.lost(first);
    let second = lone.dialled(1).expect("long ago");
    lone.not_connected(second, DialFailure::Unreachable);
    lone.wait(34 * SECOND);
    assert_eq!(lone.dialled(1), None);
    lone.wait(SECOND);
    assert!(lone.dialled(1).is_some());
}

#[test]
fn a_static_node_that_dials_us_is_not_dialled_until_it_is_gone() {
    let mut config = config();
    config.no_dial = false;
    let mut lone = Lone::new(config);
    let inbound = lone.incoming(address(1)).unwrap();
    lone.authenticated(inbound, 1);
    lone.ask(Command::AddPeer(enode(1)));
    assert_eq!(lone.dialled(1), None);
    lone.lost(inbound);
    assert!(lone.dialled(1).is_some());
}

#[test]
fn one_that_is_static_already_stays_as_it_is() {
    let mut lone = Lone::new(config());
    lone.ask(Command::AddPeer(enode(1)));
    lone.ask(Command::AddPeer(enode(1)));
    assert_eq!(lone.connects.len(), 1);
    assert_eq!(lone.snapshot().static_nodes, 1);
}

#[test]
fn a_host_name_is_looked_up_for_each_dial_and_its_addresses_tried_in_turn() {
    let mut config = config();
    config.static_nodes = [named(1)].into();
    let mut lone = Lone::new(config);
    for _ in 0..2 {
        let (name, _) = lone.names.remove(0);
        lone.names_are(name, &[address(5).ip(), address(6).ip()]);
        let (first, to, remote) = lone.connects.remove(0);
        assert_eq!((to, remote), (address(5), key(1)));
        lone.not_connected(first, DialFailure::Refused);
        let (second, to, _) = lone.connects.remove(0);
        assert_eq!(to, address(6));
        lone.not_connected(second, DialFailure::TimedOut);
        let failed = lone.events.pop();
        assert!(matches!(failed, Some(Event::DialFailed(_, DialFailure::TimedOut))));
        lone.wait(35 * SECOND);
    }
}

#[test]
fn a_name_without_an_address_is_a_failure_and_so_is_silence() {
    let mut config = config();
    config.static_nodes = [named(1)].into();
    let mut lone = Lone::new(config);
    let (name, _) = lone.names.remove(0);
    lone.names_are(name, &[]);
    lone.wait(35 * SECOND);
    lone.names.remove(0);
    lone.wait(5 * SECOND);
    assert_eq!(lone.counts().dials_failed.of(DialFailure::UnresolvedName), 2);
}

#[test]
fn a_node_of_which_nothing_but_its_key_is_known_has_no_endpoint() {
    let nowhere = || NodeAddress::Enode(Enode::incomplete(key(1)));
    let mut config = config();
    config.static_nodes = [nowhere()].into();
    let mut lone = Lone::new(config);
    let failed = |lone: &Lone| lone.counts().dials_failed.of(DialFailure::NoEndpoint);
    assert_eq!(failed(&lone), 1, "nobody can find it for us");
    lone.wait(35 * SECOND);
    assert_eq!(failed(&lone), 2);
    let error = DialError::Failed(DialFailure::NoEndpoint);
    let answer = lone.ask(Command::Dial(nowhere()));
    assert!(matches!(answer, Answer::Dialled(Err(it)) if it == error), "{answer:?}");
}

#[test]
fn addresses_of_a_name_are_kept_to_our_networks() {
    let mut config = config();
    config.net_restrict = Some(NetRestrict::new(["33.0.0.0/8".parse().unwrap()]));
    let mut lone = Lone::new(config);
    lone.request(Command::Dial(named(1)));
    let (name, _) = lone.names.remove(0);
    let outside: IpAddr = [8, 8, 8, 8].into();
    lone.names_are(name, &[outside, address(1).ip()]);
    assert_eq!(lone.connects.remove(0).1, address(1));
    lone.request(Command::Dial(named(1)));
    let (name, _) = lone.names.remove(0);
    lone.names_are(name, &[outside]);
    assert_eq!(lone.counts().dials_failed.of(DialFailure::NetRestrict), 1);
}

#[test]
fn a_static_node_with_a_name_is_looked_up_though_we_keep_to_some_networks() {
    let mut config = config();
    config.net_restrict = Some(NetRestrict::new(["33.0.0.0/8".parse().unwrap()]));
    config.static_nodes = [named(1)].into();
    let mut lone = Lone::new(config);
    let (name, _) = lone.names.remove(0);
    lone.names_are(name, &[[8, 8, 8, 8].into(), address(1).ip()]);
    assert_eq!(lone.connects.remove(0).1, address(1));
}

#[test]
fn a_connection_that_does_not_come_about_in_fifteen_seconds_is_given_up() {
    let mut lone = Lone::new(config());
    lone.request(Command::Dial(enode(1)));
    let dial = lone.dialled(1).unwrap();
    lone.wait(15 * SECOND - Duration::from_micros(1));
    assert!(lone.commands.is_empty());
    lone.wait(Duration::from_micros(1));
    let quitting = crate::p2p::DisconnectReason::Quitting;
    assert_eq!(lone.commanded(dial), sent_away(quitting));
    assert_eq!(lone.counts().dials_failed.of(DialFailure::TimedOut), 1);
}

#[test]
fn a_static_node_whose_endpoint_failed_is_sought_by_discovery() {
    let mut config = config();
    config.discovery = true;
    config.static_nodes = [enode(1)].into();
    let mut lone = Lone::new(config);
    let dial = lone.dialled(1).unwrap();
    lone.not_connected(dial, DialFailure::Refused);
    assert_eq!(lone.look().dial.len(), 1, "discovery looks for it");
    // There is nobody to ask.
    lone.wait(10 * SECOND);
    assert_eq!(lone.look().dial.len(), 0);
    assert_eq!(lone.counts().dials_failed.of(DialFailure::Refused), 1);
    lone.wait(25 * SECOND);
    let dial = lone.dialled(1).unwrap();
    lone.not_connected(dial, DialFailure::Refused);
    assert_eq!(lone.look().dial.len(), 0, "it was sought less than two minutes ago");
}

#[test]
fn what_the_application_dials_takes_no_slot_of_the_scheduler() {
    let mut config = with_candidates();
    config.limits = max_peers(3);
    let mut lone = Lone::new(config);
    for number in 10..14 {
        lone.request(Command::Dial(enode(number)));
    }
    offer(&mut lone, (1..=3).map(contact));
    assert!(lone.dialled(1).is_some() && lone.dialled(2).is_some());
    assert_eq!(lone.dialled(3), None);
}

#[test]
fn so_many_dials_may_be_asked_for_at_once_and_no_more() {
    let mut lone = Lone::new(config());
    for number in 0..limits::REQUESTED_DIALS as u64 {
        lone.request(Command::Dial(enode(1 + number)));
    }
    assert!(lone.answers.is_empty());
    let many = DialError::Failed(DialFailure::TooManyDials);
    let answer = lone.ask(Command::Dial(enode(1000)));
    assert!(matches!(answer, Answer::Dialled(Err(error)) if error == many));
    let first = lone.dialled(1).unwrap();
    lone.not_connected(first, DialFailure::Refused);
    lone.request(Command::Dial(enode(1000)));
    assert!(lone.dialled(1000).is_some());
}

#[test]
fn when_no_more_nodes_can_be_remembered_no_more_are_dialled() {
    let mut config = with_candidates();
    config.limits = max_peers(1000);
    let mut lone = Lone::new(config);
    let mut dialled = 0;
    for batch in 0..70 {
        offer(&mut lone, (1 + batch * 64..65 + batch * 64).map(contact));
        while let Some((dial, ..)) = lone.connects.pop() {
            dialled += 1;
            lone.not_connected(dial, DialFailure::Refused);
        }
    }
    assert_eq!(dialled, limits::DIAL_HISTORY);
    lone.wait(35 * SECOND);
    assert!(!lone.connects.is_empty());
}

#[test]
fn there_are_so_many_static_nodes_and_no_more() {
    let mut config = config();
    config.no_dial = true;
    config.static_nodes = (1..=limits::STATIC_NODES as u64).map(enode).collect();
    let mut lone = Lone::new(config.clone());
    assert!(matches!(lone.ask(Command::AddPeer(enode(5000))), Answer::Busy));
    assert!(matches!(lone.ask(Command::AddPeer(enode(1))), Answer::Done), "it is there");
    lone.ask(Command::RemovePeer(id(1)));
    assert!(matches!(lone.ask(Command::AddPeer(enode(5000))), Answer::Done));
    config.static_nodes.push(enode(5000));
    let seed = crate::entropy::Seed::from_number(1);
    let error = crate::node::Node::new(config, &seed, START).unwrap_err();
    assert_eq!(error.field, "StaticNodes");
}

#[test]
fn of_a_name_with_many_addresses_the_first_few_are_tried() {
    let mut lone = Lone::new(config());
    lone.request(Command::Dial(named(1)));
    let (name, _) = lone.names.remove(0);
    let ips: Vec<_> = (1..=10).map(|number| address(number).ip()).collect();
    lone.names_are(name, &ips);
    for number in 1..=limits::NAME_ADDRESSES as u64 {
        let (dial, to, _) = lone.connects.remove(0);
        assert_eq!(to, address(number));
        lone.not_connected(dial, DialFailure::Refused);
    }
    assert!(lone.connects.is_empty());
}

#[test]
fn what_is_said_of_another_stage_of_a_dial_is_late() {
    let mut lone = Lone::new(config());
    lone.request(Command::Dial(named(1)));
    let (name, _) = lone.names.remove(0);
    lone.not_connected(name, DialFailure::Refused);
    lone.give(Input::Connected(name, Ok(())));
    lone.names_are(name, &[address(1).ip()]);
    let dial = lone.dialled(1).unwrap();
    lone.names_are(dial, &[address(2).ip()]);
    lone.give(Input::Connected(dial, Ok(())));
    lone.not_connected(dial, DialFailure::Refused);
    assert!(lone.connects.is_empty() && lone.answers.is_empty());
    assert_eq!(lone.counts().late_reports, 4);
    lone.authenticated(dial, 1);
    lone.ready(dial, 1);
    assert_eq!(lone.peers(), [id(1)]);
}
