//! So much of HTTP/1.1 as a scrape needs: one request, one answer, and the
//! connection ends.

use core::net::SocketAddr;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use async_io::Async;
use devp2p_smol::Node;
use devp2p_smol::core::limits;
use futures_lite::AsyncWriteExt as _;
use httparse::{EMPTY_HEADER, Request, Status};
use prometheus::TEXT_FORMAT;

use super::Metrics;
use crate::door::reading::{Read, drain, read_until};
use crate::door::{Seats, receive};
use crate::runtime::{Runtime, within};

/// Where the text is: Prometheus's own place, and geth's.
const PATHS: [&str; 2] = ["/metrics", "/debug/metrics/prometheus"];

/// A port that is open and not served yet.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
}

impl Port {
    /// Listens there.
    pub(crate) fn open(at: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(at)? })
    }

    /// Where the text is.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}{}", self.listener.local_addr()?, PATHS[0]))
    }

    /// Serves clients in a task beside all others.
    pub(crate) fn serve(self, node: Node, metrics: Metrics, runtime: &Runtime) -> io::Result<()> {
        let listener = Async::new(self.listener)?;
        let scraped = Arc::new(Scraped { node, metrics });
        runtime.spawn(accept(listener, scraped, runtime.clone()));
        Ok(())
    }
}

/// What is told.
struct Scraped {
    node: Node,
    metrics: Metrics,
}

async fn accept(listener: Async<TcpListener>, scraped: Arc<Scraped>, runtime: Runtime) {
    let next = || async { listener.accept().await.map(|(stream, _)| stream) };
    let attend = |stream| {
        let scraped = Arc::clone(&scraped);
        async move { attend(&stream, &scraped).await }
    };
    let refused = Seats::new(limits::METRICS_CLIENTS);
    let refuse = |stream| refuse(stream, &refused, &runtime);
    receive(limits::METRICS_CLIENTS, "metrics", &runtime, next, attend, refuse).await;
}

/// There is no place for a client. Nobody waits until it has heard so; but what it
/// asks is taken from it, as far as there is place for that: a socket that is
/// closed with something unread takes our answer from the other.
fn refuse(stream: Async<TcpStream>, seats: &Seats, runtime: &Runtime) {
    let crowded = Answer::error("503 Service Unavailable", "too many clients");
    let _ = stream.get_ref().write_all(&crowded.bytes(true));
    let _ = stream.get_ref().shutdown(std::net::Shutdown::Write);
    let Some(seat) = seats.take() else {
        let _ = stream.get_ref().read(&mut [0; limits::METRICS_REQUEST]);
        return;
    };
    runtime.spawn(async move {
        drain(&stream, limits::METRICS_REQUEST, limits::ACCEPT_RETRY).await;
        drop(seat);
    });
}

/// One client, to its end.
async fn attend(mut stream: &Async<TcpStream>, scraped: &Scraped) -> io::Result<()> {
    let (answer, with_body) = match head(stream).await? {
        Head::Gone => return Ok(()),
        Head::Refused(answer) => (answer, true),
        Head::Asked(asked) => {
            let with_body = asked.method != "HEAD";
            (scraped.answer(&asked).await, with_body)
        }
    };
    let bytes = answer.bytes(with_body);
    let written = within(limits::METRICS_ANSWER_TIMEOUT, stream.write_all(&bytes)).await;
    written.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
    let _ = stream.get_ref().shutdown(std::net::Shutdown::Write);
    drain(stream, limits::METRICS_REQUEST, limits::ACCEPT_RETRY).await;
    Ok(())
}

/// What is asked for.
struct Asked {
    method: String,
    path: String,
}

enum Head {
    Asked(Asked),
    Refused(Answer),
    Gone,
}

/// Reads the head of a request.
async fn head(stream: &Async<TcpStream>) -> io::Result<Head> {
    let until = Instant::now() + limits::METRICS_REQUEST_TIMEOUT;
    let mut buffer = Vec::new();
    loop {
        match read_until(stream, until).await? {
            Read::Some(bytes) => buffer.extend_from_slice(&bytes),
            Read::End => return Ok(Head::Gone),
            Read::Late => {
                return Ok(Head::Refused(Answer::error("408 Request Timeout", "too slow")));
            }
        }
        match parse(&buffer) {
            Ok(Some(asked)) => return Ok(Head::Asked(asked)),
            Ok(None) if buffer.len() <= limits::METRICS_REQUEST => {}
            Ok(None) | Err(httparse::Error::TooManyHeaders) => {
                let status = "431 Request Header Fields Too Large";
                return Ok(Head::Refused(Answer::error(status, "request too large")));
            }
            Err(error) => {
                let why = error.to_string();
                return Ok(Head::Refused(Answer::error("400 Bad Request", &why)));
            }
        }
    }
}

/// `None` if there is more to come.
fn parse(bytes: &[u8]) -> Result<Option<Asked>, httparse::Error> {
    let mut headers = [EMPTY_HEADER; limits::METRICS_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes)? {
        Status::Partial => Ok(None),
        Status::Complete(_) => Ok(Some(Asked {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
        })),
    }
}

impl Scraped {
    async fn answer(&self, asked: &Asked) -> Answer {
        if !["GET", "HEAD"].contains(&asked.method.as_str()) {
            return Answer::error("405 Method Not Allowed", "only GET and HEAD");
        }
        let path = asked.path.split_once('?').map_or(asked.path.as_str(), |(path, _)| path);
        if !PATHS.contains(&path) {
            return Answer::error("404 Not Found", "see /metrics");
        }
        let snapshot = within(limits::METRICS_ANSWER_TIMEOUT, self.node.snapshot()).await;
        let Some(Ok(snapshot)) = snapshot else {
            return Answer::error("503 Service Unavailable", "the node does not answer");
        };
        match self.metrics.text(&snapshot) {
            Ok(body) => Answer { status: "200 OK", kind: TEXT_FORMAT, body },
            Err(error) => Answer::error("500 Internal Server Error", &error.to_string()),
        }
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn error(status: &'static str, why: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{why}\n").into_bytes() }
    }

    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let Self { status, kind, body } = self;
        let length = body.len();
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             {allow}Connection: close\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        if with_body {
            bytes.extend_from_slice(body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n";
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).unwrap().is_none());
        }
        let asked = parse(whole).unwrap().unwrap();
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/metrics?a=b"));
        assert!(parse(b"\x16\x03\x01").is_err());
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_that_it_is_the_last() {
        let answer = Answer::error("404 Not Found", "see /metrics");
        let text = String::from_utf8(answer.bytes(true)).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 404 Not Found\r\n") && text.contains("Content-Length: 13")
        );
        assert!(text.contains("Connection: close\r\n\r\nsee /metrics\n"));
        assert!(String::from_utf8(answer.bytes(false)).unwrap().ends_with("\r\n\r\n"));
    }
}
