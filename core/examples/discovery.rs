//! Two nodes find each other: no socket, no clock, no async. Run it with
//! `cargo run -p devp2p-core --example discovery`.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{Config, Discovery, Event, Input, Output, verify};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::Contact;
use devp2p_core::machine::Machine as _;
use devp2p_core::time::{Instant, Now, UnixTime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut now = Now { mono: Instant::ZERO, unix: UnixTime::from_secs(1_700_000_000) };
    let addresses: [SocketAddr; 2] = ["33.0.0.1:30303".parse()?, "33.0.1.1:30303".parse()?];
    let key = |number| SecretKey::generate(&mut Seed::from_number(number).secrets());

    // The second node is told of the first.
    let mut configs = [Config::new(key(1)), Config::new(key(2))];
    let [first, second] = addresses;
    configs[1].bootnodes = vec![Contact::new(key(1).public_key(), first.ip(), first.port(), 0)];
    for (config, address) in configs.iter_mut().zip([first, second]) {
        config.endpoints.fallback_udp = address.port();
    }
    let [one, other] = configs;
    let mut nodes = [
        Discovery::new(one, &Seed::from_number(3), now)?,
        Discovery::new(other, &Seed::from_number(4), now)?,
    ];

    // Ten seconds of a network in which a datagram takes 20 ms.
    let mut flying = VecDeque::new();
    let mut found = 0;
    while now.mono < Instant::from_secs(10) {
        for (node, address) in nodes.iter_mut().zip(addresses) {
            node.handle(now, Input::Timeout);
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Send { to, datagram } => flying.push_back((address, to, datagram)),
                    Output::Verify(packet) => node.handle(now, Input::Verified(verify(packet))),
                    Output::Event(Event::Added(contact)) => {
                        println!("{:?}  {address} found {contact}", now.mono);
                        found += 1;
                    }
                    Output::Event(_) | Output::Store(..) | Output::Answer(..) => {}
                    Output::Stopped => return Ok(()),
                    _ => {}
                }
            }
        }
        now = now.saturating_add(Duration::from_millis(20));
        for (source, to, datagram) in flying.split_off(0) {
            if let Some(index) = addresses.iter().position(|address| *address == to) {
                nodes[index].handle(now, Input::Datagram { source, bytes: &datagram });
            }
        }
    }
    assert_eq!(found, 2, "each has found the other");
    Ok(())
}
