//! The curve by libsecp256k1, through its C interface.
//!
//! Same face as the `k256` backend, whose scalars it borrows: a
//! [`NonZeroScalar`] is by its type what the C functions ask of a secret key.
//! The library's safe wrapper blinds its context anew after every use of a
//! secret key, which costs more than a multiplication by the generator; hence
//! the bare interface. All of it is in the module `ffi` below, and nothing
//! else in this crate is unsafe.

use k256::NonZeroScalar;

use super::KeyError;
use super::scalars::{Recovery, Secret};
use ffi::Point;

pub(super) fn public_key(secret: &Secret) -> [u8; 64] {
    Point::of_generator(&secret.0).coordinates()
}

pub(super) fn agree(secret: &Secret, other: &[u8; 64]) -> Result<[u8; 32], KeyError> {
    Ok(x(&point(other)?.times(&secret.0)))
}

pub(super) fn encapsulate(
    secret: &Secret,
    to: &[u8; 64],
) -> Result<([u8; 64], [u8; 32]), KeyError> {
    let shared = agree(secret, to)?;
    Ok((public_key(secret), shared))
}

pub(super) fn sign(secret: &Secret, digest: &[u8; 32]) -> [u8; 65] {
    ffi::sign(&secret.0, digest)
}

fn point(public: &[u8; 64]) -> Result<Point, KeyError> {
    let mut sec1 = [4; 65];
    sec1[1..].copy_from_slice(public);
    Point::parse(&sec1).ok_or(KeyError::NotOnCurve)
}

fn x(coordinates: &[u8; 64]) -> [u8; 32] {
    let mut x = [0; 32];
    x.copy_from_slice(&coordinates[..32]);
    x
}

pub(super) fn check_public(public: &[u8; 64]) -> Result<(), KeyError> {
    point(public).map(drop)
}

pub(super) fn recover(signature: &[u8; 65], digest: &[u8; 32]) -> Result<[u8; 64], KeyError> {
    ffi::recover(signature, digest).map(|signer| signer.coordinates()).ok_or(KeyError::BadSignature)
}

pub(super) fn decompress(compressed: &[u8; 33]) -> Result<[u8; 64], KeyError> {
    Point::parse(compressed).map(|point| point.coordinates()).ok_or(KeyError::NotOnCurve)
}

pub(super) fn verify(
    public: &[u8; 64],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), KeyError> {
    if ffi::verify(&point(public)?, digest, signature) {
        Ok(())
    } else {
        Err(KeyError::BadSignature)
    }
}

pub(super) fn recover_and_agree(
    signature: &[u8; 65],
    digest: &[u8; 32],
    secret: &Secret,
) -> Result<[u8; 32], KeyError> {
    let mut recovery = Recovery::new(signature, digest)?;
    recovery.multiply(secret);
    let mut nonce_point = [2 | recovery.y_is_odd; 33];
    nonce_point[1..].copy_from_slice(&recovery.x);
    let nonce_point = Point::parse(&nonce_point).ok_or(KeyError::BadSignature)?;
    let product = nonce_point.times(&recovery.of_nonce);
    // Zero only if the digest is zero, which whoever sent it knows anyway.
    let Some(of_generator) = NonZeroScalar::new(recovery.of_generator).into_option() else {
        return Ok(x(&product));
    };
    point(&product)?
        .plus(&Point::of_generator(&of_generator))
        .map(|sum| x(&sum.coordinates()))
        .ok_or(KeyError::BadSignature)
}

/// The C functions, each with the checks that make it safe to call.
#[allow(unsafe_code)]
mod ffi {
    use core::ffi::{c_int, c_uchar, c_void};
    use core::ptr::{self, NonNull};
    use std::sync::OnceLock;

    use k256::NonZeroScalar;
    use secp256k1_sys as sys;
    use secp256k1_sys::recovery as sys_recovery;
    use sha2::{Digest as _, Sha256};
    use zeroize::Zeroizing;

    /// What the two functions that multiply the generator by a secret need.
    struct Context(NonNull<sys::Context>);

    // SAFETY: the pointer came from the heap, not from this thread's storage,
    // and nothing frees it.
    unsafe impl Send for Context {}
    // SAFETY: once made, the context is passed as `*const` only; the library
    // says that any number of threads may then use it at once.
    unsafe impl Sync for Context {}

    impl Context {
        /// The one context of the process, never freed. It is blinded once, by
        /// a hash of the first secret that needs it: there is no other
        /// randomness in here, an observer cannot know it, and no result
        /// depends on it. Blinding is a second line: the library is constant
        /// in time without it.
        fn with(secret: &[u8; 32]) -> *const sys::Context {
            static CONTEXT: OnceLock<Context> = OnceLock::new();
            CONTEXT
                .get_or_init(|| {
                    let mut hash = Sha256::new();
                    hash.update(b"devp2p context blinding\0");
                    hash.update(secret);
                    let seed = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
                    // SAFETY: the flag is the one the library asks for.
                    let context =
                        unsafe { sys::secp256k1_context_create(sys::SECP256K1_START_NONE) };
                    // SAFETY: the context was just made and nobody else has it
                    // yet; the seed is 32 bytes.
                    let done = unsafe { sys::secp256k1_context_randomize(context, seed.as_ptr()) };
                    debug_assert_eq!(done, 1);
                    Self(context)
                })
                .0
                .as_ptr()
        }
    }

    /// The library's own context, for functions that multiply no secret by the
    /// generator.
    fn constant() -> *const sys::Context {
        // SAFETY: a pointer the library initialises before anything can run
        // and never writes again.
        unsafe { sys::secp256k1_context_static }
    }

    /// A point of the curve, never the identity.
    pub(super) struct Point(sys::PublicKey);

    impl Point {
        /// A point from its SEC 1 bytes, compressed or not.
        pub(super) fn parse<const N: usize>(sec1: &[u8; N]) -> Option<Self> {
            let mut point = unset();
            // SAFETY: `point` is the library's own type and the input is N
            // bytes long. What does not name a point gives 0.
            let done =
                unsafe { sys::secp256k1_ec_pubkey_parse(constant(), &mut point, sec1.as_ptr(), N) };
            (done == 1).then_some(Self(point))
        }

        /// X and Y.
        pub(super) fn coordinates(&self) -> [u8; 64] {
            let mut sec1 = [0; 65];
            let mut length = sec1.len();
            // SAFETY: the output has room for the 65 bytes that `length`
            // promises, and a `Point` holds what the library wrote.
            let done = unsafe {
                sys::secp256k1_ec_pubkey_serialize(
                    constant(),
                    sec1.as_mut_ptr(),
                    &mut length,
                    &self.0,
                    sys::SECP256K1_SER_UNCOMPRESSED,
                )
            };
            debug_assert_eq!((done, length), (1, 65));
            let mut coordinates = [0; 64];
            coordinates.copy_from_slice(&sec1[1..]);
            coordinates
        }

        /// The generator times `scalar`, constant in time.
        pub(super) fn of_generator(scalar: &NonZeroScalar) -> Self {
            let scalar = bytes(scalar);
            let mut point = unset();
            // SAFETY: the context is a full one, `point` is the library's own
            // type, the scalar is 32 bytes and in 1..n by its type, so this
            // cannot fail.
            let done = unsafe {
                sys::secp256k1_ec_pubkey_create(Context::with(&scalar), &mut point, scalar.as_ptr())
            };
            debug_assert_eq!(done, 1);
            Self(point)
        }

        /// X and Y of this point times `scalar`, constant in time.
        pub(super) fn times(&self, scalar: &NonZeroScalar) -> Zeroizing<[u8; 64]> {
            let scalar = bytes(scalar);
            let mut product = Zeroizing::new([0; 64]);
            // SAFETY: the output has the 64 bytes that `copy_coordinates`
            // fills, the scalar is 32 bytes and in 1..n by its type, so this
            // cannot fail; a `Point` holds what the library wrote.
            let done = unsafe {
                sys::secp256k1_ecdh(
                    constant(),
                    product.as_mut_ptr(),
                    &self.0,
                    scalar.as_ptr(),
                    Some(copy_coordinates),
                    ptr::null_mut(),
                )
            };
            debug_assert_eq!(done, 1);
            product
        }

        /// The sum, unless it is the identity; constant in time.
        pub(super) fn plus(&self, other: &Self) -> Option<Self> {
            let both: [*const sys::PublicKey; 2] = [&self.0, &other.0];
            let mut sum = unset();
            // SAFETY: `both` holds two pointers to points the library wrote,
            // which outlive the call; `sum` is the library's own type.
            let done = unsafe {
                sys::secp256k1_ec_pubkey_combine(constant(), &mut sum, both.as_ptr(), both.len())
            };
            (done == 1).then_some(Self(sum))
        }
    }

    /// Room for the library to write a point into.
    fn unset() -> sys::PublicKey {
        // SAFETY: 64 plain bytes; never read before the library wrote them.
        unsafe { sys::PublicKey::new() }
    }

    fn bytes(scalar: &NonZeroScalar) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(scalar.to_bytes().into())
    }

    /// "Hashes" the product of an agreement by keeping X and Y as they are.
    unsafe extern "C" fn copy_coordinates(
        output: *mut c_uchar,
        x: *const c_uchar,
        y: *const c_uchar,
        _: *mut c_void,
    ) -> c_int {
        // SAFETY: the library hands over 32 bytes each of X and Y in buffers of
        // its own; `output` is the caller's, which has 64 (see `times`).
        unsafe {
            ptr::copy_nonoverlapping(x, output, 32);
            ptr::copy_nonoverlapping(y, output.add(32), 32);
        }
        1
    }

    /// A recoverable signature, RFC 6979, low s.
    pub(super) fn sign(secret: &NonZeroScalar, digest: &[u8; 32]) -> [u8; 65] {
        let secret = bytes(secret);
        let mut signature = sys_recovery::RecoverableSignature::new();
        // SAFETY: the context is a full one, digest and secret are 32 bytes,
        // the secret is in 1..n by its type, so this cannot fail; no nonce
        // function means RFC 6979.
        let done = unsafe {
            sys_recovery::secp256k1_ecdsa_sign_recoverable(
                Context::with(&secret),
                &mut signature,
                digest.as_ptr(),
                secret.as_ptr(),
                None,
                ptr::null(),
            )
        };
        debug_assert_eq!(done, 1);
        let mut bytes = [0; 65];
        let mut id = 0;
        // SAFETY: the output has room for 64 bytes; the library wrote the
        // signature just now.
        let done = unsafe {
            sys_recovery::secp256k1_ecdsa_recoverable_signature_serialize_compact(
                constant(),
                bytes.as_mut_ptr(),
                &mut id,
                &signature,
            )
        };
        debug_assert_eq!(done, 1);
        bytes[64] = id.to_le_bytes()[0];
        bytes
    }

    /// The signer of `digest`. Not constant in time.
    pub(super) fn recover(signature: &[u8; 65], digest: &[u8; 32]) -> Option<Point> {
        let id = signature[64];
        // The library aborts the process on other ids.
        if id > 3 {
            return None;
        }
        let mut parsed = sys_recovery::RecoverableSignature::new();
        // SAFETY: the input has the 64 bytes the library reads, the id is in
        // its range, `parsed` is the library's own type.
        let done = unsafe {
            sys_recovery::secp256k1_ecdsa_recoverable_signature_parse_compact(
                constant(),
                &mut parsed,
                signature.as_ptr(),
                c_int::from(id),
            )
        };
        if done != 1 {
            return None;
        }
        let mut signer = unset();
        // SAFETY: the library wrote `parsed` just now, the digest is 32 bytes,
        // `signer` is the library's own type.
        let done = unsafe {
            sys_recovery::secp256k1_ecdsa_recover(constant(), &mut signer, &parsed, digest.as_ptr())
        };
        (done == 1).then_some(Point(signer))
    }
    /// Whether `signer` signed `digest`, with a low s. Not constant in time.
    pub(super) fn verify(signer: &Point, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        // SAFETY: 64 plain bytes; never read before the library wrote them.
        let mut parsed = unsafe { sys::Signature::new() };
        // SAFETY: the input has the 64 bytes the library reads, `parsed` is
        // the library's own type.
        let done = unsafe {
            sys::secp256k1_ecdsa_signature_parse_compact(
                constant(),
                &mut parsed,
                signature.as_ptr(),
            )
        };
        if done != 1 {
            return false;
        }
        // SAFETY: the library wrote `parsed` just now and `signer` earlier,
        // the digest is 32 bytes.
        let valid =
            unsafe { sys::secp256k1_ecdsa_verify(constant(), &parsed, digest.as_ptr(), &signer.0) };
        valid == 1
    }
}
