//! What is asked for, and what is not.

use super::*;

const SEED: Seed = Seed::new([1; 32]);

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn only_what_is_behind_a_gateway_is_to_be_reached_through_it() {
    for (bound, port) in [
        ("0.0.0.0:30303", Some(30303)),
        ("[::]:30303", Some(30303)),
        ("10.77.1.2:30303", Some(30303)),
        ("192.168.1.7:1", Some(1)),
        ("127.0.0.1:30303", None),
        ("127.3.2.1:30303", None),
        ("[::1]:30303", None),
        ("[::ffff:127.0.0.1]:30303", None),
        ("[2001:4860::1]:30303", None),
        ("8.8.8.8:30303", None),
    ] {
        assert_eq!(to_map(at(bound)), port, "{bound}");
    }
    assert_eq!(to_map(None), None);
}

#[test]
fn on_loopback_and_where_nothing_is_wanted_there_is_no_thread() {
    let loopback = at("127.0.0.1:30303");
    for nat in ["any", "upnp", "pmp", "pcp:127.0.0.1", "stun", "stun:11.0.0.1"] {
        let gateway = Gateway::start(&nat.parse().unwrap(), &SEED, loopback, loopback).unwrap();
        assert!(gateway.running.is_none(), "{nat}");
        assert!(gateway.told.is_empty() && gateway.told.is_closed(), "{nat}");
    }
    for nat in ["none", "extip:11.0.0.1"] {
        let gateway = Gateway::start(&nat.parse().unwrap(), &SEED, at("0.0.0.0:1"), None).unwrap();
        assert!(gateway.running.is_none(), "{nat}");
    }
}

#[test]
fn stun_servers_are_known_or_looked_up_and_nothing_runs_for_them() {
    let udp = at("0.0.0.0:1");
    let servers = |nat: &str| {
        let gateway = Gateway::start(&nat.parse().unwrap(), &SEED, None, udp).unwrap();
        assert!(gateway.is_over());
        match gateway.told.recv_blocking() {
            Ok(Told::Servers(servers)) => servers,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(servers("stun").len(), nat::stun::PUBLIC_SERVERS.len());
    assert_eq!(servers("stun:11.0.0.1"), ["11.0.0.1:3478".parse().unwrap()]);
    let named = servers("stun:localhost:99");
    assert!(named.iter().all(|server| server.ip().is_loopback() && server.port() == 99));
}

#[test]
fn a_stop_is_waited_for_a_second_at_most() {
    let nat: Nat = "pmp:127.0.0.1".parse().unwrap();
    let mut gateway = Gateway::start(&nat, &SEED, at("0.0.0.0:1"), None).unwrap();
    assert!(gateway.is_over(), "there is nothing to wait for while it runs");
    gateway.stop();
    let ends = gateway.deadline().unwrap();
    assert!(ends <= Wall::now() + limits::NAT_STOP_TIMEOUT);
    // It says that it has ended, whatever it said before.
    while !matches!(gateway.told.recv_blocking(), Ok(Told::Ended)) {}
    gateway.ended();
    assert!(gateway.is_over());
    assert_eq!(gateway.deadline(), None);
}
