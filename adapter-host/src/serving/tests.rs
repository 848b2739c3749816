//! One turn after another, without a runtime.

use core::net::Ipv4Addr;
use core::pin::Pin;
use std::path::Path;

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::{Contact, Enode};
use devp2p_core::node;
use devp2p_handle::{DialError, Discovery, Peer, RefusedRequest, RequestError};
use futures_lite::future::{self, poll_once};

use super::*;
use crate::runtime::Nobody;

const LOCALHOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

const PATIENCE: Duration = Duration::from_secs(20);

fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

fn start(config: Config) -> (Node, Serving, Sockets) {
    Serving::start(config, Nobody).unwrap()
}

fn config(number: u64) -> Config {
    Config::new(node::Config::new(key(number)), Seed::from_number(number)).verifiers(0)
}

/// Discovery alone.
fn discovering(number: u64, verifiers: usize) -> (Discovery, Serving, UdpSocket) {
    let mut config = config(number).discovery(LOCALHOST).verifiers(verifiers);
    config.discovery_only();
    let (node, mut serving, sockets) = start(config);
    let discovery = node.into_discovery().unwrap();
    let udp = sockets.udp.unwrap();
    // It begins: nobody takes the events of the node.
    while serving.turn(Some(&udp)) == Step::Yield {}
    (discovery, serving, udp)
}

/// Without discovery.
fn dialling() -> (Node, Serving) {
    let mut config = config(1);
    config.node.discovery = false;
    let (node, serving, _) = start(config);
    (node, serving)
}

/// A turn of a node without discovery.
fn turn(serving: &mut Serving) -> Step {
    serving.turn(None::<&UdpSocket>)
}

fn turns(serving: &mut Serving) {
    while turn(serving) == Step::Yield {}
}

fn received(serving: &Serving) -> u64 {
    serving.driver.discovery_snapshot().unwrap().datagrams.received
}

/// One turn; how many datagrams it read.
fn read_in_a_turn(serving: &mut Serving, udp: &UdpSocket) -> usize {
    let before = received(serving);
    assert_eq!(serving.turn(Some(udp)), Step::Yield);
    usize::try_from(received(serving) - before).unwrap()
}

fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Wall::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Polls it once, which must not end it.
fn begin<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) {
    assert!(future::block_on(poll_once(future)).is_none());
}

/// Polls it once, which must end it.
fn done<T>(future: impl Future<Output = T>) -> T {
    future::block_on(poll_once(pin!(future))).expect("it is not done")
}

#[test]
fn a_turn_reads_so_many_datagrams_and_leaves_the_rest() {
    let (discovery, mut serving, udp) = discovering(1, 1);
    let stranger = UdpSocket::bind(LOCALHOST).unwrap();
    // On loopback they are there when they are sent.
    for _ in 0..DATAGRAMS + 10 {
        stranger.send_to(b"garbage", discovery.address()).unwrap();
    }
    assert_eq!(read_in_a_turn(&mut serving, &udp), DATAGRAMS);
    assert_eq!(read_in_a_turn(&mut serving, &udp), 10);
    assert_eq!(serving.turn(Some(&udp)), Step::Wait);
}

#[test]
fn a_turn_takes_so_many_requests_and_leaves_the_rest() {
    let (discovery, mut serving, udp) = discovering(1, 1);
    let waiting: Vec<_> = (0..REQUESTS + 3)
        .map(|_| {
            let mut nodes = Box::pin(discovery.random_nodes());
            begin(nodes.as_mut());
            nodes
        })
        .collect();
    assert_eq!(serving.turn(Some(&udp)), Step::Yield);
    let mut left = 0;
    while serving.end.try_next().is_some() {
        left += 1;
    }
    assert_eq!(left, 3);
    drop(waiting);
}

/// Pings from `number` nodes, in the buffer of the socket.
fn fill_with_pings(many: usize, to: &Discovery) {
    for number in 0..many {
        let (pinging, mut other, udp) = discovering(10 + number as u64, 0);
        let target = Contact::from_record(to.record());
        let mut ping = pin!(pinging.ping(&target));
        begin(ping.as_mut());
        other.turn(Some(&udp));
        assert_eq!(other.driver.discovery_snapshot().unwrap().datagrams.sent, 1);
    }
}

#[test]
fn a_turn_without_threads_verifies_so_many_packets_and_leaves_the_rest() {
    let (discovery, mut serving, udp) = discovering(1, 0);
    fill_with_pings(PACKETS + 2, &discovery);
    assert_eq!(read_in_a_turn(&mut serving, &udp), PACKETS);
    assert_eq!(read_in_a_turn(&mut serving, &udp), 2);
    assert_eq!(serving.driver.discovery_snapshot().unwrap().drops.total(), 0);
}

#[test]
fn a_turn_acts_on_so_many_verified_packets_and_leaves_the_rest() {
    let (discovery, mut serving, udp) = discovering(1, 1);
    fill_with_pings(PACKETS + 2, &discovery);
    assert_eq!(read_in_a_turn(&mut serving, &udp), PACKETS + 2);
    wait_for("verified packets", || serving.checked.len() == PACKETS + 2);
    serving.turn(Some(&udp));
    assert_eq!(serving.checked.len(), 2);
    serving.turn(Some(&udp));
    assert_eq!(serving.checked.len(), 0);
    assert_eq!(serving.driver.discovery_snapshot().unwrap().drops.total(), 0);
}

#[test]
fn a_socket_that_lacks_something_is_left_alone_for_a_while() {
    let (discovery, mut serving, udp) = discovering(1, 1);
    let stranger = UdpSocket::bind(LOCALHOST).unwrap();
    stranger.send_to(b"garbage", discovery.address()).unwrap();
    serving.not_received(SocketFailure::Refused);
    assert!(serving.wants_receive());
    let before = Wall::now();
    serving.not_received(SocketFailure::NoBuffers);
    assert!(!serving.wants_receive());
    assert_eq!(serving.turn(Some(&udp)), Step::Wait);
    let until = serving.deadline().unwrap();
    assert!(until <= Wall::now() + limits::RECEIVE_RETRY);
    assert!(until >= before + limits::RECEIVE_RETRY / 2);
    wait_for("hearing again", || {
        serving.turn(Some(&udp));
        received(&serving) == 1
    });
    assert!(Wall::now() >= until);
    let datagrams = serving.driver.discovery_snapshot().unwrap().datagrams;
    assert_eq!(datagrams.receive_failures(SocketFailure::NoBuffers), 1);
    assert_eq!(datagrams.receive_failures(SocketFailure::Refused), 1);
}

#[test]
fn when_the_system_accepts_nothing_it_is_tried_again_after_a_while() {
    let mut config = config(1).listen(LOCALHOST);
    config.node.discovery = false;
    let (_node, mut serving, _sockets) = start(config);
    turns(&mut serving);
    // Whoever is gone before it is accepted is no reason to wait.
    for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset] {
        serving.not_accepted(&kind.into());
        assert!(serving.wants_incoming());
    }
    serving.not_accepted(&io::ErrorKind::OutOfMemory.into());
    assert!(!serving.wants_incoming());
    assert_eq!(turn(&mut serving), Step::Wait);
    let until = serving.deadline().unwrap();
    assert!(until <= Wall::now() + limits::ACCEPT_RETRY);
    thread::sleep(until.saturating_duration_since(Wall::now()) + Duration::from_millis(1));
    turn(&mut serving);
    assert!(serving.wants_incoming());
    assert_eq!(serving.deadline(), None);
}

fn named(number: u64, name: &str) -> Enode {
    let name = HostName::new(name).unwrap();
    Enode::with_host_name(key(number).public_key(), name, 30303, 0)
}

type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Peer, DialError>> + 'a>>;

/// So many dials by name under way.
fn dial_by_name<'a>(node: &'a Node, serving: &mut Serving, many: usize) -> Vec<Dialling<'a>> {
    let dial = |number| {
        let mut dial: Dialling<'_> = Box::pin(node.dial(named(100 + number, "localhost")));
        begin(dial.as_mut());
        dial
    };
    let dials = (0..many as u64).map(dial).collect();
    turns(serving);
    dials
}

#[test]
fn so_many_names_are_looked_up_at_once_and_all_are_answered() {
    const MANY: usize = 3 * limits::NAME_LOOK_UPS;
    let (node, mut serving) = dialling();
    let requests: Vec<_> =
        (0..MANY as u64).map(|number| named(100 + number, "localhost")).collect();
    let mut dials: Vec<_> = requests.iter().map(|to| Box::pin(node.dial(to.clone()))).collect();
    dials.iter_mut().for_each(|dial| begin(dial.as_mut()));
    let mut connects = Vec::new();
    wait_for("every name", || {
        turn(&mut serving);
        let waiting = serving.names.len();
        assert!(serving.looking <= limits::NAME_LOOK_UPS);
        assert!(waiting == 0 || serving.looking == limits::NAME_LOOK_UPS, "one could begin");
        connects.extend(core::iter::from_fn(|| serving.next_dial()));
        connects.len() == MANY
    });
    assert!(connects.iter().all(|dial| dial.to().ip().is_loopback() && dial.to().port() == 30303));
    assert_eq!((serving.looking, serving.names.len()), (0, 0));
}

#[test]
fn a_name_that_cannot_be_looked_up_fails_its_dial() {
    let (node, mut serving) = dialling();
    let mut dial = pin!(node.dial(named(9, &format!("{}.invalid", "a".repeat(64)))));
    begin(dial.as_mut());
    let mut answer = None;
    wait_for("an answer", || {
        turn(&mut serving);
        answer = future::block_on(poll_once(dial.as_mut()));
        answer.is_some()
    });
    assert!(matches!(answer, Some(Err(DialError::Failed(_)))), "{answer:?}");
}

#[test]
fn names_that_nobody_waits_for_any_more_do_not_pile_up() {
    let (node, mut serving) = dialling();
    // As if the system did not answer.
    serving.looking = limits::NAME_LOOK_UPS;
    let waiting = dial_by_name(&node, &mut serving, 3);
    assert_eq!(serving.names.len(), 3);
    for _ in 0..10 {
        let given_up = dial_by_name(&node, &mut serving, 20);
        assert_eq!(serving.names.len(), 3 + 20);
        drop(given_up);
        turns(&mut serving);
    }
    drop(waiting);
    turns(&mut serving);
    serving.look_up_next();
    assert!(serving.names.is_empty());
}

#[test]
fn a_dial_that_is_dropped_says_that_it_failed() {
    let (node, mut serving) = dialling();
    let to = Enode::new(key(9).public_key(), LOCALHOST.ip(), 1, 0);
    let mut dials = [Box::pin(node.dial(&to)), Box::pin(node.dial(&to)), Box::pin(node.dial(&to))];
    let mut answers = Vec::new();
    for (how, dial) in dials.iter_mut().enumerate() {
        begin(dial.as_mut());
        turns(&mut serving);
        let connect = serving.next_dial().unwrap();
        assert_eq!(connect.to(), SocketAddr::new(LOCALHOST.ip(), 1));
        match how {
            0 => drop(connect),
            1 => connect.failed(&io::ErrorKind::ConnectionRefused.into()),
            _ => connect.given_up(),
        }
        turns(&mut serving);
        answers.push(match done(dial.as_mut()) {
            Err(DialError::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        });
    }
    let expected = [DialFailure::Failed, DialFailure::Refused, DialFailure::GivenUp];
    assert_eq!(answers, expected);
    assert_eq!(serving.end.live(), 0);
}

#[test]
fn who_connects_is_told_when_the_dial_is_given_up() {
    let (node, mut serving) = dialling();
    let to = Enode::new(key(9).public_key(), LOCALHOST.ip(), 1, 0);
    let mut dial = Box::pin(node.dial(&to));
    begin(dial.as_mut());
    turns(&mut serving);
    let mut connect = serving.next_dial().unwrap();
    let cx = Context::from_waker(Waker::noop());
    assert!(connect.poll_given_up(&cx).is_pending());
    drop(dial);
    turns(&mut serving);
    assert!(connect.poll_given_up(&cx).is_ready());
}

#[test]
fn udp_is_where_tcp_is_or_where_it_is_wanted() {
    let (sockets, tcp, udp) = bind(Some(LOCALHOST), None, true).unwrap();
    assert_eq!(tcp, udp);
    assert_eq!(sockets.udp.unwrap().local_addr().ok(), udp);
    assert_eq!(sockets.tcp.unwrap().local_addr().ok(), tcp);
    let wanted = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), 0);
    let (_, tcp, udp) = bind(Some(LOCALHOST), Some(wanted), true).unwrap();
    assert_eq!((tcp.unwrap().ip(), udp.unwrap().ip()), (LOCALHOST.ip(), wanted.ip()));
    let (sockets, tcp, udp) = bind(None, None, true).unwrap();
    assert!(sockets.tcp.is_none() && tcp.is_none());
    assert_eq!(udp.unwrap().ip(), ANY.ip());
    let (sockets, _, udp) = bind(Some(LOCALHOST), Some(LOCALHOST), false).unwrap();
    assert!(sockets.tcp.is_some() && sockets.udp.is_none() && udp.is_none());
}

#[test]
fn a_port_that_the_system_chose_may_be_taken_for_udp_and_one_that_is_wanted_may_not() {
    let other = UdpSocket::bind(LOCALHOST).unwrap();
    let taken = other.local_addr().unwrap();
    let (_, udp) = bind_udp(Some(LOCALHOST), Some(taken), None).unwrap();
    assert!(udp.ip() == taken.ip() && udp.port() != taken.port(), "{udp}");
    let error = bind_udp(Some(taken), Some(taken), None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    // Which address it was is said, and no socket is left.
    let error = bind(Some(taken), None, true).unwrap_err();
    assert!(matches!(error, StartError::Listen(address, _) if address == taken), "{error}");
    let error = bind(Some(LOCALHOST), Some(taken), true).unwrap_err();
    assert!(matches!(error, StartError::Listen(address, _) if address == taken), "{error}");
    TcpListener::bind(taken).unwrap();
}

/// Turns until it has stopped, and closes it.
fn close(mut serving: Serving, udp: Option<UdpSocket>) {
    wait_for("a stop", || serving.turn(udp.as_ref()) == Step::Stop);
    drop(udp);
    future::block_on(serving.close(pending()));
}

#[test]
fn a_stop_answers_everyone() {
    let (node, mut serving, sockets) = start(config(1).listen(LOCALHOST).verifiers(1));
    let to = Enode::new(key(9).public_key(), LOCALHOST.ip(), 1, 0);
    let contact = Contact::from_record(node.record());
    let discovery = node.discovery().unwrap().clone();
    let mut connecting = pin!(node.dial(&to));
    let mut naming = pin!(node.dial(named(8, "localhost")));
    let mut asking = pin!(discovery.random_nodes());
    begin(connecting.as_mut());
    begin(naming.as_mut());
    begin(asking.as_mut());
    serving.turn(sockets.udp.as_ref());
    assert!(!serving.is_stopping());
    let mut stop = pin!(node.stop());
    let mut second = pin!(node.stop());
    let mut behind = pin!(node.dial(&to));
    let mut removing = pin!(node.remove_peer(*contact.id()));
    begin(stop.as_mut());
    begin(second.as_mut());
    begin(behind.as_mut());
    begin(removing.as_mut());
    serving.turn(sockets.udp.as_ref());
    assert!(serving.is_stopping() && !serving.wants_incoming());
    begin(stop.as_mut());
    // Whoever connects is told to give it up; the name may have been found by then.
    let mut connects: Vec<_> = core::iter::from_fn(|| serving.next_dial()).collect();
    assert!(!connects.is_empty());
    for connect in &mut connects {
        assert!(connect.poll_given_up(&Context::from_waker(Waker::noop())).is_ready());
    }
    assert_eq!(serving.turn(sockets.udp.as_ref()), Step::Wait, "it waits for its connections");
    connects.into_iter().for_each(|connect| connect.given_up());
    close(serving, sockets.udp);
    assert_eq!(done(stop), Ok(()));
    assert!(done(second).is_err());
    for dial in [done(connecting), done(naming), done(behind)] {
        assert!(matches!(dial, Err(DialError::Stopped)), "{dial:?}");
    }
    assert_eq!(done(removing), Err(RefusedRequest::Stopped));
    assert_eq!(done(asking), Err(RequestError::Stopped));
    assert!(done(node.next_event()).is_none());
}

#[test]
fn a_node_without_handles_stops_by_itself() {
    let (node, serving, sockets) = start(config(1).listen(LOCALHOST));
    drop(node);
    close(serving, sockets.udp);
}

type Running = (Discovery, Serving, UdpSocket);

fn try_remembering(directory: &Path) -> Option<Running> {
    let mut config = config(1).discovery(LOCALHOST).node_database(directory);
    config.discovery_only();
    let (node, serving, sockets) = Serving::start(config, Nobody).ok()?;
    Some((node.into_discovery()?, serving, sockets.udp?))
}

fn remembering(directory: &Path) -> Running {
    try_remembering(directory).unwrap()
}

#[test]
fn a_node_s_record_is_newer_than_that_of_the_last_run_before_anything_happens() {
    let place = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..3 {
        // The thread of the last run may still be about to end.
        let mut run = None;
        wait_for("the database", || {
            run = try_remembering(place.path());
            run.is_some()
        });
        let (discovery, serving, udp) = run.unwrap();
        let sequence = discovery.record().sequence();
        assert!(sequence > last, "{sequence} after {last}");
        last = sequence;
        // As by a power failure: nothing is said to anyone.
        drop((serving, discovery, udp));
    }
}

#[test]
fn a_database_that_somebody_else_has_is_no_start() {
    let place = tempfile::tempdir().unwrap();
    let (_discovery, _serving, udp) = remembering(place.path());
    let mut again = config(2).discovery(LOCALHOST).node_database(place.path());
    again.discovery_only();
    assert!(matches!(Serving::start(again, Nobody), Err(StartError::NodeDatabase(_))));
    assert!(udp.local_addr().is_ok());
}

#[test]
fn who_waits_for_an_answer_that_does_not_come_goes_on_in_time() {
    let (send, receive) = async_channel::bounded::<u8>(1);
    let begun = Wall::now();
    assert!(block_on(receive.recv(), begun + Duration::from_millis(50)).is_none());
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        send.send_blocking(7)
    });
    assert_eq!(block_on(receive.recv(), Wall::now() + PATIENCE), Some(Ok(7)));
    late.join().unwrap().unwrap();
}

/// What reads is answered by itself.
fn seeds() -> Operation {
    Operation::Seeds { count: 1, max_age: Duration::ZERO, draw: [0; 32] }
}

#[test]
fn a_turn_takes_so_many_answers_of_the_store_and_leaves_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let (_discovery, mut serving, udp) = remembering(place.path());
    while serving.turn(Some(&udp)) == Step::Yield {}
    // What it has asked for itself.
    let asked = limits::STORE_REPLIES + 5;
    wait_for("its own seeds", || {
        serving.turn(Some(&udp));
        serving.replies.is_empty()
    });
    for number in 0..asked as u64 {
        serving.store(OperationId(1_000_000 + number), seeds());
    }
    wait_for("as many as there is room for", || serving.replies.is_full());
    assert_eq!(serving.turn(Some(&udp)), Step::Yield);
    wait_for("the rest", || serving.replies.len() >= 5);
    assert_eq!(serving.turn(Some(&udp)), Step::Yield);
    assert!(serving.replies.is_empty());
}

#[test]
fn what_the_store_has_no_room_for_fails_and_a_stop_comes_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let (discovery, mut serving, udp) = remembering(place.path());
    // Nobody takes its answers, so it stands still and its queue fills up.
    let mut number = 0;
    while serving.store.as_ref().unwrap().counts().failed < 10 {
        assert!(number < 10 * limits::STORE_OPERATIONS as u64);
        serving.store(OperationId(1_000_000 + number), seeds());
        number += 1;
    }
    serving.execute();
    assert_eq!(serving.store.as_ref().unwrap().counts().failed, 10);
    let stranger = UdpSocket::bind(LOCALHOST).unwrap();
    stranger.send_to(b"garbage", discovery.address()).unwrap();
    serving.turn(Some(&udp));
    assert_eq!(received(&serving), 1, "nothing waits for the store");
    let begun = Wall::now();
    drop(discovery);
    close(serving, Some(udp));
    assert!(begun.elapsed() < limits::STORE_CLOSE_TIMEOUT);
    // Its thread has ended: the database is free.
    remembering(place.path());
}

#[test]
fn an_address_that_the_operator_knows_is_in_the_record_from_the_start() {
    let nat = "extip:11.22.33.44".parse().unwrap();
    let (node, _, _) = start(config(1).listen(LOCALHOST).nat(nat));
    assert_eq!(node.record().endpoint().ip, Some([11, 22, 33, 44].into()));
}

#[test]
fn a_gateway_that_is_not_there_holds_up_neither_start_nor_stop() {
    let anywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let begun = Wall::now();
    let mut config = config(1).listen(anywhere).nat("pmp:127.0.0.1".parse().unwrap());
    config.node.discovery = false;
    let (node, mut serving, _sockets) = start(config);
    assert!(!serving.gateway.told.is_closed(), "it is asked");
    let mut stop = pin!(node.stop());
    begin(stop.as_mut());
    while turn(&mut serving) != Step::Stop {
        thread::sleep(Duration::from_millis(1));
    }
    // Nothing is mapped, so there is nothing to wait for.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn what_the_gateway_says_is_in_the_record_and_the_snapshot() {
    let (node, mut serving) = dialling();
    let external = devp2p_core::nat::External {
        ip: Some([11, 22, 33, 44].into()),
        tcp: None,
        udp: Some(40303),
    };
    let status = devp2p_core::nat::Status { external, ..Default::default() };
    serving.told(Told::Status(status));
    let endpoint = node.record().endpoint();
    assert_eq!((endpoint.ip, endpoint.udp), (external.ip, 40303));
    assert_eq!(serving.driver.machine().snapshot().gateway, status);
}
