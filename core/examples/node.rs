//! Two nodes become peers, for one has the other as a static node: no socket, no
//! clock, no async. Run it with `cargo run -p devp2p-core --example node`.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::driver::{self, Connection};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::Enode;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{Config, Event, Input, Node, Output, Report};
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::{Greeting, Session};
use devp2p_core::time::Now;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut now = Now::ZERO;
    let seed = Seed::from_number(1); // In production: from the operating system.
    let addresses: [SocketAddr; 2] = ["33.0.0.1:30303".parse()?, "33.0.1.1:30303".parse()?];
    let keys = [0, 1].map(|number| SecretKey::generate(&mut seed.derive("key", number).secrets()));
    let node = |me: usize, statics: &[Enode]| {
        let mut config = Config::new(keys[me].clone());
        config.discovery = false;
        let echo = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)])?;
        config.greeting = Greeting::Offer(echo);
        config.static_nodes = statics.iter().map(Into::into).collect();
        Ok::<_, Box<dyn std::error::Error>>(Node::new(
            config,
            &seed.derive("node", me as u64),
            now,
        )?)
    };
    let bob = Enode::new(keys[1].public_key(), addresses[1].ip(), addresses[1].port(), 0);
    let mut nodes = [node(0, &[bob])?, node(1, &[])?];

    // Each node's end of the one connection that there will be, and what lies in it.
    let mut ends = [None, None];
    let mut wires = [Vec::new(), Vec::new()];
    let mut inputs = [VecDeque::new(), VecDeque::new()];
    let mut peers = 0;
    while peers < 2 {
        now = now.saturating_add(Duration::from_millis(20));
        for (me, other) in [(0, 1), (1, 0)] {
            // All outputs, to the last …
            let local = Arc::clone(nodes[me].local());
            while let Some(output) = nodes[me].poll_output() {
                match output {
                    Output::Connect { id, to, remote, seed } => {
                        println!("{me}: dials {to}");
                        let session = Session::dial(Arc::clone(&local), remote, &seed, now);
                        ends[me] = Some((id, Connection::new(session)));
                        inputs[me].push_back(Input::Connected(id, Ok(())));
                        inputs[other].push_back(Input::Incoming(addresses[me]));
                    }
                    Output::Accept { id, seed } => {
                        let session = Session::accept(Arc::clone(&local), seed, now);
                        ends[me] = Some((id, Connection::new(session)));
                    }
                    Output::Session(_, command) => {
                        println!("{me}: {command:?}");
                        ends[me].iter_mut().for_each(|(_, end)| end.command(now, command));
                    }
                    Output::Event(Event::Connected(peer)) => {
                        println!("{me}: {} peer {}", peer.direction, peer.address);
                        peers += 1;
                    }
                    // A host name, discovery, the application: none of it is here.
                    Output::Refuse(_) | Output::LookUpName { .. } | Output::Send { .. } => {}
                    Output::Verify(_) | Output::Store(..) | Output::Answer(..) => {}
                    Output::Event(_) | Output::Stopped => {}
                }
            }
            // … the bytes of its session, and what that reports …
            if let Some((id, end)) = &mut ends[me] {
                end.received(now, &core::mem::take(&mut wires[me]));
                while let Some(event) = end.poll_event() {
                    let report = match event {
                        driver::Event::Authenticated(remote) => Report::Authenticated(remote),
                        driver::Event::Ready { hello, shared } => Report::Ready { hello, shared },
                        driver::Event::Closed(error) => return Err(error.into()),
                        driver::Event::Message(_) | driver::Event::RoundTrip(_) => continue,
                    };
                    inputs[me].push_back(Input::Session(*id, report));
                }
                wires[other].extend(end.writes().flatten());
                end.written(now, end.writes().map(<[u8]>::len).sum());
            }
            // … then one input.
            nodes[me].handle(now, inputs[me].pop_front().unwrap_or(Input::Timeout));
        }
    }
    Ok(())
}
