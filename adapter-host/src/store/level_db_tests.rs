//! The six rules, and an ordered map to compare with.

use std::collections::BTreeMap;
use std::fs;

use devp2p_core::entropy::Seed;

use super::super::scratch::{all, copy, entry, file, files, fill, number, open, place, put, spoil};
use super::*;

#[test]
fn it_is_an_ordered_map() {
    let mut random = Seed::from_number(7).secrets();
    let place = place();
    let mut map = BTreeMap::new();
    let mut db = open(place.path()).unwrap();
    for round in 0..3000 {
        let [action, a, b, c] = random.bytes::<4>();
        let key = |byte: u8| vec![b'k', byte / 40, byte % 40];
        match action {
            0..120 => {
                let changes = [(key(a), Some(vec![b; usize::from(c)])), (key(b), None)];
                db.write(&changes).unwrap();
                map.insert(key(a), vec![b; usize::from(c)]);
                map.remove(&key(b));
            }
            120..250 => {
                let found = map.range(key(a)..).next();
                let found = found.map(|(key, value)| (key.clone(), value.clone()));
                assert_eq!(db.seek(&key(a)).unwrap(), found, "round {round}");
            }
            _ => {
                drop(db);
                db = open(place.path()).unwrap();
                let expected: Vec<_> = map.clone().into_iter().collect();
                assert_eq!(all(&mut db).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_key_is_found_whose_neighbour_was_removed() {
    let place = place();
    let mut db = open(place.path()).unwrap();
    db.write(&[put("a", "1"), put("b", "2"), put("c", "3")]).unwrap();
    db.write(&[("b".into(), None)]).unwrap();
    drop(db);
    let mut db = open(place.path()).unwrap();
    for (from, key, value) in [("a", "a", "1"), ("b", "c", "3"), ("c", "c", "3")] {
        let found = db.seek(from.as_bytes()).unwrap();
        assert_eq!(found, Some((key.into(), value.into())));
    }
}

#[test]
fn a_key_is_found_that_the_library_s_own_get_does_not_find() {
    let place = place();
    fill(&mut open(place.path()).unwrap(), 0..2000);
    let odd = (1..2000).step_by(2);
    let removed: Vec<_> = odd.map(|key| (number(key), None)).collect();
    open(place.path()).unwrap().write(&removed).unwrap();
    // One table has them all, a newer one says that every second is gone.
    let mut db = open(place.path()).unwrap();
    let mut missed = 0;
    for key in (0..2000).step_by(2) {
        let (key, value) = entry(key);
        missed += usize::from(db.db.as_mut().unwrap().get(&key).is_none());
        assert_eq!(db.seek(&key).unwrap(), Some((key, value)));
    }
    assert!(missed > 0, "the library has been mended");
}

#[test]
fn neither_log_nor_manifest_is_written_on_after_a_restart() {
    let place = place();
    let mut logs = Vec::new();
    let mut manifests = Vec::new();
    for round in 0..4 {
        let mut db = open(place.path()).unwrap();
        fill(&mut db, round..round + 1);
        logs.push(file(place.path(), ".log"));
        manifests.push(file(place.path(), "MANIFEST"));
    }
    for names in [&mut logs, &mut manifests] {
        names.dedup();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}

#[test]
fn tables_are_compressed() {
    let place = place();
    let value = "all the same ".repeat(5000);
    open(place.path()).unwrap().write(&[put("key", &value)]).unwrap();
    drop(open(place.path()).unwrap());
    let length = fs::metadata(file(place.path(), ".ldb")).unwrap().len();
    assert!(length < 10_000, "{length}");
}

#[test]
fn what_is_written_is_synced_before_the_write_returns() {
    let place = place();
    let dir = place.path();
    let mut db = open(dir).unwrap();
    let synced = db.files.take_synced();
    let log = file(dir, ".log");
    let manifest = file(dir, "MANIFEST-000002");
    let temporary = synced.iter().rposition(|path| path.extension().is_some());
    assert_eq!(synced[temporary.unwrap()].extension().unwrap(), "dbtmp");
    assert!(synced.contains(&manifest), "{synced:?}");
    // The name CURRENT, after the file had been.
    assert_eq!(synced.last().unwrap(), dir);
    for key in 0..3 {
        fill(&mut db, key..key + 1);
        assert_eq!(db.files.take_synced(), std::slice::from_ref(&log));
    }
    db.sync = Sync::ByHand;
    fill(&mut db, 3..10);
    assert!(db.files.take_synced().is_empty());
    db.sync().unwrap();
    assert_eq!(db.files.take_synced(), [log]);
    drop(db);
    let db = open(dir).unwrap();
    assert!(db.files.take_synced().contains(&file(dir, ".ldb")));
}

#[test]
fn a_panic_is_damage_and_nothing_is_written_after_it() {
    let place = place();
    let mut db = open(place.path()).unwrap();
    db.sync = Sync::ByHand;
    fill(&mut db, 0..3);
    let log = file(place.path(), ".log");
    let error = db.call::<()>(|_, _| panic!("for the test")).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(Damage::Library)), "{error}");
    assert!(matches!(db.seek(b""), Err(StoreError::Broken)));
    assert!(matches!(db.write(&[put("a", "b")]), Err(StoreError::Broken)));
    assert!(matches!(db.sync(), Err(StoreError::Broken)));
    drop(db);
    assert_eq!(fs::metadata(log).unwrap().len(), 0);
    // It has let go of the lock all the same.
    open(place.path()).unwrap();
}

#[test]
fn after_a_file_has_failed_nothing_is_written() {
    let place = place();
    fill(&mut open(place.path()).unwrap(), 0..100);
    let mut db = open(place.path()).unwrap();
    db.sync = Sync::ByHand;
    fill(&mut db, 100..103);
    let table = fs::OpenOptions::new().write(true).open(file(place.path(), ".ldb")).unwrap();
    table.set_len(table.metadata().unwrap().len() / 2).unwrap();
    let before = files(place.path());
    let error = db.seek(b"").unwrap_err();
    assert!(matches!(error, StoreError::Damaged(Damage::Table(_))), "{error}");
    assert!(matches!(db.write(&[put("a", "b")]), Err(StoreError::Broken)));
    assert!(matches!(db.sync(), Err(StoreError::Broken)));
    drop(db);
    assert_eq!(files(place.path()), before);
    assert_eq!(fs::metadata(file(place.path(), ".log")).unwrap().len(), 0);
}

#[test]
fn a_panic_inside_the_library_is_damage() {
    let place = place();
    fill(&mut open(place.path()).unwrap(), 0..100);
    drop(open(place.path()).unwrap());
    spoil(&file(place.path(), ".ldb"));
    let mut db = open(place.path()).unwrap();
    let library = db.db.as_mut().unwrap();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| library.new_iter().unwrap().seek(b"")));
    assert!(panicked.is_err());
    drop(db);
    let mut db = open(place.path()).unwrap();
    let error = db.seek(b"").unwrap_err();
    assert!(matches!(error, StoreError::Damaged(Damage::Library)), "{error}");
    assert!(matches!(db.seek(b""), Err(StoreError::Broken)));
}

#[test]
fn a_database_without_current_is_damaged_and_left_alone() {
    let place = place();
    let mut db = open(place.path()).unwrap();
    fill(&mut db, 0..3);
    drop(db);
    fs::remove_file(place.path().join("CURRENT")).unwrap();
    let before = files(place.path());
    let error = open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(Damage::NoCurrent)), "{error}");
    assert_eq!(files(place.path()), before);
    // A first start that was interrupted is no damage.
    let fresh = copy(place.path());
    for path in files(fresh.path()) {
        if !path.to_str().unwrap().contains("MANIFEST") {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(all(&mut open(fresh.path()).unwrap()).unwrap().is_empty());
}

#[test]
fn only_one_has_it_open() {
    let place = place();
    let db = open(place.path()).unwrap();
    assert!(matches!(open(place.path()), Err(StoreError::Locked)));
    drop(db);
    open(place.path()).unwrap();
}

#[test]
fn as_much_as_many_tables_hold_is_found_again() {
    let place = place();
    let mut db = LevelDb::open(place.path(), Sync::ByHand).unwrap();
    // Each number twice, and incompressible, so that there are compactions.
    let mut random = Seed::from_number(9).secrets();
    let mut expected = BTreeMap::new();
    for round in 0..2 {
        for key in 0..12_000 {
            let value = [random.bytes::<32>(); 1].concat().repeat(8);
            let value = value.iter().map(|byte| byte ^ random.bytes::<1>()[0]).collect::<Vec<_>>();
            let key = entry(key * 7919 % 12_000 + round).0;
            db.write(&[(key.clone(), Some(value.clone()))]).unwrap();
            expected.insert(key, value);
        }
    }
    assert!(
        files(place.path()).iter().filter(|file| file.extension() == Some("ldb".as_ref())).count()
            > 1
    );
    let expected: Vec<_> = expected.into_iter().collect();
    assert!(all(&mut db).unwrap() == expected);
    drop(db);
    assert!(all(&mut open(place.path()).unwrap()).unwrap() == expected);
}
