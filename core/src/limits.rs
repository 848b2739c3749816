//! Every bound in one place, each with its origin: core's, and those on time
//! and memory of handles and adapters.
//!
//! What one turn of a loop does before the other tasks get theirs bounds
//! neither, and stands beside that loop. The sizes of a format's fields stand
//! with the format.
//!
//! "geth" is go-ethereum 1.17.6. A bound without a foreign origin says why it
//! is what it is.

use core::time::Duration;

/// Largest auth or ack that is read, without its two size bytes.
/// geth `p2p/rlpx`: a larger size is refused. The specification sets none.
pub const HANDSHAKE_MESSAGE: usize = 2048;

/// Least padding after an auth or ack, bytes. EIP-8 asks for at least 100.
pub const HANDSHAKE_PADDING_MIN: u32 = 100;

/// How many lengths of padding there are: 100 to 199 bytes, as geth.
pub const HANDSHAKE_PADDING_SPREAD: u32 = 100;

/// Largest frame: code and payload, as sent. The header's size has 24 bits.
pub const FRAME: usize = 0xFF_FFFF;

/// Largest message payload, uncompressed. EIP-706, geth: "message length >= 16MB".
/// It must fit [`FRAME`] as well, with its code and as it is sent; geth ends
/// the connection over one that does not.
pub const MESSAGE: usize = 0xFF_FFFF;

/// Largest payload before the hello has been read. geth `baseProtocolMaxMsgSize`.
pub const HELLO_PAYLOAD: usize = 2048;

/// Most bytes of a disconnect payload that are looked at. geth `peer.go`.
pub const DISCONNECT_PAYLOAD: usize = 100;

/// Message codes that belong to the base protocol. geth `baseProtocolLength`.
pub const BASE_PROTOCOL_LENGTH: u64 = 16;

/// Written bytes that may wait for the socket before a session takes no more
/// messages and sends no more pings. One message may exceed it. Ours: large
/// enough to keep a fast link busy between two wake-ups.
pub const WRITE_BACKLOG: usize = 64 * 1024;

/// Bytes of answers (pongs, 64 bytes each) that may wait for the socket before
/// a session reads no more. geth has a queue of 16 pongs, and then its reader
/// waits; a few more bytes spare us that.
pub const ANSWER_BACKLOG: usize = 4 * 1024;

/// Capabilities that one node may offer. Ours: 128 of the shortest fill a hello.
pub const LOCAL_CAPABILITIES: usize = 64;

/// Longest client name that we send, bytes; others may send more. Ours: it and
/// all capabilities must fit into [`HELLO_PAYLOAD`].
pub const CLIENT_NAME: usize = 256;

/// Longest capability name that we offer, bytes. The specification says 8,
/// nobody checks it in others' hellos, and neither do we.
pub const CAPABILITY_NAME: usize = 8;

/// From the first byte to the derived secrets, both directions. geth
/// `handshakeTimeout`.
pub const ENCRYPTION_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// From the first admission to the other's hello. geth means 5 s but lets the
/// 30 s of a frame take its place, so that a silent peer holds a slot for 35 s.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the node may take over each of the two admissions. Ours: it decides
/// at once unless it is in trouble, and a slot must not be held for ever.
pub const ADMISSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two complete frames from the other. geth `frameReadTimeout`.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// For the other to accept what was written. geth `frameWriteTimeout`.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two pings of ours, whatever else is sent. geth `pingInterval`.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// For a disconnect to leave before we close anyway. geth `discWriteTimeout`.
pub const DISCONNECT_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// After a disconnect of ours has left, for the other to close first, so that
/// unread bytes do not turn our close into a reset that eats the reason.
/// RLPx specification: "SHOULD wait for about 2 seconds".
pub const DISCONNECT_LINGER: Duration = Duration::from_secs(2);

/// Messages that wait for an application to read them, for each capability,
/// before the socket is read no more. Ours.
pub const CHANNEL_MESSAGES: usize = 64;

/// Bytes of payload that wait so, for each capability. One message may exceed
/// it. Ours: what [`WRITE_BACKLOG`] is to the socket this is to the application.
pub const CHANNEL_BYTES: usize = 256 * 1024;

/// Inbound connections that are not yet admitted. geth `defaultMaxPendingPeers`.
pub const PENDING_CONNECTIONS: usize = 50;

/// Peers of a node that does not say how many. geth's default `MaxPeers`.
pub const PEERS: usize = 50;

/// Bytes that one read from a socket may bring, and so what a receive buffer
/// may hold behind a frame. Ours: large frames come in a few reads, small ones
/// by the hundred.
pub const SOCKET_READ: usize = 64 * 1024;

/// For a TCP connection to be made. geth `defaultDialTimeout`.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// For a host name to be looked up, waiting included. geth
/// `dnsResolveHostname`.
pub const NAME_LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Look-ups of host names under way, those included that nobody waits for any
/// more: each has a thread until the system ends it. Ours.
pub const NAME_LOOK_UPS: usize = 8;

/// Addresses of one host name that are dialled, one after another. geth dials
/// one. Ours: a name of this very machine may have one of each family, and a
/// service listen at one of them.
pub const NAME_ADDRESSES: usize = 4;

/// Between two attempts to accept when the system refused one, for lack of
/// file descriptors say. geth sleeps as long.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Outputs of an application for one input: what it sends to every peer, and as
/// much again. Ours.
pub const APPLICATION_OUTPUTS: usize = 2 * PEERS_MAX * CHANNEL_MESSAGES;

/// Commands of an application that its node has not answered, before the next one
/// is refused. Ours: what the node takes, requests and dials.
pub const APPLICATION_COMMANDS: usize = PENDING_NODE_REQUESTS + REQUESTED_DIALS;

/// Events of a node that wait for an application to read them, before new
/// connections wait as well. Ours.
pub const NODE_EVENTS: usize = 256;

/// Requests of an application that wait for its node, before the next one
/// waits to be made. Ours.
pub const NODE_REQUESTS: usize = 256;

// Enode URLs.

/// Longest enode URL that is read, bytes. geth has no bound. Ours: more than
/// twice the length of any URL that an [`Enode`](crate::identity::Enode) prints.
pub const ENODE_URL: usize = 2048;

/// Longest host name, bytes. RFC 1035, section 2.3.4: no longer one exists.
pub const HOST_NAME: usize = 255;

// Discovery v4: packets.

/// Largest datagram, sent or read. discv4.md: "maximum size of any packet is
/// 1280 bytes", the smallest that IPv6 carries whole.
pub const DATAGRAM: usize = 1280;

/// What stands before a packet's type: hash (32) and signature (65).
pub const PACKET_HEAD: usize = 32 + 65;

/// Smallest datagram that is looked at: the head and a type. geth `headSize+1`.
pub const DATAGRAM_MIN: usize = PACKET_HEAD + 1;

/// Nodes in one NEIGHBORS packet of ours. geth `MaxNeighbors`: 12 with the
/// longest of addresses and ports fit [`DATAGRAM`], 13 do not.
pub const NEIGHBORS_IN_PACKET: usize = 12;

/// Nodes in our whole answer to one FINDNODE. geth `bucketSize`.
pub const NEIGHBORS_IN_ANSWER: usize = 16;

/// Most nodes that are read from one packet. Ours: the shortest entry has 71
/// bytes, so that no packet of others holds more.
pub const NEIGHBORS_READ: usize = (DATAGRAM - DATAGRAM_MIN) / 71;

/// How long a packet of ours is valid. geth `expiration`.
pub const PACKET_LIFE: Duration = Duration::from_secs(20);

// Discovery v4: the gate.

/// So many a second in the long run, and so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// In the long run; at least 1, at most a million.
    pub per_second: u32,
    /// At once, after a pause; at least 1.
    pub burst: u32,
}

/// Counters of the gate, for each of its kinds, 8 bytes each. Ours: so many
/// that two sources rarely share one, and that the sum of all
/// [`PROVEN_PACKETS`] is less than one core verifies.
pub const GATE_SLOTS: usize = 4096;

/// Packets of one stranger's network (/24, /48) that are verified. Ours: a
/// stranger sends two or three, and then it is none any more.
pub const STRANGER_PACKETS: Rate = Rate { per_second: 8, burst: 64 };

/// Packets of all strangers together. Ours: a fifth of a core, and more
/// strangers than a public bootnode meets.
pub const ALL_STRANGERS_PACKETS: Rate = Rate { per_second: 2000, burst: 4000 };

/// Packets of one proven address that are verified whatever others send. Ours:
/// an honest node asks a few times a minute, a look-up or a crawl in bursts.
pub const PROVEN_PACKETS: Rate = Rate { per_second: 2, burst: 32 };

/// Packets beyond that of all proven addresses together. Ours: a tenth of a core.
pub const ALL_PROVEN_PACKETS: Rate = Rate { per_second: 1000, burst: 1000 };

/// Packets that answer one request of ours. Ours: one, and what a network may
/// make of it.
pub const ANSWERS_TO_REQUEST: Rate = Rate { per_second: 8, burst: 8 };

/// Packets of one address of the local network. Ours: networks for tests put
/// many nodes behind one.
pub const LAN_PACKETS: Rate = Rate { per_second: 1000, burst: 2000 };

/// Packets of all addresses of local networks together: who is not in ours may
/// still forge one that is. Ours: a few networks for tests, half of a core.
pub const ALL_LAN_PACKETS: Rate = Rate { per_second: 5000, burst: 10_000 };

/// Packets of this very machine. Ours: more than can be verified. Whoever sends
/// them could do us worse.
pub const LOOPBACK_PACKETS: Rate = Rate { per_second: 100_000, burst: 100_000 };

// Discovery v4: endpoint proofs.

/// How long an endpoint proof holds. geth `bondExpiration`; the specification
/// says 12 h.
pub const BOND_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Endpoint proofs that are kept, of which those of the table are a tenth.
/// geth keeps them in its database without bound. Ours: 0.3 MB.
pub const BONDS: usize = 4096;

/// How many bonds are drawn to find among them one that may be forgotten. Redis
/// finds 10 to be close to the truly oldest; ours.
pub const BOND_SAMPLES: usize = 16;

/// Proofs at one address beyond which it is as crowded as any other. Ours: one
/// host has a few nodes, or it has as many as it likes.
pub const BOND_CROWD: usize = 64;

/// Between two writes of one endpoint's last pong to the store. geth writes
/// each; ours: what is stored only has to tell a day from two.
pub const BOND_STORE_INTERVAL: Duration = Duration::from_secs(60);

/// Pings that wait for their pongs only to prove a stranger's endpoint. Ours:
/// a stranger makes us wait half a second, so 2,000 strangers a second are served.
pub const PENDING_PROOFS: usize = 1000;

// Discovery v4: requests and look-ups.

/// For an answer to a request. geth `respTimeout`.
pub const REPLY_TIMEOUT: Duration = Duration::from_millis(500);

/// For a node's ping after its pong, so that it knows our endpoint when we ask
/// it. geth sleeps as long without looking.
pub const PING_BACK_TIMEOUT: Duration = Duration::from_millis(500);

/// After a node's ping was answered, before it is asked: time for the answer to
/// arrive first on a network that reorders. Ours.
pub const PING_BACK_GRACE: Duration = Duration::from_millis(50);

/// Queries under way: find-node and record requests with the proofs that they
/// need first. Ours: room for 64 look-ups and a crawl beside.
pub const QUERIES: usize = 512;

/// Commands of the application that are not answered yet. Ours.
pub const DISCOVERY_COMMANDS: usize = 512;

/// Requests of our own that wait for an answer: one for each command, for each
/// query, and for each node of the table that is being revalidated.
pub const PENDING_REQUESTS: usize = DISCOVERY_COMMANDS + QUERIES + BUCKETS * BUCKET_ENTRIES;

/// Neighbours taken from the answers to one find-node request. geth `bucketSize`.
pub const NEIGHBORS: usize = 16;

/// Lowest UDP port, exclusive, of a neighbour that is believed. geth `errLowPort`.
pub const LOW_PORT: u16 = 1024;

/// Find-node requests in a row without an answer after which a node is pinged
/// before it is asked again. geth `maxFindnodeFailures`.
pub const FIND_FAILURES: u32 = 5;

/// Look-ups under way. Ours: each has three queries in flight.
pub const LOOK_UPS: usize = 64;

/// Queries of one look-up under way at once. Kademlia's α, geth `alpha`.
pub const LOOK_UP_CONCURRENCY: usize = 3;

/// Queries of one look-up. Ours: an honest network of millions takes some 40;
/// one who has made thousands of ids could go on revealing closer ones.
pub const LOOK_UP_QUERIES: usize = 128;

/// Nodes that one look-up tells apart: those it began with, and all answers.
pub const LOOK_UP_SEEN: usize = NEIGHBORS * (1 + LOOK_UP_QUERIES);

/// Nodes that a random walk has met and nobody has asked for yet. Ours: what a
/// few look-ups find.
pub const WALK_BUFFER: usize = 256;

/// Between the beginnings of two random look-ups of a walk. geth.
pub const WALK_INTERVAL: Duration = Duration::from_secs(1);

// Discovery v4: refresh and store.

/// Look-ups of random targets in a refresh, after the one of ourselves. geth.
pub const REFRESH_LOOK_UPS: u8 = 3;

/// Between two refreshes of a table that is empty: its bootnodes may be back.
/// geth waits for the next ordinary refresh. Ours.
pub const EMPTY_REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Nodes that a refresh asks of the store. geth `seedCount`.
pub const SEEDS: usize = 30;

/// Oldest pong of a node that the store gives as a seed. geth `seedMaxAge`.
pub const SEED_MAX_AGE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// For the store to say what it remembers, before discovery starts without it. Ours.
pub const STORE_OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// For the store to give seeds, before a refresh goes on without them. Ours.
pub const STORE_SEEDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two sweeps through the store and the bonds. geth `dbCleanupCycle`.
pub const STORE_EXPIRE_INTERVAL: Duration = Duration::from_secs(60 * 60);

// The Kademlia table.

/// Entries of a bucket. geth `bucketSize`.
pub const BUCKET_ENTRIES: usize = 16;

/// Nodes that wait for an entry of a full bucket to die. geth `maxReplacements`.
pub const BUCKET_REPLACEMENTS: usize = 10;

/// Buckets: one for each of the sixteen farthest log-distances, and one for all
/// that is closer. geth `nBuckets`.
pub const BUCKETS: usize = 17;

/// Nodes of one subnet in a bucket, replacements included. geth `bucketIPLimit`.
pub const SUBNET_IN_BUCKET: u16 = 2;

/// Nodes of one subnet in the table, replacements included. geth `tableIPLimit`.
pub const SUBNET_IN_TABLE: u16 = 10;

/// Leading bits that the addresses of one subnet share, in either family. geth
/// `bucketSubnet`, `tableSubnet`.
pub const SUBNET_BITS: u8 = 24;

/// Longest time between two pings to nodes that are new, have moved, or did not
/// answer. geth `PingInterval`.
pub const FAST_REVALIDATION: Duration = Duration::from_secs(3);

/// Longest time between two pings to nodes that have answered. geth
/// `slowRevalidationFactor`.
pub const SLOW_REVALIDATION: Duration = Duration::from_secs(9);

/// What the count of a node's answered pings is divided by when one is not. At
/// 0 the node leaves the table. geth `handleResponse`.
pub const SILENCE_DIVISOR: u32 = 3;

/// Answered pings after which a node is stored; more than these. geth
/// `handleResponse`.
pub const CHECKS_BEFORE_STORE: u32 = 5;

/// Results of pings that are awaited though their nodes have left the table.
/// Ours: nodes leave so only by failing to answer other requests.
pub const FORGOTTEN_CHECKS: usize = 64;

/// Entries of a bucket from which on a node that fails to answer find-node
/// requests leaves it. geth: a quarter of a bucket, for the sake of small networks.
pub const BUCKET_ENTRIES_WORTH_DROPPING: usize = BUCKET_ENTRIES / 4;

/// Shortest time between two refreshes of the table. geth: half of
/// `RefreshInterval`, 30 min.
pub const REFRESH_INTERVAL_MIN: Duration = Duration::from_secs(15 * 60);

/// What is added to it at most, at random. geth.
pub const REFRESH_INTERVAL_SPREAD: Duration = Duration::from_secs(15 * 60);

// Node records, our own among them.

/// Largest node record, bytes of RLP, decoded or encoded. EIP-778, geth
/// `enr.SizeLimit`.
pub const RECORD: usize = 300;

/// How long another's statement about our endpoint counts. geth
/// `iptrackWindow`.
pub const ENDPOINT_STATEMENT_LIFE: Duration = Duration::from_secs(5 * 60);

/// How many hosts must state the same endpoint before it is believed. geth
/// `iptrackMinStatements`.
pub const ENDPOINT_STATEMENTS_MIN: usize = 10;

/// Hosts whose statements are kept, for each family of addresses; the oldest
/// make room. Ours: geth has no bound. More than a node hears in
/// [`ENDPOINT_STATEMENT_LIFE`] unless someone is flooding it.
pub const ENDPOINT_STATEMENTS: usize = 256;

// Discovery v4: between machine, socket and application.

/// Bytes of received datagrams that the system is asked to keep for us, and of
/// those to send. Ours: a second of all that the gate lets through, where the
/// usual default of 208 KiB is full after some hundred datagrams, each of which
/// counts for more than its bytes. The system may give less.
pub const DATAGRAM_SOCKET_BUFFER: usize = 1024 * 1024;

/// Datagrams that wait for the socket to take them, before more are dropped.
/// Ours: 320 KiB at most, beside the buffer of the socket itself.
pub const UNSENT_DATAGRAMS: usize = 256;

/// Packets that wait for all verifiers together, before more are dropped; each
/// has its part of this, and of what follows. Ours: some 13 ms of one core, and
/// answers are good for 500.
pub const UNVERIFIED_PACKETS: usize = 256;

/// Of these, so many may wait before another stranger's is dropped. Ours: two
/// turns of an adapter's loop, and half of the room is left to those we know.
pub const UNVERIFIED_BEFORE_STRANGERS: usize = 128;

/// The same for proven addresses beyond their own budgets. Ours: a little that
/// strangers cannot take, and still not what is kept for all others.
pub const UNVERIFIED_BEFORE_BUSY: usize = 160;

/// The same for proven addresses. Ours: the rest is for what answers a request of
/// ours, more than a few look-ups have under way.
pub const UNVERIFIED_BEFORE_PROVEN: usize = 208;

/// Verified packets that wait for the machine, before the verifiers wait. Ours:
/// four turns of an adapter's loop.
pub const VERIFIED_PACKETS: usize = 64;

/// Threads that verify, at most, whoever asks for more. Ours: one verifies some 20,000 packets a second,
/// and the machine answers no more.
pub const VERIFIERS: usize = 4;

/// Between two attempts to read when the system refused one, for lack of memory
/// say, and not for a datagram's sake. Ours, as [`ACCEPT_RETRY`].
pub const RECEIVE_RETRY: Duration = Duration::from_millis(200);

/// For the store to finish what it was given, when discovery stops. Ours: a disk
/// that is slower than that has failed.
pub const STORE_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers of the store that wait for the machine, before the store waits. Ours:
/// a turn of an adapter's loop takes as many.
pub const STORE_REPLIES: usize = 16;

/// Events of discovery that wait for an application to take them, before the
/// oldest is dropped. Ours: more than a table has nodes.
pub const DISCOVERY_EVENTS: usize = 512;

// The store on disk.

/// Bytes of a log or a manifest, at most; one that is longer is damaged. Ours:
/// LevelDB begins a new log after 4 MiB, and a manifest with each start.
pub const STORE_LOG: usize = 64 * 1024 * 1024;

/// Operations that wait for the store's thread, before the next is refused. Ours:
/// some minutes of what a table of live nodes has to say.
pub const STORE_OPERATIONS: usize = 1024;

/// Operations that the store's thread executes before it makes them durable.
/// Ours: one sync, some milliseconds, for a quarter of all that can wait.
pub const STORE_BATCH: usize = 256;

/// Damaged databases that are kept beside the one in use, before the store is
/// refused: a disk that spoils so many needs a person. Ours.
pub const STORE_SET_ASIDE: u32 = 16;

/// Before a store whose disk has failed is tried again. Ours.
pub const STORE_RETRY: Duration = Duration::from_secs(1);

// What a store remembers.

/// How long what is stored of a node outlives its last pong. geth
/// `dbNodeExpiration`.
pub const STORED_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Places that the store looks at for each seed that is asked for. geth
/// `QuerySeeds`.
pub const SEEKS_FOR_SEED: usize = 5;

/// Entries that are passed over from such a place to the next node's record.
/// geth has no bound. Ours: a node at many addresses has three for each.
pub const ENTRIES_FOR_SEED: usize = 4096;

/// Addresses that a sweep finds expired before it forgets them and goes on, and
/// keys that it removes at once. Ours: half a megabyte of keys.
pub const EXPIRE_PORTION: usize = 4096;

// The node: admission.

/// Peers that a configuration may ask for. Ours: each takes a task and some 10 kB.
pub const PEERS_MAX: usize = 10_000;

/// Pending connections that a configuration may ask for, of each direction. Ours.
pub const PENDING_CONNECTIONS_MAX: usize = 1000;

/// One of so many peers is dialled by us. geth `defaultDialRatio`.
pub const DIAL_RATIO: usize = 3;

/// For an address outside of the local network to connect again. geth
/// `inboundThrottleTime`.
pub const INBOUND_THROTTLE: Duration = Duration::from_secs(30);

/// Addresses that are remembered so; the oldest make room. Ours: geth has no
/// bound. More than get a slot in that time.
pub const INBOUND_ADDRESSES: usize = 4096;

/// After how much silence an inbound connection gives its slot to another that
/// needs it. Ours: who dials sends its auth with the end of TCP's handshake, so
/// half a second is a loss or two; geth lets it keep the slot for 5 s.
pub const SILENT_CONNECTION: Duration = Duration::from_millis(500);

/// Leading bits of an IPv4 address that silent connections are told apart by.
/// Ours: as the table's subnets.
pub const INBOUND_SUBNET_BITS4: u8 = 24;

/// The same of an IPv6 address. Ours: what one site gets.
pub const INBOUND_SUBNET_BITS6: u8 = 48;

/// Nodes that are admitted whatever the limits. Ours.
pub const TRUSTED_NODES: usize = 4096;

// The node: the dial scheduler.

/// Nodes to keep a connection to. Ours.
pub const STATIC_NODES: usize = 4096;

/// How long a node that was dialled is left alone. geth `dialHistoryExpiration`:
/// a little more than [`INBOUND_THROTTLE`].
pub const DIAL_HISTORY_LIFE: Duration = Duration::from_secs(35);

/// Nodes that are remembered so, before no more are dialled. Ours: a hundred
/// dials a second.
pub const DIAL_HISTORY: usize = 4096;

/// Nodes that wait to be dialled, of each source. Ours: a few answers of a walk.
pub const DIAL_CANDIDATES: usize = 64;

/// Between two questions to discovery for one static node. geth
/// `initialResolveDelay`; it doubles when the node is not found.
pub const RESOLVE_DELAY_MIN: Duration = Duration::from_secs(60);

/// At most. geth `maxResolveDelay`.
pub const RESOLVE_DELAY_MAX: Duration = Duration::from_secs(60 * 60);

/// Dials under way that the application has asked for itself, and connections of
/// such that it has given up and that have yet to end. Ours.
pub const REQUESTED_DIALS: usize = 256;

/// Before a random walk that could not be begun is tried again. Ours.
pub const WALK_RETRY: Duration = Duration::from_secs(1);

/// Requests of an application that a node has not answered yet, dials apart.
/// Ours.
pub const PENDING_NODE_REQUESTS: usize = 1024;

/// For all connections to end when a node stops, before it stops without them:
/// longer than [`DISCONNECT_WRITE_TIMEOUT`] and [`DISCONNECT_LINGER`] together.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

// The node: the journal of decisions.

/// Nodes whose story is kept that only came to us or were only told of. Ours: with
/// all entries less than a megabyte.
pub const JOURNAL_STRANGERS: usize = 1024;

/// Entries of each. Ours: what one connection that is refused brings, twice.
pub const JOURNAL_OF_STRANGER: usize = 8;

/// Nodes whose story is kept that we have dialled or were told to keep.
/// Ours: with all entries less than four megabytes.
pub const JOURNAL_ACQUAINTANCES: usize = 1024;

/// Entries of each. Ours: some five dials with all that comes of them.
pub const JOURNAL_OF_ACQUAINTANCE: usize = 32;

// The admin socket.

/// Clients at a time; a further one is told so and closed. Ours: a console, a few
/// scripts.
pub const ADMIN_CLIENTS: usize = 16;

/// Bytes of one request, a batch included. Ours: some hundred URLs. geth has no
/// bound here, and 5 MiB over HTTP.
pub const ADMIN_REQUEST: usize = 64 * 1024;

/// Calls of one batch. Ours: geth takes 1000.
pub const ADMIN_BATCH: usize = 100;

/// Bytes of one answer, all those of a batch together. Ours: ten thousand peers
/// take some ten megabytes. geth `BatchResponseMaxSize` is 25 MB.
pub const ADMIN_ANSWER: usize = 32 * 1024 * 1024;

/// For a request that has begun to be there. Ours.
pub const ADMIN_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two requests, before the client loses its place. Ours.
pub const ADMIN_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// For a client to take an answer. geth `defaultWriteTimeout`.
pub const ADMIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// For the node to do what it was asked: a peer that is removed has seconds to
/// go. Ours.
pub const ADMIN_CALL_TIMEOUT: Duration = Duration::from_secs(20);

// The metrics port.

/// Connections at a time; a further one is told so and closed. Ours: a few
/// Prometheus servers.
pub const METRICS_CLIENTS: usize = 8;

/// Bytes of a request's head. Ours: Prometheus sends some 300.
pub const METRICS_REQUEST: usize = 8 * 1024;

/// Lines of it. Ours.
pub const METRICS_HEADERS: usize = 64;

/// For the head to be there. Ours.
pub const METRICS_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// For a client to take the answer. Ours: as long as Prometheus waits for it.
pub const METRICS_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

// The gateway, where there is address translation.

/// For how long a mapping is asked for, and believed at most. geth
/// `portMapDuration`; it is renewed when half of it has passed, as RFC 6886 and
/// RFC 6887 have it.
pub const NAT_LIFE: Duration = Duration::from_secs(10 * 60);

/// Between two renewals of a mapping, at least, whatever the gateway says of its
/// life. Ours: what it forgets sooner is no use.
pub const NAT_RENEW_MIN: Duration = Duration::from_secs(15);

/// Between two questions to the gateway: its address, and whether it has
/// restarted. geth `extipRetryInterval` is 2 min. Ours: nobody reaches us from
/// its restart to the next question.
pub const NAT_CHECK: Duration = Duration::from_secs(30);

/// Between two requests for a mapping, at least, where the gateway does not say
/// whether it has restarted: UPnP. geth `extipRetryInterval`; ours: its devices may
/// write each mapping down.
pub const NAT_REMAP: Duration = Duration::from_secs(2 * 60);

/// After the first failure in a row, before the gateway is asked again; doubled
/// with each. Ours.
pub const NAT_RETRY_MIN: Duration = Duration::from_secs(15);

/// At most. geth `portMapRetryInterval`.
pub const NAT_RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// Times that a packet is sent to the gateway before it is held to be silent.
/// RFC 6886 says 9, for a minute in all; ours: a gateway is one hop away.
pub const NAT_TRIES: u32 = 3;

/// For an answer to the first of them; doubled with each. RFC 6886, section 3.1.
pub const NAT_REPLY_TIMEOUT: Duration = Duration::from_millis(250);

/// Datagrams from the gateway that one request looks at. Ours: who sends more is
/// not answering it.
pub const NAT_DATAGRAMS: u32 = 16;

/// For UPnP devices to answer a search. geth `soapRequestTimeout`: 3 s.
pub const UPNP_SEARCH_TIMEOUT: Duration = Duration::from_secs(3);

/// For a whole conversation with a UPnP device, the search included. Ours.
pub const UPNP_TIMEOUT: Duration = Duration::from_secs(6);

/// For the gateway to give its mappings back, when a node stops. Ours: it is one
/// hop away, and connections take longer to end ([`DISCONNECT_LINGER`]).
pub const NAT_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// For one call to a UPnP device meanwhile. Ours: there are three, that under way
/// and one for each port.
pub const UPNP_STOP_TIMEOUT: Duration = Duration::from_millis(300);

/// Statuses of the gateway that wait for the node's loop. Ours.
pub const NAT_STATUSES: usize = 16;

/// For an answer of a STUN server to the first request; doubled with each. RFC
/// 8489, section 6.2.1: "SHOULD be greater than 500 ms".
pub const STUN_REPLY_TIMEOUT: Duration = Duration::from_millis(500);

/// Requests to one STUN server before another is asked. RFC 8489 says 7, for half
/// a minute; ours: there are others.
pub const STUN_TRIES: u32 = 3;

/// Between two questions to STUN servers. geth `extipRetryInterval`.
pub const STUN_INTERVAL: Duration = Duration::from_secs(2 * 60);

/// STUN servers that are asked, one after another, before the next interval.
/// geth `requestLimit`.
pub const STUN_SERVERS: usize = 3;
