//! `devp2p enrdump`: what a node record says, and whether it is sound.
//!
//! Source: geth `cmd/devp2p/enrcmd.go`, whose output it repeats. Where geth
//! prints a record with a wrong signature and succeeds, this fails after it.

mod dump;
mod quote;
mod source;

use std::io::Read as _;
use std::path::Path;
use std::{fs, io};

use devp2p_smol::core::identity::UnverifiedRecord;

use crate::args::EnrDump;
use crate::failure::Failure;
use crate::output;

use dump::{Dump, DumpJson};
pub(crate) use quote::Quoted;
pub(crate) use source::parse;

pub(crate) fn run(arguments: &EnrDump) -> Result<(), Failure> {
    let source = match &arguments.file {
        Some(file) => read(file)?,
        None => arguments.record.clone().unwrap_or_default().into_bytes(),
    };
    let record = parse(&source).map_err(Failure::NotARecord)?;
    tell(&record, arguments.json)
}

fn tell(record: &UnverifiedRecord, json: bool) -> Result<(), Failure> {
    let dump = Dump::of(record);
    if json {
        output::json(&DumpJson::of(&dump))?;
    } else {
        output::line(&dump)?;
    }
    // The dump has said why.
    if dump.is_sound() { Ok(()) } else { Err(Failure::Told) }
}

/// A file, or standard input for `-`; no more of it than could be a record.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::File(file.to_owned(), error);
    let mut bytes = Vec::new();
    let input: &mut dyn io::Read = if file == Path::new("-") {
        &mut io::stdin().lock()
    } else {
        &mut fs::File::open(file).map_err(failed)?
    };
    input.take(source::LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
