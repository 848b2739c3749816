//! A queue bounded by count and by bytes, between two tasks of any runtime.

use core::mem;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use devp2p_core::limits;
use devp2p_core::p2p::Message;
use event_listener::Event;

/// Messages on their way from one task to another.
///
/// While there is room and somebody waits for it, at least one of those who
/// wait has been woken; whoever uses its turn wakes the next if there is more.
/// The same holds for messages. So one wake-up is enough for each change, and
/// one that goes to a future just being dropped is passed on.
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
    /// Those that are out of the queue to be taken from, and count on.
    lent: usize,
    bytes: usize,
    closed: bool,
}

impl State {
    fn has_room(&self) -> bool {
        let count = self.messages.len() + self.lent;
        count < limits::CHANNEL_MESSAGES && self.bytes < limits::CHANNEL_BYTES
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.payload().len();
        self.messages.push_back(message);
    }
}

/// Why a message was not taken.
pub(crate) enum Refused {
    /// There is no room now.
    Full(Message),
    /// Nobody will ever read it.
    Closed,
}

/// Why there is no message.
#[derive(Debug)]
pub(crate) enum Empty {
    /// None has come yet.
    Now,
    /// None will come any more.
    Forever,
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
        state.push(message);
        let more = state.has_room();
        drop(state);
        self.filled.notify(1);
        if more {
            self.room.notify(1);
        }
        Ok(())
    }

    /// Takes the message as soon as there is room; `false` if the queue closed.
    pub(crate) async fn push(&self, mut message: Message) -> bool {
        let mut listener = None;
        loop {
            message = match self.try_push(message) {
                Ok(()) => return true,
                Err(Refused::Closed) => return false,
                Err(Refused::Full(message)) => message,
            };
            // Look again once listening, so that room made in between is not
            // missed.
            match listener.take() {
                None => listener = Some(self.room.listen()),
                Some(room) => room.await,
            }
        }
    }

    /// Waits until there is room; `false` if the queue closed.
    pub(crate) async fn room(&self) -> bool {
        let mut listener = None;
        loop {
            let (has_room, closed) = {
                let state = self.lock();
                (state.has_room(), state.closed)
            };
            if closed {
                return false;
            }
            if has_room {
                // Who only looks passes the turn on.
                self.room.notify(1);
                return true;
            }
            match listener.take() {
                None => listener = Some(self.room.listen()),
                Some(room) => room.await,
            }
        }
    }

    /// Takes the message whether there is room or not: the last one before the
    /// queue is closed.
    pub(crate) fn push_last(&self, message: Message) {
        let mut state = self.lock();
        if !state.closed {
            state.push(message);
        }
        drop(state);
        self.filled.notify(1);
    }

    /// The next message, and whether the queue was full before.
    pub(crate) fn try_pop(&self) -> Result<(Message, bool), Empty> {
        let mut state = self.lock();
        let was_full = !state.has_room();
        let Some(message) = state.messages.pop_front() else {
            return Err(if state.closed { Empty::Forever } else { Empty::Now });
        };
        state.bytes -= message.payload().len();
        let more = !state.messages.is_empty();
        drop(state);
        self.room.notify(1);
        if more {
            self.filled.notify(1);
        }
        Ok((message, was_full))
    }

    /// The next message as soon as there is one; `None` when the queue is
    /// closed and empty.
    pub(crate) async fn pop(&self) -> Option<(Message, bool)> {
        let mut listener = None;
        loop {
            match self.try_pop() {
                Ok(popped) => return Some(popped),
                Err(Empty::Forever) => return None,
                Err(Empty::Now) => {}
            }
            match listener.take() {
                None => listener = Some(self.filled.listen()),
                Some(filled) => filled.await,
            }
        }
    }

    /// Lends all messages to `take`, which removes what it can from the front.
    /// The queue is not locked meanwhile: those who push never wait for
    /// cryptography. For one task only.
    pub(crate) fn lend(&self, take: impl FnOnce(&mut VecDeque<Message>)) {
        let mut state = self.lock();
        if state.messages.is_empty() {
            return;
        }
        let mut messages = mem::take(&mut state.messages);
        state.lent = messages.len();
        drop(state);
        take(&mut messages);
        let mut state = self.lock();
        messages.append(&mut state.messages);
        if messages.is_empty() {
            // An idle connection holds no buffer.
            messages = VecDeque::new();
        }
        state.messages = messages;
        state.lent = 0;
        state.bytes = state.messages.iter().map(|message| message.payload().len()).sum();
        drop(state);
        self.room.notify(1);
    }

    pub(crate) fn len(&self) -> usize {
        let state = self.lock();
        state.messages.len() + state.lent
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

#[cfg(test)]
mod tests;
