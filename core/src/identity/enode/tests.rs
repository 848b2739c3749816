//! Properties that hold for all texts. What geth makes of the same texts is
//! `tests/tests/enode.rs`'s to know.

use alloc::format;
use alloc::string::{String, ToString as _};

use proptest::prelude::*;

use super::*;
use crate::crypto::SecretKey;

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
    assert!(padded(limits::ENODE_URL).parse::<Enode>().is_ok());
    assert_eq!(padded(limits::ENODE_URL + 1).parse::<Enode>(), Err(EnodeError::TooLong));
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
    #[test]
    fn a_node_survives_printing(node in nodes()) {
        prop_assert_eq!(node.to_string().parse(), Ok(node));
    }

    #[test]
    fn any_text_gives_a_node_or_an_error(text in texts()) {
        if let Ok(node) = text.parse::<Enode>() {
            prop_assert!(node.to_string().len() <= limits::ENODE_URL / 2);
            prop_assert!(node.ip().is_none() || node.host_name().is_none());
            prop_assert!(!node.ip().is_some_and(|ip| ip.is_multicast()));
        }
    }
}
