//! Two sessions in memory shake hands and exchange a message. No sockets, no
//! threads, no clock: `cargo run -p devp2p-core --example session`.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "an application")]

use std::{collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::machine::Machine as _;
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::{Command, Greeting, Input, Local, Output, Session};
use devp2p_core::time::Now;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Seed::from_number(1); // In production: from the operating system.
    let node = |number| {
        let echo = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)])?;
        let key = SecretKey::generate(&mut seed.derive("node key", number).secrets());
        Local::new(key, "example", Greeting::Offer(echo)).map(Arc::new)
    };
    let (alice, bob) = (node(0)?, node(1)?);
    let dialled = Session::dial(alice, *bob.public(), &seed.derive("session", 0), Now::ZERO);
    let accepted = Session::accept(bob, seed.derive("session", 1), Now::ZERO);
    let mut sessions = [dialled, accepted];
    let mut received = [BytesMut::new(), BytesMut::new()];
    let mut to_send = [VecDeque::new(), VecDeque::new()];
    let mut answers = [VecDeque::new(), VecDeque::new()];

    let mut messages = 0;
    while messages < 2 {
        for (me, other) in [(0, 1), (1, 0)] {
            // All outputs, to the last …
            while let Some(output) = sessions[me].poll_output() {
                match output {
                    Output::Write(bytes) => {
                        received[other].extend_from_slice(&bytes);
                        answers[me].push_back(Input::Written(bytes.len()));
                    }
                    Output::Authenticated(_) => {
                        answers[me].push_back(Input::Command(Command::Proceed));
                    }
                    Output::Ready { hello, shared } => {
                        println!("{me}: {} offers {}", hello.client_name, hello.capabilities[0]);
                        answers[me].push_back(Input::Command(Command::Admit));
                        to_send[me].push_back(shared.message(0, 0, "how are you?".into())?);
                    }
                    Output::Message(message) => {
                        println!("{me}: {:?}, with code {}", message.payload(), message.code());
                        answers[me].push_back(Input::Delivered);
                        messages += 1;
                    }
                    Output::RoundTrip(_) => {}
                    Output::Closed(error) => return Err(error.into()),
                }
            }
            // … then one input.
            let input = match answers[me].pop_front() {
                Some(answer) => answer,
                None if to_send[me].is_empty() => Input::Received(&mut received[me]),
                None => Input::Send(&mut to_send[me]),
            };
            sessions[me].handle(Now::ZERO, input);
        }
    }
    Ok(())
}
