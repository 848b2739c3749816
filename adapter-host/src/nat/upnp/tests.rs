//! Against devices on loopback that lie. An honest one is in `tests/nat`.

use core::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// Answers one search with where it listens, and each connection by `serve`.
fn device(serve: impl Fn(TcpStream, u16) + Send + 'static) -> (Upnp, StopSign) {
    let search = UdpSocket::bind("127.0.0.1:0").unwrap();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    let mut upnp = Upnp::new(Ipv4Addr::LOCALHOST);
    upnp.search = search.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((_, from)) = search.recv_from(&mut buffer) {
            let answer =
                format!("HTTP/1.1 200 OK\r\nLOCATION: http://127.0.0.1:{port}/d.xml\r\n\r\n");
            let _ = search.send_to(answer.as_bytes(), from);
        }
    });
    thread::spawn(move || {
        while let Ok((mut connection, _)) = web.accept() {
            let _ = connection.read(&mut [0; 2000]);
            serve(connection, port);
        }
    });
    (upnp, running())
}

/// Never set.
fn running() -> StopSign {
    let (running, stop) = mpsc::channel::<Infallible>();
    std::mem::forget(running);
    StopSign(stop)
}

fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What came of it, in time.
fn refused(upnp: &mut Upnp, stop: &StopSign) -> Failure {
    let begun = Instant::now();
    let failure = upnp.ask(stop).unwrap_err();
    assert!(begun.elapsed() < limits::UPNP_TIMEOUT + Duration::from_secs(5));
    assert!(upnp.device.is_none());
    failure
}

#[test]
fn garbage_is_no_gateway() {
    for garbage in ["", "garbage", "<root>", "<root><device/></root>", "<a>".repeat(1000).as_str()]
    {
        let answer = whole(garbage);
        let (mut upnp, stop) = device(move |mut connection, _| {
            let _ = connection.write_all(answer.as_bytes());
        });
        refused(&mut upnp, &stop);
    }
}

#[test]
fn endless_redirects_end() {
    let (mut upnp, stop) = device(|mut connection, port| {
        let to = format!("http://127.0.0.1:{port}/again");
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let _ = connection.write_all(answer.as_bytes());
    });
    refused(&mut upnp, &stop);
}

#[test]
fn sixteen_megabytes_and_more_are_not_read() {
    let (sent, count) = mpsc::channel();
    let (mut upnp, stop) = device(move |mut connection, _| {
        let _ =
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<root>");
        let chunk = [b' '; 65_536];
        let mut bytes = 0;
        while bytes < 64 << 20 && connection.write_all(&chunk).is_ok() {
            bytes += chunk.len();
        }
        let _ = sent.send(bytes);
    });
    refused(&mut upnp, &stop);
    drop(upnp);
    // What the system's buffers hold is not read.
    let bytes = count.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(bytes < 16 << 20, "{bytes}");
}

#[test]
fn one_that_never_ends_its_answer_is_given_up_and_no_second_thread_is_begun() {
    let (mut upnp, stop) = device(|mut connection, _| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(100));
            if connection.write_all(b" ").is_err() {
                return;
            }
        }
    });
    refused(&mut upnp, &stop);
    let begun = Instant::now();
    if Arc::strong_count(&upnp.busy) > 1 {
        assert_eq!(upnp.ask(&stop), Err(Failure::Silent));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_stop_cuts_a_search_short() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut upnp = Upnp::new(Ipv4Addr::LOCALHOST);
    upnp.search = silent.local_addr().unwrap();
    let (running, stop) = mpsc::channel();
    let begun = Instant::now();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop::<mpsc::Sender<Infallible>>(running);
    });
    assert_eq!(upnp.ask(&StopSign(stop)), Err(Failure::Silent));
    assert!(begun.elapsed() < limits::UPNP_SEARCH_TIMEOUT);
    stopper.join().unwrap();
}

#[test]
fn only_a_host_of_the_local_network_is_a_gateway_of_ours() {
    for (ip, is_one) in
        [("192.168.1.1", true), ("10.0.0.1", true), ("8.8.8.8", false), ("2001:4860::1", false)]
    {
        assert_eq!(is_gateway(ip.parse().unwrap()), is_one, "{ip}");
    }
}
