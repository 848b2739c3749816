//! What both ends write and read, and how much may be under way.

use bytes::Bytes;
use devp2p_core::session::Lost;
use devp2p_core::time::Instant;

use super::{Held, Moved, OBSTRUCTED, PipeId, Segment, Side, to_machine};
use crate::draw::{chance, index};
use crate::event::Event;
use crate::network::Network;
use crate::queue::Queue;

/// Bytes of one direction that are under way or unread: what systems give a
/// socket to begin with, more or less.
const WINDOW: usize = 64 * 1024;

/// The least of it, where a link is narrow: one segment. Nobody fills a narrow link's
/// queue for long, and what else is sent over it has to wait as long.
const NARROWEST: usize = 1460;

/// The part of a second's bytes that a connection has under way on a narrow link.
const NARROW: u64 = 4;

/// Pieces into which one write is cut at most; what is left goes whole.
const PIECES: usize = 256;

impl Network {
    /// Writes what there is room for.
    pub(crate) fn write(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
        bytes: &Bytes,
    ) -> Moved<usize> {
        let Some(pipe) = self.tcp.get_mut(id) else { return Moved::Lost(Lost::Reset) };
        if pipe.end(side).ended == Some(Lost::Reset) || pipe.end(side).shut {
            return Moved::Lost(Lost::Reset);
        }
        let to = pipe.end(side.other());
        let taken = to.flight_bytes + to.inbox_bytes + to.unacknowledged;
        let (from, to) = (pipe.end(side).machine, to_machine(pipe, side));
        let path = self.path(from, to);
        let room = window(path.bandwidth).saturating_sub(taken);
        let taken = room.min(bytes.len());
        if taken < bytes.len()
            && let Some(pipe) = self.tcp.get_mut(id)
        {
            pipe.end_mut(side).blocked = true;
        }
        if taken == 0 {
            return Moved::Blocked;
        }
        let cut = {
            let rng = self.rng(from);
            if chance(rng, path.reset) {
                Some((Segment::Reset, index(rng, taken)))
            } else if chance(rng, path.fin) {
                Some((Segment::Fin, index(rng, taken)))
            } else {
                None
            }
        };
        let whole = cut.as_ref().map_or(taken, |(_, at)| *at);
        let sent = bytes.slice(..whole);
        let piece = if path.segment == 0 { whole.max(1) } else { path.segment };
        let mut at = 0;
        for _ in 0..PIECES {
            if at >= whole {
                break;
            }
            let end = (at + piece).min(whole);
            self.put(queue, now, id, side, Segment::Data(sent.slice(at..end)));
            at = end;
        }
        if at < whole {
            self.put(queue, now, id, side, Segment::Data(sent.slice(at..)));
        }
        match cut {
            Some((Segment::Reset, _)) => {
                self.put(queue, now, id, side, Segment::Reset);
                self.put(queue, now, id, side.other(), Segment::Reset);
            }
            Some((end, _)) => {
                if let Some(pipe) = self.tcp.get_mut(id) {
                    pipe.end_mut(side).shut = true;
                }
                self.put(queue, now, id, side, end);
            }
            None => {}
        }
        Moved::Done(taken)
    }

    /// Reads what has arrived.
    pub(crate) fn read(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
    ) -> Moved<Bytes> {
        let Some(pipe) = self.tcp.get_mut(id) else { return Moved::Lost(Lost::Reset) };
        let end = pipe.end_mut(side);
        let Some(bytes) = end.inbox.pop_front() else {
            return end.ended.map_or(Moved::Blocked, Moved::Lost);
        };
        end.inbox_bytes -= bytes.len();
        end.unacknowledged += bytes.len();
        self.acknowledge(queue, now, id, side);
        Moved::Done(bytes)
    }

    /// Lets the other know what was read here, if that reaches it, and that it may write
    /// again if it waits for that. What does not reach it is said again a second later.
    fn acknowledge(&mut self, queue: &mut Queue<Event>, now: Instant, id: PipeId, side: Side) {
        let Some(pipe) = self.tcp.get(id).filter(|pipe| !pipe.severed) else { return };
        let (from, to) = (pipe.end(side).machine, to_machine(pipe, side));
        let is_silenced = self.is_obstructed(from, to);
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        if is_silenced {
            if !core::mem::replace(&mut end.acknowledges, true) {
                queue.push(now + OBSTRUCTED, Event::Acknowledge { pipe: id, from: side });
            }
            return;
        }
        end.unacknowledged = 0;
        if core::mem::take(&mut pipe.end_mut(side.other()).blocked) {
            let path = self.path(from, to);
            let way = self.latency(now, from, to, &path);
            queue.push(now + way, Event::Window { pipe: id, to: side.other() });
        }
    }

    /// It is time to say again what was read.
    pub(crate) fn acknowledge_again(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
    ) {
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        end.acknowledges = false;
        if end.held != Held::Closed {
            self.acknowledge(queue, now, id, side);
        }
    }
}

/// Bytes that may be under way or unread on a link of so many bytes a second.
fn window(bandwidth: u64) -> usize {
    match usize::try_from(bandwidth / NARROW) {
        _ if bandwidth == 0 => WINDOW,
        Ok(bytes) => bytes.clamp(NARROWEST, WINDOW),
        Err(_) => WINDOW,
    }
}
