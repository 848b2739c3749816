//! Where the gateway is: the system's default route, or a guess.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::fs;
use std::net::UdpSocket;

/// The gateway of the default route. Where the system does not tell, it is
/// guessed as geth does: the first address of our network, if that is private.
pub(super) fn gateway() -> Option<Ipv4Addr> {
    match fs::read_to_string("/proc/net/route") {
        Ok(table) => default_route(&table),
        Err(_) => guess(local_address((Ipv4Addr::new(192, 0, 2, 1), 9).into())?),
    }
}

/// The address that we send from to this one. Nothing is sent.
pub(super) fn local_address(to: SocketAddr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(to).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn guess(ours: Ipv4Addr) -> Option<Ipv4Addr> {
    let [a, b, c, _] = ours.octets();
    ours.is_private().then_some(Ipv4Addr::new(a, b, c, 1))
}

/// Linux's table, proc(5): interface, destination, gateway, flags, …, metric,
/// mask; addresses in hexadecimal as they lie in memory. Of several the one
/// with the least metric.
fn default_route(table: &str) -> Option<Ipv4Addr> {
    /// The route is up and leads to a gateway: `RTF_UP`, `RTF_GATEWAY`.
    const FLAGS: u32 = 3;
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hex = |place: usize| u32::from_str_radix(fields.get(place)?, 16).ok();
        let is_default = hex(1)? == 0 && hex(7)? == 0 && hex(3)? & FLAGS == FLAGS;
        let metric: u32 = fields.get(6)?.parse().ok()?;
        is_default.then_some((metric, Ipv4Addr::from(hex(2)?.to_ne_bytes())))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateway_is_that_of_the_default_route_with_the_least_metric() {
        let table = format!(
            "{HEAD}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t01014D0A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t00014D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        );
        assert_eq!(default_route(&table), Some(Ipv4Addr::new(10, 77, 1, 1)));
    }

    #[test]
    fn a_route_to_one_network_or_through_nobody_is_no_default_route() {
        let other = format!("{HEAD}eth0\t00014D0A\t01014D0A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        let nobody = format!("{HEAD}ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
        for table in [HEAD, "", "garbage\nmore garbage\n", &other, &nobody] {
            assert_eq!(default_route(table), None, "{table}");
        }
    }

    #[test]
    fn a_guess_is_the_first_address_of_a_private_network_and_of_no_other() {
        assert_eq!(guess(Ipv4Addr::new(10, 77, 1, 2)), Some(Ipv4Addr::new(10, 77, 1, 1)));
        assert_eq!(guess(Ipv4Addr::new(8, 8, 8, 8)), None);
    }

    #[test]
    fn we_send_to_this_machine_from_this_machine() {
        let local = local_address((Ipv4Addr::LOCALHOST, 9).into());
        assert_eq!(local, Some(Ipv4Addr::LOCALHOST));
    }
}
