//! A session of ours, and a [`Peer`] that says to it what the input says.
//!
//! The input is a start (nothing, shaken hands, open) and then steps: what the
//! peer puts on the wire, how much of it arrives, what the node, the
//! application and the clock do meanwhile. The peer reads all that the
//! session writes and must understand every word.
//!
//! To fuzz a protocol of your own, open a session and say what the input says:
//!
//! ```
//! use devp2p_fuzz::keys::Offer;
//! use devp2p_fuzz::script::{Role, Script};
//! use devp2p_fuzz::tape::Tape;
//!
//! pub fn run(data: &[u8]) {
//!     let mut tape = Tape::new(data);
//!     let mut script = Script::new(Role::Accept, Offer::Ours);
//!     script.open();
//!     while !tape.is_empty() && script.end.is_open() {
//!         let (code, payload) = (u64::from(tape.choice(5)), tape.payload());
//!         let packed = snap::raw::Encoder::new().compress_vec(&payload).unwrap();
//!         script.say(16 + code, &packed);
//!         script.flow();
//!         for message in script.end.messages.drain(..) {
//!             // Here comes your handler. It must not panic.
//!             assert_eq!(message.payload(), &payload);
//!         }
//!         script.end.settle();
//!     }
//! }
//! run(&[0, 0, 3, 0, 1, 2, 3]);
//! ```

use core::time::Duration;

use bytes::Bytes;
use devp2p_core::p2p::{DisconnectReason, Hello};
use devp2p_core::session::{Command, Lost};

use crate::end::End;
use crate::keys::{self, OTHERS, OURS, Offer, THEIRS};
use crate::peer::{Answer, Dialer, Peer, header};
use crate::rlp;
use crate::tape::Tape;

/// Steps of one run, at most.
const STEPS: usize = 256;
/// Bytes that one run puts on the wire, about.
const BYTES: usize = 1 << 19;

/// What our session does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It dials the peer.
    Dial,
    /// The peer dials it.
    Accept,
}

/// What a step is, by the byte it begins with. Seeds are written with these.
pub mod step {
    /// Everything on the wire arrives.
    pub const FLOW: u8 = 0;
    /// As many bytes of the wire arrive as the next byte says.
    pub const CHUNK: u8 = 1;
    /// The peer says hello, as the input says.
    pub const HELLO: u8 = 2;
    /// The peer sends a message, properly compressed: code, payload.
    pub const MESSAGE: u8 = 3;
    /// The peer sends a message whose payload goes as it is.
    pub const PLAIN: u8 = 4;
    /// The peer sends a frame: 16 bytes of header, then a body.
    pub const FRAME: u8 = 5;
    /// Bytes go on the wire as they are.
    pub const RAW: u8 = 6;
    /// Time passes.
    pub const TIME: u8 = 7;
    /// Some bytes have been written.
    pub const WRITTEN: u8 = 8;
    /// The message has been delivered, if there was one or not.
    pub const DELIVERED: u8 = 9;
    /// The node or the application decides.
    pub const COMMAND: u8 = 10;
    /// The application sends.
    pub const SEND: u8 = 11;
    /// A time-out, due or not.
    pub const TIMEOUT: u8 = 12;
    /// One bit on the wire is flipped.
    pub const FLIP: u8 = 13;
    /// The peer sends its auth or ack.
    pub const HANDSHAKE: u8 = 14;
    /// The connection is lost.
    pub const LOST: u8 = 15;
    /// The driver does all that it can do now.
    pub const SETTLE: u8 = 16;
    /// How many kinds there are.
    pub const KINDS: u8 = 17;
}

/// Runs one input.
pub fn run(role: Role, data: &[u8]) {
    let mut tape = Tape::new(data);
    let offer = if tape.yes() { Offer::Mirror } else { Offer::Ours };
    let mut script = Script::new(role, offer);
    match tape.choice(3) {
        0 => {}
        1 => script.shake_hands(),
        _ => script.open(),
    }
    for _ in 0..STEPS {
        if tape.is_empty() || script.bytes > BYTES {
            break;
        }
        script.step(&mut tape);
        script.listen();
    }
    let silence = tape.yes();
    script.end.finish(silence);
    script.listen();
    script.judge();
}

/// A session, a peer, and the wire between them.
#[derive(Debug)]
pub struct Script {
    /// The session under test.
    pub end: End,
    role: Role,
    /// What the peer said and has not arrived yet.
    pub wire: Vec<u8>,
    /// All bytes that were put on the wire, counted.
    bytes: usize,
    dialer: Option<(Dialer, Vec<u8>)>,
    peer: Option<Peer>,
    /// Up to where the peer has read what the session wrote.
    heard_bytes: usize,
    /// What the peer read: codes and payloads as they came.
    pub heard: Vec<(u64, Vec<u8>)>,
    /// Whether the peer compresses from now on.
    compress: bool,
}

impl Script {
    /// A session and a peer that have not met.
    pub fn new(role: Role, offer: Offer) -> Self {
        let end = match role {
            Role::Dial => End::dial(offer, &keys::public(THEIRS)),
            Role::Accept => End::accept(offer),
        };
        Self {
            end,
            role,
            wire: Vec::new(),
            bytes: 0,
            dialer: None,
            peer: None,
            heard_bytes: 0,
            heard: Vec::new(),
            compress: false,
        }
    }

    /// The encryption handshake without a fault.
    pub fn shake_hands(&mut self) {
        self.handshake();
        self.flow();
        self.listen();
        assert!(self.peer.is_some(), "a proper handshake fails: {:?}", self.end.closed);
        assert_eq!(self.end.authenticated, Some(keys::public(THEIRS)));
    }

    /// Everything up to the exchange of messages without a fault.
    pub fn open(&mut self) {
        self.shake_hands();
        self.end.settle();
        self.say_hello(&proper_hello());
        self.flow();
        self.end.settle();
        self.listen();
        assert!(self.end.is_open(), "a proper hello fails: {:?}", self.end.closed);
    }

    /// The peer says this hello.
    pub fn say_hello(&mut self, hello: &Hello) {
        self.say(0, &hello.encode());
        self.compress |= hello.version >= 5;
    }

    /// The peer sends a message whose payload goes as it is.
    pub fn say(&mut self, code: u64, payload: &[u8]) {
        if let Some(peer) = &mut self.peer {
            let frame = peer.message(code, payload);
            self.put(&frame);
        }
    }

    /// Everything on the wire arrives, and is handed in while any of it is taken.
    pub fn flow(&mut self) {
        self.end.received.extend_from_slice(&self.wire);
        self.wire.clear();
        while self.end.receive() && !self.end.received.is_empty() {}
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.wire.extend_from_slice(bytes);
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.choice(step::KINDS) {
            step::FLOW => self.flow(),
            step::CHUNK => {
                let count = usize::from(tape.byte()).min(self.wire.len());
                self.end.received.extend(self.wire.drain(..count));
                self.end.receive();
            }
            step::HELLO => self.say_hello_of(tape),
            step::MESSAGE => {
                let (code, payload) = (tape.number(), tape.payload());
                let compressed = snap::raw::Encoder::new().compress_vec(&payload);
                let payload =
                    if self.compress { compressed.expect("a small payload") } else { payload };
                self.say(code, &payload);
            }
            step::PLAIN => {
                let (code, payload) = (tape.number(), tape.payload());
                self.say(code, &payload);
            }
            step::FRAME => self.frame(tape),
            step::RAW => self.put(tape.bytes()),
            step::TIME => sleep(&mut self.end, tape),
            step::WRITTEN => match tape.byte() {
                0 => self.end.confirm(self.end.unconfirmed),
                // Even more than it wrote: a driver's mistake must not hurt.
                bytes => self.end.confirm(usize::from(bytes)),
            },
            step::DELIVERED => self.end.delivered(),
            step::COMMAND => self.end.command(command(tape)),
            step::SEND => self.send(tape),
            step::TIMEOUT => self.end.timeout(),
            step::FLIP => {
                let at = usize::from(tape.word());
                if let Some(byte) = self.wire.get_mut(at / 8) {
                    *byte ^= 1 << (at % 8);
                }
            }
            step::HANDSHAKE => self.handshake(),
            step::LOST => self.end.lost(lost(tape)),
            _ => self.end.settle(),
        }
    }

    /// The peer's auth, or its ack if there is an auth to answer.
    fn handshake(&mut self) {
        match self.role {
            Role::Accept if self.dialer.is_none() => {
                let dialer = Dialer::new(keys::secret(THEIRS), keys::public(OURS));
                let auth = dialer.parts().seal(&keys::public(OURS));
                self.put(&auth);
                self.dialer = Some((dialer, auth));
            }
            Role::Dial if self.peer.is_none() => {
                let mut rest = &self.end.written[..];
                let answer = Answer::new(&keys::secret(THEIRS), &mut rest).expect("a proper auth");
                assert_eq!(answer.remote(), &keys::public(OURS));
                self.heard_bytes = self.end.written.len() - rest.len();
                let ack = answer.parts().seal(answer.remote());
                self.peer = Some(answer.finish(&ack));
                self.put(&ack);
            }
            Role::Accept | Role::Dial => {}
        }
    }

    fn say_hello_of(&mut self, tape: &mut Tape<'_>) {
        let version = tape.number();
        let mut items = vec![rlp::uint(version), rlp::string(tape.bytes())];
        let mut capabilities = Vec::new();
        for _ in 0..tape.choice(8) {
            let offers =
                [keys::capabilities(Offer::Ours), keys::capabilities(Offer::Theirs)].concat();
            capabilities.push(match offers.get(usize::from(tape.byte())) {
                Some((name, version, _)) => {
                    rlp::list(&[rlp::string(name.as_bytes()), rlp::uint(*version)])
                }
                None => rlp::item(tape),
            });
        }
        items.extend([rlp::list(&capabilities), rlp::uint(tape.number())]);
        items.push(match tape.choice(4) {
            0 => rlp::string(&[0; 64]),
            1 => rlp::string(keys::public(OTHERS).as_bytes()),
            2 => rlp::item(tape),
            _ => rlp::string(keys::public(THEIRS).as_bytes()),
        });
        if tape.yes() {
            items.push(rlp::item(tape));
        }
        self.say(0, &rlp::list(&items));
        self.compress |= version >= 5;
    }

    fn frame(&mut self, tape: &mut Tape<'_>) {
        let (mut head, kind) = (tape.array::<16>(), tape.choice(3));
        let body = tape.payload();
        match kind {
            // A proper size, with any header data behind it.
            0 => head[..3].copy_from_slice(&header(body.len())[..3]),
            // A size that promises more than there is.
            1 => head = header(body.len() + usize::from(head[0])),
            _ => {}
        }
        if let Some(peer) = &mut self.peer {
            let frame = peer.frame(head, &body);
            self.put(&frame);
        }
    }

    fn send(&mut self, tape: &mut Tape<'_>) {
        for _ in 0..=tape.choice(3) {
            let (capability, code) = (usize::from(tape.choice(5)), tape.number());
            let payload = Bytes::from(tape.payload());
            self.bytes += payload.len();
            self.end.queue.extend(keys::message(capability, code, payload));
        }
        self.end.send();
    }

    /// The peer reads what the session wrote since, and understands it.
    pub fn listen(&mut self) {
        let mut rest = &self.end.written[self.heard_bytes..];
        if self.peer.is_none()
            && let Some((dialer, auth)) = &self.dialer
        {
            self.peer = dialer.finish(auth, &mut rest);
        }
        if let Some(peer) = &mut self.peer {
            while let Some(message) = peer.read(&mut rest).expect("the session wrote a bad frame") {
                assert!(!self.heard.iter().any(|(code, _)| *code == 1), "more after a disconnect");
                self.heard.push(message);
            }
            assert!(rest.is_empty(), "the session wrote half a frame");
        }
        self.heard_bytes = self.end.written.len() - rest.len();
    }

    /// Looks at everything that the session said, once it has closed.
    fn judge(&self) {
        for (at, (code, payload)) in self.heard.iter().enumerate() {
            match (at, code) {
                (_, 1) => self.judge_disconnect(payload),
                (0, 0) => {
                    let hello = Hello::decode(payload).expect("our own hello");
                    assert_eq!(&hello.id, keys::public(OURS).as_bytes());
                }
                (0, _) => panic!("it says {code} before it says hello"),
                (_, 2 | 3 | 16..) => {}
                (_, code) => panic!("it says {code}"),
            }
        }
    }

    fn judge_disconnect(&self, payload: &[u8]) {
        let error = self.end.closed.expect("a disconnect without an end");
        let expected = error.disconnect_reason().expect("a disconnect without a reason");
        let plain = expected.encode();
        let packed = snap::raw::Encoder::new().compress_vec(&plain).expect("two bytes");
        let compressed = self.end.ready.as_ref().map(|(hello, _)| hello.version >= 5);
        let good = match compressed {
            Some(true) => payload == packed,
            Some(false) => payload == plain,
            // Whether the peer's hello was read before it was refused shows in
            // nothing but this.
            None => payload == packed || payload == plain,
        };
        assert!(good, "{payload:x?} where {expected} was to be said");
    }
}

/// Time passes: some, or up to the deadline, or not quite.
pub fn sleep(end: &mut End, tape: &mut Tape<'_>) {
    match tape.choice(6) {
        0 => end.sleep(Duration::from_micros(tape.number())),
        1 => end.sleep(Duration::from_millis(tape.number() >> 20 | u64::from(tape.word()))),
        2 => end.sleep_to_deadline(Duration::ZERO),
        3 => end.sleep_to_deadline(Duration::from_micros(1)),
        4 => end.set_back(Duration::from_millis(tape.number().saturating_mul(100))),
        _ => {
            end.sleep_to_deadline(Duration::ZERO);
            end.timeout();
        }
    }
}

/// A command.
pub fn command(tape: &mut Tape<'_>) -> Command {
    match tape.choice(4) {
        0 => Command::Proceed,
        1 => Command::Admit,
        2 => Command::Ping,
        _ => Command::Disconnect(DisconnectReason::from_code(tape.byte())),
    }
}

/// A way to lose a connection.
pub fn lost(tape: &mut Tape<'_>) -> Lost {
    match tape.choice(3) {
        0 => Lost::Closed,
        1 => Lost::Reset,
        _ => Lost::Failed,
    }
}

/// The hello of the other side, when it behaves.
pub fn proper_hello() -> Hello {
    let offer = keys::capabilities(Offer::Theirs).iter();
    Hello {
        version: 5,
        client_name: "peer".into(),
        capabilities: offer.map(|(n, v, _)| devp2p_core::p2p::Capability::new(*n, *v)).collect(),
        listen_port: 0,
        id: *keys::public(THEIRS).as_bytes(),
    }
}
