//! What becomes of what is told to the table.

use core::fmt;

use crate::identity::Contact;

/// What became of a node that was offered to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Added {
    /// It is a new entry, not yet known to be alive.
    Inserted,
    /// It was an entry and is known by a newer record or at another endpoint
    /// now. At another endpoint it is not known to be alive.
    Updated,
    /// It was known, and nothing new was said.
    Unchanged,
    /// Its bucket is full: it waits for an entry to leave, or did before and is
    /// known better now.
    Replacement,
    /// It is not taken; if it was known, it is still known as it was.
    Refused(Refusal),
}

/// Why the table does not take a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It is ourselves.
    Own,
    /// It has no address, an unspecified one, or no UDP port.
    NoEndpoint,
    /// It came by itself before the table was filled for the first time. Who
    /// pings us first after a start must not fill an empty table.
    NotReady,
    /// The table has as many nodes of its subnet as it may.
    SubnetInTable,
    /// The bucket has as many nodes of its subnet as it may.
    SubnetInBucket,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "is ourselves",
            Self::NoEndpoint => "has no UDP endpoint",
            Self::NotReady => "came before the table was filled",
            Self::SubnetInTable => "too many nodes of its subnet in the table",
            Self::SubnetInBucket => "too many nodes of its subnet in the bucket",
        })
    }
}

impl core::error::Error for Refusal {}

/// What came of a ping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The node answered.
    Alive,
    /// It did not.
    Silent,
}

/// An entry has left the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    /// The replacement that is an entry now, if one waited.
    pub promoted: Option<Contact>,
}

/// What the result of a ping leads to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Revalidated {
    /// The node has proved so steady that it is worth storing. Never one whose
    /// record says that it is elsewhere.
    pub store: Option<Contact>,
    /// The node has left the table.
    pub removed: Option<Removed>,
}
