//! The file that holds a node's secret key, as geth's `nodekey`: 64 hex
//! digits, readable by its owner alone.
//!
//! geth's files open here and ours open there. Two things differ on purpose:
//! a key is never overwritten (geth's tool truncates the file first), and a
//! file that cannot be read is an error (geth's node replaces it, and with it
//! its identity). Source: geth `crypto/crypto.go` (`LoadECDSA`, `SaveECDSA`)
//! and `node/config.go`.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use core::fmt;

use devp2p_core::crypto::SecretKey;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::entropy::{EntropyError, seed};

/// Hex digits in a file.
const DIGITS: usize = 64;

/// Line ends that may follow, each a CR or an LF. geth `checkKeyFileEnd`.
const LINE_ENDS: usize = 2;

/// A key as its file gave it.
#[derive(Debug)]
pub struct NodeKey {
    /// The key.
    pub key: SecretKey,
    /// Whether others than the owner may read or write the file, which
    /// deserves a warning. Always `false` where there are no Unix permissions.
    pub exposed: bool,
    /// Whether the key was made just now.
    pub fresh: bool,
}

/// Reads the key from a file. No more of it is read than a key needs.
///
/// Fails if there is no file, if it may not be read, or if it holds no key: too
/// short, too long, no hex digits, out of range.
pub fn load(path: &Path) -> Result<NodeKey, NodeKeyError> {
    read(path).map_err(|cause| NodeKeyError::new(path, cause))
}

/// Makes a key and saves it like [`save`].
pub fn generate(path: &Path) -> Result<SecretKey, NodeKeyError> {
    let seed = seed().map_err(|error| NodeKeyError::new(path, Cause::Entropy(error)))?;
    let key = SecretKey::generate(&mut seed.secrets());
    save(path, &key)?;
    Ok(key)
}

/// Reads the key from a file or, if there is none, makes one and saves it,
/// with the folders on the way (mode 0700). Of two processes that do so at the
/// same time both get the same key.
pub fn load_or_generate(path: &Path) -> Result<NodeKey, NodeKeyError> {
    match load(path) {
        Err(NodeKeyError { cause: Cause::Missing, .. }) => {}
        found => return found,
    }
    make_folder(folder_of(path)).map_err(|error| NodeKeyError::new(path, error.into()))?;
    match generate(path) {
        Ok(key) => Ok(NodeKey { key, exposed: false, fresh: true }),
        // Somebody was faster.
        Err(NodeKeyError { cause: Cause::Exists, .. }) => load(path),
        Err(error) => Err(error),
    }
}

/// Writes the key to a new file of mode 0600. An existing file is left as it
/// is, and reported as [`Cause::Exists`].
///
/// The file appears whole and safely stored, or not at all.
pub fn save(path: &Path, key: &SecretKey) -> Result<(), NodeKeyError> {
    write(path, key).map_err(|error| NodeKeyError::new(path, error.into()))
}

fn read(path: &Path) -> Result<NodeKey, Cause> {
    let mut file = File::open(path)?;
    let exposed = is_exposed(&file)?;
    // One byte more than the longest file that is taken.
    let mut buffer = Zeroizing::new([0; DIGITS + LINE_ENDS + 1]);
    let length = fill(&mut file, buffer.as_mut_slice())?;
    Ok(NodeKey { key: parse(&buffer[..length])?, exposed, fresh: false })
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The checks of geth's `LoadECDSA`, in their order.
fn parse(text: &[u8]) -> Result<SecretKey, Cause> {
    let is_digit = |byte: &u8| *byte > b' ';
    let (digits, end) = match text.split_at_checked(DIGITS) {
        Some((digits, end)) if digits.iter().all(is_digit) => (digits, end),
        Some(_) | None => return Err(Cause::TooShort),
    };
    if let Some(byte) = end.iter().find(|byte| !matches!(byte, b'\r' | b'\n')) {
        return Err(Cause::UnexpectedEnd(*byte));
    }
    if end.len() > LINE_ENDS {
        return Err(Cause::TooLong);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    base16ct::mixed::decode(digits, bytes.as_mut_slice()).map_err(|_| Cause::NotHex)?;
    SecretKey::from_bytes(&bytes).map_err(|_| Cause::OutOfRange)
}

fn write(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut digits = Zeroizing::new([0; DIGITS]);
    base16ct::lower::encode(key.to_bytes().as_slice(), digits.as_mut_slice())
        .map_err(io::Error::other)?;
    let folder = folder_of(path);
    // Temporary files are made with mode 0600, and removed if a step fails.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(digits.as_slice())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    // The name too should survive a power cut; where a folder cannot be synced
    // (some file systems, Windows) the key is in place all the same.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// A key file that could not be read or written, and why.
#[derive(Debug)]
pub struct NodeKeyError {
    path: PathBuf,
    cause: Cause,
}

impl NodeKeyError {
    fn new(path: &Path, cause: Cause) -> Self {
        Self { path: path.into(), cause }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with it.
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for NodeKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node key file {}: {}", self.path.display(), self.cause)
    }
}

impl core::error::Error for NodeKeyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.cause {
            Cause::Entropy(error) => core::error::Error::source(error),
            Cause::Io(error) => error.source(),
            Cause::Missing
            | Cause::Exists
            | Cause::PermissionDenied
            | Cause::TooShort
            | Cause::TooLong
            | Cause::UnexpectedEnd(_)
            | Cause::NotHex
            | Cause::OutOfRange => None,
        }
    }
}

/// What is wrong with a key file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// There is no such file or, when saving, no such folder.
    Missing,
    /// There is a file already, and a key is never overwritten.
    Exists,
    /// The system does not let us.
    PermissionDenied,
    /// Fewer than 64 characters before the end or the first blank.
    TooShort,
    /// More than two line ends after the digits.
    TooLong,
    /// After the digits comes something that is no line end.
    UnexpectedEnd(u8),
    /// One of the 64 characters is no hex digit.
    NotHex,
    /// The digits spell zero, or a number that is not below the order of the
    /// group.
    OutOfRange,
    /// No key could be made.
    Entropy(EntropyError),
    /// Any other error of the system.
    Io(io::Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Missing;
        }
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Self::Exists;
        }
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Self::PermissionDenied;
        }
        Self::Io(error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file or directory"),
            Self::Exists => f.write_str("exists already, and a key is never overwritten"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::TooShort => f.write_str("too short, want 64 hex characters"),
            Self::TooLong => f.write_str("too long, want 64 hex characters"),
            Self::UnexpectedEnd(byte) => {
                write!(f, "invalid character '{}' after the key", byte.escape_ascii())
            }
            Self::NotHex => f.write_str("not hex"),
            Self::OutOfRange => f.write_str("not a secret key: out of range"),
            Self::Entropy(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
