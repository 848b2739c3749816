//! What is remembered of nodes, as operations that a store executes.

mod key_value;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::identity::{Contact, NodeId};
use crate::time::UnixTime;

pub use key_value::{Change, Entry, KeyValue};

/// Names an operation; they ascend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub u64);

/// What a store is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Operation {
    Open {
        local: NodeId,
    },
    Seeds {
        count: usize,
        max_age: Duration,
        draw: [u8; 32],
    },
    PutSequence {
        local: NodeId,
        sequence: u64,
    },
    PutContact(Contact),
    PutTimes {
        id: NodeId,
        ip: IpAddr,
        last_ping: Option<UnixTime>,
        last_pong: Option<UnixTime>,
        find_failures: Option<u32>,
    },
    Expire,
}

/// What it answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Reply {
    Opened { sequence: Option<u64>, bonds: Vec<StoredBond> },
    Seeds(Vec<Contact>),
    Written { up_to: OperationId },
    Failed { operation: OperationId },
}

/// An endpoint proof of an earlier run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct StoredBond {
    pub id: NodeId,
    pub ip: IpAddr,
    pub last_ping: Option<UnixTime>,
    pub last_pong: Option<UnixTime>,
    pub find_failures: u32,
}
