//! What a client sends, until there is enough of it or its time is over.

use core::time::Duration;
use std::io;
use std::time::Instant;

use async_io::Timer;
use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt as _};

/// Bytes that are read at a time.
const CHUNK: usize = 4096;

/// What a read came to.
pub(crate) enum Read {
    /// These bytes.
    Some(Vec<u8>),
    /// The client says nothing more.
    End,
    /// It has not said anything in time.
    Late,
}

/// The next bytes of a client, until then.
pub(crate) async fn read_until(
    mut stream: impl AsyncRead + Unpin,
    until: Instant,
) -> io::Result<Read> {
    let mut buffer = vec![0; CHUNK];
    let read = async { stream.read(&mut buffer).await.map(Some) };
    let late = async {
        Timer::at(until).await;
        Ok(None)
    };
    match or(read, late).await? {
        Some(0) => Ok(Read::End),
        Some(count) => {
            buffer.truncate(count);
            Ok(Read::Some(buffer))
        }
        None => Ok(Read::Late),
    }
}

/// Reads what a client still says and forgets it, for a moment: a socket that is
/// closed with something unread takes our answer from the other.
pub(crate) async fn drain(mut stream: impl AsyncRead + Unpin, bytes: usize, limit: Duration) {
    let until = Instant::now() + limit;
    let mut left = bytes;
    while let Ok(Read::Some(chunk)) = read_until(&mut stream, until).await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}
