//! Two nodes find each other: no socket, no clock, no async. Run it with
//! `cargo run -p devp2p-core --example discovery`.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
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
            found += feed(node, now, Input::Timeout, |to, datagram| {
                flying.push_back((address, to, datagram));
            });
        }
        now = now.saturating_add(Duration::from_millis(20));
        for (source, to, datagram) in flying.split_off(0) {
            let Some(index) = addresses.iter().position(|address| *address == to) else { continue };
            let input = Input::Datagram { source, bytes: &datagram };
            found += feed(&mut nodes[index], now, input, |next, datagram| {
                flying.push_back((to, next, datagram));
            });
        }
    }
    assert_eq!(found, 2, "each has found the other");
    Ok(())
}

/// One input, then all its outputs, then the next. Says how many nodes were found.
fn feed(
    node: &mut Discovery,
    now: Now,
    input: Input<'_>,
    mut send: impl FnMut(SocketAddr, Bytes),
) -> u32 {
    let mut found = 0;
    let mut next = Some(input);
    let mut unverified = VecDeque::new();
    while let Some(input) = next {
        node.handle(now, input);
        while let Some(output) = node.poll_output() {
            match output {
                Output::Send { to, datagram } => send(to, datagram),
                // Pure and costly: the place for a pool of threads.
                Output::Verify(packet) => unverified.push_back(packet),
                Output::Event(Event::Added(contact)) => {
                    println!("{:?}  found {contact}", now.mono);
                    found += 1;
                }
                Output::Event(_) | Output::Store(..) | Output::Answer(..) | Output::Stopped => {}
            }
        }
        next = unverified.pop_front().map(|packet| Input::Verified(verify(packet)));
    }
    found
}
