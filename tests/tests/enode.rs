//! Enode URLs are read and printed exactly as geth does.

use devp2p_tests::enode::{GETH, Reported, beyond_our_bounds, ours};

#[test]
fn every_text_gives_what_geth_gives() {
    let reports: Vec<Reported> = serde_json::from_str(GETH).unwrap();
    assert!(reports.len() >= 400, "only {} texts", reports.len());
    assert!(reports.iter().filter(|geth| geth.ok).count() >= 200);
    for geth in &reports {
        assert!(!beyond_our_bounds(geth), "{:?}", geth.input);
        assert_eq!(&ours(geth), geth);
    }
}
