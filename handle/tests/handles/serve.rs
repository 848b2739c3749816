//! A node that serves an application, the machine between them the real one.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use devp2p_core::application::{Application, Hosted, Input, Output};
use devp2p_core::discv4::RequestId;
use devp2p_core::limits;
use devp2p_core::machine::Checked;
use devp2p_core::node::{Answer, Command, ConnectionId, DialError, DialFailure, PeerInfo};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{self, Counters, Lost, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use devp2p_handle::adapter::ConnectionEnd;
use devp2p_handle::serve;
use futures_lite::future::{block_on, poll_once};

use crate::rig::{Rig, done, enode, message};

/// What it was handed, and what it is to do next, both in the test's hand.
#[derive(Clone)]
struct Puppet(Arc<Mutex<Strings>>);

struct Strings {
    inputs: Vec<Input>,
    outputs: VecDeque<Output>,
    /// To be put out after the next input, whatever that is.
    next: Vec<Output>,
    /// The deadline from the next input on.
    next_due: Option<Instant>,
    due: Option<Instant>,
    now: Instant,
}

const SECOND: Duration = Duration::from_secs(1);

impl Puppet {
    /// With a time-out each second.
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Strings {
            inputs: Vec::new(),
            outputs: VecDeque::new(),
            next: Vec::new(),
            next_due: None,
            due: Some(Instant::ZERO + SECOND),
            now: Instant::ZERO,
        })))
    }

    fn strings(&self) -> MutexGuard<'_, Strings> {
        self.0.lock().unwrap()
    }

    fn wants(&self, output: Output) {
        self.strings().next.push(output);
    }

    fn waits_until(&self, seconds: u64) {
        self.strings().next_due = Some(Instant::from_secs(seconds));
    }

    /// What it was handed since the last time, in short.
    fn got(&self) -> Vec<String> {
        let inputs = core::mem::take(&mut self.strings().inputs);
        inputs.iter().map(short).collect()
    }
}

fn short(input: &Input) -> String {
    let n = |id: &ConnectionId| id.number();
    match input {
        Input::Connected(info) => format!("connected {}", info.connection),
        Input::Message(id, message) => format!("message {} {}", n(id), message.code()),
        Input::Unsent(id, message) => format!("unsent {} {}", n(id), message.code()),
        Input::Room(id) => format!("room {}", n(id)),
        Input::Disconnected(id, error) => format!("disconnected {}: {error}", n(id)),
        Input::Answer(RequestId(id), Answer::Done) => format!("answer {id}: done"),
        Input::Answer(RequestId(id), Answer::Stopped) => format!("answer {id}: stopped"),
        Input::Answer(RequestId(id), Answer::Busy) => format!("answer {id}: busy"),
        Input::Answer(RequestId(id), Answer::Dialled(Ok(info))) => {
            format!("answer {id}: dialled {}", info.connection)
        }
        Input::Answer(id, other) => format!("answer {}: {other:?}", id.0),
        Input::Timeout => "time-out".into(),
    }
}

impl Application for Puppet {
    fn handle(&mut self, now: Now, input: Input) {
        let mut strings = self.strings();
        strings.now = strings.now.max(now.mono);
        if matches!(input, Input::Timeout) {
            if strings.due.is_none_or(|due| due > strings.now) {
                return;
            }
            strings.due = Some(strings.now + SECOND);
        }
        strings.inputs.push(input);
        strings.due = strings.next_due.take().or(strings.due);
        let next = core::mem::take(&mut strings.next);
        strings.outputs.extend(next);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.strings().outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.strings().due.map(|at| Deadline { at, reason: "test" })
    }
}

/// A served node, its application under watch.
struct Stage {
    rig: Rig,
    puppet: Puppet,
    serving: Pin<Box<dyn Future<Output = Checked<Hosted<Puppet>>> + Send>>,
}

impl Stage {
    fn new() -> Self {
        Self::of(Puppet::new())
    }

    fn of(puppet: Puppet) -> Self {
        let rig = Rig::new(4);
        let hosted = Checked::new(Hosted(puppet.clone()));
        let serving = Box::pin(serve(rig.node.clone(), hosted));
        let mut stage = Self { rig, puppet, serving };
        stage.turn();
        stage
    }

    /// Everything that can happen happens.
    fn turn(&mut self) {
        for _ in 0..10 {
            self.rig.turn();
            assert!(block_on(poll_once(&mut self.serving)).is_none(), "it has ended");
        }
    }

    fn got(&mut self) -> Vec<String> {
        self.turn();
        self.puppet.got()
    }

    /// Hands it a time-out, with which it does what it wants.
    fn tick(&mut self) {
        self.rig.runtime.pass(SECOND);
        self.turn();
        let inputs = &mut self.puppet.strings().inputs;
        let before = inputs.len();
        inputs.retain(|input| !matches!(input, Input::Timeout));
        assert_eq!(inputs.len() + 1, before);
    }

    /// A peer that has dialled us, its task told.
    fn join(&mut self, number: u64) -> ConnectionEnd {
        let mut end = self.rig.accept(number);
        self.rig.shake_hands(&mut end, number);
        self.turn();
        assert_eq!(end.next_command(), Some(session::Command::Admit));
        end
    }

    fn info(&self, input: usize) -> Arc<PeerInfo> {
        match &self.puppet.strings().inputs[input] {
            Input::Connected(info) => Arc::clone(info),
            other => panic!("{other:?}"),
        }
    }
}

fn close(end: ConnectionEnd) {
    end.closed(SessionError::Lost(Lost::Closed), Counters::default());
}

fn taken(end: &ConnectionEnd) -> Vec<u64> {
    let mut codes = Vec::new();
    end.with_messages(|messages| codes.extend(messages.drain(..).map(|message| message.code())));
    codes
}

#[test]
fn of_a_peer_come_its_messages_in_order_between_its_beginning_and_its_end() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    for code in 0..3 {
        end.deliver(message(code)).unwrap();
    }
    assert_eq!(stage.got(), ["connected 0", "message 0 0", "message 0 1", "message 0 2"]);
    // The end comes together with more messages than there is room for.
    for code in 0..limits::CHANNEL_MESSAGES as u64 {
        end.deliver(message(code)).unwrap();
    }
    end.deliver_last(message(1000));
    close(end);
    let got = stage.got();
    assert_eq!(got.len(), limits::CHANNEL_MESSAGES + 2);
    assert_eq!(got[limits::CHANNEL_MESSAGES - 1], "message 0 63");
    assert_eq!(got[got.len() - 2], "message 0 1000");
    assert!(got[got.len() - 1].starts_with("disconnected 0: "), "{got:?}");
}

#[test]
fn one_node_is_gone_before_it_comes_again() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    stage.got();
    // All of this before the application has its turn.
    end.deliver(message(0)).unwrap();
    end.deliver(message(1)).unwrap();
    close(end);
    stage.rig.turn();
    let mut again = stage.rig.accept(1);
    stage.rig.shake_hands(&mut again, 1);
    stage.rig.turn();
    again.next_command();
    again.deliver(message(2)).unwrap();
    let got = stage.got();
    assert_eq!(got[..2], ["message 0 0", "message 0 1"]);
    assert!(got[2].starts_with("disconnected 0: "));
    assert_eq!(got[3..], ["connected 1", "message 1 2"]);
}

#[test]
fn what_finds_no_room_comes_back_and_so_does_all_that_would_overtake_it() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    let other = stage.join(2);
    let id = stage.info(0).connection;
    let other_id = stage.info(1).connection;
    stage.puppet.got();
    let room = limits::CHANNEL_MESSAGES as u64;
    for code in 0..room + 3 {
        stage.puppet.wants(Output::Send(id, message(code)));
    }
    stage.puppet.wants(Output::Send(other_id, message(7)));
    stage.tick();
    assert_eq!(stage.got(), ["unsent 0 64", "unsent 0 65", "unsent 0 66"]);
    assert_eq!(taken(&other), [7]);
    // What is sent before there is room is not tried.
    stage.puppet.wants(Output::Send(id, message(67)));
    other.deliver(message(0)).unwrap();
    assert_eq!(stage.got(), ["message 1 0", "unsent 0 67"]);
    assert_eq!(taken(&end), (0..room).collect::<Vec<_>>());
    assert_eq!(stage.got(), ["room 0"]);
    stage.puppet.wants(Output::Send(id, message(64)));
    stage.tick();
    assert_eq!(taken(&end), [64]);
    assert_eq!(stage.got(), Vec::<String>::new());
}

#[test]
fn all_that_comes_back_comes_before_there_is_room_though_more_is_sent_meanwhile() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    let id = stage.info(0).connection;
    stage.puppet.got();
    let room = limits::CHANNEL_MESSAGES as u64;
    for code in 0..=room {
        stage.puppet.wants(Output::Send(id, message(code)));
    }
    stage.tick();
    assert_eq!(stage.got(), ["unsent 0 64"]);
    // There is room, and before it hears of that it is due and sends more.
    assert_eq!(taken(&end).len() as u64, room);
    stage.puppet.wants(Output::Send(id, message(65)));
    stage.rig.runtime.pass(SECOND);
    assert_eq!(stage.got(), ["time-out", "unsent 0 65", "room 0"]);
}

#[test]
fn there_is_no_room_at_a_peer_that_is_gone_and_what_is_sent_to_it_is_void() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    let id = stage.info(0).connection;
    stage.puppet.got();
    for code in 0..=limits::CHANNEL_MESSAGES as u64 {
        stage.puppet.wants(Output::Send(id, message(code)));
    }
    stage.tick();
    assert_eq!(stage.got(), ["unsent 0 64"]);
    close(end);
    let got = stage.got();
    assert!(got.len() == 1 && got[0].starts_with("disconnected 0: "), "{got:?}");
    stage.puppet.wants(Output::Send(id, message(0)));
    stage.puppet.wants(Output::Disconnect(id, DisconnectReason::UselessPeer));
    stage.tick();
    assert_eq!(stage.got(), Vec::<String>::new());
}

#[test]
fn a_peer_is_disconnected_for_the_reason_that_the_application_gives() {
    let mut stage = Stage::new();
    let mut end = stage.join(1);
    let id = stage.info(0).connection;
    stage.puppet.wants(Output::Send(id, message(5)));
    stage.puppet.wants(Output::Disconnect(id, DisconnectReason::UselessPeer));
    stage.tick();
    assert_eq!(taken(&end), [5]);
    let said = end.next_command();
    assert_eq!(said, Some(session::Command::Disconnect(DisconnectReason::UselessPeer)));
}

#[test]
fn a_dial_is_answered_after_its_peer_has_come_and_like_any_peer_it_goes() {
    let puppet = Puppet::new();
    // What it wants from the start is taken before anything happens.
    let dial = Output::Command(RequestId(5), Command::Dial(enode(1).into()));
    puppet.strings().outputs.push_back(dial);
    let mut stage = Stage::of(puppet);
    let mut end = stage.rig.dials.pop().expect("nobody dials");
    end.connected();
    stage.rig.shake_hands(&mut end, 1);
    assert_eq!(stage.got(), ["connected 0", "answer 5: dialled 0"]);
    end.next_command();
    end.deliver(message(1)).unwrap();
    close(end);
    let got = stage.got();
    assert_eq!(got[0], "message 0 1");
    assert!(got[1].starts_with("disconnected 0: "), "{got:?}");
}

#[test]
fn peers_that_somebody_else_dials_are_the_application_s_too() {
    let mut stage = Stage::new();
    let (mut end, peer) = {
        let dial = stage.rig.dial(1);
        let mut dial = Box::pin(dial);
        assert!(block_on(poll_once(&mut dial)).is_none());
        stage.turn();
        let mut end = stage.rig.dials.pop().unwrap();
        end.connected();
        stage.rig.shake_hands(&mut end, 1);
        stage.turn();
        (end, done(dial).unwrap())
    };
    assert_eq!(stage.got(), ["connected 0"]);
    drop(peer);
    // It has a handle of its own.
    assert_eq!(end.next_command(), Some(session::Command::Admit));
    assert_eq!(end.next_command(), None);
}

#[test]
fn a_dial_that_is_given_up_by_its_number_is_answered_and_so_is_who_gives_it_up() {
    let mut stage = Stage::new();
    stage.puppet.wants(Output::Command(RequestId(1), Command::Dial(enode(1).into())));
    stage.tick();
    // Numbers of the node's own, which its handles have used, are none of its.
    stage.puppet.wants(Output::Command(RequestId(2), Command::Cancel(RequestId(77))));
    stage.puppet.wants(Output::Command(RequestId(3), Command::Cancel(RequestId(1))));
    stage.tick();
    let mut got = stage.got();
    got.sort();
    let given_up = Answer::Dialled(Err(DialError::Failed(DialFailure::GivenUp)));
    assert_eq!(
        got,
        [format!("answer 1: {given_up:?}"), "answer 2: done".into(), "answer 3: done".into()]
    );
}

#[test]
fn commands_are_answered_exactly_once_in_order_however_many_there_are() {
    let mut stage = Stage::new();
    let many = 2 * limits::NODE_REQUESTS as u64;
    for number in 0..many {
        let node = enode(1 + number % 3).node_id();
        let command =
            if number % 2 == 0 { Command::AddTrusted(node) } else { Command::RemoveTrusted(node) };
        stage.puppet.wants(Output::Command(RequestId(number), command));
    }
    stage.tick();
    let expected: Vec<_> = (0..many).map(|number| format!("answer {number}: done")).collect();
    for _ in 0..50 {
        stage.turn();
    }
    assert_eq!(stage.got(), expected);
}

#[test]
fn commands_that_nobody_answers_are_bounded_and_the_next_is_refused() {
    let mut stage = Stage::new();
    let most = limits::APPLICATION_COMMANDS as u64;
    for number in 0..=most {
        let command = Command::AddTrusted(enode(1).node_id());
        stage.puppet.wants(Output::Command(RequestId(number), command));
    }
    // Only the application has its turn.
    stage.rig.runtime.pass(SECOND);
    for _ in 0..3 {
        assert!(block_on(poll_once(&mut stage.serving)).is_none());
    }
    assert_eq!(stage.puppet.got(), ["time-out".to_owned(), format!("answer {most}: busy")]);
    for _ in 0..50 {
        stage.turn();
    }
    assert_eq!(stage.got().len() as u64, most);
}

#[test]
fn time_outs_come_when_they_are_due_and_earlier_when_they_are_moved() {
    let puppet = Puppet::new();
    puppet.strings().due = None;
    let mut stage = Stage::of(puppet);
    stage.puppet.waits_until(10);
    let end = stage.join(1);
    assert_eq!(stage.got(), ["connected 0"]);
    stage.puppet.waits_until(3);
    end.deliver(message(0)).unwrap();
    assert_eq!(stage.got(), ["message 0 0"]);
    stage.rig.runtime.pass(Duration::from_millis(2999));
    assert_eq!(stage.got(), Vec::<String>::new());
    stage.puppet.waits_until(5);
    stage.rig.runtime.pass(Duration::from_millis(1));
    assert_eq!(stage.got(), ["time-out"]);
    // Moved away: when the old time comes nothing does.
    stage.puppet.waits_until(20);
    end.deliver(message(2)).unwrap();
    assert_eq!(stage.got(), ["message 0 2"]);
    stage.rig.runtime.pass(16 * SECOND);
    assert_eq!(stage.got(), Vec::<String>::new());
    stage.rig.runtime.pass(SECOND);
    assert_eq!(stage.got(), ["time-out"]);
}

#[test]
fn what_is_due_comes_before_whatever_else_has_happened() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    assert_eq!(stage.got(), ["connected 0"]);
    end.deliver(message(0)).unwrap();
    stage.rig.runtime.pass(SECOND);
    assert_eq!(stage.got(), ["time-out", "message 0 0"]);
}

#[test]
fn it_ends_with_its_node_after_the_last_peer_and_the_last_answer() {
    let mut stage = Stage::new();
    let end = stage.join(1);
    stage.got();
    end.deliver(message(0)).unwrap();
    let dial = Output::Command(RequestId(1), Command::Dial(enode(2).into()));
    stage.puppet.wants(dial);
    stage.turn();
    assert_eq!(stage.puppet.got(), ["message 0 0"]);
    end.deliver(message(1)).unwrap();
    // A loop that is gone without a word: all that there is is said.
    let Stage { rig, puppet, mut serving } = stage;
    for number in 2..5 {
        puppet.wants(Output::Command(RequestId(number), Command::RemovePeer(enode(1).node_id())));
    }
    drop(rig);
    let hosted = done(&mut serving);
    let mut got = puppet.got();
    got.sort();
    assert_eq!(got.len(), 6, "{got:?}");
    let stopped = (1..5).map(|number| format!("answer {number}: stopped"));
    assert!(got[..4].iter().cloned().eq(stopped), "{got:?}");
    assert!(got[4].starts_with("disconnected 0: ") && got[5] == "message 0 1", "{got:?}");
    assert!(Arc::ptr_eq(&hosted.get().0.0, &puppet.0));
}

/// Asks again whenever it is answered, and sends again what comes back.
struct Stubborn(VecDeque<Output>, u64);

impl Stubborn {
    fn ask(&mut self) {
        let command = Command::AddTrusted(enode(1).node_id());
        self.0.push_back(Output::Command(RequestId(self.1), command));
    }
}

impl Application for Stubborn {
    fn handle(&mut self, _: Now, input: Input) {
        self.1 += 1;
        match input {
            Input::Connected(info) => {
                let payload = Bytes::from(vec![0; limits::CHANNEL_BYTES]);
                let message = info.shared.message(0, 0, payload).unwrap();
                self.0.extend([0, 1].map(|_| Output::Send(info.connection, message.clone())));
                self.ask();
            }
            Input::Unsent(id, message) => self.0.push_back(Output::Send(id, message)),
            Input::Answer(..) => self.ask(),
            Input::Message(..) | Input::Room(_) | Input::Disconnected(..) | Input::Timeout => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.0.pop_front()
    }
}

#[test]
fn an_application_that_never_waits_keeps_no_thread_and_ends_with_its_node() {
    let mut rig = Rig::new(4);
    let mut serving = Box::pin(serve(rig.node.clone(), Stubborn(VecDeque::new(), 0)));
    let mut end = rig.accept(1);
    rig.shake_hands(&mut end, 1);
    for _ in 0..100 {
        rig.turn();
        assert!(block_on(poll_once(&mut serving)).is_none());
    }
    end.next_command();
    assert_eq!(taken(&end), [0]);
    drop((rig, end));
    for _ in 0..100 {
        if let Some(Stubborn(_, inputs)) = block_on(poll_once(&mut serving)) {
            assert!(inputs > 100);
            return;
        }
    }
    panic!("it does not end");
}

#[test]
fn dropping_it_quits_its_peers_and_gives_its_requests_up() {
    let mut stage = Stage::new();
    let mut end = stage.join(1);
    stage.puppet.wants(Output::Command(RequestId(1), Command::Dial(enode(2).into())));
    stage.tick();
    let mut dialling = stage.rig.dials.pop().unwrap();
    assert!(dialling.next_command().is_none());
    let Stage { mut rig, serving, .. } = stage;
    drop(serving);
    rig.turn();
    let quitting = Some(session::Command::Disconnect(DisconnectReason::Quitting));
    assert_eq!(end.next_command(), quitting);
    assert!(dialling.next_command().is_some());
}
