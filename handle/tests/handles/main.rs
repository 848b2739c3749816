//! The handles from both ends: an application's, and an adapter's that has no
//! runtime and no sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod connection;
mod discovery;
mod life;
mod node;
mod rig;
mod runtime;
mod serve;
mod wake_ups;
