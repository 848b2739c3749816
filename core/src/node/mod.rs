//! What a node decides and counts: so far, whom to admit, and how it ended.

mod admission;
mod ends;

pub use admission::{Admission, Refusal};
pub use ends::Ends;
