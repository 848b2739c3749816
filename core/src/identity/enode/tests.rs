//! What geth makes of the same texts, and properties that hold for all texts.

// Core has no std; the long run reads a file.
extern crate std;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::crypto::SecretKey;

/// Written by the Go program beside it; its `README.md` says how.
const GETH: &str = include_str!("../../../../tests/vectors/enode/geth.json");

/// What geth reported about one text; a field it left empty is absent.
#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct Reported {
    input: String,
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    ip: String,
    #[serde(default)]
    hostname_hex: String,
    #[serde(default)]
    tcp: u16,
    #[serde(default)]
    udp: u16,
    #[serde(default)]
    tcp_endpoint: String,
    #[serde(default)]
    udp_endpoint: String,
    #[serde(default)]
    printed: String,
    #[serde(default)]
    again: String,
    #[serde(default)]
    again_error: String,
}

fn or_empty<T: fmt::Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// What we make of the text on which geth reported. An error that means the
/// same is copied, so that the two reports can be compared.
fn ours(geth: &Reported) -> Reported {
    let same = |error: EnodeError, words: &str| {
        if means(error, words) { words.into() } else { error.to_string() }
    };
    let mut report = Reported {
        input: geth.input.clone(),
        ok: false,
        error: String::new(),
        public_key: String::new(),
        id: String::new(),
        ip: String::new(),
        hostname_hex: String::new(),
        tcp: 0,
        udp: 0,
        tcp_endpoint: String::new(),
        udp_endpoint: String::new(),
        printed: String::new(),
        again: String::new(),
        again_error: String::new(),
    };
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
        EnodeError::TooLong | EnodeError::HostName(_) => false,
    }
}

/// The two bounds are the only places where we refuse what geth takes.
fn beyond_our_bounds(geth: &Reported) -> bool {
    geth.input.len() > MAX_URL_LENGTH || geth.hostname_hex.len() > 2 * HostName::MAX_LENGTH
}

#[test]
fn every_text_gives_what_geth_gives() {
    let reports: Vec<Reported> = serde_json::from_str(GETH).unwrap();
    assert!(reports.len() >= 400, "only {} texts", reports.len());
    assert!(reports.iter().filter(|geth| geth.ok).count() >= 200);
    for geth in &reports {
        assert!(!beyond_our_bounds(geth), "{:?}", geth.input);
        assert_eq!(&ours(geth), geth);
    }
}

/// For the long run that the vectors' `README.md` describes.
#[test]
#[ignore = "needs a file of reports, one a line, named by ENODE_REPORTS"]
fn every_damaged_text_gives_what_geth_gives() {
    let file = std::env::var("ENODE_REPORTS").expect("ENODE_REPORTS names the file");
    let text = std::fs::read_to_string(file).unwrap();
    let (mut compared, mut accepted, mut beyond) = (0, 0, 0);
    for line in text.lines() {
        let geth: Reported = serde_json::from_str(line).unwrap();
        if beyond_our_bounds(&geth) {
            beyond += 1;
            assert!(geth.input.parse::<Enode>().is_err());
            continue;
        }
        assert_eq!(ours(&geth), geth);
        compared += 1;
        accepted += usize::from(geth.ok);
    }
    std::println!("{compared} alike, {accepted} of them accepted; {beyond} beyond our bounds");
    assert!(accepted > 0 && accepted < compared);
}

fn key() -> PublicKey {
    SecretKey::from_bytes(&[7; 32]).unwrap().public_key()
}

fn url(tail: &str) -> String {
    format!("enode://{}@{tail}", PublicKeyHex(&key()))
}

#[test]
fn length_is_bounded() {
    let longest = url(&format!("{}:1", "a".repeat(255)));
    assert!(longest.parse::<Enode>().is_ok());
    let too_long = url(&format!("{}:1", "a".repeat(256)));
    assert_eq!(too_long.parse::<Enode>(), Err(EnodeError::HostName(HostNameError::TooLong)));

    let padded = |length: usize| {
        let url = url("1.2.3.4:1#");
        let padding = "x".repeat(length - url.len());
        url + &padding
    };
    assert!(padded(MAX_URL_LENGTH).parse::<Enode>().is_ok());
    assert_eq!(padded(MAX_URL_LENGTH + 1).parse::<Enode>(), Err(EnodeError::TooLong));
}

#[test]
fn a_mapped_address_is_an_ipv4_address_and_a_multicast_one_is_none() {
    let node = |ip: &str| Enode::new(key(), ip.parse().unwrap(), 1, 2);
    assert_eq!(node("::ffff:1.2.3.4"), node("1.2.3.4"));
    assert_eq!(node("::ffff:1.2.3.4").to_string(), url("1.2.3.4:1?discport=2"));
    for multicast in ["224.0.0.1", "ff02::1", "::ffff:224.0.0.1"] {
        assert_eq!(node(multicast).host(), None);
        assert_eq!(node(multicast).tcp(), 1);
    }
}

#[test]
fn a_name_is_never_an_endpoint() {
    let name = HostName::new("example.org").unwrap();
    let node = Enode::with_host_name(key(), name, 30303, 30301);
    assert_eq!((node.ip(), node.tcp_endpoint(), node.udp_endpoint()), (None, None, None));
    assert_eq!(node.to_string(), url("example.org:30303?discport=30301"));
}

#[test]
fn the_source_of_an_error_is_its_cause() {
    use core::error::Error as _;
    let error = "enode://00@1.2.3.4:1".parse::<Enode>().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "wrong length, want 128 hex chars");
    assert_eq!(error.to_string(), "invalid public key (wrong length, want 128 hex chars)");
}

/// Any node that keeps all it holds when it is printed.
fn nodes() -> impl Strategy<Value = Enode> {
    let keys = (1..=u64::MAX).prop_map(|n| {
        let mut secret = [0; 32];
        secret[24..].copy_from_slice(&n.to_be_bytes());
        SecretKey::from_bytes(&secret).unwrap().public_key()
    });
    let ports = prop_oneof![any::<u16>(), Just(0), Just(30303)];
    let ips = prop_oneof![
        any::<u32>().prop_map(|ip| IpAddr::V4(ip.into())),
        any::<u128>().prop_map(|ip| IpAddr::V6(ip.into())),
        // Mostly zeros, where the short forms of an IPv6 address are.
        (any::<u8>(), any::<[u16; 8]>()).prop_map(|(mask, groups)| {
            let groups: [u16; 8] =
                core::array::from_fn(|i| if mask >> i & 1 == 1 { groups[i] } else { 0 });
            IpAddr::V6(groups.into())
        }),
    ];
    let names = "\\PC{1,60}|[a-z0-9.%:\\]-]{1,30}|[0-9.]{1,16}|[0-9a-f:]{1,40}(%en0)?"
        .prop_filter_map("no name", |name| HostName::new(&name).ok());
    (keys, ips, names, any::<[bool; 2]>(), ports.clone(), ports).prop_map(
        |(key, ip, name, [named, bare], tcp, udp)| {
            let node = if named {
                Enode::with_host_name(key, name, tcp, udp)
            } else {
                Enode::new(key, ip, tcp, udp)
            };
            if bare || node.host().is_none() { Enode::incomplete(key) } else { node }
        },
    )
}

/// Texts that get past the first checks more often than chance lets them.
fn texts() -> impl Strategy<Value = String> {
    let tail = "[\\]\\[:%/?#&=;+. 0-9a-fA-F@é-]{0,40}(discport=[0-9%]{0,6})?";
    prop_oneof![
        any::<String>(),
        tail.prop_map(|tail| url(&tail)),
        ("[ -~]{0,12}", tail, ":[0-9]{0,6}").prop_map(|(user, host, port)| {
            format!("enode://{user}{}@{host}{port}", PublicKeyHex(&key()))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_node_survives_printing(node in nodes()) {
        prop_assert_eq!(node.to_string().parse(), Ok(node));
    }

    #[test]
    fn any_text_gives_a_node_or_an_error(text in texts()) {
        if let Ok(node) = text.parse::<Enode>() {
            prop_assert!(node.to_string().len() <= MAX_URL_LENGTH / 2);
            prop_assert!(node.ip().is_none() || node.host_name().is_none());
            prop_assert!(!node.ip().is_some_and(|ip| ip.is_multicast()));
        }
    }
}
