//! Why a command failed: one line for people, one object for scripts, one exit
//! status.

use core::fmt::{self, Display as _};
use std::io;
use std::path::{Path, PathBuf};

use devp2p_smol::core::discv4::RequestError;
use devp2p_smol::core::error::Misuse;
use devp2p_smol::core::identity::{EnodeError, HostName, RecordError};
use devp2p_smol::core::session::SessionError;
use devp2p_smol::host::EntropyError;
use devp2p_smol::host::nodekey::NodeKeyError;
use devp2p_smol::host::store::StoreError;
use devp2p_smol::{DialError, StartError};
use serde::Serialize;

use crate::discv4::NodeError;
use crate::nodes::NodesError;
use crate::output::{self, Escaped};
use crate::run::{DirectoryError, FileError};
use crate::signals::Signal;

/// Whose doing an end was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// The other said so.
    Remote,
    /// We said so.
    Local,
    /// Nobody did: it broke, took too long, or was no devp2p.
    Error,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Error => "error",
        })
    }
}

impl By {
    /// Whose doing the end of a session was.
    pub(crate) const fn of(error: &SessionError) -> Self {
        if matches!(error, SessionError::Remote(_)) {
            Self::Remote
        } else if matches!(error, SessionError::Local(_)) {
            Self::Local
        } else {
            Self::Error
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The argument is no enode URL.
    NotAnEnode(EnodeError),
    /// The argument is no node record.
    NotARecord(RecordError),
    /// The argument is neither an enode URL nor a record.
    NotANode(NodeError),
    /// The list of bootnodes has something else in it.
    Bootnode(NodeError),
    /// The host name of a bootnode cannot be looked up.
    BootnodeName(HostName, io::Error),
    /// What an option lists is no node.
    NotNodes(&'static str, NodeError),
    /// There is no node to begin a crawl with.
    NowhereToBegin,
    /// The argument is no secret key.
    NotAKey,
    /// A node did not answer, or could not be asked.
    Request(RequestError),
    /// The argument is no IP address.
    NotAnIp(String),
    /// A file that cannot be read or written.
    File(PathBuf, io::Error),
    /// A file of nodes that is none.
    Nodes(PathBuf, NodesError),
    /// A node database that cannot be read.
    Store(PathBuf, StoreError),
    /// A node database in which so many values are not what nodes write.
    Values(PathBuf, u64),
    /// The key file.
    Key(NodeKeyError),
    /// The file of a configuration.
    Configuration(FileError),
    /// A setting that cannot be, by its flag, or by its file and its name there, and
    /// why not.
    Setting(String, String),
    /// The data directory.
    Directory(DirectoryError),
    /// The system gave no randomness.
    Entropy(EntropyError),
    /// The system did not do something else that it should.
    System(&'static str, io::Error),
    /// Nothing can listen there.
    Start(StartError),
    /// Standard output took no more.
    Output(io::Error),
    /// The dial made no peer.
    Dial(DialError),
    /// The session ended before its work was done.
    Ended(SessionError),
    /// What was to be sent cannot be sent.
    Misuse(Misuse),
    /// The other does not have the capability.
    NoEcho,
    /// The reply to this request is not the request.
    WrongReply {
        /// Which request, from 0.
        number: u64,
    },
    /// The node that was asked says why not.
    Answered(String),
    /// A signal.
    Interrupted(Signal),
    /// All has been said already.
    Told,
}

impl Failure {
    /// Why a node did not start, by cause.
    pub(crate) fn of_start(error: StartError, nodedb: Option<&Path>) -> Self {
        if let StartError::NodeDatabase(error) = error {
            Self::Store(nodedb.map(Path::to_owned).unwrap_or_default(), error)
        } else {
            Self::Start(error)
        }
    }

    /// The exit status that says so.
    pub(crate) fn status(&self) -> u8 {
        if let Self::Interrupted(signal) = self {
            return signal.status();
        }
        u8::from(!self.is_closed_pipe())
    }

    /// Whether only nobody reads our output any more, who has then read enough.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Says it: an object on standard output, or a line on standard error.
    pub(crate) fn tell(&self, json: bool) {
        if matches!(self, Self::Told) || self.is_closed_pipe() {
            return;
        }
        if json && !matches!(self, Self::Output(_)) {
            // If this fails too there is nobody left to tell.
            let _ = output::json(&ErrorJson { error: self.cause() });
        } else {
            output::complain(format_args!("{self}"));
        }
    }

    /// Whose doing it was, and why, for scripts.
    pub(crate) fn cause(&self) -> Cause {
        if let Self::Dial(DialError::Session(error)) | Self::Ended(error) = self {
            return Cause::of(error);
        }
        let ours = matches!(self, Self::Misuse(_) | Self::Interrupted(_));
        Cause { by: if ours { By::Local } else { By::Error }, reason: self.to_string() }
    }
}

/// Whose doing an end was, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    pub(crate) by: By,
    pub(crate) reason: String,
}

impl Cause {
    pub(crate) fn of(error: &SessionError) -> Self {
        Self { by: By::of(error), reason: error.to_string() }
    }
}

#[derive(Serialize)]
struct ErrorJson {
    error: Cause,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEnode(error) => write!(f, "invalid enode URL: {error}"),
            Self::NotANode(error) => error.fmt(f),
            Self::Bootnode(error) => write!(f, "invalid bootnode: {error}"),
            Self::BootnodeName(name, error) => write!(f, "bootnode {name}: {error}"),
            Self::NotNodes(option, error) => write!(f, "{option}: {error}"),
            Self::NowhereToBegin => f.write_str("no input nodes to start crawling"),
            Self::NotAKey => f.write_str("invalid node key, want 64 hex characters"),
            Self::Request(error) => error.fmt(f),
            Self::NotARecord(error) => write!(f, "invalid node record: {error}"),
            Self::File(path, error) => write!(f, "{}: {error}", shown(path)),
            Self::Nodes(path, error) => write!(f, "{}: {error}", shown(path)),
            Self::Store(path, error) => write!(f, "{}: {error}", shown(path)),
            Self::Values(path, count) => {
                write!(f, "{}: node database has {count} damaged values", shown(path))
            }
            Self::NotAnIp(text) => write!(f, "invalid IP address \"{}\"", Escaped(text)),
            Self::Key(error) => error.fmt(f),
            Self::Configuration(error) => error.fmt(f),
            Self::Setting(place, why) => write!(f, "{place}: {why}"),
            Self::Directory(error) => error.fmt(f),
            Self::Entropy(error) => error.fmt(f),
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Start(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Self::Dial(DialError::Session(error)) | Self::Ended(error) => ended(error, f),
            Self::Dial(error) => error.fmt(f),
            Self::Misuse(error) => error.fmt(f),
            Self::NoEcho => f.write_str("the peer does not have the capability echo/1"),
            Self::WrongReply { number } => {
                write!(f, "the reply to request {number} is not what was sent")
            }
            Self::Answered(why) => write!(f, "{}", Escaped(why)),
            Self::Interrupted(_) => f.write_str("interrupted"),
            Self::Told => f.write_str("failed"),
        }
    }
}

/// What the system did not do.
pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::System(what, error)
}

/// A path for a terminal.
pub(crate) fn shown(path: &Path) -> String {
    Escaped(&path.to_string_lossy()).to_string()
}

/// Says whose doing it was as well.
fn ended(error: &SessionError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match By::of(error) {
        By::Remote => write!(f, "peer disconnected: {error}"),
        By::Local => write!(f, "we disconnected: {error}"),
        By::Error => error.fmt(f),
    }
}

macro_rules! from {
    ($($error:ident => $variant:ident),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from!(
    EnodeError => NotAnEnode,
    NodeKeyError => Key,
    FileError => Configuration,
    DirectoryError => Directory,
    EntropyError => Entropy,
    DialError => Dial,
    StartError => Start,
    SessionError => Ended,
    Misuse => Misuse,
    RequestError => Request,
);
