//! The arguments of `db`: the directory of a node database.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Prints what a node database holds: geth's `nodes` directory, or ours
    Dump(Database),
    /// Says whether a node database is sound
    Check(Database),
}

impl Db {
    /// What each of them takes.
    pub(crate) const fn database(&self) -> &Database {
        match self {
            Self::Dump(database) | Self::Check(database) => database,
        }
    }
}

#[derive(Debug, Arguments)]
pub(crate) struct Database {
    /// The directory, which is not changed. A database in use cannot be read
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}
