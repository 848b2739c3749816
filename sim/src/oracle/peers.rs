//! P1 to P9 and R4: dials, admissions, peers.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::RequestId;
use devp2p_core::identity::NodeId;
use devp2p_core::node::{Command, ConnectionId, Direction, Event, Node, PeerInfo, Report};
use devp2p_core::session;
use devp2p_core::time::{Instant, Now};

use super::{Branch, Flaw, Reached, Run, hold, is_local};
use crate::network::tcp::Side;
use crate::world::World;

/// geth `dialHistoryExpiration`, `inboundThrottleTime`.
const HISTORY: Duration = Duration::from_secs(35);
const THROTTLE: Duration = Duration::from_secs(30);

/// Connections that one attempt at a static node makes, and the one before it: where
/// it was told to be, where it was found, where discovery has found it now.
const STATIC_CONNECTS: usize = 4;

/// How long the ends of a connection may differ on whether they are peers: all time
/// limits of a handshake, twice.
const AGREED: Duration = Duration::from_secs(40);

/// After which nothing that went wrong is the reason any more: a connection that is
/// dead on one side is found out within 30 s.
const CALM: Duration = Duration::from_secs(35);

/// Looks in a row in which both ends differ: what one says is on its way.
const LOPSIDED: u32 = 3;

#[derive(Debug)]
struct Connection {
    direction: Direction,
    /// There is a session.
    connected: bool,
    requested: bool,
    authenticated: bool,
    proceeded: bool,
    admitted_once: bool,
    told: bool,
    /// Told so before it had shown a key.
    given_up: bool,
    ended: bool,
    peer: Option<Arc<PeerInfo>>,
}

/// What is known of a node's connections.
#[derive(Debug, Default)]
pub(super) struct Book {
    connections: BTreeMap<ConnectionId, Connection>,
    dials: BTreeMap<NodeId, VecDeque<Instant>>,
    came: BTreeMap<IpAddr, Instant>,
    latest: Option<ConnectionId>,
    /// The node was told to stop.
    pub(super) stops: bool,
    /// Who was a peer last when, by the world's time.
    pub(super) lost: BTreeMap<NodeId, Instant>,
    /// Since when it has a slot to dial with, and one for who dials it.
    pub(super) wants_since: Option<Instant>,
    pub(super) has_room_since: Option<Instant>,
    requested: BTreeMap<RequestId, NodeId>,
}

impl Book {
    fn peers(&self) -> impl Iterator<Item = (&ConnectionId, &Arc<PeerInfo>)> {
        self.connections.iter().filter_map(|(id, one)| Some((id, one.peer.as_ref()?)))
    }

    pub(super) fn was_admitted(&self, id: ConnectionId) -> bool {
        // One that has ended may have left a last message behind.
        self.connections.get(&id).is_none_or(|one| one.admitted_once)
    }

    /// Dials under way, by what can be seen of them: all, and those that nobody
    /// has asked for.
    fn dialling(&self) -> (usize, usize) {
        let dials = || self.connections.values().filter(|one| one.is_dial());
        (dials().count(), dials().filter(|one| !one.requested).count())
    }

    fn knocking(&self) -> usize {
        let knocks = |one: &&Connection| {
            one.direction == Direction::Inbound && !one.admitted_once && !one.told
        };
        self.connections.values().filter(knocks).count()
    }

    /// Names are used once, and in order.
    fn name(&mut self, id: ConnectionId) -> Result<(), Flaw> {
        let fresh = self.latest.is_none_or(|latest| latest < id);
        hold!(fresh, "P6", "connection {id} has an old name");
        self.latest = Some(id);
        Ok(())
    }
}

pub(super) fn commanded(run: &mut Run, id: RequestId, command: &Command) {
    match command {
        Command::Dial(address) => {
            run.peers.requested.insert(id, address.node_id());
        }
        Command::AddPeer(address) => {
            run.terms.statics.insert(address.node_id());
        }
        Command::AddTrusted(id) => {
            run.terms.trusted.insert(*id);
        }
        Command::RemoveTrusted(id) => {
            run.terms.trusted.remove(id);
        }
        Command::SetLimits(limits) => run.terms.set_limits(limits, run.no_dial),
        Command::RemovePeer(_)
        | Command::SetEntry { .. }
        | Command::Candidates(..)
        | Command::Cancel(_)
        | Command::Discovery(_)
        | _ => {}
    }
}

/// P5, P7 and P1 of who comes in.
pub(super) fn accepts(run: &mut Run, now: Now, from: IpAddr, id: ConnectionId) -> Result<(), Flaw> {
    let book = &mut run.peers;
    book.name(id)?;
    let ip = from.to_canonical();
    let outside = run.terms.net_restrict.as_ref().is_some_and(|networks| !networks.contains(ip));
    hold!(!outside, "P7", "a connection from {ip} is taken, which is outside of our networks");
    if !is_local(ip) {
        let before = book.came.insert(ip, now.mono);
        hold!(
            before.is_none_or(|before| before + THROTTLE <= now.mono),
            "P5",
            "{ip} has connected twice within 30 s"
        );
    }
    book.connections.insert(id, Connection::new(Direction::Inbound));
    let (knocking, most) = (book.knocking(), run.terms.max_pending);
    hold!(knocking <= most, "P1", "{knocking} connections wait to be admitted, not {most}");
    Ok(())
}

pub(super) fn answers(run: &mut Run, id: RequestId) {
    run.peers.requested.remove(&id);
}

impl Connection {
    /// One that has shown its key goes on to be a dial until it has ended.
    const fn is_dial(&self) -> bool {
        let outbound = matches!(self.direction, Direction::Outbound);
        outbound && !self.admitted_once && !self.ended && !self.given_up
    }

    fn new(direction: Direction) -> Self {
        Self {
            direction,
            connected: direction == Direction::Inbound,
            requested: false,
            authenticated: false,
            proceeded: false,
            admitted_once: false,
            told: false,
            given_up: false,
            ended: false,
            peer: None,
        }
    }
}

/// P1, P3, P4 and P7 of a dial.
pub(super) fn connects(
    run: &mut Run,
    now: Now,
    id: ConnectionId,
    to: SocketAddr,
    remote: &PublicKey,
) -> Result<(), Flaw> {
    let node = NodeId::from(remote);
    let Run { terms, peers: book, .. } = run;
    book.name(id)?;
    hold!(*remote != terms.public_key, "P3", "it dials itself, at {to}");
    hold!(to.port() != 0, "P7", "{} is dialled at no port", node.short());
    let ip = to.ip();
    let nowhere = ip.is_unspecified() || ip.is_multicast();
    hold!(!nowhere, "P7", "{} is dialled at {ip}", node.short());
    let outside = terms.net_restrict.as_ref().is_some_and(|networks| !networks.contains(ip));
    hold!(!outside, "P7", "{} is dialled at {ip}, outside of our networks", node.short());
    let requested = book.requested.values().any(|asked| *asked == node);
    let dials = book.dials.entry(node).or_default();
    while dials.front().is_some_and(|at| *at + HISTORY <= now.mono) {
        dials.pop_front();
    }
    let most = if terms.statics.contains(&node) { STATIC_CONNECTS } else { 1 };
    let count = dials.len() + 1;
    hold!(requested || count <= most, "P4", "{} is dialled {count} times in 35 s", node.short());
    dials.push_back(now.mono);
    let connection = Connection { requested, ..Connection::new(Direction::Outbound) };
    book.connections.insert(id, connection);
    let ((_, dialling), most) = (book.dialling(), (2 * terms.max_dialled).min(terms.max_pending));
    hold!(dialling <= most, "P1", "{dialling} dials are under way, not {most}");
    let twice = book.peers().any(|(_, peer)| peer.id == node);
    // A static node may have come by itself while it was looked for.
    let free = requested || terms.statics.contains(&node);
    hold!(free || !twice, "P2", "{} is dialled, which is a peer", node.short());
    Ok(())
}

/// What became of a dial.
pub(super) fn connected(run: &mut Run, id: ConnectionId, made: bool) {
    if made {
        if let Some(connection) = run.peers.connections.get_mut(&id) {
            connection.connected = true;
        }
    } else {
        run.peers.connections.remove(&id);
    }
}

/// R4: each session is told each thing once, and nothing after the end.
pub(super) fn tells(
    run: &mut Run,
    id: ConnectionId,
    command: session::Command,
) -> Result<(), Flaw> {
    let Some(connection) = run.peers.connections.get_mut(&id) else { return Ok(()) };
    hold!(!connection.told, "R4", "connection {id} is told {command:?} after its end");
    match command {
        session::Command::Proceed => {
            hold!(!connection.proceeded, "R4", "connection {id} is told twice to go on");
            connection.proceeded = true;
        }
        session::Command::Admit => {
            let proceeded = connection.proceeded && connection.admitted_once;
            hold!(proceeded, "R4", "connection {id} is admitted before its time");
        }
        session::Command::Disconnect(_) => {
            connection.told = true;
            connection.given_up = !connection.authenticated;
        }
        session::Command::Ping => {}
    }
    Ok(())
}

/// P6: a session reports its end once, and nothing more.
pub(super) fn reports(
    run: &mut Run,
    reached: &mut Reached,
    id: ConnectionId,
    report: &Report,
) -> Result<(), Flaw> {
    let book = &mut run.peers;
    match report {
        Report::Authenticated(_) | Report::Ready { .. } => {
            let Some(connection) = book.connections.get_mut(&id) else {
                return Err(Flaw("P6", format!("connection {id} reports after its end")));
            };
            connection.authenticated = true;
            hold!(!connection.ended, "P6", "connection {id} reports after its end");
            if connection.told {
                reached.note(Branch::LateReport);
            }
        }
        Report::Closed { .. } => {
            let known = book.connections.get_mut(&id);
            let first = known.is_some_and(|one| !core::mem::replace(&mut one.ended, true));
            hold!(first, "P6", "connection {id} ends twice");
        }
    }
    Ok(())
}

/// P1, P2, P3, P6 and P8 of what the node says has happened.
pub(super) fn happened(
    run: &mut Run,
    reached: &mut Reached,
    world: Instant,
    event: &Event,
) -> Result<(), Flaw> {
    match event {
        Event::Connected(peer) => admitted(run, reached, peer),
        Event::Disconnected { peer, counters, .. } => {
            let id = peer.connection;
            run.peers.lost.insert(peer.id, world);
            let connection = run.peers.connections.get_mut(&id);
            let was = connection.and_then(|connection| connection.peer.take());
            hold!(was.is_some(), "P6", "connection {id} is no peer any more, and was none");
            match counters {
                // It is told to go, and ends later.
                None => reached.note(match peer.direction {
                    Direction::Inbound => Branch::CrossingOutboundSurvives,
                    Direction::Outbound => Branch::CrossingInboundSurvives,
                }),
                Some(_) => {
                    run.peers.connections.remove(&id);
                }
            }
            Ok(())
        }
        Event::Failed { connection, .. } => {
            let was = run.peers.connections.remove(connection);
            let fits = was.as_ref().is_some_and(|was| !was.admitted_once);
            hold!(fits, "P6", "connection {connection} has failed, which was admitted or unknown");
            Ok(())
        }
        Event::DialFailed(..) | Event::WantsCandidates(_) | Event::Discovery(_) | _ => Ok(()),
    }
}

fn admitted(run: &mut Run, reached: &mut Reached, peer: &Arc<PeerInfo>) -> Result<(), Flaw> {
    let Run { terms, peers: book, .. } = run;
    let (id, node) = (peer.connection, peer.id.short());
    hold!(peer.id != terms.id, "P3", "it has itself as a peer");
    let twice = book.peers().any(|(_, other)| other.id == peer.id);
    hold!(!twice, "P2", "{node} is a peer twice");
    let shares = !peer.shared.is_empty() || terms.takes_anyone;
    hold!(shares, "P8", "{node} is a peer with nothing in common");
    let inbound = |peer: &Arc<PeerInfo>| peer.direction == Direction::Inbound;
    let all = book.peers().count();
    let came = book.peers().filter(|(_, peer)| inbound(peer)).count();
    let trusted = terms.trusted.contains(&peer.id);
    let free = trusted || peer.is_static;
    hold!(free || all < terms.max_peers, "P1", "{node} is peer {} of {}", all + 1, terms.max_peers);
    let most = terms.max_inbound();
    let full = inbound(peer) && came >= most;
    hold!(trusted || !full, "P1", "{node} is inbound peer {} of {most}", came + 1);
    if trusted && (all >= terms.max_peers || full) {
        reached.note(Branch::TrustedBeyondLimits);
    }
    let Some(connection) = book.connections.get_mut(&id) else {
        return Err(Flaw("P6", format!("connection {id} is admitted and unknown")));
    };
    let fits = connection.connected && !connection.admitted_once && !connection.told;
    hold!(fits, "P6", "connection {id} is admitted twice, or told to go before");
    connection.admitted_once = true;
    connection.peer = Some(Arc::clone(peer));
    Ok(())
}

/// P6: the node has the peers that it has named.
pub(super) fn rests(run: &Run, node: &Node) -> Result<(), Flaw> {
    let (has, named) = (node.peers(), run.peers.peers().count());
    hold!(has == named, "P6", "it has {has} peers and has named {named}");
    Ok(())
}

/// For liveness: since when there is room.
pub(super) fn measure(run: &mut Run, world: Instant) {
    let Run { terms, peers: book, .. } = run;
    let all = book.peers().count();
    let came = book.peers().filter(|(_, peer)| peer.direction == Direction::Inbound).count();
    let wants = all < terms.max_peers && all - came < terms.max_dialled;
    let has_room = all < terms.max_peers && came < terms.max_inbound();
    let since = |before: Option<Instant>, is_so: bool| is_so.then(|| before.unwrap_or(world));
    book.wants_since = since(book.wants_since, wants);
    book.has_room_since = since(book.has_room_since, has_room);
}

/// P6: slots that are taken are those of connections that there are.
pub(super) fn recount(run: &mut Run, node: &Node) -> Result<(), Flaw> {
    let snapshot = node.snapshot();
    let book = &mut run.peers;
    let (has, knocking) = (snapshot.pending_inbound, book.knocking());
    hold!(has == knocking, "P6", "{has} inbound slots are taken by {knocking} connections");
    let (has, (dialling, of_these)) = (snapshot.dialling, book.dialling());
    // Those of which nothing is seen: discovery looks for where a static node is.
    let unseen = run.terms.statics.len() + book.requested.len();
    // A node that stops gives no slot back before the session has ended.
    let fits = (has <= dialling + unseen || book.stops) && of_these <= has;
    hold!(fits, "P6", "{has} dial slots are taken by {dialling} dials");
    // The end of one whose place another has taken is nobody's news.
    let silent = |one: &Connection| one.ended && one.peer.is_none() && one.told;
    book.connections.retain(|_, one| !silent(one));
    let lost = book.connections.iter().find(|(_, one)| one.ended);
    if let Some((id, _)) = lost {
        return Err(Flaw("P6", format!("connection {id} has ended and nobody was told")));
    }
    let left = |one: &Connection| one.admitted_once && one.peer.is_none() && !one.told;
    if let Some((id, _)) = book.connections.iter().find(|(_, one)| left(one)) {
        return Err(Flaw("P6", format!("connection {id} is no peer's and was not told to go")));
    }
    for peer in &snapshot.peers {
        let known = book.connections.get(&peer.peer.connection);
        let known = known.and_then(|one| one.peer.as_ref());
        let fits = known.is_some_and(|known| known.id == peer.peer.id);
        hold!(fits, "P6", "{} is a peer and was never named", peer.peer.id.short());
    }
    if let Some(id) = super::discovery::overdue(run, node.now()) {
        return Err(Flaw("D5", format!("{id:?} has no answer")));
    }
    Ok(())
}

/// P9: who has been a peer for long is one for the other as well, unless something
/// went wrong of late. `before` are those of whom it was not so at the last looks.
pub(super) fn symmetric(
    world: &World,
    before: &mut BTreeMap<(usize, u32, ConnectionId), u32>,
) -> Result<(), Flaw> {
    let last = core::mem::take(before);
    if !world.is_calm_for(CALM) {
        return Ok(());
    }
    for host in &world.hosts {
        let Some(running) = &host.running else { continue };
        for (id, connection) in &running.connections {
            let Some(peer) = &connection.info else { continue };
            if connection.admitted_at.is_none_or(|at| at + AGREED > world.now) {
                continue;
            }
            let other = world.network.tcp.socket(connection.pipe, connection.side.other());
            if other.is_some_and(|socket| socket.is_adversarys) {
                continue;
            }
            let theirs = other.and_then(|socket| {
                let running = world.hosts.get(socket.machine)?.running.as_ref()?;
                running.connections.get(&socket.connection?)?.info.as_ref()
            });
            let fits = theirs.is_some_and(|theirs| {
                (theirs.direction == Direction::Inbound) == (connection.side == Side::Dialler)
            });
            if fits {
                continue;
            }
            let key = (host.place, host.run, *id);
            let times = last.get(&key).map_or(1, |times| times + 1);
            before.insert(key, times);
            hold!(
                times < LOPSIDED,
                "P9",
                "node {} has {} as a peer by connection {id}, and not the reverse",
                host.name,
                peer.id.short()
            );
        }
    }
    Ok(())
}
