//! What a session holds of its connection: first a handshake, then a link
//! that turns messages into frames and back.

use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};

use super::{Greeting, Local, Misbehaviour, SessionError};
use crate::crypto::PublicKey;
use crate::entropy::Seed;
use crate::limits;
use crate::p2p::{self, DisconnectReason, Hello, HelloError, Message, Shared, code};
use crate::rlpx::{Accepted, Frame, FrameCodec, FrameError, Initiator, Recipient, message_length};

/// The encryption handshake of either role. Boxed: it is soon gone.
pub(super) enum Handshake {
    Dial(Box<(Initiator, PublicKey)>),
    Accept(Box<(Recipient, Seed)>),
}

/// The handshake is through.
pub(super) struct Authenticated {
    /// Who the other proved to be.
    pub(super) remote: PublicKey,
    /// What to send now: the ack, or nothing.
    pub(super) answer: Bytes,
    pub(super) link: Link,
}

impl Handshake {
    pub(super) fn dial(
        local: &Local,
        remote: PublicKey,
        seed: &Seed,
    ) -> Result<Self, SessionError> {
        let initiator = Initiator::new(local.secret(), local.public(), &remote, seed)?;
        Ok(Self::Dial(Box::new((initiator, remote))))
    }

    pub(super) fn accept(local: &Local, seed: Seed) -> Self {
        Self::Accept(Box::new((Recipient::new(local.secret()), seed)))
    }

    /// What to send before anything is received: the auth, or nothing.
    pub(super) fn first_bytes(&self) -> Bytes {
        match self {
            Self::Dial(state) => state.0.auth(),
            Self::Accept(_) => Bytes::new(),
        }
    }

    /// The other's message, once it is complete at the head of `received`.
    pub(super) fn take_message(received: &mut BytesMut) -> Result<Option<BytesMut>, SessionError> {
        let length = message_length(received)?;
        Ok(length.filter(|length| *length <= received.len()).map(|n| received.split_to(n)))
    }

    /// The end of it, given the other's message.
    pub(super) fn finish(self, mut message: BytesMut) -> Result<Authenticated, SessionError> {
        match self {
            Self::Dial(state) => {
                let (initiator, remote) = *state;
                let secrets = initiator.read_ack(&mut message)?;
                let link = Link::new(secrets.into(), remote);
                Ok(Authenticated { remote, answer: Bytes::new(), link })
            }
            Self::Accept(state) => {
                let (recipient, seed) = *state;
                let Accepted { remote, ack, secrets } = recipient.read_auth(&mut message, &seed)?;
                Ok(Authenticated { remote, answer: ack, link: Link::new(secrets.into(), remote) })
            }
        }
    }
}

/// An encrypted connection: frames, compression, and whose code is whose.
pub(super) struct Link {
    /// Boxed so that moving a session is cheap: it holds two key schedules.
    codec: Box<FrameCodec>,
    remote: PublicKey,
    compressed: bool,
    shared: Option<Arc<Shared>>,
}

/// The other's hello, and what both sides have.
pub(super) struct Greeted {
    pub(super) hello: Hello,
    pub(super) shared: Arc<Shared>,
}

/// Longest code on the wire: a 64-bit integer.
const CODE: usize = 9;

impl Link {
    fn new(mut codec: FrameCodec, remote: PublicKey) -> Self {
        // Before the hello nothing large may come, whatever its header says.
        codec.set_limit(limits::HELLO_PAYLOAD + CODE);
        Self { codec: Box::new(codec), remote, compressed: false, shared: None }
    }

    pub(super) const fn is_greeted(&self) -> bool {
        self.shared.is_some()
    }

    /// Says hello, unless ours waits for the other's.
    pub(super) fn say_hello(
        &mut self,
        local: &Local,
        out: &mut BytesMut,
    ) -> Result<(), SessionError> {
        match local.greeting() {
            Greeting::Offer(_) => Ok(self.send(code::HELLO, &local.hello(&[]).encode(), out)?),
            Greeting::Mirror => Ok(()),
        }
    }

    /// The other's hello, once its frame is complete.
    pub(super) fn receive_hello(
        &mut self,
        local: &Local,
        received: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Greeted>, SessionError> {
        let Some(frame) = self.codec.decode(received)? else { return Ok(None) };
        if frame.payload.len() > limits::HELLO_PAYLOAD {
            return Err(HelloError::TooLarge { size: frame.payload.len() }.into());
        }
        match frame.code {
            code::HELLO => {}
            code::DISCONNECT => {
                return Err(SessionError::Remote(DisconnectReason::decode(&frame.payload)));
            }
            code => return Err(Misbehaviour::ExpectedHello { code }.into()),
        }
        let hello = Hello::decode(&frame.payload)?;
        let shared = match local.greeting() {
            Greeting::Offer(offer) => offer.shared_with(&hello.capabilities),
            Greeting::Mirror => {
                self.send(code::HELLO, &local.hello(&hello.capabilities).encode(), out)?;
                Shared::everything()
            }
        };
        // From here on both sides compress, even what refuses the other.
        self.compressed = hello.version.min(p2p::VERSION) >= p2p::SNAPPY_VERSION;
        self.codec.set_limit(limits::FRAME);
        if hello.id != *self.remote.as_bytes() {
            return Err(Misbehaviour::UnexpectedIdentity.into());
        }
        let shared = Arc::new(shared.compressed(self.compressed));
        self.shared = Some(Arc::clone(&shared));
        Ok(Some(Greeted { hello, shared }))
    }

    /// From here on compresses, though the other's hello has not come yet. Who has
    /// read ours decompresses what follows it, geth at any rate: it cannot know
    /// that we have not read its own. Of versions before 5 nobody is left.
    pub(super) fn compress_for_reader_of_hello(&mut self, local: &Local) {
        let said = matches!(local.greeting(), Greeting::Offer(_));
        self.compressed |= said && p2p::VERSION >= p2p::SNAPPY_VERSION;
    }

    /// The next message, once its frame is complete: code and payload.
    pub(super) fn receive(
        &mut self,
        received: &mut BytesMut,
    ) -> Result<Option<(u64, Bytes)>, SessionError> {
        let Some(frame) = self.codec.decode(received)? else { return Ok(None) };
        let payload = if self.compressed && !is_plain_disconnect(&frame) {
            p2p::decompress(&frame.payload)?
        } else if frame.code < limits::BASE_PROTOCOL_LENGTH {
            frame.payload
        } else {
            // A slice would keep the whole receive buffer alive, which a large
            // frame before it may have grown, for a byte that counts as one.
            Bytes::copy_from_slice(&frame.payload)
        };
        Ok(Some((frame.code, payload)))
    }

    /// Appends the frame of one message to `out`. Fails, and changes nothing,
    /// if no frame holds it.
    pub(super) fn send(
        &mut self,
        code: u64,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        if self.compressed {
            self.codec.encode_with(code, out, |out| p2p::compress(payload, out))
        } else {
            self.codec.encode(code, payload, out)
        }
    }

    pub(super) fn send_disconnect(
        &mut self,
        reason: DisconnectReason,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        self.send(code::DISCONNECT, &reason.encode(), out)
    }

    /// Whether a disconnect is among `received`, all of whose frames it takes
    /// and drops. A stream that cannot be read any more holds none.
    pub(super) fn receive_disconnect(&mut self, received: &mut BytesMut) -> bool {
        loop {
            match self.codec.decode(received) {
                Ok(Some(frame)) if frame.code == code::DISCONNECT => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => {
                    received.clear();
                    return false;
                }
            }
        }
    }

    pub(super) fn route(&self, wire_code: u64) -> Option<(usize, u64)> {
        self.shared.as_ref()?.route(wire_code)
    }

    pub(super) fn wire_code(&self, message: &Message) -> Option<u64> {
        self.shared.as_ref()?.wire_code(message)
    }
}

/// A disconnect of one who had said hello and not yet read ours: it could not
/// know whether we compress. Its two or three bytes are no snappy block, as
/// they would declare more than they hold.
fn is_plain_disconnect(frame: &Frame) -> bool {
    frame.code == code::DISCONNECT
        && frame.payload.len() <= 3
        && DisconnectReason::decode(&frame.payload).encode() == frame.payload
}
