//! Titles and bodies of agents never become trailers.
#![no_main]

use outpace_record::Verdict;
use outpace_repo::{merge_message, parse_trailers};

libfuzzer_sys::fuzz_target!(|texts: (&str, &str, &str)| {
    let (title, body, agent) = texts;
    let message = merge_message::<Verdict>(title, body, &[], agent);
    let trailers = parse_trailers(&message);
    assert!(trailers.verdicts.is_empty() && trailers.proven.is_empty(), "{message}");
    assert!(trailers.bases.is_empty() && trailers.sandboxes.is_empty(), "{message}");
    assert!(trailers.agents.len() <= 1, "{message}");
    let shown = |c: char| !c.is_control() || c == '\n';
    assert!(message.chars().all(shown), "{message:?}");
    let _ = parse_trailers(body);
});
