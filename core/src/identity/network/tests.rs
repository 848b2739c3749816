//! The tables are those of geth, p2p/netutil/net_test.go.

use alloc::string::ToString as _;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn check(test: fn(IpAddr) -> bool, included: &[&str], excluded: &[&str]) {
    for text in included {
        assert!(test(ip(text)), "{text}");
    }
    for text in excluded {
        assert!(!test(ip(text)), "{text}");
    }
}

#[test]
fn local_addresses_are_known() {
    check(
        is_lan,
        &[
            "127.0.0.1",
            "10.0.1.1",
            "10.22.0.3",
            "172.31.252.251",
            "192.168.1.4",
            "fe80::f4a1:8eff:fec5:9d9d",
            "febf::ab32:2233",
            "fc00::4",
            "::1",
            "169.254.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.10.0.2",
        ],
        &["192.0.2.1", "1.0.0.0", "172.32.0.1", "fec0::2233", "::ffff:88.99.100.2"],
    );
}

#[test]
fn special_networks_are_known() {
    check(
        is_special,
        &[
            "0.0.0.0",
            "0.2.0.8",
            "192.0.2.1",
            "192.0.2.44",
            "2001:db8:85a3:8d3:1319:8a2e:370:7348",
            "255.255.255.255",
            "224.0.0.22",
            "ff05::1:3",
            "::ffff:255.255.255.255",
            "::ffff:192.0.2.1",
            // One of each of the others.
            "192.0.0.7",
            "192.0.0.9",
            "192.0.0.170",
            "192.0.0.171",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.175.48.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "100::1",
            "2001::1",
            "2001:1::1",
            "2001:2::1",
            "2001:3::1",
            "2001:4:112::1",
            "2001:5::1",
            "2001:1f::1",
            "2001:2f::1",
            "2002::1",
        ],
        &[
            "192.0.3.1",
            "1.0.0.0",
            "172.32.0.1",
            "fec0::2233",
            "192.0.0.8",
            "198.20.0.0",
            "2001:1::2",
            "2001:30::1",
            "2003::1",
            "100:0:0:1::",
        ],
    );
}

#[test]
fn the_ranges_of_special_networks_begin_where_they_say() {
    for network in SPECIAL {
        assert_eq!(Subnet::masked(network.network, network.bits), network);
    }
}

#[test]
fn an_address_is_passed_on_only_from_as_near_as_it_is() {
    for (sender, address, expected) in [
        ("127.0.0.1", "0.0.0.0", Err(RelayRefusal::Unspecified)),
        ("192.168.0.1", "0.0.0.0", Err(RelayRefusal::Unspecified)),
        ("23.55.1.242", "0.0.0.0", Err(RelayRefusal::Unspecified)),
        ("127.0.0.1", "255.255.255.255", Err(RelayRefusal::Special)),
        ("192.168.0.1", "255.255.255.255", Err(RelayRefusal::Special)),
        ("23.55.1.242", "255.255.255.255", Err(RelayRefusal::Special)),
        ("192.168.0.1", "127.0.2.19", Err(RelayRefusal::Loopback)),
        ("23.55.1.242", "192.168.0.1", Err(RelayRefusal::Lan)),
        ("127.0.0.1", "127.0.2.19", Ok(())),
        ("127.0.0.1", "192.168.0.1", Ok(())),
        ("127.0.0.1", "23.55.1.242", Ok(())),
        ("192.168.0.1", "192.168.0.1", Ok(())),
        ("192.168.0.1", "23.55.1.242", Ok(())),
        ("23.55.1.242", "23.55.1.242", Ok(())),
        // Not in geth's table.
        ("23.55.1.242", "::", Err(RelayRefusal::Unspecified)),
        ("23.55.1.242", "::ffff:0.0.0.0", Err(RelayRefusal::Unspecified)),
        ("2a00::1", "::1", Err(RelayRefusal::Loopback)),
        ("2a00::1", "fe80::1", Err(RelayRefusal::Lan)),
        ("::ffff:127.0.0.1", "::1", Ok(())),
        ("23.55.1.242", "::ffff:127.0.0.1", Err(RelayRefusal::Loopback)),
    ] {
        assert_eq!(check_relay_address(ip(sender), ip(address)), expected, "{address} by {sender}");
    }
}

#[test]
fn addresses_are_in_one_subnet_if_they_begin_alike() {
    // geth, TestSameNet
    for (one, other, bits, expected) in [
        ("0.0.0.0", "0.0.0.0", 32, true),
        ("0.0.0.0", "0.0.0.1", 0, true),
        ("0.0.0.0", "0.0.0.1", 31, true),
        ("0.0.0.0", "0.0.0.1", 32, false),
        ("0.33.0.1", "0.34.0.2", 8, true),
        ("0.33.0.1", "0.34.0.2", 13, true),
        ("0.33.0.1", "0.34.0.2", 15, false),
        ("0.33.0.1", "::ffff:0.33.0.2", 24, true),
        ("2a00:1::1", "2a00:1:ffff::", 32, true),
        ("2a00:1::1", "2a00:2::1", 32, false),
        ("2a00:100::", "2a00:1ff::", 24, true),
        ("0.0.0.0", "::", 0, false),
    ] {
        let same = Subnet::of(ip(one), bits) == Subnet::of(ip(other), bits);
        assert_eq!(same, expected, "{one} {other} /{bits}");
        assert_eq!(Subnet::of(ip(one), bits).contains(ip(other)), expected);
    }
    assert_eq!(Subnet::of(ip("1.2.3.4"), 200).to_string(), "1.2.3.4/32");
}

#[test]
fn a_list_of_networks_is_read_as_geth_reads_it() {
    let parse = |text: &str| text.parse::<NetRestrict>().map(|list| list.to_string());
    assert_eq!(parse(""), Ok("".into()));
    assert_eq!(parse("127.0.0.0/8"), Ok("127.0.0.0/8".into()));
    assert_eq!(
        parse("127.0.0.0/16, 23.23.23.23/24,\n\tfd00::1/8,,"),
        Ok("127.0.0.0/16,23.23.23.0/24,fd00::/8".into())
    );
    assert_eq!(parse("127.0.0.0/44"), Err(SubnetError::Length));
    for text in ["1.2.3.4/-1", "1.2.3.4/+1", "1.2.3.4/08", "1.2.3.4/", "::/129", "::/x", "::/256"] {
        assert_eq!(parse(text), Err(SubnetError::Length), "{text}");
    }
    assert_eq!(parse("1.2.3.4"), Err(SubnetError::NoLength));
    for text in ["/8", "1.2.3/8", "01.2.3.4/8", "fe80::1%eth0/8", "localhost/8"] {
        assert_eq!(parse(text), Err(SubnetError::Address), "{text}");
    }
    assert_eq!(parse("0.0.0.0/0"), Ok("0.0.0.0/0".into()));
}

#[test]
fn a_list_contains_what_is_in_any_of_its_networks() {
    let list: NetRestrict = "10.0.0.0/8,fd00::/16".parse().unwrap();
    assert!(list.contains(ip("10.255.0.1")));
    assert!(list.contains(ip("::ffff:10.0.0.1")));
    assert!(list.contains(ip("fd00:1::1")));
    assert!(!list.contains(ip("11.0.0.1")));
    assert!(!list.contains(ip("fd01::1")));
    assert!(!NetRestrict::default().contains(ip("1.2.3.4")));
    let everything: NetRestrict = "0.0.0.0/0".parse().unwrap();
    assert!(everything.contains(ip("1.2.3.4")));
    assert!(!everything.contains(ip("::1")));
}

proptest! {
    #[test]
    fn a_subnet_survives_printing_and_contains_its_ends(ip: IpAddr, bits in 0..=128_u8) {
        let subnet = Subnet::of(ip, bits);
        prop_assert_eq!(subnet.to_string().parse(), Ok(subnet));
        prop_assert!(subnet.contains(ip));
        prop_assert!(subnet.contains(subnet.network()));
    }
}
