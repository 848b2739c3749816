//! What happens at a node, on its way to the application.
//!
//! To tell of something never waits, so that the order of events is the order
//! of what happened. To be bounded nevertheless, the node begins nothing new
//! while too much waits to be taken, or nobody can take it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use devp2p_core::limits;
use event_listener::Event as WakeUp;

use crate::Event;
use crate::queue::Empty;

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: WakeUp,
    /// There is room, or will never be any.
    room: WakeUp,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    /// Nothing more will happen.
    over: bool,
    /// Nobody is to wait for room.
    hurried: bool,
    /// Nobody will ever take an event.
    abandoned: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        let state = self.lock();
        state.hurried || (!state.abandoned && state.events.len() <= limits::NODE_EVENTS)
    }

    fn take(&self) -> Result<Event, Empty> {
        let mut state = self.lock();
        let Some(event) = state.events.pop_front() else {
            return Err(if state.over { Empty::Forever } else { Empty::Now });
        };
        let left = state.events.len();
        drop(state);
        if left > 0 {
            self.filled.notify(1);
        }
        if left == limits::NODE_EVENTS {
            // Only now is there room that there was not.
            self.room.notify(usize::MAX);
        }
        Ok(event)
    }

    fn hurry(&self) {
        self.lock().hurried = true;
        self.room.notify(usize::MAX);
    }
}

/// Both ends.
pub(crate) fn events() -> (Events, Happened) {
    let shared = Arc::new(Shared::default());
    (Events(Arc::clone(&shared)), Happened(Arc::new(Last(shared))))
}

/// Where an adapter says what happens. When it is dropped nothing more will.
#[derive(Debug)]
pub(crate) struct Events(Arc<Shared>);

impl Events {
    /// Says that this happened.
    pub(crate) fn tell(&self, event: Event) {
        let mut state = self.0.lock();
        if state.abandoned {
            // Not under the lock: with it goes a handle of a peer.
            drop(state);
            return drop(event);
        }
        state.events.push_back(event);
        drop(state);
        self.0.filled.notify(1);
    }

    /// How many wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().events.len()
    }

    /// Whether no more than [`limits::NODE_EVENTS`] wait to be taken, and somebody
    /// can take them.
    pub(crate) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Waits while it is so, or while it is not.
    pub(crate) async fn changed(&self, had_room: bool) {
        loop {
            let listener = self.0.room.listen();
            if self.0.has_room() != had_room {
                return;
            }
            listener.await;
        }
    }

    /// The node is stopping: nobody waits for room any more.
    pub(crate) fn hurry(&self) {
        self.0.hurry();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.filled.notify(usize::MAX);
    }
}

/// The application's end. Clones share the events.
#[derive(Clone, Debug)]
pub(crate) struct Happened(Arc<Last>);

impl Happened {
    /// The next one if there is one now.
    pub(crate) fn try_next(&self) -> Option<Event> {
        self.0.0.take().ok()
    }

    /// The next one; `None` when all has been taken and nothing more will happen.
    pub(crate) async fn next(&self) -> Option<Event> {
        let shared = &self.0.0;
        loop {
            let listener = shared.filled.listen();
            match shared.take() {
                Ok(event) => return Some(event),
                Err(Empty::Forever) => return None,
                Err(Empty::Now) => listener.await,
            }
        }
    }
}

/// When it goes nobody can take events any more.
#[derive(Debug)]
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        let events = core::mem::take(&mut state.events);
        drop(state);
        drop(events);
        self.0.room.notify(usize::MAX);
    }
}
