//! The session alone, against a peer driven by hand, and as a pair in virtual
//! time. Every session in here runs under [`Checked`](crate::machine::Checked).
#![allow(clippy::cast_possible_truncation, reason = "tests cut numbers to make bytes of them")]

mod determinism;
mod disconnect;
mod messages;
mod misbehaviour;
mod odd_inputs;
mod pair;
mod peer;
mod pressure;
mod properties;
mod stories;
mod threats;
mod time_limits;
