//! S3 to S6: one end of a connection through its life.

use core::time::Duration;

use devp2p_core::driver::Event;
use devp2p_core::node::ConnectionId;
use devp2p_core::session::Command;
use devp2p_core::time::{Deadline, Instant, Now};

use super::{Branch, Flaw, Reached, Run, hold, streams};
use crate::host::Running;
use crate::network::tcp::{PipeId, Side};

/// geth `handshakeTimeout`, `frameReadTimeout`, `frameWriteTimeout`, `pingInterval`.
const STEP: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);
const STALL: Duration = Duration::from_secs(20);
const PING: Duration = Duration::from_secs(15);

/// A disconnect has a second to leave, and two for the other to close first.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a look may be late by, clocks of a coarse grain included.
const SLACK: Duration = Duration::from_secs(1);

/// A disconnect on the wire: a header, a block, two tags.
const DISCONNECT: usize = 64;

/// Payloads have less than 16 MiB, and pings wait while so much is to be written.
const MESSAGE: usize = 0xFF_FFFF;
const BACKLOG: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Handshake,
    Authenticated,
    Hello,
    Ready,
    Open,
}

/// What is known of a session.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) pipe: PipeId,
    pub(super) side: Side,
    phase: Phase,
    since: Instant,
    /// When it was told to end it, and what it had to write then in all.
    told: Option<(Instant, usize)>,
    /// When it was last given anything.
    handled: Instant,
    written: usize,
    total: usize,
    pending: usize,
    /// Whether it was reading when it came to rest last.
    reads: bool,
    /// When it last read, had more to write, wrote.
    heard: Instant,
    grew: Instant,
    moved: Instant,
}

impl Book {
    pub(super) const fn new(now: Now, pipe: PipeId, side: Side) -> Self {
        let now = now.mono;
        Self {
            pipe,
            side,
            phase: Phase::Handshake,
            since: now,
            told: None,
            handled: now,
            written: 0,
            total: 0,
            pending: 0,
            reads: false,
            heard: now,
            grew: now,
            moved: now,
        }
    }

    const fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now.mono;
        (self.heard, self.grew) = (now.mono, now.mono);
    }

    pub(super) const fn reads(&mut self, now: Now) {
        (self.heard, self.handled) = (now.mono, now.mono);
    }
}

pub(super) fn says(
    run: &mut Run,
    streams: &streams::Book,
    reached: &mut Reached,
    now: Now,
    id: ConnectionId,
    event: &Event,
) -> Result<(), Flaw> {
    let Some(book) = run.sessions.get_mut(&id) else {
        return Err(Flaw("P6", format!("connection {id} speaks after its end")));
    };
    let told = book.told.is_some();
    match event {
        Event::Authenticated(remote) => {
            hold!(book.phase == Phase::Handshake, "S4", "two handshakes in connection {id}");
            if book.side == Side::Dialler {
                streams.is_with(book.pipe, book.side, remote.as_bytes())?;
            }
            book.enter(Phase::Authenticated, now);
        }
        Event::Ready { hello, .. } => {
            hold!(
                book.phase == Phase::Hello,
                "S4",
                "connection {id} is greeted in {:?}",
                book.phase
            );
            streams.is_with(book.pipe, book.side, &hello.id)?;
            book.enter(Phase::Ready, now);
        }
        Event::Message(message) => {
            hold!(book.phase == Phase::Open, "S4", "a message of connection {id}, not admitted");
            hold!(!told, "S3", "a message of connection {id}, which is being closed");
            sized(message.payload().len())?;
        }
        Event::RoundTrip(_) => {
            hold!(book.phase == Phase::Open, "S4", "a pong of connection {id}, not admitted");
            reached.note(Branch::PingAnswered);
        }
        Event::Closed(_) => {}
    }
    Ok(())
}

/// S5: no message is larger than the protocol allows.
pub(super) fn sized(length: usize) -> Result<(), Flaw> {
    hold!(length <= MESSAGE, "S5", "a message of {length} bytes");
    Ok(())
}

pub(super) fn told(
    run: &mut Run,
    now: Now,
    id: ConnectionId,
    command: Command,
    before: usize,
    after: usize,
) -> Result<(), Flaw> {
    let Some(book) = run.sessions.get_mut(&id) else { return Ok(()) };
    book.handled = now.mono;
    match command {
        Command::Proceed if book.phase == Phase::Authenticated => book.enter(Phase::Hello, now),
        Command::Admit if book.phase == Phase::Ready => book.enter(Phase::Open, now),
        Command::Disconnect(reason) => {
            let grown = after.saturating_sub(before);
            hold!(
                grown <= DISCONNECT,
                "S3",
                "to say {reason} connection {id} writes {grown} bytes"
            );
            book.told.get_or_insert((now.mono, book.written + after));
        }
        Command::Proceed | Command::Admit | Command::Ping => {}
    }
    Ok(())
}

pub(super) fn writes(
    run: &mut Run,
    streams: &mut streams::Book,
    now: Now,
    id: ConnectionId,
    first: &[u8],
    written: usize,
) -> Result<(), Flaw> {
    let Some(book) = run.sessions.get_mut(&id) else { return Ok(()) };
    if book.written == 0 {
        streams.first_bytes(first)?;
    }
    book.written += written;
    book.handled = now.mono;
    book.moved = now.mono;
    Ok(())
}

/// S3: once it is told to end it, it has no more to say.
pub(super) fn rests(
    run: &mut Run,
    now: Now,
    id: ConnectionId,
    (pending, reads): (usize, bool),
    due: Option<Deadline>,
) -> Result<(), Flaw> {
    let Some(book) = run.sessions.get_mut(&id) else { return Ok(()) };
    super::resources::rests(book.handled, "a session", due)?;
    let total = book.written + pending;
    if let Some((_, most)) = book.told {
        hold!(total <= most, "S3", "connection {id} writes after its disconnect");
    }
    if total > book.total {
        // Only now there is something that waits.
        if book.pending == 0 {
            book.moved = now.mono;
        }
        book.total = total;
        book.grew = now.mono;
    }
    // Until now its pings have waited.
    if book.pending >= BACKLOG {
        book.grew = now.mono;
    }
    book.pending = pending;
    if pending == 0 {
        book.moved = now.mono;
    }
    if !(reads && book.reads) {
        book.heard = now.mono;
    }
    book.reads = reads;
    Ok(())
}

/// S4: an application hears of a peer after it was admitted.
pub(super) fn delivers(run: &Run, id: ConnectionId) -> Result<(), Flaw> {
    let known = run.peers.was_admitted(id);
    hold!(known, "S4", "the application has a message of connection {id}, which is no peer");
    Ok(())
}

/// S6: nothing lasts longer than it may.
pub(super) fn check(run: &Run, running: &Running, now: Now) -> Result<(), Flaw> {
    run.sessions.iter().try_for_each(|(id, book)| {
        let connection = running.connections.get(id).and_then(|connection| connection.driver());
        overdue(book, *id, connection.is_some_and(|driver| driver.wants_read()), now)
    })
}

/// The same for one session, which reads now or does not.
pub(super) fn overdue(book: &Book, id: ConnectionId, reads: bool, now: Now) -> Result<(), Flaw> {
    let ago = |at: Instant| now.mono.saturating_since(at);
    if let Some((told, _)) = book.told {
        let ends = ago(told) <= GOODBYE + SLACK;
        hold!(ends, "S6", "connection {id} was told to end and has not");
        return Ok(());
    }
    if book.phase != Phase::Open {
        let (phase, goes_on) = (book.phase, ago(book.since) <= STEP + SLACK);
        hold!(goes_on, "S6", "connection {id} is in {phase:?} for long");
        return Ok(());
    }
    let stalled = book.pending > 0 && ago(book.moved) > STALL + SLACK;
    let could_not = ago(book.moved).as_secs();
    hold!(!stalled, "S6", "connection {id} could write nothing for {could_not} s");
    let silent = reads && ago(book.heard) > SILENCE + SLACK;
    hold!(!silent, "S6", "connection {id} heard nothing for {} s", ago(book.heard).as_secs());
    let mute = book.pending < BACKLOG && ago(book.grew) > PING + SLACK;
    hold!(!mute, "S6", "connection {id} said nothing for {} s", ago(book.grew).as_secs());
    Ok(())
}
