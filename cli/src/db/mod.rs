//! `devp2p db`: what a node database holds, and whether it is sound. It is only
//! looked at: neither command changes anything in its directory.

mod check;
mod dump;

use core::fmt;
use std::path::Path;

use devp2p_smol::host::store::StoreError;

use crate::args::Db;
use crate::failure::Failure;

pub(crate) fn run(command: &Db) -> Result<(), Failure> {
    match command {
        Db::Dump(database) => dump::run(database),
        Db::Check(database) => check::run(database),
    }
}

fn failed(dir: &Path) -> impl FnOnce(StoreError) -> Failure {
    move |error| Failure::Store(dir.to_owned(), error)
}

/// So many of something.
struct Count(u64, &'static str, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, several) = self;
        write!(f, "{count} {}", if *count == 1 { one } else { several })
    }
}
