//! Why a database could not be opened, read or written.

use std::io;

use core::fmt;

/// A database that cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another store of this one, has it open.
    Locked,
    /// There is none, where one is to be looked at.
    Missing,
    /// The system does not let us write there, or read.
    ReadOnly(io::Error),
    /// It is not what was once written. [`Store`](super::Store) sets such a
    /// database aside and begins a new one.
    Damaged(Damage),
    /// The system failed: a full disk, a failing one, too many open files.
    Io(io::Error),
    /// An earlier call has failed. It must be opened anew.
    Broken,
}

/// What is wrong with a database. Numbers are those in the names of files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Damage {
    /// There are tables or logs, and no file `CURRENT`.
    NoCurrent,
    /// `CURRENT` does not name a manifest that is there.
    Current,
    /// The manifest, from this byte on.
    Manifest {
        /// Its offset.
        offset: u64,
    },
    /// The manifest names a log that is not there.
    NoLog(u64),
    /// A log, from this byte on, with whole records behind it.
    Log {
        /// Which.
        number: u64,
        /// The offset.
        offset: u64,
    },
    /// The manifest names a table that is not there.
    NoTable(u64),
    /// A table.
    Table(u64),
    /// Its format is not geth's of today: it has another version.
    Version,
    /// The library that reads it gave up, or panicked.
    Library,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        if is_denied(&error) { Self::ReadOnly(error) } else { Self::Io(error) }
    }
}

impl From<Damage> for StoreError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("node database is in use by another process"),
            Self::Missing => f.write_str("there is no node database"),
            Self::ReadOnly(error) => write!(f, "node database may not be written: {error}"),
            Self::Damaged(damage) => write!(f, "node database is damaged: {damage}"),
            Self::Io(error) => write!(f, "node database: {error}"),
            Self::Broken => f.write_str("node database has failed before"),
        }
    }
}

impl core::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::ReadOnly(error) | Self::Io(error) => error.source(),
            Self::Locked | Self::Missing | Self::Damaged(_) | Self::Broken => None,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCurrent => f.write_str("CURRENT is missing"),
            Self::Current => f.write_str("CURRENT names no manifest"),
            Self::Manifest { offset } => write!(f, "manifest at byte {offset}"),
            Self::NoLog(number) => write!(f, "log {number:06} is missing"),
            Self::Log { number, offset } => write!(f, "log {number:06} at byte {offset}"),
            Self::NoTable(number) => write!(f, "table {number:06} is missing"),
            Self::Table(number) => write!(f, "table {number:06}"),
            Self::Version => f.write_str("format of another version"),
            Self::Library => f.write_str("it could not be read"),
        }
    }
}
