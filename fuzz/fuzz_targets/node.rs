//! See `devp2p_fuzz::node`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devp2p_fuzz::node::run(data));
