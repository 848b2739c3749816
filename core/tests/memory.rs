//! What a session, a table and a store cost in memory, counted by the allocator.
#![allow(clippy::std_instead_of_alloc, reason = "a test may use std")]
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its functions as well")]

mod allocator;

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use devp2p_core::crypto::SecretKey;
use devp2p_core::driver::{Connection, Event};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId, RecordBuilder};
use devp2p_core::kademlia::{Table, TableConfig};
use devp2p_core::limits;
use devp2p_core::machine::Machine as _;
use devp2p_core::p2p::{Capability, Hello, LocalCapabilities, LocalCapability, Message};
use devp2p_core::rlpx::{FrameCodec, Initiator, Recipient, frame_length};
use devp2p_core::session::{Command, Greeting, Input, Local, Output, Session, SessionError};
use devp2p_core::store::{MemoryStore, Operation, OperationId};
use devp2p_core::time::{Now, UnixTime};

use allocator::{Cost, cost, growth, weight};

fn local(number: u64) -> Arc<Local> {
    let key = SecretKey::generate(&mut Seed::from_number(number).secrets());
    let offer = LocalCapabilities::new([
        LocalCapability::new("eth", 68, 17),
        LocalCapability::new("eth", 69, 18),
        LocalCapability::new("snap", 1, 8),
    ]);
    Arc::new(Local::new(key, "devp2p-rs/memory", Greeting::Offer(offer.unwrap())).unwrap())
}

/// A message of the first capability.
fn message(code: u64, payload: Bytes) -> Message {
    let offer = LocalCapabilities::new([LocalCapability::new("eth", 69, 18)]).unwrap();
    offer.shared_with(&[Capability::new("eth", 69)]).message(0, code, payload).unwrap()
}

/// One session and its buffers.
struct Side {
    session: Session,
    received: BytesMut,
    to_send: VecDeque<Message>,
    messages: usize,
    closed: Option<SessionError>,
}

impl Side {
    fn new(session: Session) -> Self {
        Self {
            session,
            received: BytesMut::new(),
            to_send: VecDeque::new(),
            messages: 0,
            closed: None,
        }
    }

    /// Does all it can without more bytes, and returns what it wrote.
    fn settle(&mut self) -> BytesMut {
        let mut written = BytesMut::new();
        let mut answers: VecDeque<Input<'static>> = VecDeque::new();
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Write(bytes) => {
                        written.extend_from_slice(&bytes);
                        answers.push_back(Input::Written(bytes.len()));
                    }
                    Output::Authenticated(_) => {
                        answers.push_back(Input::Command(Command::Proceed));
                    }
                    Output::Ready { .. } => answers.push_back(Input::Command(Command::Admit)),
                    Output::Message(_) => {
                        self.messages += 1;
                        answers.push_back(Input::Delivered);
                    }
                    Output::Closed(error) => self.closed = Some(error),
                    Output::RoundTrip(_) => {}
                }
            }
            if let Some(answer) = answers.pop_front() {
                self.session.handle(Now::ZERO, answer);
            } else if !self.to_send.is_empty() && self.session.wants_send() {
                self.session.handle(Now::ZERO, Input::Send(&mut self.to_send));
            } else {
                let before = self.received.len();
                self.session.handle(Now::ZERO, Input::Received(&mut self.received));
                if before == self.received.len() {
                    return written;
                }
            }
        }
    }
}

fn run(sides: &mut [Side; 2]) {
    let mut idle = 0;
    while idle < 2 {
        for me in 0..2 {
            let written = sides[me].settle();
            idle = if written.is_empty() { idle + 1 } else { 0 };
            sides[1 - me].received.extend_from_slice(&written);
        }
    }
}

/// Two sessions that have exchanged messages of these sizes both ways.
fn exchanged(seed: u64, sizes: &[usize]) -> [Side; 2] {
    let (a, b) = (local(1), local(2));
    let seed = Seed::from_number(seed);
    let dialled = Session::dial(a.clone(), *b.public(), &seed.derive("dial", 0), Now::ZERO);
    let accepted = Session::accept(b.clone(), seed.derive("accept", 0), Now::ZERO);
    // The node keeps its side of what all its sessions share.
    core::mem::forget([a, b]);
    let mut sides = [Side::new(dialled), Side::new(accepted)];
    run(&mut sides);
    for size in sizes {
        for side in &mut sides {
            let payload = noise(*size).into();
            side.to_send.push_back(message(1, payload));
        }
        run(&mut sides);
    }
    for side in &mut sides {
        assert_eq!((side.messages, side.closed), (sizes.len(), None));
        assert!(side.session.wants_send() && side.received.is_empty());
    }
    sides
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Seed::from_number(9).jitter().fill(&mut bytes);
    bytes
}

#[test]
fn an_idle_session_weighs_at_most_4_kb() {
    // The encoder's table is the thread's, not the session's: made here.
    drop(exchanged(0, &[100]));
    for sizes in [&[][..], &[100, 0, 5000], &[100, 1 << 20], &[8 << 20, 1]] {
        for (role, side) in exchanged(1, sizes).into_iter().enumerate() {
            let Side { session, .. } = side;
            let weight = weight(session);
            println!("role {role} after {sizes:?}: {weight} bytes");
            assert!(weight <= 4096, "role {role} after {sizes:?}: {weight} bytes");
        }
    }
}

#[test]
fn a_connection_that_only_waits_for_an_auth_weighs_less_than_1_kb() {
    let local = local(1);
    let side = Side::new(Session::accept(local.clone(), Seed::from_number(1), Now::ZERO));
    let weight = weight(side.session);
    println!("{weight} bytes");
    assert!(weight <= 1024, "{weight} bytes");
}

/// The two codecs of a connection, the initiator's first.
fn codecs() -> [FrameCodec; 2] {
    let (a, b) = (local(1), local(2));
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), b.public(), &seed).unwrap();
    let mut auth = initiator.auth().to_vec();
    let accepted = Recipient::new(b.secret()).read_auth(&mut auth, &seed).unwrap();
    let secrets = initiator.read_ack(&mut accepted.ack.to_vec()).unwrap();
    [secrets.into(), accepted.secrets.into()]
}

#[test]
fn encoding_a_frame_allocates_its_output_buffer_and_nothing_else() {
    let [mut codec, _] = codecs();
    for size in [0, 1, 32, 1024, 16 * 1024, 1 << 20] {
        let payload = noise(size);
        let (frame, cost) = cost(|| {
            let mut out = BytesMut::new();
            codec.encode(16, &payload, &mut out).unwrap();
            out.freeze()
        });
        let length = frame_length(1 + size);
        assert_eq!(frame.len(), length);
        assert_eq!(cost, Cost { allocations: 1, peak: length }, "{size} bytes");
    }
}

#[test]
fn decoding_frames_allocates_nothing_beyond_the_receive_buffer() {
    let [mut ours, mut theirs] = codecs();
    let mut received = BytesMut::new();
    for size in [0, 1, 32, 1024, 16 * 1024, 1 << 20] {
        ours.encode(16, &noise(size), &mut received).unwrap();
    }
    let (frames, cost) = cost(|| {
        let mut frames = 0;
        while theirs.decode(&mut received).unwrap().is_some() {
            frames += 1;
        }
        frames
    });
    assert_eq!(frames, 6);
    // Once for each buffer: the count of those who share it.
    assert!(cost.allocations <= 1 && cost.peak <= 64, "{cost:?}");
}

#[test]
fn a_large_frame_that_is_promised_and_never_sent_costs_nothing() {
    let [mut ours, mut theirs] = codecs();
    let mut frame = BytesMut::new();
    ours.encode(16, &vec![0; limits::FRAME - 1], &mut frame).unwrap();
    let mut received = BytesMut::with_capacity(4096);
    let (_, cost) = cost(|| {
        for byte in &frame[..4000] {
            received.extend_from_slice(&[*byte]);
            assert_eq!(theirs.decode(&mut received), Ok(None));
        }
    });
    assert_eq!(cost, Cost { allocations: 0, peak: 0 });
}

/// What a peer driven by hand says of itself.
fn hello_of(peer: &Local, version: u64) -> Vec<u8> {
    let hello = Hello {
        version,
        client_name: "by hand".into(),
        capabilities: vec![Capability::new("eth", 69)],
        listen_port: 0,
        id: *peer.public().as_bytes(),
    };
    hello.encode()
}

/// A session that has admitted a peer driven by hand, and that peer's codec.
fn with_peer(version: u64) -> (Side, FrameCodec) {
    let (a, b) = (local(1), local(2));
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), b.public(), &seed).unwrap();
    let mut side = Side::new(Session::accept(b, Seed::from_number(2), Now::ZERO));
    side.received.extend_from_slice(&initiator.auth());
    let mut ack = side.settle();
    // Behind the ack is the session's hello.
    let length = 2 + usize::from(u16::from_be_bytes([ack[0], ack[1]]));
    let mut hello = ack.split_off(length);
    let mut codec: FrameCodec = initiator.read_ack(&mut ack).unwrap().into();
    codec.decode(&mut hello).unwrap().unwrap();
    codec.encode(0, &hello_of(&a, version), &mut side.received).unwrap();
    side.settle();
    assert!(side.session.wants_send());
    (side, codec)
}

#[test]
fn a_session_sends_a_message_with_one_allocation_where_nothing_is_compressed() {
    let (mut side, mut codec) = with_peer(4);
    for size in [32, 1024, 16 * 1024, 1 << 20] {
        let payload = Bytes::from(noise(size));
        let mut queue = VecDeque::from([message(0, payload)]);
        let (written, cost) = cost(|| {
            side.session.handle(Now::ZERO, Input::Send(&mut queue));
            side.session.poll_output()
        });
        let Some(Output::Write(written)) = written else { panic!("{written:?}") };
        assert!(side.session.poll_output().is_none());
        assert_eq!(cost, Cost { allocations: 1, peak: frame_length(1 + size) }, "{size} bytes");
        side.session.handle(Now::ZERO, Input::Written(written.len()));
        let frame = codec.decode(&mut written.into()).unwrap().unwrap();
        assert_eq!(frame.payload, noise(size));
    }
}

#[test]
fn a_session_receives_a_message_with_one_copy_where_nothing_is_compressed() {
    let (mut side, mut codec) = with_peer(4);
    let mut received = BytesMut::new();
    codec.encode(16, &noise(1 << 20), &mut received).unwrap();
    let (message, cost) = cost(|| {
        side.session.handle(Now::ZERO, Input::Received(&mut received));
        side.session.poll_output()
    });
    assert!(
        matches!(message, Some(Output::Message(message)) if *message.payload() == noise(1 << 20))
    );
    assert!(cost.allocations <= 2 && cost.peak <= (1 << 20) + 64, "{cost:?}");
}

/// As [`with_peer`], with the buffers of the driver.
fn connection_with_peer(version: u64) -> (Connection, FrameCodec) {
    let (a, b) = (local(1), local(2));
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), b.public(), &seed).unwrap();
    let mut connection = Connection::new(Session::accept(b, Seed::from_number(2), Now::ZERO));
    connection.received(Now::ZERO, &initiator.auth());
    assert!(matches!(connection.poll_event(), Some(Event::Authenticated(_))));
    let mut ack: Vec<u8> = connection.writes().flatten().copied().collect();
    connection.written(Now::ZERO, ack.len());
    let mut codec: FrameCodec = initiator.read_ack(&mut ack).unwrap().into();
    connection.command(Now::ZERO, Command::Proceed);
    let mut hello = BytesMut::new();
    codec.encode(0, &hello_of(&a, version), &mut hello).unwrap();
    connection.received(Now::ZERO, &hello);
    assert!(matches!(connection.poll_event(), Some(Event::Ready { .. })));
    connection.command(Now::ZERO, Command::Admit);
    (connection, codec)
}

/// Hands bytes in as a socket would.
fn feed(connection: &mut Connection, bytes: &[u8]) {
    bytes.chunks(limits::SOCKET_READ).for_each(|read| connection.received(Now::ZERO, read));
}

/// A message of one byte counts as one byte wherever messages wait.
#[test]
fn messages_that_wait_keep_no_more_alive_than_themselves() {
    for between in [0, 1 << 16, 1 << 20] {
        let (mut connection, mut codec) = connection_with_peer(4);
        let (waiting, kept) = growth(|| {
            let mut waiting = Vec::with_capacity(limits::CHANNEL_MESSAGES);
            for _ in 0..limits::CHANNEL_MESSAGES {
                let mut frames = BytesMut::new();
                // Nobody knows the base protocol's code 4: it is dropped.
                codec.encode(4, &vec![0; between], &mut frames).unwrap();
                codec.encode(16, &[7], &mut frames).unwrap();
                feed(&mut connection, &frames);
                let Some(Event::Message(message)) = connection.poll_event() else {
                    panic!("no message");
                };
                waiting.push(message);
                connection.delivered(Now::ZERO);
            }
            waiting
        });
        let most = limits::CHANNEL_MESSAGES * 100;
        println!("{} messages, {between} bytes between: {kept} bytes", waiting.len());
        assert!(kept <= most.cast_signed(), "{between} bytes between: {kept} bytes");
        assert_eq!(connection.counters().ignored, limits::CHANNEL_MESSAGES as u64);
    }
}

#[test]
fn the_buffer_of_a_large_frame_does_not_outlive_it() {
    for version in [4, 5] {
        let (mut connection, mut codec) = connection_with_peer(version);
        let mut frames = BytesMut::new();
        codec.encode(16, &uncompressible(8 << 20, version), &mut frames).unwrap();
        codec.encode(16, &uncompressible(1, version), &mut frames).unwrap();
        // All but one byte of the second is there, and stays there.
        let last = frames.split_off(frames.len() - 1);
        let ((), kept) = growth(|| {
            feed(&mut connection, &frames);
            assert!(matches!(connection.poll_event(), Some(Event::Message(_))));
            connection.delivered(Now::ZERO);
        });
        println!("version {version}: {kept} bytes");
        assert!(kept <= 256, "version {version}: {kept} bytes");
        feed(&mut connection, &last);
        assert!(matches!(connection.poll_event(), Some(Event::Message(_))));
    }
}

/// What such a peer sends for so many zeros: from version 5 on a snappy block,
/// all of it literals.
fn uncompressible(length: usize, version: u64) -> Vec<u8> {
    let zeros = vec![0; length];
    if version < 5 {
        return zeros;
    }
    let literals = zeros.chunks(256).flat_map(|chunk| {
        let length = u8::try_from(chunk.len() - 1).unwrap();
        [&[60 << 2, length][..], chunk].concat()
    });
    varint(length).into_iter().chain(literals).collect()
}

/// A number as snappy has it.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7F).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

#[test]
fn a_session_reserves_nothing_for_a_frame_that_is_promised() {
    for version in [4, 5] {
        let (mut side, mut codec) = with_peer(version);
        let mut frame = BytesMut::new();
        codec.encode(16, &vec![0; limits::FRAME - 1], &mut frame).unwrap();
        let mut received = BytesMut::with_capacity(100_000);
        let (_, cost) = cost(|| {
            for chunk in frame[..100_000].chunks(999) {
                received.extend_from_slice(chunk);
                side.session.handle(Now::ZERO, Input::Received(&mut received));
                assert!(side.session.poll_output().is_none());
            }
        });
        assert_eq!(cost, Cost { allocations: 0, peak: 0 });
    }
}

/// CVE-2026-26313: a message that costs more memory than it has bytes.
#[test]
fn decoding_a_hello_costs_at_most_32_times_its_bytes() {
    // The cheapest capability has three bytes, and 32 once it is decoded. The
    // id is missing, so all that was read is dropped in the end.
    for capabilities in [1, 15, 100, 650, 100_000] {
        let capabilities = list(&[0xC2, 0x80, 0x80].repeat(capabilities));
        let payload = list(&[&[0x05, 0x80][..], &capabilities].concat());
        let (refused, cost) = cost(|| Hello::decode(&payload).is_err());
        assert!(refused);
        println!("{} bytes: {cost:?}", payload.len());
        assert!(cost.peak > 10 * payload.len(), "they were decoded: {cost:?}");
        assert!(cost.peak <= 32 * payload.len(), "{} bytes: {cost:?}", payload.len());
    }
}

/// An RLP list around `content`.
fn list(content: &[u8]) -> Vec<u8> {
    let [_, _, _, _, high, size @ ..] = content.len().to_be_bytes();
    assert_eq!(high, 0);
    match size {
        [0, 0, size @ ..56] => [&[0xC0 + size][..], content].concat(),
        [0, 0, size] => [&[0xF8, size][..], content].concat(),
        [0, size @ ..] => [&[0xF9][..], &size, content].concat(),
        size => [&[0xFA][..], &size, content].concat(),
    }
}

#[test]
fn a_handshake_message_costs_at_most_twice_its_bytes_and_what_the_answer_needs() {
    let (a, b) = (local(1), local(2));
    let seed = Seed::from_number(1);
    let initiator = Initiator::new(a.secret(), a.public(), b.public(), &seed).unwrap();
    let mut garbage = vec![0xA5; 2 + limits::HANDSHAKE_MESSAGE];
    garbage[..2].copy_from_slice(&2048u16.to_be_bytes());
    for auth in [initiator.auth().to_vec(), garbage] {
        let mut side = Side::new(Session::accept(b.clone(), Seed::from_number(2), Now::ZERO));
        let mut received = BytesMut::from(&auth[..]);
        let (_, cost) = cost(|| {
            side.session.handle(Now::ZERO, Input::Received(&mut received));
            while side.session.poll_output().is_some() {}
        });
        println!("{} bytes: {cost:?}", auth.len());
        assert!(cost.peak <= 2 * auth.len() + 4096, "{} bytes: {cost:?}", auth.len());
    }
}

#[path = "../src/kademlia/tests/mined.rs"]
mod mined;

#[test]
fn a_full_table_of_the_largest_records_weighs_at_most_a_third_of_a_mebibyte() {
    let key = |number: u32| {
        let mut secret = [0; 32];
        secret[28..].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_bytes(&secret).unwrap()
    };
    let own = NodeId::from(&key(1).public_key());
    let jitter = Seed::from_number(1).jitter();
    let mut table = Table::new(own, TableConfig::default(), jitter, Now::ZERO.mono);
    for (bucket, secrets) in (0..).zip(mined::MINED) {
        for (number, secret) in (0..).zip(secrets) {
            let record = RecordBuilder::new(1).ip([44, bucket, number, 1].into()).udp(1).tcp(1);
            let record = record.string(b"zz", &[7; 157]).sign(&key(secret)).unwrap();
            assert_eq!(record.as_rlp().len(), limits::RECORD);
            let _ = table.add_found(Contact::from_record(Arc::new(record)), Now::ZERO.mono);
        }
    }
    assert_eq!((table.len(), table.replacements()), (272, 170));
    let weight = weight(table);
    println!("a full table: {weight} bytes");
    assert!(weight <= (1 << 20) / 3, "{weight} bytes");
}

#[test]
fn a_large_store_is_opened_drawn_from_and_swept_in_little_memory() {
    let now = UnixTime::from_secs(1_800_000_000);
    let mut store = MemoryStore::new();
    let mut put = |id: [u8; 32], ip: u32, age: u64| {
        let at = Some(UnixTime::from_secs(now.as_secs() - age));
        let times = Operation::PutTimes {
            id: NodeId::new(id),
            ip: IpAddr::V4(ip.into()),
            last_ping: at,
            last_pong: at,
            find_failures: Some(1),
        };
        store.apply(OperationId(0), &times, now);
    };
    // Many nodes, and one that was seen at many addresses.
    let mut ids = Seed::from_number(1).jitter();
    for number in 0..50_000 {
        put(ids.bytes(), number, if number % 2 == 0 { 90_000 } else { 600 });
    }
    for number in 0..50_000 {
        put([0x77; 32], number, if number % 2 == 0 { 90_000 } else { 600 });
    }
    let before = store.entries().count();
    assert_eq!(before, 300_000);
    let local = NodeId::new([1; 32]);
    let seeds = Operation::Seeds { count: 30, max_age: limits::SEED_MAX_AGE, draw: [2; 32] };
    for operation in [Operation::Open { local }, seeds, Operation::Expire] {
        let (_, cost) = cost(|| store.apply(OperationId(1), &operation, now));
        println!("{operation:?}: {} bytes at most", cost.peak);
        // 30 MB would be all of it.
        assert!(cost.peak <= 2 << 20, "{operation:?}: {cost:?}");
    }
    assert_eq!(store.entries().count(), before / 2);
}

#[cfg(feature = "std")]
#[test]
fn a_compressed_message_costs_at_most_22_times_its_bytes() {
    // As dense as snappy gets: one literal, then copies of 64 bytes.
    let densest = |copies: usize| {
        [&varint(1 + 64 * copies)[..], &[0, b'x'], &[0xFE, 1, 0].repeat(copies)].concat()
    };
    // A declared length with nothing behind it.
    let empty = |length| [&varint(length)[..], &[0, b'x']].concat();
    for (payload, arrives) in [
        (densest(1), true),
        (densest(100), true),
        (densest(200_000), true),
        (empty(1000), false),
        (empty(limits::MESSAGE), false),
        (empty(usize::try_from(u32::MAX).unwrap()), false),
    ] {
        let (mut side, mut codec) = with_peer(5);
        let mut frame = BytesMut::new();
        codec.encode(16, &payload, &mut frame).unwrap();
        let length = frame.len();
        let (output, cost) = cost(|| {
            side.session.handle(Now::ZERO, Input::Received(&mut frame));
            side.session.poll_output()
        });
        println!("{length} bytes: {cost:?}");
        assert_eq!(matches!(output, Some(Output::Message(_))), arrives);
        assert!(cost.peak <= 22 * length, "{length} bytes: {cost:?}");
    }
}
