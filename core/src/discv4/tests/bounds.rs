//! What an application asks and gives up again is still under way: it must fit
//! what there is room for, and keep nothing else from happening.

use alloc::vec::Vec;
use core::time::Duration;

use super::harness::*;
use crate::discv4::{Command, RequestId};
use crate::identity::Contact;
use crate::limits;

/// As many pings as there is room for, all given up at once.
fn crawl(lone: &mut Lone) {
    let at = Stranger::new(9999).at;
    let key = Stranger::new(9999).key.public_key();
    for number in 0..1000_u16 {
        let contact = Contact::new(key, at.ip(), 2000 + number, 0);
        lone.ask(u64::from(number) * 2, Command::Ping(contact));
        lone.ask(u64::from(number) * 2 + 1, Command::Cancel(RequestId(u64::from(number) * 2)));
    }
    assert_eq!(lone.look().pending(), limits::DISCOVERY_COMMANDS);
}

#[test]
fn the_table_is_revalidated_however_much_an_application_asks() {
    let strangers: Vec<Stranger> = (0..3).map(Stranger::new).collect();
    let mut lone =
        Lone::new(1, |config| config.bootnodes = strangers.iter().map(Stranger::contact).collect());
    lone.serve(&strangers);
    for _ in 0..12 {
        lone.wait(Duration::from_millis(2));
        crawl(&mut lone);
        lone.wait(limits::REPLY_TIMEOUT);
        lone.serve(&strangers);
    }
    assert_eq!(lone.look().table().live(), strangers.len());
}

#[test]
fn questions_that_wait_for_a_ping_are_asked_though_others_took_their_room() {
    let mut lone = Lone::new(1, |_| {});
    let strangers: Vec<Stranger> = (0..40).map(Stranger::new).collect();
    for (number, stranger) in (1_000_000..).zip(&strangers) {
        lone.ask(number, Command::FindNode(stranger.contact(), [1; 64]));
    }
    lone.serve(&strangers);
    lone.wait(Duration::from_millis(1));
    crawl(&mut lone);
    lone.wait(limits::PING_BACK_TIMEOUT - Duration::from_millis(1));
    for stranger in &strangers {
        assert_eq!(lone.kinds_to(stranger.at).len(), 1, "it was asked");
    }
}
