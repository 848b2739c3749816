//! Against gateways on loopback: honest ones, silent ones, and liars.

use core::convert::Infallible;
use std::sync::mpsc;
use std::thread;

use super::*;

/// A gateway that says what it is told to, once for each datagram that it gets;
/// it lasts until its link is gone.
struct Fake {
    link: Link,
    _running: mpsc::Sender<Infallible>,
    asked: mpsc::Receiver<Vec<u8>>,
}

/// `answers` makes of each request the datagrams to answer with.
fn gateway(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Fake {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // First this, so that who has an answer finds its question.
            if tell.send(buffer[..length].to_vec()).is_err() {
                return;
            }
            for answer in answers(&buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    let (running, stopping) = mpsc::channel();
    let named = Some(Ipv4Addr::LOCALHOST);
    let mut link =
        Link::new(named, Ipv4Addr::UNSPECIFIED, &Seed::from_number(1), StopSign(stopping));
    link.port = port;
    Fake { link, _running: running, asked }
}

/// NAT-PMP's answer to whatever is asked, mapped to the port after the wanted one.
fn pmp_answer(request: &[u8]) -> Vec<u8> {
    let mut answer = vec![0, request[1] | 128, 0, 0, 0, 0, 0, 9];
    if request[1] == 0 {
        answer.extend_from_slice(&[11, 22, 33, 44]);
    } else {
        answer.extend_from_slice(&request[4..]);
        answer[11] = answer[11].wrapping_add(1);
    }
    answer
}

/// PCP's.
fn pcp_answer(request: &[u8]) -> Vec<u8> {
    let mut answer = request.to_vec();
    answer[1] |= 128;
    answer[8..24].fill(0);
    answer[11] = 9;
    if answer.len() == 60 {
        answer[43] = answer[43].wrapping_add(1);
        answer[56..].copy_from_slice(&[11, 22, 33, 44]);
    }
    answer
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(11, 22, 33, 44));

#[test]
fn nat_pmp_asks_maps_and_unmaps() {
    let mut fake = gateway(|request| vec![pmp_answer(request)]);
    let there = Gateway { address: Some(ADDRESS), epoch: Some(9) };
    assert_eq!(fake.link.ask(Method::Pmp), Ok(there));
    let granted = fake.link.map(Method::Pmp, Protocol::Udp, 30303, 30303, 600);
    let expected = Grant { external: 30304, address: None, life: 600, epoch: Some(9) };
    assert_eq!(granted, Ok(expected));
    assert_eq!(fake.link.unmap(Method::Pmp, Protocol::Udp, 30303, 30304), Ok(()));
    let asked: Vec<_> = fake.asked.try_iter().collect();
    assert_eq!(asked[2][6..], [0; 6], "no port, no life");
}

#[test]
fn pcp_asks_maps_and_unmaps_under_one_nonce() {
    let mut fake = gateway(|request| vec![pcp_answer(request)]);
    assert_eq!(fake.link.ask(Method::Pcp), Ok(Gateway { address: None, epoch: Some(9) }));
    let granted = fake.link.map(Method::Pcp, Protocol::Tcp, 30303, 30303, 600);
    let expected = Grant { external: 30304, address: Some(ADDRESS), life: 600, epoch: Some(9) };
    assert_eq!(granted, Ok(expected));
    assert_eq!(fake.link.unmap(Method::Pcp, Protocol::Tcp, 30303, 30304), Ok(()));
    let asked: Vec<_> = fake.asked.try_iter().collect();
    assert_eq!(asked[1][24..36], asked[2][24..36]);
    assert_ne!(asked[1][24..36], [0; 12]);
}

#[test]
fn a_silent_gateway_is_asked_three_times_and_no_longer_than_two_seconds() {
    let mut fake = gateway(|_| Vec::new());
    let begun = Instant::now();
    assert_eq!(fake.link.ask(Method::Pmp), Err(Failure::Silent));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(fake.asked.try_iter().count(), 3);
}

#[test]
fn where_nobody_listens_it_is_known_at_once() {
    let mut fake = gateway(|_| Vec::new());
    // Bound and gone again.
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    fake.link.port = closed.port();
    assert_eq!(fake.link.ask(Method::Pcp), Err(Failure::Unsupported));
}

#[test]
fn a_gateway_that_speaks_only_nat_pmp_says_so_to_pcp() {
    let mut fake = gateway(|_| vec![vec![0, 129, 0, 1, 0, 0, 0, 9]]);
    assert_eq!(fake.link.ask(Method::Pcp), Err(Failure::Unsupported));
}

#[test]
fn answers_to_other_questions_are_counted_and_the_right_one_found_behind_them() {
    let mut fake = gateway(|request| {
        let mut other = pcp_answer(request);
        other[24] ^= 1;
        vec![other.clone(), other, pcp_answer(request)]
    });
    assert!(fake.link.map(Method::Pcp, Protocol::Tcp, 1, 1, 600).is_ok());
    assert_eq!((fake.link.take_strays(), fake.link.take_strays()), (2, 0));
}

#[test]
fn a_flood_of_strays_and_a_datagram_that_is_too_long_end_the_question() {
    let mut fake = gateway(|_| vec![pmp_answer(&[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9]); 100]);
    assert_eq!(fake.link.ask(Method::Pmp), Err(Failure::TooLarge));
    let mut fake = gateway(|_| vec![vec![0; 1500]]);
    assert_eq!(fake.link.ask(Method::Pmp), Err(Failure::TooLarge));
}

#[test]
fn nobody_but_the_gateway_is_heard() {
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let gateway_socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut fake = gateway(|_| Vec::new());
    fake.link.port = gateway_socket.local_addr().unwrap().port();
    let forger = thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, from) = gateway_socket.recv_from(&mut buffer).unwrap();
        stranger.send_to(&pmp_answer(&buffer[..length]), from).unwrap();
        gateway_socket
    });
    assert_eq!(fake.link.ask(Method::Pmp), Err(Failure::Silent));
    drop(forger.join());
}

#[test]
fn garbage_is_refused() {
    for garbage in [vec![], vec![0], vec![0, 128, 0], vec![0, 128, 0, 0, 1, 2, 3, 4, 5]] {
        let mut fake = gateway(move |_| vec![garbage.clone()]);
        assert_eq!(fake.link.ask(Method::Pmp), Err(Failure::Malformed));
    }
}

#[test]
fn a_stop_cuts_a_question_short_and_leaves_time_for_one_packet() {
    let mut fake = gateway(|_| Vec::new());
    drop(fake._running);
    let begun = Instant::now();
    let unmapped = fake.link.unmap(Method::Pmp, Protocol::Tcp, 1, 1);
    assert_eq!(unmapped, Err(Failure::Silent));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(fake.asked.try_iter().count(), 1);
}

#[test]
fn a_gateway_knows_us_again_after_a_restart_and_nobody_else_does() {
    let nonces = |seed: u64| {
        let (_running, stopping) = mpsc::channel::<Infallible>();
        Link::new(None, Ipv4Addr::UNSPECIFIED, &Seed::from_number(seed), StopSign(stopping)).nonces
    };
    assert_eq!(nonces(1), nonces(1));
    assert_ne!(nonces(1), nonces(2));
    assert_ne!(nonces(1)[0], nonces(1)[1]);
}
