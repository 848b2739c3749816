//! What is remembered of nodes, as operations that a store executes.

mod key_value;
mod operation;

pub use key_value::{Change, Entry, KeyValue};
pub use operation::{Operation, OperationId, Reply, StoreCounts, StoredBond};
