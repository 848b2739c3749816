//! How many nodes of each subnet the table has.
//!
//! One who owns a subnet has all its addresses, and ids for nothing; so subnets
//! are counted, not addresses. Local networks are not counted: a test network
//! lives on one address, and from outside nobody is believed about them. geth
//! `DistinctNetSet`.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use crate::identity::{Subnet, is_lan};

/// Numbers of nodes. It has no more subnets than the table has nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Subnets(BTreeMap<Subnet, u16>);

impl Subnets {
    pub(super) fn count(&self, subnet: &Subnet) -> u16 {
        self.0.get(subnet).copied().unwrap_or(0)
    }

    pub(super) fn enter(&mut self, subnet: Option<Subnet>) {
        if let Some(subnet) = subnet {
            *self.0.entry(subnet).or_insert(0) += 1;
        }
    }

    pub(super) fn leave(&mut self, subnet: Option<Subnet>) {
        let Some(subnet) = subnet else { return };
        if let Some(count) = self.0.get_mut(&subnet) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&subnet);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Subnet, u16)> {
        self.0.iter().map(|(subnet, count)| (subnet, *count))
    }
}

/// The subnet that an address is counted for, if any.
pub(super) fn counted(ip: Option<IpAddr>, ipv4_bits: u8, ipv6_bits: u8) -> Option<Subnet> {
    let ip = ip.filter(|ip| !is_lan(*ip))?;
    let bits = match ip {
        IpAddr::V4(_) => ipv4_bits,
        IpAddr::V6(_) => ipv6_bits,
    };
    Some(Subnet::of(ip, bits))
}
