#[should_panic = "trial at 1.000000 s: n1 is no loner"]
#[test]
fn seed_0_breaks_trial() {
    use core::time::Duration;

    use devp2p_sim::{NodePlan, Scenario, play};

    let scenario = Scenario::new(0)
        .node(1, NodePlan { is_bootnode: true, ..NodePlan::ORDINARY })
        .node(4, NodePlan::ORDINARY)
        .node(5, NodePlan::ORDINARY);
    let scenario = Scenario { calm: Duration::from_secs(1), ..scenario };
    let played = play(&scenario, &Loners).unwrap();
    if let Some(violation) = played.violation {
        panic!("{violation}");
    }
}
