//! A socket for datagrams, as the system has it: bound, read and written
//! without waiting, its errors put into core's words.

use core::net::{Ipv6Addr, SocketAddr};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;

use devp2p_core::driver::SocketFailure;
use devp2p_core::limits;
use socket2::{Domain, Protocol, Socket, Type};

/// A buffer for one datagram: with room for one byte more, so that one that is
/// too long shows.
pub type Buffer = [u8; limits::DATAGRAM + 1];

/// A socket that never waits, bound to `address`; port 0 lets the system choose.
/// Bound to `[::]` it takes IPv4 too, where the system can.
///
/// The system is asked for [`limits::DATAGRAM_SOCKET_BUFFER`] to receive and to
/// send. It may give less, which is no error.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        let any = address.ip() == Ipv6Addr::UNSPECIFIED;
        // A system without IPv4 need not know the option.
        let _ = socket.set_only_v6(!any);
    }
    let _ = socket.set_recv_buffer_size(limits::DATAGRAM_SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(limits::DATAGRAM_SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// How a read or a write went that must not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved<T> {
    /// It did this.
    Done(T),
    /// It would have to wait.
    Blocked,
    /// It cannot be done. The socket may be used on.
    Failed(SocketFailure),
}

/// A socket for datagrams that never waits, as a runtime has it.
pub trait Datagrams {
    /// Reads one datagram: how many of its bytes are in `buffer`, and where it
    /// came from. Those for which there is no room are lost.
    fn receive(&self, buffer: &mut Buffer) -> io::Result<(usize, SocketAddr)>;

    /// Sends one datagram.
    fn send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<usize>;
}

impl Datagrams for UdpSocket {
    fn receive(&self, buffer: &mut Buffer) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer)
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<usize> {
        self.send_to(datagram, to)
    }
}

/// How an attempt at a socket went, in core's words.
pub(crate) fn moved<T>(mut attempt: impl FnMut() -> io::Result<T>) -> Moved<T> {
    loop {
        return match attempt() {
            Ok(done) => Moved::Done(done),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Moved::Blocked,
            Err(error) => Moved::Failed(failure(&error)),
        };
    }
}

/// What an error of a socket means for the datagram it came with.
fn failure(error: &io::Error) -> SocketFailure {
    let kind = error.kind();
    let code = error.raw_os_error();
    let refused = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset];
    let unreachable = [
        ErrorKind::NetworkUnreachable,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkDown,
        ErrorKind::AddrNotAvailable,
    ];
    if refused.contains(&kind) {
        SocketFailure::Refused
    } else if unreachable.contains(&kind) {
        SocketFailure::Unreachable
    } else if kind == ErrorKind::PermissionDenied {
        SocketFailure::Denied
    } else if code == Some(code::TOO_LARGE) {
        SocketFailure::TooLarge
    } else if kind == ErrorKind::OutOfMemory || code == Some(code::NO_BUFFERS) {
        SocketFailure::NoBuffers
    } else {
        SocketFailure::Other
    }
}

/// Errors that std has no name for.
#[cfg(unix)]
mod code {
    pub(super) const TOO_LARGE: i32 = libc::EMSGSIZE;
    pub(super) const NO_BUFFERS: i32 = libc::ENOBUFS;
}

/// Errors that std has no name for: `WSAEMSGSIZE`, `WSAENOBUFS`.
#[cfg(not(unix))]
mod code {
    pub(super) const TOO_LARGE: i32 = 10_040;
    pub(super) const NO_BUFFERS: i32 = 10_055;
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use core::time::Duration;
    use std::time::Instant;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn sent_by(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> Moved<usize> {
        moved(|| Datagrams::send(socket, to, datagram))
    }

    /// What comes, within a limit.
    fn next(socket: &UdpSocket, buffer: &mut Buffer) -> (usize, SocketAddr) {
        let begun = Instant::now();
        loop {
            match moved(|| socket.receive(buffer)) {
                Moved::Done(received) => return received,
                Moved::Blocked => assert!(begun.elapsed() < Duration::from_secs(10)),
                Moved::Failed(failure) => panic!("{failure}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_socket_never_waits_and_gives_whole_datagrams_but_one_byte_of_what_is_too_long() {
        let ours = bind(address("127.0.0.1:0")).unwrap();
        let other = bind(address("127.0.0.1:0")).unwrap();
        let to = ours.local_addr().unwrap();
        let mut buffer = [0; limits::DATAGRAM + 1];
        assert_eq!(moved(|| ours.receive(&mut buffer)), Moved::Blocked);
        for (sent, received) in [(0, 0), (1, 1), (1280, 1280), (1281, 1281), (9000, 1281), (3, 3)] {
            assert_eq!(sent_by(&other, to, &vec![7; sent]), Moved::Done(sent));
            assert_eq!(next(&ours, &mut buffer), (received, other.local_addr().unwrap()));
        }
    }

    #[test]
    fn the_system_is_asked_for_larger_buffers() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = bind(address("127.0.0.1:0")).unwrap();
        let size = |socket: &UdpSocket| {
            let socket = socket2::SockRef::from(socket);
            [socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()]
        };
        let (plain, ours) = (size(&plain), size(&ours));
        assert!(ours[0] >= plain[0] && ours[1] >= plain[1], "{plain:?} became {ours:?}");
    }

    #[test]
    fn a_socket_of_every_ipv6_address_takes_ipv4_and_one_of_one_address_does_not() {
        let Ok(both) = bind(address("[::]:0")) else { return };
        let port = both.local_addr().unwrap().port();
        let other = bind(address("127.0.0.1:0")).unwrap();
        let mut buffer = [0; limits::DATAGRAM + 1];
        assert_eq!(sent_by(&other, (Ipv4Addr::LOCALHOST, port).into(), b"hello"), Moved::Done(5));
        let (_, source) = next(&both, &mut buffer);
        assert_eq!(source.ip().to_canonical(), other.local_addr().unwrap().ip());
        assert_eq!(sent_by(&both, source, b"there"), Moved::Done(5));
        assert_eq!(next(&other, &mut buffer).0, 5);
        let Ok(one) = bind(address("[::1]:0")) else { return };
        assert!(matches!(sent_by(&one, source, b"x"), Moved::Failed(_)));
    }

    #[test]
    fn each_way_to_fail_has_its_name_and_leaves_the_socket_usable() {
        let ours = bind(address("127.0.0.1:0")).unwrap();
        let to = ours.local_addr().unwrap();
        assert_eq!(sent_by(&ours, to, &[0; 70_000]), Moved::Failed(SocketFailure::TooLarge));
        // A broadcast that nobody has allowed.
        let broadcast = address("255.255.255.255:9");
        let refused = sent_by(&ours, broadcast, b"x");
        let denied = [SocketFailure::Denied, SocketFailure::Unreachable];
        assert!(matches!(refused, Moved::Failed(failure) if denied.contains(&failure)));
        assert_eq!(sent_by(&ours, to, b"still here"), Moved::Done(10));
        assert_eq!(next(&ours, &mut [0; limits::DATAGRAM + 1]).0, 10);

        let closed = bind(address("127.0.0.1:0")).unwrap().local_addr().unwrap();
        ours.connect(closed).unwrap();
        assert_eq!(ours.send(b"x").unwrap(), 1);
        let begun = Instant::now();
        // An ICMP message, which a connected socket is told of.
        let told = loop {
            let received = moved(|| Datagrams::receive(&ours, &mut [0; limits::DATAGRAM + 1]));
            assert!(begun.elapsed() < Duration::from_secs(10));
            if received != Moved::Blocked {
                break received;
            }
        };
        assert_eq!(told, Moved::Failed(SocketFailure::Refused));
    }

    #[test]
    fn errors_have_their_names() {
        use SocketFailure::{Denied, NoBuffers, Other, Refused, Unreachable};
        let kinds = [
            (ErrorKind::ConnectionRefused, Refused),
            (ErrorKind::ConnectionReset, Refused),
            (ErrorKind::NetworkUnreachable, Unreachable),
            (ErrorKind::HostUnreachable, Unreachable),
            (ErrorKind::PermissionDenied, Denied),
            (ErrorKind::OutOfMemory, NoBuffers),
            (ErrorKind::InvalidInput, Other),
        ];
        for (kind, expected) in kinds {
            assert_eq!(failure(&kind.into()), expected);
        }
        assert_eq!(failure(&io::Error::from_raw_os_error(code::NO_BUFFERS)), NoBuffers);
    }
}
