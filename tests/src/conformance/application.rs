//! Applications, of both kinds: state machines that a node serves, and code that
//! takes all it needs from its node's handle.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_channel::Receiver;
use devp2p_core::application::{Application, Hosted, Input, Output};
use devp2p_core::discv4::RequestId;
use devp2p_core::machine::Checked;
use devp2p_core::node::{Answer, Command, ConnectionId, DialError, PeerInfo};
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability, Message};
use devp2p_core::session::{Greeting, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use devp2p_handle::{Node, serve};
use futures_lite::future;

use super::Runtime;
use super::rig::{ECHO, Rig, noise};

/// The example's, as it stands there: only its `main` is smol's.
#[path = "../../../adapter-smol/examples/rumour.rs"]
#[allow(dead_code, unreachable_pub, reason = "it has a main")]
mod rumour;

/// Between two pings.
const PING: Duration = Duration::from_millis(10);

/// Pings all peers by the clock, answers pings, and remembers what happened.
#[derive(Default)]
struct Pinging {
    peers: BTreeMap<ConnectionId, Arc<PeerInfo>>,
    due: Option<Instant>,
    outputs: VecDeque<Output>,
    pongs: Arc<AtomicU64>,
    /// Everything but pings and pongs.
    log: Vec<Input>,
}

impl Pinging {
    fn asking(commands: impl IntoIterator<Item = Command>) -> Self {
        let numbered = (0..).map(RequestId).zip(commands);
        let outputs = numbered.map(|(id, command)| Output::Command(id, command)).collect();
        Self { outputs, ..Self::default() }
    }

    fn say(&mut self, to: ConnectionId, code: u64) {
        let message = self.peers[&to].shared.message(0, code, "ping".into()).unwrap();
        self.outputs.push_back(Output::Send(to, message));
    }
}

impl Application for Pinging {
    fn handle(&mut self, now: Now, input: Input) {
        match &input {
            Input::Connected(peer) => {
                self.peers.insert(peer.connection, Arc::clone(peer));
                self.due.get_or_insert(now.mono + PING);
            }
            Input::Disconnected(id, _) => assert!(self.peers.remove(id).is_some()),
            Input::Message(from, message) => match message.code() {
                0 => self.say(*from, 1),
                _ => drop(self.pongs.fetch_add(1, Ordering::Relaxed)),
            },
            Input::Timeout => {
                if self.due.is_some_and(|due| due <= now.mono) {
                    self.due = Some(now.mono + PING);
                    let peers: Vec<_> = self.peers.keys().copied().collect();
                    peers.into_iter().for_each(|peer| self.say(peer, 0));
                }
            }
            Input::Unsent(..) | Input::Room(_) | Input::Answer(..) => {}
        }
        if !matches!(input, Input::Message(..) | Input::Timeout) {
            self.log.push(input);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.due.map(|at| Deadline { at, reason: "ping" })
    }
}

/// Serves it under watch, in a task of the node's own runtime.
fn host<A: Application + Send + Sync + 'static>(node: &Node, application: A) -> Receiver<A> {
    let (give_back, given_back) = async_channel::bounded(1);
    let serving = serve(node.clone(), Checked::new(Hosted(application)));
    node.runtime().spawn(async move {
        let Hosted(application) = serving.await.into_inner();
        let _ = give_back.send(application).await;
    });
    given_back
}

impl<R: Runtime> Rig<R> {
    async fn given_back<A>(&self, application: &Receiver<A>) -> A {
        self.within("the application", application.recv()).await.unwrap()
    }
}

pub fn applications_ping_each_other_and_are_given_back_when_their_nodes_stop<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (ann, bob) = (rig.configured(|_| {}), rig.configured(|_| {}));
        let keeps_bob = Pinging::asking([Command::AddPeer((&bob.enode()).into())]);
        let answers = Pinging::default();
        let pongs = [Arc::clone(&keeps_bob.pongs), Arc::clone(&answers.pongs)];
        let (keeps_bob, answers) = (host(&ann, keeps_bob), host(&bob, answers));
        rig.until("pongs", || pongs.iter().all(|pongs| pongs.load(Ordering::Relaxed) >= 10)).await;

        rig.stop(&bob).await;
        let answers = rig.given_back(&answers).await;
        let us = SessionError::Local(DisconnectReason::Quitting);
        let [Input::Connected(peer), Input::Disconnected(id, error)] = &answers.log[..] else {
            panic!("{:?}", answers.log);
        };
        assert_eq!((peer.public_key, *id), (*ann.local().public(), peer.connection));
        assert_eq!(*error, us);
        rig.stop(&ann).await;
        let log = rig.given_back(&keeps_bob).await.log;
        let [Input::Answer(RequestId(0), Answer::Done), Input::Connected(peer), rest @ ..] =
            &log[..]
        else {
            panic!("{log:?}");
        };
        assert_eq!(peer.public_key, *bob.local().public());
        let them = SessionError::Remote(DisconnectReason::Quitting);
        assert!(matches!(rest, [Input::Disconnected(_, error)] if *error == them), "{rest:?}");
        rig.no_task_is_left().await;
    });
}

pub fn what_an_application_asks_is_answered_after_the_peer_that_came_of_it<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (ann, bob) = (rig.echo_node(), rig.echo_node());
        let commands = [
            Command::Dial((&bob.enode()).into()),
            Command::Dial((&ann.enode()).into()),
            Command::Cancel(RequestId(99)),
        ];
        let application = Pinging::asking(commands);
        let pongs = Arc::clone(&application.pongs);
        let application = host(&ann, application);
        rig.serve_echo(&bob);
        rig.until("pongs", || pongs.load(Ordering::Relaxed) >= 3).await;
        rig.stop(&ann).await;
        let log = rig.given_back(&application).await.log;
        let place =
            |what: &dyn Fn(&Input) -> bool| log.iter().position(what).expect("it is not there");
        let connected = place(&|input| matches!(input, Input::Connected(_)));
        let dialled = place(&|input| {
            matches!(input, Input::Answer(RequestId(0), Answer::Dialled(Ok(info)))
                if info.public_key == *bob.local().public())
        });
        let gone = place(&|input| matches!(input, Input::Disconnected(..)));
        assert!(connected < dialled && dialled < gone, "{log:?}");
        place(&|input| {
            matches!(
                input,
                Input::Answer(
                    RequestId(1),
                    Answer::Dialled(Err(DialError::Failed(_) | DialError::Session(_)))
                )
            )
        });
        place(&|input| matches!(input, Input::Answer(RequestId(2), Answer::Done)));
        assert_eq!(log.len(), 5, "{log:?}");
        rig.stop(&bob).await;
        rig.no_task_is_left().await;
    });
}

/// Remembers everything.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<Input>>>);

impl Application for Recording {
    fn handle(&mut self, _: Now, input: Input) {
        if !matches!(input, Input::Timeout) {
            self.0.lock().unwrap().push(input);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }
}

pub fn an_application_hears_of_a_peer_from_its_beginning_to_its_end_in_order<R: Runtime>() {
    const PEERS: usize = 5;
    const MESSAGES: u64 = 200;
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let recording = Recording::default();
        let given_back = host(&node, recording.clone());
        let mut others = Vec::new();
        // Some connect twice, so that one must be gone before the next is there.
        for number in 0..2 * PEERS {
            if number < PEERS {
                others.push(rig.echo_node());
            }
            let peer = rig.dial(&others[number % PEERS], &node).await.unwrap();
            let channel = peer.channel(ECHO).unwrap();
            for number in 0..MESSAGES {
                rig.within("send", channel.send(0, number.to_be_bytes().to_vec())).await.unwrap();
            }
            // All of them have been read from the socket by then.
            assert!(rig.within("ping", peer.ping()).await.is_some());
            peer.disconnect(DisconnectReason::Requested);
            rig.closed(&peer).await;
        }
        rig.stop(&node).await;
        rig.given_back(&given_back).await;

        let inputs = recording.0.lock().unwrap();
        let mut open: BTreeMap<ConnectionId, (Arc<PeerInfo>, u64)> = BTreeMap::new();
        for input in inputs.iter() {
            match input {
                Input::Connected(info) => {
                    assert!(open.values().all(|(other, _)| other.id != info.id), "still there");
                    open.insert(info.connection, (Arc::clone(info), 0));
                }
                Input::Message(id, message) => {
                    let (_, next) = open.get_mut(id).expect("a message of nobody");
                    assert_eq!(message.payload()[..], next.to_be_bytes());
                    *next += 1;
                }
                Input::Disconnected(id, error) => {
                    let (_, messages) = open.remove(id).expect("gone before it came");
                    assert_eq!(messages, MESSAGES);
                    assert_eq!(*error, SessionError::Remote(DisconnectReason::Requested));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(open.is_empty());
        assert_eq!(inputs.len() as u64, 2 * PEERS as u64 * (MESSAGES + 2));
    });
}

const SIZE: usize = 16 * 1024;

/// Sends numbered messages to who connects first until one comes back, then waits for
/// room, and sends a hundred more.
#[derive(Default)]
struct Flooding {
    peer: Option<Arc<PeerInfo>>,
    next: u64,
    due: Option<Instant>,
    outputs: VecDeque<Output>,
    unsent: VecDeque<Message>,
    waits: bool,
    /// How many there will be, as soon as it is known.
    last: Arc<AtomicU64>,
    rooms: u64,
}

impl Application for Flooding {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(info) => {
                self.peer.get_or_insert(info);
                self.due = Some(now.mono + Duration::from_millis(1));
            }
            Input::Unsent(_, message) => {
                if self.last.load(Ordering::Relaxed) == 0 {
                    self.last.store(self.next + 100, Ordering::Relaxed);
                }
                self.unsent.push_back(message);
                self.waits = true;
            }
            Input::Room(id) => {
                assert!(core::mem::take(&mut self.waits), "nothing came back");
                self.rooms += 1;
                self.outputs.extend(self.unsent.drain(..).map(|message| Output::Send(id, message)));
            }
            Input::Timeout => self.flood(now),
            Input::Message(..) | Input::Disconnected(..) | Input::Answer(..) => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.due.map(|at| Deadline { at, reason: "flood" })
    }
}

impl Flooding {
    fn flood(&mut self, now: Now) {
        let Some(peer) = self.peer.as_ref().filter(|_| self.due.is_some_and(|due| due <= now.mono))
        else {
            return;
        };
        self.due = Some(now.mono + Duration::from_millis(1));
        let last = self.last.load(Ordering::Relaxed);
        for _ in 0..16 {
            if self.waits || (last > 0 && self.next == last) {
                return;
            }
            let message = peer.shared.message(0, 0, noise(self.next, SIZE)).unwrap();
            self.outputs.push_back(Output::Send(peer.connection, message));
            self.next += 1;
        }
    }
}

pub fn what_a_slow_reader_leaves_no_room_for_comes_back_and_goes_when_there_is_some<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (node, slow) = (rig.echo_node(), rig.echo_node());
        let application = Flooding::default();
        let last = Arc::clone(&application.last);
        let given_back = host(&node, application);
        let peer = rig.dial(&slow, &node).await.unwrap();
        rig.until("a message that comes back", || last.load(Ordering::Relaxed) > 0).await;
        // Others are served meanwhile.
        let other = rig.echo_node();
        let quick = rig.dial(&other, &node).await.unwrap();
        assert!(rig.within("ping", quick.ping()).await.is_some());

        let reader = peer.channel(ECHO).unwrap();
        let last = last.load(Ordering::Relaxed);
        for number in 0..last {
            let message = rig.within("message", reader.receive()).await.unwrap();
            assert!(*message.payload() == noise(number, SIZE), "not the message {number}");
        }
        rig.stop(&node).await;
        let flooding = rig.given_back(&given_back).await;
        assert!(flooding.rooms > 0);
        assert!(rig.within("the end", reader.receive()).await.is_none(), "more than {last}");
    });
}

pub fn code_of_no_runtime_runs_on_this_one<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let nodes = [(); 3].map(|()| rig.rumour_node());
        let heard = [const { AtomicU64::new(0) }; 3].map(Arc::new);
        for (node, heard) in nodes.iter().zip(&heard) {
            rig.runtime.spawn(rumour::spread(node.clone(), Arc::clone(heard)));
        }
        let drawn = || heard.iter().map(|heard| heard.load(Ordering::Relaxed));
        rig.until("numbers", || drawn().all(|number| number > 0)).await;
        let before: Vec<_> = drawn().collect();
        assert!(before[0] != before[1] && before[1] != before[2], "{before:?}");
        for pair in nodes.windows(2) {
            rig.within("add", pair[0].add_peer(&pair[1].enode())).await.unwrap();
        }
        let most = before.iter().max().copied();
        rig.until("the rumour", || drawn().all(|number| Some(number) == most)).await;
        for node in &nodes {
            rig.stop(node).await;
        }
        rig.no_task_is_left().await;
    });
}

impl<R: Runtime> Rig<R> {
    fn rumour_node(&self) -> Node {
        self.configured(|config| {
            let offer = [LocalCapability::new("rumour", 1, 1)];
            let offer = LocalCapabilities::new(offer).unwrap();
            config.greeting = Greeting::Offer(offer);
        })
    }
}

pub fn a_runtime_measures_the_time_that_its_node_lives_in<R: Runtime>() {
    const SHORT: Duration = Duration::from_millis(50);
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let runtime = node.runtime();
        let before = runtime.now();
        let (short, long) = (runtime.sleep(SHORT), runtime.sleep(4 * SHORT));
        let never = runtime.sleep_until(Instant::MAX);
        let first = async {
            short.await;
            "short"
        };
        let rest = future::or(
            async {
                long.await;
                "long"
            },
            async {
                never.await;
                "never"
            },
        );
        assert_eq!(rig.within("a sleep", future::or(rest, first)).await, "short");
        assert!(runtime.now().mono >= before.mono + SHORT);
        // What has passed has come.
        rig.within("the past", runtime.sleep_until(before.mono)).await;
        // A task that waits goes on when its time has come, wherever it was begun.
        let (send, receive) = async_channel::bounded(1);
        let (again, spawned) = (runtime.clone(), runtime.now().mono);
        runtime.spawn(async move {
            again.sleep(SHORT).await;
            let _ = send.send(again.now().mono).await;
        });
        let woken = rig.within("the task", receive.recv()).await.unwrap();
        assert!(woken >= spawned + SHORT, "{woken:?} after {spawned:?}");
        let draw = || runtime.seed().secrets().bytes::<32>();
        assert_ne!(draw(), draw());
        rig.stop(&node).await;
        // The runtime is not the node's: it goes on.
        rig.within("a sleep", runtime.sleep(SHORT)).await;
        rig.no_task_is_left().await;
    });
}
