//! What hosts and connections say while they execute, noted in the books of the oracle
//! that it concerns. Without oracles nothing is noted.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::{DropReason, RequestId, Verified};
use devp2p_core::node::{self, Config, ConnectionId, Report};
use devp2p_core::p2p::Message;
use devp2p_core::session::{self, SessionError};
use devp2p_core::store::Reply;
use devp2p_core::time::{Deadline, Instant, Now};

use super::{
    Books, Branch, Flaw, Machine, Oracle, Run, Terms, discovery, peers, resources, session_life,
};
use crate::network::tcp::{PipeId, Side};

impl Oracle {
    // What hosts say.

    /// A node begins to run; `now` is by its clock.
    pub(crate) fn starts(
        &mut self,
        world: Instant,
        place: usize,
        name: u32,
        config: &Config,
        now: Now,
    ) {
        let Some(books) = &mut self.0 else { return };
        let terms = Terms::of(config);
        let Some(machine) = books.machines.get_mut(place) else { return };
        if let Some(before) = machine.memory.id.replace(terms.id)
            && before != terms.id
        {
            books.gone.insert(before, world);
        }
        machine.run = Some(Run {
            name,
            terms,
            no_dial: config.no_dial,
            began: now,
            discovery: discovery::Book::default(),
            peers: peers::Book::default(),
            sessions: BTreeMap::new(),
            resources: resources::Book::default(),
            seen: BTreeMap::new(),
        });
    }

    /// A socket hears that a datagram has found nobody.
    pub(crate) fn port_unreachable(&mut self) {
        if let Some(books) = &mut self.0 {
            books.branches.note(Branch::PortUnreachable);
        }
    }

    /// A node's store answers.
    pub(crate) fn store_says(&mut self, place: usize, reply: &Reply) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            run.discovery.store_says(reply);
            Ok(())
        });
    }

    /// Somebody has this key, or will: it may be looked for before it is there.
    pub(crate) fn knows(&mut self, public_key: &PublicKey) {
        if let Some(books) = &mut self.0 {
            books.wire.keys.insert(*public_key.as_bytes());
        }
    }

    /// A process does nothing in this time, by its machine's clock.
    pub(crate) fn stands_still(&mut self, place: usize, from: Instant, to: Instant) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            run.resources.stands_still(from, to);
            Ok(())
        });
    }

    /// A node is told to stop.
    pub(crate) fn stops(&mut self, place: usize) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            run.peers.stops = true;
            Ok(())
        });
    }

    /// A machine's run is over.
    pub(crate) fn ends(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        books.branches.collect(node);
        let Some(machine) = books.machines.get_mut(place) else { return };
        if let Some(run) = machine.run.take() {
            machine.memory.remember(&run.discovery);
            for (_, session) in run.sessions {
                books.streams.vanished(session.pipe, session.side);
            }
        }
    }

    /// The gate let a packet through, and this was made of it.
    pub(crate) fn gated(&mut self, place: usize, now: Now, result: &Result<Verified, DropReason>) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| discovery::gated(run, now, result));
    }

    /// A packet is about to be handed in.
    pub(crate) fn before_packet(
        &mut self,
        place: usize,
        now: Now,
        node: &node::Node,
        due: Option<Deadline>,
        result: &Result<Verified, DropReason>,
    ) {
        let Some(books) = &mut self.0 else { return };
        let due = due.is_some_and(|due| due.at <= now.mono);
        let terms = (books.ids_blur, books.is_attacked, due);
        if let Ok(packet) = result
            && let Some(machine) = books.machines.get_mut(place)
        {
            machine.memory.spoken.insert(packet.source().ip());
        }
        books.with(place, |run, reached| {
            discovery::before_packet(run, reached, now, node, terms, result);
            Ok(())
        });
    }

    /// It was handed in.
    pub(crate) fn after_packet(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| discovery::after_packet(run, node));
    }

    /// A datagram leaves, or would if the socket took it.
    pub(crate) fn sends(&mut self, place: usize, now: Now, to: SocketAddr, datagram: &[u8]) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.ids_blur;
        let Books { machines, wire, branches, .. } = &mut **books;
        let Some(Machine { run: Some(run), memory }) = machines.get_mut(place) else { return };
        let name = run.name;
        let sent = discovery::sends(run, memory, wire, branches, lenient, now, to, datagram);
        if let Err(Flaw(invariant, what)) = sent {
            books.fail(invariant, Some(name), what);
        }
    }

    /// All that the last input has brought about is done.
    pub(crate) fn executed(&mut self, place: usize, node: &node::Node) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.ids_blur;
        let memory = books.machines.get_mut(place).map(|one| core::mem::take(&mut one.memory));
        let Some(memory) = memory else { return };
        books.with(place, |run, _| discovery::executed(run, &memory, node, lenient));
        if let Some(machine) = books.machines.get_mut(place) {
            machine.memory = memory;
        }
    }

    pub(crate) fn commanded(
        &mut self,
        place: usize,
        now: Now,
        id: RequestId,
        command: &node::Command,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            peers::commanded(run, id, command);
            discovery::commanded(run, now, id, command)
        });
    }

    pub(crate) fn answers(&mut self, place: usize, now: Now, id: RequestId, answer: &node::Answer) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| {
            reached.answered(answer);
            peers::answers(run, id);
            discovery::answers(run, now, id, answer)
        });
    }

    pub(crate) fn accepts(&mut self, place: usize, now: Now, from: IpAddr, id: ConnectionId) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::accepts(run, now, from, id));
    }

    pub(crate) fn connects(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        to: SocketAddr,
        remote: &PublicKey,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::connects(run, now, id, to, remote));
    }

    /// The node is told what became of a dial.
    pub(crate) fn connected(&mut self, place: usize, id: ConnectionId, made: bool) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            peers::connected(run, id, made);
            Ok(())
        });
    }

    /// The node tells a session something.
    pub(crate) fn tells(&mut self, place: usize, id: ConnectionId, command: session::Command) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| peers::tells(run, id, command));
    }

    /// The node is told something by a session.
    pub(crate) fn reports(&mut self, place: usize, id: ConnectionId, report: &Report) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| peers::reports(run, reached, id, report));
    }

    /// The node says what has happened.
    pub(crate) fn happened(&mut self, place: usize, world: Instant, event: &node::Event) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, reached| peers::happened(run, reached, world, event));
    }

    /// The machine has come to rest.
    pub(crate) fn rests(&mut self, place: usize, node: &node::Node, due: Option<Deadline>) {
        let Some(books) = &mut self.0 else { return };
        let lenient = books.ids_blur;
        books.with(place, |run, _| {
            resources::rests(node.now(), "the node", due)?;
            peers::rests(run, node)?;
            discovery::rests(run, node, lenient)
        });
    }

    pub(crate) fn wakes(&mut self, place: usize, at: Instant) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| {
            run.resources.wakes(at);
            Ok(())
        });
    }

    // What connections say.

    pub(crate) fn session_begins(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        (pipe, side): (PipeId, Side),
        seed: [u8; 16],
    ) {
        let Some(books) = &mut self.0 else { return };
        let Some(run) = books.machines.get_mut(place).and_then(|machine| machine.run.as_mut())
        else {
            return;
        };
        run.sessions.insert(id, session_life::Book::new(now, pipe, side));
        let (name, key) = (run.name, run.terms.public_key);
        books.streams.begins(pipe, side, key);
        if !books.streams.is_fresh(seed) {
            books.fail("S7", Some(name), format!("connection {id} has another one's seed"));
        }
    }

    /// A session says something.
    pub(crate) fn session_says(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        event: &devp2p_core::driver::Event,
    ) {
        let Some(books) = &mut self.0 else { return };
        let Books { machines, streams, branches, .. } = &mut **books;
        let Some(Machine { run: Some(run), .. }) = machines.get_mut(place) else { return };
        let name = run.name;
        if let Err(Flaw(invariant, what)) =
            session_life::says(run, streams, branches, now, id, event)
        {
            books.fail(invariant, Some(name), what);
        }
    }

    /// A session was told something; so many bytes are yet to be written, which
    /// were so many before.
    pub(crate) fn session_told(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        command: session::Command,
        (before, after): (usize, usize),
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| session_life::told(run, now, id, command, before, after));
    }

    /// Of a session's bytes so many have left, and so many are yet to; `first` are
    /// those that come next.
    pub(crate) fn session_writes(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        first: &[u8],
        written: usize,
    ) {
        let Some(books) = &mut self.0 else { return };
        let Books { machines, streams, .. } = &mut **books;
        let Some(Machine { run: Some(run), .. }) = machines.get_mut(place) else { return };
        let name = run.name;
        if let Err(Flaw(invariant, what)) =
            session_life::writes(run, streams, now, id, first, written)
        {
            books.fail(invariant, Some(name), what);
        }
    }

    pub(crate) fn session_reads(&mut self, place: usize, now: Now, id: ConnectionId) {
        let Some(books) = &mut self.0 else { return };
        if let Some(book) = books.run(place).and_then(|run| run.sessions.get_mut(&id)) {
            book.reads(now);
        }
    }

    /// A session has come to rest.
    pub(crate) fn session_rests(
        &mut self,
        place: usize,
        now: Now,
        id: ConnectionId,
        (pending, reads): (usize, bool),
        due: Option<Deadline>,
    ) {
        let Some(books) = &mut self.0 else { return };
        books.with(place, |run, _| session_life::rests(run, now, id, (pending, reads), due));
    }

    /// The application sends a message.
    pub(crate) fn sent(&mut self, world: Instant, pipe: PipeId, side: Side, message: &Message) {
        let Some(books) = &mut self.0 else { return };
        books.streams.sent(world, pipe, side, message);
    }

    /// The application gets a message.
    pub(crate) fn received(
        &mut self,
        place: usize,
        id: ConnectionId,
        pipe: PipeId,
        side: Side,
        message: &Message,
    ) {
        let Some(books) = &mut self.0 else { return };
        let streams = &mut books.streams;
        let received = streams.received(pipe, side, message);
        books.with(place, |run, _| {
            received?;
            session_life::delivers(run, id)
        });
    }

    /// A session is over.
    pub(crate) fn session_ends(&mut self, place: usize, id: ConnectionId, error: SessionError) {
        let Some(books) = &mut self.0 else { return };
        let Some(Machine { run: Some(run), .. }) = books.machines.get_mut(place) else { return };
        let Some(session) = run.sessions.remove(&id) else { return };
        let name = run.name;
        books.branches.ended(&error);
        if let Err(Flaw(invariant, what)) = books.streams.ends(session.pipe, session.side, error) {
            books.fail(invariant, Some(name), what);
        }
    }
}
