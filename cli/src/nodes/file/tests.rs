use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

const ID: &str = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";

/// As geth's tool writes it (go-ethereum 1.17.6, `nodeset filter`).
const GETH: &str = r#"{
    "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7": {
        "seq": 1,
        "record": "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8",
        "score": 3,
        "firstResponse": "2024-01-02T03:04:05.6789Z",
        "lastResponse": "2024-01-02T05:04:05Z",
        "lastCheck": "0001-01-01T00:00:00Z"
    },
    "c0a6c424ac7157ae408398df7e5f4552091a69125d5dfcb7b8c2659029395bdf": {
        "seq": 0,
        "record": "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:30303?discport=30301",
        "firstResponse": "0001-01-01T00:00:00Z",
        "lastResponse": "0001-01-01T00:00:00Z",
        "lastCheck": "0001-01-01T00:00:00Z"
    }
}"#;

fn complaint(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_file_of_geth_s_is_read_and_written_alike() {
    let nodes = parse(GETH.as_bytes()).unwrap();
    let [first, second] = [0, 1].map(|at| nodes.values().nth(at).unwrap());
    assert_eq!((first.sequence(), first.score), (1, 3));
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(first.first_response, time("2024-01-02T03:04:05.6789Z"));
    assert_eq!((first.last_response, first.last_check), (time("2024-01-02T05:04:05Z"), None));
    assert_eq!((second.score, second.first_response), (0, None));
    assert_eq!(to_json(&nodes), GETH);
    assert_eq!(to_json(&NodeSet::new()), "{}");
}

#[test]
fn what_is_missing_is_nothing_and_what_is_foreign_is_kept() {
    let (before, after) = GETH.split_once("        \"firstResponse\": \"0001").unwrap();
    let short = format!("{}\n    }}\n}}", before.trim_end().trim_end_matches(','));
    assert_eq!(parse(short.as_bytes()).unwrap(), parse(GETH.as_bytes()).unwrap());
    assert!(after.contains("lastCheck"));
    let noted = GETH.replace("\"score\": 3,", "\"seen\": {\"in\": [\"Bern\", 1]}, \"score\": 3,");
    let nodes = parse(noted.as_bytes()).unwrap();
    let again: Value = serde_json::from_str(&to_json(&nodes)).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(&noted).unwrap());
    let zoned = GETH.replace("T05:04:05Z", "T07:04:05+02:00");
    assert_eq!(to_json(&parse(zoned.as_bytes()).unwrap()), GETH);
    let upper = GETH.replace(ID, &ID.to_uppercase());
    assert_eq!(to_json(&parse(upper.as_bytes()).unwrap()), GETH);
}

#[test]
fn a_file_that_is_none_says_why() {
    assert_eq!(complaint(""), "invalid JSON: EOF while parsing a value at line 1 column 0");
    assert!(complaint(&GETH[..GETH.len() - 2]).starts_with("invalid JSON: EOF while parsing"));
    assert!(complaint(r#"{"12": {}}"#).contains("missing field `record`"));
    let wrong = |from: &str, to: &str| complaint(&GETH.replace(from, to));
    assert!(wrong("05.6789Z", "").contains("invalid JSON"), "{}", wrong("05.6789Z", ""));
    assert!(wrong(ID, "12").contains("wrong length"));
    let other = ID.replace('a', "b");
    let mismatch = format!("invalid node {other}: ID does not match ID {ID} in record");
    assert_eq!(wrong(ID, &other), mismatch);
    let sequence = format!("invalid node {ID}: 'seq' does not match seq 1 from record");
    assert_eq!(wrong("\"seq\": 1", "\"seq\": 2"), sequence);
    let forged = format!("invalid node {ID}: invalid signature on node record");
    assert_eq!(wrong("8RRcy5wB", "8RRcy5wC"), forged);
    assert_eq!(wrong("enr:-", "-"), format!("invalid node {ID}: missing 'enode://' or 'enr:'"));
}

#[test]
fn a_file_is_replaced_and_keeps_its_permissions_and_links() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = parse(GETH.as_bytes()).unwrap();
    let [path, link] = ["nodes.json", "link"].map(|name| folder.path().join(name));
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    save(&nodes, &link).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), GETH);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(load(&link).unwrap(), nodes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_link_to_what_is_not_there_yet_stays_and_its_target_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir(place("far")).unwrap();
    // One link to the next, by a path from its own folder, and then a whole path.
    symlink("far/second", place("first")).unwrap();
    symlink(place("nodes.json"), place("far/second")).unwrap();
    let nodes = parse(GETH.as_bytes()).unwrap();
    assert!(load_or_empty(&place("first")).unwrap().is_empty());
    save(&nodes, &place("first")).unwrap();
    for link in ["first", "far/second"] {
        assert!(fs::symlink_metadata(place(link)).unwrap().is_symlink(), "{link}");
    }
    assert!(fs::symlink_metadata(place("nodes.json")).unwrap().is_file());
    assert_eq!(load(&place("first")).unwrap(), nodes);
}

#[test]
fn links_in_a_circle_are_an_error_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    symlink(&one, &other).unwrap();
    symlink(&other, &one).unwrap();
    assert!(matches!(save(&NodeSet::new(), &one), Err(Failure::File(..))));
    assert!(fs::symlink_metadata(&one).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_new_file_gets_ordinary_permissions_and_a_missing_one_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let [new, ordinary] = ["nodes.json", "other"].map(|name| folder.path().join(name));
    assert!(load_or_empty(&new).unwrap().is_empty());
    assert!(matches!(load(&new), Err(Failure::File(..))));
    save(&NodeSet::new(), &new).unwrap();
    fs::write(&ordinary, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&new), mode(&ordinary));
    assert!(load_or_empty(&new).unwrap().is_empty());
}

#[test]
fn a_file_that_cannot_be_replaced_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    // A folder of that name takes no file.
    fs::create_dir(&path).unwrap();
    assert!(matches!(save(&NodeSet::new(), &path), Err(Failure::File(..))));
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_file_that_cannot_be_made_is_named_as_the_caller_named_it() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing/nodes.json");
    let failure = save(&NodeSet::new(), &nowhere).unwrap_err().to_string();
    let reason = io::Error::from_raw_os_error(2);
    assert_eq!(failure, format!("{}: {reason}", nowhere.display()));
}

#[test]
fn a_file_that_says_something_else_is_told_what_was_expected() {
    const NODE: &str = "expected an object that says what is known of a node at line 1 ";
    const NODES: &str = "expected an object whose keys are node IDs at line 1 ";
    for (text, expected) in [
        (r#"{"12": 13}"#, format!("invalid type: integer `13`, {NODE}")),
        (r#"{"12": []}"#, format!("invalid type: sequence, {NODE}")),
        ("[]", format!("invalid type: sequence, {NODES}")),
    ] {
        let complaint = complaint(text);
        assert!(complaint.starts_with(&format!("invalid JSON: {expected}")), "{complaint}");
    }
    let wrong = |from: &str, to: &str| complaint(&GETH.replace(from, to));
    let number = |name: &str| format!("invalid JSON: \"{name}\" is no whole number of 64 bits at ");
    for value in ["\"1\"", "-1", "1.5", "null", "18446744073709551616"] {
        let text = wrong("\"seq\": 1", &format!("\"seq\": {value}"));
        assert!(text.starts_with(&number("seq")), "{text}");
    }
    let text = wrong("\"score\": 3", "\"score\": []");
    assert!(text.starts_with(&number("score")), "{text}");
}
