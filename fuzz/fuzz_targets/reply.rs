//! The judge's side of the step protocol: a line of a workload is a reply, or what is wrong with it
//! can be shown.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    if let Err(error) = outpace_trial::fuzzing::reply(line) {
        let message = error.to_string();
        assert!(!message.chars().any(char::is_control), "{message:?}");
        assert!(message.chars().count() < 1000, "{message}");
    }
});
