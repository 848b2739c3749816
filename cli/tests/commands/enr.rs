//! `devp2p enrdump` and `key to-enr`. The expected outputs are those of geth's
//! tool (go-ethereum 1.17.6) for the same records, files and flags.

use std::fs;

use serde_json::{Value, json};

use crate::support::{KeyFile, run};

/// EIP-778, "Test Vectors".
const KEY: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
const RECORD: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
const HEX: &str = "f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e234738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c01826964827634826970847f00000189736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31388375647082765f";

const ENR: [&str; 5] = [
    "enr:-Iu4QBsipQn6MFlTDOJVRtttpIKRtdaFAG2hc-SFTgT8QMtTfLhbbEf2Rq7bbTv6VGesdBx0mbEPtC0oO8y7Zt8qfGKAgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN0Y3CCdl-DdWRwgnZf",
    "enr:-IO4QCWcWP0kffyyjEV7OfhDp2CMpd4kFh5uETTItQvTjHZaJJ37JUJKjaatQLN0yfiv-odcky6Ao-owCu0F1Eg8YueAgmlkgnY0iXNlY3AyNTZrMaEDymNMrg1JrLQB2KTGtv6MVbcNEVv0AHacwUAPMljNMTiDdGNwgnZfg3VkcIJ2Xw",
    "enr:-Ja4QLKdS_YiZ3eF_CYlRzJ7ZWmG0q3DT263Onvro9GFNP4UeXOJZsNi9-kF9wCFRsopWXpZyDwjwZFMYhGvJaIUj7-AgmlkgnY0g2lwNpAAAAAAAAAAAAAAAAAAAAABiXNlY3AyNTZrMaEDymNMrg1JrLQB2KTGtv6MVbcNEVv0AHacwUAPMljNMTiDdGNwgnZfg3VkcAc",
    "enr:-IS4QJLcqcWA-SwU3IR593sQ5FMr8iJ-KfkDqtA7pxwxpyW0Jn-v5vJLmNcCavGsMZynp_cxFkHbwUPCOOy_IafC1WWAgmlkgnY0gmlwhAECAwSJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8",
    "enr:-IS4QGEwJ_7ysz2VTY6uZZ_EJLzstJW8P2_PjHQNS4l7UuCfA9gYuxWyseo3PoAYrSnM8sM7MEtR918qLpImwEvlkvCAgmlkgnY0gmlwhAECAwSJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN0Y3CCdl8",
];

const DUMP: [&str; 7] = [
    "Node ID: a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7",
    "URLv4:   enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:0?discport=30303",
    "Record has sequence number 1 and 4 key/value pairs.",
    r#"  "id"        "v4""#,
    r#"  "ip"        127.0.0.1"#,
    r#"  "secp256k1" 03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138"#,
    r#"  "udp"       30303"#,
];

#[test]
fn a_record_in_any_form_is_dumped_as_geth_s_tool_dumps_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let raw: Vec<u8> = (0..HEX.len() / 2)
        .map(|at| u8::from_str_radix(&HEX[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let prefixed = format!("0x{HEX}");
    let files = [
        file("raw", &raw),
        file("text", format!("{RECORD}\n").as_bytes()),
        file("hex", prefixed.as_bytes()),
    ];
    for source in [
        &[RECORD][..],
        &[&RECORD[4..]],
        &[HEX],
        &[&prefixed],
        &["--file", &files[0]],
        &["--file", &files[1]],
        &["--file", &files[2]],
    ] {
        let outcome = run(&[&["enrdump"], source].concat());
        assert_eq!((outcome.status, &outcome.output[..]), (0, &DUMP.map(String::from)[..]));
    }
}

#[test]
fn a_record_is_dumped_for_scripts() {
    let line = run(&["enrdump", RECORD, "--json"]).line();
    let id = &DUMP[0]["Node ID: ".len()..];
    let expected = json!({
        "valid": true,
        "id": id,
        "enode": &DUMP[1]["URLv4:   ".len()..],
        "record": RECORD,
        "seq": 1,
        "pairs": {
            "id": "v4",
            "ip": "127.0.0.1",
            "secp256k1": "03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138",
            "udp": 30303,
        },
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn a_record_with_a_wrong_signature_is_shown_and_fails() {
    let forged = RECORD.replace("8RRcy5wB", "8RRcy5wC");
    let outcome = run(&["enrdump", &forged]);
    assert_eq!((outcome.status, outcome.errors.len()), (1, 0), "{outcome:?}");
    assert_eq!(outcome.output[0], "INVALID: invalid signature on node record");
    assert_eq!(outcome.output[1], "Record has sequence number 2 and 4 key/value pairs.");
    assert_eq!(outcome.output[2..], DUMP[3..]);
    let outcome = run(&["enrdump", &forged, "--json"]);
    assert_eq!((outcome.status, outcome.output.len()), (1, 1), "{outcome:?}");
    let value: Value = serde_json::from_str(&outcome.output[0]).unwrap();
    assert_eq!(
        (&value["valid"], &value["id"], &value["seq"]),
        (&json!(false), &Value::Null, &json!(2))
    );
    assert!(value["error"]["reason"].as_str().unwrap().contains("invalid signature"));
}

#[test]
fn values_that_are_not_what_their_key_says_are_marked() {
    // [64 bytes, 7, "\x1b\n", 0x05, "eth", ["x"], "id", "v4\xff", "ip", "abc", "tcp", 0x000102]
    let pairs = "821b0a0583657468c178826964837634ff826970836162638374637083000102";
    let content = format!("b840{}07{pairs}", "00".repeat(64));
    let record = format!("f8{:02x}{content}", content.len() / 2);
    let outcome = run(&["enrdump", &record]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.output[0].starts_with("INVALID: "), "{outcome:?}");
    let expected = [
        "Record has sequence number 7 and 5 key/value pairs.",
        r#"  "\x1b\n"  05"#,
        r#"  "eth" c178 (!)"#,
        r#"  "id"  "v4\xff""#,
        r#"  "ip"  83616263 (!)"#,
        r#"  "tcp" 83000102 (!)"#,
    ];
    assert_eq!(outcome.output[1..], expected);
}

#[test]
fn what_is_no_record_is_refused() {
    for (text, reason) in [
        ("enr:!", "invalid base64 in node record"),
        ("c0", "record contains less than two list elements"),
    ] {
        let complaint = run(&["enrdump", text]).complaint();
        assert_eq!(complaint, format!("devp2p: invalid node record: {reason}"));
        assert_eq!(run(&["enrdump", text, "--json"]).error().0, "error");
    }
    let complaint = run(&["enrdump", "--file", "/nowhere/at/all"]).complaint();
    assert!(complaint.starts_with("devp2p: /nowhere/at/all: No such file"), "{complaint}");
    assert_eq!(run(&["enrdump"]).status, 2);
    assert_eq!(run(&["enrdump", RECORD, "--file", "-"]).status, 2);
}

#[test]
fn a_record_is_signed_as_geth_s_tool_signs_it() {
    let file = KeyFile::with(KEY);
    for (flags, expected) in [
        (&[][..], ENR[0]),
        (&["--ip="], ENR[1]),
        (&["--ip", "::1", "--udp", "7"], ENR[2]),
        (&["--ip", "1.2.3.4", "--tcp", "0"], ENR[3]),
        (&["--ip", "::ffff:1.2.3.4", "--udp", "0"], ENR[4]),
    ] {
        let line = run(&[&["key", "to-enr", file.name()], flags].concat()).line();
        assert_eq!(line, expected, "{flags:?}");
        assert_eq!(run(&["enrdump", &line]).status, 0);
    }
    let complaint = run(&["key", "to-enr", file.name(), "--ip", "x"]).complaint();
    assert_eq!(complaint, "devp2p: invalid IP address \"x\"");
}
