//! The node as a whole, under watch, with sessions that say what a test wants.

mod admissions;
mod both_at_once;
mod dials;
mod geth_dials;
mod harness;
mod incoming;
mod life;
mod properties;
mod requests;
mod threats;
