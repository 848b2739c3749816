//! A peer driven by hand: it shakes hands honestly, then says what a test
//! wants it to, frame by frame.

use alloc::vec::Vec;
use bytes::BytesMut;

use super::pair::{End, Manners, key, local};
use crate::crypto::SecretKey;
use crate::entropy::Seed;
use crate::p2p::{self, Capability, DisconnectReason, Hello, code};
use crate::rlpx::{FrameCodec, Initiator, Recipient};
use crate::session::{Command, Local};
use crate::time::Now;

pub(super) struct Peer {
    pub(super) secret: SecretKey,
    pub(super) codec: FrameCodec,
    /// Whether its payloads are compressed from here on.
    pub(super) compresses: bool,
}

impl Peer {
    /// A peer that dials a session which accepts. The session waits for its
    /// first admission.
    pub(super) fn dial(seed: u64) -> (Self, End) {
        Self::dial_to(&local(1), seed)
    }

    pub(super) fn dial_to(local: &alloc::sync::Arc<Local>, seed: u64) -> (Self, End) {
        let mut end = End::accept(local, seed, Now::ZERO);
        end.manners = Manners::NONE;
        let secret = key(100);
        let seed = Seed::from_number(seed).derive("peer", 0);
        let initiator =
            Initiator::new(&secret, &secret.public_key(), local.public(), &seed).unwrap();
        end.feed(&initiator.auth());
        let mut ack = end.accept_writes();
        let codec = initiator.read_ack(&mut ack).unwrap().into();
        (Self { secret, codec, compresses: false }, end)
    }

    /// A peer that a session dials. The session waits for its first admission.
    pub(super) fn accept(seed: u64) -> (Self, End) {
        let secret = key(100);
        let mut end = End::dial(&local(1), secret.public_key(), seed, Now::ZERO);
        end.manners = Manners::NONE;
        let mut auth = end.accept_writes();
        let seed = Seed::from_number(seed).derive("peer", 0);
        let accepted = Recipient::new(&secret).read_auth(&mut auth, &seed).unwrap();
        end.feed(&accepted.ack);
        (Self { secret, codec: accepted.secrets.into(), compresses: false }, end)
    }

    /// A peer and a session that has admitted it. The session delivers by
    /// itself what it receives; what it has written has been read.
    pub(super) fn open(seed: u64) -> (Self, End) {
        Self::open_at_version(seed, p2p::VERSION)
    }

    /// The same with a peer of another version of the base protocol.
    pub(super) fn open_at_version(seed: u64, version: u64) -> (Self, End) {
        let (mut peer, mut end) = Self::dial(seed);
        end.command(Command::Proceed);
        peer.greet(&mut end, version);
        end.command(Command::Admit);
        peer.hear(&mut end);
        end.manners = Manners::ALL;
        assert!(end.session.get().wants_send());
        (peer, end)
    }

    /// An honest hello that offers what [`local`] offers.
    pub(super) fn hello(&self) -> Hello {
        Hello {
            version: p2p::VERSION,
            client_name: "by hand".into(),
            capabilities: alloc::vec![Capability::new("echo", 1), Capability::new("test", 3)],
            listen_port: 0,
            id: *self.secret.public_key().as_bytes(),
        }
    }

    /// Reads the session's hello and says its own.
    pub(super) fn greet(&mut self, end: &mut End, version: u64) {
        let heard = self.hear(end);
        assert!(heard.iter().all(|(code, _)| *code == code::HELLO));
        let hello = Hello { version, ..self.hello() };
        self.say(end, code::HELLO, &hello.encode());
        self.compresses = version.min(p2p::VERSION) >= p2p::SNAPPY_VERSION;
    }

    /// The frame of a message as it should be.
    pub(super) fn frame(&mut self, code: u64, payload: &[u8]) -> BytesMut {
        let mut packed = BytesMut::new();
        if self.compresses {
            p2p::compress(payload, &mut packed);
        } else {
            packed.extend_from_slice(payload);
        }
        self.raw_frame(code, &packed)
    }

    /// A frame with exactly this payload, compressed or not.
    pub(super) fn raw_frame(&mut self, code: u64, payload: &[u8]) -> BytesMut {
        let mut frame = BytesMut::new();
        self.codec.encode(code, payload, &mut frame).unwrap();
        frame
    }

    pub(super) fn say(&mut self, end: &mut End, code: u64, payload: &[u8]) {
        let frame = self.frame(code, payload);
        end.feed(&frame);
    }

    /// Reads all that the session has written: codes and payloads.
    pub(super) fn hear(&mut self, end: &mut End) -> Vec<(u64, Vec<u8>)> {
        let mut heard = Vec::new();
        let mut bytes = end.accept_writes();
        while let Some(frame) = self.codec.decode(&mut bytes).unwrap() {
            let payload = if self.compresses {
                p2p::decompress(&frame.payload).unwrap()
            } else {
                frame.payload
            };
            heard.push((frame.code, payload.to_vec()));
        }
        assert!(bytes.is_empty(), "whole frames are written");
        heard
    }

    /// The same where all that is written should be one disconnect.
    pub(super) fn hear_disconnect(&mut self, end: &mut End) -> DisconnectReason {
        let heard = self.hear(end);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0].0, code::DISCONNECT);
        let reason = DisconnectReason::decode(&heard[0].1);
        assert_eq!(heard[0].1, reason.encode(), "a list of one element");
        reason
    }
}
