//! What is remembered of nodes from one run to the next.
//!
//! ```text
//!  Discovery ── Operation ──▶ a store ── Reply ──▶ Discovery
//!                               │
//!              [`execute`] over a [`KeyValue`]: LevelDB in `adapter-host`,
//!              a map in [`MemoryStore`]
//! ```
//!
//! Keys and values are those of geth's node database (`p2p/enode/nodedb.go`,
//! schema version 9): its `nodes` directory opens here, and ours opens there.
//! One record that does not decode makes geth panic. Here a value that is none
//! is passed over and counted in [`Skipped`].

mod bonds;
mod counts;
mod execute;
mod expire;
mod key_value;
mod keys;
mod memory;
mod operation;
mod seeds;
mod skipped;
mod values;

pub use counts::{StoreCounts, StoreWork};
pub use execute::execute;
pub use key_value::{Change, Entry, KeyValue};
pub use keys::{Field, Key, VERSION_KEY};
pub use memory::MemoryStore;
pub use operation::{Operation, OperationId, Reply, StoredBond};
pub use skipped::Skipped;
pub use values::{
    StoredRecord, VERSION, Value, ValueError, decode_count, decode_signed, decode_time,
    decode_unsigned, encode_contact, encode_signed, encode_unsigned,
};

#[cfg(test)]
mod tests;
