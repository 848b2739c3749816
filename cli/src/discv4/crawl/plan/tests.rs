use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::RecordBuilder;

use super::*;

/// 2026-01-02T03:04:05Z.
const START: u64 = 1_767_323_045;

fn after(seconds: u64) -> Now {
    Now { mono: Instant::from_secs(seconds), unix: UnixTime::from_secs(START + seconds) }
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

fn id(number: u8) -> NodeId {
    NodeId::from(&key(number).public_key())
}

/// A node that gave no record yet.
fn unsigned(number: u8) -> Contact {
    Contact::new(key(number).public_key(), [10, 0, 0, number].into(), 1, 1)
}

fn signed(number: u8, sequence: u64) -> Contact {
    let record = RecordBuilder::new(sequence).ip([10, 0, 0, number].into()).udp(1);
    Contact::from_record(Arc::new(record.sign(&key(number)).unwrap()))
}

/// A file in which these nodes have these scores, asked an hour ago.
fn file(scores: &[(u8, i64)]) -> NodeSet {
    let node = |(number, score): &(u8, i64)| {
        let hour_ago = Some(time(UnixTime::from_secs(START - 3600)));
        let times = [hour_ago; 3];
        let [first_response, last_response, last_check] = times;
        let node =
            Node { first_response, last_response, last_check, ..Node::met(&signed(*number, 1)) };
        (id(*number), Node { score: *score, ..node })
    };
    scores.iter().map(node).collect()
}

fn crawl(nodes: NodeSet, parallel: usize) -> Crawl {
    let parallel = NonZeroUsize::new(parallel).unwrap();
    Crawl::new(nodes, [], parallel, Some(Duration::from_secs(100))).unwrap()
}

/// Whoever is asked now, until nobody is.
fn asked(crawl: &mut Crawl, now: Now) -> Vec<NodeId> {
    core::iter::from_fn(|| crawl.next(now)).map(|contact| *contact.id()).collect()
}

fn sorted(numbers: &[u8]) -> Vec<NodeId> {
    let mut ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_node_that_answers_gains_a_point_and_its_record_is_kept() {
    let mut crawl = crawl(file(&[(1, 4)]), 16);
    let now = after(7);
    assert_eq!(asked(&mut crawl, now), [id(1)]);
    crawl.heard(id(1), Outcome::Answered(signed(1, 2)), now);
    let node = &crawl.nodes()[&id(1)];
    assert_eq!((node.score, node.sequence()), (5, 2));
    assert_eq!(node.last_check, Some(time(now.unix)));
    assert_eq!(node.last_response, node.last_check);
    assert_eq!(node.age(), SignedDuration::from_secs(3607));
    let Standing { tally, nodes, live } = crawl.standing();
    assert_eq!((tally, nodes, live), (Tally { updated: 1, ..Tally::default() }, 1, 1));
}

#[test]
fn a_node_that_is_silent_loses_half_its_points_and_is_removed_without_any() {
    let mut crawl = crawl(file(&[(1, 5), (2, 1)]), 16);
    assert_eq!(asked(&mut crawl, after(0)).len(), 2);
    for number in [1, 2] {
        crawl.heard(id(number), Outcome::Silent, after(0));
    }
    let node = &crawl.nodes()[&id(1)];
    assert_eq!((node.score, node.last_check), (2, Some(time(after(0).unix))));
    assert!(node.last_response < node.last_check);
    assert!(!crawl.nodes().contains_key(&id(2)));
    let tally = Tally { updated: 1, removed: 1, ..Tally::default() };
    assert_eq!((crawl.standing().tally, tally.asked()), (tally, 2));
}

#[test]
fn a_node_from_the_walk_is_added_when_it_answers_and_never_if_it_does_not() {
    let mut crawl = crawl(file(&[(1, 1)]), 16);
    crawl.met([unsigned(2), unsigned(3)]);
    assert_eq!(asked(&mut crawl, after(0)), [id(1), id(2), id(3)]);
    crawl.heard(id(2), Outcome::Answered(signed(2, 9)), after(1));
    crawl.heard(id(3), Outcome::Silent, after(1));
    let node = &crawl.nodes()[&id(2)];
    assert_eq!((node.score, node.sequence()), (1, 9));
    assert_eq!(node.first_response, Some(time(after(1).unix)));
    assert!(!crawl.nodes().contains_key(&id(3)));
    let tally = Tally { added: 1, silent: 1, ..Tally::default() };
    assert_eq!(crawl.standing().tally, tally);
    assert_eq!(crawl.standing().live, 1);
}

#[test]
fn bootnodes_are_where_an_empty_file_begins_and_stay_though_they_are_silent() {
    let bootnodes = || [unsigned(1)].map(|node| NodeAddress::Enode(node.to_enode()));
    let parallel = NonZeroUsize::MIN;
    let mut crawl = Crawl::new(NodeSet::new(), bootnodes(), parallel, None).unwrap();
    assert_eq!(asked(&mut crawl, after(0)), [id(1)]);
    crawl.heard(id(1), Outcome::Silent, after(0));
    assert_eq!(crawl.nodes()[&id(1)], Node::met(&unsigned(1)));
    let full = Crawl::new(file(&[(2, 1)]), bootnodes(), parallel, None).unwrap();
    assert!(!full.nodes().contains_key(&id(1)), "a file has nodes of its own");
    assert!(Crawl::new(NodeSet::new(), [], parallel, None).is_none());
}

#[test]
fn the_file_goes_first_in_the_order_of_ids_and_no_more_at_once_than_allowed() {
    let mut crawl = crawl(file(&[(1, 1), (2, 1), (3, 1)]), 2);
    crawl.met([unsigned(9)]);
    let all = sorted(&[1, 2, 3]);
    assert_eq!(asked(&mut crawl, after(0)), all[..2]);
    assert!(!crawl.wants_nodes());
    crawl.heard(all[0], Outcome::Silent, after(0));
    assert_eq!(asked(&mut crawl, after(0)), all[2..]);
    crawl.heard(all[1], Outcome::Silent, after(0));
    assert_eq!(asked(&mut crawl, after(0)), [id(9)]);
    crawl.heard(all[2], Outcome::Silent, after(0));
    assert!(crawl.wants_nodes(), "one is being asked, two may be");
}

#[test]
fn a_node_is_asked_again_after_ten_minutes_and_not_while_it_is_asked() {
    let mut crawl = crawl(file(&[(1, 1)]), 16);
    assert_eq!(asked(&mut crawl, after(0)), [id(1)]);
    crawl.met([unsigned(1)]);
    assert!(asked(&mut crawl, after(0)).is_empty());
    crawl.heard(id(1), Outcome::Answered(signed(1, 1)), after(0));
    for (seconds, again) in [(1, false), (599, false), (600, true)] {
        crawl.met([unsigned(1)]);
        assert_eq!(asked(&mut crawl, after(seconds)).len(), usize::from(again), "{seconds}");
    }
    assert_eq!(crawl.standing().tally.recent, 3);
}

#[test]
fn nodes_that_the_file_says_were_just_asked_are_passed_over() {
    let mut nodes = file(&[(1, 1)]);
    nodes
        .values_mut()
        .for_each(|node| node.last_check = Some(time(UnixTime::from_secs(START - 599))));
    let mut crawl = crawl(nodes, 16);
    assert!(asked(&mut crawl, after(0)).is_empty());
    assert!(crawl.end().is_some(), "the file is done with");
}

#[test]
fn a_clock_that_was_set_back_keeps_no_node_from_being_asked() {
    let mut nodes = file(&[(1, 1)]);
    nodes
        .values_mut()
        .for_each(|node| node.last_check = Some(time(UnixTime::from_secs(START + 9))));
    assert_eq!(asked(&mut crawl(nodes, 16), after(0)), [id(1)]);
}

#[test]
fn the_time_limit_begins_when_the_file_is_done_with() {
    let mut crawl = crawl(file(&[(1, 1), (2, 1)]), 1);
    let first = crawl.next(after(0)).unwrap();
    assert_eq!(crawl.end(), None);
    crawl.heard(*first.id(), Outcome::Silent, after(50));
    let second = crawl.next(after(50)).unwrap();
    assert_eq!(crawl.end(), None, "it may have to be asked again");
    crawl.heard(*second.id(), Outcome::Silent, after(60));
    assert!(crawl.next(after(60)).is_none());
    assert_eq!(crawl.end(), Some(Instant::from_secs(160)));
    crawl.met([unsigned(3)]);
    crawl.next(after(70)).unwrap();
    assert_eq!(crawl.end(), Some(Instant::from_secs(160)));
}

#[test]
fn without_a_limit_it_never_ends() {
    let mut crawl = Crawl::new(file(&[(1, 1)]), [], NonZeroUsize::MIN, None).unwrap();
    asked(&mut crawl, after(0));
    crawl.heard(id(1), Outcome::Silent, after(0));
    asked(&mut crawl, after(0));
    assert_eq!(crawl.end(), None);
}

#[test]
fn a_question_that_was_not_sent_costs_nothing_and_is_asked_again() {
    let nodes = file(&[(1, 1)]);
    let mut crawl = crawl(nodes.clone(), 16);
    crawl.next(after(0)).unwrap();
    crawl.heard(id(1), Outcome::NotAsked, after(0));
    assert_eq!((crawl.nodes(), crawl.standing().tally), (&nodes, Tally::default()));
    assert_eq!(asked(&mut crawl, after(1)), [id(1)]);
    // What nobody asked for is nothing.
    crawl.heard(id(7), Outcome::Answered(signed(7, 1)), after(1));
    assert_eq!(crawl.nodes(), &nodes);
}
