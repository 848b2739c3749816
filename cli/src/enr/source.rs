//! The forms in which a record is handed over: hex, base64, or as it is.

use devp2p_smol::core::identity::{RecordError, UnverifiedRecord};
use devp2p_smol::core::limits;

/// Bytes of a source that are looked at. A record is 600 as hex; blanks around
/// it and line ends within are free.
pub(super) const LONGEST: u64 = 64 * 1024;

/// Reads a record from hex with or without `0x`, from URL-safe base64 with or
/// without `enr:`, or from RLP, in this order, as geth's tool does.
pub(crate) fn parse(source: &[u8]) -> Result<UnverifiedRecord, RecordError> {
    match core::str::from_utf8(source).map(str::trim) {
        Ok(text) => match hex(text.strip_prefix("0x").unwrap_or(text)) {
            Some(rlp) => UnverifiedRecord::decode(&rlp?),
            None => match base64(text) {
                // What is no text form at all may still be RLP.
                Err(RecordError::Base64) if !text.starts_with("enr:") => {
                    UnverifiedRecord::decode(source).map_err(|_| RecordError::Base64)
                }
                result => result,
            },
        },
        Err(_) => UnverifiedRecord::decode(source),
    }
}

/// The bytes that hex digits stand for; `None` if they are none.
fn hex(digits: &str) -> Option<Result<Vec<u8>, RecordError>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = vec![0; limits::RECORD];
    Some(match base16ct::mixed::decode(digits, &mut bytes) {
        Ok(decoded) => Ok(decoded.to_vec()),
        Err(_) => Err(RecordError::TooLarge),
    })
}

/// Line ends within are passed over, as by Go's decoder: mail programs and
/// terminals put them there.
fn base64(text: &str) -> Result<UnverifiedRecord, RecordError> {
    let text = text.strip_prefix("enr:").unwrap_or(text);
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ["enr:", &text].concat().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EIP-778, "Test Vectors".
    const TEXT: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkT\
                        fj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHY\
                        pMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";

    fn record() -> UnverifiedRecord {
        TEXT.parse().unwrap()
    }

    fn digits() -> String {
        record().as_rlp().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_form_is_the_same_record() {
        let hex = digits();
        let (start, end) = TEXT.split_at(100);
        for text in [
            TEXT.to_owned(),
            TEXT[4..].to_owned(),
            format!(" {TEXT}\r\n"),
            format!("{start}\n{end}\n"),
            hex.clone(),
            hex.to_uppercase(),
            format!("0x{hex}\n"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), record(), "{text}");
        }
        assert_eq!(parse(record().as_rlp()).unwrap(), record());
    }

    #[test]
    fn what_is_no_record_is_told_apart() {
        assert!(matches!(parse(b""), Err(RecordError::Rlp(_))));
        assert!(matches!(parse(b"0x"), Err(RecordError::Rlp(_))));
        assert_eq!(parse(b"enr:!").unwrap_err(), RecordError::Base64);
        assert_eq!(parse(b"something else").unwrap_err(), RecordError::Base64);
        assert_eq!(parse("c0".repeat(301).as_bytes()).unwrap_err(), RecordError::TooLarge);
        assert_eq!(parse("_".repeat(401).as_bytes()).unwrap_err(), RecordError::TooLarge);
        let twice = digits() + "00";
        assert_eq!(parse(twice.as_bytes()).unwrap_err(), RecordError::TrailingBytes);
    }
}
