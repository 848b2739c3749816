//! Attacks on one connection, each by its sentence, where no other file has it.

use alloc::format;
use alloc::vec::Vec;

use super::pair::{End, Manners, key, local};
use super::peer::Peer;
use crate::entropy::Seed;
use crate::p2p::{DisconnectReason, code};
use crate::rlp;
use crate::rlpx::{HandshakeError, ecies};
use crate::session::{Command, SessionError};
use crate::time::Now;

/// CVE-2022-29177: a disconnect that nobody had thought of crashed who logged it.
#[test]
fn a_disconnect_of_any_form_has_a_reason_that_can_be_printed() {
    let nested = [&[0xC1; 60][..], &[0xC0]].concat();
    let long: Vec<u8> = [&[0xFA, 0x10, 0, 0][..], &alloc::vec![0x01; 1 << 20]].concat();
    for payload in [
        &[][..],
        &[0xC0],
        &[0x80],
        &[0x00],
        &[0xFF],
        &[0x81, 0xFF],
        &[0xC2, 0x81, 0xFF],
        &[0xC1, 0xC0],
        &[0xC1, 0x80],
        &[0xF8],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &nested,
        &long,
    ] {
        for admitted in [false, true] {
            let (mut peer, mut end) = if admitted { Peer::open(1) } else { Peer::dial(1) };
            end.command(Command::Proceed);
            if !admitted && payload.len() > crate::limits::HELLO_PAYLOAD {
                continue;
            }
            peer.say(&mut end, code::DISCONNECT, payload);
            // The answer to it leaves, and the other says no more.
            end.manners = Manners::ALL;
            end.settle();
            peer.hear(&mut end);
            let error = match end.closed() {
                Some(error) => error,
                None => panic!("{payload:02x?} is no end"),
            };
            let SessionError::Remote(reason) = error else { panic!("{error:?}") };
            assert!(!format!("{error} {error:?} {error:#?} {reason} {:?}", end.session).is_empty());
        }
    }
}

/// A public key as a handshake carries it: of what is wrong with it nothing is
/// to be noticed but an error.
fn malformed_keys() -> Vec<[u8; 64]> {
    const P: [u8; 32] = {
        let mut prime = [0xFF; 32];
        [prime[27], prime[30], prime[31]] = [0xFE, 0xFC, 0x2F];
        prime
    };
    let good = *local(5).public().as_bytes();
    let mut off_curve = good;
    off_curve[63] ^= 1;
    let mut swapped = good;
    swapped.rotate_left(32);
    let (mut x_is_p, mut y_is_p) = (good, good);
    x_is_p[..32].copy_from_slice(&P);
    y_is_p[32..].copy_from_slice(&P);
    let mut only_x = good;
    only_x[32..].fill(0);
    [[0; 64], [0xFF; 64], off_curve, swapped, x_is_p, y_is_p, only_x].into()
}

/// A handshake message sealed for `to`, whatever it says.
fn sealed(to: &crate::crypto::PublicKey, body: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    rlp::put_list(body, &mut list);
    list.extend_from_slice(&[0; 120]);
    ecies::seal(&list, to, &mut Seed::from_number(9).secrets()).unwrap()
}

/// CVE-2025-24883, CVE-2026-26314: a key that is none, within a valid message.
#[test]
fn a_malformed_key_in_an_auth_or_an_ack_is_an_error_and_is_not_answered() {
    for key in malformed_keys() {
        let mut auth = Vec::new();
        rlp::put_string(&[1; 65], &mut auth);
        rlp::put_string(&key, &mut auth);
        rlp::put_string(&[2; 32], &mut auth);
        rlp::put_uint(4, &mut auth);
        let mut end = End::accept(&local(1), 1, Now::ZERO);
        end.feed(&sealed(local(1).public(), &auth));
        assert_eq!(end.closed(), Some(HandshakeError::InvalidPublicKey.into()), "{key:02x?}");
        assert!(end.unsent.is_empty());

        let mut ack = Vec::new();
        rlp::put_string(&key, &mut ack);
        rlp::put_string(&[2; 32], &mut ack);
        rlp::put_uint(4, &mut ack);
        let mut end = End::dial(&local(1), *local(0).public(), 1, Now::ZERO);
        end.accept_writes();
        end.feed(&sealed(local(1).public(), &ack));
        assert_eq!(end.closed(), Some(HandshakeError::InvalidPublicKey.into()), "{key:02x?}");
        assert!(end.unsent.is_empty());
    }
}

/// CVE-2026-26315: which of the two is wrong told the node's key, bit by bit.
#[test]
fn a_point_off_the_curve_and_a_bad_tag_end_it_alike_and_in_silence() {
    let dialled = key(0).public_key();
    let mut honest = End::dial(&local(1), dialled, 1, Now::ZERO);
    let auth = honest.accept_writes();
    let mut changes: Vec<Vec<u8>> = Vec::new();
    for key in malformed_keys() {
        let mut auth = auth.to_vec();
        auth[3..67].copy_from_slice(&key);
        changes.push(auth);
    }
    for prefix in [0, 2, 3, 5, 6, 7, 0xFF] {
        let mut auth = auth.to_vec();
        auth[2] = prefix;
        changes.push(auth);
    }
    for at in [67, 90, auth.len() - 33, auth.len() - 1] {
        let mut auth = auth.to_vec();
        auth[at] ^= 0x40;
        changes.push(auth);
    }
    for auth in changes {
        let mut end = End::accept(&local(0), 1, Now::ZERO);
        end.feed(&auth);
        assert_eq!(end.closed(), Some(HandshakeError::Decryption.into()));
        assert!(end.unsent.is_empty() && end.remote().is_none());
    }
}

/// CVE-2026-22862 and its siblings: the size that is stated, against each that
/// follows.
#[test]
fn a_handshake_message_of_any_length_is_an_error_and_is_not_answered() {
    let mut honest = End::dial(&local(1), *local(0).public(), 1, Now::ZERO);
    let auth = honest.accept_writes();
    for length in 0..=crate::limits::HANDSHAKE_MESSAGE + 1 {
        let mut bytes = auth.to_vec();
        bytes.resize(2 + length, 0x5A);
        bytes[..2].copy_from_slice(&(length as u16).to_be_bytes());
        if 2 + length == auth.len() {
            continue;
        }
        let mut end = End::accept(&local(0), 1, Now::ZERO);
        end.feed(&bytes);
        assert!(
            matches!(end.closed(), Some(SessionError::Handshake(_))),
            "{length}: {:?}",
            end.closed()
        );
        assert!(end.unsent.is_empty());
    }
}

/// CVE-2021-41173: an application that fails ends its connection and says so.
#[test]
fn an_application_that_fails_on_a_message_tells_the_peer() {
    let (mut peer, mut end) = Peer::open(1);
    peer.say(&mut end, 16, b"a request that it fails on");
    assert_eq!(end.messages().len(), 1);
    end.command(Command::Disconnect(DisconnectReason::SubprotocolError));
    assert_eq!(peer.hear_disconnect(&mut end), DisconnectReason::SubprotocolError);
}
