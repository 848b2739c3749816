//! A peer, its channels, and the end that its task holds.

use core::time::Duration;

use devp2p_core::limits;
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Command, Counters, Lost, SessionError};
use devp2p_handle::{DialError, DialFailure, Event, SendError};
use futures_lite::future::{block_on, poll_once, zip};

use crate::rig::{Rig, admitted, begin, done, key, message};

const QUITTING: Command = Command::Disconnect(DisconnectReason::Quitting);

#[test]
fn a_peer_is_what_the_connection_found_out() {
    let mut rig = Rig::new(2);
    let mut end = rig.accept(1);
    end.shook_hands(Duration::from_millis(7));
    rig.shake_hands(&mut end, 1);
    rig.turn();
    let Event::Connected(peer) = rig.event() else { panic!() };
    assert_eq!(*peer.public_key(), key(1).public_key());
    assert_eq!(peer.handshake_time(), Duration::from_millis(7));
    assert_eq!(peer.hello().client_name, "other");
    assert_eq!(peer.address(), crate::rig::address(1));
    assert_eq!(peer.direction(), devp2p_handle::Direction::Inbound);
    assert!(peer.channel("echo").is_some() && peer.channel("eth").is_none());
    let (_, dialled) = rig.reach(2);
    assert_eq!(dialled.direction(), devp2p_handle::Direction::Outbound);
    assert!(!dialled.is_static());
}

#[test]
fn a_dial_is_answered_by_what_becomes_of_it_and_no_event_tells_of_it() {
    let mut rig = Rig::new(2);
    let ended = SessionError::Lost(Lost::Closed);
    let mut failing = [Box::pin(rig.dial(1)), Box::pin(rig.dial(2)), Box::pin(rig.dial(3))];
    failing.iter_mut().for_each(begin);
    rig.turn();
    let [mut refused, mut lost, dropped] =
        <[_; 3]>::try_from(core::mem::take(&mut rig.dials)).unwrap();
    assert_eq!(rig.end.live(), 3);
    refused.not_connected(DialFailure::Refused);
    lost.connected();
    lost.closed(ended, Counters::default());
    drop((refused, dropped));
    rig.turn();
    assert_eq!(rig.end.live(), 0);
    let [refused, lost, dropped] = failing.map(done);
    assert!(matches!(refused, Err(DialError::Failed(DialFailure::Refused))));
    assert!(matches!(lost, Err(DialError::Session(error)) if error == ended));
    // A task that dies before it is connected.
    assert!(matches!(dropped, Err(DialError::Failed(DialFailure::Failed))));
    let (mut end, peer) = rig.reach(4);
    assert_eq!(end.next_command(), Some(Command::Admit));
    end.closed(ended, Counters::default());
    rig.turn();
    assert_eq!(peer.end(), Some(ended));
    assert_eq!(rig.node.ends().lost, 2);
    assert!(block_on(poll_once(rig.node.next_event())).is_none());
}

#[test]
fn a_dial_that_is_given_up_says_so_to_whoever_is_connecting() {
    let mut rig = Rig::new(2);
    let mut dial = Box::pin(rig.dial(1));
    begin(&mut dial);
    rig.turn();
    let mut end = rig.dials.pop().unwrap();
    assert_eq!(end.next_command(), None);
    drop(dial);
    rig.turn();
    assert_eq!(end.next_command(), Some(QUITTING));
    // It came too late: the session is told as well, and ends.
    end.connected();
    rig.turn();
    end.closed(SessionError::Local(DisconnectReason::Quitting), Counters::default());
    rig.turn();
    assert_eq!(rig.end.live(), 0);
}

#[test]
fn events_that_nobody_can_take_hold_no_peer() {
    let mut rig = Rig::new(2);
    let mut ends = [rig.accept(1), rig.accept(2)];
    rig.shake_hands(&mut ends[0], 1);
    rig.turn();
    assert_eq!(ends[0].next_command(), Some(Command::Admit));
    rig.shake_hands(&mut ends[1], 2);
    assert_eq!(ends[0].next_command(), None);
    drop(core::mem::replace(&mut rig.node, crate::rig::ends().0));
    assert_eq!(ends[0].next_command(), Some(QUITTING));
    rig.turn();
    // Everyone is told to go now; this one was admitted before that.
    assert_eq!(ends[1].next_command(), Some(Command::Admit));
    assert_eq!(ends[1].next_command(), Some(QUITTING));
}

#[test]
fn the_last_handle_of_a_peer_ends_it_whichever_it_is() {
    let (_rig, mut end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    let clone = peer.clone();
    drop(peer);
    drop(channel);
    assert_eq!(end.next_command(), None);
    let channel = clone.channel("echo").unwrap();
    drop(clone);
    assert_eq!(end.next_command(), None);
    drop(channel);
    assert_eq!(end.next_command(), Some(QUITTING));
}

#[test]
fn what_found_no_room_can_be_read_after_the_end() {
    let (mut rig, end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    let most = limits::CHANNEL_MESSAGES as u64;
    assert!((0..most).all(|code| end.deliver(message(code)).is_ok()));
    let held = end.deliver(message(most)).unwrap_err();
    end.deliver_last(held);
    for code in 0..=most {
        assert_eq!(done(channel.receive()).map(|message| message.code()), Some(code));
    }
    // Who is told that there is no more is told why.
    begin(&mut Box::pin(channel.receive()));
    let ended = SessionError::Remote(DisconnectReason::Requested);
    end.closed(ended, Counters::default());
    rig.turn();
    assert_eq!((done(channel.receive()), peer.end()), (None, Some(ended)));
}

#[test]
fn a_message_of_a_capability_that_nobody_shares_goes_nowhere() {
    let (_rig, end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    let offer = devp2p_core::p2p::LocalCapabilities::new([
        devp2p_core::p2p::LocalCapability::new("echo", 1, 2),
        devp2p_core::p2p::LocalCapability::new("other", 1, 2),
    ]);
    let theirs = [("echo", 1), ("other", 1)];
    let theirs = theirs.map(|(name, version)| devp2p_core::p2p::Capability::new(name, version));
    let other = offer.unwrap().shared_with(&theirs).message(1, 0, "".into()).unwrap();
    assert!(end.deliver(other).is_ok());
    assert!(channel.try_receive().is_none());
}

#[test]
fn one_round_trip_answers_all_who_ask_and_none_who_asks_later() {
    block_on(async {
        let (_rig, mut end, peer) = admitted();
        let mut both = Box::pin(zip(peer.ping(), peer.ping()));
        assert!(poll_once(&mut both).await.is_none());
        assert_eq!(end.next_command(), Some(Command::Ping));
        assert_eq!(end.next_command(), None);
        let took = Duration::from_micros(5);
        end.round_trip(took);
        assert_eq!(poll_once(&mut both).await, Some((Some(took), Some(took))));
        assert_eq!(poll_once(peer.ping()).await, None);
    });
}

/// The connection's task hears of the admission after the application, and of
/// all that this has said meanwhile behind it.
#[test]
fn what_an_application_says_before_the_connection_knows_of_its_admission_is_not_lost() {
    let mut rig = Rig::new(2);
    let (mut inbound, visitor) = rig.join(1);
    let (mut outbound, dialled) = rig.reach(2);
    for (end, peer) in [(&mut inbound, visitor), (&mut outbound, dialled)] {
        peer.channel("echo").unwrap().try_send(1, "last words").unwrap();
        begin(&mut Box::pin(peer.ping()));
        peer.disconnect(DisconnectReason::UselessPeer);
        drop(peer);
        assert!(!end.has_messages());
        assert_eq!(end.next_command(), Some(Command::Admit));
        assert!(end.has_messages());
        let mut sent = Vec::new();
        end.with_messages(|messages| sent.extend(messages.drain(..)));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].payload().as_ref(), b"last words");
        assert_eq!(end.next_command(), Some(Command::Ping));
        let reason = DisconnectReason::UselessPeer;
        assert_eq!(end.next_command(), Some(Command::Disconnect(reason)));
        assert_eq!(end.next_command(), None);
    }
}

#[test]
fn a_full_queue_gives_the_payload_back() {
    let (_rig, _end, peer) = admitted();
    let channel = peer.channel("echo").unwrap();
    for _ in 0..limits::CHANNEL_MESSAGES {
        channel.try_send(0, "full").unwrap();
    }
    assert_eq!(channel.try_send(0, "more"), Err(SendError::Full("more".into())));
}

#[test]
fn what_is_carried_is_counted_by_capability_and_by_connection_and_kept_when_it_ends() {
    let (mut rig, mut end, peer) = admitted();
    end.deliver(message(0)).unwrap();
    let channel = peer.channel("echo").unwrap();
    channel.try_send(1, b"answer".as_slice()).unwrap();
    let mut counters = Counters::default();
    (counters.bytes_received, counters.bytes_sent) = (1000, 100);
    end.counted(counters);
    let snapshot = rig.snapshot();
    let [echo] = &snapshot.capabilities[..] else { panic!("{:?}", snapshot.capabilities) };
    assert_eq!((echo.name.as_str(), echo.version), ("echo", 1));
    assert_eq!((echo.messages_received, echo.bytes_received), (1, 7));
    assert_eq!((echo.messages_sent, echo.bytes_sent), (1, 6));
    let connection = snapshot.connections[&end.id()];
    assert_eq!((connection.unread, connection.unsent, connection.counters), (1, 1, counters));
    assert_eq!(snapshot.wire, counters);
    (counters.bytes_received, counters.bytes_sent) = (1500, 150);
    assert_eq!(end.next_command(), None);
    end.closed(SessionError::Lost(Lost::Closed), counters);
    rig.turn();
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.wire, snapshot.connections.len()), (counters, 0));
    assert_eq!(snapshot.capabilities[0].bytes_received, 7);
}

#[test]
fn our_end_of_the_socket_is_known_to_who_asks() {
    let mut rig = Rig::new(2);
    let mut end = rig.accept(1);
    end.bound_to(crate::rig::address(9));
    rig.shake_hands(&mut end, 1);
    rig.turn();
    let Event::Connected(peer) = rig.event() else { panic!() };
    assert_eq!(peer.local_address(), Some(crate::rig::address(9)));
    assert_eq!(rig.snapshot().connections[&end.id()].local, peer.local_address());
}
