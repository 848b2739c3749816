//! Each oracle can fail: those here that no planted bug proves, or only by luck.

use core::net::SocketAddr;
use core::time::Duration;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4;
use devp2p_core::driver::Event;
use devp2p_core::entropy::{Rng, Seed};
use devp2p_core::identity::Contact;
use devp2p_core::kademlia::{Liveness, Table, TableConfig};
use devp2p_core::node::{Limits, Node, Report};
use devp2p_core::p2p::{DisconnectReason, Hello, LocalCapabilities, LocalCapability, Message};
use devp2p_core::session::{self, Command, Lost, SessionError};
use devp2p_core::time::{Deadline, UnixTime};

use super::*;
use crate::network::tcp::{PipeId, Side};

fn rng() -> Rng {
    Seed::from_number(1).secrets()
}

fn config(rng: &mut Rng) -> Config {
    let mut config = Config::new(SecretKey::generate(rng));
    config.limits = Limits::default();
    config
}

fn run(config: &Config) -> Run {
    let mut oracle = Oracle::new(true, 1);
    oracle.starts(Instant::ZERO, 0, 7, config, Now::ZERO);
    oracle.0.unwrap().machines.remove(0).run.unwrap()
}

fn broken(result: Result<(), Flaw>) -> &'static str {
    result.unwrap_err().0
}

fn at(seconds: u64) -> Now {
    Now { mono: Instant::from_secs(seconds), unix: UnixTime::from_secs(1_800_000_000 + seconds) }
}

fn contact(rng: &mut Rng, last: u8) -> Contact {
    let key = SecretKey::generate(rng).public_key();
    Contact::new(key, IpAddr::from([20, 0, last, 1]), 30303, 30303)
}

/// A table of a node that thinks it is somebody, with one live entry.
fn table(own: NodeId, with: &Contact) -> Table {
    let jitter = Seed::from_number(3).jitter();
    let mut table = Table::new(own, TableConfig::default(), jitter, Instant::ZERO);
    let _ = table.add_found(with.clone(), Instant::ZERO);
    let due = table.revalidation_deadline().unwrap();
    let pinged = table.poll_revalidation(due).unwrap();
    let _ = table.revalidated(pinged.id(), Liveness::Alive, due);
    table
}

fn look(run: &mut Run, table: &Table, now: Now) -> Result<(), Flaw> {
    table::check(run, &mut Reached::default(), table, now)
}

#[test]
fn t1_and_t3_see_a_table_that_is_another_nodes() {
    let mut rng = rng();
    let config = config(&mut rng);
    let mut run = run(&config);
    let other = contact(&mut rng, 1);
    run.terms.id = *other.id();
    assert_eq!(broken(look(&mut run, &table(NodeId::new([0; 32]), &other), at(10))), "T1");
    let far: Vec<u8> = other.id().as_bytes().iter().map(|byte| !byte).collect();
    run.terms.id = NodeId::new(far.try_into().unwrap());
    let near = *other.id().as_bytes();
    let own = NodeId::new(core::array::from_fn(|at| near[at] ^ u8::from(at == 31)));
    assert_eq!(broken(look(&mut run, &table(own, &other), at(10))), "T3");
}

#[test]
fn t7_believes_its_own_history_alone() {
    let mut rng = rng();
    let config = config(&mut rng);
    let mut run = run(&config);
    let other = contact(&mut rng, 1);
    let table = table(run.terms.id, &other);
    assert_eq!(broken(look(&mut run, &table, at(10))), "T7");
    let endpoint = other.udp_endpoint().unwrap();
    run.discovery.answered.insert((*other.id(), endpoint), Instant::from_secs(3));
    look(&mut run, &table, at(10)).unwrap();
    assert_eq!(broken(look(&mut run, &table, at(100_000))), "T7");
}

#[test]
fn p3_and_p7_see_where_a_dial_goes() {
    let mut rng = rng();
    let mut config = config(&mut rng);
    config.net_restrict = Some(NetRestrict::new(["20.0.0.0/8".parse().unwrap()]));
    let own = config.key.public_key();
    let other = SecretKey::generate(&mut rng).public_key();
    let connects = |number, to: &str, key| {
        let id = names(number)[number];
        peers::connects(&mut run(&config), at(1), id, to.parse::<SocketAddr>().unwrap(), key)
    };
    assert_eq!(broken(connects(0, "20.0.0.1:1", &own)), "P3");
    assert_eq!(broken(connects(0, "20.0.0.1:0", &other)), "P7");
    assert_eq!(broken(connects(0, "0.0.0.0:5", &other)), "P7");
    assert_eq!(broken(connects(0, "21.0.0.1:5", &other)), "P7");
    connects(0, "20.0.0.1:5", &other).unwrap();
}

/// Names of connections: only a node makes them.
fn names(last: usize) -> Vec<ConnectionId> {
    let mut config = config(&mut rng());
    config.discovery = false;
    let mut node = Node::new(config, &Seed::from_number(2), at(0)).unwrap();
    let mut names = Vec::new();
    for number in 0..=u8::try_from(last).unwrap() {
        let from = SocketAddr::from(([20, 0, number, 1], 5));
        devp2p_core::machine::Machine::handle(&mut node, at(1), node::Input::Incoming(from));
        while let Some(output) = devp2p_core::machine::Machine::poll_output(&mut node) {
            if let node::Output::Accept { id, .. } = output {
                names.push(id);
            }
        }
    }
    names
}

#[test]
fn p4_to_p6_count_dials_and_guests() {
    let mut rng = rng();
    let config = config(&mut rng);
    let mut run = run(&config);
    let (names, other) = (names(4), SecretKey::generate(&mut rng).public_key());
    let to = "20.0.0.1:5".parse().unwrap();
    peers::connects(&mut run, at(1), names[0], to, &other).unwrap();
    assert_eq!(broken(peers::connects(&mut run, at(35), names[1], to, &other)), "P4");
    assert_eq!(broken(peers::connects(&mut run, at(90), names[1], to, &other)), "P6");
    let ip = to.ip();
    peers::accepts(&mut run, at(91), ip, names[2]).unwrap();
    assert_eq!(broken(peers::accepts(&mut run, at(120), ip, names[3])), "P5");
    peers::accepts(&mut run, at(150), ip, names[4]).unwrap();
    let closed = Report::Closed {
        error: SessionError::Lost(Lost::Closed),
        counters: session::Counters::default(),
    };
    let mut reports = || peers::reports(&mut run, &mut Reached::default(), names[4], &closed);
    reports().unwrap();
    assert_eq!(broken(reports()), "P6");
}

#[test]
fn r4_hears_what_a_session_is_told() {
    let config = config(&mut rng());
    let mut run = run(&config);
    let id = names(0)[0];
    peers::accepts(&mut run, at(1), IpAddr::from([20, 0, 0, 1]), id).unwrap();
    peers::tells(&mut run, id, Command::Proceed).unwrap();
    assert_eq!(broken(peers::tells(&mut run, id, Command::Proceed)), "R4");
    assert_eq!(broken(peers::tells(&mut run, id, Command::Admit)), "R4");
    peers::tells(&mut run, id, Command::Disconnect(DisconnectReason::Quitting)).unwrap();
    assert_eq!(broken(peers::tells(&mut run, id, Command::Admit)), "R4");
}

/// Two ends of one connection, known to the oracles.
fn pipe() -> (streams::Book, PipeId, [PublicKey; 2]) {
    let mut rng = rng();
    let keys = [(); 2].map(|()| SecretKey::generate(&mut rng).public_key());
    let mut book = streams::Book::default();
    let pipe = PipeId::first();
    book.begins(pipe, Side::Dialler, keys[0]);
    book.begins(pipe, Side::Acceptor, keys[1]);
    (book, pipe, keys)
}

fn message(payload: &'static [u8]) -> Message {
    let offer = || LocalCapabilities::new([LocalCapability::new("sim", 1, 16)]).unwrap();
    let capability = devp2p_core::p2p::Capability::new("sim", 1);
    offer().shared_with(&[capability]).message(0, 1, payload.into()).unwrap()
}

#[test]
fn s1_compares_what_is_received_with_what_was_sent() {
    let (mut book, pipe, _) = pipe();
    for text in [&b"one"[..], b"two"] {
        book.sent(Instant::from_secs(1), pipe, Side::Dialler, &message(text));
    }
    book.received(pipe, Side::Acceptor, &message(b"one")).unwrap();
    assert_eq!(broken(book.received(pipe, Side::Acceptor, &message(b"three"))), "S1");
    assert_eq!(broken(book.received(pipe, Side::Acceptor, &message(b"three"))), "S1");
}

#[test]
fn s7_to_s9_compare_both_ends() {
    let (mut book, pipe, keys) = pipe();
    let shown: Vec<u8> = (0..40).collect();
    book.first_bytes(&shown).unwrap();
    assert_eq!(broken(book.first_bytes(&shown)), "S7");
    book.is_with(pipe, Side::Dialler, keys[1].as_bytes()).unwrap();
    assert_eq!(broken(book.is_with(pipe, Side::Dialler, keys[0].as_bytes())), "S8");
    let (told, other) = (DisconnectReason::TooManyPeers, DisconnectReason::Quitting);
    book.ends(pipe, Side::Dialler, SessionError::Remote(told)).unwrap();
    assert_eq!(broken(book.ends(pipe, Side::Acceptor, SessionError::Local(other))), "S9");
    book.begins(pipe, Side::Dialler, keys[0]);
    book.ends(pipe, Side::Acceptor, SessionError::Local(told)).unwrap();
    book.ends(pipe, Side::Dialler, SessionError::Remote(told)).unwrap();
}

#[test]
fn s3_to_s6_follow_one_end_through_its_life() {
    let mut rng = rng();
    let config = config(&mut rng);
    let mut run = run(&config);
    let id = names(0)[0];
    let (mut streams, pipe, keys) = pipe();
    run.sessions.insert(id, session_life::Book::new(at(1), pipe, Side::Dialler));
    let reached = &mut Reached::default();
    let says = |run: &mut Run, reached: &mut Reached, event: Event| {
        session_life::says(run, &streams, reached, at(2), id, &event)
    };
    assert_eq!(broken(says(&mut run, reached, Event::Message(message(b"early")))), "S4");
    assert_eq!(broken(says(&mut run, reached, Event::Authenticated(keys[0]))), "S8");
    says(&mut run, reached, Event::Authenticated(keys[1])).unwrap();
    session_life::told(&mut run, at(2), id, Command::Proceed, 0, 0).unwrap();
    let hello = Hello {
        version: 5,
        client_name: String::new(),
        capabilities: Vec::new(),
        listen_port: 0,
        id: *keys[1].as_bytes(),
    };
    let shared = std::sync::Arc::new(devp2p_core::p2p::Shared::default());
    says(&mut run, reached, Event::Ready { hello, shared }).unwrap();
    assert_eq!(broken(says(&mut run, reached, Event::Message(message(b"early")))), "S4");
    session_life::told(&mut run, at(2), id, Command::Admit, 0, 0).unwrap();
    says(&mut run, reached, Event::Message(message(b"now"))).unwrap();
    let over = Command::Disconnect(DisconnectReason::Quitting);
    assert_eq!(broken(session_life::told(&mut run, at(3), id, over, 10, 300)), "S3");
    session_life::told(&mut run, at(3), id, over, 10, 74).unwrap();
    assert_eq!(broken(says(&mut run, reached, Event::Message(message(b"late")))), "S3");
    session_life::writes(&mut run, &mut streams, at(3), id, &[1; 40], 74).unwrap();
    session_life::rests(&mut run, at(3), id, (0, true), None).unwrap();
    assert_eq!(broken(session_life::rests(&mut run, at(3), id, (1, true), None)), "S3");
}

#[test]
fn r1_sees_who_never_sleeps() {
    let due = |seconds| Some(Deadline { at: Instant::from_secs(seconds), reason: "test" });
    resources::rests(Instant::from_secs(1), "it", due(2)).unwrap();
    assert_eq!(broken(resources::rests(Instant::from_secs(1), "it", due(1))), "R1");
}

#[test]
fn r2_and_s5_have_bounds() {
    resources::within(4096, 1000).unwrap();
    assert_eq!(broken(resources::within(4097, 1000)), "R2");
    assert_eq!(broken(resources::within(4096, 4096)), "R2");
    session_life::sized((1 << 24) - 1).unwrap();
    assert_eq!(broken(session_life::sized(1 << 24)), "S5");
}

#[test]
fn d4_goes_by_the_later_of_both_expirations() {
    let mut rng = rng();
    let config = config(&mut rng);
    let mut run = run(&config);
    run.began = at(0);
    let key = SecretKey::generate(&mut rng);
    let ask = discv4::EnrRequest { expiration: at(10).unix.as_secs() };
    let packet = discv4::encode(&discv4::Packet::EnrRequest(ask), &key).bytes;
    let source = "20.0.0.1:5".parse().unwrap();
    let gate = discv4::Gate::new(&Seed::from_number(1)).check(at(1), source, &packet, &Nobody);
    let verified = gate.and_then(discv4::verify);
    discovery::gated(&run, at(10), &verified).unwrap();
    assert_eq!(broken(discovery::gated(&run, at(12), &verified)), "D4");
    let set_back = Now { unix: at(3).unix, ..at(12) };
    discovery::gated(&run, set_back, &verified).unwrap();
}

/// Seed 1060: a backlog was written just after the ping was due that it had held up.
#[test]
fn s6_waits_for_pings_that_wait_for_a_backlog() {
    let mut world = crate::Scenario::new(5).nodes(2).build().unwrap();
    world.run_for(Duration::from_secs(20)).unwrap();
    let books = world.watch.oracle.0.as_deref_mut().unwrap();
    let mut run = books.machines[1].run.take().unwrap();
    let id = *run.sessions.first_key_value().unwrap().0;
    let overdue = |run: &Run, now| session_life::overdue(&run.sessions[&id], id, true, at(now));
    session_life::rests(&mut run, at(30), id, (200_000, true), None).unwrap();
    for (second, pending) in [(45, 65_536), (50, 0)] {
        run.sessions.get_mut(&id).unwrap().reads(at(second));
        session_life::rests(&mut run, at(second), id, (pending, true), None).unwrap();
    }
    overdue(&run, 65).unwrap();
    assert_eq!(broken(overdue(&run, 67)), "S6");
}

struct Nobody;

impl discv4::Sources for Nobody {
    fn is_proven(&self, _: IpAddr) -> bool {
        false
    }

    fn is_awaited(&self, _: IpAddr, _: discv4::Kind, _: &[u8; 32]) -> bool {
        false
    }
}

#[test]
fn what_is_found_stops_the_world_and_says_where() {
    let mut world = crate::Scenario::new(5).nodes(3).build().unwrap();
    world.run_for(Duration::from_secs(20)).unwrap();
    let books = world.watch.oracle.0.as_deref_mut().unwrap();
    // What was answered is forgotten: so nobody should be live.
    books.machines[1].run.as_mut().unwrap().discovery.answered.clear();
    let violation = world.run_for(Duration::from_secs(20)).unwrap_err();
    assert_eq!((violation.invariant, violation.node), ("T7", Some(1)));
    assert!(violation.to_string().contains("never answered"), "{violation}");
    assert!(!violation.last.is_empty());
}
