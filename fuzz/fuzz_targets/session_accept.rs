//! See `devp2p_fuzz::session_accept`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::session_accept::run(data));
