//! A queue bounded by count and by bytes, between two tasks of any runtime.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use devp2p_core::limits;
use devp2p_core::p2p::Message;
use event_listener::Event;

/// Messages on their way from one task to another.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Somebody may push again, or the queue was closed.
    room: Event,
    /// Somebody may pop, or the queue was closed.
    filled: Event,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    bytes: usize,
    closed: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.messages.len() < limits::CHANNEL_MESSAGES && self.bytes < limits::CHANNEL_BYTES
    }
}

/// Why a message was not taken.
pub(crate) enum Refused {
    /// There is no room now.
    Full(Message),
    /// Nobody will ever read it.
    Closed,
}

impl Queue {
    /// Takes the message if there is room.
    pub(crate) fn try_push(&self, message: Message) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if !state.has_room() {
            return Err(Refused::Full(message));
        }
        state.bytes += message.payload.len();
        state.messages.push_back(message);
        drop(state);
        self.filled.notify(1);
        Ok(())
    }

    /// Takes the message as soon as there is room; `false` if the queue closed.
    pub(crate) async fn push(&self, mut message: Message) -> bool {
        loop {
            // Listen first, so that room made in between is not missed.
            let room = self.room.listen();
            message = match self.try_push(message) {
                Ok(()) => return true,
                Err(Refused::Closed) => return false,
                Err(Refused::Full(message)) => message,
            };
            room.await;
        }
    }

    /// The next message, and whether the queue was full before.
    pub(crate) fn try_pop(&self) -> Option<(Message, bool)> {
        let mut state = self.lock();
        let was_full = !state.has_room();
        let message = state.messages.pop_front()?;
        state.bytes -= message.payload.len();
        drop(state);
        self.room.notify(1);
        Some((message, was_full))
    }

    /// The next message as soon as there is one; `None` when the queue is
    /// closed and empty.
    pub(crate) async fn pop(&self) -> Option<(Message, bool)> {
        loop {
            let filled = self.filled.listen();
            if let Some(popped) = self.try_pop() {
                return Some(popped);
            }
            if self.lock().closed {
                return None;
            }
            filled.await;
        }
    }

    /// Lends all messages to `take`, which removes what it can from the front.
    pub(crate) fn drain_with(&self, take: impl FnOnce(&mut VecDeque<Message>)) {
        let mut state = self.lock();
        let before = state.messages.len();
        if before == 0 {
            return;
        }
        take(&mut state.messages);
        let taken = before - state.messages.len();
        state.bytes = state.messages.iter().map(|message| message.payload.len()).sum();
        drop(state);
        self.room.notify(taken);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().messages.is_empty()
    }

    /// Nothing more is taken; what is there can still be popped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.notify(usize::MAX);
        self.filled.notify(usize::MAX);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
