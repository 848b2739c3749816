//! D1 to D7, T9, and P7 of what is sent: each packet against what truly went
//! before it.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use devp2p_core::discv4::{
    self, DropReason, Gate, Kind, Packet, Ping, Pong, RequestId, Sources, Verified, decode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{Answer, Command, Node};
use devp2p_core::store::Reply;
use devp2p_core::time::{Instant, Now, UnixTime};

use super::{Flaw, Reached, Run, distance, hold, is_local};

/// geth `respTimeout`, `bondExpiration`.
const REPLY: Duration = Duration::from_millis(500);
const BOND: Duration = Duration::from_secs(24 * 60 * 60);

/// What a packet may have at most; where its kind stands.
const PACKET: usize = 1280;
const HEAD: usize = 97;

/// Of so many packets one is verified wholly: it takes as long as all the rest.
const VERIFIED_OF: u64 = 8;

/// A question of ours is a look-up's if it is not repeated for so long.
const LOOK_UP: Duration = Duration::from_secs(300);

/// Commands are answered within this: a look-up of 128 queries in vain, three at
/// a time, a second and a half each, and as much again.
const ANSWERED: Duration = Duration::from_secs(150);

/// A request that was sent.
#[derive(Debug)]
struct Sent {
    kind: Kind,
    hash: [u8; 32],
    to: SocketAddr,
    at: Instant,
    target: [u8; 64],
    nodes: usize,
    done: bool,
}

/// The packet that is being handled.
#[derive(Debug)]
struct Question {
    kind: Kind,
    id: NodeId,
    source: SocketAddr,
    hash: [u8; 32],
    target: NodeId,
    /// It has to be answered.
    is_owed: bool,
    answers: usize,
    pings: usize,
    /// The keys of the nodes that the answers name.
    named: Vec<[u8; 64]>,
}

/// What is known of a node's discovery in this run.
#[derive(Debug, Default)]
pub(super) struct Book {
    sent: VecDeque<Sent>,
    /// Who has answered a ping of ours from where, and when last.
    pub(super) proven: BTreeMap<(NodeId, IpAddr), Instant>,
    /// Those of them of whom the node knows it for certain: at the very moment at which it
    /// no longer waits it may have or not.
    known: BTreeMap<(NodeId, IpAddr), Instant>,
    /// The same by the endpoint that was pinged.
    pub(super) answered: BTreeMap<(NodeId, SocketAddr), Instant>,
    question: Option<Question>,
    /// What it looked like before a packet that nobody has asked for.
    before: Option<(Kind, Looks)>,
    asked: BTreeMap<([u8; 64], SocketAddr), Instant>,
    commands: BTreeMap<RequestId, (Option<[u8; 64]>, Instant)>,
    targets: BTreeSet<[u8; 64]>,
    repeated: BTreeSet<[u8; 64]>,
    walks: BTreeSet<RequestId>,
    /// Of our own record: no packet may name a lower number.
    sequence: u64,
    /// The number that its store has just told.
    stored: Option<u64>,
}

/// What outlives a machine's runs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) id: Option<NodeId>,
    proven: BTreeSet<(NodeId, IpAddr)>,
    pub(super) spoken: BTreeSet<IpAddr>,
}

impl Memory {
    pub(super) fn remember(&mut self, book: &Book) {
        self.proven.extend(book.proven.keys().copied());
    }
}

/// What reads the packets that nodes send.
pub(super) struct Wire {
    gate: Gate,
    packets: u64,
    /// The keys of all nodes there ever were.
    pub(super) keys: BTreeSet<[u8; 64]>,
}

impl core::fmt::Debug for Wire {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wire").field("packets", &self.packets).finish_non_exhaustive()
    }
}

struct Everyone;

impl Sources for Everyone {
    fn is_proven(&self, _: IpAddr) -> bool {
        true
    }

    fn is_awaited(&self, _: IpAddr, _: Kind, _: &[u8; 32]) -> bool {
        false
    }
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { gate: Gate::new(&Seed::from_number(0)), packets: 0, keys: BTreeSet::new() }
    }
}

/// All that shows of a machine's state.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Looks {
    entries: Vec<(NodeId, Option<SocketAddr>, u64, u32, bool)>,
    waiting: usize,
    bonds: usize,
    pending: usize,
    peers: usize,
    record: u64,
}

impl Looks {
    fn of(node: &Node) -> Option<Self> {
        let discovery = node.discovery()?;
        let table = discovery.table();
        let entries = table.buckets().iter().flat_map(|bucket| bucket.entries());
        Some(Self {
            entries: entries
                .map(|entry| {
                    let contact = entry.contact();
                    let (at, number) = (contact.udp_endpoint(), contact.sequence());
                    (*contact.id(), at, number, entry.checks(), entry.is_live())
                })
                .collect(),
            waiting: table.replacements(),
            bonds: discovery.bonds(),
            pending: discovery.pending(),
            peers: node.peers(),
            record: discovery.local_record().sequence(),
        })
    }
}

impl Book {
    /// T8: from the number that is stored a node goes on, but in what it has said already if
    /// the store was late. There is none after the last.
    pub(super) fn store_says(&mut self, reply: &Reply) {
        if let Reply::Opened { sequence: Some(stored), .. } = reply
            && *stored < u64::MAX
        {
            self.stored = Some(*stored);
        }
    }

    /// Requests of a kind that are under way.
    fn open(&self, now: Instant) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| !sent.done && now < sent.at + REPLY)
    }

    fn awaited(&mut self, now: Instant, ip: IpAddr, packet: &Packet) -> Option<&mut Sent> {
        let (kind, hash) = match packet {
            Packet::Pong(pong) => (Kind::Ping, Some(pong.ping_hash)),
            Packet::EnrResponse(response) => (Kind::EnrRequest, Some(response.request_hash)),
            Packet::Neighbors(_) => (Kind::FindNode, None),
            Packet::Ping(_) | Packet::FindNode(_) | Packet::EnrRequest(_) => return None,
        };
        self.sent.iter_mut().find(|sent| {
            sent.kind == kind
                && sent.to.ip() == ip
                && !sent.done
                && now < sent.at + REPLY
                && hash.is_none_or(|hash| hash == sent.hash)
        })
    }
}

/// D4: what has expired by both clocks comes to nothing.
pub(super) fn gated(
    run: &Run,
    now: Now,
    result: &Result<Verified, DropReason>,
) -> Result<(), Flaw> {
    let Ok(packet) = result else { return Ok(()) };
    let Some(expiration) = packet.packet().expiration() else { return Ok(()) };
    let steady = run.began.unix.saturating_add(now.mono.saturating_since(run.began.mono));
    let clock = now.unix.min(steady);
    hold!(
        expiration <= i64::MAX as u64 && UnixTime::from_secs(expiration) >= clock,
        "D4",
        "a packet from {} that expired at {expiration} is verified at {}",
        packet.source(),
        clock.as_secs()
    );
    Ok(())
}

/// Notes what a packet is to the node before it is handed in.
pub(super) fn before_packet(
    run: &mut Run,
    reached: &mut Reached,
    now: Now,
    node: &Node,
    (lenient, attacked, due): (bool, bool, bool),
    result: &Result<Verified, DropReason>,
) {
    let book = &mut run.discovery;
    book.question = None;
    book.before = None;
    let Ok(packet) = result else { return };
    if *packet.id() == run.terms.id {
        return;
    }
    let (id, source, mono) = (*packet.id(), packet.source(), now.mono);
    let kind = packet.kind();
    match packet.packet() {
        Packet::Ping(_) | Packet::FindNode(_) | Packet::EnrRequest(_) => {
            let target = match packet.packet() {
                Packet::FindNode(find) => NodeId::hash_of(&find.target),
                Packet::Ping(_)
                | Packet::Pong(_)
                | Packet::Neighbors(_)
                | Packet::EnrRequest(_)
                | Packet::EnrResponse(_) => id,
            };
            let hash = *packet.hash();
            let known = book.known.get(&(id, source.ip()));
            let is_known = known.is_some_and(|at| mono < *at + BOND);
            let is_owed = kind == Kind::Ping || is_known && !lenient && !attacked;
            book.question = Some(Question {
                kind,
                id,
                source,
                hash,
                target,
                is_owed,
                answers: 0,
                pings: 0,
                named: Vec::new(),
            });
        }
        answer @ (Packet::Pong(_) | Packet::Neighbors(_) | Packet::EnrResponse(_)) => {
            match book.awaited(mono, source.ip(), answer) {
                Some(sent) => {
                    let to = sent.to;
                    if let Packet::Neighbors(neighbors) = answer {
                        sent.nodes += neighbors.nodes.len();
                        sent.done = sent.nodes >= 16;
                    } else {
                        sent.done = true;
                    }
                    if kind == Kind::Pong {
                        book.proven.insert((id, source.ip()), mono);
                        if !due {
                            book.known.insert((id, source.ip()), mono);
                        }
                        book.answered.insert((id, to), mono);
                        reached.note(super::Branch::SolicitedPong);
                    }
                }
                None if !due && !lenient => {
                    book.before = Looks::of(node).map(|looks| (kind, looks));
                    reached.note(super::Branch::UnsolicitedAnswer);
                }
                None => {}
            }
        }
    }
}

/// D3: an answer that nobody asked for changes nothing.
pub(super) fn after_packet(run: &mut Run, node: &Node) -> Result<(), Flaw> {
    let Some((kind, before)) = run.discovery.before.take() else { return Ok(()) };
    hold!(
        Looks::of(node).as_ref() == Some(&before),
        "D3",
        "{kind} that nobody has asked for has changed something"
    );
    Ok(())
}

/// D1, D2, D6, D7, P7 of one packet that leaves.
#[expect(clippy::too_many_arguments, reason = "what is known, and what is sent")]
pub(super) fn sends(
    run: &mut Run,
    memory: &Memory,
    wire: &mut Wire,
    reached: &mut Reached,
    lenient: bool,
    now: Now,
    to: SocketAddr,
    datagram: &[u8],
) -> Result<(), Flaw> {
    let packet = read(run, wire, now, datagram)?;
    run.resources.sends(now.mono);
    let hash = datagram[..32].try_into().unwrap_or_default();
    let outside = |networks: &devp2p_core::identity::NetRestrict| !networks.contains(to.ip());
    hold!(
        !run.terms.net_restrict.as_ref().is_some_and(outside)
            || memory.spoken.contains(&to.ip())
            || run.discovery.commands.values().any(|(target, _)| target.is_none()),
        "P7",
        "{} to {to}, which is outside of our networks and never spoke to us",
        packet.kind()
    );
    let book = &mut run.discovery;
    if let Packet::Ping(Ping { enr_sequence: Some(number), .. })
    | Packet::Pong(Pong { enr_sequence: Some(number), .. }) = packet
    {
        let before = core::mem::replace(&mut book.sequence, number);
        hold!(number >= before, "T8", "our own record is number {number} after {before}");
    }
    match packet {
        Packet::Ping(_) | Packet::EnrRequest(_) => {
            if let Some(question) = &mut book.question
                && question.source == to
                && packet.kind() == Kind::Ping
            {
                question.pings += 1;
            }
            book.push(packet.kind(), hash, to, now.mono, [0; 64]);
        }
        Packet::FindNode(find) => {
            // Whoever looks for a node itself may do so again.
            let of_node = wire.keys.contains(&find.target);
            let free = lenient || of_node || book.repeated.contains(&find.target);
            let of_it = |sent: &&Sent| sent.kind == Kind::FindNode && sent.target == find.target;
            let under_way = book.open(now.mono).filter(of_it).count();
            hold!(free || under_way < 3, "D7", "a look-up has {under_way} queries under way");
            let before = book.asked.insert((find.target, to), now.mono);
            hold!(
                free || before.is_none_or(|before| before + LOOK_UP < now.mono),
                "D7",
                "a look-up asks {to} twice"
            );
            book.push(Kind::FindNode, hash, to, now.mono, find.target);
        }
        Packet::Pong(pong) => {
            let question = answer_to(book, Kind::Ping, to)?;
            hold!(pong.ping_hash == question.hash, "D2", "a pong names another ping");
            question.answers += 1;
            hold!(question.answers == 1, "D2", "a ping has two pongs");
        }
        Packet::EnrResponse(response) => {
            let question = answer_to(book, Kind::EnrRequest, to)?;
            hold!(response.request_hash == question.hash, "D2", "a record names another request");
            question.answers += 1;
            hold!(question.answers == 1, "D2", "a record is sent twice");
            let id = question.id;
            proven(book, memory, id, to, now.mono)?;
        }
        Packet::Neighbors(neighbors) => {
            let question = answer_to(book, Kind::FindNode, to)?;
            question.answers += 1;
            hold!(question.answers <= 2, "T9", "neighbours in more than two packets");
            reached.note(super::Branch::NeighborsSent);
            question.named.extend(neighbors.nodes.iter().map(|neighbor| neighbor.public_key));
            let id = question.id;
            proven(book, memory, id, to, now.mono)?;
        }
    }
    Ok(())
}

/// D6: our own decoder reads it, it is ours, and it is not too long.
fn read(run: &Run, wire: &mut Wire, now: Now, datagram: &[u8]) -> Result<Packet, Flaw> {
    hold!(datagram.len() <= PACKET, "D6", "a packet of {} bytes is sent", datagram.len());
    let code = datagram.get(HEAD).copied().unwrap_or(0);
    let kind = Kind::from_code(code);
    let read = kind.and_then(|kind| decode(kind, &datagram[HEAD + 1..]).ok());
    let Some(packet) = read else {
        return Err(Flaw("D6", format!("a packet of kind {code} is sent that we cannot read")));
    };
    wire.packets += 1;
    if !wire.packets.is_multiple_of(VERIFIED_OF) {
        return Ok(packet);
    }
    let loopback = (core::net::Ipv4Addr::LOCALHOST, 30303).into();
    let checked = wire.gate.check(now, loopback, datagram, &Everyone).and_then(verify);
    match checked {
        Ok(verified) => {
            hold!(*verified.id() == run.terms.id, "D6", "a packet is signed by {}", verified.id());
        }
        // A busy world has more packets than one source may send.
        Err(DropReason::OverBudget | DropReason::Overloaded) => {}
        Err(reason) => return Err(Flaw("D6", format!("{kind:?} that is sent is bad: {reason}"))),
    }
    Ok(packet)
}

/// D2: an answer is to a question, and goes back to where it came from.
fn answer_to(book: &mut Book, kind: Kind, to: SocketAddr) -> Result<&mut Question, Flaw> {
    match &mut book.question {
        Some(question) if question.kind == kind && question.source == to => Ok(question),
        Some(_) | None => Err(Flaw("D2", format!("an answer to {kind} goes to {to} unasked"))),
    }
}

/// D1: large answers go to endpoints that were proved within a day.
fn proven(
    book: &Book,
    memory: &Memory,
    id: NodeId,
    to: SocketAddr,
    now: Instant,
) -> Result<(), Flaw> {
    let at = book.proven.get(&(id, to.ip()));
    let holds = at.is_some_and(|at| now < *at + BOND);
    // By the store, of an earlier run; how old it is depends on Unix clocks.
    let remembered = at.is_none() && memory.proven.contains(&(id, to.ip()));
    hold!(
        holds || remembered,
        "D1",
        "an answer to {} at {to}, which has not proved to be there",
        id.short()
    );
    Ok(())
}

impl Book {
    fn push(&mut self, kind: Kind, hash: [u8; 32], to: SocketAddr, at: Instant, target: [u8; 64]) {
        self.sent.push_back(Sent { kind, hash, to, at, target, nodes: 0, done: false });
    }
}

/// What is known once all is said. T9, once all of an answer is there; and what is left of D2. A discovery that waits for
/// nothing has stopped.
pub(super) fn executed(
    run: &mut Run,
    memory: &Memory,
    node: &Node,
    lenient: bool,
) -> Result<(), Flaw> {
    if let Some(stored) = run.discovery.stored.take() {
        run.discovery.sequence = run.discovery.sequence.max(stored);
    }
    let Some(question) = run.discovery.question.take() else { return Ok(()) };
    let bonded = run.discovery.proven.contains_key(&(question.id, question.source.ip()));
    if question.kind == Kind::Ping
        && !bonded
        && !memory.proven.contains(&(question.id, question.source.ip()))
    {
        let source = question.source;
        hold!(question.pings <= 2, "D2", "a ping from {source} brings {} pings", question.pings);
    }
    let Some(discovery) = node.discovery() else { return Ok(()) };
    hold!(
        question.answers > 0 || !question.is_owed || discovery.poll_timeout().is_none(),
        "D2",
        "{} from {} brings no answer",
        question.kind,
        question.source
    );
    if question.kind != Kind::FindNode || question.answers == 0 {
        return Ok(());
    }
    let table = discovery.table();
    let entries = || table.buckets().iter().flat_map(|bucket| bucket.entries());
    let any_live = entries().any(|entry| entry.is_live());
    if !any_live && (question.named.is_empty() || lenient) {
        return Ok(());
    }
    let mut expected: Vec<&Contact> = entries()
        .filter(|entry| entry.is_live() || !any_live)
        .map(|entry| entry.contact())
        .collect();
    expected.sort_by_key(|contact| distance(contact.id(), &question.target));
    expected.truncate(16);
    let asker_is_local = is_local(question.source.ip());
    expected.retain(|contact| contact.ip().is_some_and(|ip| asker_is_local || !is_local(ip)));
    let expected: Vec<[u8; 64]> =
        expected.into_iter().map(|contact| *contact.public_key().as_bytes()).collect();
    let short = |keys: &[[u8; 64]]| {
        let ids = keys.iter().map(|key| NodeId::hash_of(key).short().to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    hold!(
        question.named == expected,
        "T9",
        "{} asked for the closest, which are [{}], and was told [{}]",
        question.source,
        short(&expected),
        short(&question.named)
    );
    Ok(())
}

/// D5, of commands.
pub(super) fn commanded(
    run: &mut Run,
    now: Now,
    id: RequestId,
    command: &Command,
) -> Result<(), Flaw> {
    use discv4::Command as Of;
    let book = &mut run.discovery;
    let target = match asked_of_discovery(command) {
        Some(Of::LookUp(target)) => Some(*target),
        Some(Of::FindNode(_, target)) => {
            book.repeated.insert(*target);
            None
        }
        Some(Of::RandomNodes) => {
            book.walks.insert(id);
            return Ok(());
        }
        Some(_) => None,
        None => return Ok(()),
    };
    if let Some(target) = target
        && !book.targets.insert(target)
    {
        book.repeated.insert(target);
    }
    book.commands.insert(id, (target, now.mono));
    Ok(())
}

/// D5 and D7: each command is answered once, and a look-up by the closest, in order.
pub(super) fn answers(run: &mut Run, now: Now, id: RequestId, answer: &Answer) -> Result<(), Flaw> {
    let book = &mut run.discovery;
    let of_discovery = matches!(answer, Answer::Discovery(_));
    let Some((target, since)) = book.commands.remove(&id) else {
        let walk = book.walks.remove(&id);
        hold!(walk || !of_discovery, "D5", "{id:?} is answered and was not asked, or twice");
        return Ok(());
    };
    let took = now.mono.saturating_since(since);
    let most = ANSWERED + run.resources.stood_still(since, now.mono);
    hold!(took <= most, "D5", "{id:?} is answered after {} s", took.as_secs());
    if let (Some(target), Answer::Discovery(discv4::Answer::Contacts(nodes))) = (target, answer) {
        let target = NodeId::hash_of(&target);
        let in_order = nodes.is_sorted_by_key(|contact| distance(contact.id(), &target));
        hold!(nodes.len() <= 16, "D7", "a look-up has found {} nodes", nodes.len());
        // Neighbours of one node come as it names them.
        let own = nodes.iter().any(|node| *node.id() == run.terms.id);
        hold!(in_order && !own, "D7", "a look-up has found nodes in another order than theirs");
    }
    Ok(())
}

/// D5: what is pending was sent within the time of an answer, and has none.
pub(super) fn rests(run: &mut Run, node: &Node, lenient: bool) -> Result<(), Flaw> {
    let Some(discovery) = node.discovery() else { return Ok(()) };
    let now = node.now();
    let book = &mut run.discovery;
    while book.sent.front().is_some_and(|sent| sent.at + REPLY <= now) {
        book.sent.pop_front();
    }
    let known = if lenient { book.sent.len() } else { book.open(now).count() };
    let pending = discovery.pending();
    // What goes to a family that the socket lacks is never seen here: no more than that.
    let counted: u64 = Kind::ALL.iter().map(|kind| discovery.traffic().packets_sent(*kind)).sum();
    let unseen = usize::try_from(counted.saturating_sub(run.resources.packets)).unwrap_or(0);
    hold!(
        pending <= known + unseen,
        "D5",
        "{pending} requests are pending where {known} were sent of late and have no answer"
    );
    Ok(())
}

/// D5: what was asked long ago has an answer. And nothing is kept for ever.
pub(super) fn tidy(run: &mut Run, now: Now) {
    let book = &mut run.discovery;
    book.asked.retain(|_, at| *at + LOOK_UP >= now.mono);
}

/// A command that has waited too long.
pub(super) fn overdue(run: &Run, now: Instant) -> Option<RequestId> {
    let stood_still = |since| run.resources.stood_still(since, now);
    let is_due = |since: Instant| since + ANSWERED + stood_still(since) < now;
    run.discovery.commands.iter().find(|(_, (_, since))| is_due(*since)).map(|(id, _)| *id)
}

/// What an application asked of discovery, if it did.
const fn asked_of_discovery(command: &Command) -> Option<&discv4::Command> {
    match command {
        Command::Discovery(command) => Some(command),
        Command::Dial(_)
        | Command::AddPeer(_)
        | Command::RemovePeer(_)
        | Command::AddTrusted(_)
        | Command::RemoveTrusted(_)
        | Command::SetLimits(_)
        | Command::SetEntry { .. }
        | Command::Candidates(..)
        | Command::Cancel(_)
        | _ => None,
    }
}
