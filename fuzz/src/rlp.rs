//! RLP in the targets' hands: written properly, or as the input says.

use alloy_rlp::{Encodable as _, Header};

use crate::tape::Tape;

/// A string.
pub fn string(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// An unsigned integer.
pub fn uint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// A list of items that are encoded already.
pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let content = items.concat();
    let mut out = Vec::new();
    Header { list: true, payload_length: content.len() }.encode(&mut out);
    out.extend(content);
    out
}

/// An item as the input says: mostly sound, in lists up to four deep.
pub fn item(tape: &mut Tape<'_>) -> Vec<u8> {
    nested(tape, 4)
}

fn nested(tape: &mut Tape<'_>, depth: u8) -> Vec<u8> {
    match tape.choice(5) {
        0 => string(tape.bytes()),
        1 => uint(tape.number()),
        2 if depth > 0 => {
            let count = tape.choice(8);
            let items: Vec<_> = (0..count).map(|_| nested(tape, depth - 1)).collect();
            list(&items)
        }
        // As it stands: anything, and mostly not RLP.
        3 => tape.bytes().to_vec(),
        _ => string(&vec![tape.byte(); usize::from(tape.byte())]),
    }
}

/// Reads an unsigned integer in its shortest form, for comparison: written
/// from the Yellow Paper's appendix B, and not with the library that core uses.
pub fn read_uint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        0 => None,
        value @ 1..=0x7F => Some((u64::from(value), rest)),
        prefix @ 0x80..=0x88 => {
            let (digits, rest) = rest.split_at_checked(usize::from(prefix - 0x80))?;
            let shortest = match digits {
                [] => true,
                [one] => *one >= 0x80,
                [first, ..] => *first != 0,
            };
            let value = digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit));
            shortest.then_some((value, rest))
        }
        _ => None,
    }
}

/// An item, read from the Yellow Paper's appendix B again: whether it is a list,
/// its content, all its bytes. What a list holds is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// A list, not a string.
    pub list: bool,
    /// What stands behind the header.
    pub content: &'a [u8],
    /// Header and content.
    pub whole: &'a [u8],
}

/// Reads the item at the head of `bytes`, in its shortest form, and moves past it.
pub fn read<'a>(bytes: &mut &'a [u8]) -> Option<Read<'a>> {
    let all = *bytes;
    let first = *all.first()?;
    let (list, short) = match first {
        0..0x80 => (false, None),
        0x80..0xC0 => (false, Some(first - 0x80)),
        0xC0.. => (true, Some(first - 0xC0)),
    };
    let (header, length) = match short {
        None => (0, 1),
        Some(length @ 0..=55) => (1, usize::from(length)),
        Some(digits) => {
            let digits = usize::from(digits - 55);
            let length = all.get(1..1 + digits)?;
            if length[0] == 0 || digits > 4 {
                return None;
            }
            let length = length.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            (1 + digits, if length < 56 { return None } else { length })
        }
    };
    let whole = all.get(..header + length)?;
    let content = &whole[header..];
    // A byte that stands for itself needs no header.
    if !list && header == 1 && matches!(content, [0..0x80]) {
        return None;
    }
    *bytes = &all[whole.len()..];
    Some(Read { list, content, whole })
}
