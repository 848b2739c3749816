//! Holds our reading of node records against a file of geth's reports, one a
//! line: `compare_records FILE`. `tests/vectors/records/README.md` makes the
//! file.
#![expect(clippy::expect_used, reason = "a tool for developers, run by hand")]

use devp2p_tests::records::{Reported, is_no_rlp, ours};

fn main() {
    let file = std::env::args().nth(1).expect("a file of reports");
    let text = std::fs::read_to_string(file).expect("a file that can be read");
    let (mut alike, mut accepted, mut no_rlp) = (0, 0, 0);
    for line in text.lines() {
        let geth: Reported = serde_json::from_str(line).expect("a report");
        if is_no_rlp(&geth) {
            no_rlp += 1;
            continue;
        }
        assert_eq!(ours(&geth), geth);
        alike += 1;
        accepted += usize::from(geth.ok);
    }
    println!("{alike} alike, {accepted} of them accepted; {no_rlp} that geth takes and are no RLP");
}
