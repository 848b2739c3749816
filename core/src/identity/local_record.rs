//! Our own record: what it says, and when a new one is due.
//!
//! ```text
//!            static address       its port is the fallback port
//!   before   predicted endpoint   what enough others state, address and port
//!   before   fallback address     and fallback port
//! ```
//!
//! so for each family of addresses. geth `enode.LocalNode`. Other than geth's,
//! the record changes only if it says something else than before: what was
//! changed and changed back in between leaves no trace.

use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::endpoint_statements::EndpointStatements;
use super::{Record, RecordBuilder, RecordError};
use crate::crypto::SecretKey;
use crate::time::{Instant, UnixTime};

/// What we are told of our own endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LocalEndpoints {
    /// The IPv4 address, whatever others state.
    pub static_ip4: Option<Ipv4Addr>,
    /// The IPv6 address, whatever others state.
    pub static_ip6: Option<Ipv6Addr>,
    /// The IPv4 address as long as others do not state one.
    pub fallback_ip4: Option<Ipv4Addr>,
    /// The IPv6 address as long as others do not state one.
    pub fallback_ip6: Option<Ipv6Addr>,
    /// The UDP port as long as others do not state one, for both families; 0
    /// if we do not listen.
    pub fallback_udp: u16,
}

impl LocalEndpoints {
    /// This is our address in its family, whatever others state; an IPv4 address
    /// mapped into IPv6 is one of IPv4.
    pub const fn set_static(&mut self, ip: IpAddr) {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.static_ip4 = Some(ip),
            IpAddr::V6(ip) => self.static_ip6 = Some(ip),
        }
    }
}

/// Our own record, signed anew when what it says changes.
///
/// Every change returns the new sequence number if there is a new record. It
/// is to be stored, and given to [`LocalRecord::new`] after a restart.
///
/// ```
/// use devp2p_core::crypto::SecretKey;
/// use devp2p_core::identity::{LocalEndpoints, LocalRecord, RecordBuilder};
/// use devp2p_core::time::Now;
///
/// let key = SecretKey::from_bytes(&[1; 32])?;
/// let mut endpoints = LocalEndpoints { fallback_udp: 30303, ..Default::default() };
/// let entries = RecordBuilder::new(0).tcp(30303);
/// let now = Now::ZERO;
/// let mut local = LocalRecord::new(key, Some(7), now.unix, entries, endpoints)?;
/// assert_eq!(local.record().sequence(), 8);
///
/// endpoints.static_ip4 = Some([1, 2, 3, 4].into());
/// assert_eq!(local.set_endpoints(now.mono, endpoints), Some(9));
/// assert_eq!(local.set_endpoints(now.mono, endpoints), None);
/// assert_eq!(local.record().endpoint().ip, Some([1, 2, 3, 4].into()));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalRecord {
    key: SecretKey,
    entries: RecordBuilder,
    endpoints: LocalEndpoints,
    statements4: EndpointStatements,
    statements6: EndpointStatements,
    /// What was predicted of both families when it was last looked at.
    predicted: [Option<SocketAddr>; 2],
    /// What `record` says, without scheme and key.
    said: RecordBuilder,
    record: Arc<Record>,
}

impl LocalRecord {
    /// The first record after a start. Its sequence number follows the stored
    /// one or, where none is stored, the milliseconds since 1970, as in geth;
    /// it is to be stored.
    ///
    /// `entries` are those that have nothing to do with our address: "ip",
    /// "ip6", "udp" and "udp6" among them are left out, as is their sequence
    /// number. Fails if there is no room for them, or no sequence number left.
    pub fn new(
        key: SecretKey,
        stored: Option<u64>,
        now: UnixTime,
        entries: RecordBuilder,
        endpoints: LocalEndpoints,
    ) -> Result<Self, RecordError> {
        check_room(&entries)?;
        let last = stored.filter(|stored| *stored != 0).unwrap_or(now.as_millis());
        let sequence = last.checked_add(1).ok_or(RecordError::SequenceExhausted)?;
        let said = with_endpoints(entries.clone(), &endpoints, None, None);
        let record = Arc::new(said.clone().sequence(sequence).sign(&key)?);
        let statements4 = EndpointStatements::new();
        let statements6 = EndpointStatements::new();
        let predicted = [None; 2];
        Ok(Self { key, entries, endpoints, statements4, statements6, predicted, said, record })
    }

    /// Goes on from the sequence number of an earlier run, which has become known
    /// only now: the same is said again, under the number after that. The caller
    /// knows whether anybody has seen a higher one.
    #[must_use = "a new sequence number is to be stored"]
    pub fn resume(&mut self, stored: u64) -> Option<u64> {
        let sequence = stored.checked_add(1)?;
        self.record = Arc::new(self.said.clone().sequence(sequence).sign(&self.key).ok()?);
        Some(sequence)
    }

    /// The current record.
    pub const fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// The key that signs it.
    pub const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// What the record says besides our endpoint.
    pub const fn entries(&self) -> &RecordBuilder {
        &self.entries
    }

    /// Replaces what the record says besides our endpoint, by the rules of
    /// [`LocalRecord::new`]. Without room for it nothing changes.
    pub fn set_entries(
        &mut self,
        now: Instant,
        entries: RecordBuilder,
    ) -> Result<Option<u64>, RecordError> {
        check_room(&entries)?;
        self.entries = entries;
        self.predict(now);
        Ok(self.renew())
    }

    /// What we were told of our endpoint.
    pub const fn endpoints(&self) -> &LocalEndpoints {
        &self.endpoints
    }

    /// Replaces what we were told of our endpoint.
    #[must_use = "a new sequence number is to be stored"]
    pub fn set_endpoints(&mut self, now: Instant, endpoints: LocalEndpoints) -> Option<u64> {
        self.endpoints = endpoints;
        self.predict(now);
        self.renew()
    }

    /// A host says that it sees us at `endpoint`. The caller knows that it
    /// really was that host, and that we asked it.
    #[must_use = "a new sequence number is to be stored"]
    pub fn add_statement(
        &mut self,
        now: Instant,
        host: IpAddr,
        endpoint: SocketAddr,
    ) -> Option<u64> {
        let ip = endpoint.ip().to_canonical();
        if !ip.is_unspecified() && !ip.is_multicast() && endpoint.port() != 0 {
            let statements = match ip {
                IpAddr::V4(_) => &mut self.statements4,
                IpAddr::V6(_) => &mut self.statements6,
            };
            statements.add(now, host.to_canonical(), SocketAddr::new(ip, endpoint.port()));
        }
        self.refresh(now)
    }

    /// Forgets statements that are too old. Nothing else happens by time.
    #[must_use = "a new sequence number is to be stored"]
    pub fn refresh(&mut self, now: Instant) -> Option<u64> {
        if self.predict(now) { self.renew() } else { None }
    }

    /// Whether others see us elsewhere than before.
    fn predict(&mut self, now: Instant) -> bool {
        let predicted = [self.statements4.predict(now), self.statements6.predict(now)];
        core::mem::replace(&mut self.predicted, predicted) != predicted
    }

    /// A new record, if it would say something else.
    fn renew(&mut self) -> Option<u64> {
        let [predicted4, predicted6] = self.predicted;
        let entries = self.entries.clone();
        let said = with_endpoints(entries, &self.endpoints, predicted4, predicted6);
        if said == self.said {
            return None;
        }
        // There is room, so only the last sequence number of all can be in the
        // way; then others keep the record that they have.
        let sequence = self.record.sequence().checked_add(1)?;
        self.record = Arc::new(said.clone().sequence(sequence).sign(&self.key).ok()?);
        self.said = said;
        Some(sequence)
    }
}

/// Whether the record fits with the longest endpoint and sequence number.
fn check_room(entries: &RecordBuilder) -> Result<(), RecordError> {
    let full = entries.clone().ip(Ipv4Addr::BROADCAST.into()).ip([0xff; 16].into());
    full.udp(u16::MAX).udp6(u16::MAX).sequence(u64::MAX).check_size()
}

fn with_endpoints(
    entries: RecordBuilder,
    endpoints: &LocalEndpoints,
    predicted4: Option<SocketAddr>,
    predicted6: Option<SocketAddr>,
) -> RecordBuilder {
    let udp = endpoints.fallback_udp;
    let choose = |fixed: Option<IpAddr>, predicted: Option<SocketAddr>, fallback| match predicted {
        _ if fixed.is_some() => (fixed, udp),
        Some(endpoint) => (Some(endpoint.ip()), endpoint.port()),
        None => (fallback, udp),
    };
    let LocalEndpoints { static_ip4, static_ip6, fallback_ip4, fallback_ip6, .. } = *endpoints;
    let (ip4, udp4) = choose(static_ip4.map(Into::into), predicted4, fallback_ip4.map(Into::into));
    let (ip6, udp6) = choose(static_ip6.map(Into::into), predicted6, fallback_ip6.map(Into::into));

    let mut record =
        entries.sequence(0).remove(b"ip").remove(b"ip6").remove(b"udp").remove(b"udp6");
    for ip in [ip4, ip6].into_iter().flatten().filter(|ip| !ip.is_unspecified()) {
        record = record.ip(ip);
    }
    if udp4 != 0 {
        record = record.udp(udp4);
    }
    if udp6 != 0 && udp6 != udp4 {
        record = record.udp6(udp6);
    }
    record
}

#[cfg(test)]
mod tests;
