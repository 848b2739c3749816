//! `devp2p db`: what a node database holds, and whether it is sound. It is only
//! looked at: neither command changes anything in its directory.

mod check;
mod dump;

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
