//! Looking host names up, as the system does it: files, DNS, and whatever else
//! it is told to ask.

use core::net::{IpAddr, SocketAddr};
use std::io;
use std::net::ToSocketAddrs as _;
use std::thread;

use devp2p_core::identity::HostName;
use devp2p_core::limits;

/// Looks a name up and hands the addresses to `found`: at least one, at most
/// [`limits::NAME_ADDRESSES`], those of IPv4 first, as geth prefers them, and
/// else in the system's order. None is unspecified or of a multicast group.
///
/// It runs on a thread of its own, as nothing can end a look-up before the
/// system does. So give up waiting when you like, and have `found` hold on to
/// whatever bounds the number of look-ups: it is dropped with the thread.
///
/// Fails if the system starts no thread.
pub fn look_up(
    name: &HostName,
    port: u16,
    found: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) -> io::Result<()> {
    let name = name.clone();
    let thread = thread::Builder::new().name("devp2p-names".into());
    thread.spawn(move || found(addresses(&name, port))).map(drop)
}

/// The same on this thread.
pub(crate) fn addresses(name: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = name.as_str().ok_or(io::ErrorKind::InvalidInput)?;
    let mut addresses: Vec<_> = (name, port).to_socket_addrs()?.filter(usable).collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    addresses.truncate(limits::NAME_ADDRESSES);
    if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

fn usable(address: &SocketAddr) -> bool {
    let ip: IpAddr = address.ip().to_canonical();
    !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// None of these names leaves the machine.
    fn found(name: &str) -> io::Result<Vec<SocketAddr>> {
        let (send, receive) = mpsc::channel();
        let name = HostName::new(name).unwrap();
        look_up(&name, 30303, move |found| send.send(found).unwrap()).unwrap();
        receive.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn localhost_is_this_machine() {
        let addresses = found("localhost").unwrap();
        assert!(addresses.len() <= limits::NAME_ADDRESSES);
        assert!(addresses.iter().all(|at| at.ip().is_loopback() && at.port() == 30303));
        assert!(addresses.is_sorted_by_key(SocketAddr::is_ipv6), "{addresses:?}");
    }

    #[test]
    fn a_name_that_nobody_can_have_is_not_found() {
        // A label has 63 bytes at most.
        assert!(found(&format!("{}.invalid", "a".repeat(64))).is_err());
    }

    #[test]
    fn what_a_name_turns_out_to_be_may_be_no_address_of_anyone() {
        // No address to us, but to the system.
        let kind = found("0.0.0.00").map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::NotFound));
    }
}
