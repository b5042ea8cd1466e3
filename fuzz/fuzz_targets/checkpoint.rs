//! A checkpoint that a candidate wrote, compared with itself.
#![no_main]

use std::io::Write as _;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("room on the disk");
    if let Some(tensors) = outpace_trial::fuzzing::checkpoint(file.path()) {
        assert!(tensors <= bytes.len());
    }
});
