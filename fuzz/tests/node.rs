//! The node by tapes at random: what a fuzzer finds in its first seconds is found
//! here without one.

use devp2p_core::entropy::Seed;
use devp2p_fuzz::node::{self, step};

const TAPES: u64 = 500;

/// A tape of steps, those that move connections on more often than others.
fn tape(seed: u64) -> Vec<u8> {
    let mut rng = Seed::from_number(seed).jitter();
    let mut byte = |below: u32| u8::try_from(rng.below(below)).unwrap_or(0);
    let mut tape: Vec<u8> = (0..3).map(|_| byte(256)).collect();
    tape.extend((0..20).map(|_| byte(8)));
    let steps = 10 + u32::from(byte(150));
    for _ in 0..steps {
        let kind = match byte(41) {
            0..4 => step::COME,
            4..8 => step::JOIN,
            8..12 => step::CONNECT,
            12..15 => step::SETTLE,
            15..17 => step::COMMAND,
            17..19 => step::REPORT,
            19 => step::CARRY,
            20 => step::OBEY,
            other => other - 21,
        };
        tape.push(kind);
        let few = byte(6);
        let below = if byte(2) == 0 { 8 } else { 256 };
        tape.extend((0..few).map(|_| byte(below)));
    }
    tape
}

#[test]
fn a_node_keeps_its_word_whatever_comes() {
    for seed in 0..TAPES {
        let tape = tape(seed);
        let ran = std::panic::catch_unwind(|| node::run(&tape));
        assert!(ran.is_ok(), "seed {seed}");
    }
}
