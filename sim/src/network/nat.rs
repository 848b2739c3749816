//! Gateways that translate addresses, of the four classical kinds. RFC 3489,
//! section 5; RFC 4787 for time-outs and hairpinning.
//!
//! ```text
//!   192.168.0.2:30303 ─▶ [ mapping ] ─▶ 41.0.0.1:50001 ─▶ the world
//!                     ◀─ [ filter  ] ◀─
//! ```

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::time::Instant;

/// Whom a gateway lets in, and under which ports it is seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NatKind {
    /// One port for one port inside; everyone may send to it.
    FullCone,
    /// One port for one port inside; addresses that were sent to may answer.
    AddressRestricted,
    /// One port for one port inside; who was sent to may answer, from the port
    /// that it was sent to.
    PortRestricted,
    /// A port for each port inside and each destination; only that may answer.
    Symmetric,
}

impl NatKind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FullCone, Self::AddressRestricted, Self::PortRestricted, Self::Symmetric];
}

/// A gateway between a node and the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat {
    /// Whom it lets in.
    pub kind: NatKind,
    /// When it forgets a port that no datagram was sent from. Connections it keeps.
    pub time_out: Duration,
    /// Whether those inside reach each other by their outer addresses.
    pub hairpin: bool,
    /// Whether it maps a port for who asks: UPnP, NAT-PMP or PCP.
    pub maps_ports: bool,
}

/// The port under which each of the ports inside is to be reached, if it was
/// mapped: the same one, as every gateway tries first.
pub(crate) type Inside = SocketAddr;

#[derive(Debug)]
struct Mapping {
    inside: Inside,
    /// For a symmetric one: the only destination.
    only: Option<SocketAddr>,
    /// Who was sent to, and when last.
    sent_to: BTreeMap<SocketAddr, Instant>,
    used: Instant,
}

/// One gateway at work.
#[derive(Debug)]
pub(crate) struct Gateway {
    nat: Nat,
    ip: IpAddr,
    next_port: u16,
    next_tcp_port: u16,
    /// By outer port.
    mappings: BTreeMap<u16, Mapping>,
    /// By what is inside, and the destination if that matters.
    ports: BTreeMap<(Inside, Option<SocketAddr>), u16>,
    /// Ports mapped for who asked, by outer port.
    mapped: BTreeMap<u16, Inside>,
}

/// Outer ports are given out from here on, as far away from 30303 as can be.
const FIRST_PORT: u16 = 50_000;

/// Destinations that are remembered for one mapping.
const DESTINATIONS: usize = 1024;

impl Gateway {
    pub(crate) const fn new(nat: Nat, ip: IpAddr) -> Self {
        Self {
            nat,
            ip,
            next_port: FIRST_PORT,
            next_tcp_port: FIRST_PORT,
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            mapped: BTreeMap::new(),
        }
    }

    pub(crate) const fn nat(&self) -> &Nat {
        &self.nat
    }

    pub(crate) const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Maps a port for who asks for it, until it is asked to forget.
    pub(crate) fn map(&mut self, port: u16, inside: Inside) {
        self.mapped.insert(port, inside);
    }

    /// It is restarted: it forgets all that nobody asks for again, and may be
    /// seen elsewhere.
    pub(crate) fn restart(&mut self, ip: IpAddr) {
        self.ip = ip;
        self.mappings.clear();
        self.ports.clear();
    }

    /// What is sent from inside is seen outside as coming from there.
    pub(crate) fn outward(&mut self, now: Instant, from: Inside, to: SocketAddr) -> SocketAddr {
        if let Some((port, _)) = self.mapped.iter().find(|(_, inside)| **inside == from) {
            return (self.ip, *port).into();
        }
        let only = (self.nat.kind == NatKind::Symmetric).then_some(to);
        let port = match self.ports.get(&(from, only)).copied() {
            Some(port) if !self.is_forgotten(port, now) => port,
            Some(_) | None => self.open(now, from, only),
        };
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            if mapping.sent_to.len() >= DESTINATIONS && !mapping.sent_to.contains_key(&to) {
                let longest_ago = mapping.sent_to.iter().min_by_key(|(_, at)| **at);
                if let Some(longest_ago) = longest_ago.map(|(to, _)| *to) {
                    mapping.sent_to.remove(&longest_ago);
                }
            }
            mapping.sent_to.insert(to, now);
        }
        (self.ip, port).into()
    }

    /// From where a connection is seen to come that is made from inside. What belongs to it
    /// finds its way by itself, as it is the connection's alone.
    pub(crate) const fn outward_tcp(&mut self) -> SocketAddr {
        SocketAddr::new(self.ip, take_port(&mut self.next_tcp_port))
    }

    /// Where inside a datagram goes that comes from outside, if anywhere.
    pub(crate) fn inward(&self, now: Instant, port: u16, from: SocketAddr) -> Option<Inside> {
        if let Some(inside) = self.mapped.get(&port) {
            return Some(*inside);
        }
        let mapping = self.mappings.get(&port)?;
        let fresh = |at: &Instant| *at + self.nat.time_out >= now;
        if !fresh(&mapping.used) {
            return None;
        }
        let admitted = match self.nat.kind {
            NatKind::FullCone => true,
            NatKind::AddressRestricted => {
                let at = |port| SocketAddr::new(from.ip(), port);
                let (first, last) = (at(u16::MIN), at(u16::MAX));
                mapping.sent_to.range::<SocketAddr, _>(first..=last).any(|(_, at)| fresh(at))
            }
            NatKind::PortRestricted | NatKind::Symmetric => {
                mapping.sent_to.get(&from).is_some_and(fresh)
            }
        };
        admitted.then_some(mapping.inside)
    }

    /// Where inside a TCP connection goes that comes from outside: only ports
    /// that were mapped are open.
    pub(crate) fn inward_tcp(&self, port: u16) -> Option<Inside> {
        self.mapped.get(&port).copied()
    }

    fn is_forgotten(&self, port: u16, now: Instant) -> bool {
        self.mappings.get(&port).is_none_or(|mapping| mapping.used + self.nat.time_out < now)
    }

    fn open(&mut self, now: Instant, inside: Inside, only: Option<SocketAddr>) -> u16 {
        let port = take_port(&mut self.next_port);
        if let Some(before) = self.mappings.remove(&port) {
            self.ports.remove(&(before.inside, before.only));
        }
        if let Some(before) = self.ports.insert((inside, only), port) {
            self.mappings.remove(&before);
        }
        self.mappings.insert(port, Mapping { inside, only, sent_to: BTreeMap::new(), used: now });
        port
    }
}

/// The next port, after the last the first again.
const fn take_port(next: &mut u16) -> u16 {
    let port = *next;
    *next = match port.checked_add(1) {
        Some(next) => next,
        None => FIRST_PORT,
    };
    port
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: &str = "192.168.0.2:30303";
    const NAT: Nat = Nat {
        kind: NatKind::FullCone,
        time_out: Duration::from_secs(60),
        hairpin: false,
        maps_ports: false,
    };

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn gateway(kind: NatKind) -> Gateway {
        Gateway::new(Nat { kind, ..NAT }, "41.0.0.1".parse().unwrap())
    }

    #[test]
    fn each_kind_lets_in_whom_it_should() {
        let (asked, same_host) = (address("20.0.0.1:30303"), address("20.0.0.1:999"));
        let stranger = address("20.0.0.2:30303");
        for (kind, lets) in [
            (NatKind::FullCone, [true, true, true]),
            (NatKind::AddressRestricted, [true, true, false]),
            (NatKind::PortRestricted, [true, false, false]),
            (NatKind::Symmetric, [true, false, false]),
        ] {
            let mut gateway = gateway(kind);
            let now = Instant::from_secs(1);
            let seen = gateway.outward(now, address(INSIDE), asked);
            let let_in = [asked, same_host, stranger]
                .map(|from| gateway.inward(now, seen.port(), from) == Some(address(INSIDE)));
            assert_eq!(let_in, lets, "{kind:?}");
        }
    }

    #[test]
    fn only_a_symmetric_one_is_seen_under_many_ports() {
        for kind in NatKind::ALL {
            let mut gateway = gateway(kind);
            let [one, other] = ["20.0.0.1:30303", "20.0.0.2:30303"]
                .map(|to| gateway.outward(Instant::ZERO, address(INSIDE), address(to)));
            assert_eq!(one != other, kind == NatKind::Symmetric, "{kind:?}");
        }
    }

    #[test]
    fn a_port_is_forgotten_in_time_and_another_one_is_opened() {
        let mut gateway = gateway(NatKind::FullCone);
        let to = address("20.0.0.1:30303");
        let seen = gateway.outward(Instant::ZERO, address(INSIDE), to);
        assert!(gateway.inward(Instant::from_secs(60), seen.port(), to).is_some());
        assert_eq!(gateway.inward(Instant::from_secs(61), seen.port(), to), None);
        let later = gateway.outward(Instant::from_secs(61), address(INSIDE), to);
        assert_ne!(later, seen);
        assert_eq!(gateway.inward(Instant::from_secs(61), seen.port(), to), None);
        assert_eq!(gateway.mappings.len(), 1);
    }

    #[test]
    fn a_mapped_port_is_open_to_everyone_and_is_what_is_seen() {
        let mut gateway = gateway(NatKind::Symmetric);
        gateway.map(30303, address(INSIDE));
        let stranger = address("20.0.0.2:30303");
        assert_eq!(gateway.inward(Instant::ZERO, 30303, stranger), Some(address(INSIDE)));
        assert_eq!(gateway.inward_tcp(30303), Some(address(INSIDE)));
        let seen = gateway.outward(Instant::ZERO, address(INSIDE), stranger);
        assert_eq!(seen, address("41.0.0.1:30303"));
    }
}
