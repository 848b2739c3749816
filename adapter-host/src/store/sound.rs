//! Whether a database is what was once written, before the library sees it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use devp2p_core::limits;

use super::batch;
use super::error::{Damage, StoreError};
use super::files::is_table;
use super::journal::{self, End};
use super::manifest::Manifest;

/// A database whose manifest and logs are in order.
#[derive(Default, Debug)]
pub(super) struct Sound {
    /// Bytes at the ends of logs that are not a whole record.
    pub(super) torn: u64,
    /// The tables.
    pub(super) tables: Vec<u64>,
    /// Records in logs.
    pub(super) records: usize,
    /// All that is needed of it besides the tables: `CURRENT`, the manifest, and
    /// logs.
    pub(super) files: Vec<PathBuf>,
}

/// Reads `CURRENT`, the manifest and the logs of the database in `dir`.
/// `None` if there is none yet.
pub(super) fn inspect(dir: &Path) -> Result<Option<Sound>, StoreError> {
    let (logs, tables) = numbered(dir)?;
    let current = match fs::read(dir.join("CURRENT")) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A manifest alone is what an interrupted first start leaves.
            let empty = logs.is_empty() && tables.is_empty();
            return if empty { Ok(None) } else { Err(Damage::NoCurrent.into()) };
        }
        Err(error) => return Err(error.into()),
    };
    let path = dir.join(manifest_name(&current).ok_or(Damage::Current)?);
    let file = match bounded(&path) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(Damage::Manifest { offset: 0 }.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Damage::Current.into());
        }
        Err(error) => return Err(error.into()),
    };
    let (manifest, end) = Manifest::read(&file);
    let mut sound = Sound { files: vec![dir.join("CURRENT"), path], ..Sound::default() };
    match end {
        End::Whole => {}
        // A change of tables that was interrupted: what it replaces is still
        // there, or the next checks fail.
        End::Torn(offset) => sound.torn += (file.len() - offset) as u64,
        End::Damaged(offset) => return Err(Damage::Manifest { offset: offset as u64 }.into()),
    }
    check_tables(&manifest, &tables, &mut sound)?;
    check_logs(&manifest, &logs, &mut sound)?;
    Ok(Some(sound))
}

/// Numbers and files.
type Numbered = BTreeMap<u64, PathBuf>;

/// Logs and tables that are there.
fn numbered(dir: &Path) -> io::Result<(Numbered, Numbered)> {
    let (mut logs, mut tables) = (BTreeMap::new(), BTreeMap::new());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let Some(number) = number else { continue };
        if is_table(&path) {
            tables.insert(number, path);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            logs.insert(number, path);
        }
    }
    Ok((logs, tables))
}

fn manifest_name(current: &[u8]) -> Option<&str> {
    let name = str::from_utf8(current.strip_suffix(b"\n")?).ok()?;
    let number = name.strip_prefix("MANIFEST-")?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())).then_some(name)
}

/// The bytes of a file; `None` if they are too many.
fn bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let limit = limits::STORE_LOG as u64;
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn check_tables(
    manifest: &Manifest,
    tables: &Numbered,
    sound: &mut Sound,
) -> Result<(), StoreError> {
    for ((_, number), size) in &manifest.tables {
        let path = tables.get(number).ok_or(Damage::NoTable(*number))?;
        if fs::metadata(path)?.len() != *size {
            return Err(Damage::Table(*number).into());
        }
        sound.tables.push(*number);
    }
    Ok(())
}

fn check_logs(manifest: &Manifest, logs: &Numbered, sound: &mut Sound) -> Result<(), StoreError> {
    let first = manifest.log.unwrap_or_default();
    // 0 stands in the first manifest of all, before there is a log.
    if first != 0 && !logs.contains_key(&first) {
        return Err(Damage::NoLog(first).into());
    }
    for (&number, path) in logs.range(first..) {
        let damaged = |offset: usize| Damage::Log { number, offset: offset as u64 };
        let file = bounded(path)?.ok_or_else(|| damaged(0))?;
        let end = journal::read(&file, |record| {
            sound.records += 1;
            batch::is_whole(record)
        });
        match end {
            End::Whole => {}
            End::Torn(offset) => sound.torn += (file.len() - offset) as u64,
            End::Damaged(offset) => return Err(damaged(offset).into()),
        }
        sound.files.push(path.clone());
    }
    Ok(())
}
