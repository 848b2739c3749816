//! Threads that verify packets, so that signatures stall nobody's tasks.

use core::hash::BuildHasher as _;
use core::net::SocketAddr;
use std::collections::VecDeque;
use std::hash::RandomState;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use devp2p_core::discv4::{DropReason, Standing, Unverified, Verified, verify};
use devp2p_core::limits;

/// A few threads, each with a bounded queue before it. What one source sends
/// goes through one thread, and so stays in order.
///
/// Dropping it closes it; the threads then end by themselves.
#[derive(Debug)]
pub struct Verifiers {
    lanes: Vec<Lane>,
    /// Picks the lane of a source; nobody can look for sources that share one.
    hasher: RandomState,
}

#[derive(Debug)]
struct Lane {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    packets: VecDeque<Unverified>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next packet as soon as there is one; `None` when it is closed.
    fn next(&self) -> Option<Unverified> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(packet) = state.packets.pop_front() {
                return Some(packet);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds a packet unless so many wait already, or it is closed.
    fn push(&self, packet: Unverified, room: usize) -> Result<(), Unverified> {
        let mut state = self.lock();
        if state.closed || state.packets.len() >= room {
            return Err(packet);
        }
        state.packets.push_back(packet);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.packets.clear();
        drop(state);
        self.filled.notify_one();
    }
}

/// How many packets may wait, in all queues together, before one that stands so
/// is refused.
const fn room(standing: Standing) -> usize {
    match standing {
        Standing::Stranger => limits::UNVERIFIED_BEFORE_STRANGERS,
        Standing::Busy => limits::UNVERIFIED_BEFORE_BUSY,
        Standing::Proven => limits::UNVERIFIED_BEFORE_PROVEN,
        Standing::Awaited => limits::UNVERIFIED_PACKETS,
    }
}

impl Verifiers {
    /// How many threads to have: one for each processor but the one for
    /// everything else, [`limits::VERIFIERS`] at most. 0 where there is but one.
    pub fn default_threads() -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (processors - 1).min(limits::VERIFIERS)
    }

    /// Starts `threads` threads, at least one and [`limits::VERIFIERS`] at most.
    /// Each hands what it verified to a `verified` of its own, which may wait, and
    /// drops that when it ends.
    ///
    /// Fails if the system starts no more threads; those started end.
    pub fn start<F>(threads: usize, verified: F) -> io::Result<Self>
    where
        F: Fn(Result<Verified, DropReason>) + Clone + Send + 'static,
    {
        let mut verifiers = Self { lanes: Vec::new(), hasher: RandomState::new() };
        for number in 1..=threads.clamp(1, limits::VERIFIERS) {
            let (queue, verified) = (Arc::<Queue>::default(), verified.clone());
            let packets = Arc::clone(&queue);
            let thread = thread::Builder::new().name(format!("devp2p-verify-{number}")).spawn(
                move || {
                    while let Some(packet) = packets.next() {
                        verified(verify(packet));
                    }
                },
            )?;
            verifiers.lanes.push(Lane { queue, thread });
        }
        Ok(verifiers)
    }

    /// Has a packet verified, and its result handed on after those of all that
    /// was submitted before it from the same source. It comes back when it is
    /// closed, or when too many wait at its thread already: of the packets that
    /// [stand](Standing) low fewer may wait than of those that stand higher, so
    /// that there is room for these whatever strangers send.
    pub fn submit(&self, packet: Unverified) -> Result<(), Unverified> {
        let room = room(packet.standing()) / self.lanes.len();
        self.lane(packet.source()).queue.push(packet, room)
    }

    fn lane(&self, source: SocketAddr) -> &Lane {
        // A node is where its address and port are, not what else IPv6 carries.
        let hash = self.hasher.hash_one((source.ip(), source.port()));
        &self.lanes[usize::try_from(hash % self.lanes.len() as u64).unwrap_or(0)]
    }

    /// How many packets wait, in all queues together.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.lock().packets.len()).sum()
    }

    /// Forgets what waits. Each thread ends when it is through with its packet.
    pub fn close(&self) {
        for lane in &self.lanes {
            lane.queue.close();
        }
    }

    /// Closes it and waits until all threads have ended.
    pub fn join(mut self) {
        self.close();
        for lane in self.lanes.drain(..) {
            // One that has panicked has ended as well.
            let _ = lane.thread.join();
        }
    }
}

impl Drop for Verifiers {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
