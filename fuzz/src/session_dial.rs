//! A whole session that dialled: any bytes in any chunks at any time, with
//! any other input in between. See [`script`] for the steps.

use crate::script::{self, Role};

/// Runs one input.
pub fn run(data: &[u8]) {
    script::run(Role::Dial, data);
}
