//! Databases that are not what was once written.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use devp2p_core::store::Entry;

use super::scratch::{all, copy, entry, file, files, fill, open, place};
use super::{Damage, LevelDb, StoreError, check};

/// Twenty entries in a table, and ten in a log.
fn database() -> tempfile::TempDir {
    let place = place();
    fill(&mut open(place.path()).unwrap(), 0..20);
    fill(&mut open(place.path()).unwrap(), 20..30);
    place
}

fn entries(keys: std::ops::Range<usize>) -> Vec<Entry> {
    keys.map(entry).collect()
}

fn open_and_read(dir: &Path) -> Result<(LevelDb, Vec<Entry>), StoreError> {
    let mut db = open(dir)?;
    let entries = all(&mut db)?;
    Ok((db, entries))
}

#[test]
fn of_a_log_that_was_cut_off_all_whole_records_are_there() {
    let original = database();
    let log = fs::read(file(original.path(), ".log")).unwrap();
    // 7 bytes of header, 12 of a batch, and what an entry takes.
    let record = log.len() / 10;
    for length in 0..log.len() {
        let cut = copy(original.path());
        fs::write(file(cut.path(), ".log"), &log[..length]).unwrap();
        let report = check(cut.path()).unwrap();
        let (db, found) = open_and_read(cut.path()).unwrap();
        let whole = length / record;
        assert_eq!(found, entries(0..20 + whole), "cut at {length}");
        assert_eq!(db.torn(), (length - whole * record) as u64);
        assert_eq!((report.torn, report.entries), (db.torn(), found.len()));
        drop(db);
        // And once opened it is in order again.
        assert_eq!(open_and_read(cut.path()).unwrap().0.torn(), 0);
    }
}

/// Flips each bit pattern in each byte of a file: that is said, or all is there.
fn flip_each_byte_of(name: &str) -> [usize; 3] {
    let original = database();
    let name = file(original.path(), name);
    let bytes = fs::read(&name).unwrap();
    let mut outcomes = [0; 3];
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let flipped = copy(original.path());
            let mut bytes = bytes.clone();
            bytes[at] ^= mask;
            fs::write(flipped.path().join(name.file_name().unwrap()), bytes).unwrap();
            let before = files(flipped.path()).len();
            match open_and_read(flipped.path()) {
                Ok((db, _)) if db.torn() > 0 => outcomes[1] += 1,
                Ok((_, found)) => {
                    assert_eq!(found, entries(0..30), "byte {at} ^ {mask:#x}");
                    outcomes[2] += 1;
                }
                Err(StoreError::Damaged(_)) => {
                    assert!(files(flipped.path()).len() >= before);
                    outcomes[0] += 1;
                }
                Err(error) => panic!("byte {at} ^ {mask:#x}: {error:?}"),
            }
        }
    }
    println!("{name:?}: damaged, torn, nothing lost: {outcomes:?}");
    outcomes
}

#[test]
fn a_flipped_byte_in_a_log_is_not_overlooked() {
    let [damaged, torn, whole] = flip_each_byte_of(".log");
    // Only in the last of ten records does it look like an interruption.
    assert!(damaged >= 8 * torn && whole == 0, "{damaged} {torn} {whole}");
}

#[test]
fn a_flipped_byte_in_a_table_is_not_overlooked() {
    let [damaged, torn, whole] = flip_each_byte_of(".ldb");
    // The padding of the footer means nothing.
    assert!(torn == 0 && whole <= 3 * 40, "{damaged} {torn} {whole}");
}

#[test]
fn a_flipped_byte_in_a_manifest_is_not_overlooked() {
    let [damaged, _, whole] = flip_each_byte_of("MANIFEST");
    assert!(damaged > 0 && whole == 0, "{damaged} {whole}");
}

#[test]
fn a_flipped_byte_in_current_is_not_overlooked() {
    let [damaged, torn, whole] = flip_each_byte_of("CURRENT");
    assert!(damaged > 0 && torn == 0 && whole == 0, "{damaged} {torn} {whole}");
}

#[test]
fn a_missing_file_has_its_name() {
    let original = database();
    type Expected = fn(u64) -> Damage;
    for (name, expected) in [
        ("CURRENT", (|_| Damage::NoCurrent) as Expected),
        ("MANIFEST", |_| Damage::Current),
        (".log", Damage::NoLog),
        (".ldb", Damage::NoTable),
    ] {
        let place = copy(original.path());
        let missing = file(place.path(), name);
        fs::remove_file(&missing).unwrap();
        let error = open(place.path()).unwrap_err();
        let StoreError::Damaged(damage) = error else { panic!("{name}: {error:?}") };
        let number = missing.file_stem().unwrap().to_str().unwrap().parse().unwrap_or(0);
        assert_eq!(damage, expected(number));
        assert_eq!(check(place.path()).unwrap().error.unwrap().to_string(), damaged(damage));
    }
}

fn damaged(damage: Damage) -> String {
    StoreError::Damaged(damage).to_string()
}

#[test]
fn looking_changes_nothing() {
    let original = database();
    let state = |dir: &Path| {
        let read =
            |file| (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
        files(dir).into_iter().map(|file| (file.clone(), read(file))).collect::<Vec<_>>()
    };
    let before = state(original.path());
    let report = check(original.path()).unwrap();
    assert_eq!((report.entries, report.tables, report.records, report.torn), (30, 1, 10, 0));
    assert!(report.error.is_none());
    let mut found = Vec::new();
    let visit = |entry| {
        found.push(entry);
        ControlFlow::Continue(())
    };
    super::dump(original.path(), visit).unwrap();
    assert_eq!(found, entries(0..30));
    assert!(state(original.path()) == before);
    let db = open(original.path()).unwrap();
    assert!(matches!(check(original.path()), Err(StoreError::Locked)));
    drop(db);
    assert!(matches!(check(&original.path().join("nowhere")), Err(StoreError::Io(_))));
}
