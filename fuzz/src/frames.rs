//! Frames after a handshake whose secrets the input may use: any header and
//! any body behind good MACs, any bytes, any bit flipped, any cut.
//!
//! A model says what must come out: which frames, and which error ends them.
//! Whole or in pieces, it must be the same.

use bytes::BytesMut;

use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::rlpx::frame::frame_length;
use devp2p_core::rlpx::{FrameCodec, FrameError, Recipient};

use crate::keys::{self, OURS, THEIRS};
use crate::peer::{Dialer, Peer, header};
use crate::rlp;
use crate::tape::Tape;

/// Frames of one run, at most.
const FRAMES: u8 = 24;

/// How the model sees the end of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// All that was sent is read.
    Open,
    /// This error.
    Error(FrameError),
    /// No more frames.
    Lost,
}

/// Runs one input: a limit, frames, then the lengths of the pieces.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let limit = match tape.choice(3) {
        0 => limits::FRAME,
        1 => limits::HELLO_PAYLOAD,
        _ => usize::from(tape.word()),
    };
    let (codec, mut peer) = connected();
    let mut model = Model { limit, frames: Vec::new(), end: End::Open };
    let mut stream = Vec::new();
    for _ in 0..tape.choice(FRAMES) {
        stream.extend(model.frame(&mut peer, &mut tape));
    }

    let whole = decode(codec, limit, core::iter::once(&stream[..]));
    assert_eq!(whole.frames, model.frames);
    match model.end {
        End::Open => assert_eq!((whole.error, whole.left), (None, 0)),
        End::Error(error) => assert_eq!(whole.error, Some(error)),
        // An error, or a wait for bytes that never come.
        End::Lost => {}
    }
    let pieces = decode(connected().0, limit, Pieces { stream: &stream, tape });
    assert_eq!(whole, pieces);
    encode(&model.frames);
}

/// The code under test as the recipient, and the peer who dialled it.
fn connected() -> (FrameCodec, Peer) {
    let dialer = Dialer::new(keys::secret(THEIRS), keys::public(OURS));
    let auth = dialer.parts().seal(&keys::public(OURS));
    let recipient = Recipient::new(&keys::secret(OURS));
    let accepted = recipient.read_auth(&mut auth.clone(), &Seed::from_number(2));
    let accepted = accepted.expect("a proper auth");
    let peer = dialer.finish(&auth, &mut &accepted.ack[..]).expect("a proper ack");
    (accepted.secrets.into(), peer)
}

struct Model {
    limit: usize,
    frames: Vec<(u64, Vec<u8>)>,
    end: End,
}

impl Model {
    /// The next frame, and what becomes of it.
    fn frame(&mut self, peer: &mut Peer, tape: &mut Tape<'_>) -> Vec<u8> {
        let mut head = [0; 16];
        let body = match tape.choice(5) {
            0 | 1 => {
                let body = [rlp::uint(tape.number()), tape.payload()].concat();
                head = header(body.len());
                body
            }
            // Any body, with any header data but a proper size.
            2 => {
                let (body, data) = (tape.payload(), tape.array::<13>());
                head[..3].copy_from_slice(&header(body.len())[..3]);
                head[3..].copy_from_slice(&data);
                body
            }
            // Any header.
            3 => {
                head = tape.array();
                tape.payload()
            }
            _ => {
                let raw = tape.bytes().to_vec();
                if self.end == End::Open && !raw.is_empty() {
                    self.end = End::Lost;
                }
                return raw;
            }
        };
        let mut frame = peer.frame(head, &body);
        let flip = match tape.byte() {
            1 => Some(usize::from(tape.word()) % (frame.len() * 8)),
            _ => None,
        };
        if let Some(at) = flip {
            frame[at / 8] ^= 1 << (at % 8);
        }
        self.expect(head, &body, flip.map(|at| at / 8));
        frame
    }

    fn expect(&mut self, head: [u8; 16], body: &[u8], flipped: Option<usize>) {
        if self.end != End::Open {
            return;
        }
        let [high, middle, low, ..] = head;
        let size = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let fits = size.next_multiple_of(16) == body.len().next_multiple_of(16);
        self.end = match flipped {
            Some(0..32) => End::Error(FrameError::HeaderMac),
            _ if size > self.limit => End::Error(FrameError::TooLarge { size, limit: self.limit }),
            _ if !fits => End::Lost,
            Some(_) => End::Error(FrameError::BodyMac),
            None => {
                let mut body = body.to_vec();
                body.resize(size, 0);
                match rlp::read_uint(&body) {
                    Some((code, payload)) => {
                        self.frames.push((code, payload.to_vec()));
                        End::Open
                    }
                    None => End::Error(FrameError::InvalidCode),
                }
            }
        };
    }
}

/// What came out.
#[derive(PartialEq, Eq, Debug)]
struct Decoded {
    frames: Vec<(u64, Vec<u8>)>,
    error: Option<FrameError>,
    /// Bytes that were not taken; of no meaning after an error.
    left: usize,
}

fn decode<'a>(
    mut codec: FrameCodec,
    limit: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Decoded {
    codec.set_limit(limit);
    let mut decoded = Decoded { frames: Vec::new(), error: None, left: 0 };
    let mut received = BytesMut::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match codec.decode(&mut received) {
                Ok(Some(frame)) => decoded.frames.push((frame.code, frame.payload.to_vec())),
                Ok(None) => break,
                Err(error) => return Decoded { error: Some(error), ..decoded },
            }
        }
    }
    Decoded { left: received.len(), ..decoded }
}

/// What we encode the peer reads, and it is as long as we say.
fn encode(frames: &[(u64, Vec<u8>)]) {
    let (mut codec, mut peer) = connected();
    let mut stream = BytesMut::new();
    for (code, payload) in frames {
        let before = stream.len();
        codec.encode(*code, payload, &mut stream).expect("a frame that was read");
        let size = rlp::uint(*code).len() + payload.len();
        assert_eq!(stream.len() - before, frame_length(size));
    }
    let mut rest = &stream[..];
    for (code, payload) in frames {
        assert_eq!(peer.read(&mut rest), Ok(Some((*code, payload.clone()))));
    }
    assert!(rest.is_empty());
}

/// The stream cut as the rest of the input says; if it says nothing any more,
/// into single bytes.
#[derive(Debug)]
pub struct Pieces<'a> {
    /// What is left.
    pub stream: &'a [u8],
    /// Says how long the next piece is.
    pub tape: Tape<'a>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // A long stream of single bytes would be no more than slow.
        let least = if self.stream.len() > 4096 { 1000 } else { 1 };
        let length = if self.tape.is_empty() { least } else { usize::from(self.tape.byte()) };
        let (piece, rest) = self.stream.split_at(length.max(1).min(self.stream.len()));
        self.stream = rest;
        (!piece.is_empty()).then_some(piece)
    }
}
