//! Back-pressure: whoever is slow stops the bytes, and not the memory.

use core::time::Duration;

use super::pair::{Pair, noise};
use super::peer::Peer;
use crate::limits;
use crate::session::{Command, Input};

#[test]
fn two_ends_that_send_more_than_the_network_holds_do_not_wait_for_each_other() {
    let mut pair = Pair::open(1);
    for end in &mut pair.ends {
        end.send(0, noise(1, 1 << 20));
        end.send(0, noise(2, 1 << 20));
    }
    pair.run(Duration::from_secs(5));
    for end in &pair.ends {
        assert_eq!(end.closed(), None);
        assert_eq!(end.messages().len(), 2);
    }
}

#[test]
fn pings_that_are_asked_for_without_end_stay_under_the_bound() {
    let (_, mut end) = Peer::open(1);
    // `Checked` audits the bound after each of them.
    (0..10_000).for_each(|_| end.handle(Input::Command(Command::Ping)));
    assert!((limits::WRITE_BACKLOG..limits::WRITE_BACKLOG + 64).contains(&end.unsent.len()));
}
