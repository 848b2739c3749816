//! The decision: what to ask of the gateway next, and what its answers mean.
//!
//! ```text
//!            ┌────────── no answer, nothing held: the next protocol ──────────┐
//!            ▼                                                                │
//!   ask ──▶ answered ──▶ map each port ──▶ held ──▶ renewed after half its life
//!            ▲                               │
//!            └─ every 30 s: there? restarted? another address? ─▶ all are mapped anew
//! ```
//!
//! geth `p2p/server_nat.go`. Other than geth's, a mapping is forgotten when its
//! life has passed without a renewal, a gateway's restart is noticed, and a
//! gateway that was not found is looked for again.

use core::net::IpAddr;
use core::time::Duration;

use super::counts::increment;
use super::{Counts, Epoch, External, Failure, Method, Protocol, Status, is_public};
use crate::limits;
use crate::time::Instant;

/// What to do with the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Ask whether it is there: answer by [`Mapper::asked`].
    Ask(Method),
    /// Have it map a port: answer by [`Mapper::mapped`].
    Map {
        /// How.
        method: Method,
        /// Which of our ports.
        protocol: Protocol,
        /// Its number here.
        internal: u16,
        /// The number that it should have out there.
        external: u16,
        /// For how long, seconds.
        life: u32,
    },
    /// Have it take a mapping back: answer by [`Mapper::unmapped`].
    Unmap {
        /// How.
        method: Method,
        /// Which of our ports.
        protocol: Protocol,
        /// Its number here.
        internal: u16,
        /// Its number out there.
        external: u16,
    },
}

/// What is next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// This, and then say what came of it.
    Do(Action),
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing any more: it was told to stop, and nothing is held.
    Done,
}

/// What a gateway says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gateway {
    /// Its address out there, if it says.
    pub address: Option<IpAddr>,
    /// For how many seconds it remembers its mappings, if it says.
    pub epoch: Option<u32>,
}

/// A mapping that a gateway made or renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The port that leads to ours.
    pub external: u16,
    /// The address at which it does, if the gateway says.
    pub address: Option<IpAddr>,
    /// For how many seconds it holds.
    pub life: u32,
    /// For how many seconds the gateway remembers its mappings, if it says.
    pub epoch: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Port {
    protocol: Protocol,
    internal: u16,
    /// What to ask for: the port that we had, so that nobody needs another record.
    wanted: u16,
    /// Out there, and when it ends.
    held: Option<(u16, Instant)>,
    /// The gateway was asked for it this way and did not answer: it may hold.
    doubtful: Option<Method>,
    /// When to ask for it, and when it last was asked for.
    at: Instant,
    tried: Option<Instant>,
    /// In a row.
    failures: u32,
}

/// What to ask of a gateway, and when.
#[derive(Clone, Debug)]
pub struct Mapper {
    methods: &'static [Method],
    current: usize,
    /// The current method has been answered.
    answered: bool,
    /// Rounds through all methods, or questions to one that holds something, that
    /// came to nothing, in a row.
    failures: u32,
    ask_at: Instant,
    epoch: Epoch,
    address: Option<IpAddr>,
    ports: [Option<Port>; 2],
    counts: Counts,
    stopping: bool,
}

impl Mapper {
    /// Maps these ports, by the first of these methods that leads to a mapping.
    pub fn new(methods: &'static [Method], tcp: Option<u16>, udp: Option<u16>) -> Self {
        let port = |protocol, internal: Option<u16>| {
            let internal = internal.filter(|port| *port != 0)?;
            Some(Port {
                protocol,
                internal,
                wanted: internal,
                held: None,
                doubtful: None,
                at: Instant::ZERO,
                tried: None,
                failures: 0,
            })
        };
        Self {
            methods,
            current: 0,
            answered: false,
            failures: 0,
            ask_at: Instant::ZERO,
            epoch: Epoch::default(),
            address: None,
            ports: [port(Protocol::Tcp, tcp), port(Protocol::Udp, udp)],
            counts: Counts::default(),
            stopping: false,
        }
    }

    /// What to do now. Ask again after each answer, and when a wait is over.
    pub fn next(&mut self, now: Instant) -> Step {
        let Some(method) = self.methods.get(self.current).copied() else { return Step::Done };
        if self.stopping {
            return self.unmap_next(method);
        }
        self.expire(now);
        if self.ask_at <= now {
            return Step::Do(Action::Ask(method));
        }
        if !self.answered {
            return Step::Wait(self.ask_at);
        }
        match self.ports().find(|port| port.at <= now) {
            Some(Port { protocol, internal, wanted, .. }) => {
                let (protocol, internal, external) = (*protocol, *internal, *wanted);
                let life = seconds(limits::NAT_LIFE);
                Step::Do(Action::Map { method, protocol, internal, external, life })
            }
            None => Step::Wait(self.ports().fold(self.ask_at, |until, port| {
                let ends = port.held.map_or(Instant::MAX, |(_, ends)| ends);
                until.min(port.at).min(ends)
            })),
        }
    }

    fn unmap_next(&self, method: Method) -> Step {
        let held = self.ports().find_map(|port| match (port.held, port.doubtful) {
            (Some((external, _)), _) => Some((port, method, external)),
            (None, Some(method)) => Some((port, method, port.wanted)),
            (None, None) => None,
        });
        held.map_or(Step::Done, |(port, method, external)| {
            let (protocol, internal) = (port.protocol, port.internal);
            Step::Do(Action::Unmap { method, protocol, internal, external })
        })
    }

    /// What came of an [`Action::Ask`].
    pub fn asked(&mut self, now: Instant, answer: Result<Gateway, Failure>) {
        let gateway = match answer {
            Ok(gateway) => gateway,
            Err(failure) => {
                self.counts.failed(failure);
                return self.not_answered(now);
            }
        };
        self.answered = true;
        self.failures = 0;
        self.ask_at = now + limits::NAT_CHECK;
        match gateway.epoch {
            Some(epoch) => self.learn_epoch(now, epoch),
            // It may have forgotten our mappings, and would not say so.
            None => self.map_all(now, limits::NAT_REMAP),
        }
        match gateway.address {
            Some(address) => {
                if self.learn_address(address) {
                    self.map_all(now, limits::NAT_RENEW_MIN);
                }
            }
            // Only a mapping tells it.
            None => self.map_all(now, limits::NAT_RENEW_MIN),
        }
    }

    /// What came of an [`Action::Map`].
    pub fn mapped(&mut self, now: Instant, protocol: Protocol, answer: Result<Grant, Failure>) {
        let granted = answer.and_then(|grant| {
            let is_one = grant.external != 0 && grant.life != 0;
            if is_one { Ok(grant) } else { Err(Failure::Malformed) }
        });
        match granted {
            Ok(grant) => self.granted(now, protocol, &grant),
            Err(failure) => self.not_granted(now, protocol, failure),
        }
    }

    /// What came of an [`Action::Unmap`]. Whatever it was: it is not tried again.
    pub fn unmapped(&mut self, protocol: Protocol, answer: Result<(), Failure>) {
        if let Some(port) = self.port(protocol) {
            (port.held, port.doubtful) = (None, None);
        }
        match answer {
            Ok(()) => increment(&mut self.counts.unmapped),
            Err(failure) => self.counts.failed(failure),
        }
    }

    /// Answers came that were to no question of ours.
    pub const fn strayed(&mut self, answers: u64) {
        self.counts.strays = self.counts.strays.saturating_add(answers);
    }

    /// Whether no gateway has mapped anything, by whichever protocol.
    pub fn is_fruitless(&self) -> bool {
        self.failures > 0 && !self.holds_any()
    }

    /// From now on only what is held, or may be, is given back.
    pub const fn stop(&mut self) {
        self.stopping = true;
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let held = |wanted| {
            let port = self.ports().find(|port| port.protocol == wanted)?;
            port.held.map(|(external, _)| external)
        };
        let external =
            External { ip: self.address, tcp: held(Protocol::Tcp), udp: held(Protocol::Udp) };
        let method = self.methods.get(self.current).copied().filter(|_| self.answered);
        Status { external, method, counts: self.counts }
    }

    fn granted(&mut self, now: Instant, protocol: Protocol, grant: &Grant) {
        increment(&mut self.counts.mapped);
        if grant.address.is_some_and(|address| self.learn_address(address)) {
            self.map_all(now, limits::NAT_RENEW_MIN);
        }
        if let Some(epoch) = grant.epoch {
            self.learn_epoch(now, epoch);
        }
        let Some(port) = self.port(protocol) else { return };
        port.tried = Some(now);
        port.doubtful = None;
        let life = Duration::from_secs(grant.life.into()).min(limits::NAT_LIFE);
        // One that is too short to be renewed in time: a record that changes all
        // the time would be worse.
        let renew = (life / 2).max(limits::NAT_RENEW_MIN);
        port.held = Some((grant.external, now + life.max(2 * limits::NAT_RENEW_MIN)));
        port.wanted = grant.external;
        port.at = now + renew;
        port.failures = 0;
    }

    fn not_granted(&mut self, now: Instant, protocol: Protocol, failure: Failure) {
        self.counts.failed(failure);
        let method = self.methods.get(self.current).copied();
        let Some(port) = self.port(protocol) else { return };
        port.tried = Some(now);
        if failure == Failure::Silent {
            port.doubtful = method;
        }
        port.at = now + retry_after(port.failures);
        port.failures = port.failures.saturating_add(1);
        if !self.holds_any() && self.ports().all(|port| port.failures > 0) {
            self.not_answered(now);
        }
    }

    /// The current method leads to nothing. What is held may hold all the same,
    /// until its life is over.
    fn not_answered(&mut self, now: Instant) {
        let mut again = now + retry_after(self.failures);
        if !self.holds_any() {
            self.answered = false;
            self.address = None;
            self.epoch.forget();
            self.ports.iter_mut().flatten().for_each(|port| (port.at, port.failures) = (now, 0));
            self.current += 1;
            if self.current < self.methods.len() {
                again = now;
            } else {
                self.current = 0;
                self.failures = self.failures.saturating_add(1);
            }
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        self.ask_at = again;
    }

    /// Whether it is another one than before.
    fn learn_address(&mut self, address: IpAddr) -> bool {
        let address = Some(address.to_canonical()).filter(|address| is_public(*address));
        if address.is_none() {
            self.counts.failed(Failure::BadAddress);
        }
        core::mem::replace(&mut self.address, address) != address
    }

    fn learn_epoch(&mut self, now: Instant, epoch: u32) {
        if self.epoch.heard(now, epoch) {
            increment(&mut self.counts.restarts);
            self.map_all(now, limits::NAT_RENEW_MIN);
        }
    }

    /// Not sooner than this after the last time: one who says something else each
    /// time is not asked each time.
    fn map_all(&mut self, now: Instant, after: Duration) {
        for port in self.ports.iter_mut().flatten() {
            let earliest = port.tried.map_or(now, |tried| now.max(tried + after));
            port.at = port.at.min(earliest);
        }
    }

    fn expire(&mut self, now: Instant) {
        for port in self.ports.iter_mut().flatten() {
            port.held = port.held.filter(|(_, ends)| *ends > now);
        }
    }

    fn holds_any(&self) -> bool {
        self.ports().any(|port| port.held.is_some())
    }

    fn ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().flatten()
    }

    fn port(&mut self, protocol: Protocol) -> Option<&mut Port> {
        self.ports.iter_mut().flatten().find(|port| port.protocol == protocol)
    }
}

/// How long to wait after so many failures in a row before this one.
pub fn retry_after(failures: u32) -> Duration {
    let doubled = limits::NAT_RETRY_MIN.saturating_mul(1 << failures.min(16));
    doubled.min(limits::NAT_RETRY_MAX)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
