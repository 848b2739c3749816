//! See `devp2p_fuzz::session_pair`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::session_pair::run(data));
