//! How what takes some nanoseconds is measured: medians of 60 samples.

use core::hint::black_box;
use std::time::Instant as Clock;

/// Runs it again and again, and prints what one run takes, in nanoseconds.
pub(crate) fn measure<R>(name: &str, mut work: impl FnMut(usize) -> R) {
    const SAMPLES: usize = 60;
    const ROUNDS: usize = 4096;
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Clock::now();
            for round in 0..ROUNDS {
                black_box(work(round));
            }
            start.elapsed().as_secs_f64() * 1e9 / ROUNDS as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    println!("{name:<52}{:>9.0}", samples[SAMPLES / 2]);
}
