//! Inputs for all targets, valid and otherwise, from which fuzzing starts. Tests
//! replay them; this writes them to a folder, for each target one:
//! `cargo run -p devp2p-fuzz --example seeds -- FOLDER`.
#![expect(clippy::expect_used, reason = "a program that writes a few files, or stops")]

use std::path::PathBuf;
use std::{env, fs, io};

use devp2p_core::discv4::{
    EnrRequest, EnrResponse, FindNode, Neighbor, Neighbors, Packet, PacketEndpoint, Ping, Pong,
    encode,
};
use devp2p_core::p2p::DisconnectReason;
use devp2p_fuzz::database_value::entry;
use devp2p_fuzz::discovery::step as happen;
use devp2p_fuzz::node::step as act;
use devp2p_fuzz::script::{proper_hello, step};
use devp2p_fuzz::session_pair::step as pair;
use devp2p_fuzz::{packet, rlp, tape};

fn main() -> io::Result<()> {
    let folder: PathBuf = env::args_os().nth(1).expect("usage: seeds FOLDER").into();
    for (count, (target, input)) in seeds().into_iter().enumerate() {
        fs::create_dir_all(folder.join(target))?;
        fs::write(folder.join(target).join(format!("seed-{count:04}")), input)?;
    }
    Ok(())
}

/// All seeds: target and input.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    handshake_packets(&mut seeds);
    payloads(&mut seeds);
    frames(&mut seeds);
    datagrams(&mut seeds);
    discovery(&mut seeds);
    databases(&mut seeds);
    for target in ["session_dial", "session_accept"] {
        sessions(&mut seeds, target);
    }
    chunks(&mut seeds);
    pairs(&mut seeds);
    nodes(&mut seeds);
    gateways(&mut seeds);
    seeds
}

/// An input, written as [`tape::Tape`] reads it.
#[derive(Clone, Default)]
struct Input(Vec<u8>);

impl Input {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn word(self, value: u16) -> Self {
        self.raw(&value.to_le_bytes())
    }

    fn number(self, value: u64) -> Self {
        match u8::try_from(value) {
            Ok(small @ ..0xF0) => self.raw(&[small]),
            _ => self.raw(&[0xF7]).raw(&value.to_le_bytes()),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.word(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).raw(bytes)
    }

    /// A payload as it stands.
    fn payload(self, bytes: &[u8]) -> Self {
        self.raw(&[0]).bytes(bytes)
    }

    /// A payload of this many bytes (an even number), zeros or noise.
    fn long_payload(self, noise: bool, length: u32) -> Self {
        self.raw(&[1 + u8::from(noise)]).word(u16::try_from(length / 2).unwrap_or(u16::MAX))
    }
}

/// Collects the seeds of one target.
struct Writer<'a> {
    seeds: &'a mut Vec<(&'static str, Vec<u8>)>,
    target: &'static str,
}

impl Writer<'_> {
    fn write(&mut self, Input(input): Input) {
        self.seeds.push((self.target, input));
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("hex")).collect()
}

fn handshake_packets(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let auths = [
        include_str!("../../core/src/rlpx/vectors/auth1.hex"),
        include_str!("../../core/src/rlpx/vectors/auth2.hex"),
        include_str!("../../core/src/rlpx/vectors/auth3.hex"),
    ];
    let acks = [
        include_str!("../../core/src/rlpx/vectors/ack1.hex"),
        include_str!("../../core/src/rlpx/vectors/ack2.hex"),
        include_str!("../../core/src/rlpx/vectors/ack3.hex"),
    ];
    for (target, packets, strings) in
        [("auth", auths, &[65, 64, 32][..]), ("ack", acks, &[64, 32][..])]
    {
        let mut writer = Writer { seeds, target };
        for packet in packets {
            writer.write(Input::new(&[7]).raw(&unhex(packet)));
            writer.write(Input::new(&[0]).raw(&unhex(packet)));
        }
        let mut items: Vec<_> = strings.iter().map(|n| rlp::string(&vec![1; *n])).collect();
        items.push(rlp::uint(4));
        writer.write(Input::new(&[1]).raw(&rlp::list(&items)).raw(&[0; 100]));
        items.push(rlp::list(&[rlp::uint(1 << 40), rlp::string(b"more")]));
        writer.write(Input::new(&[1]).raw(&rlp::list(&items)));
        for length in strings {
            for change in 0..8 {
                // What the change takes, version, one more item, padding.
                let input = Input::new(&[2, change]).bytes(&vec![7; *length]);
                writer.write(input.number(4).raw(&[1, 1]).number(9).bytes(&[0; 100]));
            }
        }
        writer.write(Input::new(&[2, 7]).number(4).raw(&[0]).bytes(&[0; 100]));
        writer.write(Input::new(&[2, 7]).number(1 << 50).raw(&[2, 2, 1, 1, 9, 0, 0, 0]));
        writer.write(Input::new(&[2, 7]).number(4).raw(&[0]).bytes(&[0; 1900]));
    }
}

fn payloads(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "disconnect" };
    for code in [0, 4, 8, 0x0b, 0x10, 0x7f, 0x80, 0xff] {
        writer.write(Input::new(&DisconnectReason::from_code(code).encode()));
        writer.write(Input::new(&rlp::uint(u64::from(code))));
    }
    for odd in [
        &[0xC0][..],
        &[0xC3, 4, 0x80, 0x80],
        &[0xF8, 60, 4],
        &[0xC4, 4],
        &[0xC0, 4],
        &[0xC1, 0x81, 0x90],
        &[4; 200],
    ] {
        writer.write(Input::new(odd));
    }
    writer.write(Input::default());

    let mut writer = Writer { seeds, target: "enode" };
    let urls = include_str!("../../tests/vectors/enode/inputs.json");
    for url in serde_json::from_str::<Vec<String>>(urls).expect("a list of strings") {
        let url = url.replace("{K}", devp2p_fuzz::enode::KEY);
        writer.write(Input::new(&[0]).raw(url.as_bytes()));
        if let Some((_, host)) = url.split_once('@') {
            writer.write(Input::new(&[1]).raw(host.as_bytes()));
            let name = host.split(':').next().unwrap_or(host);
            writer.write(Input::new(&[2]).raw(name.as_bytes()));
        }
    }

    let mut writer = Writer { seeds, target: "hello" };
    writer.write(Input::new(&[0]).raw(&proper_hello().encode()));
    let mut hello = proper_hello();
    hello.capabilities.clear();
    writer.write(Input::new(&[0]).raw(&hello.encode()).raw(b"more"));
    hello.client_name = "\u{FFFD}".repeat(300);
    writer.write(Input::new(&[0]).raw(&hello.encode()));
    let capabilities = [2, 0, 2, 1, 1, 0, b'c', 7];
    writer.write(Input::new(&[1]).number(5).bytes(b"x").raw(&capabilities).raw(&[0, 0, 0]));
    writer.write(Input::new(&[1]).number(22).bytes(&[0xFF; 3]).raw(&[1, 2, 2, 2]).raw(&[1; 9]));

    let mut writer = Writer { seeds, target: "snappy" };
    let text = b"a text, a text, and once more a text ".repeat(5);
    for payload in [&b""[..], b"x", &text, &[0; 5000], &tape::noise(300)] {
        let block = snap::raw::Encoder::new().compress_vec(payload).expect("a small payload");
        writer.write(Input::new(&[0]).raw(&block));
        writer.write(Input::new(&[0]).raw(&block[..block.len() / 2]));
        writer.write(Input::new(&[2]).raw(payload));
    }
    for declared in [&[0xFF, 0xFF, 0xFF, 7][..], &[0x80, 0x80, 0x80, 8], &[0xFF; 9], &[0x80, 0x80]]
    {
        writer.write(Input::new(&[0]).raw(declared).raw(&[0, 1]));
    }
    for size in [0, 3, 10, 59, 63] {
        for tag in 0..5 {
            let elements = [[9, 0, 1, 2, 3], [size, tag, 1, 0, 0], [63, 2, 1, 0, 0]].concat();
            writer.write(Input::new(&[1, 0, 2]).raw(&elements));
        }
    }
    writer.write(Input::new(&[3]).long_payload(true, 130_000));
    writer.write(Input::new(&[3]).long_payload(false, 130_000));
}

fn frames(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "frames" };
    let message = |input: Input| input.raw(&[0]).number(16).payload(b"message").raw(&[0]);
    writer.write(message(Input::new(&[0, 1])));
    writer.write(message(message(message(Input::new(&[0, 3])))).raw(&[17, 31, 2]));
    for code in [0, 0x7F, 0x80, 1 << 20, u64::MAX] {
        let input = Input::new(&[0, 1, 0]).number(code);
        writer.write(input.long_payload(true, 40_000).raw(&[0]));
    }
    // Too large for the limit, a flipped bit of header and body, no code at all.
    writer.write(Input::new(&[1, 1, 0, 16]).long_payload(false, 4000).raw(&[0]));
    writer.write(message(Input::new(&[2, 5, 0, 2])));
    writer.write(Input::new(&[0, 1, 0, 16]).payload(b"message").raw(&[1, 9, 0]));
    writer.write(Input::new(&[0, 1, 0, 16]).payload(b"message").raw(&[1, 9, 1]));
    writer.write(Input::new(&[0, 1, 2]).payload(&[]).raw(&[1; 13]).raw(&[0]));
    writer.write(message(Input::new(&[0, 2, 2]).payload(&[0x80, 1]).raw(&[0; 13]).raw(&[0])));
    writer.write(message(Input::new(&[0, 2, 2]).payload(&[0x81, 1]).raw(&[0; 13]).raw(&[0])));
    // A header that lies, and bytes that are no frame.
    writer
        .write(message(Input::new(&[0, 2, 3, 0, 0, 99]).raw(&[0; 13]).payload(&[1; 9]).raw(&[0])));
    writer
        .write(message(Input::new(&[0, 2, 3, 0, 0, 1]).raw(&[0; 13]).payload(&[1; 40]).raw(&[0])));
    writer.write(message(Input::new(&[0, 2])).raw(&[4]).bytes(&[5; 40]));
}

/// EIP-778's example.
const RECORD: &str = "f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b\
    76f2635f4e234738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c01826964827634826970847f00\
    000189736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31\
    388375647082765f";

fn datagrams(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let to = PacketEndpoint { ip: Some([1, 2, 3, 4].into()), udp: 30303, tcp: 0 };
    let expiration = packet::now().unix.as_secs() + 20;
    let ping = Ping { version: 4, from: to, to, expiration, enr_sequence: Some(1) };
    let pong = Pong { to, ping_hash: [0xAA; 32], expiration, enr_sequence: None };
    let node = |key| Neighbor { ip: to.ip, udp: 1, tcp: 2, public_key: [key; 64] };
    let key = devp2p_fuzz::keys::secret(2);
    let bodies = [
        Packet::Ping(ping),
        Packet::Pong(pong),
        Packet::FindNode(FindNode { target: [7; 64], expiration }),
        Packet::Neighbors(Neighbors { nodes: (0..12).map(node).collect(), expiration }),
        Packet::EnrRequest(EnrRequest { expiration }),
        Packet::EnrResponse(EnrResponse { request_hash: [0xAA; 32], record: unhex(RECORD) }),
    ]
    .map(|packet| encode(&packet, &key).bytes.slice(98..));

    let mut writer = Writer { seeds, target: "packet" };
    for (kind, body) in (0..6).zip(&bodies) {
        writer.write(Input::new(&[kind, 0]).raw(body));
        writer.write(Input::new(&[kind, 0]).raw(body).raw(b"more"));
        writer.write(Input::new(&[kind, 0]).raw(&body[..body.len() - 1]));
        let items = Input::new(&[kind, 1, 3, 1, 9, 2, 2, 1, 5, 1, 6, 0]).bytes(b"text");
        writer.write(items);
        for filling in [0, 1, 4, 0xAA] {
            writer.write(Input::new(&[kind, 2]).raw(&[filling; 400]));
        }
    }

    records(seeds);
    let mut writer = Writer { seeds, target: "datagram" };
    // Who is proven; then source, port, time, direction of time, seconds.
    let from =
        |input: Input, source: u8, later| input.raw(&[source]).word(30303).word(later).raw(&[1, 0]);
    let once = |input: Input| input.raw(&[0]);
    for (code, body) in (1..).zip(&bodies) {
        let mut input = Input::new(&[0b0000_0100]);
        for source in 0..10 {
            let next = from(input, source, u16::from(source) * 100);
            input = once(next.raw(&[2, code]).bytes(body));
        }
        writer.write(input);
        // A flood by one that is proven, by one that is not, and from here.
        for source in [0, 2, 4, 6] {
            let flood = from(Input::new(&[0b0000_0100]), source, 1);
            let flood = flood.raw(&[2, code]).bytes(body).raw(&[1, 200]);
            let again = from(flood, source, 2).raw(&[2, code]).bytes(body);
            writer.write(again.raw(&[1, 100]));
        }
        let flipped = from(Input::new(&[0]), 2, 0).raw(&[3, code - 1]).bytes(body);
        writer.write(once(flipped.word(40).raw(&[1])));
    }
    for odd in [&[][..], &[1; 97], &[1; 98], &[0xC0; 1280], &[0; 1300]] {
        writer.write(once(from(Input::new(&[0]), 2, 0).raw(&[0]).bytes(odd)));
        writer.write(once(from(Input::new(&[0]), 2, 0).raw(&[1]).bytes(odd)));
    }
}

fn records(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "record" };
    let record = unhex(RECORD);
    writer.write(Input::new(&[0]).raw(&record));
    writer.write(Input::new(&[0]).raw(&record[..record.len() - 1]));
    writer.write(Input::new(&[0]).raw(&record).raw(&[0]));
    let all = include_str!("../../tests/vectors/records/geth.json");
    let all: Vec<serde_json::Value> = serde_json::from_str(all).expect("a list");
    for report in &all {
        if let Some(hex) = report["record"].as_str() {
            writer.write(Input::new(&[0]).raw(&unhex(hex.trim_start_matches("0x"))));
        }
        if let Some(text) = report["text"].as_str().and_then(|text| text.strip_prefix("enr:")) {
            writer.write(Input::new(&[1]).raw(text.as_bytes()));
        }
    }
    // What is wrong, whose it is, how many pairs: addresses, ports, whatever.
    let pairs = [1, 0, 33, 0, 0, 1, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let ports = [8, 2, 0xF1, 0x5F, 0x76, 9, 2, 9, 0, 3, 2, 2, 1, 5, 1, 6];
    for wrong in (0..12).chain([255]) {
        let made = Input::new(&[2, wrong, 7]);
        writer.write(made.clone().raw(&[2]).raw(&pairs).raw(&[1, 5, 0, 3]));
        let all = made.raw(&[5]).raw(&pairs).raw(&ports).number(1 << 40);
        writer.write(all.word(90).raw(&[0x20]));
    }
    for sequence in [0, 1, u64::MAX] {
        let built = Input::new(&[3]).number(sequence);
        writer.write(built.clone().raw(&[0]).word(70).raw(&[1]));
        let large = built.clone().raw(&[1, 11]).bytes(b"a key").raw(&[3, 0]);
        writer.write(large.bytes(&[7; 150]).raw(&[0]));
        writer.write(built.raw(&[5]).raw(&pairs).raw(&ports).raw(&[0, 7, 1]));
    }
}

/// Entries of a store, then operations.
fn databases(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "database_value" };
    let with = |count, entries: &[u8]| Input::default().word(count).raw(entries);
    // A node with a record, its number, a ping, a pong and failures.
    let at = [0, 1, 0, 9];
    let node = |number: u8| {
        let key = |kind: u8| [entry::GOOD_KEY, number, 0, kind];
        let item = |field: u8| [&key(5)[..], &at[2..], &[field]].concat();
        let record = [&key(2)[..], &[3], &at[2..], &[0x5F, 0x76, 0, 7]].concat();
        let sequence = [&key(4)[..], &[1, 7]].concat();
        let seen = |field, ago: u8| [&item(field)[..], &[0, 0, ago]].concat();
        let failures = [&item(0)[..], &[2, 3]].concat();
        [record, sequence, seen(1, 1), seen(2, 2), failures].concat()
    };
    let own = [entry::GOOD_KEY, 0, 0, 1, 1, 9];
    let operations: [&[u8]; 8] = [
        &[1, 0, 0],
        &[1, 0, 1, 30, 240, 255, 255, 5],
        &[1, 0, 2, 9],
        &[1, 0, 3, 0, 9, 0x5F, 0x76, 0, 8],
        &[1, 0, 3, 0, 9, 0x5F, 0x76, 1],
        &[1, 0, 4, 0, 9, 2, 1, 2, 1, 1, 5, 0],
        &[1, 0, 5],
        &[0, 0xF7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5],
    ];
    let all = [&own[..], &node(0), &node(1), &node(2)].concat();
    writer.write(with(16, &all));
    for operation in operations {
        writer.write(with(0, &[]).raw(operation));
        writer.write(with(16, &all).raw(operation));
    }
    writer.write(with(16, &all).raw(&operations.concat()));
    // Values that are none, and keys that are nearly some.
    for value in [&[6, 3, 0, 1, 0][..], &[5, 0, 9, 0, 0, 0, 2, 0x40], &[7, 2, 0, 0x80, 0x80]] {
        for kind in 1..8 {
            let key = [entry::GOOD_KEY, 1, 0, kind];
            let place = if kind >= 5 { &[0, 9, 2][..] } else { &[] };
            let entry = [&key[..], &place[..if kind == 7 { 2 } else { place.len() }], value];
            writer.write(with(6, &node(1)).raw(&entry.concat()).raw(&operations.concat()));
        }
    }
    for flip in [0, 1, 0xFF] {
        for at in [0, 3, 34, 38, 55] {
            let key = [entry::CHANGED_KEY, 1, 0, 5, 0, 9, 2, at, flip, 0, 0, 4, 4];
            writer.write(with(6, &node(1)).raw(&key).raw(&operations.concat()));
        }
    }
    writer.write(with(1, &[entry::ANY]).bytes(b"version").bytes(&[18]));
}

/// What happens to discovery, as [`devp2p_fuzz::discovery`] reads it.
#[derive(Clone)]
struct Story(Input);

impl Story {
    /// With a store or without, and with up to seven nodes to begin with.
    fn new(store: bool, bootnodes: u8) -> Self {
        Self(Input::new(&[bootnodes << 5 | u8::from(store)]))
    }

    fn step(self, bytes: &[u8]) -> Self {
        Self(self.0.raw(bytes))
    }

    /// A packet of some kind by the node with this number, good for 20 s.
    fn packet(self, node: u8, kind: u8, says: &[u8]) -> Self {
        self.step(&[happen::PACKET, node, kind, 20]).step(says)
    }

    fn ping(self, node: u8) -> Self {
        self.packet(node, 0, &[0, 1, 1])
    }

    fn find_node(self, node: u8, target: u8) -> Self {
        self.packet(node, 2, &[target])
    }

    fn enr_request(self, node: u8) -> Self {
        self.packet(node, 4, &[])
    }

    /// The answer to a ping of ours; 0 is the latest of our questions.
    fn pong(self, index: u8, sequence: u8) -> Self {
        self.step(&[happen::REPLY, index, 0, sequence])
    }

    fn record(self, index: u8, sequence: u8) -> Self {
        self.step(&[happen::REPLY, index, sequence, 0])
    }

    fn neighbors(self, index: u8, nodes: &[u8]) -> Self {
        self.step(&[happen::REPLY, index]).counted(nodes)
    }

    fn counted(self, nodes: &[u8]) -> Self {
        self.step(&[u8::try_from(nodes.len()).expect("a dozen at most")]).step(nodes)
    }

    fn command(self, node: u8, command: u8) -> Self {
        self.step(&[happen::COMMAND, node, command])
    }

    fn meet(self, node: u8) -> Self {
        self.step(&[happen::MEET, node])
    }

    fn milliseconds(self, time: u16) -> Self {
        Self(self.0.raw(&[happen::MILLISECONDS]).word(time))
    }

    fn seconds(self, time: u64) -> Self {
        Self(self.0.raw(&[happen::SECONDS]).number(time))
    }

    /// The store has a number for our record and these bonds, made so many
    /// seconds ago.
    fn opened(self, sequence: u8, bonds: &[u8], ago: u8) -> Self {
        let all = bonds.iter().flat_map(|node| [*node, ago, ago, 1]).collect::<Vec<_>>();
        let count = u8::try_from(bonds.len()).expect("seven at most");
        self.step(&[happen::STORED, 0, 1, sequence, count]).step(&all)
    }

    fn stored_seeds(self, nodes: &[u8]) -> Self {
        self.step(&[happen::STORED, 1]).counted(nodes)
    }

    fn written(self, up_to: u8) -> Self {
        self.step(&[happen::STORED, 2, up_to])
    }
}

fn discovery(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "discovery" };
    let mut write = |Story(input)| writer.write(input);
    let new = |bootnodes| Story::new(false, bootnodes);
    // They ping, we ping back, they answer: each trusts the other's address.
    // Then the node asks all there is to ask, and so do we.
    let bonded = |node| new(0).ping(node).pong(0, 1).milliseconds(600);
    write(bonded(3).find_node(3, 5).enr_request(3).ping(3));
    write(bonded(3).command(3, 3).step(&[9]).neighbors(0, &[1, 2, 4, 25, 26]).milliseconds(600));
    let twelve = [1, 2, 4, 5, 6, 7, 8, 14, 15, 16, 17, 18];
    let asked = bonded(3).command(3, 3).step(&[9]);
    write(asked.neighbors(0, &twelve).neighbors(0, &twelve).neighbors(0, &[30]).seconds(1));
    write(bonded(3).command(3, 1).record(0, 1).command(3, 2).record(0, 1));
    // The same by one that is elsewhere, has not answered, or answers unasked.
    for source in [&[3][..], &[0x80 | 3, 1, 9], &[0xC0 | 3, 4]] {
        let says = |story: Story, kind| story.step(&[happen::PACKET]).step(source).step(&[kind]);
        for story in [new(0), new(0).ping(3), new(0).ping(4), bonded(3), bonded(4)] {
            let asking = says(says(story.clone(), 2).step(&[20, 5]), 4).step(&[20]);
            write(says(says(asking, 0).step(&[20, 0, 0]), 2).step(&[20, 5]));
            let unasked = says(says(story, 1).step(&[20, 0]), 3).step(&[20, 2, 7, 8]);
            write(says(unasked, 5).step(&[20, 0, 0, 3, 1]));
        }
    }
    // A table with entries, of which some live; asked from inside and outside.
    let mut story = new(7).seconds(1);
    for node in [0, 9, 18, 27, 36, 45, 54] {
        story = story.meet(node);
    }
    for node in [1, 2, 9, 25, 30, 52, 58, 60] {
        story = story.meet(node).ping(node).milliseconds(900).pong(0, 1).pong(1, 1);
    }
    let filled = story.find_node(25, 1).find_node(60, 2).find_node(9, 3).find_node(52, 4);
    write(filled.clone());
    for command in [4, 5] {
        let mut walk = filled.clone().command(40, command);
        for round in 0..6 {
            walk = walk.neighbors(0, &[40, 41 + round, 2 + round, 59]).milliseconds(300);
            walk = walk.neighbors(1, &[10 + round, 0x80 | 12, 5, 0]).neighbors(2, &[63]).pong(0, 2);
        }
        write(walk.seconds(3));
    }
    // A node moves, and has a newer record, and then an older one.
    let moved = filled.clone().step(&[happen::PACKET, 0xC0 | 9, 33, 0, 20, 0, 1, 7]).pong(0, 7);
    write(moved.command(9, 1).pong(0, 7).record(0, 7).command(9, 1).record(0, 3).seconds(30));
    // One that has shown to be alive is said to be elsewhere, by its record.
    let mut living = new(1).meet(3).ping(3);
    for _ in 0..12 {
        living = living.milliseconds(300).pong(0, 1).pong(1, 1).pong(2, 1);
    }
    write(living.clone().find_node(3, 1).step(&[happen::STORED, 4, 0xC0, 33, 9]).find_node(3, 1));
    for _ in 0..12 {
        living = living.milliseconds(300).pong(0, 7).step(&[happen::REPLY, 0, 7, 33]);
    }
    write(living.find_node(3, 1));
    // Bootnodes that never answer; the wait for them, and the second one.
    write(new(7).seconds(1).seconds(100).seconds(10_000));
    for command in 0..9 {
        // To a stranger without an answer, to a bonded node, and given up.
        write(new(1).command(2, command).seconds(10));
        write(bonded(2).command(2, command).neighbors(0, &[3, 4, 5]).record(0, 3).seconds(10));
        write(bonded(2).command(2, command).command(1, 6).step(&[1]).command(1, 6).step(&[1]));
    }
    // A store that answers, answers late, answers twice, fails, or never answers.
    for bonds in [&[][..], &[1, 2, 3]] {
        let opened = Story::new(true, 2).opened(9, bonds, 100);
        write(opened.find_node(1, 3).enr_request(2).stored_seeds(&[4, 5, 6]).seconds(10));
        let late = Story::new(true, 0).ping(1).pong(0, 1).command(2, 5).seconds(40);
        write(late.opened(0, bonds, 1).opened(200, bonds, 9).stored_seeds(&[1]).written(200));
    }
    write(Story::new(true, 1).step(&[happen::STORED, 3, 0, happen::STORED, 3, 1]).seconds(90));
    let stored = Story::new(true, 1).opened(1, &[1], 0).ping(1).pong(0, 0).ping(2).pong(1, 0);
    write(stored.written(1).written(0).written(9).seconds(90_000).find_node(1, 1));
    // A bond grows old; one clock jumps, the other steps back.
    write(bonded(3).seconds(3600 * 23).find_node(3, 1).seconds(3600 * 2).find_node(3, 1));
    write(bonded(3).seconds(3600 * 23).ping(3).seconds(3600 * 2).find_node(3, 1).enr_request(3));
    write(bonded(3).step(&[happen::JUMP, 0]).find_node(3, 1).ping(3).seconds(60));
    write(bonded(3).step(&[happen::BACK, 0xFF, 0xFF]).find_node(3, 1).ping(3).seconds(60));
    // Verdicts that come late or twice; noise; a body behind a signature.
    let late = bonded(3).ping(4).step(&[happen::LATE, 0, happen::LATE, 1, happen::LATE, 0]);
    write(late.seconds(1));
    write(Story(new(1).step(&[happen::DATAGRAM, 3]).0.bytes(&[1; 200])));
    for kind in 0..6 {
        write(Story(bonded(3).step(&[happen::BODY, 3, kind]).0.bytes(&[0xC0; 100])));
    }
    // Everybody pings, is answered, and asks; then an hour passes.
    let mut story = Story::new(true, 7).opened(1, &[], 0);
    for node in 0..63 {
        story = story.ping(node).pong(0, node).milliseconds(30);
    }
    for node in 0..30 {
        story = story.find_node(2 * node, node);
    }
    write(story.clone().seconds(60).command(1, 4).seconds(3600));
    write(story.stored_seeds(&[20, 21, 22, 23, 24, 25, 26]).find_node(20, 3));
    let mut story = new(0).seconds(10);
    for first in (0..63).step_by(7) {
        story = story.stored_seeds(&(first..first + 7).collect::<Vec<_>>());
    }
    write(story.clone());
    // All of them come again: most answer, and some of them leave.
    for node in 0..60 {
        story = story.meet(node).milliseconds(40);
    }
    for round in 0..12 {
        story = story.milliseconds(400).pong(0, 1).pong(1, 2).find_node(round, round);
    }
    write(story.seconds(40));
    write(filled.step(&[happen::CRAWL, 15]).seconds(20));
}

fn sessions(seeds: &mut Vec<(&'static str, Vec<u8>)>, target: &'static str) {
    let mut writer = Writer { seeds, target };
    let hello = |input: Input, id: u8| {
        let input = input.raw(&[step::HELLO]).number(5).bytes(b"peer");
        input.raw(&[3, 1, 2, 3]).number(0).raw(&[id, 0])
    };
    let settled = |input: Input| input.raw(&[step::FLOW, step::SETTLE]);
    for mirror in 0..2 {
        let new = |start| Input::new(&[mirror, start]);
        // From the first byte to the last, properly.
        let start = settled(new(0).raw(&[step::HANDSHAKE]));
        let open = settled(hello(start.clone(), 3));
        let said = open.raw(&[step::MESSAGE]).number(16).payload(b"message");
        writer.write(settled(said.clone()));
        writer.write(settled(said.raw(&[step::MESSAGE]).number(1).payload(&[0xC1, 4])));
        // The handshake in pieces, step by step, and with a bit flipped.
        let pieces = [step::CHUNK, 100].repeat(6);
        writer.write(new(0).raw(&[step::HANDSHAKE]).raw(&pieces));
        let commands = [step::COMMAND, 0, step::WRITTEN, 0];
        let start = new(0).raw(&[step::HANDSHAKE, step::FLOW]).raw(&commands);
        let ready = hello(start, 3).raw(&[step::FLOW, step::COMMAND, 1]);
        writer.write(ready.raw(&[step::COMMAND, 2, step::WRITTEN, 0]));
        let flip = [step::HANDSHAKE, step::FLIP, 200, 1, step::FLOW];
        writer.write(new(0).raw(&flip));
        writer.write(new(0).raw(&[step::RAW]).bytes(&[4; 320]).raw(&[step::FLOW]));
        // Somebody else's hello, none at all, one that is none; a refusal.
        for id in 0..3 {
            writer.write(settled(hello(new(1).raw(&[step::SETTLE]), id)));
        }
        let before = |code| new(1).raw(&[step::SETTLE, step::PLAIN]).number(code);
        writer.write(settled(before(1).payload(&[4])));
        writer.write(settled(before(2).payload(&[0xC0])));
        writer.write(settled(before(0).payload(&[0xC0])));
        writer.write(settled(before(0).long_payload(false, 3000)));
        writer.write(new(1).raw(&[step::COMMAND, 3, 4, step::WRITTEN, 0]));
        // Pings, pongs, round trips, messages of all kinds.
        let open = new(2);
        let say = |input: Input, code| input.raw(&[step::MESSAGE]).number(code);
        let pings = say(say(open.clone(), 2).payload(&[0xC0]), 3).payload(&[0xC0]);
        let ours = pings.raw(&[step::COMMAND, 2]);
        writer.write(settled(say(settled(ours), 3).payload(&[0xC0])));
        for code in [0, 1, 4, 15, 16, 18, 22, 23, 40, u64::MAX] {
            writer.write(settled(say(open.clone(), code).payload(&[0xC1, 9])));
        }
        for noise in [false, true] {
            writer.write(settled(say(open.clone(), 17).long_payload(noise, 70_000)));
            let sent = open.clone().raw(&[step::SEND, 1]);
            let sent = sent.raw(&[0, 1]).long_payload(noise, 100_000);
            let sent = sent.raw(&[1, 0]).payload(b"small");
            writer.write(settled(sent.clone()));
            writer.write(sent.raw(&[step::WRITTEN, 200, step::SEND, 0, 9, 9, 0, 0, 0]));
        }
        writer.write(settled(open.clone().raw(&[step::PLAIN]).number(16).payload(&[0xFF; 9])));
        let head = [step::FRAME, 0, 0, 5, 0xC2, 0x80, 0x80];
        for kind in 0..3 {
            let frame = open.clone().raw(&head).raw(&[0; 10]).raw(&[kind]);
            writer.write(settled(frame.payload(&[16, 1, 2, 3, 4])));
        }
        // The clock goes back by much, and then deadlines are set.
        let later = |input: Input| input.raw(&[step::TIME, 1, 0]).word(4000).raw(&[step::TIMEOUT]);
        let past = |input: Input| input.raw(&[step::TIME, 4, 200]);
        let met = later(new(0).raw(&[step::HANDSHAKE])).raw(&[step::FLOW, step::WRITTEN, 0]);
        let proceeded = past(later(met)).raw(&[step::COMMAND, 0]);
        let ready = past(later(hello(proceeded, 3))).raw(&[step::FLOW]);
        writer.write(past(later(ready)).raw(&[step::COMMAND, 1]));
        // Time: every kind of step, pings of ours, all deadlines.
        for kind in 0..6 {
            let steps = [step::TIME, kind, 9, step::TIMEOUT];
            for start in 0..3 {
                writer.write(new(start).raw(&steps).raw(&steps).raw(&[step::SETTLE]));
            }
        }
        // Disconnects of ours, flushed or not; losses.
        for reason in [0, 1, 4, 8, 0xFF] {
            let told = open.clone().raw(&[step::COMMAND, 3, reason]);
            writer.write(told.clone().raw(&[step::WRITTEN, 0, step::TIME, 5]));
            writer.write(told.raw(&[step::LOST, reason]));
        }
    }
}

fn chunks(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "session_chunks" };
    for (role, mirror) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let hello = |count| Input::new(&[role, mirror, count, 0]).number(5).raw(&[0]);
        let message = |input: Input, code| input.raw(&[4, code]).payload(b"message").raw(&[0]);
        writer.write(Input::new(&[role, mirror, 0]));
        writer.write(message(message(hello(3), 0), 5));
        writer.write(message(message(hello(3), 0), 5).raw(&[255, 255, 255, 200]));
        let pings = hello(5).raw(&[1, 0]).raw(&[2, 0]).raw(&[1, 0]);
        writer.write(pings.raw(&[3, 4, 0]));
        writer.write(message(hello(3).raw(&[1, 1, 77, 0]), 0));
        writer.write(Input::new(&[role, mirror, 2, 0]).number(4).raw(&[0]).raw(&[5, 16, 3, 0]));
        writer.write(hello(2).raw(&[6]).bytes(&[9; 50]));
        // A ping, and in the same bytes what ends it: the pong must not get lost.
        writer.write(hello(3).raw(&[1, 0, 6]).bytes(&[9; 50]));
        writer.write(hello(2).raw(&[4, 1]).long_payload(true, 9000).raw(&[0]));
    }
}

fn pairs(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "session_pair" };
    let send = |input: Input, who, code| input.raw(&[pair::SEND, who, 0, code]);
    let open = Input::new(&[1]);
    // Messages both ways, small, large, and larger than what may wait.
    let small = send(send(open.clone(), 0, 1).payload(b"there"), 1, 2).payload(b"back");
    writer.write(small.clone());
    writer.write(small.clone().raw(&[pair::PUMP, 0]));
    for noise in [false, true] {
        let large = send(open.clone(), 1, 0).long_payload(noise, 100_000);
        let more = send(large.clone(), 1, 1).long_payload(noise, 66_000);
        writer.write(large);
        writer.write(send(more, 1, 2).payload(b"behind").raw(&[pair::PUMP, 0]));
    }
    // From the first byte, in pieces.
    let mut pieces = Input::new(&[0]);
    for length in [100, 300, 30, 500, 20, 100, 100] {
        pieces = pieces.raw(&[pair::MOVE, 0]).word(length).raw(&[pair::SETTLE, 1]);
        pieces = pieces.raw(&[pair::MOVE, 1]).word(length).raw(&[pair::SETTLE, 0]);
    }
    writer.write(send(pieces, 0, 1).payload(b"at last").raw(&[pair::PUMP, 0]));
    // A flip in the auth, the ack, a hello, a message.
    for at in [20, 1000] {
        writer.write(Input::new(&[0, pair::FLIP, 0]).word(at).raw(&[pair::PUMP, 0]));
        let acked = Input::new(&[0, pair::MOVE, 0]).word(999).raw(&[pair::SETTLE, 1]);
        writer.write(acked.raw(&[pair::FLIP, 1]).word(at).raw(&[pair::PUMP, 0]));
        let flipped = small.clone().raw(&[pair::FLIP, 0]).word(at / 8);
        writer.write(flipped.raw(&[pair::PUMP, 0]));
    }
    // Cuts, commands, time, and the bookkeeping of a slow driver.
    for who in 0..2 {
        writer.write(small.clone().raw(&[pair::CUT, who, 1]));
        writer.write(small.clone().raw(&[pair::COMMAND, who, 3, 8, pair::PUMP, 0]));
        writer.write(small.clone().raw(&[pair::COMMAND, who, 2, pair::PUMP, 0]));
        let slow = small.clone().raw(&[pair::MOVE, 1 - who]).word(40).raw(&[pair::DELIVERED, who]);
        writer.write(slow.raw(&[pair::WRITTEN, who]).word(7));
        for kind in 0..6 {
            let time = [pair::TIME, who, kind, 1, pair::PUMP, 0];
            writer.write(small.clone().raw(&time).raw(&time));
        }
    }
}

/// What happens to a node, as [`devp2p_fuzz::node`] reads it.
#[derive(Clone)]
struct Life(Input);

impl Life {
    /// By its flags, with room for so many peers and pending connections, with
    /// these static nodes, each with what is known of where it is.
    fn new(flags: u8, max_peers: u8, max_pending: u8, statics: &[(u8, u8)]) -> Self {
        let known = u8::try_from(statics.len()).expect("three at most");
        let statics = statics.iter().flat_map(|(who, how)| [*who, *how]).collect::<Vec<_>>();
        Self(Input::new(&[flags, max_peers, max_pending, 2, known]).raw(&statics))
    }

    fn step(self, bytes: &[u8]) -> Self {
        Self(self.0.raw(bytes))
    }

    /// A stranger comes from where he lives, and all goes well.
    fn join(self, who: u8) -> Self {
        self.step(&[act::JOIN, who, who, 0])
    }

    fn come(self, who: u8, from: u8, manner: u8) -> Self {
        self.step(&[act::COME, who, from, manner])
    }

    /// The oldest dial comes to a connection.
    fn connect(self) -> Self {
        self.step(&[act::CONNECT, 0, 0])
    }

    fn settle(self) -> Self {
        self.step(&[act::SETTLE])
    }

    fn command(self, command: u8, says: &[u8]) -> Self {
        self.step(&[act::COMMAND, command]).step(says)
    }

    fn seconds(self, time: u8) -> Self {
        self.step(&[act::SECONDS, time, 1])
    }

    fn stop(self) -> Self {
        self.step(&[act::STOP, 7])
    }
}

fn nodes(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "node" };
    let mut write = |Life(input)| writer.write(input);
    // Peers come, one too many; ourselves; the same twice; one of no use.
    let full = Life::new(0, 4, 0, &[]).join(1).join(2).join(3).join(4);
    for more in [full.clone().join(0), full.clone().join(1), full.clone().seconds(31).join(1)] {
        write(more.clone());
        write(more.stop().settle());
    }
    for manner in 0..12 {
        let life = Life::new(0, 4, 0, &[]).come(1, 9, manner).settle();
        write(life.clone().seconds(6).settle().seconds(6));
        write(life.step(&[act::KILL, 0]).settle().join(2));
        let dialled = Life::new(0, 5, 0, &[(1, 0)]).step(&[act::CONNECT, 0, manner]);
        write(dialled.settle().seconds(20).settle().seconds(40));
    }
    // Trusted nodes, other limits, removals; each with a peer and without.
    for command in 0..12 {
        let said = |life: Life| life.command(command, &[1, 0, 0, 0, 0]).connect().settle();
        write(said(Life::new(0, 2, 2, &[])).join(2).seconds(10));
        write(said(full.clone()).join(5).seconds(40).join(6));
        write(said(Life::new(1, 5, 0, &[(2, 0)]).connect().settle()).seconds(90));
        let cancelled = said(full.clone().command(3, &[1])).command(9, &[0]).command(9, &[1]);
        write(cancelled.settle().stop());
    }
    // A removal, given up before the peer is gone.
    write(full.clone().command(3, &[1]).command(9, &[0]).settle());
    // Static nodes by all kinds of address; refused, elsewhere, never answered.
    for how in 0..8 {
        let life = Life::new(0, 5, 0, &[(1, how), (2, 0)]);
        let named = life.clone().step(&[act::NAME, 0, 3, 1]);
        for answer in
            [[act::FAIL, 0, 3, 0], [act::FAIL, 0, 99, 3], [act::CONNECT, 0, 0, act::SETTLE]]
        {
            write(named.clone().step(&answer).step(&answer).settle().seconds(36).step(&answer));
        }
        write(life.clone().seconds(6).seconds(15).seconds(36).connect().settle());
        write(Life::new(1, 5, 0, &[(1, how)]).seconds(16).seconds(60).connect().settle());
        write(life.command(0, &[1, how]).command(9, &[0]).seconds(20).stop());
    }
    // Both dial at once: each order of what arrives first.
    for who in 1..7 {
        let both = Life::new(0, 5, 0, &[(who, 0)]).come(who, who, 0);
        write(both.clone().settle().connect().settle());
        write(both.clone().connect().settle().seconds(40).stop());
        let mut slow = both.connect();
        for _ in 0..6 {
            for kind in [act::CARRY, act::REPORT, act::OBEY] {
                slow = slow.step(&[kind, 0]).step(&[kind, 1]);
            }
        }
        write(slow.clone().step(&[act::LOSE, 0, 2]).settle());
        write(slow.stop().seconds(9));
    }
    // We dial who is connected already, and do not dial who is about to be.
    for who in 1..7 {
        let known = Life::new(0, 5, 0, &[]).join(who).command(0, &[who, 0]);
        write(known.connect().settle());
        let coming = Life::new(0, 5, 0, &[]).come(who, who, 10).settle();
        write(coming.command(2, &[who, 0]).seconds(6).settle());
    }
    // Those who never speak, and those behind them; a hold; a clock that goes back.
    let mut silent = Life::new(0, 4, 2, &[]);
    for from in 0..5 {
        silent = silent.come(from, from, 11);
    }
    write(silent.clone().step(&[act::MILLISECONDS, 0xF4, 1, 0]).join(6).seconds(6));
    write(silent.step(&[act::HOLD, 1]).join(6).step(&[act::HOLD, 0]).seconds(1).join(6));
    write(full.step(&[act::BACK, 0xFF, 0xFF]).join(5).seconds(3));
    // Discovery, a store, a walk; candidates of the application's.
    let mut walk =
        Life::new(3, 5, 0, &[]).step(&[act::STORED, 0, 1, act::STORED, 1, 2, 1, 0, 2, 0]);
    for who in 1..6 {
        walk = walk.step(&[act::DATAGRAM, who, 0, 1, act::DATAGRAM, who, 1, 0, 1]);
        walk = walk.step(&[act::MILLISECONDS, 0, 4, 0, act::DATAGRAM, who, 2, 0, 2, 1, 2, 1]);
    }
    write(walk.clone().connect().settle().seconds(60));
    write(walk.command(10, &[5]).command(11, &[2, 4, 0]).command(10, &[6, 0]).stop());
    let brought = Life::new(0x20, 5, 0, &[]).command(8, &[0, 3, 1, 0, 2, 0, 0, 0]);
    write(brought.clone().connect().connect().settle().command(8, &[1, 1, 3, 0]));
    write(brought.command(6, &[1, 1, 1]).seconds(40).stop());
}

/// Answers of gateways and of STUN servers.
fn gateways(seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut writer = Writer { seeds, target: "gateway" };
    let address = [0, 128, 0, 0, 0, 0, 14, 16, 11, 22, 33, 44];
    let mapping = [0, 130, 0, 0, 0, 0, 14, 16, 0x76, 0x5f, 0x9c, 0x40, 0, 0, 2, 88];
    for bytes in [&address[..], &mapping, &mapping[..11], &[0, 130, 0, 2, 0, 0, 0, 1]] {
        writer.write(Input::new(&[0]).raw(bytes));
    }
    // PCP: as it is, refused, another nonce, cut.
    for change in [[0, 0, 0], [3, 2, 0], [24, 1, 0], [0, 0, 4]] {
        writer.write(Input::new(&[2]).raw(&change));
    }
    writer.write(Input::new(&[1]).raw(&[2, 128, 0, 4, 0, 0, 0, 0, 0, 0, 14, 16]).raw(&[0; 12]));
    // A gateway that is there, grants both ports, and has restarted by the next question.
    let asked = [0, 7, 2, 44, 1, 100, 0];
    let granted = [0, 7, 0x5f, 0x76, 0, 200, 1, 100, 0];
    let mut honest = Input::new(&[3, 2, 0, 0, 9]).raw(&asked).raw(&granted).raw(&granted);
    writer.write(honest.clone());
    honest = honest.raw(&[0]).raw(&[0, 7, 2, 44, 1, 3, 0]).raw(&granted).raw(&granted);
    writer.write(honest);
    // One that refuses, by all methods.
    writer.write(Input::new(&[3, 0, 0, 0, 9]).raw(&[0, 7, 0, 0, 0, 1, 2, 0, 1, 2].repeat(3)));

    let mut writer = Writer { seeds, target: "stun" };
    let masked = [0, 0x20, 0, 8, 0, 1, 0xbc, 0x7d, 0x6c, 0x1e, 0x85, 0x46];
    let plain = [0, 1, 0, 8, 0, 1, 0x9d, 0x6f, 77, 12, 33, 4];
    let ip6 = [&[0, 0x20, 0, 20, 0, 2, 0xa1, 0x47][..], &[7; 16]].concat();
    for attributes in [&masked[..], &plain, &ip6, &masked[..8]] {
        writer.write(Input::new(&[1, 0]).raw(attributes));
        writer.write(Input::new(&[2, 3, 0, 3]).bytes(attributes).raw(&[0, 0, 0]));
    }
    writer.write(Input::new(&[1, 1, 0, 9, 0, 4, 0, 0, 4, 20]));
    writer.write(Input::new(&[0]).raw(b"a packet of discovery, which is none of ours"));
}
