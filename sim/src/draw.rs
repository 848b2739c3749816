//! Drawing: probabilities and times from a generator, in integers, so that they
//! are the same on every machine.

use core::time::Duration;

use devp2p_core::entropy::Rng;

/// A probability, in millionths.
pub type Millionths = u32;

/// What is sure to happen.
pub(crate) const EVERY_ONE: Millionths = 1_000_000;

/// Whether what is so probable happens. Draws nothing where that is certain, so
/// that a fault which is off changes nothing.
pub(crate) fn chance(rng: &mut Rng, probability: Millionths) -> bool {
    match probability {
        0 => false,
        EVERY_ONE.. => true,
        some => rng.below(EVERY_ONE) < some,
    }
}

/// Uniformly from zero to `most`, in microseconds.
pub(crate) fn up_to(rng: &mut Rng, most: Duration) -> Duration {
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(below(rng, micros.saturating_add(1)))
}

/// Uniformly between both, both included.
pub(crate) fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    least + up_to(rng, most.saturating_sub(least))
}

/// Uniformly below a bound that may exceed 32 bits; 0 below 0.
pub(crate) fn below(rng: &mut Rng, bound: u64) -> u64 {
    match u32::try_from(bound) {
        Ok(0) => 0,
        Ok(bound) => rng.below(bound).into(),
        // What is lost in uniformity is less than one in 2^32.
        Err(_) => u64::from_le_bytes(rng.bytes()) % bound,
    }
}

/// An index of something that has so many.
pub(crate) fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(below(rng, u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
}

/// From an exponential distribution of this mean, cut off at 8 times that.
///
/// By halving: of each 64 parts of the probability that are left, a toss takes
/// the lower half or goes on; within a half it is uniform. The mean is right to
/// within a hundredth, and no logarithm of a machine's own takes part.
pub(crate) fn exponential(rng: &mut Rng, mean: Duration) -> Duration {
    // ln 2 in millionths: each half-life is so much of the mean.
    const HALF_LIFE: u128 = 693_147;
    if mean.is_zero() {
        return mean;
    }
    let bits = rng.below(1 << 24);
    let halves = (bits >> 13).trailing_ones().min(10);
    let within = u128::from(bits & 0x1fff);
    // Within a half-life the density falls by half: the square bends it enough.
    let bent = within * 0x2000 * 2 / (3 * 0x2000 - within);
    let parts = u128::from(halves) * 0x2000 + bent;
    let micros = mean.as_micros() * HALF_LIFE * parts / (0x2000 * 1_000_000);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use devp2p_core::entropy::Seed;

    use super::*;

    #[test]
    fn an_exponential_distribution_has_its_mean_and_its_median() {
        let mut rng = Seed::from_number(1).jitter();
        let mut drawn: Vec<u64> = (0..40_000)
            .map(|_| exponential(&mut rng, Duration::from_millis(100)).as_micros() as u64)
            .collect();
        drawn.sort_unstable();
        let mean = drawn.iter().sum::<u64>() / 40_000;
        assert!((96_000..104_000).contains(&mean), "{mean}");
        assert!((66_000..73_000).contains(&drawn[20_000]), "{}", drawn[20_000]);
        assert!(drawn[39_999] <= 800_000);
    }

    #[test]
    fn what_is_certain_draws_nothing() {
        let (mut one, mut other) = (Seed::from_number(2).jitter(), Seed::from_number(2).jitter());
        assert!(!chance(&mut one, 0) && chance(&mut one, 1_000_000));
        assert_eq!(one.bytes::<8>(), other.bytes::<8>());
        let half = (0..10_000).filter(|_| chance(&mut one, 500_000)).count();
        assert!((4_800..5_200).contains(&half), "{half}");
    }
}
