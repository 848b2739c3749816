//! Real files in a temporary folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use tempfile::TempDir;

use super::*;

/// The key of geth's own tests.
const DIGITS_OF_GETH: &str = "45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8";

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What loading a file of these bytes gives: the key's bytes or the cause.
fn loaded(text: impl AsRef<[u8]>) -> Result<[u8; 32], Cause> {
    let folder = folder();
    let path = folder.path().join("nodekey");
    fs::write(&path, text).unwrap();
    load(&path).map(|found| *found.key.to_bytes()).map_err(|error| error.cause)
}

#[test]
fn a_generated_key_is_read_back_and_nobody_else_may_read_it() {
    let folder = folder();
    let path = folder.path().join("nodekey");
    let key = generate(&path).unwrap();
    let found = load(&path).unwrap();
    assert_eq!(found.key.to_bytes(), key.to_bytes());
    assert!(!found.exposed && !found.fresh);
    assert_eq!(mode(&path), 0o600);
    let text = fs::read(&path).unwrap();
    assert_eq!(text.len(), 64);
    assert!(text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    // No temporary file is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn two_generated_keys_differ() {
    let folder = folder();
    let generate = |name| generate(&folder.path().join(name)).unwrap().to_bytes();
    assert_ne!(generate("a"), generate("b"));
}

#[test]
fn up_to_two_line_ends_may_follow() {
    let key = loaded(DIGITS_OF_GETH).unwrap();
    assert_eq!(key[..4], [0x45, 0xa9, 0x15, 0xe4]);
    for end in ["\n", "\r", "\r\n", "\n\n", "\n\r", "\r\r"] {
        assert_eq!(loaded([DIGITS_OF_GETH, end].concat()).unwrap(), key);
    }
    assert_eq!(loaded(DIGITS_OF_GETH.to_uppercase()).unwrap(), key);
    for end in ["\n\n\n", "\r\n\r\n"] {
        assert!(matches!(loaded([DIGITS_OF_GETH, end].concat()), Err(Cause::TooLong)));
    }
}

#[test]
fn what_geth_refuses_is_refused_for_the_same_reason() {
    assert!(matches!(loaded(""), Err(Cause::TooShort)));
    assert!(matches!(loaded(&DIGITS_OF_GETH[1..]), Err(Cause::TooShort)));
    assert!(matches!(loaded([&DIGITS_OF_GETH[1..], "\n"].concat()), Err(Cause::TooShort)));
    assert!(matches!(loaded([" ", DIGITS_OF_GETH].concat()), Err(Cause::TooShort)));
    assert!(matches!(loaded([0; 64]), Err(Cause::TooShort)));
    for (end, byte) in [("0", b'0'), (" ", b' '), ("\n ", b' '), ("\n\nx", b'x'), ("\0", 0)] {
        let cause = loaded([DIGITS_OF_GETH, end].concat());
        assert!(matches!(cause, Err(Cause::UnexpectedEnd(found)) if found == byte));
    }
    assert!(matches!(loaded(["0x", &DIGITS_OF_GETH[2..]].concat()), Err(Cause::NotHex)));
    assert!(matches!(loaded([0xff; 64]), Err(Cause::NotHex)));
    assert!(matches!(loaded("0".repeat(64)), Err(Cause::OutOfRange)));
    assert!(matches!(loaded("f".repeat(64)), Err(Cause::OutOfRange)));
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    assert!(matches!(loaded(order), Err(Cause::OutOfRange)));
    assert!(loaded(order.replace("4141", "4140")).is_ok());
    // A file without an end is not read for ever.
    assert!(matches!(load(Path::new("/dev/zero")).unwrap_err().cause(), Cause::TooShort));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let folder = folder();
    let path = folder.path().join("nodekey");
    fs::write(&path, "precious").unwrap();
    let error = generate(&path).unwrap_err();
    assert!(matches!(error.cause(), Cause::Exists));
    assert!(error.to_string().starts_with(&format!("node key file {}: ", path.display())));
    // Not even one that is no key, and not by the way of a dangling link.
    assert!(matches!(load_or_generate(&path).unwrap_err().cause(), Cause::TooShort));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(matches!(generate(&link).unwrap_err().cause(), Cause::Exists));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_key_is_made_once_with_the_folders_on_the_way() {
    let folder = folder();
    let path = folder.path().join("data/geth/nodekey");
    let made = load_or_generate(&path).unwrap();
    assert!(made.fresh && !made.exposed);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let found = load_or_generate(&path).unwrap();
    assert!(!found.fresh);
    assert_eq!(found.key.to_bytes(), made.key.to_bytes());
}

#[test]
fn processes_that_start_together_agree_on_the_key() {
    let folder = folder();
    let path = folder.path().join("nodekey");
    let found: Vec<NodeKey> = thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| load_or_generate(&path).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(found.iter().filter(|found| found.fresh).count(), 1);
    assert!(found.iter().all(|other| other.key.to_bytes() == found[0].key.to_bytes()));
}

#[test]
fn a_file_that_others_may_read_is_reported() {
    let folder = folder();
    let path = folder.path().join("nodekey");
    generate(&path).unwrap();
    for (mode, exposed) in [(0o644, true), (0o640, true), (0o602, true), (0o400, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(load(&path).unwrap().exposed, exposed, "mode {mode:o}");
    }
}

#[test]
fn the_system_s_errors_keep_their_cause() {
    let folder = folder();
    let missing = folder.path().join("no/such/folder/nodekey");
    assert!(matches!(load(&missing).unwrap_err().cause(), Cause::Missing));
    assert!(matches!(generate(&missing).unwrap_err().cause(), Cause::Missing));
    assert!(matches!(load(folder.path()).unwrap_err().cause(), Cause::Io(_)));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(load_or_generate(&file.join("nodekey")).unwrap_err().cause(), Cause::Io(_)));
    // Root may do everything, so the system cannot be made to say it here.
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(matches!(Cause::from(denied), Cause::PermissionDenied));
}

#[test]
fn the_key_is_never_printed() {
    let folder = folder();
    let path = folder.path().join("nodekey");
    fs::write(&path, DIGITS_OF_GETH).unwrap();
    let text = format!("{:?}", load(&path).unwrap());
    assert!(text.contains("SecretKey(..)") && !text.contains("45a9"), "{text}");
}
