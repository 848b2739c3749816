//! A timer that can be off.

use core::future::Future as _;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Made, set and polled within a runtime that has time.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    due: Option<Instant>,
}

impl Timer {
    /// One that is off.
    pub(crate) fn never() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now().into())), due: None }
    }

    /// Off, or set to this time.
    pub(crate) fn set(&mut self, due: Option<Instant>) {
        if due != self.due {
            self.due = due;
            if let Some(due) = due {
                self.sleep.as_mut().reset(due.into());
            }
        }
    }

    /// Ready from its time on, until it is set anew.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.due.is_some() { self.sleep.as_mut().poll(cx) } else { Poll::Pending }
    }
}
