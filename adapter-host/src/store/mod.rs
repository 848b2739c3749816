//! The node database on disk: geth's, in LevelDB, written by one thread.
//!
//! ```text
//!  Store ──submit──▶ bounded queue ──▶ thread: core's execute (what an operation means)
//!    ▲                                            │ seek, write
//!    └────────────── reply ◀───────────────       ▼
//!                                          LevelDb: rusty-leveldb behind six rules
//!                                                 │ reads, writes
//!                                                 ▼
//!                                          Files: checks what it reads, syncs what it writes
//! ```
//!
//! rusty-leveldb takes a damaged file for a short one, goes on after a failed
//! write, and deletes what it could not copy. So before it opens a database we
//! read its manifest and logs ourselves ([`check`] says how), each block of a
//! table is checked when it is read, and after the first failure nothing more
//! is written, renamed or deleted. What is damaged is set aside whole, counted,
//! and said; it is never deleted.

mod batch;
mod error;
mod files;
mod journal;
mod level_db;
mod manifest;
mod sound;
mod table;
mod walk;
mod worker;

pub use error::{Damage, StoreError};
pub use level_db::{LevelDb, Sync};
pub use walk::{Report, check, dump};
pub use worker::{Busy, Store};

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod scratch;
