//! `outpace.toml`: a message is one that a terminal can show, and names the file.
#![no_main]

use outpace_record::parse_config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = parse_config(text, "outpace.toml") {
        let message = error.to_string();
        assert!(message.starts_with("outpace.toml"), "{message}");
        let shown = |c: char| !c.is_control() || c == '\n';
        assert!(message.chars().all(shown), "{message:?}");
    }
});
