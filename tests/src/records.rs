//! What geth makes of node records, and how to hold ours against it.

use devp2p_core::error::DecodeError;
use devp2p_core::identity::{Contact, RecordError, UnverifiedRecord};
use serde::Deserialize;

/// Written by the Go program beside it; its `README.md` says how.
pub const GETH: &str = include_str!("../vectors/records/geth.json");

/// What geth reported about one record; a field it left empty is absent.
#[derive(Clone, Deserialize, PartialEq, Eq, Debug, Default)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the Go program's report")]
pub struct Reported {
    pub record: String,
    pub decoded: bool,
    pub ok: bool,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub seq: u64,
    #[serde(default)]
    pub ip: String,
    #[serde(default)]
    pub udp: u16,
    #[serde(default)]
    pub tcp: u16,
    #[serde(default)]
    pub quic_endpoint: String,
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub text: String,
}

/// What we make of the record on which geth reported. An error that means the
/// same is copied, so that the two reports can be compared.
pub fn ours(geth: &Reported) -> Reported {
    let report = Reported { record: geth.record.clone(), ..Reported::default() };
    let same = |error: RecordError| {
        if means(error, &geth.error) { geth.error.clone() } else { error.to_string() }
    };
    let record = match UnverifiedRecord::decode(&bytes(&geth.record)) {
        Ok(record) => record,
        Err(error) => return Reported { error: same(error), ..report },
    };
    let report = Reported { decoded: true, seq: record.sequence(), ..report };
    let record = match record.verify() {
        Ok(record) => record,
        Err(error) => return Reported { error: same(error), ..report },
    };
    let quic = record.entries().quic_endpoint();
    let text = record.to_string();
    let contact = Contact::from_record(record.into());
    Reported {
        ok: true,
        id: contact.id().to_string(),
        ip: contact.ip().map(|ip| ip.to_string()).unwrap_or_default(),
        udp: contact.udp(),
        tcp: contact.tcp(),
        quic_endpoint: quic.map(|quic| quic.to_string()).unwrap_or_default(),
        url: contact.to_string(),
        text,
        ..report
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum may grow; a new cause is ours alone")]
/// Whether geth's words name the cause that `error` names. Of several faults
/// each side names one.
fn means(error: RecordError, words: &str) -> bool {
    match error {
        RecordError::IncompleteList | RecordError::DuplicateKey | RecordError::UnsortedKeys => {
            words == error.to_string()
        }
        // What is missing may as well be what is there and no item.
        RecordError::IncompletePair => words == error.to_string() || words.starts_with("rlp: "),
        // We count all bytes before we read them, geth those of the first item,
        // and looks for more at the end.
        RecordError::TooLarge | RecordError::Rlp(_) | RecordError::TrailingBytes => {
            !words.is_empty()
        }
        RecordError::Signature | RecordError::Scheme | RecordError::MissingScheme => {
            words == "invalid signature on node record"
        }
        RecordError::PublicKey => {
            words == "invalid public key"
                || words == "invalid signature on node record"
                || words.starts_with("missing ENR key \"secp256k1\"")
                || words.starts_with("ENR key \"secp256k1\": ")
        }
        // Ours alone.
        _ => false,
    }
}

/// Whether we refuse as no RLP what geth takes: a value that writes one byte
/// below 0x80 as a string of length 1.
pub fn is_no_rlp(geth: &Reported) -> bool {
    geth.decoded
        && UnverifiedRecord::decode(&bytes(&geth.record))
            == Err(RecordError::Rlp(DecodeError::NonCanonical))
}
