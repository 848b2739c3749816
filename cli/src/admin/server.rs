//! The admin socket: who may open it, how many at a time, and how long anything
//! may take.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_io::Async;
use devp2p_smol::core::limits;
use futures_lite::AsyncWriteExt as _;
use socket2::{Domain, SockAddr, Socket, Type};

use super::connect;
use super::framing::{Framing, FramingError};
use super::methods::Api;
use super::rpc::{self, Reply};
use crate::door::reading::{Read, drain, read_until};
use crate::door::receive;
use crate::runtime::{Runtime, within};

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 16;

/// A socket in the file system, which goes with it.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    identity: Identity,
    listener: Option<UnixListener>,
}

/// Which file it is, whatever its name. Nobody else gets the same while somebody
/// listens at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

impl Door {
    /// Makes the socket, mode 0600. One that nobody listens at any more is
    /// replaced; anything else that is there is left alone, and an error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let identity = Identity::of(path)?;
        let mut door = Self { path: path.to_owned(), identity, listener: None };
        // Nobody can connect before it listens, and by then only we may.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
        door.listener = Some(listener);
        Ok(door)
    }

    /// Serves clients in a task beside all others.
    pub(crate) fn serve(&mut self, api: Api, runtime: &Runtime) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let listener = Async::new(listener)?;
        runtime.spawn(accept(listener, Arc::new(api), runtime.clone()));
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Whoever starts next would find it stale. What is there by now may be
        // somebody else's, whose socket it would be.
        if Identity::of(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type().is_socket(),
    };
    if !is_socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // So many wait for it that there must be somebody.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"))
        }
    }
}

async fn accept(listener: Async<UnixListener>, api: Arc<Api>, runtime: Runtime) {
    let next = || async { listener.accept().await.map(|(stream, _)| stream) };
    let attend = |stream| {
        let api = Arc::clone(&api);
        async move { attend(&stream, &api).await }
    };
    let refuse = |stream: Async<UnixStream>| {
        // Whether it gets through does not matter: nobody waits for it.
        let _ = stream.get_ref().write_all(rpc::crowded().as_bytes());
    };
    receive(limits::ADMIN_CLIENTS, "admin", &runtime, next, attend, refuse).await;
}

/// One client, to its end.
async fn attend(stream: &Async<UnixStream>, api: &Api) -> io::Result<()> {
    let mut framing = Framing::new(limits::ADMIN_REQUEST);
    loop {
        let reply = match next(stream, &mut framing).await? {
            Next::Request(request) => rpc::reply(&request, api).await,
            Next::Unreadable(error) => rpc::unreadable(error),
            Next::Late => rpc::late(),
            Next::Gone => return Ok(()),
        };
        match reply {
            Reply::Silence => {}
            Reply::Line(line) => write(stream, &line).await?,
            Reply::Last(line) => {
                write(stream, &line).await?;
                let _ = stream.get_ref().shutdown(std::net::Shutdown::Write);
                drain(stream, limits::ADMIN_REQUEST, limits::ACCEPT_RETRY).await;
                return Ok(());
            }
        }
    }
}

enum Next {
    Request(Vec<u8>),
    Unreadable(FramingError),
    /// It has begun and does not end.
    Late,
    /// The client has left, or has not said anything for so long that others may
    /// have its place.
    Gone,
}

async fn next(stream: &Async<UnixStream>, framing: &mut Framing) -> io::Result<Next> {
    let idle = Instant::now() + limits::ADMIN_IDLE_TIMEOUT;
    let mut begun = None;
    loop {
        match framing.next() {
            Ok(Some(request)) => return Ok(Next::Request(request)),
            Ok(None) => {}
            Err(error) => return Ok(Next::Unreadable(error)),
        }
        let has_begun = framing.has_begun();
        let until = if has_begun {
            *begun.get_or_insert_with(|| Instant::now() + limits::ADMIN_REQUEST_TIMEOUT)
        } else {
            idle
        };
        match read_until(stream, until).await? {
            Read::Some(bytes) => framing.push(&bytes),
            Read::Late if has_begun => return Ok(Next::Late),
            Read::Late | Read::End => return Ok(Next::Gone),
        }
    }
}

async fn write(mut stream: &Async<UnixStream>, line: &str) -> io::Result<()> {
    let written = within(limits::ADMIN_ANSWER_TIMEOUT, stream.write_all(line.as_bytes())).await;
    written.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}
