//! See `devp2p_fuzz::session_dial`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::session_dial::run(data));
