//! Patterns of paths.
#![no_main]

use outpace_repo::check_globs;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let patterns: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Err(error) = check_globs(&patterns) {
        assert!(!error.to_string().is_empty());
    }
});
