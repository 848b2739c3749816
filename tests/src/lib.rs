//! What does not belong to one crate: the suite that all adapters pass,
//! interoperation with geth (`interop/run`), and speed beside it (`compare/run`).
#![forbid(unsafe_code)]

pub mod conformance;
