//! The running MAC of one direction.
//!
//! RLPx chains its own MAC out of keccak-256 and AES: each tag depends on all
//! bytes before it. Specification: rlpx.md, "MAC".

use aes::Aes256Enc;
use aes::cipher::BlockCipherEncrypt as _;
use sha3::{Digest as _, Keccak256};
use subtle::ConstantTimeEq as _;

/// Bytes of a tag.
pub(super) const TAG: usize = 16;

/// The MAC state of one direction.
///
/// The first 16 bytes of the current digest are kept beside the sponge. They
/// equal the last tag, so a frame costs three finalisations and not four.
pub(super) struct Mac {
    sponge: Keccak256,
    digest: [u8; TAG],
}

impl Mac {
    /// The state after absorbing `parts` in order.
    pub(super) fn new(parts: [&[u8]; 2]) -> Self {
        let mut sponge = Keccak256::new();
        parts.iter().for_each(|part| sponge.update(part));
        let digest = squeeze(&sponge);
        Self { sponge, digest }
    }

    /// The tag of a header, given its ciphertext.
    pub(super) fn header(&mut self, cipher: &Aes256Enc, ciphertext: &[u8; TAG]) -> [u8; TAG] {
        self.step(cipher, *ciphertext)
    }

    /// Absorbs a piece of a body's ciphertext. [`Mac::body`] ends the body.
    pub(super) fn absorb(&mut self, ciphertext: &[u8]) {
        self.sponge.update(ciphertext);
    }

    /// The tag of the body absorbed since the header.
    pub(super) fn body(&mut self, cipher: &Aes256Enc) -> [u8; TAG] {
        self.digest = squeeze(&self.sponge);
        self.step(cipher, self.digest)
    }

    fn step(&mut self, cipher: &Aes256Enc, seed: [u8; TAG]) -> [u8; TAG] {
        let mut block = self.digest.into();
        cipher.encrypt_block(&mut block);
        for (byte, seed) in block.iter_mut().zip(seed) {
            *byte ^= seed;
        }
        self.sponge.update(block);
        self.digest = squeeze(&self.sponge);
        self.digest
    }

    /// The first 16 bytes of the current digest.
    #[cfg(test)]
    pub(super) fn full_digest(&self) -> [u8; 32] {
        self.sponge.clone().finalize().into()
    }
}

/// Compares two tags in constant time.
pub(super) fn equal(ours: &[u8; TAG], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

fn squeeze(sponge: &Keccak256) -> [u8; TAG] {
    let full: [u8; 32] = sponge.clone().finalize().into();
    let mut digest = [0; TAG];
    digest.copy_from_slice(&full[..TAG]);
    digest
}
