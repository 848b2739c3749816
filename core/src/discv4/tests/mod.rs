//! Discovery as a whole: one machine against hand-made packets, and networks of
//! them in virtual time.

mod determinism;
mod harness;
mod network;
mod packets;
mod threats;
