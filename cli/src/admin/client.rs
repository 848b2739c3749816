//! The other end of the admin socket: one question, one answer, and a limit for
//! both together.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use devp2p_smol::core::limits;
use serde_json::{Value, json};

use super::framing::Framing;
use super::{GETH_SOCKET, connect, socket_at, socket_of};
use crate::args::Asked;
use crate::failure::Failure;
use crate::output::to_json;

/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// For all of it: the node has so long to do what is asked, and to say so.
const LIMIT: Duration = limits::ADMIN_CALL_TIMEOUT.saturating_add(limits::ADMIN_ANSWER_TIMEOUT);

/// For the node to accept us, which one that works does at once.
const ACCEPT_LIMIT: Duration = limits::ADMIN_ANSWER_TIMEOUT;

/// Asks a running node, and says what it answers.
pub(crate) fn ask(asked: &Asked, method: &str, arguments: &[&str]) -> Result<Value, Failure> {
    let socket = socket(asked.ipcpath.as_deref(), asked.datadir.as_deref());
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": arguments });
    let failed = |error| Failure::File(socket.clone(), error);
    let mut answer = exchange(&socket, &request, LIMIT, ACCEPT_LIMIT).map_err(failed)?;
    if let Some(why) = answer.pointer("/error/message").and_then(Value::as_str) {
        return Err(Failure::Answered(why.to_owned()));
    }
    Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
}

/// The socket that is named. Of a data directory it is ours, unless there is only
/// geth's.
fn socket(named: Option<&Path>, datadir: Option<&Path>) -> PathBuf {
    if let Some(path) = named {
        return socket_at(path, datadir);
    }
    let datadir = datadir.unwrap_or_else(|| Path::new(""));
    let (ours, geths) = (socket_of(datadir), datadir.join(GETH_SOCKET));
    if !ours.exists() && geths.exists() { geths } else { ours }
}

fn exchange(
    socket: &Path,
    request: &Value,
    limit: Duration,
    accept_limit: Duration,
) -> io::Result<Value> {
    let until = Instant::now() + limit;
    say(&mut Timed { stream: accepted(socket, accept_limit)?, until }, request)
}

/// Asks, and says what is answered.
fn say(stream: &mut Timed, request: &Value) -> io::Result<Value> {
    // Who refuses us says why and closes, perhaps before it has heard anything.
    let sent = stream.write_all((to_json(request) + "\n").as_bytes());
    match (answer(stream, request), sent) {
        (Err(_), Err(error)) => Err(error),
        (answer, _) => answer,
    }
}

/// A connection, though many others wait for one as well.
fn accepted(socket: &Path, limit: Duration) -> io::Result<UnixStream> {
    let until = Instant::now() + limit;
    loop {
        match connect(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= until {
                    return Err(silent());
                }
                thread::sleep(limits::ACCEPT_RETRY);
            }
            connected => return connected,
        }
    }
}

/// What is said to this request; whatever else is said is passed over.
fn answer(stream: &mut Timed, request: &Value) -> io::Result<Value> {
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut framing = Framing::new(limits::ADMIN_ANSWER + limits::ADMIN_REQUEST);
    let mut buffer = vec![0; CHUNK];
    loop {
        while let Some(said) =
            framing.next().map_err(|error| bad(format!("the answer is {error}")))?
        {
            let said = serde_json::from_slice(&said);
            let said = said.map_err(|error| bad(format!("the answer is no JSON: {error}")))?;
            if answers(&said, request) {
                return Ok(said);
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => framing.push(&buffer[..count]),
        }
    }
}

/// Whether this is said to that: under its id, or why nothing can be.
fn answers(said: &Value, request: &Value) -> bool {
    match said.get("id") {
        Some(Value::Null) => said.get("error").is_some(),
        id => id.is_some() && id == request.get("id"),
    }
}

/// A connection that says within its time what it says.
struct Timed {
    stream: UnixStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(silent()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(late)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The system says of a limit that has passed that it would have to wait.
fn late(error: io::Error) -> io::Error {
    let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    if is_late { silent() } else { error }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "does not answer")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(500);

    fn path(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("x.ipc")
    }

    fn request() -> Value {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "x" })
    }

    /// What comes of a question if the other says this, in pieces.
    fn told(said: &'static [&'static [u8]], pause: Duration, limit: Duration) -> io::Result<Value> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(path(&folder)).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for piece in said {
                thread::sleep(pause);
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let answer = exchange(&path(&folder), &request(), limit, LONG);
        server.join().unwrap();
        answer
    }

    /// Elsewhere the system refuses us itself.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_takes_nobody_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(path(&folder)).unwrap()).unwrap();
        listener.listen(1).unwrap();
        let waiting: Vec<_> = core::iter::from_fn(|| connect(&path(&folder)).ok()).collect();
        assert!(!waiting.is_empty());
        let error = exchange(&path(&folder), &request(), LONG, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "does not answer");
    }

    #[test]
    fn one_that_says_nothing_or_never_ends_does_not_answer_in_time() {
        let error = told(&[], SHORT, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "does not answer");
        const DROPS: &[&[u8]] = &[b" ".as_slice(); 20];
        let began = Instant::now();
        let error = told(DROPS, SHORT / 2, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "does not answer");
        assert!(began.elapsed() < 8 * SHORT, "each read had its own time");
    }

    #[test]
    fn what_is_said_to_others_is_passed_over() {
        let said: &[&[u8]] = &[
            br#"{"jsonrpc":"2.0","method":"admin_subscription","params":{}}"#,
            br#"{"jsonrpc":"2.0","id":7,"result":"wrong"}[]"#,
            br#"{"jsonrpc":"2.0","id":null,"result":"wrong"}"#,
            br#"{"jsonrpc":"2.0","id":1,"result":"right"}"#,
        ];
        assert_eq!(told(said, Duration::ZERO, LONG).unwrap()["result"], "right");
        let refused: &[&[u8]] = &[br#"{"jsonrpc":"2.0","id":null,"error":{"message":"no"}}"#];
        assert_eq!(told(refused, Duration::ZERO, LONG).unwrap()["error"]["message"], "no");
    }

    #[test]
    fn what_is_no_answer_is_said_of_the_answer() {
        let error = told(&[b"HTTP/1.1 400 Bad Request"], Duration::ZERO, LONG).unwrap_err();
        assert_eq!(error.to_string(), "the answer is not a JSON object or array");
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(path(&folder)).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"[\"");
            while stream.write_all(&[b'x'; CHUNK]).is_ok() {}
        });
        let error = exchange(&path(&folder), &request(), LONG, LONG).unwrap_err();
        assert_eq!(error.to_string(), "the answer is too large");
        server.join().unwrap();
    }

    #[test]
    fn a_refusal_is_heard_though_the_question_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(path(&folder)).unwrap();
        let mut stream =
            Timed { stream: connect(&path(&folder)).unwrap(), until: Instant::now() + LONG };
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(br#"{"jsonrpc":"2.0","id":null,"error":{"message":"full"}}"#).unwrap();
        drop(other);
        let said = say(&mut stream, &request()).unwrap();
        assert_eq!(said["error"]["message"], "full");
    }
}
