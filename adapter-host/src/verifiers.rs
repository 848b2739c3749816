//! Threads that verify packets, so that signatures stall nobody's tasks.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use devp2p_core::discv4::{DropReason, Unverified, Verified, verify};
use devp2p_core::limits;

/// A few threads with one bounded queue before them.
///
/// Dropping it closes it; the threads then end by themselves.
#[derive(Debug)]
pub struct Verifiers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    packets: VecDeque<Unverified>,
    closed: bool,
}

impl Shared {
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
}

impl Verifiers {
    /// How many threads to have: one for each processor but the one for
    /// everything else, [`limits::VERIFIERS`] at most. 0 where there is but one.
    pub fn default_threads() -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (processors - 1).min(limits::VERIFIERS)
    }

    /// Starts `threads` threads. Each hands what it verified to a `verified` of
    /// its own, which may wait, and drops that when it ends.
    ///
    /// Fails if the system starts no more threads; those started end.
    pub fn start<F>(threads: usize, verified: F) -> io::Result<Self>
    where
        F: Fn(Result<Verified, DropReason>) + Clone + Send + 'static,
    {
        let mut verifiers = Self { shared: Arc::default(), threads: Vec::new() };
        for number in 1..=threads {
            let (shared, verified) = (Arc::clone(&verifiers.shared), verified.clone());
            let thread = thread::Builder::new().name(format!("devp2p-verify-{number}")).spawn(
                move || {
                    while let Some(packet) = shared.next() {
                        verified(verify(packet));
                    }
                },
            )?;
            verifiers.threads.push(thread);
        }
        Ok(verifiers)
    }

    /// Has a packet verified, unless [`limits::UNVERIFIED_PACKETS`] wait for that
    /// already, or it is closed: then the packet comes back.
    pub fn submit(&self, packet: Unverified) -> Result<(), Unverified> {
        let mut state = self.shared.lock();
        if state.closed || state.packets.len() >= limits::UNVERIFIED_PACKETS {
            return Err(packet);
        }
        state.packets.push_back(packet);
        drop(state);
        self.shared.filled.notify_one();
        Ok(())
    }

    /// Forgets what waits. Each thread ends when it is through with its packet.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.packets.clear();
        drop(state);
        self.shared.filled.notify_all();
    }

    /// Closes it and waits until all threads have ended.
    pub fn join(mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            // One that has panicked has ended as well.
            let _ = thread.join();
        }
    }
}

impl Drop for Verifiers {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::sync::mpsc;

    use devp2p_core::crypto::SecretKey;
    use devp2p_core::discv4::{Encoded, EnrRequest, Gate, Kind, Packet, Sources, encode};
    use devp2p_core::entropy::Seed;
    use devp2p_core::identity::NodeId;
    use devp2p_core::time::Now;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    struct Nobody;

    impl Sources for Nobody {
        fn is_proven(&self, _: core::net::IpAddr) -> bool {
            false
        }

        fn is_awaited(&self, _: core::net::IpAddr, _: Kind, _: &[u8; 32]) -> bool {
            false
        }
    }

    fn key() -> SecretKey {
        SecretKey::generate(&mut Seed::from_number(1).derive("key", 0).secrets())
    }

    /// As many packets, all different.
    fn packets(many: u64) -> Vec<Unverified> {
        let mut gate = Gate::new(&Seed::from_number(1));
        let source = "127.0.0.1:9".parse().unwrap();
        (0..many)
            .map(|number| {
                let expiration = 1000 + number;
                let packet = Packet::EnrRequest(EnrRequest { expiration });
                let Encoded { bytes, .. } = encode(&packet, &key());
                gate.check(Now::ZERO, source, &bytes, &Nobody).unwrap()
            })
            .collect()
    }

    #[test]
    fn every_packet_is_verified_once_and_the_threads_end() {
        let (send, receive) = mpsc::channel();
        let verifiers = Verifiers::start(3, move |result| send.send(result).unwrap()).unwrap();
        let packets = packets(200);
        let mut expected: Vec<_> = packets.iter().map(|packet| *packet.hash()).collect();
        for packet in packets {
            verifiers.submit(packet).unwrap();
        }
        let mut hashes: Vec<_> = (0..200)
            .map(|_| {
                let verified = receive.recv_timeout(LIMIT).unwrap().unwrap();
                assert_eq!(*verified.id(), NodeId::from(&key().public_key()));
                *verified.hash()
            })
            .collect();
        hashes.sort();
        expected.sort();
        assert_eq!(hashes, expected);
        verifiers.join();
        // Each thread has dropped what it hands results to.
        assert!(matches!(receive.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected)));
    }

    #[test]
    fn what_is_too_much_comes_back_and_nothing_is_verified_after_the_end() {
        let (send, receive) = mpsc::sync_channel(0);
        let verified = move |result: Result<Verified, DropReason>| {
            let _ = send.send(result);
        };
        let verifiers = Verifiers::start(1, verified).unwrap();
        let mut packets = packets(limits::UNVERIFIED_PACKETS as u64 + 3).into_iter();
        // The thread takes one and waits for us to take the result.
        verifiers.submit(packets.next().unwrap()).unwrap();
        receive.recv_timeout(LIMIT).unwrap().unwrap();
        let refused = packets.find_map(|packet| verifiers.submit(packet).err());
        assert!(refused.is_some());
        assert!(verifiers.shared.lock().packets.len() <= limits::UNVERIFIED_PACKETS);
        verifiers.close();
        assert!(verifiers.submit(refused.unwrap()).is_err());
        // At most the one that it had begun.
        let after: Vec<_> = receive.iter().collect();
        assert!(after.len() <= 1, "{}", after.len());
        verifiers.join();
    }

    #[test]
    fn dropping_it_ends_the_threads() {
        let (send, receive) = mpsc::channel::<()>();
        let verifiers = Verifiers::start(2, move |_| {
            let _ = &send;
        });
        drop(verifiers.unwrap());
        assert!(matches!(receive.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected)));
    }
}
