use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::identity::Endpoint;
use crate::limits;

const START: UnixTime = UnixTime::from_secs(1_700_000_000);
const NOW: Instant = Instant::from_secs(1);

fn key() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).unwrap()
}

fn local(stored: Option<u64>) -> LocalRecord {
    let entries = RecordBuilder::new(0);
    LocalRecord::new(key(), stored, START, entries, LocalEndpoints::default()).unwrap()
}

fn host(number: u8) -> IpAddr {
    IpAddr::from([80, 90, 100, number])
}

fn endpoint(ip: [u8; 4], udp: u16) -> Endpoint {
    Endpoint { ip: Some(ip.into()), udp, tcp: 0 }
}

#[test]
fn the_sequence_number_follows_the_stored_one_or_the_clock() {
    // geth, TestLocalNodeSeqPersist
    let mut first = local(None);
    let sequence = first.record().sequence();
    assert_eq!(sequence, START.as_millis() + 1);
    let x = |value| RecordBuilder::new(0).uint(b"x", value);
    assert_eq!(first.set_entries(NOW, x(1)), Ok(Some(sequence + 1)));
    assert_eq!(first.record().get(b"x"), Some(&[1][..]));
    let restarted = local(Some(sequence + 1));
    assert_eq!(restarted.record().sequence(), sequence + 2);
    // A clock that stands before the stored number does not matter.
    assert_eq!(local(Some(u64::MAX - 5)).record().sequence(), u64::MAX - 4);
    // geth stores no 0: it means that nothing is stored.
    assert_eq!(local(Some(0)).record().sequence(), sequence);
}

#[test]
fn the_endpoint_is_static_before_predicted_before_fallback() {
    // geth, TestLocalNodeEndpoint
    let mut local = local(Some(100));
    assert_eq!(local.record().endpoint(), Endpoint::default());
    let mut endpoints = LocalEndpoints {
        fallback_ip4: Some([127, 0, 0, 1].into()),
        fallback_udp: 80,
        ..LocalEndpoints::default()
    };
    assert_eq!(local.set_endpoints(NOW, endpoints), Some(102));
    for number in 0..10 {
        assert_eq!(local.record().endpoint(), endpoint([127, 0, 0, 1], 80));
        let new = local.add_statement(NOW, host(number), "127.0.1.2:81".parse().unwrap());
        assert_eq!(new, (number == 9).then_some(103));
    }
    assert_eq!(local.record().endpoint(), endpoint([127, 0, 1, 2], 81));
    endpoints.static_ip4 = Some([127, 0, 1, 2].into());
    assert_eq!(local.set_endpoints(NOW, endpoints), Some(104));
    assert_eq!(local.record().endpoint(), endpoint([127, 0, 1, 2], 80));
}

#[test]
fn a_prediction_ends_with_the_statements_it_rests_on() {
    let mut local = local(Some(1));
    for number in 0..10 {
        let _ = local.add_statement(NOW, host(number), "1.2.3.4:5".parse().unwrap());
    }
    assert_eq!(local.record().endpoint(), endpoint([1, 2, 3, 4], 5));
    let life = limits::ENDPOINT_STATEMENT_LIFE;
    assert_eq!(local.refresh(NOW + life), None);
    assert_eq!(local.refresh(NOW + life + Duration::from_micros(1)), Some(4));
    assert_eq!(local.record().endpoint(), Endpoint::default());
}

#[test]
fn nothing_is_signed_unless_something_else_is_said() {
    let mut local = local(Some(1));
    let before = Arc::clone(local.record());
    assert_eq!(local.refresh(NOW), None);
    assert_eq!(local.set_endpoints(NOW, LocalEndpoints::default()), None);
    assert_eq!(local.set_entries(NOW, RecordBuilder::new(77).udp(1)), Ok(None));
    // Nine hosts say something, a tenth says something else.
    for number in 0..10 {
        let endpoint = SocketAddr::new([1, 2, 3, 4].into(), if number == 9 { 6 } else { 5 });
        assert_eq!(local.add_statement(NOW, host(number), endpoint), None);
    }
    assert!(Arc::ptr_eq(&before, local.record()));
    // What changes what is not said changes nothing: a static address hides it.
    let mut endpoints =
        LocalEndpoints { static_ip4: Some([9, 9, 9, 9].into()), ..LocalEndpoints::default() };
    assert_eq!(local.set_endpoints(NOW, endpoints), Some(3));
    endpoints.fallback_ip4 = Some([8, 8, 8, 8].into());
    assert_eq!(local.set_endpoints(NOW, endpoints), None);
}

#[test]
fn each_family_has_its_own_statements_and_udp6_is_said_only_if_it_differs() {
    let endpoints = LocalEndpoints {
        fallback_ip4: Some([10, 0, 0, 1].into()),
        fallback_ip6: Some("fd00::1".parse().unwrap()),
        fallback_udp: 30303,
        ..LocalEndpoints::default()
    };
    let mut local = local(Some(1));
    assert_eq!(local.set_endpoints(NOW, endpoints), Some(3));
    assert_eq!(local.record().entries().udp(), Some(30303));
    assert_eq!(local.record().entries().udp6(), None);
    for number in 0..10 {
        let _ = local.add_statement(NOW, host(number), "[2a00::1]:30304".parse().unwrap());
    }
    let entries = local.record().entries();
    assert_eq!(entries.ip(), endpoints.fallback_ip4);
    assert_eq!(entries.ip6(), Some("2a00::1".parse().unwrap()));
    assert_eq!((entries.udp(), entries.udp6()), (Some(30303), Some(30304)));
    for number in 0..10 {
        let _ = local.add_statement(NOW, host(number), "[::ffff:9.8.7.6]:1".parse().unwrap());
    }
    let entries = local.record().entries();
    assert_eq!((entries.ip(), entries.udp()), (Some([9, 8, 7, 6].into()), Some(1)));
    assert_eq!(entries.ip6(), Some("2a00::1".parse().unwrap()));
}

#[test]
fn what_is_no_endpoint_is_neither_said_nor_believed() {
    let mut local = local(Some(1));
    let unspecified = LocalEndpoints {
        static_ip4: Some(Ipv4Addr::UNSPECIFIED),
        fallback_ip6: Some(Ipv6Addr::UNSPECIFIED),
        ..LocalEndpoints::default()
    };
    assert_eq!(local.set_endpoints(NOW, unspecified), None);
    for text in
        ["0.0.0.0:1", "[::]:1", "224.0.0.22:1", "[ff05::1]:1", "[::ffff:0.0.0.0]:1", "9.9.9.9:0"]
    {
        for number in 0..20 {
            assert_eq!(
                local.add_statement(NOW, host(number), text.parse().unwrap()),
                None,
                "{text}"
            );
        }
    }
}

#[test]
fn one_host_alone_moves_nothing() {
    let mut local = local(Some(1));
    for port in 1..1000 {
        let endpoint = SocketAddr::new([6, 6, 6, 6].into(), 1 + port % 2);
        assert_eq!(local.add_statement(NOW, host(1), endpoint), None);
    }
}

#[test]
fn entries_leave_room_for_every_endpoint() {
    let mut local = local(Some(u64::MAX - 100));
    let sized = |length| RecordBuilder::new(0).string(b"x", &alloc::vec![7; length]);
    let most = (0..300).rev().find(|length| check_room(&sized(*length)).is_ok()).unwrap();
    let before = Arc::clone(local.record());
    assert_eq!(local.set_entries(NOW, sized(most + 1)), Err(RecordError::TooLarge));
    assert!(Arc::ptr_eq(&before, local.record()));
    assert_eq!(local.refresh(NOW), None, "the entries before are kept");
    assert!(local.set_entries(NOW, sized(most)).unwrap().is_some());
    let endpoints = LocalEndpoints {
        fallback_ip4: Some([10, 0, 0, 1].into()),
        fallback_ip6: Some("fd00::1".parse().unwrap()),
        fallback_udp: 30303,
        ..LocalEndpoints::default()
    };
    assert!(local.set_endpoints(NOW, endpoints).is_some());
    for number in 0..10 {
        let _ = local.add_statement(NOW, host(number), "[2a00::1]:30304".parse().unwrap());
    }
    assert_eq!(local.record().entries().udp6(), Some(30304));
    assert!(local.record().as_rlp().len() > limits::RECORD - 5);
    let refused = LocalRecord::new(key(), None, START, sized(most + 1), endpoints);
    assert_eq!(refused.err(), Some(RecordError::TooLarge));
}

#[test]
fn the_last_sequence_number_is_never_passed() {
    let refused = LocalRecord::new(
        key(),
        Some(u64::MAX),
        START,
        RecordBuilder::new(0),
        LocalEndpoints::default(),
    );
    assert_eq!(refused.err(), Some(RecordError::SequenceExhausted));
    let mut local = local(Some(u64::MAX - 1));
    assert_eq!(local.record().sequence(), u64::MAX);
    let endpoints = LocalEndpoints { fallback_udp: 1, ..LocalEndpoints::default() };
    assert_eq!(local.set_endpoints(NOW, endpoints), None);
    assert_eq!(local.record().endpoint(), Endpoint::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Numbers rise by one exactly when what is said changes.
    #[test]
    fn a_new_number_means_a_new_record(
        steps in prop::collection::vec((0..4_u8, 0..12_u8, 0..3_u8, 0..200_u64), 1..120),
    ) {
        let mut local = local(Some(1));
        let mut endpoints = LocalEndpoints::default();
        let mut now = NOW;
        let said = |record: &Record| {
            let pairs = record.entries().iter();
            pairs.map(|pair| (pair.key.to_vec(), pair.value.to_vec())).collect::<Vec<_>>()
        };
        for (step, who, what, seconds) in steps {
            let before = Arc::clone(local.record());
            now = now + Duration::from_secs(seconds / 10);
            let ip = (what != 0).then(|| Ipv4Addr::new(1, 1, 1, what));
            let new = match step {
                0 => {
                    endpoints.static_ip4 = ip;
                    local.set_endpoints(now, endpoints)
                }
                1 => {
                    endpoints.fallback_udp = what.into();
                    local.set_endpoints(now, endpoints)
                }
                2 => local.set_entries(now, RecordBuilder::new(0).uint(b"x", what.into())).unwrap(),
                _ => local.add_statement(now, host(who), SocketAddr::new([2, 2, 2, what].into(), 9)),
            };
            let changed = said(&before) != said(local.record());
            prop_assert_eq!(new, changed.then(|| before.sequence() + 1));
            prop_assert_eq!(local.record().sequence(), before.sequence() + u64::from(changed));
            let decoded = Record::decode(local.record().as_rlp()).unwrap();
            prop_assert_eq!(&decoded, &**local.record());
        }
    }
}
