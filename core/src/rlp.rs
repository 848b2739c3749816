//! The few ways in which core reads and writes RLP, over `alloy-rlp`.

use alloy_rlp::{Decodable as _, Encodable as _, Header};
use bytes::BufMut;

use crate::error::DecodeError;

/// The content of the list at the head of `bytes`, which moves past it.
pub(crate) fn list<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    Ok(Header::decode_bytes(bytes, true)?)
}

/// The content of the string at the head of `bytes`, which moves past it.
pub(crate) fn string<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    Ok(Header::decode_bytes(bytes, false)?)
}

/// The whole item at the head of `bytes`, header and all, which moves past it.
/// What a list holds is not looked at.
pub(crate) fn item<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let whole = *bytes;
    let header = Header::decode(bytes)?;
    *bytes = bytes.get(header.payload_length..).ok_or(DecodeError::Truncated)?;
    whole.get(..whole.len() - bytes.len()).ok_or(DecodeError::Truncated)
}

/// A string of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    string(bytes)?.try_into().map_err(|_| DecodeError::WrongLength)
}

/// The list at the head of `bytes` with its header, which moves past it.
pub(crate) fn raw_list<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let start = *bytes;
    list(bytes)?;
    Ok(&start[..start.len() - bytes.len()])
}

/// Moves `bytes` past the item at their head, of either kind, without a look
/// inside. As geth's `Stream.Raw` it minds no single byte in a long form.
pub(crate) fn skip(bytes: &mut &[u8]) -> Result<(), DecodeError> {
    if let [0x81, _, rest @ ..] = *bytes {
        *bytes = rest;
        return Ok(());
    }
    let length = Header::decode(bytes)?.payload_length;
    *bytes = bytes.get(length..).ok_or(DecodeError::Truncated)?;
    Ok(())
}

/// An unsigned integer of 16 bits in its shortest form.
pub(crate) fn uint16(bytes: &mut &[u8]) -> Result<u16, DecodeError> {
    Ok(u16::decode(bytes)?)
}

/// An unsigned integer in its shortest form.
pub(crate) fn uint(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    Ok(u64::decode(bytes)?)
}

/// Writes an unsigned integer in its shortest form.
pub(crate) fn put_uint(value: u64, out: &mut dyn BufMut) {
    value.encode(out);
}

/// Bytes that [`put_uint`] writes for `value`.
pub(crate) fn uint_length(value: u64) -> usize {
    value.length()
}

/// Writes a string.
pub(crate) fn put_string(value: &[u8], out: &mut dyn BufMut) {
    value.encode(out);
}

/// Writes a list whose content is already encoded.
pub(crate) fn put_list(content: &[u8], out: &mut dyn BufMut) {
    Header { list: true, payload_length: content.len() }.encode(out);
    out.put_slice(content);
}
