//! Snappy, as EIP-706 has it: raw blocks, each message by itself.
//!
//! The declared length is checked before anything is allocated for it: against
//! the limit of 16 MiB, and against what so few bytes could ever unpack to.

use core::fmt;

use bytes::{Bytes, BytesMut};

/// Why a payload does not decompress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CompressionError {
    /// It declares more than [`limits::MESSAGE`](crate::limits::MESSAGE).
    TooLarge,
    /// It is not a snappy block of the length it declares.
    Corrupt,
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "message length >= 16MB",
            Self::Corrupt => "snappy: corrupt input",
        })
    }
}

impl core::error::Error for CompressionError {}

#[cfg(feature = "std")]
mod imp {
    use core::cell::RefCell;

    use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

    use super::{Bytes, BytesMut, CompressionError};
    use crate::limits;

    std::thread_local! {
        // The encoder's hash table (some 34 kB) is wiped for each message, so
        // sharing it changes no output: it only spares an allocation.
        static ENCODER: RefCell<Encoder> = RefCell::new(Encoder::new());
    }

    /// The densest element of a snappy block is a copy: 3 bytes for 64.
    const DENSEST: (usize, usize) = (3, 64);

    pub(crate) fn compress(payload: &[u8], out: &mut BytesMut) {
        let start = out.len();
        out.resize(start + max_compress_len(payload.len()), 0);
        // It fails only for more than 4 GiB or too small an output.
        let length = ENCODER
            .with_borrow_mut(|encoder| encoder.compress(payload, &mut out[start..]))
            .unwrap_or(0);
        out.truncate(start + length);
    }

    /// Whether `payload` has at most `most` bytes when compressed.
    pub(crate) fn compresses_to(payload: &[u8], most: usize) -> bool {
        if max_compress_len(payload.len()) <= most {
            return true;
        }
        let mut out = BytesMut::new();
        compress(payload, &mut out);
        out.len() <= most
    }

    pub(crate) fn decompress(payload: &[u8]) -> Result<Bytes, CompressionError> {
        let length = decompress_len(payload).map_err(|_| CompressionError::Corrupt)?;
        if length > limits::MESSAGE {
            return Err(CompressionError::TooLarge);
        }
        if length / DENSEST.1 * DENSEST.0 > payload.len() {
            return Err(CompressionError::Corrupt);
        }
        let mut message = BytesMut::zeroed(length);
        match Decoder::new().decompress(payload, &mut message) {
            Ok(written) if written == length => Ok(message.freeze()),
            Ok(_) | Err(_) => Err(CompressionError::Corrupt),
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    //! Without `std` our hello says version 4, and nobody compresses.

    use bytes::BufMut as _;

    use super::{Bytes, BytesMut, CompressionError};

    pub(crate) fn compress(payload: &[u8], out: &mut BytesMut) {
        out.put_slice(payload);
    }

    pub(crate) const fn compresses_to(payload: &[u8], most: usize) -> bool {
        payload.len() <= most
    }

    pub(crate) fn decompress(payload: &[u8]) -> Result<Bytes, CompressionError> {
        Ok(Bytes::copy_from_slice(payload))
    }
}

pub(crate) use imp::{compress, compresses_to, decompress};

#[cfg(all(test, feature = "std"))]
#[allow(clippy::cast_possible_truncation, reason = "tests cut numbers to make bytes of them")]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::limits;

    fn packed(payload: &[u8]) -> BytesMut {
        let mut out = BytesMut::from(&b"before"[..]);
        compress(payload, &mut out);
        assert_eq!(out.split_to(6), &b"before"[..]);
        out
    }

    #[test]
    fn what_is_compressed_decompresses() {
        let noise: Vec<u8> =
            (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for payload in [&[][..], &[1], &noise, &[0; 70_000]] {
            assert_eq!(decompress(&packed(payload)).unwrap(), payload);
        }
    }

    #[test]
    fn the_largest_message_passes_and_one_byte_more_does_not() {
        let largest = alloc::vec![0; limits::MESSAGE];
        assert_eq!(decompress(&packed(&largest)).unwrap().len(), limits::MESSAGE);
        let larger = alloc::vec![0; limits::MESSAGE + 1];
        assert_eq!(decompress(&packed(&larger)), Err(CompressionError::TooLarge));
    }

    #[test]
    fn a_declared_length_that_so_few_bytes_cannot_reach_is_refused() {
        // 16 MiB - 1 declared by four bytes, with one literal behind them.
        assert_eq!(decompress(&[0xFF, 0xFF, 0xFF, 0x07, 0, 1]), Err(CompressionError::Corrupt));
        // 4 GiB declared.
        assert_eq!(decompress(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Err(CompressionError::TooLarge));
    }

    #[test]
    fn no_block_is_denser_than_the_bound_says() {
        // One literal, then copies of 64 bytes with 2-byte offsets only.
        let (copies, mut block) = (1000, Vec::new());
        let mut length = 1 + 64 * copies;
        while length >= 0x80 {
            block.push((length & 0x7F) as u8 | 0x80);
            length >>= 7;
        }
        block.push(length as u8);
        block.extend([0, b'x']);
        for _ in 0..copies {
            block.extend([0xFE, 1, 0]);
        }
        assert_eq!(decompress(&block).unwrap(), alloc::vec![b'x'; 1 + 64 * copies]);
    }

    #[test]
    fn garbage_is_corrupt_and_never_a_panic() {
        for garbage in [&[][..], &[0xFF], &[5], &[5, 0xFF, 0xFF, 0xFF], &[0x80; 11], &[1, 0, 1, 2]]
        {
            assert_eq!(decompress(garbage), Err(CompressionError::Corrupt), "{garbage:?}");
        }
    }
}
