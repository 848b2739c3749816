//! The thread: batches, replies, and what becomes of a database that fails.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::mpsc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::{Contact, NodeId, RecordBuilder};
use devp2p_core::store::{Field, Key, encode_signed};
use devp2p_core::time::UnixTime;

use super::super::check;
use super::super::scratch::{
    LIMIT, Replies, all, aside, count, file, files, node, open, place, spoil, started, times, write,
};
use super::*;

#[test]
fn what_is_acknowledged_is_there_after_the_end() {
    let place = place();
    let dir = place.path().join("a folder/nodes");
    let (store, replies) = started(&dir);
    write(&store, &replies, 1..=500);
    store.close();
    assert!(replies.recv().is_err(), "the thread has ended");
    assert_eq!(count(&dir), 500);
    let (store, replies) = started(&dir);
    write(&store, &replies, 501..=600);
    assert_eq!(store.counts(), StoreCounts::default());
    store.close();
    assert_eq!(count(&dir), 600);
}

#[test]
fn what_waits_is_done_before_it_ends() {
    let place = place();
    let (store, replies) = started(place.path());
    for number in 1..=1000 {
        store.submit(OperationId(number), times(number)).unwrap();
    }
    store.close();
    let last = replies.try_iter().last().unwrap();
    assert_eq!(last.1, Reply::Written { up_to: OperationId(1000) });
    assert_eq!(count(place.path()), 1000);
}

#[test]
fn what_comes_together_is_synced_together_and_too_much_is_refused() {
    let place = place();
    // It waits in its first reply.
    let (go, wait) = mpsc::channel::<()>();
    let (send, replies) = mpsc::channel();
    let reply = move |id, reply| {
        send.send((id, reply)).unwrap();
        let _ = wait.recv_timeout(LIMIT);
    };
    let store = Store::open(place.path(), reply).unwrap();
    store.submit(OperationId(0), times(0)).unwrap();
    replies.recv_timeout(LIMIT).unwrap();
    let taken = (1..).find(|number| store.submit(OperationId(*number), times(*number)).is_err());
    let taken = taken.unwrap() - 1;
    assert_eq!(taken, limits::STORE_OPERATIONS as u64);
    drop(go);
    store.close();
    let written: Vec<_> = replies.iter().collect();
    assert_eq!(written.len(), limits::STORE_OPERATIONS / limits::STORE_BATCH);
    assert_eq!(written.last().unwrap().1, Reply::Written { up_to: OperationId(taken) });
    assert_eq!(count(place.path()), limits::STORE_OPERATIONS + 1);
}

#[test]
fn all_happens_on_one_thread_of_its_own() {
    let place = place();
    let (send, names) = mpsc::channel();
    let reply = move |_, _| {
        let thread = thread::current();
        send.send((thread.id(), thread.name().map(String::from))).unwrap();
    };
    let mut threads = std::collections::BTreeSet::new();
    let store = Store::open(place.path(), reply).unwrap();
    for number in 0..50 {
        store.submit(OperationId(number), times(number)).unwrap();
        let (thread, name) = names.recv_timeout(LIMIT).unwrap();
        assert_eq!(name.as_deref(), Some("devp2p-store"));
        threads.insert(format!("{thread:?}"));
    }
    store.close();
    assert_eq!(threads.len(), 1);
}

#[test]
fn a_damaged_database_is_set_aside_counted_and_replaced() {
    let place = place();
    let dir = place.path().join("nodes");
    for round in 1..=3 {
        let (store, replies) = started(&dir);
        assert_eq!(store.counts().set_aside, u64::from(round > 1));
        write(&store, &replies, 1..=20);
        store.close();
        let log = file(&dir, ".log");
        let mut bytes = fs::read(&log).unwrap();
        bytes[30] ^= 1;
        fs::write(&log, bytes).unwrap();
    }
    assert!(matches!(check(&dir).unwrap().error, Some(StoreError::Damaged(Damage::Log { .. }))));
    for number in 1..=2 {
        assert!(check(&aside(&dir, number)).unwrap().error.is_some());
        assert_eq!(fs::metadata(file(&aside(&dir, number), ".log")).unwrap().len(), {
            fs::metadata(file(&dir, ".log")).unwrap().len()
        });
    }
    assert!(!aside(&dir, 3).exists());
}

#[test]
fn damage_found_at_work_loses_no_operation() {
    let place = place();
    let dir = place.path().join("nodes");
    let (store, replies) = started(&dir);
    write(&store, &replies, 1..=1000);
    store.close();
    let (store, replies) = started(&dir);
    // All is in a table now, which is read when something is looked for.
    let table = fs::OpenOptions::new().write(true).open(file(&dir, "000005.ldb"));
    let length = table.as_ref().unwrap().metadata().unwrap().len();
    table.unwrap().set_len(length / 2).unwrap();
    store.submit(OperationId(100), Operation::Expire).unwrap();
    write(&store, &replies, 101..=110);
    assert_eq!(store.counts().set_aside, 1);
    store.close();
    assert_eq!(count(&dir), 10);
    assert!(aside(&dir, 1).is_dir());
}

#[test]
fn a_database_of_another_version_is_set_aside() {
    let place = place();
    let dir = place.path().join("nodes");
    open(&dir).unwrap().write(&[(VERSION_KEY.into(), Some(vec![16]))]).unwrap();
    let (store, replies) = started(&dir);
    write(&store, &replies, 1..=3);
    assert_eq!(store.counts().set_aside, 1);
    store.close();
    let kept = all(&mut open(&aside(&dir, 1)).unwrap()).unwrap();
    assert_eq!(kept, [(VERSION_KEY.to_vec(), vec![16])]);
    let entry = all(&mut open(&dir).unwrap()).unwrap().pop().unwrap();
    assert_eq!(entry, (VERSION_KEY.to_vec(), VERSION.to_vec()));
}

#[test]
fn there_is_an_end_to_setting_aside() {
    let place = place();
    let dir = place.path().join("nodes");
    for number in 1..=limits::STORE_SET_ASIDE {
        fs::create_dir(aside(&dir, number)).unwrap();
    }
    open(&dir).unwrap();
    fs::write(dir.join("CURRENT"), "").unwrap();
    let error = Store::open(&dir, |_, _| {}).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(Damage::Current)), "{error}");
    assert!(files(&dir).len() > 1);
}

#[test]
fn a_torn_log_is_counted_and_kept() {
    let place = place();
    let (store, replies) = started(place.path());
    for number in 1..=20 {
        write(&store, &replies, number..=number);
    }
    store.close();
    let log = file(place.path(), ".log");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    let (store, replies) = started(place.path());
    let counts = store.counts();
    assert!(counts.torn > 50 && counts.set_aside == 0, "{counts:?}");
    write(&store, &replies, 30..=30);
    store.close();
    assert_eq!(count(place.path()), 20);
}

fn ask(store: &Store, replies: &Replies, operation: Operation) -> Reply {
    store.submit(OperationId(u64::MAX), operation).unwrap();
    loop {
        let (id, reply) = replies.recv_timeout(LIMIT).unwrap();
        if id == OperationId(u64::MAX) {
            return reply;
        }
    }
}

#[test]
fn a_database_without_current_is_set_aside_whole_and_a_new_one_begun() {
    let place = place();
    let dir = place.path().join("nodes");
    let (store, replies) = started(&dir);
    write(&store, &replies, 1..=20);
    store.close();
    let current = fs::read(dir.join("CURRENT")).unwrap();
    fs::remove_file(dir.join("CURRENT")).unwrap();
    let names = |dir: &Path| {
        files(dir).iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = names(&dir);
    let (store, replies) = started(&dir);
    assert_eq!(store.counts().set_aside, 1);
    write(&store, &replies, 21..=22);
    store.close();
    assert_eq!((names(&aside(&dir, 1)), count(&dir)), (before, 2));
    // Nothing is lost for whoever can mend it.
    fs::write(aside(&dir, 1).join("CURRENT"), current).unwrap();
    assert_eq!(count(&aside(&dir, 1)), 20);
}

#[test]
fn a_panic_of_the_library_sets_the_database_aside_and_loses_no_operation() {
    let place = place();
    let dir = place.path().join("nodes");
    let (store, replies) = started(&dir);
    write(&store, &replies, 1..=100);
    store.close();
    drop(open(&dir).unwrap());
    spoil(&file(&dir, ".ldb"));
    let (store, replies) = started(&dir);
    store.submit(OperationId(100), Operation::Expire).unwrap();
    write(&store, &replies, 101..=110);
    assert_eq!(store.counts().set_aside, 1);
    store.close();
    assert_eq!(count(&dir), 10);
    let error = check(&aside(&dir, 1)).unwrap().error;
    assert!(matches!(error, Some(StoreError::Damaged(Damage::Library))), "{error:?}");
}

#[test]
fn damaged_values_are_passed_over_and_counted() {
    let place = place();
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let ip = IpAddr::from([20, 0, 0, 1]);
    let record = RecordBuilder::new(3).ip(ip).udp(30303).sign(&key).unwrap();
    let contact = Contact::from_record(Arc::new(record));
    let now = Clock::start().now().unix;
    let pong = |id| Operation::PutTimes {
        id,
        ip,
        last_ping: None,
        last_pong: Some(now),
        find_failures: None,
    };
    let other = NodeId::new([0xa0; 32]);
    let (store, replies) = started(place.path());
    ask(&store, &replies, Operation::PutContact(contact.clone()));
    ask(&store, &replies, pong(*contact.id()));
    ask(&store, &replies, pong(other));
    store.close();
    let forged = contact.record().unwrap().as_rlp().to_vec();
    open(place.path())
        .unwrap()
        .write(&[
            (Key::Record(other).encode(), Some(forged)),
            (Key::Record(NodeId::new([0x50; 32])).encode(), Some(b"no record".to_vec())),
            (Key::Item(node(3), ip, Field::LastPong).encode(), Some(vec![0x80])),
            (Key::LocalSequence(node(4)).encode(), Some(vec![0xff; 20])),
        ])
        .unwrap();
    let (store, replies) = started(place.path());
    let opened = ask(&store, &replies, Operation::Open { local: node(4) });
    let Reply::Opened { sequence: None, bonds } = opened else { panic!("{opened:?}") };
    assert_eq!(bonds.len(), 2);
    assert_eq!((store.counts().skipped.records, store.counts().skipped.numbers), (0, 2));
    let seeds = Operation::Seeds { count: 30, max_age: Duration::from_secs(60), draw: [1; 32] };
    assert_eq!(ask(&store, &replies, seeds), Reply::Seeds(vec![contact]));
    assert!(store.counts().skipped.records >= 2, "{:?}", store.counts());
    assert_eq!(store.counts().set_aside, 0);
    store.close();
    let report = check(place.path()).unwrap();
    assert!(report.error.is_none());
    assert_eq!((report.skipped.records, report.skipped.numbers, report.nodes), (2, 2, 3));
}

#[test]
fn a_sweep_forgets_on_disk_what_has_not_answered_for_a_day() {
    let place = place();
    let (store, replies) = started(place.path());
    let now = Clock::start().now().unix.as_secs();
    let day = limits::STORED_LIFE.as_secs();
    for number in 0..1000 {
        let age = if number % 10 == 0 { day - 600 } else { day + 600 };
        let operation = Operation::PutTimes {
            id: node(number),
            ip: IpAddr::from([20, 0, 0, 1]),
            last_ping: Some(UnixTime::from_secs(now)),
            last_pong: Some(UnixTime::from_secs(now - age)),
            find_failures: Some(1),
        };
        store.submit(OperationId(number), operation).unwrap();
    }
    ask(&store, &replies, Operation::Expire);
    store.close();
    assert_eq!(count(place.path()), 100 * 3);
}

#[test]
fn what_was_swept_stays_forgotten_after_a_restart() {
    let place = place();
    let old = Key::Item(node(1), IpAddr::from([20, 0, 0, 1]), Field::LastPong).encode();
    open(place.path()).unwrap().write(&[(old, Some(encode_signed(1_000_000)))]).unwrap();
    let (store, replies) = started(place.path());
    ask(&store, &replies, Operation::Expire);
    store.close();
    started(place.path()).0.close();
    assert_eq!(count(place.path()), 0);
}
