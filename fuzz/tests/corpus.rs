//! Replays all corpora and seeds: whatever was found once must never come back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests, too, may panic")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use devp2p_fuzz::TARGETS;

#[path = "../examples/seeds.rs"]
#[allow(dead_code, reason = "it is a program as well")]
mod seeds;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let folder = folder("corpus").join(target);
    let names = names(&folder);
    assert!(!names.is_empty(), "{folder:?} is empty");
    let failed = |name: &String| {
        let input = fs::read(folder.join(name)).unwrap();
        catch_unwind(|| run(&input)).is_err()
    };
    let failed: Vec<String> = names.into_iter().filter(failed).collect();
    assert!(failed.is_empty(), "in {folder:?}: {failed:?}");
}

macro_rules! replay {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replay!(
    ack,
    auth,
    database_value,
    datagram,
    disconnect,
    discovery,
    enode,
    frames,
    gateway,
    hello,
    node,
    packet,
    record,
    session_accept,
    session_chunks,
    session_dial,
    session_pair,
    snappy,
    stun
);

#[test]
fn every_target_has_a_program_a_corpus_and_a_replay() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, REPLAYED);
    let programs: Vec<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder("fuzz_targets")), programs);
    assert_eq!(names(&folder("corpus")), targets);
}

#[test]
fn all_seeds_pass_and_every_target_has_some() {
    let seeds = seeds::seeds();
    for (name, run) in TARGETS {
        let mut inputs = seeds.iter().filter(|(target, _)| *target == name).peekable();
        assert!(inputs.peek().is_some(), "{name}");
        inputs.for_each(|(_, input)| run(input));
    }
}

#[test]
fn no_input_at_all_is_an_input_too() {
    for (_, run) in TARGETS {
        run(&[]);
    }
}
