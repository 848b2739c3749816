//! How programs end that somebody ends: signals, and pipes that nobody reads.

use std::io::{BufRead as _, BufReader, ErrorKind, PipeReader, PipeWriter, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use devp2p_smol::core::p2p::DisconnectReason;
use devp2p_smol::core::session::SessionError;

use crate::peers::{World, visitor, within};
use crate::support::{Listener, PATIENCE, Program, error_of};

const QUITTING: SessionError = SessionError::Remote(DisconnectReason::Quitting);

#[test]
fn a_listening_node_tells_its_peers_that_it_quits() {
    let world = World::new();
    for signal in ["TERM", "INT"] {
        let listener = Listener::start(&["--echo"]);
        let peers = [(); 3].map(|()| world.dial(&listener.enode, "x"));
        for _ in &peers {
            assert!(listener.program.line().starts_with('+'));
        }
        listener.program.signal(signal);
        for peer in &peers {
            assert_eq!(within(peer.closed()), QUITTING);
        }
        let outcome = listener.program.end();
        assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
        assert_eq!(outcome.output.len(), 3, "each is told of: {outcome:?}");
        assert!(outcome.output.iter().all(|line| line.contains("local: client quitting")));
    }
}

#[test]
fn an_echo_that_is_cut_short_tells_its_peer_that_it_quits() {
    let world = World::new();
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let node = world.node("x");
        let url = node.enode().to_string();
        let echo = ["rlpx", "echo", &url, "--count", "9", "--size", "1", "--json"];
        let program = Program::start(&echo);
        // It waits for a reply that nobody sends.
        let peer = visitor(&node);
        program.signal(signal);
        assert_eq!(within(peer.closed()), QUITTING);
        let outcome = program.end();
        assert_eq!((outcome.status, outcome.output.len()), (status, 1), "{outcome:?}");
        let error = error_of(&serde_json::from_str(&outcome.output[0]).unwrap());
        assert_eq!(error, ("local".into(), "interrupted".into()));
    }
}

#[test]
fn a_ping_that_gets_no_answer_can_be_cut_short() {
    // Something that takes connections and never says a word.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let key = crate::support::KeyFile::of('1');
    let port = socket.local_addr().unwrap().port().to_string();
    let url = crate::support::run(&["key", "to-enode", key.name(), "--tcp", &port]).line();
    let program = Program::start(&["rlpx", "ping", &url]);
    let _connection = socket.accept().unwrap();
    program.signal("INT");
    let outcome = program.end();
    assert_eq!((outcome.status, &outcome.errors[..]), (130, &["devp2p: interrupted".into()][..]));
}

#[test]
fn a_listening_node_ends_when_it_has_something_to_say_that_nobody_reads() {
    let (reader, writer) = std::io::pipe().unwrap();
    let program = listen_into(writer);
    let (reader, enode) = first_line(reader);
    drop(reader);
    let world = World::new();
    let peer = world.dial(enode.trim(), "x");
    assert_eq!(within(peer.closed()), QUITTING);
    let outcome = program.end();
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
}

#[test]
fn a_bootnode_serves_on_when_nobody_reads_what_it_says() {
    let listen = ["discv4", "listen", "--addr", "127.0.0.1:0", "--bootnodes"];
    let (reader, writer) = std::io::pipe().unwrap();
    let bootnode = Program::start_into(&[&listen[..], &[""]].concat(), writer);
    let (reader, enode) = first_line(reader);
    drop(reader);
    // It has a line to say of each that comes, and gives each its record.
    for _ in 0..3 {
        let guest = Program::start(&[&listen[..], &[enode.trim()]].concat());
        let begun = Instant::now();
        while !guest.line().starts_with("* ") {
            assert!(begun.elapsed() < PATIENCE, "the bootnode gave no record");
        }
    }
    bootnode.signal("TERM");
    let outcome = bootnode.end();
    assert_eq!((outcome.status, outcome.errors.len()), (0, 0), "{outcome:?}");
}

#[test]
fn a_reader_who_dawdles_holds_up_no_peer_and_a_second_signal_ends_at_once() {
    let (reader, writer) = std::io::pipe().unwrap();
    let program = listen_into(writer.try_clone().unwrap());
    let (_reader, enode) = first_line(reader);
    fill(&writer);

    // Nothing more can be said, and everything else goes on.
    let world = World::new();
    let peer = world.dial(enode.trim(), "x");
    let channel = peer.channel("echo").unwrap();
    within(async {
        channel.send(0, "hello").await.unwrap();
        assert_eq!(&channel.receive().await.unwrap().payload()[..], b"hello");
    });
    program.signal("TERM");
    assert_eq!(within(peer.closed()), QUITTING);
    // Now it waits to tell of that.
    program.signal("TERM");
    assert_eq!(program.end().status, 143);
}

#[test]
fn a_service_that_nobody_reads_drops_what_it_has_to_say_and_ends_at_the_first_signal() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("ipc");
    let (reader, writer) = std::io::pipe().unwrap();
    let run = ["run", "--addr", "127.0.0.1", "--port", "0", "--nodiscover", "--echo", "--ipcpath"];
    let arguments = [&run[..], &[socket.to_str().unwrap()]].concat();
    let program = Program::start_into(&arguments, writer.try_clone().unwrap());
    let (_reader, enode) = first_line(reader);
    fill(&writer);
    let world = World::new();
    let peer = world.dial(enode.trim(), "x");
    program.signal("TERM");
    assert_eq!(within(peer.closed()), QUITTING);
    let outcome = program.end();
    let complaint = "devp2p: cannot write to standard output: nobody reads the last lines";
    assert_eq!((outcome.status, &outcome.errors[..]), (1, &[complaint.to_owned()][..]));
    assert!(!socket.exists());
}

fn listen_into(output: PipeWriter) -> Program {
    Program::start_into(&["rlpx", "listen", "--addr", "127.0.0.1:0", "--echo"], output)
}

/// What a program says first, and the pipe that it says it into.
fn first_line(reader: PipeReader) -> (BufReader<PipeReader>, String) {
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    (reader, line)
}

/// Writes to a pipe until it takes no more.
fn fill(mut pipe: &PipeWriter) {
    // Whether it waits is a property that all its ends here share.
    let handle = UnixStream::from(OwnedFd::from(pipe.try_clone().unwrap()));
    handle.set_nonblocking(true).unwrap();
    let error = loop {
        if let Err(error) = pipe.write(&[b'.'; 512]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    handle.set_nonblocking(false).unwrap();
}
