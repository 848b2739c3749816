//! What every kind of key owes (`suite`), what only the real curve owes
//! (`vectors`, `refusals`), and the real curve against libsecp256k1's safe
//! wrapper, which is the library geth uses (`oracle`).

mod oracle;

use alloc::format;

use proptest::prelude::*;

use super::*;
use crate::entropy::{Rng, Seed};

const ZERO: [u8; 32] = [0; 32];
const ONES: [u8; 32] = [0xff; 32];
/// The order of the group.
const N: [u8; 32] =
    hex_literal::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
/// The prime of the field.
const P: [u8; 32] =
    hex_literal::hex!("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
/// What P has over N: an r below this may have been reduced.
const P_MINUS_N: [u8; 32] =
    hex_literal::hex!("000000000000000000000000000000014551231950b75fc4402da1722fc9baee");
/// The highest s that counts as low.
const HALF_N: [u8; 32] =
    hex_literal::hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

fn rng(number: u64) -> Rng {
    Seed::from_number(number).secrets()
}

fn small(number: u8) -> [u8; 32] {
    let mut bytes = ZERO;
    bytes[31] = number;
    bytes
}

/// `bytes` plus `step`, modulo 2^256.
fn offset(mut bytes: [u8; 32], step: i16) -> [u8; 32] {
    let mut carry = step;
    for byte in bytes.iter_mut().rev() {
        let sum = i16::from(*byte) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    bytes
}

/// The order of the group less `number`.
fn negate(number: [u8; 32]) -> [u8; 32] {
    let mut borrow = 0;
    let mut result = N;
    for (byte, number) in result.iter_mut().zip(number).rev() {
        let difference = i16::from(*byte) - i16::from(number) - borrow;
        borrow = i16::from(difference < 0);
        *byte = difference.rem_euclid(256) as u8;
    }
    result
}

fn join(one: [u8; 32], other: [u8; 32]) -> [u8; 64] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&one);
    both[32..].copy_from_slice(&other);
    both
}

fn signature(r: [u8; 32], s: [u8; 32], id: u8) -> Signature {
    let mut bytes = [id; 65];
    bytes[..64].copy_from_slice(&join(r, s));
    Signature::from_bytes(bytes)
}

/// Numbers around every border that r, s and a digest can cross.
fn borders() -> impl Strategy<Value = [u8; 32]> {
    let near = prop::sample::select(alloc::vec![ZERO, N, P, P_MINUS_N, HALF_N]);
    prop_oneof![
        (near, -3_i16..=3).prop_map(|(border, step)| offset(border, step)),
        any::<u8>().prop_map(small),
    ]
}

fn ids() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0_u8..4, 1 => any::<u8>()]
}

/// Signatures that are nearly, wrongly or not at all by `signer`.
fn attempts(signer: SecretKey) -> impl Strategy<Value = (Signature, [u8; 32])> {
    let number = || prop_oneof![borders(), any::<[u8; 32]>()];
    let made_up = (number(), number(), ids(), number())
        .prop_map(|(r, s, id, digest)| (signature(r, s, id), digest));
    let changed = (any::<[u8; 32]>(), 0..65_usize, 0..8_u8, any::<bool>(), ids()).prop_map(
        move |(digest, at, bit, flip, id)| {
            let mut bytes = *signer.sign(&digest).as_bytes();
            if flip {
                bytes[at] ^= 1 << bit;
            } else if id < 4 {
                bytes[64] = id;
            }
            (Signature::from_bytes(bytes), digest)
        },
    );
    prop_oneof![made_up, changed]
}

/// What a key of any kind must do; `make` makes one.
mod suite {
    use super::*;

    type Make = fn(&mut Rng) -> SecretKey;

    fn agreement_commutes(make: Make) {
        let mut rng = rng(1);
        for _ in 0..20 {
            let (one, other) = (make(&mut rng), make(&mut rng));
            let shared = one.agree(&other.public_key()).unwrap();
            assert_eq!(shared.as_bytes(), other.agree(&one.public_key()).unwrap().as_bytes());
            let stranger = make(&mut rng).agree(&other.public_key()).unwrap();
            assert_ne!(shared.as_bytes(), stranger.as_bytes());
        }
    }

    fn a_public_key_survives_its_bytes(make: Make) {
        let public = make(&mut rng(2)).public_key();
        assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public));
    }

    fn a_changed_public_key_is_refused(make: Make) {
        let public = make(&mut rng(3)).public_key();
        for bit in 0..512 {
            let mut bytes = *public.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::NotOnCurve), "bit {bit}");
        }
    }

    fn a_signature_names_its_signer(make: Make) {
        let mut rng = rng(4);
        for _ in 0..20 {
            let (key, digest) = (make(&mut rng), rng.bytes());
            assert_eq!(key.sign(&digest).recover(&digest), Ok(key.public_key()));
        }
        let key = make(&mut rng);
        for digest in [ZERO, small(1), offset(N, -1), N, offset(N, 1), ONES] {
            assert_eq!(key.sign(&digest).recover(&digest), Ok(key.public_key()));
        }
    }

    fn signing_is_deterministic(make: Make) {
        let key = make(&mut rng(5));
        assert_eq!(key.sign(&small(1)), key.sign(&small(1)));
        assert_ne!(key.sign(&small(1)), key.sign(&small(2)));
    }

    fn a_signature_holds_for_one_digest_only(make: Make) {
        let mut rng = rng(6);
        let (key, digest) = (make(&mut rng), rng.bytes());
        for bit in 0..256 {
            let mut other = digest;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(key.sign(&digest).recover(&other), Ok(key.public_key()), "bit {bit}");
        }
    }

    fn a_changed_signature_does_not_name_the_signer(make: Make) {
        let mut rng = rng(7);
        let (key, digest) = (make(&mut rng), rng.bytes());
        for bit in 0..520 {
            let mut bytes = *key.sign(&digest).as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = Signature::from_bytes(bytes);
            assert_ne!(changed.recover(&digest), Ok(key.public_key()), "bit {bit}");
        }
    }

    fn a_key_verifies_what_it_signed(make: Make) {
        let mut rng = rng(14);
        for _ in 0..20 {
            let (key, digest) = (make(&mut rng), rng.bytes());
            let signature = key.sign(&digest).r_and_s();
            assert_eq!(key.public_key().verify(&digest, &signature), Ok(()));
            let stranger = make(&mut rng).public_key();
            assert_eq!(stranger.verify(&digest, &signature), Err(KeyError::BadSignature));
        }
        let key = make(&mut rng);
        for digest in [ZERO, small(1), offset(N, -1), N, offset(N, 1), ONES] {
            assert_eq!(key.public_key().verify(&digest, &key.sign(&digest).r_and_s()), Ok(()));
        }
    }

    fn a_changed_signature_or_digest_is_not_verified(make: Make) {
        let mut rng = rng(15);
        let (key, digest) = (make(&mut rng), rng.bytes::<32>());
        let (public, signature) = (key.public_key(), key.sign(&digest).r_and_s());
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(&digest, &changed), Err(KeyError::BadSignature), "bit {bit}");
        }
        for bit in 0..256 {
            let mut other = digest;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(&other, &signature), Err(KeyError::BadSignature), "bit {bit}");
        }
    }

    fn a_public_key_survives_its_compressed_form(make: Make) {
        let mut rng = rng(16);
        for _ in 0..20 {
            let public = make(&mut rng).public_key();
            assert_eq!(PublicKey::from_compressed(&public.to_compressed()), Ok(public));
        }
    }

    fn a_changed_compressed_form_is_another_key_or_none(make: Make) {
        let public = make(&mut rng(17)).public_key();
        for bit in 0..33 * 8 {
            let mut bytes = public.to_compressed();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(PublicKey::from_compressed(&bytes), Ok(public), "bit {bit}");
            // Of the first byte one bit alone names another key: Y's.
            if bit < 8 && PublicKey::from_compressed(&bytes).is_ok() {
                assert!(matches!(bytes[0], 2 | 3));
            }
        }
    }

    fn encapsulation_agrees_with_its_recipient_and_never_repeats(make: Make) {
        let mut rng = rng(8);
        let to = make(&mut rng);
        let (first, shared) = encapsulate(&mut rng, &to.public_key()).unwrap();
        assert_eq!(shared.as_bytes(), to.agree(&first).unwrap().as_bytes());
        assert_eq!(PublicKey::from_bytes(first.as_bytes()), Ok(first));
        let (second, _) = encapsulate(&mut rng, &to.public_key()).unwrap();
        assert_ne!(first, second);
    }

    fn a_key_generated_like_another_works_with_it(make: Make) {
        let mut rng = rng(9);
        let key = make(&mut rng);
        let ephemeral = key.generate_like(&mut rng);
        assert_ne!(key.to_bytes(), ephemeral.to_bytes());
        assert!(key.agree(&ephemeral.public_key()).is_ok());
        assert!(ephemeral.agree(&key.public_key()).is_ok());
    }

    fn recover_and_agree_is_recover_then_agree(make: Make) {
        let (ours, theirs) = (make(&mut rng(10)), make(&mut rng(11)));
        proptest!(ProptestConfig::with_cases(1_000), |((signature, digest) in attempts(theirs))| {
            let apart = signature.recover(&digest).and_then(|signer| ours.agree(&signer));
            let merged = signature.recover_and_agree(&digest, &ours);
            prop_assert_eq!(
                merged.as_ref().map(SharedSecret::as_bytes),
                apart.as_ref().map(SharedSecret::as_bytes)
            );
        });
    }

    fn recover_and_agree_finds_what_the_signer_computes(make: Make) {
        let mut rng = rng(12);
        let (ours, theirs, digest) = (make(&mut rng), make(&mut rng), rng.bytes());
        let shared = theirs.sign(&digest).recover_and_agree(&digest, &ours).unwrap();
        assert_eq!(shared.as_bytes(), theirs.agree(&ours.public_key()).unwrap().as_bytes());
    }

    fn secrets_are_never_printed(make: Make) {
        let key = make(&mut rng(13));
        let shared = key.agree(&key.public_key()).unwrap();
        let signature = key.sign(&ZERO);
        assert_eq!(
            format!("{key:?} {shared:?} {signature:?}"),
            "SecretKey(..) SharedSecret(..) Signature(..)"
        );
    }

    macro_rules! suite {
        ($kind:ident, $make:expr, [$($test:ident),* $(,)?]) => {
            mod $kind {
                use super::*;
                $(#[test] fn $test() { super::$test($make) })*
            }
        };
    }

    macro_rules! suite_of_all {
        ($kind:ident, $make:expr) => {
            suite!(
                $kind,
                $make,
                [
                    agreement_commutes,
                    a_public_key_survives_its_bytes,
                    a_changed_public_key_is_refused,
                    a_signature_names_its_signer,
                    signing_is_deterministic,
                    a_signature_holds_for_one_digest_only,
                    a_changed_signature_does_not_name_the_signer,
                    a_key_verifies_what_it_signed,
                    a_changed_signature_or_digest_is_not_verified,
                    a_public_key_survives_its_compressed_form,
                    a_changed_compressed_form_is_another_key_or_none,
                    encapsulation_agrees_with_its_recipient_and_never_repeats,
                    a_key_generated_like_another_works_with_it,
                    recover_and_agree_is_recover_then_agree,
                    recover_and_agree_finds_what_the_signer_computes,
                    secrets_are_never_printed,
                ]
            );
        };
    }

    suite_of_all!(of_the_curve, SecretKey::generate);
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    suite_of_all!(of_the_stand_in, SecretKey::insecure_stand_in_generate);
}

/// Published results.
mod vectors {
    use hex_literal::hex;

    use super::*;

    fn shared(ours: [u8; 32], theirs: [u8; 32]) -> [u8; 32] {
        let theirs = SecretKey::from_bytes(&theirs).unwrap().public_key();
        *SecretKey::from_bytes(&ours).unwrap().agree(&theirs).unwrap().as_bytes()
    }

    #[test]
    fn recovery_matches_geth() {
        // geth, crypto/signature_test.go
        let digest = hex!("ce0677bb30baa8cf067c88db9811f4333d131bf8bcf12fe7065d211dce971008");
        let signature = Signature::from_bytes(hex!(
            "90f27b8b488db00b00606796d2987f6a5f59ae62ea05effe84fef5b8b0e549984a691139ad57a3f0b906637673aa2f63d1f55cb1a69199d4009eea23ceaddc9301"
        ));
        let signer = hex!(
            "e32df42865e97135acfb65f3bae71bdc86f4d49150ad6a440b6f15878109880a0a2b2667f7e725ceea70c673093bf67663e0312623c8e091b13cf2c0f11ef652"
        );
        assert_eq!(signature.recover(&digest).unwrap().as_bytes(), &signer);
    }

    #[test]
    fn verification_and_compression_match_geth() {
        // geth, crypto/signature_test.go
        let digest = hex!("ce0677bb30baa8cf067c88db9811f4333d131bf8bcf12fe7065d211dce971008");
        let signature = hex!(
            "90f27b8b488db00b00606796d2987f6a5f59ae62ea05effe84fef5b8b0e549984a691139ad57a3f0b906637673aa2f63d1f55cb1a69199d4009eea23ceaddc93"
        );
        let signer = PublicKey::from_compressed(&hex!(
            "02e32df42865e97135acfb65f3bae71bdc86f4d49150ad6a440b6f15878109880a"
        ))
        .unwrap();
        assert_eq!(
            signer.as_bytes(),
            &hex!(
                "e32df42865e97135acfb65f3bae71bdc86f4d49150ad6a440b6f15878109880a0a2b2667f7e725ceea70c673093bf67663e0312623c8e091b13cf2c0f11ef652"
            )
        );
        assert_eq!(signer.verify(&digest, &signature), Ok(()));

        // geth, TestVerifySignatureMalleable: a high s, though of that signer.
        let signer = PublicKey::from_compressed(&hex!(
            "03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138"
        ))
        .unwrap();
        let signature = hex!(
            "638a54215d80a6713c8d523a6adc4e6e73652d859103a36b700851cb0e61b66b8ebfc1a610c57d732ec6e0a8f06a9a7a28df5051ece514702ff9cdff0b11f454"
        );
        let digest = hex!("d301ce462d3e639518f482c7f03821fec1e602018630ce621e1e7851c12343a6");
        assert_eq!(signer.verify(&digest, &signature), Err(KeyError::BadSignature));
        let [r, s] = scalars::halves(&signature);
        assert_eq!(signer.verify(&digest, &join(r, negate(s))), Ok(()));
    }

    #[test]
    fn agreement_matches_geth() {
        // geth, crypto/ecies/ecies_test.go, TestSharedKeyStatic
        let one = hex!("7ebbc6a8358bc76dd73ebc557056702c8cfc34e5cfcd90eb83af0347575fd2ad");
        let other = hex!("6a3d6396903245bba5837752b9e0348874e72db0c4e11e9c485a81b4ea4353b9");
        let expected = hex!("167ccc13ac5e8a26b131c3446030c60fbfac6aa8e31149d0869f93626a4cdf62");
        assert_eq!(shared(one, other), expected);
        assert_eq!(shared(other, one), expected);
    }

    #[test]
    fn agreement_matches_the_handshake_of_eip_8() {
        // Static keys A and B, then ephemeral ones. The results are not
        // printed in EIP-8; they were computed from its secrets apart from
        // this code.
        assert_eq!(
            shared(
                hex!("49a7b37aa6f6645917e7b807e9d1c00d4fa71f18343b0d4122a4d2df64dd6fee"),
                hex!("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"),
            ),
            hex!("2d21423c1dc3355da36e7f2c2b530eeffcf0680f93201a958b2ec3a7d04958e6")
        );
        assert_eq!(
            shared(
                hex!("869d6ecf5211f1cc60418a13b9d870b22959d0c16f02bec714c960dd2298a32d"),
                hex!("e238eb8e04fee6511ab04c6dd3c89ce097b11f25d584863ac2b6d5b35b1847e4"),
            ),
            hex!("1a08ef840fa6b55e5b2630351aa45804cc16b48e526b64e6ee667b224967ef24")
        );
    }

    #[test]
    fn one_is_the_key_of_the_generator() {
        // SEC 2, section 2.4.1
        assert_eq!(
            SecretKey::from_bytes(&small(1)).unwrap().public_key().as_bytes(),
            &hex!(
                "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
            )
        );
    }
}

/// What is not a key, or no signature, of the real curve.
mod refusals {
    use ::k256::elliptic_curve::point::{AffineCoordinates as _, DecompressPoint as _};
    use ::k256::{AffinePoint, FieldBytes};

    use super::*;

    #[test]
    fn a_secret_key_is_in_one_to_the_order() {
        for bytes in [ZERO, N, offset(N, 1), P, ONES] {
            assert_eq!(
                SecretKey::from_bytes(&bytes).err(),
                Some(KeyError::SecretOutOfRange),
                "{bytes:?}"
            );
        }
        for bytes in [small(1), offset(N, -1)] {
            assert_eq!(*SecretKey::from_bytes(&bytes).unwrap().to_bytes(), bytes);
        }
    }

    #[test]
    fn a_public_key_is_on_the_curve() {
        let public = SecretKey::generate(&mut rng(1)).public_key();
        let [x, y] = scalars::halves(public.as_bytes());
        let off_the_curve = [
            // The identity has no coordinates; this is how some write it.
            (ZERO, ZERO),
            (y, x),
            (x, ZERO),
            (ZERO, y),
            (x, offset(y, 1)),
            (ONES, ONES),
            (P, P),
            (x, P),
            // Points of curves with the same formulas but another constant:
            // 0, 1, 2, 5 and 11. Some of them have groups of small order.
            (small(1), small(1)),
            (small(2), small(3)),
            (offset(P, -1), small(1)),
            (offset(P, -1), small(2)),
            (small(5), offset(small(11), 125)),
        ];
        for (x, y) in off_the_curve {
            assert_eq!(
                PublicKey::from_bytes(&join(x, y)),
                Err(KeyError::NotOnCurve),
                "{x:?} {y:?}"
            );
        }
    }

    #[test]
    fn a_compressed_key_begins_with_2_or_3_and_has_a_point() {
        let (_, twist) = x_with_and_without_point(1);
        let public = SecretKey::generate(&mut rng(1)).public_key();
        let with = |tag: u8, x: [u8; 32]| {
            let mut compressed = [tag; 33];
            compressed[1..].copy_from_slice(&x);
            PublicKey::from_compressed(&compressed)
        };
        let [x, _] = scalars::halves(public.as_bytes());
        for tag in (0..=254).filter(|tag| !matches!(tag, 2 | 3)) {
            assert_eq!(with(tag, x), Err(KeyError::NotOnCurve), "tag {tag}");
        }
        for x in [twist, P, ONES] {
            assert_eq!(with(2, x), Err(KeyError::NotOnCurve));
            assert_eq!(with(3, x), Err(KeyError::NotOnCurve));
        }
        assert_ne!(with(2, x), with(3, x));
    }

    #[test]
    fn a_signature_to_verify_has_r_and_s_in_range_and_a_low_s() {
        let mut rng = rng(5);
        let (key, digest) = (SecretKey::generate(&mut rng), rng.bytes());
        let [r, s] = scalars::halves(&key.sign(&digest).r_and_s());
        let verify = |r, s| key.public_key().verify(&digest, &join(r, s));
        assert_eq!(verify(r, s), Ok(()));
        assert_eq!(verify(r, negate(s)), Err(KeyError::BadSignature));
        for bad in [ZERO, N, offset(N, 1), P, ONES] {
            assert_eq!(verify(bad, s), Err(KeyError::BadSignature));
            assert_eq!(verify(r, bad), Err(KeyError::BadSignature));
        }
    }

    /// X of a point of the curve, and of one of its twist.
    fn x_with_and_without_point(from: u8) -> (AffinePoint, [u8; 32]) {
        let decompress = |x: u8| {
            Option::<AffinePoint>::from(AffinePoint::decompress(&small(x).into(), 0.into()))
        };
        let with = (from..).find_map(decompress).unwrap();
        let without = (from..).find(|x| decompress(*x).is_none()).unwrap();
        (with, small(without))
    }

    #[test]
    fn a_point_of_the_twist_is_refused() {
        let (_, x) = x_with_and_without_point(1);
        for y in [ZERO, small(1), small(2), offset(P, -1), P, ONES] {
            assert_eq!(PublicKey::from_bytes(&join(x, y)), Err(KeyError::NotOnCurve));
        }
        for id in 0..2 {
            let signature = signature(x, small(1), id);
            assert_eq!(signature.recover(&small(1)), Err(KeyError::BadSignature));
        }
    }

    #[test]
    fn coordinates_are_reduced() {
        let (point, _) = x_with_and_without_point(1);
        let [x, y]: [FieldBytes; 2] = [point.x(), point.y()];
        let (x, y): ([u8; 32], [u8; 32]) = (x.into(), y.into());
        assert!(PublicKey::from_bytes(&join(x, y)).is_ok());
        // The same residue, P higher: P + x still fits 32 bytes.
        let unreduced = offset(P, i16::from(x[31]));
        assert_eq!(PublicKey::from_bytes(&join(unreduced, y)), Err(KeyError::NotOnCurve));
    }

    #[test]
    fn a_signature_of_the_identity_is_refused() {
        // With 1 as the nonce, r is the generator's x, and s = digest makes
        // the two terms of the recovered key cancel out.
        let generator = SecretKey::from_bytes(&small(1)).unwrap().public_key();
        let [r, _] = scalars::halves(generator.as_bytes());
        let ours = SecretKey::generate(&mut rng(2));
        let cancelling = signature(r, small(7), 0);
        assert_eq!(cancelling.recover(&small(7)), Err(KeyError::BadSignature));
        assert_eq!(
            cancelling.recover_and_agree(&small(7), &ours).err(),
            Some(KeyError::BadSignature)
        );
        assert!(cancelling.recover(&small(8)).is_ok());
        assert!(cancelling.recover_and_agree(&small(8), &ours).is_ok());
    }

    #[test]
    fn r_and_s_are_in_one_to_the_order_and_the_id_is_below_four() {
        let mut rng = rng(3);
        let (key, digest) = (SecretKey::generate(&mut rng), rng.bytes());
        let good = *key.sign(&digest).as_bytes();
        let [r, s] = scalars::halves(good[..64].try_into().unwrap());
        for bad in [ZERO, N, offset(N, 1), P, ONES] {
            for signature in [signature(bad, s, good[64]), signature(r, bad, good[64])] {
                assert_eq!(signature.recover(&digest), Err(KeyError::BadSignature));
            }
        }
        for id in 2..=255 {
            // 2 and 3 add n to r, which here is too high for that.
            assert_eq!(signature(r, s, id).recover(&digest), Err(KeyError::BadSignature));
        }
    }

    #[test]
    fn a_reduced_r_and_a_high_s_are_taken_as_geth_takes_them() {
        let ours = SecretKey::generate(&mut rng(4));
        let taken = (1..=40).filter(|r| {
            let signature = signature(small(*r), offset(N, -1), 2 + r % 2);
            signature.recover_and_agree(&small(9), &ours).is_ok()
        });
        // About every second x has a point.
        assert!((10..=30).contains(&taken.count()));
    }
}

/// A node with a real key stays safe while stand-in keys exist beside it.
#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
mod kinds {
    use super::*;

    #[test]
    fn no_operation_takes_keys_of_two_kinds() {
        let mut rng = rng(1);
        let digest = rng.bytes();
        let curve = SecretKey::generate(&mut rng);
        let stand_in = SecretKey::insecure_stand_in_generate(&mut rng);
        for (one, other) in [(&curve, &stand_in), (&stand_in, &curve)] {
            assert_eq!(one.agree(&other.public_key()).err(), Some(KeyError::NotOnCurve));
            assert_eq!(
                other.sign(&digest).recover_and_agree(&digest, one).err(),
                Some(KeyError::NotOnCurve)
            );
            let (once, _) = encapsulate(&mut rng, &other.public_key()).unwrap();
            assert_eq!(one.agree(&once).err(), Some(KeyError::NotOnCurve));
        }
    }

    #[test]
    fn the_bytes_of_a_stand_in_key_are_no_key_of_the_curve() {
        let key = SecretKey::insecure_stand_in(&small(1));
        let public = key.public_key();
        assert_eq!(backend::check_public(public.as_bytes()), Err(KeyError::NotOnCurve));
        assert_ne!(public, SecretKey::from_bytes(&small(1)).unwrap().public_key());
        let signature = key.sign(&ZERO);
        assert_eq!(backend::recover(signature.as_bytes(), &ZERO), Err(KeyError::BadSignature));
        assert_eq!(backend::decompress(&public.to_compressed()), Err(KeyError::NotOnCurve));
        let curve = SecretKey::from_bytes(&small(1)).unwrap();
        assert!(curve.public_key().verify(&ZERO, &signature.r_and_s()).is_err());
        assert!(public.verify(&ZERO, &curve.sign(&ZERO).r_and_s()).is_err());
    }

    #[test]
    fn the_kind_is_kept_by_generating_alike_and_not_by_the_bytes() {
        let mut rng = rng(2);
        let key = SecretKey::insecure_stand_in_generate(&mut rng);
        let alike = key.generate_like(&mut rng);
        assert!(key.agree(&alike.public_key()).is_ok());
        let read_back = SecretKey::from_bytes(&key.to_bytes()).unwrap();
        assert!(key.agree(&read_back.public_key()).is_err());
    }
}
