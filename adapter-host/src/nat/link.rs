//! Speaking to a gateway: one question, one answer, within time and bytes.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::Instant;

use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::nat::pcp::{self, Nonce};
use devp2p_core::nat::{Failure, Gateway, Grant, Method, Protocol, pmp};

#[cfg(feature = "upnp")]
use super::upnp::Upnp;
use super::{StopSign, route};

/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The way to the gateway.
#[derive(Debug)]
pub(super) struct Link {
    /// Where the operator says that it is.
    named: Option<Ipv4Addr>,
    /// Where it listens: another port in tests.
    port: u16,
    /// The address of ours that is to be reached; unspecified is any.
    bound: Ipv4Addr,
    /// TCP's and UDP's.
    nonces: [Nonce; 2],
    pub(super) stop: StopSign,
    strays: u64,
    #[cfg(feature = "upnp")]
    upnp: Upnp,
}

impl Link {
    /// The seed is the same with each start: a gateway that knows us by our nonce
    /// would refuse us after a crash, until our mappings are over (RFC 6887, section
    /// 11.3).
    pub(super) fn new(
        named: Option<Ipv4Addr>,
        bound: Ipv4Addr,
        nonces: &Seed,
        stop: StopSign,
    ) -> Self {
        let mut secrets = nonces.secrets();
        let nonces = [secrets.bytes(), secrets.bytes()];
        #[cfg(feature = "upnp")]
        let upnp = Upnp::new(bound);
        Self {
            named,
            port: pmp::PORT,
            bound,
            nonces,
            stop,
            strays: 0,
            #[cfg(feature = "upnp")]
            upnp,
        }
    }

    /// Whether the gateway is there.
    pub(super) fn ask(&mut self, method: Method) -> Result<Gateway, Failure> {
        match method {
            Method::Pcp => {
                let request = |client| pcp::announce_request(client).to_vec();
                let epoch = self.exchange(request, |_, bytes| pcp::read_announcement(bytes))?;
                Ok(Gateway { address: None, epoch: Some(epoch) })
            }
            Method::Pmp => {
                let request = |_| pmp::address_request().to_vec();
                let answer = self.exchange(request, |_, bytes| pmp::read_address(bytes))?;
                let address = Some(IpAddr::V4(answer.address));
                Ok(Gateway { address, epoch: Some(answer.epoch) })
            }
            #[cfg(feature = "upnp")]
            Method::Upnp => self.upnp.ask(&self.stop),
            #[cfg(not(feature = "upnp"))]
            Method::Upnp => Err(Failure::Unsupported),
        }
    }

    /// Has a port mapped for so many seconds.
    pub(super) fn map(
        &mut self,
        method: Method,
        protocol: Protocol,
        internal: u16,
        external: u16,
        life: u32,
    ) -> Result<Grant, Failure> {
        match method {
            Method::Pcp => {
                let answer = self.pcp(protocol, internal, external, life)?;
                let (external, life) = (answer.external, answer.life);
                let (address, epoch) = (Some(answer.address), Some(answer.epoch));
                Ok(Grant { external, address, life, epoch })
            }
            Method::Pmp => {
                let answer = self.pmp(protocol, internal, external, life)?;
                let (external, life, epoch) = (answer.external, answer.life, Some(answer.epoch));
                Ok(Grant { external, address: None, life, epoch })
            }
            #[cfg(feature = "upnp")]
            Method::Upnp => self.upnp.map(&self.stop, protocol, internal, external, life),
            #[cfg(not(feature = "upnp"))]
            Method::Upnp => Err(Failure::Unsupported),
        }
    }

    /// Has a mapping taken back.
    pub(super) fn unmap(
        &mut self,
        method: Method,
        protocol: Protocol,
        internal: u16,
        external: u16,
    ) -> Result<(), Failure> {
        match method {
            Method::Pcp => self.pcp(protocol, internal, 0, 0).map(drop),
            Method::Pmp => self.pmp(protocol, internal, 0, 0).map(drop),
            #[cfg(feature = "upnp")]
            Method::Upnp => self.upnp.unmap(&self.stop, protocol, external),
            #[cfg(not(feature = "upnp"))]
            Method::Upnp => {
                let _ = external;
                Err(Failure::Unsupported)
            }
        }
    }

    /// Answers to no question of ours since this was last asked.
    pub(super) fn take_strays(&mut self) -> u64 {
        core::mem::take(&mut self.strays)
    }

    fn pcp(
        &mut self,
        protocol: Protocol,
        internal: u16,
        external: u16,
        life: u32,
    ) -> Result<pcp::Mapping, Failure> {
        let [tcp, udp] = self.nonces;
        let nonce = match protocol {
            Protocol::Tcp => tcp,
            Protocol::Udp => udp,
        };
        let address = Ipv4Addr::UNSPECIFIED;
        let request =
            |client| pcp::Request { nonce, client, protocol, internal, external, address, life };
        let send = |client| pcp::map_request(&request(client)).to_vec();
        self.exchange(send, |client, bytes| pcp::read_mapping(bytes, &request(client)))
    }

    fn pmp(
        &mut self,
        protocol: Protocol,
        internal: u16,
        external: u16,
        life: u32,
    ) -> Result<pmp::Mapping, Failure> {
        let send = |_| pmp::map_request(protocol, internal, external, life).to_vec();
        self.exchange(send, |_, bytes| pmp::read_mapping(bytes, protocol, internal))
    }

    /// Sends the request that is made for our address until it is answered, or
    /// often enough.
    fn exchange<T>(
        &mut self,
        request: impl Fn(Ipv4Addr) -> Vec<u8>,
        read: impl Fn(Ipv4Addr, &[u8]) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let gateway = self.named.or_else(route::gateway).ok_or(Failure::NoGateway)?;
        let (socket, client) =
            self.connect((gateway, self.port).into()).map_err(|_| Failure::NoGateway)?;
        let request = request(client);
        // While we stop there is time for one.
        let stopping = self.stop.is_set();
        let tries = if stopping { 1 } else { limits::NAT_TRIES };
        let mut datagrams = 0;
        for number in 0..tries {
            socket.send(&request).map_err(|error| failure(&error))?;
            let until = Instant::now() + limits::NAT_REPLY_TIMEOUT * (1 << number);
            while let Some(left) = until.checked_duration_since(Instant::now())
                && !left.is_zero()
            {
                if !stopping && self.stop.is_set() {
                    return Err(Failure::Silent);
                }
                let mut buffer = [0; pcp::LONGEST + 1];
                let Some(length) = receive(&socket, &mut buffer, left)? else { continue };
                datagrams += 1;
                if length > pcp::LONGEST || datagrams > limits::NAT_DATAGRAMS {
                    return Err(Failure::TooLarge);
                }
                match read(client, &buffer[..length])? {
                    Some(answer) => return Ok(answer),
                    None => self.strays += 1,
                }
            }
        }
        Err(Failure::Silent)
    }

    /// A socket that takes datagrams from the gateway and from nobody else, and
    /// its address.
    fn connect(&self, gateway: SocketAddr) -> io::Result<(UdpSocket, Ipv4Addr)> {
        let socket = UdpSocket::bind((self.bound, 0))?;
        socket.connect(gateway)?;
        match socket.local_addr()?.ip() {
            IpAddr::V4(client) => Ok((socket, client)),
            IpAddr::V6(_) => Err(ErrorKind::AddrNotAvailable.into()),
        }
    }
}

/// The next datagram, if one comes in this time or soon enough to look whether to
/// stop.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    left: Duration,
) -> Result<Option<usize>, Failure> {
    socket.set_read_timeout(Some(left.min(LOOK))).map_err(|_| Failure::NoGateway)?;
    match socket.recv(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) if is_no_news(error.kind()) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

fn is_no_news(kind: ErrorKind) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&kind)
}

/// Nobody listens there, or there is no way there.
fn failure(error: &io::Error) -> Failure {
    let kind = error.kind();
    let refused = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset];
    if refused.contains(&kind) { Failure::Unsupported } else { Failure::NoGateway }
}

#[cfg(test)]
mod tests;
