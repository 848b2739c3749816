//! What does not belong to one crate: the suite that all adapters pass,
//! interoperation with geth (`interop/run`), and speed beside it (`compare/run`).
#![forbid(unsafe_code)]

pub mod conformance;
pub mod enode;
pub mod records;
pub mod transcript;

/// The README's examples compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
