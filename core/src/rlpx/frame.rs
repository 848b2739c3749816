//! Frames: how messages travel once the secrets are there.
//!
//! ```text
//!  header 16 │ header tag 16 │ body, padded to 16 │ body tag 16
//!  ╰ size 3, C2 80 80, zeros ╯╰ RLP(code), payload ╯
//! ```
//!
//! Everything happens in place. Decoding takes complete frames off the head of
//! the caller's buffer and never looks at what it did not receive: a declared
//! size reserves nothing, and cutting the stream differently changes nothing.
//! Both tags are checked, in constant time, before anything is decrypted.
//! Specification: rlpx.md, "Framing". Sizes in [`limits`].

use core::fmt;

use aes::Aes256Enc;
use aes::cipher::KeyInit as _;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ctr::cipher::{InnerIvInit as _, StreamCipher as _, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors};

use super::mac::{self, Mac};
use super::secrets::Secrets;
use crate::{limits, rlp};

const HEADER: usize = 16;
/// Header and its tag: what stands before the body.
const PREFIX: usize = HEADER + mac::TAG;
/// The header data that everybody sends and nobody reads.
const HEADER_DATA: [u8; 3] = [0xC2, 0x80, 0x80];

/// Why a frame ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// The header's tag does not match.
    HeaderMac,
    /// The body's tag does not match.
    BodyMac,
    /// The frame is larger than allowed at this point.
    TooLarge {
        /// Its size, bytes of code and payload.
        size: usize,
        /// The limit that it exceeds.
        limit: usize,
    },
    /// The message code is not a canonical RLP integer.
    InvalidCode,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderMac => f.write_str("bad header MAC"),
            Self::BodyMac => f.write_str("bad frame MAC"),
            Self::TooLarge { size, limit } => {
                write!(f, "message too big ({size} bytes, limit {limit})")
            }
            Self::InvalidCode => f.write_str("invalid message code"),
        }
    }
}

impl core::error::Error for FrameError {}

/// One message as it travels: still compressed, if it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The message code.
    pub code: u64,
    /// What follows the code: a slice of the buffer it was received in, all of
    /// which lives as long. Copy what is kept.
    pub payload: Bytes,
}

/// Encodes and decodes the frames of one connection, both directions.
///
/// It holds two AES key schedules and two MAC states, and no buffer.
pub struct FrameCodec {
    cipher: Aes256Enc,
    mac_cipher: Aes256Enc,
    egress: Direction,
    ingress: Direction,
    /// Size of the frame whose header has been read, bytes.
    body: Option<usize>,
    /// Bytes of that frame's body that the MAC has absorbed.
    absorbed: usize,
    /// Largest frame that is accepted.
    limit: usize,
}

/// One direction: its MAC, and how many AES blocks its key stream has used.
struct Direction {
    mac: Mac,
    blocks: u64,
}

impl FrameCodec {
    /// Starts after the handshake, accepting frames up to [`limits::FRAME`].
    pub fn new(secrets: Secrets) -> Self {
        Self {
            cipher: Aes256Enc::new((&*secrets.aes).into()),
            mac_cipher: Aes256Enc::new((&*secrets.mac).into()),
            egress: Direction { mac: secrets.egress, blocks: 0 },
            ingress: Direction { mac: secrets.ingress, blocks: 0 },
            body: None,
            absorbed: 0,
            limit: limits::FRAME,
        }
    }

    /// Refuses frames of more than `limit` bytes of code and payload.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends to `out` one frame with `code` and what `payload` writes.
    ///
    /// On an error `out` and the codec are as before.
    pub fn encode_with(
        &mut self,
        code: u64,
        out: &mut BytesMut,
        payload: impl FnOnce(&mut BytesMut),
    ) -> Result<(), FrameError> {
        let start = out.len();
        out.put_bytes(0, PREFIX);
        rlp::put_uint(code, out);
        payload(out);
        let size = out.len() - start - PREFIX;
        if size > limits::FRAME {
            out.truncate(start);
            return Err(FrameError::TooLarge { size, limit: limits::FRAME });
        }
        out.put_bytes(0, padded(size) - size + mac::TAG);
        self.seal(&mut out[start..], size);
        Ok(())
    }

    /// Appends to `out` one frame with `code` and `payload`. It reserves the
    /// frame's length in `out` and allocates nothing else.
    pub fn encode(
        &mut self,
        code: u64,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        out.reserve(frame_length(rlp::uint_length(code) + payload.len()));
        self.encode_with(code, out, |out| out.put_slice(payload))
    }

    fn seal(&mut self, frame: &mut [u8], size: usize) {
        let (prefix, rest) = frame.split_at_mut(PREFIX);
        let (header, header_tag) = prefix.split_at_mut(HEADER);
        let (body, body_tag) = rest.split_at_mut(padded(size));
        #[expect(clippy::cast_possible_truncation, reason = "limited to 24 bits by the caller")]
        let [_, size @ ..] = (size as u32).to_be_bytes();
        header[..3].copy_from_slice(&size);
        header[3..6].copy_from_slice(&HEADER_DATA);
        self.egress.apply(&self.cipher, header);
        let mut ciphertext = [0; HEADER];
        ciphertext.copy_from_slice(header);
        header_tag.copy_from_slice(&self.egress.mac.header(&self.mac_cipher, &ciphertext));
        for chunk in body.chunks_mut(CHUNK) {
            self.egress.apply(&self.cipher, chunk);
            self.egress.mac.absorb(chunk);
        }
        body_tag.copy_from_slice(&self.egress.mac.body(&self.mac_cipher));
    }

    /// Takes the next frame off the head of `received`, if it is complete.
    ///
    /// Consumes what it can use: after `Ok(None)` call it again when more has
    /// arrived behind what it left. After an error the stream is lost.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let size = match self.body {
            Some(size) => size,
            None if received.len() < PREFIX => return Ok(None),
            None => self.open_header(received)?,
        };
        let length = padded(size);
        let arrived = received.len().min(length);
        if self.absorbed < arrived {
            self.ingress.mac.absorb(&received[self.absorbed..arrived]);
            self.absorbed = arrived;
        }
        if received.len() < length + mac::TAG {
            return Ok(None);
        }
        let tag = self.ingress.mac.body(&self.mac_cipher);
        if !mac::equal(&tag, &received[length..length + mac::TAG]) {
            return Err(FrameError::BodyMac);
        }
        let mut body = received.split_to(length);
        received.advance(mac::TAG);
        self.ingress.apply(&self.cipher, &mut body);
        body.truncate(size);
        self.body = None;
        self.absorbed = 0;

        let mut rest: &[u8] = &body;
        let code = rlp::uint(&mut rest).map_err(|_| FrameError::InvalidCode)?;
        body.advance(size - rest.len());
        Ok(Some(Frame { code, payload: body.freeze() }))
    }

    fn open_header(&mut self, received: &mut BytesMut) -> Result<usize, FrameError> {
        let mut header = [0; HEADER];
        header.copy_from_slice(&received[..HEADER]);
        let tag = self.ingress.mac.header(&self.mac_cipher, &header);
        if !mac::equal(&tag, &received[HEADER..PREFIX]) {
            return Err(FrameError::HeaderMac);
        }
        self.ingress.apply(&self.cipher, &mut header);
        let size =
            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        if size > self.limit {
            return Err(FrameError::TooLarge { size, limit: self.limit });
        }
        received.advance(PREFIX);
        self.body = Some(size);
        Ok(size)
    }
}

impl fmt::Debug for FrameCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCodec").field("body", &self.body).finish_non_exhaustive()
    }
}

/// Bytes that are encrypted, then absorbed while still in the first cache.
const CHUNK: usize = 8 * 1024;

impl Direction {
    /// Applies the next key stream. `text` is whole blocks, as all that
    /// frames encrypt is, so a block counter is all the state there is.
    fn apply(&mut self, cipher: &Aes256Enc, text: &mut [u8]) {
        let iv = u128::from(self.blocks).to_be_bytes().into();
        let core = CtrCore::<_, flavors::Ctr64BE>::inner_iv_init(cipher, &iv);
        StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
        self.blocks += (text.len() / HEADER) as u64;
    }
}

/// `size` rounded up to whole AES blocks.
const fn padded(size: usize) -> usize {
    size.next_multiple_of(HEADER)
}

/// Bytes on the wire of a frame with `size` bytes of code and payload.
pub const fn frame_length(size: usize) -> usize {
    PREFIX + padded(size) + mac::TAG
}
