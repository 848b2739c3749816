//! What comes before the store has said what it remembers.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::discv4::Input;
use crate::limits;
use crate::store::Reply;

fn opening() -> Lone {
    Lone::new(1, |config| config.store = true)
}

fn opened(sequence: u64) -> Input<'static> {
    Input::Store(Reply::Opened { sequence: Some(sequence), bonds: Vec::new() })
}

#[test]
fn seeds_that_nobody_has_asked_for_yet_are_passed_over() {
    let mut lone = opening();
    lone.give(Input::Store(Reply::Seeds(vec![Stranger::new(1).contact()])));
    assert!(lone.look().table().is_empty());
    lone.wait(limits::STORE_OPEN_TIMEOUT / 2);
    lone.give(opened(5));
    lone.give(Input::Store(Reply::Seeds(vec![Stranger::new(1).contact()])));
    assert_eq!(lone.look().table().len(), 1);
}
