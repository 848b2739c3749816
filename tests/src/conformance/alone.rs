//! Cases that need a process of their own, for what they count or use up
//! belongs to the process.

use std::env;
use std::process::Command;

/// Set in the process that a case has for itself.
const MARK: &str = "DEVP2P_TESTS_ALONE";

/// Runs `case` in a new process: this test alone, in the same binary.
pub fn alone(module: &str, name: &str, case: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        return case();
    }
    let test = match module.split_once("::") {
        Some((_, path)) => format!("{path}::{name}"),
        None => name.to_owned(),
    };
    let output = Command::new(env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    // A name that fits no test would pass as well.
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "alone: {}\n{said}\n{complained}", output.status);
}
