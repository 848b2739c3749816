//! Discovery as a whole: one machine against hand-made packets, and networks of
//! them in virtual time.

mod bounds;
mod determinism;
mod disk;
mod harness;
mod network;
mod opening;
mod packets;
mod revalidation;
mod store;
mod threats;
