//! The metrics port of `devp2p run`: what it tells, and who is refused.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use crate::support::{PATIENCE, Program};

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");

struct Node {
    program: Program,
    enode: String,
    url: String,
}

impl Node {
    fn start(more: &[&str]) -> Self {
        let arguments =
            ["run", "--addr", "127.0.0.1", "--port", "0", "--echo", "--metrics", "127.0.0.1:0"];
        let program = Program::start(&[&arguments[..], more].concat());
        let enode = program.line();
        assert!(program.line().starts_with("enr:"));
        let url = program.line();
        assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/metrics"), "{url}");
        Self { program, enode, url }
    }

    fn connect(&self) -> TcpStream {
        let at = self.url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What it answers to these bytes, until it closes.
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        rest(&mut stream)
    }

    fn scrape(&self) -> String {
        let answer = self.answer(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        body.to_owned()
    }
}

fn rest(stream: &mut TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

fn value(text: &str, sample: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

#[test]
fn every_name_is_documented_and_a_peer_shows_in_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let first = Node::start(&["--bootnodes="]);
    let database = folder.path().join("nodes");
    let more = ["--bootnodes", &first.enode, "--nodedb", database.to_str().unwrap()];
    let second = Node::start(&more);
    assert!(second.program.line().starts_with("+ "));
    let text = second.scrape();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(names.len() > 35, "{names:?}");
    for name in names {
        let (name, kind) = name.split_once(' ').unwrap();
        assert!(DOCUMENTED.contains(&format!("| `{name}` | {kind} |")), "{name} {kind}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    let peers = |direction| value(&text, &format!("devp2p_peers{{direction=\"{direction}\"}}"));
    assert_eq!(peers("inbound").unwrap() + peers("outbound").unwrap(), 1.0);
    assert_eq!(value(&text, "devp2p_handshake_seconds_count"), Some(1.0));
    let sent = "devp2p_discovery_packets_total{direction=\"sent\",kind=\"ping\"}";
    assert!(value(&text, sent).unwrap() >= 1.0);
    assert!(value(&text, "devp2p_wire_bytes_total{direction=\"received\"}").unwrap() > 100.0);
    assert!(value(&text, "devp2p_store_operations_total{operation=\"open\"}").unwrap() >= 1.0);
    if cfg!(target_os = "linux") {
        assert!(value(&text, "process_resident_memory_bytes").unwrap() > 1e6);
    }
    // Whatever grows never shrinks.
    let later = second.scrape();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (sample, before) = line.rsplit_once(' ').unwrap();
        if sample.split('{').next().unwrap().ends_with("_total") {
            let before: f64 = before.parse().unwrap();
            assert!(value(&later, sample).unwrap() >= before, "{sample}");
        }
    }
}

#[test]
fn only_a_scrape_is_answered() {
    let node = Node::start(&["--nodiscover"]);
    let status = |request: &[u8]| {
        let answer = node.answer(request);
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert_eq!(status(b"GET /debug/metrics/prometheus HTTP/1.1\r\n\r\n"), "200");
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status(b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "405");
    assert_eq!(status(b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"), "400");
    let huge = [b"GET /metrics HTTP/1.1\r\nX: ", &vec![b'x'; 100 * 1024][..]].concat();
    assert_eq!(status(&huge[..12 * 1024]), "431");
    let many = ["GET /metrics HTTP/1.1\r\n", &"A: b\r\n".repeat(100), "\r\n"].concat();
    assert_eq!(status(many.as_bytes()), "431");
    let head = node.answer(b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(node.scrape().contains("devp2p_build_info"));
}

/// It takes the five seconds that a request may take.
#[test]
fn a_slow_client_is_told_so_and_many_are_refused_meanwhile() {
    let node = Node::start(&["--nodiscover"]);
    let mut slow: Vec<_> = (0..8).map(|_| node.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /met").unwrap();
    }
    let refused = (0..1000).any(|_| {
        thread::sleep(core::time::Duration::from_millis(1));
        // Whoever comes before all places are taken is answered as it should be.
        rest(&mut node.connect()).contains("503")
    });
    assert!(refused);
    // All of them have asked before the first is looked at.
    node.program.signal("STOP");
    let mut others: Vec<_> = (0..20).map(|_| node.connect()).collect();
    for stream in &mut others {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    node.program.signal("CONT");
    for stream in &mut others {
        assert!(rest(stream).starts_with("HTTP/1.1 503 "));
    }
    assert!(rest(&mut slow[0]).starts_with("HTTP/1.1 408 "));
    slow.iter_mut().for_each(|stream| drop(rest(stream)));
    let served = (0..1000).any(|_| {
        thread::sleep(core::time::Duration::from_millis(10));
        let (mut stream, mut answer) = (node.connect(), String::new());
        // One that is refused may be closed before it has been read.
        let sent = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").is_ok();
        sent && stream.read_to_string(&mut answer).is_ok() && answer.contains("devp2p_peers")
    });
    assert!(served);
}
