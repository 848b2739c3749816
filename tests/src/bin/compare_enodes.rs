//! Holds our reading of enode URLs against a file of geth's reports, one a
//! line: `compare_enodes FILE`. `tests/vectors/enode/README.md` makes the file.
#![expect(clippy::expect_used, reason = "a tool for developers, run by hand")]

use devp2p_core::identity::Enode;
use devp2p_tests::enode::{Reported, beyond_our_bounds, ours};

fn main() {
    let file = std::env::args().nth(1).expect("a file of reports");
    let text = std::fs::read_to_string(file).expect("a file that can be read");
    let (mut alike, mut accepted, mut beyond) = (0, 0, 0);
    for line in text.lines() {
        let geth: Reported = serde_json::from_str(line).expect("a report");
        if beyond_our_bounds(&geth) {
            beyond += 1;
            assert!(geth.input.parse::<Enode>().is_err());
            continue;
        }
        assert_eq!(ours(&geth), geth);
        alike += 1;
        accepted += usize::from(geth.ok);
    }
    println!("{alike} alike, {accepted} of them accepted; {beyond} beyond our bounds");
}
