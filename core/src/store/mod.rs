//! What is remembered of nodes, as operations that a store executes.

mod counts;
mod key_value;
mod operation;

pub use counts::StoreCounts;
pub use key_value::{Change, Entry, KeyValue};
pub use operation::{Operation, OperationId, Reply, StoredBond};
