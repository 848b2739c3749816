//! Records a connection with a real geth for `tests/transcripts.rs`.
//!
//! ```text
//! record accept 127.0.0.1:PORT FILE    geth dials us (prints the enode URL to dial)
//! record dial ENODE FILE               we dial geth
//! ```
//!
//! Plain blocking sockets, no runtime: each line of the file is a chunk that
//! geth sent, in hex; after `=` comes all that we wrote.
#![expect(clippy::expect_used, reason = "a tool for developers, run by hand")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use devp2p_core::identity::Enode;
use devp2p_tests::transcript::Party;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, place, file] = &arguments[..] else {
        eprintln!("usage: record accept ADDRESS FILE | record dial ENODE FILE");
        std::process::exit(2);
    };
    let (stream, remote) = if mode == "dial" {
        let enode: Enode = place.parse().expect("an enode URL");
        let address = enode.tcp_endpoint().expect("an address to dial");
        (TcpStream::connect(address).expect("a connection"), Some(*enode.public_key()))
    } else {
        let listener = TcpListener::bind(place).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let key = Party::public_key().expect("a key");
        println!("{}", Enode::new(key, address.ip(), address.port(), 0));
        (listener.accept().expect("a connection").0, None)
    };
    let text = record(stream, Party::new(remote).expect("a session"));
    std::fs::write(file, text).expect("a file to write");
}

fn record(mut stream: TcpStream, mut party: Party) -> String {
    let (mut text, mut sent, mut chunk) = (String::new(), 0, [0; 4096]);
    while !party.is_over() {
        stream.write_all(&party.written[sent..]).expect("geth to take it");
        sent = party.written.len();
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => party.lost(),
            Ok(count) => {
                text.extend(chunk[..count].iter().map(|byte| format!("{byte:02x}")));
                text.push('\n');
                party.received(&chunk[..count]);
            }
        }
    }
    eprint!("{}", party.events);
    let written: String = party.written.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}={written}\n")
}
