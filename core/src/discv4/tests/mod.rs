//! Discovery as a whole: one machine against hand-made packets, and networks of
//! them in virtual time.

mod bounds;
mod harness;
mod network;
mod opening;
mod packets;
