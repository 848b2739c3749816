//! What a node decides: so far, whom to admit.

mod admission;

pub use admission::{Admission, Refusal};
