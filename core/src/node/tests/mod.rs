//! The node as a whole, under watch, with sessions that say what a test wants.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test takes of the outputs what it is about")]

mod admissions;
mod both_at_once;
mod dials;
mod gateway;
mod geth_dials;
mod harness;
mod incoming;
mod journal;
mod life;
mod properties;
mod requests;
mod resolving;
mod threats;
