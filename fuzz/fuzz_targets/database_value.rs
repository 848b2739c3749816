//! See `devp2p_fuzz::database_value`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::database_value::run(data));
