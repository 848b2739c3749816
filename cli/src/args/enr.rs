//! The arguments of `enrdump`: a record, or a file of it.

use std::path::PathBuf;

use clap::{ArgGroup, Args as Arguments};

#[derive(Debug, Arguments)]
#[command(group = ArgGroup::new("source").required(true))]
pub(crate) struct EnrDump {
    /// The record: hex with or without 0x, or base64 with or without enr:
    #[arg(value_name = "ENR", group = "source", allow_hyphen_values = true)]
    pub(crate) record: Option<String>,
    /// Reads the record from a file, - being standard input; raw bytes will
    /// do too
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) file: Option<PathBuf>,
    /// Prints JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}
