//! A compressed message after the hello: taken if and only if `snap` takes it
//! and it is within the limit; and what we compress, `snap` unpacks.

use bytes::Bytes;
use devp2p_core::limits;
use devp2p_core::p2p::CompressionError;
use devp2p_core::session::SessionError;

use crate::keys::{self, Offer};
use crate::script::{Role, Script};
use crate::tape::Tape;

/// The code of the first message of our first shared capability.
const CODE: u64 = 16;

/// Runs one input: a kind, then a block as it comes in, or a payload to send.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut script = Script::new(Role::Accept, Offer::Ours);
    script.open();
    match tape.choice(4) {
        0 => unpack(&mut script, tape.rest()),
        1 => unpack(&mut script, &block(&mut tape)),
        2 => pack(&mut script, tape.rest()),
        _ => pack(&mut script, &tape.payload()),
    }
}

fn unpack(script: &mut Script, block: &[u8]) {
    let declared = snap::raw::decompress_len(block);
    let expected = match declared {
        Ok(length) if length > limits::MESSAGE => Err(CompressionError::TooLarge),
        // `snap` would allocate what is declared. Nothing packs better than
        // 64 bytes in 3, so beyond that it can only fail.
        Ok(length) if length / 64 > block.len() => Err(CompressionError::Corrupt),
        Ok(_) => {
            snap::raw::Decoder::new().decompress_vec(block).map_err(|_| CompressionError::Corrupt)
        }
        Err(_) => Err(CompressionError::Corrupt),
    };
    script.say(CODE, block);
    script.flow();
    let got = match (script.end.messages.pop(), script.end.closed) {
        (Some(message), None) => Ok(message.payload().to_vec()),
        (None, Some(SessionError::Compression(error))) => Err(error),
        other => panic!("neither a message nor a bad block: {other:?}"),
    };
    assert_eq!(got, expected);
}

fn pack(script: &mut Script, payload: &[u8]) {
    let payload = Bytes::copy_from_slice(payload);
    let heard = script.heard.len();
    script.end.queue.extend(keys::message(0, 0, payload.clone()));
    script.end.send();
    script.listen();
    let (code, block) = &script.heard[heard];
    assert_eq!(*code, CODE);
    let unpacked = snap::raw::Decoder::new().decompress_vec(block);
    assert_eq!(unpacked.expect("a block that snap takes"), payload);
}

/// A block of elements as the input says: sound more often than chance is.
fn block(tape: &mut Tape<'_>) -> Vec<u8> {
    let (lie, mut length, mut elements) = (tape.number(), 0, Vec::new());
    for _ in 0..=tape.choice(32) {
        let size = usize::from(tape.choice(64)) + 1;
        let [tag, low, high, higher] = tape.array();
        let bits = u8::try_from(size - 1).unwrap_or(0) << 2;
        length += size as u64;
        match tag % 5 {
            0 if size <= 60 => {
                elements.push(bits);
                elements.extend(vec![low; size]);
            }
            // A copy with 11 bits of offset, of 4 to 11 bytes.
            1 if (4..=11).contains(&size) => {
                elements.extend([1 | (bits - (3 << 2)) & 0x1C | (high & 7) << 5, low]);
            }
            2 => elements.extend([2 | bits, low, 0]),
            3 => elements.extend([3 | bits, low, high, higher, 0]),
            _ => elements.extend([2 | bits, low.max(1), high & 1]),
        }
    }
    // A lie of 0 is the truth.
    let mut declared = length.wrapping_add(lie);
    let mut block = Vec::new();
    while declared >= 0x80 {
        block.push(u8::try_from(declared & 0x7F).unwrap_or(0) | 0x80);
        declared >>= 7;
    }
    block.push(u8::try_from(declared).unwrap_or(0));
    block.extend(elements);
    block
}
