//! The command as it is used: the real binary, real sockets on loopback, real
//! signals.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]
#![allow(clippy::expect_used, reason = "all of it is tests")]
#![allow(clippy::panic, reason = "all of it is tests")]

mod admin;
mod db;
mod devnet;
mod discv4;
mod dumpconfig;
mod enr;
mod failures;
mod key;
mod manual;
mod metrics;
mod nodeset;
mod peers;
mod rlpx;
mod run;
mod run_files;
mod run_refusals;
mod run_socket;
mod signals;
mod sim;
mod support;
