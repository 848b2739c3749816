//! The seed from which all randomness of one node grows, from the system.

use core::fmt;

use devp2p_core::entropy::Seed;
use zeroize::Zeroizing;

/// 32 unpredictable bytes. It blocks until the system has gathered enough,
/// which matters only in the first seconds after a machine has started.
///
/// Fails if the system has none to give.
pub fn seed() -> Result<Seed, EntropyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(EntropyError)?;
    Ok(Seed::new(*bytes))
}

/// The system gave no randomness. A node must not start without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntropyError(getrandom::Error);

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no randomness from the operating system")
    }
}

impl core::error::Error for EntropyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_differ() {
        let draw = || seed().unwrap().secrets().bytes::<32>();
        assert_ne!(draw(), draw());
    }
}
