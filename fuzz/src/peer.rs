//! The other side of a connection, written a second time and from the
//! specification alone, so that it can say what no proper node would.
//!
//! It shakes hands in either role, seals any header and any body with good
//! MACs, and reads what the code under test answers. It shares nothing with
//! core but the curve and the sealing of handshake packets. It is slow, and
//! its MACs are compared by `==`: it is for fuzzing.
//! Specification: rlpx.md.

use core::fmt;

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use devp2p_core::crypto::{PublicKey, SecretKey, SharedSecret, Signature};
use devp2p_core::entropy::Seed;
use devp2p_core::rlpx::ecies;
use sha3::{Digest as _, Keccak256};

use crate::{keys, rlp};

/// Padding behind the handshake messages: no more than EIP-8 asks for.
const PADDING: [u8; 100] = [0x5A; 100];

/// What an auth is made of, for those who want to change some of it.
#[derive(Debug)]
pub struct AuthParts {
    /// Over the static secret xor the nonce, by the ephemeral key.
    pub signature: Vec<u8>,
    /// The static public key.
    pub public: Vec<u8>,
    /// 32 fresh bytes.
    pub nonce: Vec<u8>,
    /// 4 says the specification.
    pub version: u64,
    /// Encoded items that follow in the list.
    pub extra: Vec<u8>,
    /// Bytes that follow the list.
    pub padding: Vec<u8>,
}

impl AuthParts {
    /// The packet for `remote`.
    pub fn seal(&self, remote: &PublicKey) -> Vec<u8> {
        let items = [
            rlp::string(&self.signature),
            rlp::string(&self.public),
            rlp::string(&self.nonce),
            rlp::uint(self.version),
            self.extra.clone(),
        ];
        seal(&items, &self.padding, remote)
    }
}

/// What an ack is made of.
#[derive(Debug)]
pub struct AckParts {
    /// The ephemeral public key.
    pub ephemeral: Vec<u8>,
    /// 32 fresh bytes.
    pub nonce: Vec<u8>,
    /// 4 says the specification.
    pub version: u64,
    /// Encoded items that follow in the list.
    pub extra: Vec<u8>,
    /// Bytes that follow the list.
    pub padding: Vec<u8>,
}

impl AckParts {
    /// The packet for `remote`.
    pub fn seal(&self, remote: &PublicKey) -> Vec<u8> {
        let items = [
            rlp::string(&self.ephemeral),
            rlp::string(&self.nonce),
            rlp::uint(self.version),
            self.extra.clone(),
        ];
        seal(&items, &self.padding, remote)
    }
}

/// The dialling side before the ack.
#[derive(Debug)]
pub struct Dialer {
    secret: SecretKey,
    remote: PublicKey,
    ephemeral: SecretKey,
    nonce: [u8; 32],
}

impl Dialer {
    /// A node with the key `secret` that dials `remote`.
    pub fn new(secret: SecretKey, remote: PublicKey) -> Self {
        let mut rng = Seed::from_number(0xd1a1).secrets();
        let ephemeral = secret.generate_like(&mut rng);
        Self { secret, remote, ephemeral, nonce: rng.bytes() }
    }

    /// What goes into the auth.
    pub fn parts(&self) -> AuthParts {
        let digest = token(&self.secret, &self.remote, &self.nonce).expect("a good key");
        AuthParts {
            signature: self.ephemeral.sign(&digest).as_bytes().to_vec(),
            public: self.secret.public_key().as_bytes().to_vec(),
            nonce: self.nonce.to_vec(),
            version: 4,
            extra: Vec::new(),
            padding: PADDING.to_vec(),
        }
    }

    /// The connection, once `auth` has been sent and an ack stands at the head
    /// of `stream`, which moves past it. `None` unless it is whole and good.
    pub fn finish(&self, auth: &[u8], stream: &mut &[u8]) -> Option<Peer> {
        let (ack, fields) = open(stream, &self.secret)?;
        let [ephemeral, nonce] = fields.get(..2)? else { return None };
        let ephemeral = PublicKey::from_bytes(ephemeral.as_slice().try_into().ok()?).ok()?;
        let nonce: [u8; 32] = nonce.as_slice().try_into().ok()?;
        let shared = self.ephemeral.agree(&ephemeral).ok()?;
        let secrets = Secrets::derive(&shared, &nonce, &self.nonce);
        let ours = secrets.mac(&nonce, auth);
        let theirs = secrets.mac(&self.nonce, &ack);
        Some(Peer::new(&secrets, ours, theirs))
    }
}

/// The side that was dialled, having read an auth.
#[derive(Debug)]
pub struct Answer {
    remote: PublicKey,
    shared: SharedSecret,
    remote_nonce: [u8; 32],
    auth: Vec<u8>,
    ephemeral: PublicKey,
    nonce: [u8; 32],
}

impl Answer {
    /// Reads the auth at the head of `stream`, which moves past it. `None`
    /// unless it is whole and good.
    pub fn new(secret: &SecretKey, stream: &mut &[u8]) -> Option<Self> {
        let (auth, fields) = open(stream, secret)?;
        let [signature, public, remote_nonce] = fields.get(..3)? else { return None };
        let signature = Signature::from_bytes(signature.as_slice().try_into().ok()?);
        let remote = PublicKey::from_bytes(public.as_slice().try_into().ok()?).ok()?;
        let remote_nonce: [u8; 32] = remote_nonce.as_slice().try_into().ok()?;
        let recovered = signature.recover(&token(secret, &remote, &remote_nonce)?).ok()?;
        let mut rng = Seed::from_number(0xa25e).secrets();
        let ephemeral = secret.generate_like(&mut rng);
        let shared = ephemeral.agree(&recovered).ok()?;
        let ephemeral = ephemeral.public_key();
        Some(Self { remote, shared, remote_nonce, auth, ephemeral, nonce: rng.bytes() })
    }

    /// Whose auth it was.
    pub const fn remote(&self) -> &PublicKey {
        &self.remote
    }

    /// What goes into the ack.
    pub fn parts(&self) -> AckParts {
        AckParts {
            ephemeral: self.ephemeral.as_bytes().to_vec(),
            nonce: self.nonce.to_vec(),
            version: 4,
            extra: Vec::new(),
            padding: PADDING.to_vec(),
        }
    }

    /// The connection, once `ack` has been sent.
    pub fn finish(&self, ack: &[u8]) -> Peer {
        let secrets = Secrets::derive(&self.shared, &self.nonce, &self.remote_nonce);
        let ours = secrets.mac(&self.remote_nonce, ack);
        let theirs = secrets.mac(&self.nonce, &self.auth);
        Peer::new(&secrets, ours, theirs)
    }
}

/// The other side once secrets are there: it seals and opens frames.
pub struct Peer {
    mac_cipher: Aes256,
    out_cipher: Ctr128BE<Aes256>,
    out_mac: Keccak256,
    in_cipher: Ctr128BE<Aes256>,
    /// Up to where the key stream of that cipher has been used.
    in_position: u64,
    in_mac: Keccak256,
}

/// A frame is not as the specification has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadFrame;

impl Peer {
    fn new(secrets: &Secrets, out_mac: Keccak256, in_mac: Keccak256) -> Self {
        let cipher = || Ctr128BE::<Aes256>::new(&secrets.aes.into(), &[0; 16].into());
        Self {
            mac_cipher: Aes256::new(&secrets.mac.into()),
            out_cipher: cipher(),
            out_mac,
            in_cipher: cipher(),
            in_position: 0,
            in_mac,
        }
    }

    /// A frame with a header of any content and a body of any, both behind
    /// good MACs. The body is filled up with zeros to whole blocks.
    pub fn frame(&mut self, mut header: [u8; 16], body: &[u8]) -> Vec<u8> {
        self.out_cipher.apply_keystream(&mut header);
        let mut frame = header.to_vec();
        let seed = xor16(&self.mac_block(&self.out_mac), &header);
        self.out_mac.update(seed);
        frame.extend(digest16(&self.out_mac));

        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(16), 0);
        self.out_cipher.apply_keystream(&mut body);
        self.out_mac.update(&body);
        let seed = xor16(&self.mac_block(&self.out_mac), &digest16(&self.out_mac));
        self.out_mac.update(seed);
        frame.extend(body);
        frame.extend(digest16(&self.out_mac));
        frame
    }

    /// A proper frame of one message. The payload goes as it is.
    pub fn message(&mut self, code: u64, payload: &[u8]) -> Vec<u8> {
        let body = [&rlp::uint(code), payload].concat();
        self.frame(header(body.len()), &body)
    }

    /// The frame at the head of `stream`, which moves past it: code and
    /// payload. `None` until it is whole.
    pub fn read(&mut self, stream: &mut &[u8]) -> Result<Option<(u64, Vec<u8>)>, BadFrame> {
        // Until the frame is whole nothing is changed that is not put back.
        let Some((head, rest)) = stream.split_at_checked(32) else { return Ok(None) };
        let mut head_data: [u8; 16] = head[..16].try_into().map_err(|_| BadFrame)?;
        let mut mac = self.in_mac.clone();
        mac.update(xor16(&self.mac_block(&mac), &head_data));
        if digest16(&mac) != head[16..] {
            return Err(BadFrame);
        }
        self.in_cipher.seek(self.in_position);
        self.in_cipher.apply_keystream(&mut head_data);
        let [high, middle, low, ..] = head_data;
        let size = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if head_data != header(size) {
            return Err(BadFrame);
        }
        let length = size.next_multiple_of(16);
        let Some((frame, rest)) = rest.split_at_checked(length + 16) else { return Ok(None) };
        let (body, tag) = frame.split_at(length);
        mac.update(body);
        mac.update(xor16(&self.mac_block(&mac), &digest16(&mac)));
        if digest16(&mac) != *tag {
            return Err(BadFrame);
        }
        let mut body = body.to_vec();
        self.in_cipher.apply_keystream(&mut body);
        if body[size..].iter().any(|byte| *byte != 0) {
            return Err(BadFrame);
        }
        body.truncate(size);
        let (code, payload) = rlp::read_uint(&body).ok_or(BadFrame)?;
        self.in_position += 16 + length as u64;
        (self.in_mac, *stream) = (mac, rest);
        Ok(Some((code, payload.to_vec())))
    }

    /// The MAC's 16 bytes, encrypted.
    fn mac_block(&self, mac: &Keccak256) -> [u8; 16] {
        let mut block = digest16(mac).into();
        self.mac_cipher.encrypt_block(&mut block);
        block.into()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer(..)")
    }
}

/// A proper header for a body of `size` bytes, of which 24 bits count.
pub fn header(size: usize) -> [u8; 16] {
    let [.., high, middle, low] = size.to_be_bytes();
    let mut header = [0; 16];
    header[..6].copy_from_slice(&[high, middle, low, 0xC2, 0x80, 0x80]);
    header
}

struct Secrets {
    aes: [u8; 32],
    mac: [u8; 32],
}

impl Secrets {
    fn derive(ephemeral: &SharedSecret, recipient: &[u8; 32], initiator: &[u8; 32]) -> Self {
        let ephemeral = ephemeral.as_bytes();
        let shared = keccak(ephemeral, &keccak(recipient, initiator));
        let aes = keccak(ephemeral, &shared);
        Self { aes, mac: keccak(ephemeral, &aes) }
    }

    /// The MAC of who sent `packet`, given the other's nonce.
    fn mac(&self, nonce: &[u8; 32], packet: &[u8]) -> Keccak256 {
        let key: Vec<u8> = self.mac.iter().zip(nonce).map(|(a, b)| a ^ b).collect();
        Keccak256::new().chain_update(key).chain_update(packet)
    }
}

fn keccak(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    Keccak256::new().chain_update(one).chain_update(other).finalize().into()
}

fn digest16(mac: &Keccak256) -> [u8; 16] {
    let digest: [u8; 32] = mac.clone().finalize().into();
    core::array::from_fn(|at| digest[at])
}

fn xor16(one: &[u8; 16], other: &[u8; 16]) -> [u8; 16] {
    core::array::from_fn(|at| one[at] ^ other[at])
}

/// What the initiator signs.
fn token(secret: &SecretKey, remote: &PublicKey, nonce: &[u8; 32]) -> Option<[u8; 32]> {
    let shared = secret.agree(remote).ok()?;
    Some(core::array::from_fn(|at| shared.as_bytes()[at] ^ nonce[at]))
}

fn seal(items: &[Vec<u8>], padding: &[u8], remote: &PublicKey) -> Vec<u8> {
    keys::sealed(&[rlp::list(items), padding.to_vec()].concat(), remote).to_vec()
}

/// The packet at the head of `stream`, and the strings its list begins with.
fn open(stream: &mut &[u8], secret: &SecretKey) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let size = stream.first_chunk::<2>()?;
    let length = 2 + usize::from(u16::from_be_bytes(*size));
    let (packet, rest) = stream.split_at_checked(length)?;
    let mut opened = packet.to_vec();
    let plaintext: &[u8] = ecies::open(&mut opened, secret).ok()?;
    let mut items = alloy_rlp::Header::decode_bytes(&mut &*plaintext, true).ok()?;
    let mut fields = Vec::new();
    while !items.is_empty()
        && let Ok(string) = alloy_rlp::Header::decode_bytes(&mut items, false)
    {
        fields.push(string.to_vec());
    }
    *stream = rest;
    Some((packet.to_vec(), fields))
}
