//! Answers that are larger than the question, sent to who did not ask: nethermind
//! 488, besu 792, aleth 5455, ethrex 2693, kaia 929, reth 4893, and nearly every
//! client once. And what is said again by another.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::discv4::Input;
use crate::limits;
use crate::store::Reply;

/// A ping that says as little as a ping can.
fn shortest_ping(stranger: &Stranger, lone: &Lone) -> Packet {
    let Packet::Ping(mut ping) = stranger.ping(lone.at, lone.now) else { unreachable!() };
    (ping.version, ping.from, ping.to) = (0, PacketEndpoint::default(), PacketEndpoint::default());
    Packet::Ping(ping)
}

/// With the longest endpoint that there is, the longest number of its record, and
/// more nodes in its table than fit an answer.
fn long_winded() -> Lone {
    let mut lone = Lone::new(1, |config| {
        config.store = true;
        config.endpoints.fallback_ip4 = None;
        config.endpoints.fallback_ip6 =
            Some("2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap());
        config.endpoints.fallback_udp = u16::MAX;
        config.entries = config.entries.clone().tcp(u16::MAX);
        config.bootnodes = (0..40).map(|number| Stranger::new(100 + number).contact()).collect();
    });
    let opened = Reply::Opened { sequence: Some(u64::MAX - 10), bonds: Vec::new() };
    lone.give(Input::Store(opened));
    lone.wait(Duration::from_secs(2));
    lone
}

#[test]
fn the_shortest_ping_gets_less_than_three_times_its_bytes() {
    for at in ["33.9.9.9:65535", "[2a00:eeee:ffff:ffff:ffff:ffff:ffff:ffff]:65535"] {
        let mut lone = long_winded();
        let stranger = Stranger { at: at.parse().unwrap(), ..Stranger::new(1) };
        let (datagram, _) = stranger.encode(&shortest_ping(&stranger, &lone));
        lone.sent.clear();
        lone.receive(stranger.at, &datagram);
        let (count, bytes) = datagrams_to(&mut lone, stranger.at);
        assert_eq!(count, 2);
        assert!(bytes < 3 * datagram.len(), "{bytes} for {}", datagram.len());
        // A second one, while we wait for its pong, gets a pong alone.
        lone.receive(stranger.at, &datagram);
        assert_eq!(datagrams_to(&mut lone, stranger.at).0, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Invariant D2, and the bound that the project states: over any trace, for
    /// each address where nobody has proved to be, whoever signs what is sent from
    /// there.
    #[test]
    fn an_unproven_address_never_gets_three_times_what_it_sent(
        packets in prop::collection::vec(
            (0..7_u8, 0..4_u32, 0..4_usize, 0..700_u64, any::<bool>()), 1..80,
        ),
    ) {
        let mut lone = long_winded();
        // Two of the four keys are proven where they live, which is elsewhere.
        (0..2).map(Stranger::new).for_each(|home| lone.bond(&home));
        lone.sent.clear();
        let addresses: [SocketAddr; 4] =
            ["33.200.0.1:30303", "33.200.0.1:1", "[2a00:ffff::1]:65535", "192.168.1.1:30303"]
                .map(|at| at.parse().unwrap());
        let mut balance = BTreeMap::<_, (usize, usize)>::new();
        for (kind, who, from, pause, short) in packets {
            let stranger = Stranger { at: addresses[from], ..Stranger::new(who) };
            let packet = match kind {
                0..=2 if short => shortest_ping(&stranger, &lone),
                0..=2 => stranger.ping(lone.at, lone.now),
                3 => find([1; 64], lone.now),
                4 => enr_request(lone.now),
                5 => neighbors([neighbor(1)].into(), lone.now),
                _ => stranger.pong(lone.at, [3; 32], lone.now),
            };
            let (datagram, _) = stranger.encode(&packet);
            balance.entry(stranger.at.ip()).or_default().0 += datagram.len();
            lone.receive(stranger.at, &datagram);
            lone.wait(Duration::from_millis(pause));
            for (to, datagram) in core::mem::take(&mut lone.sent) {
                if addresses.contains(&to) {
                    balance.entry(to.ip()).or_default().1 += datagram.len();
                }
            }
            for (ip, (received, sent)) in &balance {
                prop_assert!(*sent <= 3 * received, "{sent} bytes for {received} to {ip}");
            }
        }
    }
}

#[test]
fn a_replayed_pong_proves_nothing_however_often_and_from_wherever() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    let (_, ping) = lone.said_to(stranger.at).pop().unwrap();
    let Packet::Pong(mut pong) = stranger.pong(lone.at, ping, lone.now) else { unreachable!() };
    // Valid for a year, so that nothing else stops it.
    pong.expiration += 365 * 24 * 60 * 60;
    let pong = Packet::Pong(pong);
    lone.hear(&stranger, &pong);
    assert_eq!(lone.look().bonds(), 1);
    let elsewhere = Stranger { at: address(2000), ..Stranger::new(1) };
    for _ in 0..30 {
        lone.hear(&stranger, &pong);
        lone.hear(&elsewhere, &pong);
    }
    assert_eq!(dropped(&lone, DropReason::Unsolicited), 60);
    assert_eq!(lone.look().bonds(), 1);
    lone.wait(limits::BOND_LIFE);
    lone.sent.clear();
    lone.hear(&stranger, &pong);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [], "no replay renews a proof");
}

#[test]
fn a_replayed_ping_from_elsewhere_moves_nobody() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    lone.sent.clear();
    let thief = Stranger { at: address(2000), ..Stranger::new(1) };
    lone.hear(&thief, &stranger.ping(lone.at, lone.now));
    assert_eq!(lone.kinds_to(thief.at), [Kind::Pong, Kind::Ping]);
    let known = lone.look().table().contact(&stranger.id()).unwrap();
    assert_eq!(known.udp_endpoint(), Some(stranger.at));
    assert_eq!(lone.look().bonds(), 1);
}

#[test]
fn one_who_names_a_victim_as_its_neighbours_brings_it_less_than_he_says() {
    let mut lone = lone();
    let liar = Stranger::new(1);
    asking(&mut lone, &liar);
    let victim: SocketAddr = "44.4.4.4:5000".parse().unwrap();
    let at_victim = |number: u16| {
        let udp = victim.port() + number;
        Neighbor { ip: Some(victim.ip()), udp, ..neighbor(number.into()) }
    };
    let mut said = 0;
    for part in [0..12, 12..16] {
        let packet = neighbors(part.map(at_victim).collect(), lone.now);
        said += liar.encode(&packet).0.len();
        lone.hear(&liar, &packet);
    }
    assert!(matches!(lone.answer(1), Some(Answer::Contacts(nodes)) if nodes.len() == 16));
    lone.wait(Duration::from_secs(120));
    let to_victim = lone.sent.iter().filter(|(to, _)| to.ip() == victim.ip());
    let heard: usize = to_victim.map(|(_, datagram)| datagram.len()).sum();
    assert!(heard > 0 && heard < said, "{heard} bytes for {said}");
}

#[test]
fn a_neighbour_that_is_ourselves_or_nowhere_is_never_asked() {
    let mut lone = lone();
    let liar = Stranger::new(1);
    asking(&mut lone, &liar);
    let at = |number, ip: &str| Neighbor { ip: Some(ip.parse().unwrap()), ..neighbor(number) };
    let own = Neighbor { ip: Some([33, 5, 5, 5].into()), ..Neighbor::from(&lone.contact()) };
    let nodes = [
        own,
        Neighbor { udp: 0, ..neighbor(1) },
        Neighbor { udp: 1024, ..neighbor(2) },
        Neighbor { ip: None, ..neighbor(3) },
        at(4, "0.0.0.0"),
        at(5, "::"),
        at(6, "::ffff:0.0.0.0"),
        at(7, "10.1.2.3"),
        at(8, "::ffff:127.0.0.1"),
        at(9, "fe80::1"),
        at(10, "2001:db8::1"),
        at(11, "239.1.2.3"),
    ];
    lone.hear(&liar, &neighbors(nodes.into(), lone.now));
    lone.wait(limits::REPLY_TIMEOUT);
    assert_eq!(lone.answer(1), Some(&Answer::Contacts(Vec::new())));
    lone.ask(2, Command::LookUp([7; 64]));
    lone.wait_serving(core::slice::from_ref(&liar), Duration::from_secs(60));
    lone.said_to(liar.at);
    assert!(lone.sent.is_empty(), "nobody but the liar hears of us");
    assert_eq!(lone.look().table().len(), 1);
}

#[test]
fn a_neighbour_outside_of_the_permitted_networks_is_left_out() {
    let mut lone = Lone::new(1, |config| {
        config.net_restrict = Some("33.0.0.0/8, 44.1.0.0/16".parse().unwrap());
    });
    let liar = Stranger::new(1);
    asking(&mut lone, &liar);
    let at = |number, ip: &str| Neighbor { ip: Some(ip.parse().unwrap()), ..neighbor(number) };
    let good = [neighbor(1), at(2, "44.1.255.255")];
    let bad = [at(3, "44.2.0.0"), at(4, "34.0.0.1"), at(5, "2a00::1")];
    lone.hear(&liar, &neighbors([&good[..], &bad].concat(), lone.now));
    lone.wait(limits::REPLY_TIMEOUT);
    let good = good.iter().filter_map(Neighbor::contact).collect();
    assert_eq!(lone.answer(1), Some(&Answer::Contacts(good)));
}

/// As is one whose key is none. geth crashed on such keys in other places:
/// CVE-2025-24883, CVE-2026-26314.
#[test]
fn a_neighbour_whose_key_is_no_point_of_the_curve_is_left_out() {
    let mut lone = lone();
    let liar = Stranger::new(1);
    asking(&mut lone, &liar);
    let prime = hex!("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    let good = neighbor(1);
    let (x, y) = good.public_key.split_at(32);
    let mut off = good.public_key;
    off[63] ^= 1;
    let join = |x: &[u8], y: &[u8]| <[u8; 64]>::try_from([x, y].concat()).unwrap();
    let keys = [
        [0; 64],
        [0xFF; 64],
        join(&prime, y),
        join(x, &prime),
        join(&[0; 32], y),
        join(x, &[0; 32]),
        join(y, x),
        off,
    ];
    let mut nodes: Vec<_> =
        keys.iter().map(|key| Neighbor { public_key: *key, ..neighbor(2) }).collect();
    nodes.push(good);
    lone.hear(&liar, &neighbors(nodes, lone.now));
    lone.wait(limits::REPLY_TIMEOUT);
    let expected = Answer::Contacts([good.contact().unwrap()].into());
    assert_eq!(lone.answer(1), Some(&expected));
}

#[test]
fn a_command_that_names_ourselves_or_nowhere_sends_nothing() {
    use crate::discv4::RequestError;
    use crate::identity::Contact;
    let mut lone = lone();
    let key = Stranger::new(1).contact();
    let nowhere = |ip: &str, udp| Contact::new(*key.public_key(), ip.parse().unwrap(), udp, 1);
    let own = Contact::new(*lone.contact().public_key(), [9, 9, 9, 9].into(), 1, 1);
    for (number, contact, error) in [
        (1, own, RequestError::Own),
        (2, nowhere("9.9.9.9", 0), RequestError::NoEndpoint),
        (3, nowhere("0.0.0.0", 1), RequestError::NoEndpoint),
        (4, nowhere("::", 1), RequestError::NoEndpoint),
        (5, nowhere("224.0.0.1", 1), RequestError::NoEndpoint),
    ] {
        let failed = Answer::Failed(error);
        lone.ask(10 * number, Command::Ping(contact.clone()));
        lone.ask(10 * number + 1, Command::FindNode(contact.clone(), [1; 64]));
        lone.ask(10 * number + 2, Command::RequestRecord(contact));
        for command in 0..3 {
            assert_eq!(lone.answer(10 * number + command), Some(&failed));
        }
    }
    assert!(lone.sent.is_empty());
}
