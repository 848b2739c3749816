//! The thread: batches, replies, and what becomes of a database that fails.

use core::net::IpAddr;
use core::time::Duration;
use std::process::Command;
use std::sync::mpsc;

use devp2p_core::identity::NodeId;
use devp2p_core::time::UnixTime;

use super::super::scratch::{all, file, files, open, place};
use super::super::{check, dump};
use super::*;

const LIMIT: Duration = Duration::from_secs(30);

fn node(number: u64) -> NodeId {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::new(id)
}

fn times(number: u64) -> Operation {
    Operation::PutTimes {
        id: node(number),
        ip: IpAddr::from([20, 0, 0, 1]),
        last_ping: None,
        last_pong: Some(UnixTime::from_secs(1_700_000_000 + number)),
        find_failures: None,
    }
}

type Replies = Receiver<(OperationId, Reply)>;

fn started(dir: &Path) -> (Store, Replies) {
    let (send, replies) = mpsc::channel();
    let reply = move |id, reply| send.send((id, reply)).unwrap();
    (Store::open(dir, reply).unwrap(), replies)
}

/// Submits these, and waits until the last is written.
fn write(store: &Store, replies: &Replies, numbers: std::ops::RangeInclusive<u64>) {
    let last = OperationId(*numbers.end());
    for number in numbers {
        store.submit(OperationId(number), times(number)).unwrap();
    }
    loop {
        match replies.recv_timeout(LIMIT).unwrap() {
            (_, Reply::Written { up_to }) if up_to == last => break,
            (_, Reply::Written { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Entries but for the version.
fn count(dir: &Path) -> usize {
    let mut entries = 0;
    dump(dir, |(key, _)| entries += usize::from(key != VERSION_KEY)).unwrap();
    entries
}

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
    let store = Store::open(place.path(), reply).unwrap();
    for number in 0..50 {
        store.submit(OperationId(number), times(number)).unwrap();
        let (_, name) = names.recv_timeout(LIMIT).unwrap();
        assert_eq!(name.as_deref(), Some("devp2p-store"));
    }
    store.close();
}

fn aside(dir: &Path, number: u32) -> PathBuf {
    let mut name = dir.to_path_buf().into_os_string();
    name.push(format!(".damaged-{number}"));
    name.into()
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

#[test]
fn another_store_has_it_already() {
    let place = place();
    let (store, _replies) = started(place.path());
    assert!(matches!(Store::open(place.path(), |_, _| {}), Err(StoreError::Locked)));
    store.close();
    started(place.path()).0.close();
}

/// Runs a test of this file again, in a process where the system refuses
/// something. `false` where it cannot be made to.
fn again_in(wrapper: &[&str], test: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    let wrapped = |command: &[&str]| {
        let mut child = Command::new(wrapper[0]);
        child.args(&wrapper[1..]).args(command);
        child.env("STORE_TEST", test);
        child.output()
    };
    if !wrapped(&["true"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped, cannot: {wrapper:?}");
        return false;
    }
    let name = format!("store::worker::tests::{test}");
    let program = program.to_str().unwrap();
    let output = wrapped(&[program, "--exact", &name, "--nocapture"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
    true
}

fn is_inside(test: &str) -> bool {
    std::env::var("STORE_TEST").is_ok_and(|inside| inside == test)
}

fn run(command: &str, arguments: &[&str]) {
    assert!(Command::new(command).args(arguments).status().unwrap().success());
}

const NAMESPACE: &[&str] = &["unshare", "--mount"];

#[test]
fn a_directory_that_may_only_be_read_is_refused_and_left_alone() {
    const TEST: &str = "a_directory_that_may_only_be_read_is_refused_and_left_alone";
    if !is_inside(TEST) {
        again_in(NAMESPACE, TEST);
        return;
    }
    let place = place();
    let dir = place.path();
    run("mount", &["-t", "tmpfs", "none", dir.to_str().unwrap()]);
    let (store, replies) = started(dir);
    write(&store, &replies, 1..=20);
    store.close();
    run("mount", &["-o", "remount,ro", dir.to_str().unwrap()]);
    let before = files(dir);
    let error = Store::open(dir, |_, _| {}).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
    assert_eq!(files(dir), before);
    // It can be looked at all the same.
    assert_eq!((check(dir).unwrap().entries, count(dir)), (21, 20));
    run("umount", &[dir.to_str().unwrap()]);
}

#[test]
#[cfg(unix)]
fn a_directory_that_is_somebody_else_s_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    const TEST: &str = "a_directory_that_is_somebody_else_s_is_refused";
    let place = place();
    let dir = place.path();
    let mode = |mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    let (store, replies) = started(dir);
    write(&store, &replies, 1..=20);
    store.close();
    mode(0o000);
    let may = fs::read_dir(dir).is_ok();
    if may && !is_inside(TEST) {
        // The superuser, whom it takes more to refuse.
        mode(0o700);
        again_in(&["setpriv", "--bounding-set=-dac_override,-dac_read_search"], TEST);
        return;
    }
    assert!(!may);
    for bits in [0o000, 0o500] {
        mode(bits);
        fs::set_permissions(dir, fs::Permissions::from_mode(bits)).unwrap();
        let error = Store::open(dir, |_, _| {}).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly(_)), "{bits:o}: {error:?}");
    }
    mode(0o700);
    assert_eq!(count(dir), 20);
    assert!(!aside(dir, 1).exists());
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    const TEST: &str = "a_full_disk_loses_nothing_that_was_acknowledged";
    if !is_inside(TEST) {
        again_in(NAMESPACE, TEST);
        return;
    }
    let place = place();
    let disk = place.path().to_str().unwrap();
    let dir = place.path().join("nodes");
    run("mount", &["-t", "tmpfs", "-o", "size=1m", "none", disk]);
    let (store, replies) = started(&dir);
    let (mut number, mut acknowledged, mut full) = (0, Vec::new(), 0);
    // It becomes full, again and again, wherever it may be within a log, a
    // table, a manifest or CURRENT, and then larger.
    for size in (1100..6000).step_by(350) {
        loop {
            number += 1;
            store.submit(OperationId(number), times(number)).unwrap();
            match replies.recv_timeout(LIMIT).unwrap().1 {
                Reply::Written { .. } => acknowledged.push(number),
                Reply::Failed { .. } => break full += 1,
                other @ (Reply::Opened { .. } | Reply::Seeds(_) | _) => panic!("{other:?}"),
            }
        }
        run("mount", &["-o", &format!("remount,size={size}k"), disk]);
        thread::sleep(limits::STORE_RETRY / 50);
    }
    let counts = store.counts();
    assert_eq!((counts.set_aside, counts.failed), (0, full), "{counts:?}");
    store.close();
    run("mount", &["-o", "remount,size=100m", disk]);
    let mut found = std::collections::BTreeSet::new();
    dump(&dir, |(key, _)| {
        if let Some(id) = key.strip_prefix(b"n:") {
            found.insert(u64::from_be_bytes(id[..8].try_into().unwrap()));
        }
    })
    .unwrap();
    let lost = acknowledged.iter().filter(|number| !found.contains(number)).count();
    println!("{} acknowledged, {lost} lost, {full} times full", acknowledged.len());
    assert_eq!(lost, 0);
    run("umount", &[disk]);
}
