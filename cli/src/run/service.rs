//! What systemd is told, if it was systemd that started us: that we are ready,
//! that we read the configuration again, that we stop.

#[derive(Clone, Copy)]
enum State {
    Ready,
    Reloading,
    Stopping,
}

/// The node runs, or runs with what it has read.
pub(super) fn ready() {
    tell(State::Ready);
}

/// The configuration is being read again.
pub(super) fn reloading() {
    tell(State::Reloading);
}

/// The node has been asked to stop.
pub(super) fn stopping() {
    tell(State::Stopping);
}

#[cfg(unix)]
fn tell(state: State) {
    use sd_notify::NotifyState;

    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // systemd wants to know which reload it is that ends.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(not(unix))]
fn tell(_: State) {}
