//! S1, S7, S8 and S9: both ends of a connection side by side.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use devp2p_core::crypto::PublicKey;
use devp2p_core::p2p::Message;
use devp2p_core::session::SessionError;
use devp2p_core::time::Instant;

use super::{Flaw, hold};
use crate::network::tcp::{PipeId, Side};
use crate::world::World;

/// Without any fault for so long all that was sent moves: a connection that did not
/// has been closed by then.
const CALM: Duration = Duration::from_secs(60);

/// The longest that a message is on its way then, and so much more for each KiB that
/// is: less than any two regions have, and links are as wide as can be.
const ON_THE_WAY: Duration = Duration::from_secs(10);
const EACH_KIB: Duration = Duration::from_millis(100);

/// What is known of all connections.
#[derive(Debug, Default)]
pub(super) struct Book {
    pipes: BTreeMap<PipeId, Pipe>,
    /// What every session grew from, and the key that each handshake showed.
    seeds: BTreeSet<[u8; 16]>,
    shown: BTreeSet<[u8; 16]>,
}

#[derive(Debug, Default)]
struct Pipe {
    ends: [End; 2],
}

#[derive(Debug, Default)]
struct End {
    /// Who is there.
    key: Option<PublicKey>,
    here: bool,
    ended: Option<SessionError>,
    /// Its machine is gone: how it ended nobody knows.
    vanished: bool,
    /// What it has sent and the other has not received, and when.
    sent: VecDeque<(Instant, Message)>,
}

const fn index(side: Side) -> usize {
    match side {
        Side::Dialler => 0,
        Side::Acceptor => 1,
    }
}

impl Book {
    pub(super) fn begins(&mut self, pipe: PipeId, side: Side, key: PublicKey) {
        let end = &mut self.pipes.entry(pipe).or_default().ends[index(side)];
        end.key = Some(key);
        end.here = true;
    }

    /// S7: no two sessions grow from one seed.
    pub(super) fn is_fresh(&mut self, seed: [u8; 16]) -> bool {
        self.seeds.insert(seed)
    }

    /// S7: no two handshakes show one ephemeral key. It stands behind the size and
    /// a byte that says how it is written.
    pub(super) fn first_bytes(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        if let Some(key) = bytes.get(3..19).and_then(|key| key.try_into().ok()) {
            hold!(self.shown.insert(key), "S7", "a handshake shows the key of another one");
        }
        Ok(())
    }

    /// S8: who shook hands is who is there.
    pub(super) fn is_with(&self, pipe: PipeId, side: Side, remote: &[u8; 64]) -> Result<(), Flaw> {
        let other = self.pipes.get(&pipe).and_then(|pipe| pipe.ends[index(side.other())].key);
        hold!(
            other.is_none_or(|key| key.as_bytes() == remote),
            "S8",
            "a connection is with another node than it takes it for"
        );
        Ok(())
    }

    pub(super) fn sent(&mut self, now: Instant, pipe: PipeId, side: Side, message: &Message) {
        if let Some(pipe) = self.pipes.get_mut(&pipe) {
            pipe.ends[index(side)].sent.push_back((now, message.clone()));
        }
    }

    /// Since when the one at this end waits for what the other has sent, and how much.
    fn waits(&self, pipe: PipeId, side: Side) -> Option<(Instant, usize)> {
        let pipe = self.pipes.get(&pipe).filter(|pipe| pipe.ends.iter().all(|end| end.here))?;
        let sent = &pipe.ends[index(side.other())].sent;
        let bytes = sent.iter().map(|(_, message)| message.payload().len()).sum();
        Some((sent.front()?.0, bytes))
    }

    /// S1: what is received is what was sent, in order.
    pub(super) fn received(
        &mut self,
        pipe: PipeId,
        side: Side,
        message: &Message,
    ) -> Result<(), Flaw> {
        let Some(pipe) = self.pipes.get_mut(&pipe) else { return Ok(()) };
        let end = &mut pipe.ends[index(side.other())];
        if end.key.is_none() {
            return Ok(());
        }
        let sent = end.sent.pop_front().map(|(_, message)| message);
        hold!(
            sent.as_ref() == Some(message),
            "S1",
            "a message of {} bytes is received where {:?} bytes were sent",
            message.payload().len(),
            sent.map(|sent| sent.payload().len())
        );
        Ok(())
    }

    /// S9: what one end is told is what the other has to say.
    pub(super) fn ends(&mut self, id: PipeId, side: Side, error: SessionError) -> Result<(), Flaw> {
        let Some(pipe) = self.pipes.get_mut(&id) else { return Ok(()) };
        pipe.ends[index(side)].ended = Some(error);
        pipe.ends[index(side)].here = false;
        let [one, other] = &pipe.ends;
        let said = |from: &End, to: &End| match (from.ended, to.ended) {
            (Some(from), Some(SessionError::Remote(told))) => {
                // What it was told itself it says back, if it says anything.
                from.disconnect_reason() == Some(told)
            }
            _ => true,
        };
        let unknown = one.vanished || other.vanished;
        if !(unknown || said(one, other) && said(other, one)) {
            return Err(Flaw(
                "S9",
                format!("one end: {:?}; the other: {:?}", one.ended, other.ended),
            ));
        }
        self.sweep(id);
        Ok(())
    }

    pub(super) fn vanished(&mut self, id: PipeId, side: Side) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.ends[index(side)].vanished = true;
            pipe.ends[index(side)].here = false;
        }
        self.sweep(id);
    }

    fn sweep(&mut self, id: PipeId) {
        if self.pipes.get(&id).is_some_and(|pipe| pipe.ends.iter().all(|end| !end.here)) {
            self.pipes.remove(&id);
        }
    }
}

/// S1: what is sent arrives, where nothing goes wrong and whoever is to have it takes it.
pub(super) fn arrive(world: &World, book: &Book) -> Result<(), Flaw> {
    if !world.is_calm_for(CALM) {
        return Ok(());
    }
    for host in &world.hosts {
        let Some(running) = &host.running else { continue };
        for connection in running.connections.values() {
            let (pipe, side) = (connection.pipe, connection.side);
            let Some((since, bytes)) = book.waits(pipe, side) else { continue };
            let other = world.network.tcp.socket(pipe, side.other());
            let wide = |machine: usize| world.network.links[machine].outbound.bandwidth == 0;
            if connection.waits_for_application() || !other.is_some_and(|one| wide(one.machine)) {
                continue;
            }
            let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
            hold!(
                world.now <= since + ON_THE_WAY + EACH_KIB * kib,
                "S1",
                "node {} has not received what was sent to it {} s ago, {bytes} bytes by now",
                host.name,
                (world.now - since).as_secs()
            );
        }
    }
    Ok(())
}
