//! See `devp2p_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::frames::run(data));
