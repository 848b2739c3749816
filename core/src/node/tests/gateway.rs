//! What the gateway says goes into the record, and out of it again.

use core::net::IpAddr;

use super::harness::secret;
use crate::discv4;
use crate::entropy::Seed;
use crate::identity::{LocalEndpoints, Record};
use crate::machine::Machine as _;
use crate::nat::{External, Status};
use crate::node::{self, Config, Input, Node};
use crate::time::Now;

const OUT_THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(11, 22, 33, 44));

fn external(tcp: u16, udp: u16) -> External {
    External { ip: Some(OUT_THERE), tcp: Some(tcp), udp: Some(udp) }
}

fn with_gateway(node: &mut Node, external: External) {
    let status = Status { external, ..Status::default() };
    node.handle(Now::ZERO, Input::Gateway(status));
}

fn a_node(discovery: bool) -> Node {
    let mut config = Config::new(secret(1));
    config.discovery = discovery;
    config.listen_port = 30303;
    config.endpoints = LocalEndpoints {
        fallback_ip4: Some([10, 0, 0, 7].into()),
        fallback_udp: 30301,
        ..LocalEndpoints::default()
    };
    Node::new(config, &Seed::from_number(1), Now::ZERO).unwrap()
}

fn says(record: &Record) -> (Option<IpAddr>, u16, u16) {
    let endpoint = record.endpoint();
    (endpoint.ip, endpoint.tcp, endpoint.udp)
}

#[test]
fn what_the_gateway_maps_is_in_the_record_and_gone_with_it() {
    for discovery in [true, false] {
        let mut node = a_node(discovery);
        let before = says(node.local_record());
        with_gateway(&mut node, external(40303, 40301));
        let mapped = (Some(OUT_THERE), 40303, 40301);
        assert_eq!(says(node.local_record()), mapped, "discovery: {discovery}");
        let sequence = node.local_record().sequence();
        with_gateway(&mut node, external(40303, 40301));
        assert_eq!(node.local_record().sequence(), sequence, "nothing has changed");
        assert_eq!(node.snapshot().gateway.external, external(40303, 40301));
        with_gateway(&mut node, External::default());
        assert_eq!(says(node.local_record()), before);
    }
}

#[test]
fn what_the_application_says_later_stands_beside_what_the_gateway_says() {
    let mut node = a_node(true);
    with_gateway(&mut node, external(40303, 40301));
    let entry = node::Command::SetEntry { key: b"eth".to_vec(), value: Some(alloc::vec![5]) };
    let other = LocalEndpoints { fallback_udp: 9, ..LocalEndpoints::default() };
    let endpoints = node::Command::Discovery(discv4::Command::SetEndpoints(other));
    for (id, command) in [entry, endpoints].into_iter().enumerate() {
        let id = discv4::RequestId(id as u64);
        node.handle(Now::ZERO, Input::Command(id, command));
    }
    assert_eq!(says(node.local_record()), (Some(OUT_THERE), 40303, 40301));
    assert_eq!(node.local_record().get(b"eth"), Some(&[5][..]));
    with_gateway(&mut node, External::default());
    assert_eq!(node.local_record().endpoint().udp, 9);
    assert_eq!(node.local_record().get(b"eth"), Some(&[5][..]));
}

#[test]
fn a_node_that_does_not_listen_has_no_tcp_port_out_there_either() {
    let mut config = Config::new(secret(1));
    config.endpoints.fallback_udp = 30301;
    let mut node = Node::new(config, &Seed::from_number(1), Now::ZERO).unwrap();
    with_gateway(&mut node, external(40303, 40301));
    assert_eq!(says(node.local_record()), (Some(OUT_THERE), 0, 40301));
}
