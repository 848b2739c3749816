//! What the curve costs: each operation, and the operations of a handshake.
//!
//! `cargo bench -p devp2p-core --bench curve`, and the same with
//! `--features secp256k1`. Medians of 60 samples, in microseconds.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use core::error::Error;
use core::hint::black_box;
use std::time::Instant;

use devp2p_core::crypto::{KeyError, PublicKey, SecretKey, Signature, encapsulate};
use devp2p_core::entropy::{Rng, Seed};

fn measure<R>(name: &str, mut work: impl FnMut() -> R) -> f64 {
    const SAMPLES: usize = 60;
    const ROUNDS: u32 = 50;
    for _ in 0..2 * ROUNDS {
        black_box(work());
    }
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                black_box(work());
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let median = samples[SAMPLES / 2];
    println!("{name:<36}{median:>9.2}");
    median
}

/// The side that dials: `auth` out, `ack` in.
fn initiate(rng: &mut Rng, ours: &SecretKey, ack: &Ack) -> Result<(), KeyError> {
    let ephemeral = ours.generate_like(rng);
    black_box(ours.agree(&ack.from)?);
    black_box(encapsulate(rng, &ack.from)?);
    black_box(ephemeral.sign(&[7; 32]));
    black_box(ours.agree(&ack.once)?);
    black_box(ephemeral.agree(&ack.ephemeral)?);
    Ok(())
}

/// The side that is dialled: `auth` in, `ack` out.
fn respond(rng: &mut Rng, ours: &SecretKey, auth: &Auth) -> Result<(), KeyError> {
    black_box(ours.agree(&auth.once)?);
    black_box(ours.agree(&auth.from)?);
    let ephemeral = ours.generate_like(rng);
    black_box(auth.signature.recover_and_agree(&[7; 32], &ephemeral)?);
    black_box(ephemeral.public_key());
    black_box(encapsulate(rng, &auth.from)?);
    Ok(())
}

struct Auth {
    from: PublicKey,
    once: PublicKey,
    signature: Signature,
}

struct Ack {
    from: PublicKey,
    once: PublicKey,
    ephemeral: PublicKey,
}

fn run(kind: &str, ours: &SecretKey, rng: &mut Rng) -> Result<(), Box<dyn Error>> {
    println!("\n{kind:<36}{:>9}", "us");
    let theirs = ours.generate_like(rng);
    let public = theirs.public_key();
    let secret_bytes = ours.to_bytes();
    let digest = [7; 32];
    let signature = theirs.sign(&digest);

    // The first call makes tables and contexts.
    measure("secret key from bytes", || SecretKey::from_bytes(black_box(&secret_bytes)));
    measure("public key from bytes", || PublicKey::from_bytes(black_box(public.as_bytes())));
    measure("public key of a secret", || black_box(ours).public_key());
    measure("agree", || ours.agree(black_box(&public)));
    measure("encapsulate", || encapsulate(rng, black_box(&public)));
    measure("sign", || ours.sign(black_box(&digest)));
    measure("recover", || signature.recover(black_box(&digest)));
    measure("recover, then agree", || {
        signature.recover(black_box(&digest)).and_then(|signer| ours.agree(&signer))
    });
    measure("recover and agree", || signature.recover_and_agree(black_box(&digest), ours));

    let ack = Ack {
        from: public,
        once: ours.generate_like(rng).public_key(),
        ephemeral: ours.generate_like(rng).public_key(),
    };
    let auth = Auth { from: public, once: ours.generate_like(rng).public_key(), signature };
    initiate(rng, ours, &ack)?;
    respond(rng, ours, &auth)?;
    let initiator = measure("handshake: initiator", || initiate(rng, ours, &ack));
    let recipient = measure("handshake: recipient", || respond(rng, ours, &auth));
    println!("{:<36}{:>9.2}", "handshake: both", initiator + recipient);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = Seed::from_number(1).secrets();
    let key = SecretKey::generate(&mut rng);
    let backend = if cfg!(feature = "secp256k1") { "libsecp256k1" } else { "k256" };
    run(backend, &key, &mut rng)?;
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    {
        let key = SecretKey::insecure_stand_in_generate(&mut rng);
        run("insecure stand-in", &key, &mut rng)?;
    }
    Ok(())
}
