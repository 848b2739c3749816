//! The node database against `kill -9`, and against a directory that geth wrote.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use devp2p_core::entropy::Seed;
use devp2p_host::store;

/// `KILLS=200 cargo test -p devp2p-tests --test node_database`
fn kills() -> usize {
    std::env::var("KILLS").map_or(25, |kills| kills.parse().unwrap())
}

/// Lets a process write from a number on, kills it that long after it was started
/// or, if `begun`, after it has said something for the first time,
/// and gives the last number that it said to be durable.
fn hammer(folder: &Path, from: u64, begun: bool, after: Duration) -> Option<u64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_node_database"))
        .arg("hammer")
        .arg(folder)
        .arg(from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.split(b'\n') {
            send.send(String::from_utf8(line.unwrap()).unwrap()).unwrap();
        }
    });
    // Some while it opens the database, most while it writes.
    let first = begun.then(|| lines.recv_timeout(Duration::from_secs(60)).unwrap());
    std::thread::sleep(after);
    assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut off; what it says is then less than was said.
    reader.join().unwrap();
    first.into_iter().chain(lines).filter_map(|number| number.parse().ok()).max()
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nodes");
    let mut random = Seed::from_number(3).secrets();
    let (mut acknowledged, mut torn, mut idle) = (0, 0, 0);
    for kill in 0..kills() {
        let [after, choice] = random.bytes::<2>();
        let after = Duration::from_micros(u64::from(after) * 200);
        match hammer(&folder, acknowledged + 1, choice > 64, after) {
            Some(last) => acknowledged = last,
            None => idle += 1,
        }
        if !folder.join("CURRENT").exists() && acknowledged == 0 {
            continue;
        }
        let report = store::check(&folder).unwrap();
        assert!(report.error.is_none(), "kill {kill}: {report:?}");
        torn += usize::from(report.torn > 0);
        let mut found = BTreeSet::new();
        store::dump(&folder, |(key, _)| {
            if let Some(id) = key.strip_prefix(b"n:") {
                found.insert(u64::from_be_bytes(id[..8].try_into().unwrap()));
            }
        })
        .unwrap();
        let lost = (1..=acknowledged).filter(|number| !found.contains(number)).count();
        assert_eq!(lost, 0, "kill {kill}, {acknowledged} acknowledged");
    }
    let beside: Vec<PathBuf> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside, [folder], "a database was set aside");
    println!(
        "{} kills, {acknowledged} acknowledged, none lost; {torn} torn logs, {idle} times \
         killed before the first one",
        kills()
    );
    assert!(acknowledged > 0);
}
