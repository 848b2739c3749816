//! TCP as the system has it: listening, reading and writing without waiting, its
//! errors put into core's words.

use core::cell::RefCell;
use core::net::SocketAddr;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use devp2p_core::limits;
use devp2p_core::node::DialFailure;
use devp2p_core::session::Lost;

/// Slices that one write gathers.
const SLICES: usize = 16;

std::thread_local! {
    // One for each thread rather than one for each connection: an idle
    // connection then owns no buffer at all.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::SOCKET_READ].into_boxed_slice());
}

/// A listening socket that never waits.
///
/// Fails as the system does: address in use, no permission, no such address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// How a read or write went that must not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved<T> {
    /// It did this.
    Done(T),
    /// It would have to wait.
    Blocked,
    /// The connection is gone.
    Lost(Lost),
}

/// A TCP connection that never waits, as a runtime has it.
pub trait Stream {
    /// Reads what is there, up to the size of `buffer`.
    ///
    /// A runtime may say `WouldBlock` for not having heard yet of what is there,
    /// but not after a write has failed: what the other said last may be there, and
    /// nobody will wait for it.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes what the socket takes of these.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&mut &*self).write_vectored(slices)
    }
}

/// Reads what is there and hands it to `take`.
pub(crate) fn read(stream: &impl Stream, take: impl FnOnce(&[u8])) -> Moved<()> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            return match stream.read(scratch) {
                Ok(0) => Moved::Lost(Lost::Closed),
                Ok(count) => {
                    take(&scratch[..count]);
                    Moved::Done(())
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => failed(&error),
            };
        }
    })
}

/// Writes what the socket takes of `bytes`; says how much.
pub(crate) fn write<'a>(
    stream: &impl Stream,
    bytes: impl Iterator<Item = &'a [u8]>,
) -> Moved<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slot, bytes) in slices.iter_mut().zip(bytes) {
        *slot = IoSlice::new(bytes);
        count += 1;
    }
    loop {
        return match stream.write(&slices[..count]) {
            Ok(written) => Moved::Done(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => failed(&error),
        };
    }
}

fn failed<T>(error: &io::Error) -> Moved<T> {
    let kind = error.kind();
    if kind == ErrorKind::WouldBlock {
        return Moved::Blocked;
    }
    Moved::Lost(if RESET.contains(&kind) { Lost::Reset } else { Lost::Failed })
}

/// The other has reset the connection.
const RESET: [ErrorKind; 3] =
    [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe];

/// Whether an error of accepting is one of the connection that was to be accepted,
/// and says nothing of the next.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    RESET.contains(&error.kind()) || error.kind() == ErrorKind::ConnectionRefused
}

/// What it means that no connection came about.
pub fn dial_failure(error: &io::Error) -> DialFailure {
    let is = |kinds: &[ErrorKind]| kinds.contains(&error.kind());
    if is(&[ErrorKind::ConnectionRefused]) {
        DialFailure::Refused
    } else if is(&[ErrorKind::TimedOut]) {
        DialFailure::TimedOut
    } else if is(&RESET) {
        DialFailure::Reset
    } else if is(&[
        ErrorKind::NetworkUnreachable,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkDown,
    ]) {
        DialFailure::Unreachable
    } else if is(&[ErrorKind::PermissionDenied]) {
        DialFailure::Denied
    } else if is(&[ErrorKind::AddrNotAvailable, ErrorKind::OutOfMemory])
        || is_lack_of_descriptors(error)
    {
        DialFailure::NoResources
    } else {
        DialFailure::Failed
    }
}

/// std has no name for it.
#[cfg(unix)]
fn is_lack_of_descriptors(error: &io::Error) -> bool {
    [Some(libc::EMFILE), Some(libc::ENFILE), Some(libc::ENOBUFS)].contains(&error.raw_os_error())
}

/// std has no name for it: `WSAEMFILE`, `WSAENOBUFS`.
#[cfg(not(unix))]
fn is_lack_of_descriptors(error: &io::Error) -> bool {
    [Some(10_024), Some(10_055)].contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_not_to_connect_has_its_name() {
        use DialFailure::{Denied, Failed, NoResources, Refused, Reset, TimedOut, Unreachable};
        let kinds = [
            (ErrorKind::ConnectionRefused, Refused),
            (ErrorKind::TimedOut, TimedOut),
            (ErrorKind::ConnectionReset, Reset),
            (ErrorKind::ConnectionAborted, Reset),
            (ErrorKind::BrokenPipe, Reset),
            (ErrorKind::NetworkUnreachable, Unreachable),
            (ErrorKind::HostUnreachable, Unreachable),
            (ErrorKind::NetworkDown, Unreachable),
            (ErrorKind::PermissionDenied, Denied),
            (ErrorKind::AddrNotAvailable, NoResources),
            (ErrorKind::OutOfMemory, NoResources),
            (ErrorKind::InvalidInput, Failed),
        ];
        for (kind, expected) in kinds {
            assert_eq!(dial_failure(&kind.into()), expected, "{kind:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_file_descriptor_and_no_buffer_are_a_lack_of_resources() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(dial_failure(&error), DialFailure::NoResources, "{error}");
        }
    }

    /// What the system itself says, not only what std calls it.
    #[test]
    fn a_port_where_nobody_listens_refuses() {
        let gone = listen("127.0.0.1:0".parse().unwrap()).unwrap().local_addr().unwrap();
        let error = TcpStream::connect(gone).unwrap_err();
        assert_eq!(dial_failure(&error), DialFailure::Refused);
    }

    #[test]
    fn a_listener_never_waits() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
