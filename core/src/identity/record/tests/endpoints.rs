//! geth, p2p/enode/node_test.go, `TestNodeEndpoints`, and what it leaves open.

use core::net::IpAddr;

use super::*;

struct Case {
    name: &'static str,
    record: RecordBuilder,
    ip: &'static str,
    udp: u16,
    tcp: u16,
    quic: u16,
}

fn case(name: &'static str, ip: &'static str, record: RecordBuilder) -> Case {
    Case { name, record, ip, udp: 0, tcp: 0, quic: 0 }
}

fn new() -> RecordBuilder {
    RecordBuilder::new(0)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn check(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        let record = case.record.sign(&key(1)).unwrap();
        let ip = case.ip.parse().ok();
        let expected = Endpoint { ip, udp: case.udp, tcp: case.tcp };
        assert_eq!(record.endpoint(), expected, "{}", case.name);
        let quic = record.entries().quic_endpoint().map_or(0, |endpoint| endpoint.port());
        assert_eq!(quic, case.quic, "{}", case.name);
    }
}

#[test]
fn the_endpoint_is_the_one_that_geth_selects() {
    const GLOBAL: &str = "2001::ff00:0042:8329";
    let both = |four: &str, six: &str| new().ip(ip(four)).udp(30304).ip(ip(six)).udp6(30306);
    check([
        case("no-addr", "", new()),
        Case { udp: 9000, ..case("udp-only", "", new().udp(9000)) },
        Case { tcp: 9000, ..case("tcp-only", "", new().tcp(9000)) },
        case("quic-only", "", new().uint(b"quic", 9000)),
        case("quic6-only", "", new().uint(b"quic6", 9000)),
        case("ipv4-only-loopback", "127.0.0.1", new().ip(ip("127.0.0.1"))),
        case("ipv4-only-unspecified", "0.0.0.0", new().ip(ip("0.0.0.0"))),
        case("ipv4-only", "99.22.33.1", new().ip(ip("99.22.33.1"))),
        case("ipv6-only", GLOBAL, new().ip(ip(GLOBAL))),
        Case {
            udp: 30306,
            ..case("ipv4-loopback-and-ipv6-global", GLOBAL, both("127.0.0.1", GLOBAL))
        },
        case("ipv4-unspecified-and-ipv6-loopback", "::1", new().ip(ip("0.0.0.0")).ip(ip("::1"))),
        Case {
            udp: 30306,
            ..case("ipv4-private-and-ipv6-global", GLOBAL, both("192.168.2.2", GLOBAL))
        },
        Case {
            udp: 30306,
            ..case("ipv4-local-and-ipv6-global", GLOBAL, both("169.254.2.6", GLOBAL))
        },
        Case {
            udp: 30304,
            ..case(
                "ipv4-private-and-ipv6-private",
                "192.168.2.2",
                both("192.168.2.2", "fd00::abcd:1"),
            )
        },
        Case {
            udp: 30304,
            ..case(
                "ipv4-private-and-ipv6-link-local",
                "192.168.2.2",
                both("192.168.2.2", "fe80::1"),
            )
        },
        Case {
            quic: 9001,
            ..case("ipv4-quic", "99.22.33.1", new().ip(ip("99.22.33.1")).uint(b"quic", 9001))
        },
        case("ipv4-quic6", "99.22.33.1", new().ip(ip("99.22.33.1")).uint(b"quic6", 9001)),
        case("ipv6-quic", GLOBAL, new().ip(ip(GLOBAL)).uint(b"quic", 9001)),
        Case {
            quic: 9001,
            ..case("ipv6-quic6", GLOBAL, new().ip(ip(GLOBAL)).uint(b"quic6", 9001))
        },
        Case {
            udp: 30303,
            tcp: 30303,
            ..case("dns-only, without the name", "", new().udp(30303).tcp(30303))
        },
    ]);
}

#[test]
fn ipv6_falls_back_on_the_ports_of_ipv4_and_a_mapped_address_uses_nothing_else() {
    let mapped = |text: &str| ip(text).to_string().parse::<core::net::Ipv6Addr>().unwrap().octets();
    let six = ip("2001:4860::1");
    check([
        Case {
            udp: 1,
            tcp: 2,
            ..case("no port of its own", "2001:4860::1", new().ip(six).udp(1).tcp(2))
        },
        Case {
            udp: 3,
            tcp: 2,
            ..case("one of two", "2001:4860::1", new().ip(six).udp(1).tcp(2).udp6(3))
        },
        Case {
            tcp: 2,
            ..case("0 is a port of its own", "2001:4860::1", new().ip(six).udp(1).tcp(2).udp6(0))
        },
        Case {
            udp: 1,
            ..case(
                "a strange one is not",
                "2001:4860::1",
                new().ip(six).udp(1).uint(b"udp6", 65_536),
            )
        },
        Case {
            udp: 1,
            ..case(
                "mapped",
                "9.8.7.6",
                new().string(b"ip6", &mapped("::ffff:9.8.7.6")).udp(1).udp6(3),
            )
        },
    ]);
}

#[test]
fn a_multicast_address_is_no_endpoint() {
    check([
        Case { udp: 1, ..case("alone", "", new().ip(ip("224.0.0.22")).udp(1).udp6(2)) },
        Case {
            udp: 2,
            ..case(
                "beside another",
                "fe80::1",
                new().ip(ip("224.0.0.22")).ip(ip("fe80::1")).udp(1).udp6(2),
            )
        },
        Case {
            udp: 1,
            ..case("IPv6", "10.0.0.1", new().ip(ip("10.0.0.1")).ip(ip("ff05::1:3")).udp(1).udp6(2))
        },
        case("mapped", "", new().string(b"ip6", &hex!("00000000000000000000ffffe0000016"))),
    ]);
}

#[test]
fn both_endpoints_can_be_seen() {
    let record =
        new().ip(ip("10.0.0.1")).ip(ip("::1")).udp(1).tcp(2).tcp6(3).sign(&key(1)).unwrap();
    let [four, six] = record.entries().endpoints();
    assert_eq!(four, Endpoint { ip: Some(ip("10.0.0.1")), udp: 1, tcp: 2 });
    assert_eq!(six, Endpoint { ip: Some(ip("::1")), udp: 1, tcp: 3 });
}
