//! What geth makes of enode URLs, and how to hold ours against it.

use core::fmt;

use devp2p_core::identity::{Enode, EnodeError, PublicKeyError, PublicKeyHex};
use devp2p_core::limits;
use serde::Deserialize;

/// Written by the Go program beside it; its `README.md` says how.
pub const GETH: &str = include_str!("../vectors/enode/geth.json");

/// What geth reported about one text; a field it left empty is absent.
#[derive(Clone, Deserialize, PartialEq, Eq, Debug, Default)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the Go program's report")]
pub struct Reported {
    pub input: String,
    pub ok: bool,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub public_key: String,
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub ip: String,
    #[serde(default)]
    pub hostname_hex: String,
    #[serde(default)]
    pub tcp: u16,
    #[serde(default)]
    pub udp: u16,
    #[serde(default)]
    pub tcp_endpoint: String,
    #[serde(default)]
    pub udp_endpoint: String,
    #[serde(default)]
    pub printed: String,
    #[serde(default)]
    pub again: String,
    #[serde(default)]
    pub again_error: String,
}

fn or_empty<T: fmt::Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// What we make of the text on which geth reported. An error that means the
/// same is copied, so that the two reports can be compared.
pub fn ours(geth: &Reported) -> Reported {
    let same = |error: EnodeError, words: &str| {
        if means(error, words) { words.into() } else { error.to_string() }
    };
    let mut report = Reported { input: geth.input.clone(), ..Reported::default() };
    let node = match geth.input.parse::<Enode>() {
        Ok(node) => node,
        Err(error) => return Reported { error: same(error, &geth.error), ..report },
    };
    report.ok = true;
    report.public_key = PublicKeyHex(node.public_key()).to_string();
    report.id = node.node_id().to_string();
    report.ip = or_empty(node.ip());
    report.hostname_hex = node.host_name().map(|name| hex(name.as_bytes())).unwrap_or_default();
    report.tcp = node.tcp();
    report.udp = node.udp();
    report.tcp_endpoint = or_empty(node.tcp_endpoint());
    report.udp_endpoint = or_empty(node.udp_endpoint());
    report.printed = node.to_string();
    match report.printed.parse::<Enode>() {
        Ok(again) => report.again = again.to_string(),
        Err(error) => report.again_error = same(error, &geth.again_error),
    }
    report
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum may grow; a new cause is ours alone")]
/// Whether geth's (or Go's) words name the cause that `error` names.
fn means(error: EnodeError, words: &str) -> bool {
    let key = |cause: &str| words.starts_with(&format!("invalid public key ({cause}"));
    match error {
        EnodeError::ControlCharacter => words == "net/url: invalid control character in URL",
        // Any fault of a URL that is not ours at all.
        EnodeError::Scheme => !words.is_empty(),
        EnodeError::Escape => words.starts_with("invalid URL escape "),
        EnodeError::HostCharacter(c) => {
            words == format!("invalid character {:?} in host name", c.to_string())
        }
        EnodeError::IpLiteral => {
            words == "invalid IP-literal" || words.starts_with("invalid host: ParseAddr(")
        }
        EnodeError::MissingBracket => words == "missing ']' in host",
        EnodeError::UserInfo => words == "net/url: invalid userinfo",
        EnodeError::MissingNodeId => words == "does not contain node ID",
        EnodeError::PublicKey(PublicKeyError::NotHex) => key("encoding/hex: invalid byte"),
        EnodeError::PublicKey(PublicKeyError::WrongLength) => {
            key("encoding/hex: odd length hex string") || key("wrong length, want 128 hex chars")
        }
        EnodeError::PublicKey(PublicKeyError::NotOnCurve) => key("invalid secp256k1 public key"),
        EnodeError::Port => {
            words == "invalid port"
                || (words.starts_with("invalid port \"") && words.ends_with("\" after host"))
        }
        EnodeError::DiscoveryPort => words == "invalid discport in query",
        // Ours alone.
        _ => false,
    }
}

/// The two bounds are the only places where we refuse what geth takes.
pub fn beyond_our_bounds(geth: &Reported) -> bool {
    geth.input.len() > limits::ENODE_URL || geth.hostname_hex.len() > 2 * limits::HOST_NAME
}
