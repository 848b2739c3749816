//! Connections that come to nothing, and what both ends are told.

use core::time::Duration;
use std::io::Write as _;
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use devp2p_core::identity::{Enode, HostName};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::rlpx::HandshakeError;
use devp2p_core::session::{Lost, Phase, SessionError};
use devp2p_handle::{DialError, DialFailure, Event, Failure, Node};

use super::Runtime;
use super::raw::{garbage, speak_garbage};
use super::rig::{ANY, ECHO, Pair, Rig, local};

/// Both ends came to the same conclusion by themselves.
async fn both_refuse<R: Runtime>(
    rig: &Rig<R>,
    dialler: &Node,
    acceptor: &Node,
    reason: DisconnectReason,
) {
    session_error(rig.dial(dialler, acceptor).await, SessionError::Local(reason));
    fails(rig, acceptor, dialler, SessionError::Local(reason)).await;
}

#[track_caller]
fn session_error<T: core::fmt::Debug>(result: Result<T, DialError>, expected: SessionError) {
    match result {
        Err(DialError::Session(error)) => assert_eq!(error, expected),
        other => panic!("{expected:?} expected, got {other:?}"),
    }
}

#[track_caller]
fn not_dialled<T: core::fmt::Debug>(result: Result<T, DialError>, expected: DialFailure) {
    match result {
        Err(DialError::Failed(failure)) => assert_eq!(failure, expected),
        other => panic!("{expected:?} expected, got {other:?}"),
    }
}

/// The acceptor's next event is that `dialler` was not admitted.
async fn fails<R: Runtime>(rig: &Rig<R>, node: &Node, dialler: &Node, expected: SessionError) {
    let Failure { public_key, error, address, .. } = rig.failed(node).await;
    assert_eq!(error, expected);
    assert_eq!(public_key.as_ref(), Some(dialler.local().public()));
    assert!(address.ip().is_loopback());
}

pub fn peers_without_a_shared_capability_are_useless_to_each_other<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let apples = rig.node(&[("apple", 1, 1), ("same", 1, 1)]);
        let pears = rig.node(&[("pear", 1, 1), ("same", 2, 1)]);
        both_refuse(&rig, &apples, &pears, DisconnectReason::UselessPeer).await;
    });
}

pub fn a_node_that_takes_anyone_hears_that_it_is_useless<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let anyone = rig.node(&[]);
        let choosy = rig.echo_node();
        match rig.dial(&anyone, &choosy).await {
            Ok(peer) => {
                let useless = SessionError::Remote(DisconnectReason::UselessPeer);
                assert_eq!(rig.closed(&peer).await, useless);
            }
            error => panic!("{error:?}"),
        }
        let useless = SessionError::Local(DisconnectReason::UselessPeer);
        fails(&rig, &choosy, &anyone, useless).await;
    });
}

pub fn a_node_that_dials_itself_is_refused_by_itself<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        both_refuse(&rig, &node, &node, DisconnectReason::SelfConnected).await;
    });
}

pub fn a_node_is_connected_to_another_once<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let pair = rig.pair(&[(ECHO, 1, 2)]).await;
        let Pair { dialler, acceptor, outbound, inbound } = &pair;
        rig.echo(inbound.clone());
        for (from, to) in [(dialler, acceptor), (acceptor, dialler)] {
            let already = DisconnectReason::AlreadyConnected;
            session_error(rig.dial(from, to).await, SessionError::Local(already));
            // It refuses as well, or waits for who dialled to find out that it was not at once.
            let error = rig.failed(to).await.error;
            assert!([SessionError::Local(already), SessionError::Remote(already)].contains(&error));
        }
        // The connection that there is stays as it was.
        rig.round_trip(&outbound.channel(ECHO).unwrap(), 1, 1000).await;
    });
}

pub fn a_full_node_refuses_until_a_slot_is_free<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let full = rig.start(local(&[(ECHO, 1, 2)]), ANY, 1);
        let (first, second) = (rig.echo_node(), rig.echo_node());
        let (peer, _inbound) = rig.connect(&first, &full).await;

        let told = SessionError::Remote(DisconnectReason::TooManyPeers);
        session_error(rig.dial(&second, &full).await, told);
        let refused = SessionError::Local(DisconnectReason::TooManyPeers);
        fails(&rig, &full, &second, refused).await;
        // It does not dial beyond its limit either.
        session_error(rig.dial(&full, &second).await, refused);
        fails(&rig, &second, &full, told).await;

        peer.disconnect(DisconnectReason::Requested);
        match rig.event(&full).await {
            Event::Disconnected { error, .. } => {
                assert_eq!(error, SessionError::Remote(DisconnectReason::Requested));
            }
            other => panic!("{other:?}"),
        }
        // Whoever has been told of the end may count on the slot very soon.
        let admitted = async {
            while rig.dial(&second, &full).await.is_err() {
                rig.failed(&full).await;
            }
        };
        rig.within("a free slot", admitted).await;
    });
}

pub fn a_node_of_another_identity_is_not_connected_to<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (dialler, acceptor) = (rig.echo_node(), rig.echo_node());
        let address = acceptor.address().unwrap();
        let stranger = *local(&[]).public();
        let wrong = Enode::new(stranger, address.ip(), address.port(), 0);
        let result = rig.within("dial", dialler.dial(&wrong)).await;
        // Only the owner of the key can read our auth: no answer, no hello.
        session_error(result, SessionError::Lost(Lost::Unanswered));
        let failure = rig.failed(&acceptor).await;
        assert_eq!(failure.error, SessionError::Handshake(HandshakeError::Decryption));
        assert_eq!(failure.public_key, None);
    });
}

/// An enode at this address; nobody has its key.
fn nobody(address: core::net::SocketAddr) -> Enode {
    Enode::new(*local(&[]).public(), address.ip(), address.port(), 0)
}

pub fn a_port_where_nobody_listens_refuses_the_dial<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let address = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
        let node = rig.echo_node();
        let result = rig.within("dial", node.dial(&nobody(address))).await;
        not_dialled(result, DialFailure::Refused);
    });
}

pub fn an_enode_without_an_address_cannot_be_dialled<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let result = rig.within("dial", node.dial(&Enode::incomplete(*local(&[]).public()))).await;
        not_dialled(result, DialFailure::NoEndpoint);
    });
}

pub fn a_host_name_that_nobody_can_have_cannot_be_dialled<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        // A label has 63 bytes at most: no question about it leaves the machine.
        let name = HostName::new(&format!("{}.invalid", "a".repeat(64))).unwrap();
        let enode = Enode::with_host_name(*local(&[]).public(), name.clone(), 30303, 0);
        let result = rig.within("dial", node.dial(&enode)).await;
        not_dialled(result, DialFailure::UnresolvedName);
        // Without a port there is nothing to look up.
        let enode = Enode::with_host_name(*local(&[]).public(), name, 0, 0);
        let result = rig.within("dial", node.dial(&enode)).await;
        not_dialled(result, DialFailure::NoEndpoint);
    });
}

pub fn a_listener_that_never_speaks_is_given_up_after_five_seconds<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let silent = TcpListener::bind(ANY).unwrap();
        let node = rig.echo_node();
        let begun = Instant::now();
        let result = rig.within("dial", node.dial(&nobody(silent.local_addr().unwrap()))).await;
        session_error(result, SessionError::TimedOut(Phase::EncryptionHandshake));
        let took = begun.elapsed();
        assert!((Duration::from_secs(5)..Duration::from_secs(15)).contains(&took), "{took:?}");
    });
}

pub fn a_listener_that_speaks_garbage_is_a_handshake_error<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let listener = TcpListener::bind(ANY).unwrap();
        let address = listener.local_addr().unwrap();
        let speaks = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&garbage()).unwrap();
            stream
        });
        let node = rig.echo_node();
        let result = rig.within("dial", node.dial(&nobody(address))).await;
        session_error(result, SessionError::Handshake(HandshakeError::Decryption));
        drop(speaks.join().unwrap());
    });
}

pub fn nothing_is_answered_to_garbage<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let address = node.address().unwrap();
        let answer = thread::spawn(move || speak_garbage(address));
        let failure = rig.failed(&node).await;
        assert_eq!(failure.error, SessionError::Handshake(HandshakeError::Decryption));
        assert_eq!(failure.public_key, None);
        assert_eq!(answer.join().unwrap(), [], "garbage was answered");
        assert_eq!(node.ends().handshake, 1, "it was not counted");
        assert_eq!(node.ends().by_name().iter().map(|(_, count)| count).sum::<u64>(), 1);
    });
}
