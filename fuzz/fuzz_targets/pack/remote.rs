#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealcrate_fuzz_targets::run("remote", bytes));
