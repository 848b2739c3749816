//! An adversary's connections: core's session, or bytes that make none.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use devp2p_core::crypto::PublicKey;
use devp2p_core::driver::{self, Event};
use devp2p_core::limits;
use devp2p_core::p2p::LocalCapabilities;
use devp2p_core::session::{Command, Greeting, Local, Session};
use devp2p_core::time::Instant;

use super::actor::Actor;
use super::{Attack, Stall, useless};
use crate::host::Around;
use crate::network::tcp::{Moved, PipeId, Side};

/// An address is let in once in 30 s, and who knows that does not come sooner.
const AGAIN: Duration = Duration::from_secs(31);

/// A size that an auth may have: what follows trickles.
const SIZE_OF_AUTH: [u8; 2] = [1, 0x80];

/// One connection.
pub(super) struct Line {
    side: Side,
    mask: usize,
    to: Option<SocketAddr>,
    stage: Stage,
}

enum Stage {
    /// Until the other has answered, or it is given up.
    Dialling(PublicKey, Instant),
    /// Nothing is said, or so many bytes were.
    Raw(usize),
    Session(Box<driver::Connection<Session>>),
}

impl Actor {
    /// An id dials a victim, unless it is connected to it or was of late.
    pub(super) fn dial(&mut self, around: &mut Around<'_>, mask: usize, target: usize) {
        let (Some(from), Some(target)) = (self.masks.get(mask), self.targets.get(target)) else {
            return;
        };
        let (ip, to, remote) = (from.at.ip(), target.at, target.public_key);
        let is_early = self.dialled.get(&(mask, to)).is_some_and(|last| *last + AGAIN > around.now);
        let is_there = |line: &Line| line.mask == mask && line.to == Some(to);
        if is_early || self.lines.values().any(is_there) {
            return;
        }
        self.dialled.insert((mask, to), around.now);
        let from = (self.place, ip);
        if let Some(pipe) = around.network.connect_as(around.queue, around.now, from, to) {
            let stage = Stage::Dialling(remote, around.now + limits::DIAL_TIMEOUT);
            self.lines.insert(pipe, Line { side: Side::Dialler, mask, to: Some(to), stage });
        }
    }

    /// Somebody dials one of its ids: whether that accepts.
    pub(crate) fn syn(&mut self, around: &mut Around<'_>, pipe: PipeId) -> bool {
        let accepts = match self.plan.attack {
            Attack::Sybil { .. } | Attack::ClockLie(_) | Attack::Useless(_) => true,
            Attack::Poison | Attack::Forge(_) | Attack::PingFlood(_) | Attack::Stall(_) => false,
        };
        let at = around.network.tcp.local_address(pipe);
        let Some(mask) = at.and_then(|at| self.mask_at(at.ip())) else { return false };
        if !accepts || self.over {
            return false;
        }
        let now = self.clock.at(around.now);
        let Some(local) = self.local(mask) else { return false };
        let session = Session::accept(local, self.session_seed(), now);
        let stage = Stage::Session(Box::new(driver::Connection::new(session)));
        around.network.set_acceptor_run(pipe, 0);
        around.network.tcp.accept_as_adversary(pipe);
        self.lines.insert(pipe, Line { side: Side::Acceptor, mask, to: None, stage });
        true
    }

    /// The other has answered.
    pub(crate) fn connected(&mut self, around: &mut Around<'_>, pipe: PipeId, accepted: bool) {
        let Some(line) = self.lines.get(&pipe) else { return };
        let Stage::Dialling(remote, _) = line.stage else { return };
        if !accepted {
            return self.close(around, pipe);
        }
        let mask = line.mask;
        let stage = match self.plan.attack {
            Attack::Stall(Stall::Silent | Stall::Trickle) => Stage::Raw(0),
            Attack::Stall(Stall::Shaken)
            | Attack::Sybil { .. }
            | Attack::Poison
            | Attack::Forge(_)
            | Attack::PingFlood(_)
            | Attack::Useless(_)
            | Attack::ClockLie(_) => {
                let now = self.clock.at(around.now);
                let Some(local) = self.local(mask) else { return };
                let session = Session::dial(local, remote, &self.session_seed(), now);
                Stage::Session(Box::new(driver::Connection::new(session)))
            }
        };
        if let Some(line) = self.lines.get_mut(&pipe) {
            line.stage = stage;
        }
        self.pump(around, pipe);
    }

    /// What an id's sessions say of it.
    fn local(&mut self, mask: usize) -> Option<Arc<Local>> {
        let offers = match self.plan.attack {
            Attack::Useless(why) => useless::offers(why, &self.offers),
            Attack::Sybil { .. }
            | Attack::Poison
            | Attack::Forge(_)
            | Attack::PingFlood(_)
            | Attack::Stall(_)
            | Attack::ClockLie(_) => self.offers.clone(),
        };
        let mask = self.masks.get_mut(mask)?;
        if mask.local.is_none() {
            let greeting = Greeting::Offer(LocalCapabilities::new(offers).unwrap_or_default());
            mask.local = Local::new(mask.key.clone(), "sim/node", greeting).ok().map(Arc::new);
        }
        mask.local.clone()
    }

    fn session_seed(&mut self) -> devp2p_core::entropy::Seed {
        self.sessions += 1;
        self.seed.derive("session", self.sessions)
    }

    /// Sessions come to their deadlines, a turn later at most.
    pub(super) fn on_time(&mut self, around: &mut Around<'_>) {
        let now = self.clock.at(around.now);
        let (mut due, mut given_up) = (Vec::new(), Vec::new());
        for (pipe, line) in &mut self.lines {
            match &mut line.stage {
                Stage::Session(driver) => {
                    if driver.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono) {
                        driver.timeout(now);
                        due.push(*pipe);
                    }
                }
                Stage::Dialling(_, until) if *until <= around.now => given_up.push(*pipe),
                Stage::Dialling(..) | Stage::Raw(_) => {}
            }
        }
        given_up.into_iter().for_each(|pipe| self.close(around, pipe));
        due.into_iter().for_each(|pipe| self.pump(around, pipe));
    }

    /// One more byte on each connection of raw ones.
    pub(super) fn trickle(&mut self, around: &mut Around<'_>) {
        let pipes: Vec<PipeId> = self.lines.keys().copied().collect();
        for pipe in pipes {
            let Some(line) = self.lines.get_mut(&pipe) else { continue };
            let Stage::Raw(said) = &mut line.stage else { continue };
            let byte = SIZE_OF_AUTH.get(*said).copied().unwrap_or(0x55);
            *said += 1;
            let (side, bytes) = (line.side, Bytes::copy_from_slice(&[byte]));
            let written = around.network.write(around.queue, around.now, pipe, side, &bytes);
            if matches!(written, Moved::Lost(_)) {
                self.close(around, pipe);
            } else {
                self.put(around, b't', &bytes);
            }
        }
    }

    /// Does on one connection what can be done now.
    pub(crate) fn pump(&mut self, around: &mut Around<'_>, pipe: PipeId) {
        let now = self.clock.at(around.now);
        let attack = self.plan.attack;
        let Some(line) = self.lines.get_mut(&pipe) else { return };
        let side = line.side;
        let driver = match &mut line.stage {
            Stage::Dialling(..) => return,
            Stage::Raw(_) => loop {
                match around.network.read(around.queue, around.now, pipe, side) {
                    Moved::Done(_) => {}
                    Moved::Blocked => return,
                    Moved::Lost(_) => return self.close(around, pipe),
                }
            },
            Stage::Session(driver) => driver,
        };
        let mut written = Vec::new();
        let mut closed = false;
        loop {
            let mut moved = false;
            while let Some(event) = driver.poll_event() {
                match event {
                    Event::Authenticated(_) => {
                        if let Some(command) = first_answer(attack) {
                            driver.command(now, command);
                            moved = true;
                        }
                    }
                    Event::Ready { .. } => {
                        driver.command(now, Command::Admit);
                        moved = true;
                    }
                    Event::Message(_) => {
                        driver.delivered(now);
                        moved = true;
                    }
                    Event::RoundTrip(_) => {}
                    Event::Closed(_) => closed = true,
                }
            }
            if closed {
                break;
            }
            if driver.wants_write() {
                let first = driver.writes().next().map(Bytes::copy_from_slice).unwrap_or_default();
                match around.network.write(around.queue, around.now, pipe, side, &first) {
                    Moved::Done(count) => {
                        written.extend_from_slice(&first[..count]);
                        driver.written(now, count);
                        moved = true;
                    }
                    Moved::Blocked => {}
                    Moved::Lost(how) => {
                        driver.lost(now, how);
                        moved = true;
                    }
                }
            }
            if driver.wants_read() {
                match around.network.read(around.queue, around.now, pipe, side) {
                    Moved::Done(bytes) => {
                        driver.received(now, &bytes);
                        moved = true;
                    }
                    Moved::Blocked => {}
                    Moved::Lost(how) => {
                        driver.lost(now, how);
                        moved = true;
                    }
                }
            }
            if !moved {
                break;
            }
        }
        if !written.is_empty() {
            self.put(around, b't', &written);
        }
        if closed {
            self.close(around, pipe);
        }
    }

    fn close(&mut self, around: &mut Around<'_>, pipe: PipeId) {
        if let Some(line) = self.lines.remove(&pipe) {
            around.network.close(around.queue, around.now, pipe, line.side);
        }
    }

    /// It is over with all of them.
    pub(super) fn close_all(&mut self, around: &mut Around<'_>) {
        let pipes: Vec<PipeId> = self.lines.keys().copied().collect();
        pipes.into_iter().for_each(|pipe| self.close(around, pipe));
    }
}

/// What an id says when it knows who the other is; nothing, if it holds it up.
const fn first_answer(attack: Attack) -> Option<Command> {
    match attack {
        Attack::Stall(_) => None,
        Attack::Useless(why) => Some(useless::first_answer(why)),
        Attack::Sybil { .. }
        | Attack::Poison
        | Attack::Forge(_)
        | Attack::PingFlood(_)
        | Attack::ClockLie(_) => Some(Command::Proceed),
    }
}
