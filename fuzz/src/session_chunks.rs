//! Cutting the same stream differently never changes what a session does.
//!
//! The peer's whole stream, from its first handshake byte on, goes into one
//! session at once and into another in pieces. Time stands still, and both
//! have a driver that answers at once.

use crate::end::End;
use crate::frames::Pieces;
use crate::keys::{self, OURS, Offer, THEIRS};
use crate::peer::{Answer, Dialer, Peer};
use crate::script::{Role, proper_hello};
use crate::tape::Tape;

/// Frames of one run, at most.
const FRAMES: u8 = 24;

/// Runs one input: role and offer, frames, then the lengths of the pieces.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let role = if tape.yes() { Role::Dial } else { Role::Accept };
    let offer = if tape.yes() { Offer::Mirror } else { Offer::Ours };
    let (mut stream, mut peer) = handshake(role, offer);
    for _ in 0..tape.choice(FRAMES) {
        stream.extend(frame(&mut peer, &mut tape));
    }
    let whole = digest(role, offer, core::iter::once(&stream[..]));
    let pieces = digest(role, offer, Pieces { stream: &stream, tape });
    assert_eq!(whole, pieces);
}

fn start(role: Role, offer: Offer) -> End {
    match role {
        Role::Dial => End::dial(offer, &keys::public(THEIRS)),
        Role::Accept => End::accept(offer),
    }
}

/// The peer's part of the handshake, and the peer. Sessions of one seed all
/// answer the same, so what fits one fits the others.
fn handshake(role: Role, offer: Offer) -> (Vec<u8>, Peer) {
    let mut end = start(role, offer);
    if role == Role::Dial {
        let answer = Answer::new(&keys::secret(THEIRS), &mut &end.written[..]).expect("an auth");
        let ack = answer.parts().seal(answer.remote());
        let peer = answer.finish(&ack);
        return (ack, peer);
    }
    let dialer = Dialer::new(keys::secret(THEIRS), keys::public(OURS));
    let auth = dialer.parts().seal(&keys::public(OURS));
    end.received.extend_from_slice(&auth);
    end.receive();
    let peer = dialer.finish(&auth, &mut &end.written[..]).expect("an ack");
    (auth, peer)
}

fn frame(peer: &mut Peer, tape: &mut Tape<'_>) -> Vec<u8> {
    let pack =
        |payload: &[u8]| snap::raw::Encoder::new().compress_vec(payload).expect("a small payload");
    let mut frame = match tape.choice(7) {
        0 => {
            let mut hello = proper_hello();
            hello.version = tape.number();
            peer.message(0, &hello.encode())
        }
        1 => peer.message(2, &pack(&[0xC0])),
        2 => peer.message(3, &pack(&[0xC0])),
        3 => peer.message(1, &pack(&[0xC1, tape.byte()])),
        4 => peer.message(16 + u64::from(tape.choice(16)), &pack(&tape.payload())),
        5 => peer.message(tape.number(), tape.bytes()),
        _ => return tape.bytes().to_vec(),
    };
    if tape.byte() == 1 {
        let at = usize::from(tape.word()) % (frame.len() * 8);
        frame[at / 8] ^= 1 << (at % 8);
    }
    frame
}

/// All that is seen of a session that is fed these pieces.
fn digest<'a>(role: Role, offer: Offer, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut end = start(role, offer);
    end.settle();
    for piece in pieces {
        end.received.extend_from_slice(piece);
        end.settle();
    }
    let sum = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            sum.wrapping_mul(0x100_0000_01b3) ^ u64::from(*byte)
        })
    };
    let messages: Vec<_> = end
        .messages
        .iter()
        .map(|message| (message.capability(), message.code(), sum(message.payload())))
        .collect();
    let mut counters = end.session().counters();
    if end.closed.is_some() {
        // What it takes, or leaves, of a stream that is over means nothing.
        end.received.clear();
        counters.bytes_received = 0;
    }
    format!(
        "{:?} {:?} {messages:?} {:?} {:?} wrote {} {:x} left {} {counters:?}",
        end.authenticated,
        end.ready,
        end.round_trips,
        end.closed,
        end.written.len(),
        sum(&end.written),
        end.received.len(),
    )
}
