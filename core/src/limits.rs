//! Every bound of core in one place, each with its origin.
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

/// For a TCP connection to be made. geth `defaultDialTimeout`.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Between two attempts to accept when the system refused one, for lack of
/// file descriptors say. geth sleeps as long.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Events of a node that wait for an application to read them, before new
/// connections wait as well. Ours.
pub const NODE_EVENTS: usize = 256;

/// Requests of an application that wait for its node, before the next one
/// waits to be made. Ours.
pub const NODE_REQUESTS: usize = 256;

// Node records.

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
