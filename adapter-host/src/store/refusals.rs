//! What the system refuses: to write, to find room, to share.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use devp2p_core::limits;
use devp2p_core::store::{OperationId, Reply};

use super::scratch::{LIMIT, Replies, aside, count, files, place, started, times, write};
use super::{Store, StoreError, check, dump};

#[test]
fn another_store_has_it_already() {
    let place = place();
    let (store, _replies) = started(place.path());
    assert!(matches!(Store::open(place.path(), |_, _| {}), Err(StoreError::Locked)));
    store.close();
    started(place.path()).0.close();
}

/// This program, to run one test of this file again in a process that `wrapper`
/// starts; or `None` where the system has no such thing.
fn again_in(wrapper: &[&str], test: &str, disk: &Path) -> Option<Command> {
    let wrapped = |command: &str| {
        let mut words = wrapper.iter().copied().chain([command]);
        let mut child = Command::new(words.next().unwrap());
        child.args(words).env("STORE_TEST", test).env("STORE_DISK", disk);
        child
    };
    if !wrapped("true").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut command = wrapped(std::env::current_exe().unwrap().to_str().unwrap());
    command.args(["--exact", &format!("store::refusals::{test}"), "--nocapture"]);
    Some(command)
}

/// Set where a system without namespaces is a failure, and not somebody's own.
const REQUIRE_NAMESPACES: &str = "DEVP2P_REQUIRE_NAMESPACES";

/// Runs a test again by the first of these that the system has.
fn run_again_in(wrappers: &[&[&str]], test: &str) {
    let disk = place();
    let mut commands = wrappers.iter().filter_map(|wrapper| again_in(wrapper, test, disk.path()));
    let Some(mut command) = commands.next() else {
        assert!(
            std::env::var_os(REQUIRE_NAMESPACES).is_none(),
            "this system has none of {wrappers:?}, and {REQUIRE_NAMESPACES} is set"
        );
        eprintln!("skipped, this system has none of {wrappers:?}");
        return;
    };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

fn is_inside(test: &str) -> bool {
    std::env::var("STORE_TEST").is_ok_and(|inside| inside == test)
}

/// With a disk of its own at `STORE_DISK`, as the superuser and as anybody.
const WITH_DISK: &[&[&str]] = &[
    &["unshare", "--mount", "sh", "-c", MOUNT, "sh"],
    &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"],
];
const MOUNT: &str = r#"mount -t tmpfs -o size=8m none "$STORE_DISK" && exec "$@""#;

fn disk() -> PathBuf {
    std::env::var_os("STORE_DISK").unwrap().into()
}

#[test]
fn a_directory_that_may_only_be_read_is_refused_and_left_alone() {
    const TEST: &str = "a_directory_that_may_only_be_read_is_refused_and_left_alone";
    if !is_inside(TEST) {
        run_again_in(WITH_DISK, TEST);
        return;
    }
    let dir = &*disk();
    let (store, replies) = started(dir);
    write(&store, &replies, 1..=20);
    store.close();
    let status = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(dir).status();
    assert!(status.unwrap().success());
    let before = files(dir);
    let error = Store::open(dir, |_, _| {}).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
    assert_eq!(files(dir), before);
    // It can be looked at all the same.
    assert_eq!((check(dir).unwrap().entries, count(dir)), (21, 20));
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
        run_again_in(&[&["setpriv", "--bounding-set=-dac_override,-dac_read_search"]], TEST);
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
        run_again_in(WITH_DISK, TEST);
        return;
    }
    let dir = disk().join("nodes");
    let mut ballast = File::create(disk().join("ballast")).unwrap();
    ballast.write_all(&vec![1; 7 << 20]).unwrap();
    let (store, replies) = started(&dir);
    let (mut number, mut acknowledged, mut full) = (0, Vec::new(), 0);
    // It becomes full, again and again, while a log is written or a table of
    // it; then there is a little more room, too little for either at times.
    let mut room = 1 << 20;
    for more in [4, 8, 60, 700, 16, 1200, 300, 2000] {
        write_until_it_fails(&store, &replies, &mut number, &mut acknowledged);
        full += 1;
        room += more << 10;
        ballast.set_len((8 << 20) - room).unwrap();
        // Until then it is not tried again.
        thread::sleep(limits::STORE_RETRY);
    }
    let counts = store.counts();
    assert_eq!((counts.set_aside, counts.failed), (0, full), "{counts:?}");
    store.close();
    assert_eq!(lost(&dir, &acknowledged), 0);
    println!("{} acknowledged, {full} times full", acknowledged.len());
}

fn write_until_it_fails(
    store: &Store,
    replies: &Replies,
    number: &mut u64,
    acknowledged: &mut Vec<u64>,
) {
    loop {
        *number += 1;
        store.submit(OperationId(*number), times(*number)).unwrap();
        match replies.recv_timeout(LIMIT).unwrap() {
            (_, Reply::Written { .. }) => acknowledged.push(*number),
            (_, Reply::Failed { .. }) => return,
            other => panic!("{other:?}"),
        }
    }
}

/// How many of these numbers are not there.
fn lost(dir: &Path, numbers: &[u64]) -> usize {
    let mut found = BTreeSet::new();
    let visit = |(key, _): (Vec<u8>, Vec<u8>)| {
        if let Some(id) = key.strip_prefix(b"n:") {
            found.insert(u64::from_be_bytes(id[..8].try_into().unwrap()));
        }
        ControlFlow::Continue(())
    };
    dump(dir, visit).unwrap();
    numbers.iter().filter(|number| !found.contains(number)).count()
}

#[test]
fn a_file_that_may_not_grow_loses_nothing_that_was_acknowledged() {
    const TEST: &str = "a_file_that_may_not_grow_loses_nothing_that_was_acknowledged";
    if !is_inside(TEST) {
        // 100 KiB, and an error rather than a signal for who wants more.
        let limit = r#"trap "" XFSZ; ulimit -f 200; exec "$@""#;
        run_again_in(&[&["sh", "-c", limit, "sh"]], TEST);
        return;
    }
    let place = place();
    let (store, replies) = started(place.path());
    let (mut number, mut acknowledged) = (0, Vec::new());
    for _ in 0..3 {
        write_until_it_fails(&store, &replies, &mut number, &mut acknowledged);
        // Then it is tried again, with a new log.
        thread::sleep(limits::STORE_RETRY);
    }
    let counts = store.counts();
    assert_eq!((counts.failed, counts.set_aside), (3, 0), "{counts:?}");
    store.close();
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
    assert_eq!(lost(place.path(), &acknowledged), 0);
}

/// A process that has a store open until its input ends.
struct Other {
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Other {
    fn start(test: &str, dir: &Path) -> Self {
        let mut command = again_in(&["env"], test, dir).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("it is open") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it did not open");
        }
        Self { child, _output: output }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    const TEST: &str = "a_second_process_is_refused_until_the_first_has_ended";
    if is_inside(TEST) {
        let (store, replies) = started(&disk());
        write(&store, &replies, 1..=20);
        println!("it is open");
        let _ = std::io::stdin().read_line(&mut String::new());
        store.close();
        return;
    }
    let place = place();
    let dir = place.path().join("nodes");
    let mut first = Other::start(TEST, &dir);
    let before = files(&dir);
    for _ in 0..3 {
        let error = Store::open(&dir, |_, _| {}).unwrap_err();
        assert!(matches!(error, StoreError::Locked), "{error:?}");
        assert_eq!(error.to_string(), "node database is in use by another process");
        assert!(matches!(check(&dir), Err(StoreError::Locked)));
    }
    assert_eq!(files(&dir), before);
    assert!(!aside(&dir, 1).exists());
    drop(first.child.stdin.take());
    assert!(first.child.wait().unwrap().success());
    assert_eq!(count(&dir), 20);
    // Nor does one that was killed keep it.
    drop(Other::start(TEST, &dir));
    let (store, _replies) = started(&dir);
    assert_eq!(store.counts().set_aside, 0);
    store.close();
    assert_eq!(count(&dir), 20);
}
