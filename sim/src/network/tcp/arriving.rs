//! Segments on their way: when they arrive, and what becomes of them.

use core::time::Duration;

use devp2p_core::session::Lost;
use devp2p_core::time::Instant;

use super::{Held, OBSTRUCTED, PipeId, Presence, Segment, Side, Socket, to_machine};
use crate::draw::{EVERY_ONE, chance};
use crate::event::Event;
use crate::network::Network;
use crate::queue::Queue;

/// After which a lost segment is sent again. RFC 6298 has a second at first and
/// systems some 200 ms once the round trip is known.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// No segment waits longer for being sent again. RFC 6298 has at least a minute.
const RETRANSMISSION_MAX: Duration = Duration::from_secs(60);

/// Segments that are to arrive together wait for the next multiple of this.
const MERGED: u64 = 200_000;

impl Network {
    /// Puts a segment on its way to the other side.
    pub(super) fn put(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        from: Side,
        segment: Segment,
    ) {
        let Some(pipe) = self.tcp.get(id) else { return };
        let (machine, other) = (pipe.end(from).machine, to_machine(pipe, from));
        let path = self.path(machine, other);
        let length = match &segment {
            Segment::Data(bytes) => bytes.len(),
            Segment::Fin | Segment::Reset => 0,
        };
        let mut at =
            self.departure(now, machine, length) + self.latency(now, machine, other, &path);
        let mut wait = RETRANSMISSION;
        while path.loss < EVERY_ONE
            && wait < RETRANSMISSION_MAX
            && chance(self.rng(machine), path.loss)
        {
            at = at + wait;
            wait *= 2;
        }
        if path.merge {
            at = Instant::from_micros(at.as_micros().next_multiple_of(MERGED));
        }
        let to = from.other();
        let Some(end) = self.tcp.get_mut(id).map(|pipe| pipe.end_mut(to)) else { return };
        let at = end.flight.back().map_or(at, |(before, _)| at.max(*before));
        end.flight.push_back((at, segment));
        end.flight_bytes += length;
        if !core::mem::replace(&mut end.planned, true) {
            queue.push(at, Event::Segment { pipe: id, to });
        }
    }

    /// What is due arrives. Whether the machine at this end is to look, and which;
    /// `presence` says how it is with a machine. What comes to one that is not there is
    /// sent again, as nobody answers.
    pub(crate) fn segment_arrived(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        to: Side,
        presence: impl Fn(usize) -> Presence,
    ) -> Option<Socket> {
        let pipe = self.tcp.get_mut(id)?;
        pipe.end_mut(to).planned = false;
        let (from, machine) = (pipe.end(to.other()).machine, pipe.end(to).machine);
        let there = presence(machine);
        let obstructed = self.is_obstructed(from, machine) || there == Presence::Absent;
        let pipe = self.tcp.get_mut(id)?;
        if pipe.severed {
            return None;
        }
        let is_abandoned = there == Presence::Absent && pipe.end(to.other()).held == Held::Closed;
        let end = pipe.end_mut(to);
        if is_abandoned {
            end.flight.clear();
            self.sweep(id);
            return None;
        }
        let is_there = there == Presence::Runs(end.run) || end.run == u32::MAX;
        let mut moved = false;
        let mut answer_reset = false;
        while let Some((at, segment)) = end.flight.front_mut() {
            if *at > now {
                break;
            }
            if obstructed {
                // A reset is sent once only.
                if matches!(segment, Segment::Reset) {
                    end.flight.pop_front();
                    continue;
                }
                *at = now + OBSTRUCTED;
                break;
            }
            let Some((_, segment)) = end.flight.pop_front() else { break };
            match segment {
                Segment::Data(bytes) => {
                    end.flight_bytes -= bytes.len();
                    if end.held == Held::Closed || !is_there {
                        answer_reset = true;
                    } else if end.ended.is_none() {
                        end.inbox_bytes += bytes.len();
                        end.inbox.push_back(bytes);
                    }
                }
                Segment::Fin => {
                    end.ended.get_or_insert(Lost::Closed);
                }
                Segment::Reset => {
                    end.forget_inbox();
                    end.ended = Some(Lost::Reset);
                }
            }
            moved = true;
        }
        if let Some((at, _)) = end.flight.front() {
            queue.push((*at).max(now), Event::Segment { pipe: id, to });
            end.planned = true;
        }
        if answer_reset {
            self.put(queue, now, id, to, Segment::Reset);
        }
        let socket = self.tcp.socket(id, to);
        self.sweep(id);
        let is_held = |socket: &Socket| socket.connection.is_some() || socket.is_adversarys;
        socket.filter(|socket| moved && is_there && is_held(socket))
    }

    /// Whether nothing at all passes from one machine to another now.
    pub(super) fn is_obstructed(&self, from: usize, to: usize) -> bool {
        let (out, into) = (&self.links[from].outbound, &self.links[to].inbound);
        out.clogged
            || into.clogged
            || out.stall
            || into.stall
            || out.loss.saturating_add(into.loss) >= EVERY_ONE
            || self.is_cut(from, to)
    }
}
