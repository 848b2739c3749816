//! Which address and port a STUN server sees: its packets, as far as a client
//! without credentials needs them, and when to ask whom. RFC 8489.
//!
//! ```text
//! request    0001 · 0000 · 2112A442 · transaction (12)
//! response   0101 · length · 2112A442 · transaction · attributes
//! attribute  type · length · value · 0 to 3 bytes more
//! ```
//!
//! They share discovery's socket, so that the port seen is discovery's. What
//! is no answer to the question under way is left to discovery.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use alloc::vec::Vec;

use super::counts::increment;
use super::{Counts, External, Failure, Status, field, is_public};
use crate::entropy::Rng;
use crate::limits;
use crate::time::{Deadline, Instant};

mod servers;

pub use servers::PUBLIC_SERVERS;

/// Bytes before the attributes.
const HEAD: usize = 20;

/// RFC 8489, section 5: what every packet has in its place.
const COOKIE: u32 = 0x2112_A442;

const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// Tells the answers to one question from all others.
pub type Transaction = [u8; 12];

/// Asks what our address is.
pub fn binding_request(transaction: &Transaction) -> [u8; HEAD] {
    let mut request = [0; HEAD];
    request[..2].copy_from_slice(&REQUEST.to_be_bytes());
    request[4..8].copy_from_slice(&COOKIE.to_be_bytes());
    request[8..].copy_from_slice(transaction);
    request
}

/// Reads an answer to the request of this transaction: where the server sees us.
/// `Ok(None)` is something else.
///
/// Fails with [`Failure::Refused`] by the server's number, or
/// [`Failure::Malformed`]. Source: RFC 8489, sections 5 and 14.
pub fn read_binding(
    bytes: &[u8],
    transaction: &Transaction,
) -> Result<Option<SocketAddr>, Failure> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    if head[4..8] != COOKIE.to_be_bytes() || head[8..] != transaction[..] {
        return Ok(None);
    }
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if !length.is_multiple_of(4) || bytes.len() != HEAD + length {
        return Err(Failure::Malformed);
    }
    match kind {
        SUCCESS => read_address(&bytes[HEAD..], transaction).map(Some),
        ERROR => Err(Failure::Refused(error_code(&bytes[HEAD..]))),
        _ => Err(Failure::Malformed),
    }
}

/// The address that is not masked is for servers of before RFC 5389, and it is
/// what gateways rewrite: it comes second.
fn read_address(attributes: &[u8], transaction: &Transaction) -> Result<SocketAddr, Failure> {
    let find = |wanted| Attributes(attributes).find(|(kind, _)| *kind == wanted);
    let (masked, value) = match (find(XOR_MAPPED_ADDRESS), find(MAPPED_ADDRESS)) {
        (Some((_, value)), _) => (true, value),
        (None, Some((_, value))) => (false, value),
        (None, None) => return Err(Failure::Malformed),
    };
    let [_, family, high, low] = field::<4>(value, 0).ok_or(Failure::Malformed)?;
    let mut mask = [0; 16];
    if masked {
        mask[..4].copy_from_slice(&COOKIE.to_be_bytes());
        mask[4..].copy_from_slice(transaction);
    }
    let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
    let ip = match (family, value.len()) {
        (1, 8) => {
            let mut ip: [u8; 4] = field(value, 4).ok_or(Failure::Malformed)?;
            ip.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
            IpAddr::V4(Ipv4Addr::from(ip))
        }
        (2, 20) => {
            let mut ip: [u8; 16] = field(value, 4).ok_or(Failure::Malformed)?;
            ip.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
            IpAddr::V6(Ipv6Addr::from(ip))
        }
        (_, _) => return Err(Failure::Malformed),
    };
    Ok(SocketAddr::new(ip.to_canonical(), port))
}

/// RFC 8489, section 14.8; 0 if there is none.
fn error_code(attributes: &[u8]) -> u16 {
    let Some((_, value)) = Attributes(attributes).find(|(kind, _)| *kind == ERROR_CODE) else {
        return 0;
    };
    let [_, _, class, number] = field::<4>(value, 0).unwrap_or_default();
    u16::from(class & 7) * 100 + u16::from(number % 100)
}

/// Type and value of each, as far as they are whole.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = field::<4>(self.0, 0)?;
        let length = usize::from(u16::from_be_bytes([c, d]));
        let value = self.0.get(4..4 + length)?;
        self.0 = self.0.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_be_bytes([a, b]), value))
    }
}

/// Asks STUN servers where they see us, again and again.
pub struct Query {
    servers: Vec<SocketAddr>,
    /// Draws servers and transactions: who cannot see our question cannot answer
    /// it.
    rng: Rng,
    /// The next question, or the next time that this one is put.
    at: Instant,
    asking: Option<Asking>,
    /// Servers that were asked in vain since the last answer or interval.
    silent: usize,
    seen: Option<SocketAddr>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Asking {
    server: SocketAddr,
    transaction: Transaction,
    sent: u32,
}

impl Query {
    /// Begins as soon as it is asked for what to send. Without servers it never
    /// sends anything.
    pub const fn new(servers: Vec<SocketAddr>, rng: Rng) -> Self {
        let at = Instant::ZERO;
        Self { servers, rng, at, asking: None, silent: 0, seen: None, counts: Counts::new() }
    }

    /// What to send now, and where to: to be asked for at the deadline, until
    /// there is nothing.
    pub fn next_request(&mut self, now: Instant) -> Option<(SocketAddr, [u8; HEAD])> {
        if self.servers.is_empty() || self.at > now {
            return None;
        }
        if self.asking.is_some_and(|asking| asking.sent >= limits::STUN_TRIES) {
            self.fail(now, Failure::Silent);
            if self.at > now {
                return None;
            }
        }
        let mut asking = match self.asking {
            Some(asking) => asking,
            None => self.choose()?,
        };
        self.at = now + limits::STUN_REPLY_TIMEOUT * (1 << asking.sent.min(8));
        asking.sent += 1;
        self.asking = Some(asking);
        Some((asking.server, binding_request(&asking.transaction)))
    }

    fn choose(&mut self) -> Option<Asking> {
        let count = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        let chosen = usize::try_from(self.rng.below(count)).ok()?;
        let server = *self.servers.get(chosen)?;
        Some(Asking { server, transaction: self.rng.bytes(), sent: 0 })
    }

    /// A datagram has come: whether it is an answer to the question under way,
    /// and so not discovery's.
    pub fn received(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some(asking) = self.asking.filter(|asking| asking.server == source) else {
            return false;
        };
        match read_binding(bytes, &asking.transaction) {
            Ok(None) => return false,
            Ok(Some(seen)) if is_public(seen.ip()) && seen.port() != 0 => self.answered(now, seen),
            Ok(Some(_)) => self.fail(now, Failure::BadAddress),
            Err(failure) => self.fail(now, failure),
        }
        true
    }

    fn answered(&mut self, now: Instant, seen: SocketAddr) {
        increment(&mut self.counts.mapped);
        (self.seen, self.asking, self.silent) = (Some(seen), None, 0);
        self.at = now + limits::STUN_INTERVAL;
    }

    /// Another server, or later. What was seen before is as good as it was: the
    /// server has failed, not we.
    fn fail(&mut self, now: Instant, failure: Failure) {
        self.counts.failed(failure);
        self.asking = None;
        self.silent += 1;
        self.at = now;
        if self.silent >= limits::STUN_SERVERS {
            self.silent = 0;
            self.at = now + limits::STUN_INTERVAL;
        }
    }

    /// When to ask for the next request.
    pub fn deadline(&self) -> Option<Deadline> {
        let deadline = Deadline { at: self.at, reason: "STUN" };
        (!self.servers.is_empty()).then_some(deadline)
    }

    /// Where we are seen. Nothing is known of TCP.
    pub fn status(&self) -> Status {
        let external = External {
            ip: self.seen.map(|seen| seen.ip()),
            tcp: None,
            udp: self.seen.map(|seen| seen.port()),
        };
        Status { external, method: None, counts: self.counts }
    }
}

/// Without what is random.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = &self.seen;
        f.debug_struct("Query").field("seen", seen).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use hex_literal::hex;

    use super::*;
    use crate::entropy::Seed;

    /// RFC 5769, section 2.2 and 2.3: what their responses say, without the
    /// credentials.
    const TRANSACTION: Transaction = hex!("b7e7a701bc34d686fa87dfae");

    fn response(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = hex!("0101 0000 2112a442 b7e7a701bc34d686fa87dfae").to_vec();
        bytes[3] = u8::try_from(attributes.len()).unwrap();
        bytes.extend_from_slice(attributes);
        bytes
    }

    #[test]
    fn the_published_responses_are_read() {
        let read = |attributes: &[u8]| read_binding(&response(attributes), &TRANSACTION);
        let software = hex!("8022 000b 7465737420766563746f7220");
        let ip4 = hex!("0020 0008 0001a147e112a643");
        let both = [&software[..], &ip4].concat();
        assert_eq!(read(&both), Ok(Some("192.0.2.1:32853".parse().unwrap())));
        let ip6 = hex!("0020 0014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9");
        let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        assert_eq!(read(&ip6), Ok(Some(expected)));
    }

    #[test]
    fn an_old_server_names_the_address_unmasked() {
        let bytes = response(&hex!("0001 0008 0001 8055 c0000201"));
        let expected = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(read_binding(&bytes, &TRANSACTION), Ok(Some(expected)));
    }

    #[test]
    fn what_has_another_transaction_or_cookie_is_not_ours() {
        let good = response(&hex!("0001 0008 0001 8055 c0000201"));
        for place in 4..HEAD {
            let mut other = good.clone();
            other[place] ^= 1;
            assert_eq!(read_binding(&other, &TRANSACTION), Ok(None), "{place}");
        }
        assert_eq!(read_binding(&good[..19], &TRANSACTION), Ok(None));
        assert_eq!(read_binding(&[0; 98], &TRANSACTION), Ok(None));
    }

    #[test]
    fn refusals_and_nonsense_have_their_names() {
        let read = |bytes: &[u8]| read_binding(bytes, &TRANSACTION);
        let mut refusal = response(&hex!("0009 0004 00000414"));
        refusal[1] = 0x11;
        assert_eq!(read(&refusal), Err(Failure::Refused(420)));
        assert_eq!(read(&response(&[])), Err(Failure::Malformed));
        assert_eq!(read(&response(&hex!("0020 0008 0003a147e112a643"))), Err(Failure::Malformed));
        assert_eq!(read(&response(&hex!("0020 ffff 0001a147e112a643"))), Err(Failure::Malformed));
        let whole = response(&hex!("0020 0008 0001a147e112a643"));
        for length in HEAD..whole.len() {
            assert_eq!(read(&whole[..length]), Err(Failure::Malformed), "{length}");
        }
        let mut longer = whole;
        longer.extend_from_slice(&[0; 4]);
        assert_eq!(read(&longer), Err(Failure::Malformed));
    }

    /// For one server.
    const PATIENCE: Duration = Duration::from_millis(500 + 1000 + 2000);

    const SERVER: &str = "11.0.0.1:3478";

    fn query(servers: &[&str]) -> Query {
        let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        Query::new(servers, Seed::from_number(1).secrets())
    }

    fn answer_to(request: &[u8; HEAD], seen: [u8; 6]) -> Vec<u8> {
        let mut bytes = request.to_vec();
        (bytes[0], bytes[3]) = (1, 12);
        bytes.extend_from_slice(&hex!("0001 0008 0001"));
        bytes.extend_from_slice(&seen);
        bytes
    }

    /// 77.12.33.4:30303
    const SEEN: [u8; 6] = hex!("765f 4d0c2104");

    #[test]
    fn an_answer_says_address_and_port_and_is_asked_for_again_in_two_minutes() {
        let mut query = query(&[SERVER]);
        let now = Instant::from_secs(5);
        let (server, request) = query.next_request(now).unwrap();
        assert_eq!(query.next_request(now), None);
        assert!(query.received(now, server, &answer_to(&request, SEEN)));
        let external = query.status().external;
        assert_eq!(external.ip, Some([77, 12, 33, 4].into()));
        assert_eq!((external.tcp, external.udp), (None, Some(30303)));
        assert_eq!(query.deadline().unwrap().at, now + limits::STUN_INTERVAL);
        assert_eq!(query.next_request(now), None);
    }

    #[test]
    fn only_the_server_that_was_asked_is_believed_and_only_once() {
        let mut query = query(&[SERVER]);
        let now = Instant::from_secs(5);
        assert!(!query.received(now, SERVER.parse().unwrap(), &[0; 20]));
        let (server, request) = query.next_request(now).unwrap();
        let answer = answer_to(&request, SEEN);
        assert!(!query.received(now, "11.0.0.2:3478".parse().unwrap(), &answer));
        assert!(!query.received(now, server, b"a packet of discovery"));
        assert!(query.received(now, server, &answer));
        assert!(!query.received(now, server, &answer));
    }

    #[test]
    fn a_silent_server_is_asked_three_times_and_three_servers_before_the_next_interval() {
        let mut query = query(&[SERVER, "11.0.0.2:3478", "11.0.0.3:3478"]);
        let (mut now, mut sent) = (Instant::from_secs(5), 0);
        while now < Instant::from_secs(60) {
            while query.next_request(now).is_some() {
                sent += 1;
            }
            let next = query.deadline().unwrap().at;
            assert!(next > now);
            now = next;
        }
        assert_eq!(sent, 9);
        assert_eq!(query.status().counts.failures(Failure::Silent), 3);
        assert_eq!(now, Instant::from_secs(5) + 3 * PATIENCE + limits::STUN_INTERVAL);
    }

    #[test]
    fn a_server_that_lies_about_the_address_changes_nothing() {
        let mut query = query(&[SERVER]);
        let now = Instant::from_secs(5);
        for seen in [hex!("765f 0a000001"), hex!("0000 4d0c2104"), hex!("765f e0000001")] {
            let (server, request) = query.next_request(now).unwrap();
            assert!(query.received(now, server, &answer_to(&request, seen)));
            assert_eq!(query.status().external, External::default());
        }
        assert_eq!(query.status().counts.failures(Failure::BadAddress), 3);
        assert_eq!(query.next_request(now), None);
    }
}
