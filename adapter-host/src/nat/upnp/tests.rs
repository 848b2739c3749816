//! Against devices on loopback that lie. An honest one is in `tests/nat`.

use core::convert::Infallible;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// A device that lies.
struct Liar {
    upnp: Upnp,
    stop: StopSign,
    /// How often it was connected to.
    asked: Arc<AtomicUsize>,
}

/// Answers a search with where it listens, and each connection by `serve`.
fn liar(serve: impl Fn(TcpStream, u16) + Send + 'static) -> Liar {
    let (port, asked) = web(serve);
    Liar { upnp: found_at(Ipv4Addr::LOCALHOST, port), stop: running(), asked }
}

/// A port that answers each connection so, and how many there were.
fn web(serve: impl Fn(TcpStream, u16) + Send + 'static) -> (u16, Arc<AtomicUsize>) {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        while let Ok((mut connection, _)) = web.accept() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 2000]);
            serve(connection, port);
        }
    });
    (port, asked)
}

/// One whose search is answered from this machine, and says so of this address.
fn found_at(ip: Ipv4Addr, port: u16) -> Upnp {
    let search = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut upnp = Upnp::new(Ipv4Addr::LOCALHOST);
    upnp.search = search.local_addr().unwrap();
    upnp.allowed = vec![Ipv4Addr::LOCALHOST.into()];
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((_, from)) = search.recv_from(&mut buffer) {
            let answer = format!("HTTP/1.1 200 OK\r\nLOCATION: http://{ip}:{port}/d.xml\r\n\r\n");
            let _ = search.send_to(answer.as_bytes(), from);
        }
    });
    upnp
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

impl Liar {
    /// Is asked, and refused in time.
    fn refused(&mut self) -> Failure {
        let failure = refused(&mut self.upnp, &self.stop);
        assert!(self.asked.load(Ordering::SeqCst) > 0, "it was never asked");
        failure
    }
}

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
        let mut liar = liar(move |mut connection, _| {
            let _ = connection.write_all(answer.as_bytes());
        });
        let failure = liar.refused();
        // It goes on to look for another that is none.
        assert!(matches!(failure, Failure::NoGateway | Failure::Malformed), "{failure}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let mut liar = liar(|mut connection, port| {
        let to = format!("http://127.0.0.1:{port}/again");
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let _ = connection.write_all(answer.as_bytes());
    });
    liar.refused();
    // As often as the search was answered.
    assert!(liar.asked.load(Ordering::SeqCst) < 10);
}

#[test]
fn sixteen_megabytes_and_more_are_not_read() {
    let (sent, count) = mpsc::channel();
    let mut liar = liar(move |mut connection, _| {
        let _ =
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<root>");
        let chunk = [b' '; 65_536];
        let mut bytes = 0;
        while bytes < 64 << 20 && connection.write_all(&chunk).is_ok() {
            bytes += chunk.len();
        }
        let _ = sent.send(bytes);
    });
    liar.refused();
    // What the system's buffers hold is not read.
    let bytes = count.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(bytes < 16 << 20, "{bytes}");
}

#[test]
fn one_that_never_ends_its_answer_is_given_up() {
    let mut liar = liar(|mut connection, _| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(100));
            if connection.write_all(b" ").is_err() {
                return;
            }
        }
    });
    liar.refused();
}

/// A call that ends when it is told to.
fn slow() -> (impl FnOnce() -> u8 + Send, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel();
    let work = move || {
        let _ = ended.recv();
        7
    };
    (work, end)
}

#[test]
fn a_call_that_takes_too_long_is_given_up_and_there_is_no_other_beside_it() {
    let mut upnp = Upnp::new(Ipv4Addr::LOCALHOST);
    upnp.patience = Duration::from_millis(100);
    let stop = running();
    let (work, end) = slow();
    assert_eq!(upnp.call(&stop, work), Err(Failure::Silent));
    assert_eq!(upnp.call(&stop, || 8), Err(Failure::Silent));
    drop(end);
    while Arc::strong_count(&upnp.busy) > 1 {
        thread::yield_now();
    }
    assert_eq!(upnp.call(&stop, || 8), Ok(8));
}

/// It may be about to map a port, which is to be given back.
#[test]
fn a_call_under_way_at_the_stop_is_waited_for_a_moment() {
    let upnp = Upnp::new(Ipv4Addr::LOCALHOST);
    let (running, stop) = mpsc::channel::<Infallible>();
    let (work, end) = slow();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(running);
        thread::sleep(Duration::from_millis(100));
        drop(end);
    });
    let stop = StopSign(stop);
    assert_eq!(upnp.call(&stop, work), Ok(7));
    stopper.join().unwrap();

    let (work, end) = slow();
    let begun = Instant::now();
    assert_eq!(upnp.call(&stop, work), Err(Failure::Silent));
    assert!(begun.elapsed() < limits::NAT_STOP_TIMEOUT);
    drop(end);
}

/// Somebody on the local network could have us send requests to any other.
#[test]
fn who_names_another_host_has_nobody_asked() {
    let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let mut upnp = found_at(Ipv4Addr::new(127, 0, 0, 2), port);
    refused(&mut upnp, &running());
    assert!(elsewhere.accept().is_err(), "the host of the description was asked");

    let control = format!("http://127.0.0.2:{port}/control");
    let description = whole(&format!(
        "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><serviceList><service>\
         <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
         <SCPDURL>{control}</SCPDURL><controlURL>{control}</controlURL>\
         </service></serviceList></device></root>"
    ));
    let mut liar = liar(move |mut connection, _| {
        let _ = connection.write_all(description.as_bytes());
    });
    liar.refused();
    assert!(elsewhere.accept().is_err(), "the host of the service was asked");
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
