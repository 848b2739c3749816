//! geth's data directory: who has it, and where in it the key and the node
//! database are.
//!
//! ```text
//! DIR/geth/LOCK              held as long as a node runs, ours or geth's
//! DIR/geth/nodekey           64 hex digits, mode 0600
//! DIR/geth/nodes/            the node database
//! DIR/nodekey, DIR/nodes/    the same of geth 1.4, used where they are there
//! ```
//!
//! Source: geth `node/config.go` (`ResolvePath`, `NodeKey`, `NodeDB`) and
//! `node/node.go` (`openDataDir`).

use core::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use devp2p_smol::core::crypto::SecretKey;

use crate::failure::{Failure, shown};
use crate::key;

/// The folder of the node that is called geth.
const INSTANCE: &str = "geth";

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The lock ends with it.
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, and becomes the only one that has it.
    pub(super) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |cause| DirectoryError { path: path.to_owned(), cause };
        let lock = lock(&path.join(INSTANCE)).map_err(failed)?;
        let opened = Self { path: path.to_owned(), _lock: lock };
        opened.warn_of_lists();
        Ok(opened)
    }

    /// The node's key, which is made if there is none.
    pub(super) fn key(&self) -> Result<SecretKey, Failure> {
        key::load_or_generate(&self.resolve("nodekey"))
    }

    /// Where the node database is, or is to be.
    pub(super) fn node_database(&self) -> PathBuf {
        self.resolve("nodes")
    }

    fn resolve(&self, name: &str) -> PathBuf {
        let old = self.path.join(name);
        if !old.exists() {
            return self.path.join(INSTANCE).join(name);
        }
        tracing::warn!("{} is where geth 1.4 had it: move it to {INSTANCE}/", old.display());
        old
    }

    /// geth once had the nodes to keep to in files here. They would be missed.
    fn warn_of_lists(&self) {
        for (name, field) in
            [("static-nodes.json", "StaticNodes"), ("trusted-nodes.json", "TrustedNodes")]
        {
            for file in [self.path.join(name), self.path.join(INSTANCE).join(name)] {
                if file.exists() {
                    let file = file.display();
                    tracing::warn!(
                        "{file} is not read, as by geth: use Node.P2P.{field} in --config"
                    );
                }
            }
        }
    }
}

fn lock(instance: &Path) -> Result<File, Cause> {
    let mut folder = DirBuilder::new();
    folder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    folder.create(instance)?;
    let lock = options.open(instance.join("LOCK"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Cause::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A data directory that cannot be used.
#[derive(Debug)]
pub(crate) struct DirectoryError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// Another node has it.
    InUse,
    /// The system does not let us, or fails.
    Io(io::Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data directory {}: ", shown(&self.path))?;
        match &self.cause {
            Cause::InUse => f.write_str("in use by another process"),
            Cause::Io(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = Directory::open(&path).unwrap();
        let error = Directory::open(&path).unwrap_err();
        assert!(matches!(error.cause, Cause::InUse));
        assert_eq!(
            error.to_string(),
            format!("data directory {}: in use by another process", path.display())
        );
        drop(first);
        Directory::open(&path).unwrap();
    }

    #[test]
    fn key_and_database_are_where_geth_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let key = directory.key().unwrap();
        let digits = fs::read_to_string(folder.path().join("geth/nodekey")).unwrap();
        assert_eq!(digits, base16ct::lower::encode_string(key.to_bytes().as_slice()));
        assert_eq!(directory.node_database(), folder.path().join("geth/nodes"));
    }

    #[test]
    fn what_geth_1_4_left_is_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nodekey"), "1".repeat(64)).unwrap();
        fs::create_dir(folder.path().join("nodes")).unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        assert_eq!(*directory.key().unwrap().to_bytes(), [0x11; 32]);
        assert_eq!(directory.node_database(), folder.path().join("nodes"));
        assert!(!folder.path().join("geth/nodekey").exists());
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(Directory::open(&file).unwrap_err().cause, Cause::Io(_)));
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }
}
