//! The gateway in front of us, asked by a thread of its own: it does what
//! [`Mapper`] decides, one thing after another, and says how it stands.
//!
//! The node never waits for it: not when it starts, and when it stops for as long
//! as [`limits::NAT_STOP_TIMEOUT`] at most.

mod link;
mod route;
#[cfg(feature = "upnp")]
mod upnp;

use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Instant as Wall;

use async_channel::{Receiver, Sender};
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::nat::{self, Action, Mapper, Nat, Status, Step, StunServer};

use crate::Clock;
use crate::names::addresses;
use link::Link;

/// What the thread says.
#[derive(Debug)]
pub(crate) enum Told {
    /// How it stands.
    Status(Status),
    /// Where the STUN servers are.
    Servers(Vec<SocketAddr>),
    /// It holds no mapping any more and has ended.
    Ended,
}

/// The thread, or none.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) told: Receiver<Told>,
    /// Dropped, it ends the thread.
    running: Option<mpsc::Sender<Infallible>>,
    /// It is to end until then.
    ends: Option<Wall>,
}

impl Gateway {
    /// Begins to ask for these sockets to be reachable, if there is a point in it:
    /// never where a socket is bound to loopback, to a public address, or to an
    /// IPv6 address.
    pub(crate) fn start(
        nat: &Nat,
        nonces: &Seed,
        tcp: Option<SocketAddr>,
        udp: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let (tell, told) = async_channel::bounded(limits::NAT_STATUSES);
        let mut gateway = Self { told, running: None, ends: None };
        if let Nat::Stun(server) = nat {
            if udp.is_some_and(|udp| !udp.ip().to_canonical().is_loopback()) {
                gateway.running = find_servers(server.as_ref(), tell)?;
            }
            return Ok(gateway);
        }
        let mapper = Mapper::new(nat.methods(), to_map(tcp), to_map(udp));
        let nothing = to_map(tcp).is_none() && to_map(udp).is_none();
        if nothing || nat.methods().is_empty() {
            return Ok(gateway);
        }
        let bound = tcp.or(udp).map_or(Ipv4Addr::UNSPECIFIED, |bound| ip4(bound.ip()));
        let (running, stopping) = mpsc::channel();
        let stop = StopSign(stopping);
        let link = Link::new(nat.gateway(), bound, nonces, stop);
        let thread = thread::Builder::new().name("devp2p-gateway".into());
        thread.spawn(move || run(mapper, link, &tell))?;
        gateway.running = Some(running);
        Ok(gateway)
    }

    /// None could be started.
    pub(crate) fn none(error: &io::Error) -> Self {
        tracing::warn!(%error, "cannot ask the gateway");
        Self { told: async_channel::bounded(1).1, running: None, ends: None }
    }

    /// Has what was mapped taken back, from now on.
    pub(crate) fn stop(&mut self) {
        if self.running.take().is_some() {
            self.ends = Some(Wall::now() + limits::NAT_STOP_TIMEOUT);
        }
    }

    /// It has ended.
    pub(crate) fn ended(&mut self) {
        self.running = None;
        self.ends = None;
    }

    /// How long to wait for its end.
    pub(crate) const fn deadline(&self) -> Option<Wall> {
        self.ends
    }

    /// Whether it is waited for no longer.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.is_none_or(|ends| ends <= Wall::now())
    }
}

/// The port of a socket that is to be reached through a gateway.
fn to_map(bound: Option<SocketAddr>) -> Option<u16> {
    let bound = bound?;
    let ip = bound.ip().to_canonical();
    let is_behind = ip.is_unspecified() || (ip.is_ipv4() && !ip.is_loopback());
    (is_behind && !nat::is_public(ip)).then_some(bound.port())
}

fn ip4(ip: IpAddr) -> Ipv4Addr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// The one that was named, or some that everybody may ask. A name is looked up on
/// a thread, again and again until that succeeds.
fn find_servers(
    server: Option<&StunServer>,
    tell: Sender<Told>,
) -> io::Result<Option<mpsc::Sender<Infallible>>> {
    let known = match server {
        None => Some(nat::stun::PUBLIC_SERVERS.map(SocketAddr::V4).to_vec()),
        Some(server) => server.address().map(|address| vec![address]),
    };
    if let Some(servers) = known {
        let _ = tell.try_send(Told::Servers(servers));
        return Ok(None);
    }
    let Some((server, name)) = server.and_then(|server| Some((server.clone(), server.name()?)))
    else {
        return Ok(None);
    };
    let (running, stopping) = mpsc::channel();
    let stop = StopSign(stopping);
    let thread = thread::Builder::new().name("devp2p-gateway".into());
    thread.spawn(move || {
        for failures in 0.. {
            if stop.is_set() {
                break;
            }
            match addresses(&name, server.port()) {
                Ok(servers) => {
                    let _ = tell.try_send(Told::Servers(servers));
                    break;
                }
                Err(error) => tracing::warn!(%server, %error, "cannot look up the STUN server"),
            }
            stop.wait(nat::retry_after(failures));
        }
        let _ = tell.send_blocking(Told::Ended);
    })?;
    Ok(Some(running))
}

/// Whether the thread is to end.
#[derive(Debug)]
struct StopSign(mpsc::Receiver<Infallible>);

impl StopSign {
    fn is_set(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits as long, or until it is set.
    fn wait(&self, time: Duration) {
        // Nothing is ever sent.
        let _: Result<Infallible, RecvTimeoutError> = self.0.recv_timeout(time);
    }
}

fn run(mut mapper: Mapper, mut link: Link, tell: &Sender<Told>) {
    let clock = Clock::start();
    let mut said = Status::default();
    let mut was_fruitless = false;
    loop {
        if link.stop.is_set() {
            mapper.stop();
        }
        let now = clock.now().mono;
        match mapper.next(now) {
            Step::Do(action) => act(&mut mapper, &mut link, &clock, action),
            Step::Wait(until) => link.stop.wait(until - now),
            Step::Done => break,
        }
        let status = mapper.status();
        let is_fruitless = mapper.is_fruitless();
        if is_fruitless && !was_fruitless && !link.stop.is_set() {
            tracing::info!(
                "no gateway maps our ports: behind one that does not, forward them by hand"
            );
        }
        was_fruitless = is_fruitless;
        // One that finds no room is said with the next.
        if status != said && tell.try_send(Told::Status(status)).is_ok() {
            log(&said, &status);
            said = status;
        }
    }
    let _ = tell.send_blocking(Told::Ended);
}

fn act(mapper: &mut Mapper, link: &mut Link, clock: &Clock, action: Action) {
    match action {
        Action::Ask(method) => {
            let answer = link.ask(method);
            tracing::debug!(%method, ?answer, "gateway asked");
            mapper.asked(clock.now().mono, answer);
        }
        Action::Map { method, protocol, internal, external, life } => {
            let answer = link.map(method, protocol, internal, external, life);
            tracing::debug!(%method, %protocol, internal, external, ?answer, "port to be mapped");
            mapper.mapped(clock.now().mono, protocol, answer);
        }
        Action::Unmap { method, protocol, internal, external } => {
            let answer = link.unmap(method, protocol, internal, external);
            tracing::debug!(%method, %protocol, internal, external, ?answer, "port unmapped");
            mapper.unmapped(protocol, answer);
        }
    }
    mapper.strayed(link.take_strays());
}

fn log(before: &Status, now: &Status) {
    let (old, new) = (&before.external, &now.external);
    if old == new {
        return;
    }
    let (ip, method) = (new.ip, now.method.map(nat::Method::label));
    for (protocol, old, port) in [("TCP", old.tcp, new.tcp), ("UDP", old.udp, new.udp)] {
        match port {
            Some(port) if old != Some(port) => {
                tracing::info!(protocol, port, method, "the gateway maps a port to ours");
            }
            None if old.is_some() => tracing::info!(protocol, "the gateway maps no port any more"),
            Some(_) | None => {}
        }
    }
    match ip {
        Some(ip) if old.ip != Some(ip) => tracing::info!(%ip, "our address out there"),
        None if new.tcp.or(new.udp).is_some() => {
            tracing::info!("the gateway has no address that strangers could send to");
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests;
