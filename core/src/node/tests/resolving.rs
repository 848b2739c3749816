//! Static nodes that discovery has to find: geth's `TestDialSchedResolve`, and
//! what their records may say.

use core::net::{IpAddr, SocketAddr};

use alloc::vec::Vec;

use super::harness::*;
use crate::discv4::{EnrResponse, Packet, PacketEndpoint, Ping, Pong};
use crate::identity::{NetRestrict, Record, RecordBuilder};
use crate::limits;
use crate::node::{Config, DialFailure};

fn with_discovery() -> Config {
    let mut config = config();
    config.discovery = true;
    config.static_nodes = [enode(1)].into();
    config
}

/// The record of node 1 once it has moved.
fn record(ip: IpAddr, tcp: Option<u16>) -> Record {
    let record = RecordBuilder::new(5).ip(ip).udp(30303);
    tcp.into_iter().fold(record, RecordBuilder::tcp).sign(&secret(1)).unwrap()
}

/// Nobody listens where node 1 is dialled, but it answers there: that it is there,
/// and with this record.
fn resolve(lone: &mut Lone, record: &Record) {
    let dial = lone.dialled(1).expect("nobody dials it");
    lone.not_connected(dial, DialFailure::Refused);
    let expiration = lone.now.unix.as_secs() + 20;
    let here = PacketEndpoint::new(address(1), 0);
    for _ in 0..10 {
        for (to, datagram) in core::mem::take(&mut lone.sent) {
            let hash = *datagram.first_chunk().unwrap();
            match datagram[limits::PACKET_HEAD] {
                1 if to == address(1) => {
                    let pong = Pong { to: here, ping_hash: hash, expiration, enr_sequence: None };
                    lone.hear(1, &Packet::Pong(pong));
                    let ping = Ping {
                        version: Ping::VERSION,
                        from: here,
                        to: here,
                        expiration,
                        enr_sequence: None,
                    };
                    lone.hear(1, &Packet::Ping(ping));
                }
                5 if to == address(1) => {
                    let record = record.as_rlp().to_vec();
                    let response = EnrResponse { request_hash: hash, record };
                    lone.hear(1, &Packet::EnrResponse(response));
                }
                _ => {}
            }
        }
        lone.wait(SECOND / 10);
    }
}

/// Where it is dialled from now on in this attempt, each in vain.
fn tries(lone: &mut Lone) -> Vec<SocketAddr> {
    core::iter::from_fn(|| {
        let (dial, to, _) = lone.connects.pop()?;
        lone.not_connected(dial, DialFailure::Refused);
        Some(to)
    })
    .collect()
}

#[test]
fn a_static_node_is_dialled_where_its_record_says_and_then_where_we_were_told() {
    let mut lone = Lone::new(with_discovery());
    let moved = record(address(2).ip(), Some(7));
    resolve(&mut lone, &moved);
    let there = SocketAddr::new(address(2).ip(), 7);
    assert_eq!(tries(&mut lone), [there], "once more, and not a third time");
    lone.wait(35 * SECOND);
    // Its record may be wrong: an address behind its router, say.
    assert_eq!(tries(&mut lone), [there, address(1)]);
}

#[test]
fn a_bootnode_outside_of_our_networks_is_not_asked() {
    let mut config = with_discovery();
    config.static_nodes.clear();
    config.bootstrap_nodes = [contact(1)].into();
    assert!(!Lone::new(config.clone()).sent.is_empty());
    config.net_restrict = Some(NetRestrict::new(["10.0.0.0/8".parse().unwrap()]));
    assert!(Lone::new(config).sent.is_empty());
}

#[test]
fn a_record_without_a_tcp_port_does_not_cost_us_the_node() {
    let mut lone = Lone::new(with_discovery());
    resolve(&mut lone, &record(address(2).ip(), None));
    assert_eq!(lone.counts().dials_failed.of(DialFailure::Refused), 1);
    assert!(tries(&mut lone).is_empty());
    lone.wait(35 * SECOND);
    assert_eq!(tries(&mut lone), [address(1)]);
}

#[test]
fn a_record_outside_of_our_networks_does_not_cost_us_the_node() {
    let mut config = with_discovery();
    config.net_restrict = Some(NetRestrict::new(["33.0.0.0/8".parse().unwrap()]));
    let mut lone = Lone::new(config);
    resolve(&mut lone, &record([8, 8, 8, 8].into(), Some(30303)));
    assert_eq!(lone.counts().dials_failed.of(DialFailure::Refused), 1);
    assert!(tries(&mut lone).is_empty());
    lone.wait(35 * SECOND);
    assert_eq!(tries(&mut lone), [address(1)]);
}
