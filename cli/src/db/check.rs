//! `devp2p db check`: whether a database can be read to its end, and how much is
//! in it.
//!
//! ```text
//! Sound: 302 entries, 60 nodes among them, in 2 tables and 1 batch of the log.
//! ```

use core::fmt;

use devp2p_smol::host::store::{Report, check};
use serde::Serialize;

use super::{Count, failed};
use crate::args::Database;
use crate::failure::{Cause, Failure};
use crate::output;

pub(super) fn run(database: &Database) -> Result<(), Failure> {
    let Database { dir, json } = database;
    let mut report = check(dir).map_err(failed(dir))?;
    let skipped = report.skipped.records.saturating_add(report.skipped.numbers);
    let fault = match report.error.take() {
        Some(error) => Some(failed(dir)(error)),
        None if skipped > 0 => Some(Failure::Values(dir.to_owned(), skipped)),
        None => None,
    };
    if *json {
        output::json(&CheckJson::of(&report, fault.as_ref()))?;
        return if fault.is_some() { Err(Failure::Told) } else { Ok(()) };
    }
    fault.map_or_else(|| output::line(&Sound(&report)), Err)
}

struct Sound<'a>(&'a Report);

impl fmt::Display for Sound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { entries, nodes, foreign, tables, records, torn, .. } = self.0;
        write!(f, "Sound: {}, ", Count(*entries as u64, "entry", "entries"))?;
        write!(f, "{} among them, ", Count(*nodes as u64, "node", "nodes"))?;
        write!(f, "in {} ", Count(*tables as u64, "table", "tables"))?;
        write!(f, "and {} of the log.", Count(*records as u64, "batch", "batches"))?;
        if *torn > 0 {
            let bytes = Count(*torn, "byte", "bytes");
            write!(f, "\nThe last {bytes} of its log are no whole record: its writer was ")?;
            f.write_str("interrupted, or they are damaged.")?;
        }
        if *foreign > 0 {
            let entries = Count(*foreign as u64, "entry is", "entries are");
            write!(f, "\n{entries} of a kind that nodes do not write.")?;
        }
        Ok(())
    }
}

/// The same for scripts.
#[derive(Serialize)]
struct CheckJson {
    sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cause>,
    entries: usize,
    nodes: usize,
    foreign: usize,
    tables: usize,
    batches: usize,
    #[serde(rename = "tornBytes")]
    torn_bytes: u64,
    #[serde(rename = "damagedRecords")]
    damaged_records: u64,
    #[serde(rename = "damagedNumbers")]
    damaged_numbers: u64,
}

impl CheckJson {
    fn of(report: &Report, fault: Option<&Failure>) -> Self {
        Self {
            sound: fault.is_none(),
            error: fault.map(Failure::cause),
            entries: report.entries,
            nodes: report.nodes,
            foreign: report.foreign,
            tables: report.tables,
            batches: report.records,
            torn_bytes: report.torn,
            damaged_records: report.skipped.records,
            damaged_numbers: report.skipped.numbers,
        }
    }
}
