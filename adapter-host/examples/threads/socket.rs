//! The socket of a connection and the thread that reads it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, Thread};
use std::time::Duration;

use devp2p_core::limits;
use devp2p_host::tcp::Stream;

/// What a full socket holds its connection up each time that it tries to write.
/// It must try, for no thread can wait until a socket has room without writing.
const WRITE: Duration = Duration::from_millis(10);

/// How long the last words of a connection that failed may take to its reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    read: Receiver<io::Result<Vec<u8>>>,
    /// Read, and not taken yet.
    left: RefCell<VecDeque<u8>>,
    /// Writing has failed.
    failed: Cell<bool>,
}

impl Socket {
    /// Of the thread that calls this, which its reader wakes.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE))?;
        let stream = Arc::new(stream);
        // One that waits to be taken and one to be read: no more is held.
        let (send, read) = sync_channel(1);
        let (reading, reader) = (Arc::clone(&stream), thread::current());
        thread::Builder::new().spawn(move || read_all(&reading, &send, &reader))?;
        Ok(Self { stream, read, left: RefCell::default(), failed: Cell::new(false) })
    }

    fn next(&self) -> io::Result<Vec<u8>> {
        if self.failed.get() {
            return self.read.recv_timeout(LAST_WORDS).unwrap_or_else(|_| Ok(Vec::new()));
        }
        match self.read.try_recv() {
            Ok(read) => read,
            Err(TryRecvError::Empty) => Err(ErrorKind::WouldBlock.into()),
            Err(TryRecvError::Disconnected) => Ok(Vec::new()),
        }
    }
}

/// Until the end, or until nobody wants it any more.
fn read_all(stream: &TcpStream, send: &SyncSender<io::Result<Vec<u8>>>, connection: &Thread) {
    let mut buffer = vec![0; limits::SOCKET_READ];
    loop {
        let read = stream.read(&mut buffer).map(|count| buffer[..count].to_vec());
        let ended = read
            .as_ref()
            .map_or_else(|error| error.kind() != ErrorKind::Interrupted, |bytes| bytes.is_empty());
        let sent = send.send(read);
        connection.unpark();
        if ended || sent.is_err() {
            break;
        }
    }
}

impl Stream for Socket {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.left.borrow_mut();
        if left.is_empty() {
            *left = self.next()?.into();
        }
        left.read(buffer)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.stream).write_vectored(slices).map_err(|error| {
            // Some systems call it this.
            if error.kind() == ErrorKind::TimedOut {
                return ErrorKind::WouldBlock.into();
            }
            if ![ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) {
                self.failed.set(true);
            }
            error
        })
    }
}

/// The reader ends with it.
impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
