//! Randomness as core sees it: one seed at construction, children by label.
//!
//! The generator is ChaCha20, named explicitly so that a seed means the same
//! stream in every version. A child seed is a hash of its parent, a label and
//! a number, so one more draw in one place shifts nothing anywhere else.

use core::fmt;

use chacha20::ChaCha20Rng;
use rand_core::{Infallible, Rng as _, SeedableRng as _, TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 bytes from which all randomness of one machine grows.
///
/// There is no default: a production driver fills it from the operating
/// system, a simulation counts it up. It is secret (keys are drawn from it),
/// so it is wiped on drop and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from 32 bytes, which in production must be unpredictable.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed for tests and simulations, where a number is enough.
    pub fn from_number(number: u64) -> Self {
        Self::new([0; 32]).derive("number", number)
    }

    /// The child named by `label` and `number`. Two different pairs never
    /// give the same child, and no child tells anything of another.
    #[must_use]
    pub fn derive(&self, label: &str, number: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"devp2p seed\0");
        hash.update(self.0);
        hash.update((label.len() as u64).to_be_bytes());
        hash.update(label.as_bytes());
        hash.update(number.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// A generator for keys and nonces.
    pub fn secrets(&self) -> Rng {
        Rng::new(&self.derive("secrets", 0))
    }

    /// A generator for what an observer may learn: padding, jitter, choices.
    pub fn jitter(&self) -> Rng {
        Rng::new(&self.derive("jitter", 0))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Seeds one after another, for one who hands out many over a long time.
///
/// Each draw replaces what the chain grows from, and that cannot be turned
/// back: whoever sees its memory later learns nothing of the seeds drawn before.
#[derive(Debug)]
pub struct SeedChain(Seed);

impl SeedChain {
    /// A chain that grows from `seed`, of which no copy should be kept.
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// The next seed.
    pub fn draw(&mut self) -> Seed {
        let drawn = self.0.derive("drawn", 0);
        // The old one is wiped as it is dropped.
        self.0 = self.0.derive("chain", 0);
        drawn
    }
}

/// A ChaCha20 stream. Made only by [`Seed::secrets`] and [`Seed::jitter`].
pub struct Rng(ChaCha20Rng);

impl Rng {
    fn new(seed: &Seed) -> Self {
        Self(ChaCha20Rng::from_seed(seed.0))
    }

    /// An array of random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number in `0..bound`, uniform up to 1 part in 2^32; 0 if `bound` is 0.
    /// Nothing is drawn then: to look for something to choose where there is
    /// nothing must not change what is chosen next.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let wide = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(wide >> 32).unwrap_or(0)
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(..)")
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_stream_in_every_version() {
        // Computed once; a change here breaks every stored reproducer.
        let mut rng = Seed::from_number(1).secrets();
        assert_eq!(rng.bytes::<8>(), PINNED);
    }

    const PINNED: [u8; 8] = [21, 79, 154, 112, 254, 161, 203, 136];

    #[test]
    fn children_differ_by_label_by_number_and_from_each_other() {
        let seed = Seed::from_number(7);
        let children = [
            seed.derive("a", 0),
            seed.derive("a", 1),
            seed.derive("b", 0),
            seed.derive("a", 0).derive("a", 0),
            // The length of the label is hashed too, so no two pairs run together.
            seed.derive("a\0", 0),
        ];
        for (i, one) in children.iter().enumerate() {
            for other in &children[i + 1..] {
                assert_ne!(one.0, other.0);
            }
        }
    }

    #[test]
    fn a_chain_keeps_nothing_from_which_an_earlier_seed_could_be_derived() {
        let mut chain = SeedChain::new(Seed::from_number(7));
        let mut again = SeedChain::new(Seed::from_number(7));
        let mut seen = alloc::vec![chain.0.0];
        for _ in 0..10 {
            let drawn = chain.draw();
            assert_eq!(drawn.0, again.draw().0);
            // Neither what was drawn nor what is left was ever there before.
            assert!(!seen.contains(&drawn.0) && !seen.contains(&chain.0.0));
            assert_ne!(drawn.0, chain.0.0);
            seen.extend([drawn.0, chain.0.0]);
        }
    }

    #[test]
    fn seeds_and_generators_are_wiped_when_they_are_dropped() {
        const fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<Seed>();
        wiped::<ChaCha20Rng>();
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Seed::from_number(3).jitter();
        assert!((0..1_000).all(|_| rng.below(100) < 100));
    }

    #[test]
    fn to_choose_among_nothing_draws_nothing() {
        let (mut asked, mut unasked) =
            (Seed::from_number(3).jitter(), Seed::from_number(3).jitter());
        assert_eq!(asked.below(0), 0);
        assert_eq!(asked.bytes::<8>(), unasked.bytes::<8>());
    }

    #[test]
    fn secrets_are_never_printed() {
        let seed = Seed::new([0xab; 32]);
        assert_eq!(alloc::format!("{seed:?} {:?}", seed.secrets()), "Seed(..) Rng(..)");
    }
}
