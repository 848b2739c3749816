//! `devp2p admin`, and the socket that it asks: what it says, and who is refused.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};
#[cfg(target_os = "linux")]
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{PATIENCE, Program, run};

const ALONE: [&str; 6] = ["run", "--addr", "127.0.0.1", "--port", "0", "--echo"];

/// A node with a socket.
struct Asked {
    program: Program,
    enode: String,
    folder: tempfile::TempDir,
}

impl Asked {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.ipc");
        let ours = ["--ipcpath", socket.to_str().unwrap()];
        let program = Program::start(&[&ALONE[..], &ours, more].concat());
        let enode = program.line();
        assert!(program.line().starts_with("enr:"));
        Self { program, enode, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("node.ipc")
    }

    /// What `devp2p admin` prints as JSON.
    fn json(&self, command: &[&str]) -> Value {
        let socket = self.socket();
        let more = ["--json", "--ipcpath", socket.to_str().unwrap()];
        let line = run(&[&["admin"], command, &more].concat()).line();
        serde_json::from_str(&line).unwrap()
    }

    /// What it prints for people.
    fn lines(&self, command: &[&str]) -> Vec<String> {
        let socket = self.socket();
        let outcome =
            run(&[&["admin"], command, &["--ipcpath", socket.to_str().unwrap()]].concat());
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
        outcome.output
    }

    fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    fn peers(&self) -> Vec<Value> {
        self.json(&["peers"]).as_array().unwrap().clone()
    }
}

struct Client(UnixStream);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next line.
    fn line(&mut self) -> Value {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "closed after {line:?}");
            line.push(byte[0]);
        }
        serde_json::from_slice(&line).unwrap()
    }

    fn call(&mut self, method: &str, arguments: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": arguments});
        self.send(request.to_string().as_bytes());
        self.line()
    }

    /// All that comes until it is closed.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_the_node() {
    let node = Asked::start(&["--nodiscover"]);
    let mode = fs::metadata(node.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = node.socket();
    let Asked { program, folder, .. } = node;
    program.signal("TERM");
    assert_eq!(program.end().status, 0);
    assert!(!socket.exists());
    drop(folder);
}

#[test]
fn peers_and_info_have_the_names_of_geth() {
    let first = Asked::start(&["--nodiscover"]);
    let second = Asked::start(&["--nodiscover", "--staticnodes", &first.enode]);
    assert!(second.program.line().starts_with("+ "));
    assert!(first.program.line().starts_with("+ "));
    let (inbound, outbound) = (&first.peers()[0], &second.peers()[0]);
    let info = first.json(&["info"]);
    assert_eq!(outbound["enode"], info["enode"]);
    assert_eq!(outbound["id"], info["id"]);
    assert_eq!(outbound["caps"], json!(["echo/1"]));
    assert_eq!(outbound["protocols"], json!({ "echo": "unknown" }));
    assert!(outbound["name"].as_str().unwrap().starts_with("devp2p-rs/"));
    let network = &outbound["network"];
    assert_eq!(network["localAddress"], inbound["network"]["remoteAddress"]);
    assert_eq!(network["remoteAddress"], inbound["network"]["localAddress"]);
    assert_eq!(
        (&network["inbound"], &network["static"], &network["trusted"]),
        (&json!(false), &json!(true), &json!(false))
    );
    assert_eq!(inbound["network"]["inbound"], json!(true));
    assert_eq!(info["listenAddr"], network["remoteAddress"]);
    assert_eq!(info["ip"], "127.0.0.1");
    let table = second.lines(&["peers"]);
    assert_eq!(table.len(), 2);
    assert!(table[1].contains("outbound") && table[1].contains("static"), "{table:?}");
    assert!(second.lines(&["info"]).iter().any(|line| line.starts_with("enode ")));
}

#[test]
fn a_node_is_added_explained_and_removed() {
    let first = Asked::start(&["--nodiscover"]);
    let second = Asked::start(&["--nodiscover"]);
    assert_eq!(second.lines(&["peers"]).len(), 1, "only the titles");
    assert_eq!(second.json(&["add", &first.enode]), json!(true));
    assert!(second.program.line().starts_with("+ "));
    let explained = second.json(&["explain", &first.enode]);
    assert_eq!(explained["static"], json!(true));
    assert_eq!(explained["dial"], "already connected");
    let what: Vec<_> = explained["decisions"].as_array().unwrap().iter().collect();
    let what: Vec<_> = what.iter().map(|noted| noted["what"].as_str().unwrap()).collect();
    let expected =
        ["static_added", "dial_begun", "connecting", "connected", "proceeded", "admitted"];
    assert_eq!(what, expected);
    assert_eq!(explained["connectedSince"], explained["decisions"][5]["last"]);
    let id = explained["id"].as_str().unwrap().to_owned();
    assert_eq!(second.json(&["remove", &first.enode]), json!(true));
    assert!(second.peers().is_empty());
    let lines = second.lines(&["explain", &id]);
    assert!(lines.last().unwrap().contains("requested"), "{lines:?}");
    // It was dialled only now, though nobody knows any more where it is.
    assert!(lines.contains(&"dial now   recently dialled".to_owned()), "{lines:?}");
    let stranger = second.lines(&["explain", &"0".repeat(64)]);
    assert!(stranger.contains(&"dial now   not known now where it is".to_owned()), "{stranger:?}");
}

#[test]
fn a_node_is_explained_by_the_beginning_of_its_id() {
    let first = Asked::start(&["--nodiscover"]);
    let second = Asked::start(&["--nodiscover", "--staticnodes", &first.enode]);
    let printed = second.program.line();
    let id = first.json(&["info"])["id"].as_str().unwrap().to_owned();
    let short = &id[..16];
    assert!(printed.contains(short), "{printed}");
    assert!(second.lines(&["peers"])[1].starts_with(short));
    for digits in [short, &id[..8], &short.to_uppercase()] {
        assert_eq!(second.json(&["explain", digits])["id"], id);
    }
    let complaint = |node: &str| {
        let socket = second.socket();
        run(&["admin", "explain", node, "--ipcpath", socket.to_str().unwrap()]).complaint()
    };
    for text in ["00000000", &id[..7], "nonsense"] {
        let complaint = complaint(text);
        assert!(complaint.contains("at least the first 8 of a known node"), "{complaint}");
        assert!(complaint.contains("enode URL or a record"), "{complaint}");
    }
}

/// A process that is stopped takes nobody, and the system lets so many wait. It
/// takes the ten seconds that `admin` waits.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_stopped_holds_up_nobody() {
    let node = Asked::start(&["--nodiscover"]);
    node.program.signal("STOP");
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.connect(&SockAddr::unix(node.socket()).unwrap()).ok().map(|()| socket)
    };
    let waiting: Vec<_> = core::iter::from_fn(connect).collect();
    assert!(waiting.len() >= 16);
    let socket = node.socket();
    let socket = socket.to_str().unwrap();
    let complaint = run(&[&ALONE[..], &["--nodiscover", "--ipcpath", socket]].concat()).complaint();
    assert!(complaint.ends_with("another process listens there"), "{complaint}");
    let complaint = run(&["admin", "info", "--ipcpath", socket]).complaint();
    assert!(complaint.ends_with("node.ipc: does not answer"), "{complaint}");
    node.program.signal("CONT");
    drop(waiting);
    // It notices in its own time that those who waited are gone.
    let info = ["admin", "info", "--ipcpath", socket];
    assert!((0..100).any(|_| run(&info).status == 0));
}

#[test]
fn a_socket_that_is_another_s_by_now_is_left_to_it() {
    let node = Asked::start(&["--nodiscover"]);
    let socket = node.socket();
    fs::remove_file(&socket).unwrap();
    let _successor = UnixListener::bind(&socket).unwrap();
    let Asked { program, folder: _folder, .. } = node;
    program.signal("TERM");
    assert_eq!(program.end().status, 0);
    assert!(socket.exists());
}

#[test]
fn a_trusted_node_is_admitted_by_one_that_is_full() {
    let full = Asked::start(&["--nodiscover", "--maxpeers", "0"]);
    let friend = Asked::start(&["--nodiscover"]);
    assert_eq!(full.json(&["trust", &friend.enode]), json!(true));
    friend.lines(&["add", &full.enode]);
    assert!(full.program.line().starts_with("+ "));
    assert_eq!(full.peers()[0]["network"]["trusted"], json!(true));
    full.lines(&["trust", "--remove", &friend.enode]);
    assert_eq!(full.peers()[0]["network"]["trusted"], json!(false));
}

#[test]
fn every_counter_is_told_and_the_table_by_bucket() {
    let first = Asked::start(&["--bootnodes="]);
    let second = Asked::start(&["--bootnodes", &first.enode]);
    assert!(second.program.line().starts_with("+ "));
    let reasons = second.json(&["reasons"]);
    assert_eq!(reasons["devp2p_connections_refused_total"]["throttled"], json!(0));
    let admitted = &reasons["devp2p_peers_admitted_total"];
    let sum = |label: &str| admitted[label].as_u64().unwrap();
    assert!(sum("inbound") + sum("outbound") >= 1, "{admitted}");
    assert!(second.lines(&["reasons"]).iter().any(|line| line.contains("admitted")));
    let table = second.json(&["table"]);
    let buckets = table.as_array().unwrap();
    assert_eq!(buckets.len(), 17);
    let entry = buckets.iter().flat_map(|bucket| bucket.as_array().unwrap()).next().unwrap();
    assert!(entry["addedToBucket"].as_str().unwrap().ends_with('Z'), "{entry}");
    let added = |table: &Value| {
        let buckets = table.as_array().unwrap().iter().flat_map(|of| of.as_array().unwrap());
        buckets.map(|entry| entry["addedToTable"].clone()).collect::<Vec<_>>()
    };
    let first_told = added(&table);
    for _ in 0..5 {
        thread::sleep(core::time::Duration::from_millis(300));
        assert_eq!(added(&second.json(&["table"])), first_told);
    }
    assert_eq!(second.lines(&["table"]).len(), 2);
    assert_eq!(first.lines(&["table"])[0].split_whitespace().next(), Some("BUCKET"));
}

#[test]
fn requests_are_answered_in_order_however_they_are_separated() {
    let node = Asked::start(&["--nodiscover"]);
    let mut client = node.connect();
    let call = |id: u64| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"admin_nodeInfo"}}"#);
    let stream = [call(1), call(2), "\n\n".into(), call(3), format!("[{},{}]", call(4), call(5))];
    for byte in stream.concat().as_bytes() {
        client.send(&[*byte]);
    }
    for id in 1..=3 {
        assert_eq!(client.line()["id"], json!(id));
    }
    let batch = client.line();
    assert_eq!((&batch[0]["id"], &batch[1]["id"]), (&json!(4), &json!(5)));
    let modules = client.call("rpc_modules", &json!([]));
    assert_eq!(modules["result"]["admin"], "1.0");
    assert_eq!(code(&client.call("eth_blockNumber", &json!([]))), -32601);
    for nothing in ["{}", r#"{"method":"rpc_modules"}"#, r#"{"jsonrpc":"2.0","method":7}"#] {
        client.send(nothing.as_bytes());
        let answer = client.line();
        assert_eq!((code(&answer), &answer["id"]), (-32600, &Value::Null), "{nothing}");
    }
    client.send(b"[{}]");
    assert_eq!(code(&client.line()[0]), -32600);
    assert_eq!(code(&client.call("admin_addPeer", &json!([]))), -32602);
    assert_eq!(code(&client.call("admin_addPeer", &json!(["enode://12"]))), -32000);
}

#[test]
fn malformed_and_huge_requests_end_their_connection_and_no_other() {
    let node = Asked::start(&["--nodiscover"]);
    let mut other = node.connect();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"{\"a\":}", b"\xff\xfe", b"[[[}}}x"] {
        let mut client = node.connect();
        client.send(garbage);
        let answer: Value = serde_json::from_str(&client.rest()).unwrap();
        assert_eq!(code(&answer), -32700, "{answer}");
    }
    let mut client = node.connect();
    let huge = [b"[\"", &vec![b'x'; 70 * 1024][..]].concat();
    client.send(&huge);
    let answer: Value = serde_json::from_str(&client.rest()).unwrap();
    assert_eq!(answer["error"]["message"], "request too large");
    assert!(other.call("admin_nodeInfo", &json!([]))["result"]["id"].is_string());
}

/// It takes the ten seconds that a request may take.
#[test]
fn a_request_that_does_not_end_is_refused() {
    let node = Asked::start(&["--nodiscover"]);
    let mut client = node.connect();
    client.send(b"{\"jsonrpc\":");
    let answer: Value = serde_json::from_str(&client.rest()).unwrap();
    assert_eq!(code(&answer), -32002);
}

/// It takes the ten seconds that an answer may take.
#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_is_closed() {
    let node = Asked::start(&["--nodiscover"]);
    let mut deaf = node.connect();
    deaf.0.set_write_timeout(Some(PATIENCE)).unwrap();
    let writing = thread::spawn(move || {
        let call = br#"{"jsonrpc":"2.0","id":1,"method":"admin_nodeInfo"}"#;
        let ended = (0..1_000_000).find_map(|_| deaf.0.write_all(call).err());
        ended.expect("it was never closed").kind()
    });
    assert!(node.connect().call("admin_nodeInfo", &json!([]))["result"].is_object());
    let kind = writing.join().unwrap();
    assert!(
        [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::ConnectionReset].contains(&kind),
        "{kind}"
    );
}

#[test]
fn there_is_room_for_so_many_clients_and_again_when_one_has_left() {
    let node = Asked::start(&["--nodiscover"]);
    let mut clients: Vec<_> = (0..16).map(|_| node.connect()).collect();
    for client in &mut clients {
        assert!(client.call("admin_nodeInfo", &json!([]))["result"].is_object());
    }
    let answer: Value = serde_json::from_str(&node.connect().rest()).unwrap();
    assert_eq!(answer["error"]["message"], "too many clients");
    let socket = node.socket();
    for _ in 0..50 {
        let refused = run(&["admin", "info", "--ipcpath", socket.to_str().unwrap()]);
        assert_eq!(refused.complaint(), "devp2p: too many clients");
    }
    drop(clients.pop());
    // The node notices in its own time.
    let served = (0..1000).any(|_| {
        thread::sleep(core::time::Duration::from_millis(10));
        let mut client = node.connect();
        let call = br#"{"jsonrpc":"2.0","id":1,"method":"rpc_modules"}"#;
        // One that is refused may be closed before it has been read.
        let sent = client.0.write_all(call).is_ok();
        let _ = client.0.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        sent && client.0.read_to_string(&mut answer).is_ok() && answer.contains("result")
    });
    assert!(served);
    assert!(clients[0].call("rpc_modules", &json!([]))["result"].is_object());
}

#[test]
fn a_socket_that_nobody_serves_is_replaced_and_anything_else_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    let started = |path: &PathBuf| {
        run(&[&ALONE[..], &["--nodiscover", "--ipcpath", path.to_str().unwrap()]].concat())
    };
    drop(UnixListener::bind(&path).unwrap());
    let program = Program::start(
        &[&ALONE[..], &["--nodiscover", "--ipcpath", path.to_str().unwrap()]].concat(),
    );
    assert!(program.line().starts_with("enode://"));
    let complaint = started(&path).complaint();
    assert!(complaint.ends_with("another process listens there"), "{complaint}");
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let complaint = started(&file).complaint();
    assert!(complaint.contains("no socket"), "{complaint}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn nobody_to_ask_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&["admin", "peers", "--datadir", folder.path().to_str().unwrap()]);
    let complaint = outcome.complaint();
    assert!(complaint.contains("devp2p.ipc: No such file"), "{complaint}");
    assert_eq!(run(&["admin", "peers"]).status, 2);
    let node = Asked::start(&["--nodiscover"]);
    let socket = node.socket();
    let complaint =
        run(&["admin", "add", "enode://12", "--ipcpath", socket.to_str().unwrap()]).complaint();
    assert!(complaint.starts_with("devp2p: invalid enode: "), "{complaint}");
}
