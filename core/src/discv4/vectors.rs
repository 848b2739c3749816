//! Packets that others made: geth's (`v4wire_test.go`) and EIP-8's.
//!
//! EIP-8's PING of version 555 and its PONG have a list where EIP-868 later put
//! a record's sequence number; geth refuses them since, and so do we.

use alloc::vec::Vec;

use hex_literal::hex;

use super::{
    FindNode, Kind, Neighbor, Neighbors, Packet, PacketEndpoint, Ping, decode, encode, wire,
};
use crate::crypto::{PublicKey, SecretKey, Signature};
use crate::error::DecodeError;

pub(super) const EXPIRATION: u64 = 1_136_239_445;

pub(super) fn key() -> SecretKey {
    let bytes = hex!("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
    SecretKey::from_bytes(&bytes).unwrap()
}

pub(super) const PING: &[u8] = &hex!(
    "71dbda3a79554728d4f94411e42ee1f8b0d561c10e1e5f5893367948c6a7d70bb87b235fa28a77070271b6c164a2dc"
    "e8c7e13a5739b53b5e96f2e5acb0e458a02902f5965d55ecbeb2ebb6cabb8b2b232896a36b737666c55265ad0a6841"
    "2f250001ea04cb847f000001820cfa8215a8d790000000000000000000000000000000018208ae820d058443b9a355"
);

pub(super) const PING_WITH_MORE: &[u8] = &hex!(
    "e9614ccfd9fc3e74360018522d30e1419a143407ffcce748de3e22116b7e8dc92ff74788c0b6663aaa3d67d6419365"
    "11c8f8d6ad8698b820a7cf9e1be7155e9a241f556658c55428ec0563514365799a4be2be5a685a80971ddcfa80cb42"
    "2cdd0101ec04cb847f000001820cfa8215a8d790000000000000000000000000000000018208ae820d058443b9a355"
    "0102"
);

pub(super) const FIND_NODE_WITH_MORE: &[u8] = &hex!(
    "c7c44041b9f7c7e41934417ebac9a8e1a4c6298f74553f2fcfdcae6ed6fe53163eb3d2b52e39fe91831b8a927bf4fc"
    "222c3902202027e5e9eb812195f95d20061ef5cd31d502e47ecb61183f74a504fe04c51e73df81f25c4d506b26db45"
    "17490103f84eb840ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b42"
    "1bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f8443b9a35582999983999999280dc62cc8255c73471e"
    "0a61da0c89acdc0e035e260add7fc0c04ad9ebf3919644c91cb247affc82b69bd2ca235c71eab8e49737c937a2c396"
);

pub(super) const NEIGHBORS_WITH_MORE: &[u8] = &hex!(
    "c679fc8fe0b8b12f06577f2e802d34f6fa257e6137a995f6f4cbfc9ee50ed3710faf6e66f932c4c8d81d64343f4296"
    "51328758b47d3dbc02c4042f0fff6946a50f4a49037a72bb550f3a7872363a83e1b9ee6469856c24eb4ef80b7535bc"
    "f99c0004f9015bf90150f84d846321163782115c82115db8403155e1427f85f10a5c9a7755877748041af1bcd8d474"
    "ec065eb33df57a97babf54bfd2103575fa829115d224c523596b401065a97f74010610fce76382c0bf32f849840102"
    "03040101b840312c55512422cf9b8a4097e9a6ad79402e87a15ae909a4bfefa22398f03d20951933beea1e4dfa6f96"
    "8212385e829f04c2d314fc2d4e255e0d3bc08792b069dbf8599020010db83c4d001500000000abcdef12820d05820d"
    "05b84038643200b172dcfef857492156971f0e6aa2c538d8b74010f8e140811d53b98c765dd2d96126051913f44582"
    "e8c199ad7c6d6819e9a56483f637feaac9448aacf8599020010db885a308d313198a2e037073488203e78203e8b840"
    "8dcab8618c3253b558d459da53bd8fa68935a719aff8b811197101a4b2b47dd2d47295286fc00cc081bb542d760717"
    "d1bdd6bec2c37cd72eca367d6dd3b9df738443b9a355010203b525a138aa34383fec3d2719a0"
);

pub(super) const EIP_8_PING: &[u8] = &hex!(
    "577be4349c4dd26768081f58de4c6f375a7a22f3f7adda654d1428637412c3d7fe917cadc56d4e5e7ffae1dbe3efff"
    "b9849feb71b262de37977e7c7a44e677295680e9e38ab26bee2fcbae207fba3ff3d74069a50b902a82c9903ed37cc9"
    "93c50001f83e82022bd79020010db83c4d001500000000abcdef12820cfa8215a8d79020010db885a308d313198a2e"
    "037073488208ae82823a8443b9a355c5010203040531b9019afde696e582a78fa8d95ea13ce3297d4afb8ba6433e41"
    "54caa5ac6431af1b80ba76023fa4090c408f6b4bc3701562c031041d4702971d102c9ab7fa5eed4cd6bab8f7af956f"
    "7d565ee1917084a95398b6a21eac920fe3dd1345ec0a7ef39367ee69ddf092cbfe5b93e5e568ebc491983c09c76d92"
    "2dc3"
);

pub(super) const EIP_8_PONG: &[u8] = &hex!(
    "09b2428d83348d27cdf7064ad9024f526cebc19e4958f0fdad87c15eb598dd61d08423e0bf66b2069869e1724125f8"
    "20d851c136684082774f870e614d95a2855d000f05d1648b2d5945470bc187c2d2216fbe870f43ed0909009882e176"
    "a46b0102f846d79020010db885a308d313198a2e037073488208ae82823aa0fbc914b16819237dcd8801d7e53f69e9"
    "719adecb3cc0e790c57e91ca4461c9548443b9a355c6010203c2040506a0c969a58f6f9095004c0177a6b47f451530"
    "cab38966a25cca5cb58f055542124e"
);

/// The four that geth takes.
pub(super) const GOOD: [&[u8]; 4] =
    [PING, PING_WITH_MORE, FIND_NODE_WITH_MORE, NEIGHBORS_WITH_MORE];

fn read(datagram: &[u8]) -> Result<Packet, DecodeError> {
    assert_eq!(datagram[..32], wire::keccak256(&datagram[32..]));
    let signature = Signature::from_bytes(datagram[32..97].try_into().unwrap());
    let signer: PublicKey = signature.recover(&wire::keccak256(&datagram[97..])).unwrap();
    assert_eq!(signer, key().public_key());
    decode(Kind::from_code(datagram[97]).unwrap(), &datagram[98..])
}

fn ping() -> Ping {
    Ping {
        version: Ping::VERSION,
        from: PacketEndpoint::new("127.0.0.1:3322".parse().unwrap(), 5544),
        to: PacketEndpoint::new("[::1]:2222".parse().unwrap(), 3333),
        expiration: EXPIRATION,
        enr_sequence: None,
    }
}

#[test]
fn the_pings_of_geth_say_what_geth_reads_in_them() {
    assert_eq!(read(PING), Ok(Packet::Ping(ping())));
    let more = Ping { enr_sequence: Some(1), ..ping() };
    assert_eq!(read(PING_WITH_MORE), Ok(Packet::Ping(more)));
}

#[test]
fn the_find_node_of_geth_says_what_geth_reads_in_it() {
    let target = hex!(
        "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138"
        "7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f"
    );
    let expected = FindNode { target, expiration: EXPIRATION };
    assert_eq!(read(FIND_NODE_WITH_MORE), Ok(Packet::FindNode(expected)));
}

#[test]
fn the_neighbors_of_geth_say_what_geth_reads_in_them() {
    let node = |ip: &str, udp, tcp, public_key| Neighbor {
        ip: Some(ip.parse().unwrap()),
        udp,
        tcp,
        public_key,
    };
    let nodes = Vec::from([
        node(
            "99.33.22.55",
            4444,
            4445,
            hex!(
                "3155e1427f85f10a5c9a7755877748041af1bcd8d474ec065eb33df57a97babf"
                "54bfd2103575fa829115d224c523596b401065a97f74010610fce76382c0bf32"
            ),
        ),
        node(
            "1.2.3.4",
            1,
            1,
            hex!(
                "312c55512422cf9b8a4097e9a6ad79402e87a15ae909a4bfefa22398f03d2095"
                "1933beea1e4dfa6f968212385e829f04c2d314fc2d4e255e0d3bc08792b069db"
            ),
        ),
        node(
            "2001:db8:3c4d:15::abcd:ef12",
            3333,
            3333,
            hex!(
                "38643200b172dcfef857492156971f0e6aa2c538d8b74010f8e140811d53b98c"
                "765dd2d96126051913f44582e8c199ad7c6d6819e9a56483f637feaac9448aac"
            ),
        ),
        node(
            "2001:db8:85a3:8d3:1319:8a2e:370:7348",
            999,
            1000,
            hex!(
                "8dcab8618c3253b558d459da53bd8fa68935a719aff8b811197101a4b2b47dd2"
                "d47295286fc00cc081bb542d760717d1bdd6bec2c37cd72eca367d6dd3b9df73"
            ),
        ),
    ]);
    let expected = Neighbors { nodes, expiration: EXPIRATION };
    assert_eq!(read(NEIGHBORS_WITH_MORE), Ok(Packet::Neighbors(expected)));
}

#[test]
fn what_we_write_is_what_geth_writes() {
    // But for the signature: these are older than geth's RFC 6979.
    let encoded = encode(&Packet::Ping(ping()), &key());
    assert_eq!(encoded.bytes[97..], PING[97..]);
    assert_eq!(encoded.hash, encoded.bytes[..32]);
    for vector in GOOD {
        let packet = read(vector).unwrap();
        assert_eq!(read(&encode(&packet, &key()).bytes), Ok(packet));
    }
}

#[test]
fn a_list_in_the_place_of_the_sequence_number_is_refused_as_by_geth() {
    for vector in [EIP_8_PING, EIP_8_PONG] {
        assert_eq!(read(vector), Err(DecodeError::UnexpectedList));
    }
}
