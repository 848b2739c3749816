//! Connections with a real geth, recorded once and replayed without one.
//!
//! Our side's key and seed are fixed, so that what geth sent then still
//! decrypts now and what we answer must be the same bytes.

use core::fmt::Write as _;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use devp2p_core::crypto::{PublicKey, SecretKey};
use devp2p_core::driver::{Connection, Event};
use devp2p_core::entropy::Seed;
use devp2p_core::error::Misuse;
use devp2p_core::machine::Checked;
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability, Message, Shared};
use devp2p_core::session::{Command, Greeting, Local, Lost, Session};
use devp2p_core::time::Now;

/// What we ask of a geth that we dial.
pub const REQUEST: &[u8] = b"recorded once, replayed for ever";

/// Our side of a recorded connection: echoes requests, makes one if it dialled.
#[derive(Debug)]
pub struct Party {
    connection: Connection<Checked<Session>>,
    dialled: bool,
    shared: Option<Arc<Shared>>,
    messages: VecDeque<Message>,
    /// All that we wrote so far.
    pub written: Vec<u8>,
    /// What happened so far, a line each.
    pub events: String,
}

fn local() -> Result<Arc<Local>, Misuse> {
    let key = SecretKey::generate(&mut Seed::from_number(1999).derive("key", 0).secrets());
    let offer = LocalCapabilities::new([LocalCapability::new("echo", 1, 2)])?;
    Ok(Arc::new(Local::new(key, "devp2p-rs/recorded", Greeting::Offer(offer))?))
}

impl Party {
    /// The public key under which all recordings were made.
    pub fn public_key() -> Result<PublicKey, Misuse> {
        Ok(*local()?.public())
    }

    /// A connection to this node, or from whoever it may be.
    pub fn new(remote: Option<PublicKey>) -> Result<Self, Misuse> {
        let seed = Seed::from_number(2000);
        let session = match remote {
            Some(remote) => Session::dial(local()?, remote, &seed, Now::ZERO),
            None => Session::accept(local()?, seed, Now::ZERO),
        };
        let mut party = Self {
            connection: Connection::new(Checked::new(session)),
            dialled: remote.is_some(),
            shared: None,
            messages: VecDeque::new(),
            written: Vec::new(),
            events: String::new(),
        };
        party.turn();
        Ok(party)
    }

    /// Bytes from the other, all at the same instant: none depends on time.
    pub fn received(&mut self, bytes: &[u8]) {
        self.connection.received(Now::ZERO, bytes);
        self.turn();
    }

    /// The other closed the connection.
    pub fn lost(&mut self) {
        self.connection.lost(Now::ZERO, Lost::Closed);
        self.turn();
    }

    fn turn(&mut self) {
        loop {
            while let Some(event) = self.connection.poll_event() {
                self.happened(event);
            }
            if !self.messages.is_empty() && self.connection.wants_send() {
                self.connection.send(Now::ZERO, &mut self.messages);
            }
            let bytes: Vec<u8> = self.connection.writes().flatten().copied().collect();
            if bytes.is_empty() {
                return;
            }
            self.written.extend_from_slice(&bytes);
            self.connection.written(Now::ZERO, bytes.len());
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Authenticated(remote) => {
                self.note(format_args!("authenticated {remote:?}"));
                self.connection.command(Now::ZERO, Command::Proceed);
            }
            Event::Ready { hello, shared } => {
                self.note(format_args!("ready {hello:?}"));
                self.connection.command(Now::ZERO, Command::Admit);
                if self.dialled {
                    self.say(&shared, 0, Bytes::from_static(REQUEST));
                }
                self.shared = Some(shared);
            }
            Event::Message(message) => {
                self.note(format_args!(
                    "message {} of {} bytes",
                    message.code(),
                    message.payload().len()
                ));
                self.connection.delivered(Now::ZERO);
                match (message.code(), self.shared.clone()) {
                    (0, Some(shared)) => self.say(&shared, 1, message.into_payload()),
                    _ => {
                        let goodbye = Command::Disconnect(DisconnectReason::Quitting);
                        self.connection.command(Now::ZERO, goodbye);
                    }
                }
            }
            Event::RoundTrip(_) => self.note(format_args!("round trip")),
            Event::Closed(error) => self.note(format_args!("closed {error:?}")),
        }
    }

    fn say(&mut self, shared: &Shared, code: u64, payload: Bytes) {
        self.messages.extend(shared.message(0, code, payload));
    }

    fn note(&mut self, line: core::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.events, "{line}");
    }

    /// Whether the connection came to its end.
    pub fn is_over(&self) -> bool {
        self.events.lines().last().is_some_and(|line| line.starts_with("closed"))
    }
}
