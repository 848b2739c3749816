//! Gateways that speak UPnP, by the crate igd-next.
//!
//! What that waits for is not ours to bound, so each call has a thread of its own
//! and is given up after a while; while one that was given up still runs there
//! is no other. A gateway that breaks the crate breaks that thread.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use devp2p_core::identity::is_lan;
use devp2p_core::limits;
use devp2p_core::nat::{Failure, Gateway, Grant, Protocol};
use igd_next::{
    AddAnyPortError, AddPortError, Gateway as Device, GatewayIpVersion, GetExternalIpError,
    PortMappingProtocol, RemovePortError, RequestError, SearchError, SearchOptions, search_gateway,
};

use super::{StopSign, route};

/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// The way to the gateway, once it is found.
#[derive(Debug)]
pub(super) struct Upnp {
    /// The address of ours that is to be reached; unspecified is any.
    bound: Ipv4Addr,
    device: Option<Device>,
    /// Where devices are asked for; elsewhere in tests.
    search: SocketAddr,
    /// Devices that are believed though nobody should have one there: in tests.
    allowed: Vec<IpAddr>,
    /// For how long a call is waited for.
    patience: Duration,
    /// Held by the call under way.
    busy: Arc<()>,
}

/// Where all devices listen. UPnP Device Architecture, section 1.3.2.
const SEARCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

impl Upnp {
    pub(super) fn new(bound: Ipv4Addr) -> Self {
        Self {
            bound,
            device: None,
            search: SEARCH,
            allowed: Vec::new(),
            patience: limits::UPNP_TIMEOUT,
            busy: Arc::new(()),
        }
    }

    /// Its address out there.
    pub(super) fn ask(&mut self, stop: &StopSign) -> Result<Gateway, Failure> {
        let answer = self.with_device(stop, |device| device.get_external_ip().map_err(no_address));
        answer.map(|address| Gateway { address: Some(address), epoch: None })
    }

    /// Has a port mapped, if not this one then another.
    pub(super) fn map(
        &mut self,
        stop: &StopSign,
        protocol: Protocol,
        internal: u16,
        external: u16,
        life: u32,
    ) -> Result<Grant, Failure> {
        let bound = self.bound;
        let external = self.with_device(stop, move |device| {
            let ours = if bound.is_unspecified() {
                route::local_address(device.addr).ok_or(Failure::NoGateway)?
            } else {
                bound
            };
            let (kind, ours) = (kind(protocol), SocketAddr::new(ours.into(), internal));
            add(device, kind, external, ours, life, protocol.description())
        })?;
        Ok(Grant { external, address: None, life, epoch: None })
    }

    /// Has a mapping taken back.
    pub(super) fn unmap(
        &mut self,
        stop: &StopSign,
        protocol: Protocol,
        external: u16,
    ) -> Result<(), Failure> {
        self.with_device(stop, move |device| {
            device.remove_port(kind(protocol), external).map_err(not_removed)
        })
    }

    /// Asks the device that was found, or looks for one. One that does not answer
    /// as it should is forgotten.
    fn with_device<T: Send + 'static>(
        &mut self,
        stop: &StopSign,
        ask: impl FnOnce(&Device) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let known = self.device.clone();
        // While we stop nothing is looked for any more.
        if known.is_none() && stop.is_set() {
            return Err(Failure::NoGateway);
        }
        let (bound, search, allowed) = (self.bound, self.search, self.allowed.clone());
        let asked = self.call(stop, move || {
            let device = match known {
                Some(device) => device,
                None => find(bound, search, allowed)?,
            };
            let answer = ask(&device);
            Ok((device, answer))
        });
        if !stop.is_set() {
            self.device = None;
        }
        let (device, answer) = asked??;
        if matches!(answer, Ok(_) | Err(Failure::Refused(_))) {
            self.device = Some(device);
        }
        answer
    }

    fn call<T: Send + 'static>(
        &self,
        stop: &StopSign,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let mut stopping = stop.is_set();
        let mut until =
            Instant::now() + if stopping { limits::UPNP_STOP_TIMEOUT } else { self.patience };
        while Arc::strong_count(&self.busy) > 1 {
            // While we stop there is no other time.
            if !stopping || Instant::now() >= until {
                return Err(Failure::Silent);
            }
            thread::sleep(LOOK);
        }
        let busy = Arc::clone(&self.busy);
        let (send, done) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("devp2p-upnp".into()).spawn(move || {
            let result = work();
            drop(busy);
            let _ = send.send(result);
        });
        thread.map_err(|_| Failure::NoGateway)?;
        loop {
            match done.recv_timeout(LOOK) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::Malformed),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !stopping && stop.is_set() {
                // What it comes to is to be given back.
                stopping = true;
                until = until.min(Instant::now() + limits::UPNP_STOP_TIMEOUT);
            }
            if Instant::now() >= until {
                return Err(Failure::Silent);
            }
        }
    }
}

fn find(bound: Ipv4Addr, search: SocketAddr, allowed: Vec<IpAddr>) -> Result<Device, Failure> {
    let mut options = SearchOptions::default();
    options.bind_addr = SocketAddr::new(bound.into(), 0);
    options.broadcast_address = search;
    options.allowed_gateway_ips = allowed;
    options.timeout = Some(limits::UPNP_SEARCH_TIMEOUT);
    options.single_search_timeout = Some(limits::UPNP_SEARCH_TIMEOUT);
    options.gateway_ip_version = GatewayIpVersion::V4;
    let device = search_gateway(options).map_err(|error| not_found(&error))?;
    if is_gateway(device.addr.ip()) { Ok(device) } else { Err(Failure::BadAddress) }
}

/// Whether a gateway of ours may be there: whoever answers a search can name any
/// host, and have us talk to it.
fn is_gateway(ip: IpAddr) -> bool {
    ip.is_ipv4() && is_lan(ip)
}

const fn kind(protocol: Protocol) -> PortMappingProtocol {
    match protocol {
        Protocol::Tcp => PortMappingProtocol::TCP,
        Protocol::Udp => PortMappingProtocol::UDP,
    }
}

/// The port that was mapped: the wanted one, or one that is free. Where mappings
/// hold for ever it is one of those: we take it back.
fn add(
    device: &Device,
    kind: PortMappingProtocol,
    external: u16,
    ours: SocketAddr,
    life: u32,
    name: &str,
) -> Result<u16, Failure> {
    let wanted = |life| device.add_port(kind, external, ours, life, name);
    let error = match wanted(life) {
        Err(AddPortError::OnlyPermanentLeasesSupported) => wanted(0).err(),
        other => other.err(),
    };
    let Some(error) = error else { return Ok(external) };
    if let AddPortError::RequestError(error) = &error
        && !matches!(error, RequestError::ErrorCode(..))
    {
        return Err(request_failed(error));
    }
    device.add_any_port(kind, ours, life, name).map_err(not_added)
}

fn not_found(error: &SearchError) -> Failure {
    tracing::debug!(%error, "no UPnP gateway");
    match error {
        SearchError::NoResponseWithinTimeout => Failure::NoGateway,
        SearchError::InvalidResponse | SearchError::Utf8Error(_) | SearchError::XmlError(_) => {
            Failure::Malformed
        }
        SearchError::HttpError(_) | SearchError::IoError(_) => Failure::NoGateway,
    }
}

fn no_address(error: GetExternalIpError) -> Failure {
    match error {
        GetExternalIpError::ActionNotAuthorized => Failure::Refused(NOT_AUTHORIZED),
        GetExternalIpError::RequestError(error) => request_failed(&error),
    }
}

fn not_added(error: AddAnyPortError) -> Failure {
    match error {
        AddAnyPortError::ActionNotAuthorized => Failure::Refused(NOT_AUTHORIZED),
        AddAnyPortError::RequestError(error) => request_failed(&error),
        AddAnyPortError::NoPortsAvailable => Failure::Refused(728),
        AddAnyPortError::ExternalPortInUse => Failure::Refused(718),
        AddAnyPortError::OnlyPermanentLeasesSupported => Failure::Refused(725),
        AddAnyPortError::DescriptionTooLong => Failure::Refused(605),
        AddAnyPortError::InternalPortZeroInvalid => Failure::Malformed,
    }
}

fn not_removed(error: RemovePortError) -> Failure {
    match error {
        RemovePortError::ActionNotAuthorized => Failure::Refused(NOT_AUTHORIZED),
        RemovePortError::NoSuchPortMapping => Failure::Refused(714),
        RemovePortError::RequestError(error) => request_failed(&error),
    }
}

/// UPnP WANIPConnection: "Action not authorized".
const NOT_AUTHORIZED: u16 = 606;

fn request_failed(error: &RequestError) -> Failure {
    match error {
        RequestError::ErrorCode(code, _) => Failure::Refused(*code),
        RequestError::UnsupportedAction(_) => Failure::Unsupported,
        RequestError::InvalidResponse(_) => Failure::Malformed,
        RequestError::IoError(_) | RequestError::AttoHttpError(_) => Failure::Silent,
    }
}

#[cfg(test)]
mod tests;
