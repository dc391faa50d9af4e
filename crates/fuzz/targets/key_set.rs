#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chassis::fuzzing::key_set(bytes));
