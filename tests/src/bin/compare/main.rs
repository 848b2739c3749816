//! Our half of the comparison with geth: prints one JSON line for each
//! measurement, as the Go program beside `tests/compare/run` does.
//!
//! ```text
//! compare rlpx       handshakes and frames
//! compare packets    a ping made and signed, and one checked and read
//! compare table      the look into a full table, and what the gate drops
//! ```
//!
//! Everything is counted within the clock, ephemeral keys and nonces too; the
//! static keys alone are made before. The clock is the thread's processor time,
//! so that a busy machine disturbs less; geth's side takes the smaller of that
//! and wall time.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on must stop")]

mod discovery;

use bytes::BytesMut;
use core::hint::black_box;
use core::time::Duration;
use cpu_time::ThreadTime;
use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::entropy::Seed;
use devp2p_core::rlpx::{FrameCodec, Initiator, Recipient};

/// Samples of each measurement, of which the median counts.
const SAMPLES: usize = 9;
/// Time that one sample takes.
const SAMPLE: Duration = Duration::from_millis(150);

struct Keys {
    a: SecretKey,
    public_a: PublicKey,
    b: SecretKey,
    public_b: PublicKey,
}

impl Keys {
    fn new() -> Self {
        let mut rng = Seed::from_number(1).secrets();
        let (a, b) = (SecretKey::generate(&mut rng), SecretKey::generate(&mut rng));
        Self { public_a: a.public_key(), public_b: b.public_key(), a, b }
    }

    /// Both sides of one handshake, up to the frame codecs.
    fn handshake(&self, seed: &Seed) -> (FrameCodec, FrameCodec) {
        let initiator =
            Initiator::new(&self.a, &self.public_a, &self.public_b, &seed.derive("a", 0))
                .expect("a good key");
        let mut auth = BytesMut::from(initiator.auth());
        let accepted = Recipient::new(&self.b)
            .read_auth(&mut auth, &seed.derive("b", 0))
            .expect("a good auth");
        let mut ack = BytesMut::from(accepted.ack);
        let secrets = initiator.read_ack(&mut ack).expect("a good ack");
        (secrets.into(), accepted.secrets.into())
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("rlpx") => rlpx(),
        Some("packets") => discovery::packets(),
        Some("table") => {
            discovery::table();
            discovery::gate();
        }
        _ => {
            eprintln!("usage: compare rlpx|packets|table");
            std::process::exit(2);
        }
    }
}

fn rlpx() {
    let keys = Keys::new();
    let root = Seed::from_number(2);
    let mut number = 0;
    measure("handshake", || {
        number += 1;
        black_box(keys.handshake(&root.derive("handshake", number)));
    });
    for size in [32, 1024, 16 * 1024, 1024 * 1024] {
        let mut payload = vec![0; size];
        root.jitter().fill(&mut payload);
        let (mut writer, mut reader) = keys.handshake(&root);
        let mut wire = BytesMut::new();
        measure(&format!("frame/{size}"), || {
            writer.encode(16, &payload, &mut wire).expect("a frame that fits");
            let frame = reader.decode(&mut wire).expect("a good frame").expect("a whole frame");
            assert_eq!(frame.payload.len(), size);
            black_box(frame);
        });
    }
}

fn measure(name: &str, work: impl FnMut()) {
    measure_in(8, name, work);
}

/// Looks at the clock only after so many, which it would slow down otherwise.
fn measure_in(batch: u32, name: &str, mut work: impl FnMut()) {
    let mut samples: Vec<f64> = (0..=SAMPLES)
        .map(|_| {
            let (start, mut count) = (ThreadTime::now(), 0u32);
            while start.elapsed() < SAMPLE {
                (0..batch).for_each(|_| work());
                count += batch;
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
        })
        // The first one warms up.
        .skip(1)
        .collect();
    samples.sort_by(f64::total_cmp);
    println!("{{\"name\":\"{name}\",\"ns\":{:.1}}}", samples[samples.len() / 2]);
}
