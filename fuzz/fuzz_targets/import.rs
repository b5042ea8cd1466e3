//! Results of other tools: figures that can be, names that can be shown.
#![no_main]

use outpace_import::{Format, read_text};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for format in Format::ALL.into_iter().map(Some).chain([None]) {
        match read_text(text, format) {
            Ok(import) => {
                for result in &import.results {
                    assert!(result.value.estimate.is_finite());
                    assert!(!result.series.chars().any(char::is_control));
                }
            }
            Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
        }
    }
});
