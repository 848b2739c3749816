//! The encryption handshake, both roles, as types that cannot be misused.
//!
//! ```text
//!  Initiator::new ──auth──▶ Recipient::read_auth
//!                              │ Accepted { remote, ack, secrets }
//!  Initiator::read_ack ◀──ack──╯
//!      │ Secrets
//! ```
//!
//! Each step consumes the state before it. Messages are EIP-8's: an RLP list
//! with random padding behind it, sealed by [`ecies`] behind a
//! 2-byte size. Unknown versions, additional list elements and trailing bytes
//! are ignored. The plain form of before EIP-8 is recognised and refused.
//! Specification: rlpx.md, "Initial Handshake"; EIP-8.
//!
//! The numbers: signature 65 bytes, public key 64, nonce 32, version 4;
//! sizes and padding in [`limits`].

use core::fmt;

use alloc::vec::Vec;
use bytes::Bytes;
use zeroize::Zeroizing;

use super::ecies;
use super::secrets::{Secrets, Transcript};
use crate::crypto::{PublicKey, SecretKey, Signature};
use crate::entropy::{Rng, Seed};
use crate::error::DecodeError;
use crate::{limits, rlp};

/// The version that both messages state. Its value is ignored on receipt.
const VERSION: u64 = 4;

/// Why a handshake message is refused. Nothing is ever answered to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The size prefix exceeds [`limits::HANDSHAKE_MESSAGE`].
    TooLarge {
        /// The stated size, bytes.
        size: usize,
    },
    /// The size prefix leaves no room for what encryption alone adds.
    TooSmall {
        /// The stated size, bytes.
        size: usize,
    },
    /// The fixed-size form of before EIP-8, which nobody speaks any more.
    PlainForm,
    /// Not sealed for our key, or changed on the way. One error for all
    /// causes, so that it tells an attacker nothing.
    Decryption,
    /// Sealed for us, but not the list it should be.
    Malformed(DecodeError),
    /// A public key inside is not on the curve.
    InvalidPublicKey,
    /// The signature inside names no key.
    InvalidSignature,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(f, "handshake message too big ({size} bytes)"),
            Self::TooSmall { size } => write!(f, "handshake message too small ({size} bytes)"),
            Self::PlainForm => f.write_str("handshake in the plain form of before EIP-8"),
            Self::Decryption => f.write_str("handshake message not encrypted to our key"),
            Self::Malformed(error) => write!(f, "malformed handshake message: {error}"),
            Self::InvalidPublicKey => f.write_str("invalid public key in handshake"),
            Self::InvalidSignature => f.write_str("invalid signature in handshake"),
        }
    }
}

impl core::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Malformed(error) = self { Some(error) } else { None }
    }
}

impl From<DecodeError> for HandshakeError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// The whole length of the handshake message at the head of `received`, size
/// prefix included; `None` until that can be told.
///
/// Call it as bytes arrive, then hand that many to [`Recipient::read_auth`] or
/// [`Initiator::read_ack`]. What follows them belongs to the first frame.
pub fn message_length(received: &[u8]) -> Result<Option<usize>, HandshakeError> {
    let [high, low, ..] = *received else { return Ok(None) };
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > limits::HANDSHAKE_MESSAGE {
        return Err(HandshakeError::TooLarge { size });
    }
    if size < ecies::OVERHEAD {
        return Err(HandshakeError::TooSmall { size });
    }
    if high == 4 && is_plain_form(received) {
        return Err(HandshakeError::PlainForm);
    }
    Ok(Some(2 + size))
}

/// A plain message begins with a curve point where the size should be, and
/// then does not have one behind the size.
fn is_plain_form(received: &[u8]) -> bool {
    let point_at = |at: usize| {
        received.get(at..at + ecies::POINT).and_then(|point| {
            let (prefix, xy) = point.split_first()?;
            let xy: &[u8; 64] = xy.try_into().ok()?;
            Some(*prefix == 4 && PublicKey::from_bytes(xy).is_ok())
        })
    };
    point_at(2) == Some(false) && point_at(0) == Some(true)
}

/// The side that dials, having sent its auth.
pub struct Initiator {
    secret: SecretKey,
    ephemeral: SecretKey,
    nonce: [u8; 32],
    auth: Bytes,
}

impl Initiator {
    /// Makes the auth for `remote`, which [`Initiator::auth`] holds.
    ///
    /// `seed` must never serve two handshakes: ephemeral key, nonce and
    /// padding all grow from it.
    ///
    /// Fails with [`HandshakeError::InvalidPublicKey`] if `remote` is a key of
    /// another kind than ours.
    pub fn new(
        secret: &SecretKey,
        public: &PublicKey,
        remote: &PublicKey,
        seed: &Seed,
    ) -> Result<Self, HandshakeError> {
        let mut rng = seed.secrets();
        let nonce = rng.bytes::<32>();
        let ephemeral = secret.generate_like(&mut rng);
        let digest = proof(secret, remote, &nonce)?;
        let mut body = Vec::with_capacity(176);
        rlp::put_string(ephemeral.sign(&digest).as_bytes(), &mut body);
        rlp::put_string(public.as_bytes(), &mut body);
        rlp::put_string(&nonce, &mut body);
        rlp::put_uint(VERSION, &mut body);
        let auth = seal(&body, remote, &mut rng, &mut seed.jitter())?;
        Ok(Self { secret: secret.clone(), ephemeral, nonce, auth })
    }

    /// The bytes to send.
    pub fn auth(&self) -> Bytes {
        self.auth.clone()
    }

    /// Reads the whole ack, size prefix included. It is decrypted in place
    /// unless it is refused.
    pub fn read_ack(self, ack: &mut [u8]) -> Result<Secrets, HandshakeError> {
        let packet = Zeroizing::new(ack.to_vec());
        let mut list = rlp_list(ecies::open(ack, &self.secret))?;
        let remote_ephemeral = public_key(&mut list)?;
        let nonce = rlp::fixed::<32>(&mut list)?;
        rlp::uint(&mut list)?;
        let shared = self
            .ephemeral
            .agree(&remote_ephemeral)
            .map_err(|_| HandshakeError::InvalidPublicKey)?;
        Ok(Secrets::initiator(
            &shared,
            &Transcript {
                initiator_nonce: &self.nonce,
                recipient_nonce: &nonce,
                auth: &self.auth,
                ack: &packet,
            },
        ))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

/// The side that was dialled, waiting for an auth.
pub struct Recipient {
    secret: SecretKey,
}

/// An auth was good: who sent it, what to answer, and the secrets.
#[derive(Debug)]
pub struct Accepted {
    /// The other's static public key, proved to be theirs.
    pub remote: PublicKey,
    /// The bytes to send.
    pub ack: Bytes,
    /// What frames begin with, once the ack has been sent.
    pub secrets: Secrets,
}

impl Recipient {
    /// Waits for an auth sealed for `secret`.
    pub fn new(secret: &SecretKey) -> Self {
        Self { secret: secret.clone() }
    }

    /// Reads the whole auth, size prefix included. It is decrypted in place
    /// unless it is refused.
    ///
    /// `seed` must never serve two handshakes.
    pub fn read_auth(self, auth: &mut [u8], seed: &Seed) -> Result<Accepted, HandshakeError> {
        let mut rng = seed.secrets();
        let nonce = rng.bytes::<32>();
        self.accept(auth, nonce, &mut rng, &mut seed.jitter())
    }

    fn accept(
        self,
        auth: &mut [u8],
        nonce: [u8; 32],
        rng: &mut Rng,
        jitter: &mut Rng,
    ) -> Result<Accepted, HandshakeError> {
        let packet = Zeroizing::new(auth.to_vec());
        let Auth { signature, remote, nonce: remote_nonce } =
            Auth::decode(ecies::open(auth, &self.secret))?;
        let digest = proof(&self.secret, &remote, &remote_nonce)?;
        let ephemeral = self.secret.generate_like(rng);
        let shared = signature
            .recover_and_agree(&digest, &ephemeral)
            .map_err(|_| HandshakeError::InvalidSignature)?;

        let mut body = Vec::with_capacity(104);
        rlp::put_string(ephemeral.public_key().as_bytes(), &mut body);
        rlp::put_string(&nonce, &mut body);
        rlp::put_uint(VERSION, &mut body);
        let ack = seal(&body, &remote, rng, jitter)?;
        let secrets = Secrets::recipient(
            &shared,
            &Transcript {
                initiator_nonce: &remote_nonce,
                recipient_nonce: &nonce,
                auth: &packet,
                ack: &ack,
            },
        );
        Ok(Accepted { remote, ack, secrets })
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(..)")
    }
}

/// What an auth says. The digest its signature covers is no part of it.
pub(super) struct Auth {
    pub(super) signature: Signature,
    pub(super) remote: PublicKey,
    pub(super) nonce: [u8; 32],
}

impl Auth {
    pub(super) fn decode(
        opened: Result<&mut [u8], ecies::OpenError>,
    ) -> Result<Self, HandshakeError> {
        let mut list = rlp_list(opened)?;
        let signature = Signature::from_bytes(rlp::fixed::<65>(&mut list)?);
        let remote = public_key(&mut list)?;
        let nonce = rlp::fixed::<32>(&mut list)?;
        rlp::uint(&mut list)?;
        Ok(Self { signature, remote, nonce })
    }
}

/// The message list of an opened packet; the padding behind it is dropped.
pub(super) fn rlp_list(
    opened: Result<&mut [u8], ecies::OpenError>,
) -> Result<&[u8], HandshakeError> {
    let plaintext: &[u8] = opened.map_err(|_| HandshakeError::Decryption)?;
    Ok(rlp::list(&mut &*plaintext)?)
}

pub(super) fn public_key(list: &mut &[u8]) -> Result<PublicKey, HandshakeError> {
    PublicKey::from_bytes(&rlp::fixed::<64>(list)?).map_err(|_| HandshakeError::InvalidPublicKey)
}

/// What the initiator signs with its ephemeral key: the static secret xor its
/// nonce. Only the two owners of the static keys can compute it.
pub(super) fn proof(
    secret: &SecretKey,
    remote: &PublicKey,
    nonce: &[u8; 32],
) -> Result<Zeroizing<[u8; 32]>, HandshakeError> {
    let token = secret.agree(remote).map_err(|_| HandshakeError::InvalidPublicKey)?;
    let mut digest = Zeroizing::new(*token.as_bytes());
    digest.iter_mut().zip(nonce).for_each(|(byte, nonce)| *byte ^= nonce);
    Ok(digest)
}

/// A message list around `body`, padded and sealed for `to`.
fn seal(
    body: &[u8],
    to: &PublicKey,
    rng: &mut Rng,
    jitter: &mut Rng,
) -> Result<Bytes, HandshakeError> {
    let padding = limits::HANDSHAKE_PADDING_MIN + jitter.below(limits::HANDSHAKE_PADDING_SPREAD);
    let mut packet = Vec::with_capacity(512);
    packet.resize(2 + ecies::BEFORE, 0);
    rlp::put_list(body, &mut packet);
    // The padding's content is random too, as the specification has it.
    let end = packet.len();
    packet.resize(end + padding as usize, 0);
    jitter.fill(&mut packet[end..]);
    packet.resize(packet.len() + ecies::OVERHEAD - ecies::BEFORE, 0);
    ecies::seal_in_place(&mut packet, to, rng).map_err(|_| HandshakeError::InvalidPublicKey)?;
    Ok(packet.into())
}
