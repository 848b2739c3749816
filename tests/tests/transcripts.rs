//! Replays what a real geth said: the frames with their real MACs, the hello,
//! the disconnect. Our answers must be the recorded bytes, however the stream
//! is cut.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use devp2p_core::crypto::SecretKey;
use devp2p_tests::transcript::{Party, REQUEST};

const GETH_DIALS: &str = include_str!("../vectors/transcripts/geth-dials.txt");
const GETH_ACCEPTS: &str = include_str!("../vectors/transcripts/geth-accepts.txt");

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What geth sent, chunk by chunk, and what we wrote.
fn transcript(text: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (received, written) = text.trim().split_once('=').unwrap();
    (received.lines().map(unhex).collect(), unhex(written))
}

/// A connection to the geth whose key is 77, or from whoever dials.
fn party(dial: bool) -> Party {
    let geth = dial.then(|| {
        let mut key = [0; 32];
        key[31] = 77;
        SecretKey::from_bytes(&key).unwrap().public_key()
    });
    Party::new(geth).unwrap()
}

fn replay(text: &str, dial: bool, cut: usize) -> Party {
    let (received, _) = transcript(text);
    let mut party = party(dial);
    // Geth answers what we say, so its chunks are given in their order; each
    // may be cut at will.
    for chunk in received {
        chunk.chunks(cut).for_each(|piece| party.received(piece));
    }
    party.lost();
    party
}

#[test]
fn a_geth_that_dialled_us_is_understood_and_answered_as_it_was() {
    for cut in [1, 7, 33, 4096] {
        let party = replay(GETH_DIALS, false, cut);
        let lines: Vec<&str> = party.events.lines().collect();
        assert!(lines[0].starts_with("authenticated"), "{lines:?}");
        assert!(lines[1].contains(r#"client_name: "geth-interop/v1.17.6""#), "{lines:?}");
        assert!(lines[1].contains(r#"name: "echo", version: 1"#), "{lines:?}");
        assert_eq!(lines[2..4], ["message 0 of 100 bytes"; 2]);
        assert_eq!(lines[4..], ["closed Remote(Quitting)"]);
        assert_eq!(party.written, transcript(GETH_DIALS).1);
    }
}

#[test]
fn a_geth_that_we_dialled_is_understood_and_answered_as_it_was() {
    for cut in [1, 7, 33, 4096] {
        let party = replay(GETH_ACCEPTS, true, cut);
        let lines: Vec<&str> = party.events.lines().collect();
        assert!(lines[1].contains(r#"client_name: "geth-interop/v1.17.6""#), "{lines:?}");
        assert_eq!(lines[2], format!("message 1 of {} bytes", REQUEST.len()));
        assert_eq!(lines[3..], ["closed Local(Quitting)"]);
        assert_eq!(party.written, transcript(GETH_ACCEPTS).1);
    }
}

#[test]
fn one_flipped_bit_in_what_geth_sent_ends_the_connection_without_a_wrong_message() {
    let (received, _) = transcript(GETH_DIALS);
    let stream = received.concat();
    let whole = replay(GETH_DIALS, false, 4096).events;
    for at in (0..stream.len()).step_by(3) {
        let mut broken = stream.clone();
        broken[at] ^= 1 << (at % 8);
        let mut party = party(false);
        party.received(&broken);
        party.lost();
        let (events, last) = party.events.trim_end().rsplit_once('\n').unwrap_or_default();
        assert!(whole.starts_with(events), "byte {at}: {events}");
        assert!(!last.contains("Quitting"), "byte {at}: {last}");
    }
}
