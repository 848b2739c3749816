//! The Kademlia table, its upkeep, and look-ups: whom to know, whom to ask.
//! There are no packets in here.
//!
//! ```text
//!                 bucket is full
//!   add ─┬──────────────────────────▶ replacement ─╮ one at random, when an
//!        │                                         │ entry leaves
//!        ▼                     answers             ▼
//!      entry: fast list ───────────────────▶ entry: slow list
//!        ▲  ╰──▶ leaves: no answer,                │
//!        │       too few before                    │
//!        ╰─────────────────────────────────────────╯
//!                    no answer, or has moved
//! ```
//!
//! [`Table`] and [`Lookup`] are plain structs: what they decide they return.
//! Kademlia: Maymounkov and Mazières 2002. Behaviour: geth `p2p/discover`
//! (`table.go`, `table_reval.go`, `lookup.go`).

mod bucket;
mod lookup;
mod outcome;
mod revalidation;
mod subnets;
mod table;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Entry, Replacement};
pub use lookup::Lookup;
pub use outcome::{Added, Liveness, Refusal, Removed, Revalidated};
pub use table::{Table, TableConfig};
