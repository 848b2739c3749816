//! See `devp2p_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::record::run(data));
