//! The files under LevelDB: synced when the library flushes, checked when it
//! reads, and left alone after the first failure.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use core::time::Duration;

use rusty_leveldb::env::{Env, FileLock, Logger, RandomAccess};
use rusty_leveldb::{Status, StatusCode};

use super::error::{Damage, StoreError};
use super::table::{Table, TableError};

type Outcome<T> = Result<T, Status>;

/// The files of one database. Copies share their state.
#[derive(Clone, Default, Debug)]
pub(super) struct Files(Rc<State>);

#[derive(Default, Debug)]
struct State {
    /// Nothing is touched any more.
    broken: Cell<bool>,
    /// What broke it, until somebody asks.
    fault: RefCell<Option<StoreError>>,
    /// Held as long as the database is open.
    lock: RefCell<Option<File>>,
    /// Where tables are that are not among these files: they are read there, and
    /// nothing else is done with them.
    tables: Option<PathBuf>,
    #[cfg(test)]
    synced: RefCell<Vec<PathBuf>>,
}

impl Files {
    /// Makes the directory if need be, and becomes the only one that has it.
    pub(super) fn lock(dir: &Path) -> Result<Self, StoreError> {
        Self::lock_beside(dir, None)
    }

    /// The same, with tables that stay where they are.
    pub(super) fn lock_beside(dir: &Path, tables: Option<&Path>) -> Result<Self, StoreError> {
        fs::create_dir_all(dir)?;
        // LevelDB's own, on which goleveldb and others wait as well.
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).open(dir.join("LOCK"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let lock = RefCell::new(Some(lock));
        let tables = tables.map(Path::to_owned);
        Ok(Self(Rc::new(State { lock, tables, ..State::default() })))
    }

    /// From here on all fails, and the disk stays as it is.
    pub(super) fn give_up(&self) {
        self.0.broken.set(true);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.get()
    }

    /// What went wrong, once.
    pub(super) fn take_fault(&self) -> Option<StoreError> {
        self.0.fault.take()
    }

    pub(super) fn unlock(&self) {
        if let Some(lock) = self.0.lock.take() {
            // Closing it is not enough if a process is just being started, which
            // has a copy of it for a moment.
            let _ = lock.unlock();
        }
    }

    #[cfg(test)]
    pub(super) fn take_synced(&self) -> Vec<PathBuf> {
        self.0.synced.take()
    }

    fn fail(&self, fault: StoreError) -> Status {
        let status = Status::new(StatusCode::IOError, "");
        self.0.broken.set(true);
        self.0.fault.borrow_mut().get_or_insert(fault);
        status
    }

    fn attempt<T>(&self, attempt: impl FnOnce() -> io::Result<T>) -> Outcome<T> {
        if self.is_broken() {
            return Err(Status::new(StatusCode::IOError, ""));
        }
        attempt().map_err(|error| self.fail(error.into()))
    }

    fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        #[cfg(test)]
        self.0.synced.borrow_mut().push(folder.into());
        // Windows has no such thing; a name is safe there when the call returns.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// Where a table is.
    fn table(&self, path: &Path) -> PathBuf {
        match (&self.0.tables, path.file_name()) {
            (Some(tables), Some(name)) if !path.exists() => tables.join(name),
            (Some(_) | None, Some(_) | None) => path.into(),
        }
    }

    fn create(&self, path: &Path, options: &mut OpenOptions) -> Outcome<Box<dyn Write>> {
        let file = self.attempt(|| {
            let file = options.create(true).open(path)?;
            self.sync_folder_of(path)?;
            Ok(file)
        })?;
        Ok(Box::new(Written {
            file,
            dirty: false,
            #[cfg(test)]
            path: path.into(),
            files: self.clone(),
        }))
    }
}

/// A file that is written.
#[derive(Debug)]
struct Written {
    file: File,
    dirty: bool,
    #[cfg(test)]
    path: PathBuf,
    files: Files,
}

impl Written {
    fn attempt<T>(&mut self, attempt: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let files = self.files.clone();
        files.attempt(|| attempt(&mut self.file)).map_err(io::Error::other)
    }
}

impl Write for Written {
    // All of it: the library does not look at how much was.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.dirty = true;
        self.attempt(|file| file.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.dirty {
            self.attempt(|file| file.sync_data())?;
            self.dirty = false;
            #[cfg(test)]
            self.files.0.synced.borrow_mut().push(self.path.clone());
        }
        Ok(())
    }
}

impl Drop for Written {
    // The library does not flush the file that becomes CURRENT.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// A file that is read from front to end. `read` returns less than it is asked
/// for only at the end: the library relies on that.
#[derive(Debug)]
struct Sequential {
    file: File,
    files: Files,
}

impl Read for Sequential {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Self { file, files } = self;
        let read = files.attempt(|| {
            let mut length = 0;
            while length < bytes.len() {
                match file.read(&mut bytes[length..]) {
                    Ok(0) => break,
                    Ok(read) => length += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(length)
        });
        read.map_err(io::Error::other)
    }
}

#[derive(Debug)]
struct Random {
    table: Table,
    number: u64,
    files: Files,
}

impl Files {
    fn table_failed(&self, number: u64, error: TableError) -> Status {
        self.fail(match error {
            TableError::Damaged => Damage::Table(number).into(),
            TableError::Io(error) => error.into(),
        })
    }
}

impl RandomAccess for Random {
    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> Outcome<usize> {
        self.files.attempt(|| Ok(()))?;
        let read = self.table.read_checked(offset, bytes);
        read.map_err(|error| self.files.table_failed(self.number, error))?;
        Ok(bytes.len())
    }
}

/// Whether a file is a table, by its name.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ldb" || extension == "sst")
}

impl Env for Files {
    fn open_sequential_file(&self, path: &Path) -> Outcome<Box<dyn Read>> {
        match File::open(path) {
            // How the library asks whether there is a database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error.into()),
            opened => {
                let file = self.attempt(|| opened)?;
                Ok(Box::new(Sequential { file, files: self.clone() }))
            }
        }
    }

    fn open_random_access_file(&self, path: &Path) -> Outcome<Box<dyn RandomAccess>> {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let number = number.unwrap_or_default();
        let file = self.attempt(|| File::open(self.table(path)))?;
        let table = Table::new(file).map_err(|error| self.table_failed(number, error))?;
        Ok(Box::new(Random { table, number, files: self.clone() }))
    }

    fn open_writable_file(&self, path: &Path) -> Outcome<Box<dyn Write>> {
        self.create(path, OpenOptions::new().write(true).truncate(true))
    }

    fn open_appendable_file(&self, path: &Path) -> Outcome<Box<dyn Write>> {
        self.create(path, OpenOptions::new().append(true))
    }

    fn exists(&self, path: &Path) -> Outcome<bool> {
        self.attempt(|| path.try_exists())
    }

    fn children(&self, path: &Path) -> Outcome<Vec<PathBuf>> {
        self.attempt(|| {
            let mut entries: Vec<_> = fs::read_dir(path)?.collect();
            if let Some(tables) = &self.0.tables {
                let is_table = |entry: &io::Result<fs::DirEntry>| {
                    entry.as_ref().map_or(true, |entry| is_table(&entry.path()))
                };
                entries.extend(fs::read_dir(tables)?.filter(is_table));
            }
            let names = entries.into_iter().map(|entry| Ok(entry?.file_name().into()));
            // The library panics at names that are no text; none of its own are.
            let text = |name: &io::Result<PathBuf>| {
                name.as_ref().map_or(true, |name: &PathBuf| name.to_str().is_some())
            };
            names.filter(text).collect()
        })
    }

    fn size_of(&self, path: &Path) -> Outcome<usize> {
        let length = self.attempt(|| Ok(fs::metadata(self.table(path))?.len()))?;
        usize::try_from(length).map_err(|_| Status::new(StatusCode::NotSupported, ""))
    }

    fn delete(&self, path: &Path) -> Outcome<()> {
        self.attempt(|| match fs::remove_file(path) {
            // It is among the tables that stay.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.tables.is_some() => {
                Ok(())
            }
            removed => removed,
        })
    }

    fn mkdir(&self, path: &Path) -> Outcome<()> {
        self.attempt(|| fs::create_dir_all(path))
    }

    fn rmdir(&self, _: &Path) -> Outcome<()> {
        Err(Status::new(StatusCode::NotSupported, ""))
    }

    fn rename(&self, from: &Path, to: &Path) -> Outcome<()> {
        self.attempt(|| {
            fs::rename(from, to)?;
            self.sync_folder_of(to)
        })
    }

    // We hold it since before the library was asked.
    fn lock(&self, path: &Path) -> Outcome<FileLock> {
        Ok(FileLock { id: path.to_string_lossy().into_owned() })
    }

    fn unlock(&self, _: FileLock) -> Outcome<()> {
        Ok(())
    }

    fn new_logger(&self, _: &Path) -> Outcome<Logger> {
        Ok(Logger::new(Box::new(io::sink())))
    }

    fn micros(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn sleep_for(&self, micros: u32) {
        std::thread::sleep(Duration::from_micros(micros.into()));
    }
}
