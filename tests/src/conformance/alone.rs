//! Cases that need a process of their own, for what they count or use up
//! belongs to the process, or a network of their own.

use std::env;
use std::process::Command;

/// Set in the process that a case has for itself.
const MARK: &str = "DEVP2P_TESTS_ALONE";

/// Set where a case that needs a network namespace must fail when the system
/// makes none.
const REQUIRE_NAMESPACES: &str = "DEVP2P_REQUIRE_NAMESPACES";

/// Runs a command in a network where this machine has the address of
/// [`PUBLIC`], and nothing else is.
const NAMESPACE: &[&str] =
    &["unshare", "--user", "--map-root-user", "--net", "sh", "-c", SETUP, "sh"];
const SETUP: &str = "ip link set lo up && ip address add 33.33.33.33/32 dev lo && exec \"$@\"";

/// An address that is not of a LAN.
pub(super) const PUBLIC: [u8; 4] = [33; 4];

/// Runs `case` in a new process: this test alone, in the same binary.
pub fn alone(module: &str, name: &str, case: impl FnOnce()) {
    in_process(&[], module, name, case);
}

/// The same in a network namespace made for it.
pub fn apart(module: &str, name: &str, case: impl FnOnce()) {
    if env::var_os(MARK).is_none() && !makes_namespaces() {
        assert!(
            env::var_os(REQUIRE_NAMESPACES).is_none(),
            "this system makes no network namespace by {NAMESPACE:?}, and {REQUIRE_NAMESPACES} is set"
        );
        eprintln!("{name}: NOT RUN: this system makes no network namespace by {NAMESPACE:?}");
        return;
    }
    in_process(NAMESPACE, module, name, case);
}

fn makes_namespaces() -> bool {
    let [program, arguments @ ..] = NAMESPACE else { return false };
    let status = Command::new(program).args(arguments).arg("true").status();
    status.is_ok_and(|status| status.success())
}

fn in_process(wrapper: &[&str], module: &str, name: &str, case: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        return case();
    }
    let test = match module.split_once("::") {
        Some((_, path)) => format!("{path}::{name}"),
        None => name.to_owned(),
    };
    let this = env::current_exe().unwrap();
    let mut command = match wrapper {
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
        [] => Command::new(this),
    };
    let output = command
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
