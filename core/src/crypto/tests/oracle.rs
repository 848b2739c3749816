//! The real curve, by whichever backend, against libsecp256k1's safe wrapper.

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, ecdh};

use super::*;

fn secret(key: &SecretKey) -> secp256k1::SecretKey {
    secp256k1::SecretKey::from_secret_bytes(*key.to_bytes()).unwrap()
}

fn public(bytes: &[u8; 64]) -> Option<secp256k1::PublicKey> {
    let mut sec1 = [4; 65];
    sec1[1..].copy_from_slice(bytes);
    secp256k1::PublicKey::from_slice(&sec1).ok()
}

fn recover(signature: &Signature, digest: [u8; 32]) -> Option<[u8; 64]> {
    let id = RecoveryId::try_from(i32::from(signature.as_bytes()[64])).ok()?;
    RecoverableSignature::from_compact(&signature.as_bytes()[..64], id)
        .ok()?
        .recover(Message::from_digest(digest))
        .ok()
        .map(|signer| signer.serialize_uncompressed()[1..].try_into().unwrap())
}

fn keys() -> impl Strategy<Value = SecretKey> {
    prop_oneof![
        4 => any::<[u8; 32]>(),
        1 => borders(),
    ]
    .prop_filter_map("in range", |bytes| SecretKey::from_bytes(&bytes).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_same_bytes_are_secret_keys(bytes in prop_oneof![borders(), any::<[u8; 32]>()]) {
        prop_assert_eq!(
            SecretKey::from_bytes(&bytes).is_ok(),
            secp256k1::SecretKey::from_secret_bytes(bytes).is_ok()
        );
    }

    #[test]
    fn the_same_bytes_are_public_keys(x in borders(), y in borders(), key in keys(), whole in any::<bool>()) {
        let mut bytes = join(x, y);
        if whole {
            bytes = *key.public_key().as_bytes();
            bytes[usize::from(y[31] % 64)] ^= x[31] & 1;
        }
        prop_assert_eq!(PublicKey::from_bytes(&bytes).is_ok(), public(&bytes).is_some());
    }

    #[test]
    fn public_keys_and_agreements_are_the_same(ours in keys(), theirs in keys()) {
        let expected = secp256k1::PublicKey::from_secret_key(&secret(&ours));
        let found = ours.public_key();
        prop_assert_eq!(&expected.serialize_uncompressed()[1..], found.as_bytes());
        let theirs = theirs.public_key();
        let expected =
            ecdh::shared_secret_point(&public(theirs.as_bytes()).unwrap(), &secret(&ours));
        let found = ours.agree(&theirs).unwrap();
        prop_assert_eq!(&expected[..32], found.as_bytes());
    }

    #[test]
    fn signatures_are_the_same(key in keys(), digest in prop_oneof![any::<[u8; 32]>(), borders()]) {
        let (id, expected) = RecoverableSignature::sign_ecdsa_recoverable(
            Message::from_digest(digest),
            &secret(&key),
        )
        .serialize_compact();
        let signature = key.sign(&digest);
        prop_assert_eq!(&signature.as_bytes()[..64], &expected);
        prop_assert_eq!(RecoveryId::try_from(i32::from(signature.as_bytes()[64])), Ok(id));
    }

    #[test]
    fn the_same_bytes_are_compressed_keys(
        tag in prop_oneof![4 => 2_u8..=3, 1 => 0_u8..=254],
        x in prop_oneof![borders(), any::<[u8; 32]>()],
    ) {
        let mut compressed = [tag; 33];
        compressed[1..].copy_from_slice(&x);
        let expected = secp256k1::PublicKey::from_slice(&compressed)
            .ok()
            .map(|key| key.serialize_uncompressed()[1..].try_into().unwrap());
        let found = PublicKey::from_compressed(&compressed).ok();
        prop_assert_eq!(found.map(|key| *key.as_bytes()), expected);
        prop_assert_eq!(found.map(|key| key.to_compressed()), found.map(|_| compressed));
    }

    #[test]
    fn the_same_signatures_are_verified(
        (signature, digest) in attempts(SecretKey::generate(&mut rng(1))),
        high in any::<bool>(),
    ) {
        let signer = SecretKey::generate(&mut rng(1)).public_key();
        let [r, s] = scalars::halves(&signature.r_and_s());
        let bytes = if high { join(r, negate(s)) } else { signature.r_and_s() };
        let expected = secp256k1::ecdsa::Signature::from_compact(&bytes).is_ok_and(|signature| {
            let signer = public(signer.as_bytes()).unwrap();
            secp256k1::ecdsa::verify(&signature, Message::from_digest(digest), &signer).is_ok()
        });
        prop_assert_eq!(signer.verify(&digest, &bytes).is_ok(), expected);
    }

    #[test]
    fn the_same_signatures_name_the_same_signers(
        (signature, digest) in attempts(SecretKey::generate(&mut rng(1)))
    ) {
        // A stand-in signature is one only if it says so in its last byte.
        let recovered = signature.recover(&digest).ok().map(|signer| *signer.as_bytes());
        prop_assert_eq!(recovered, recover(&signature, digest));
    }
}

/// Both backends in one program, where they can be compared directly.
#[cfg(feature = "secp256k1")]
mod backends {
    use super::super::super::{k256, libsecp256k1};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn agree_on_every_operation(
            ours in keys(),
            theirs in keys(),
            (signature, digest) in attempts(SecretKey::generate(&mut rng(1))),
        ) {
            let secret = Secret::from_bytes(&ours.to_bytes()).unwrap();
            let to = k256::public_key(&Secret::from_bytes(&theirs.to_bytes()).unwrap());
            prop_assert_eq!(k256::public_key(&secret), libsecp256k1::public_key(&secret));
            prop_assert_eq!(k256::check_public(&to), libsecp256k1::check_public(&to));
            prop_assert_eq!(k256::agree(&secret, &to), libsecp256k1::agree(&secret, &to));
            prop_assert_eq!(
                k256::encapsulate(&secret, &to),
                libsecp256k1::encapsulate(&secret, &to)
            );
            prop_assert_eq!(
                k256::sign(&secret, &digest),
                libsecp256k1::sign(&secret, &digest)
            );
            let rs = signature.r_and_s();
            prop_assert_eq!(
                k256::verify(&to, &digest, &rs),
                libsecp256k1::verify(&to, &digest, &rs)
            );
            let compressed = PublicKey::from_bytes(&to).unwrap().to_compressed();
            prop_assert_eq!(k256::decompress(&compressed), Ok(to));
            prop_assert_eq!(libsecp256k1::decompress(&compressed), Ok(to));
            let signature = signature.as_bytes();
            prop_assert_eq!(
                k256::recover(signature, &digest),
                libsecp256k1::recover(signature, &digest)
            );
            prop_assert_eq!(
                k256::recover_and_agree(signature, &digest, &secret),
                libsecp256k1::recover_and_agree(signature, &digest, &secret)
            );
        }
    }
}
