//! Node records are read, checked and printed exactly as geth does.

use devp2p_tests::records::{GETH, Reported, is_no_rlp, ours};

#[test]
fn every_record_gives_what_geth_gives() {
    let reports: Vec<Reported> = serde_json::from_str(GETH).unwrap();
    assert!(reports.len() >= 500, "only {} records", reports.len());
    let (no_rlp, reports): (Vec<_>, Vec<_>) = reports.into_iter().partition(is_no_rlp);
    assert!((1..50).contains(&no_rlp.len()), "{} that are no RLP", no_rlp.len());
    assert!(reports.iter().filter(|geth| geth.ok).count() >= 150);
    for geth in &reports {
        assert_eq!(&ours(geth), geth);
    }
}
