//! Every benchmark runs, and does the same work each time.

use outpace_benches::{Size, cases};
use outpace_gpt::drill::Operation;

#[test]
fn every_case_gives_the_same_checksum_again() {
    let checksums = || -> Vec<(String, f64)> {
        let cases = cases(Size::Smoke).unwrap();
        let run = |mut case: outpace_benches::Case| (case.name, (case.run)().unwrap());
        cases.into_iter().map(run).collect()
    };
    let (first, second) = (checksums(), checksums());
    assert_eq!(first.len(), Operation::all().len() + 3);
    for (name, checksum) in &first {
        println!("{name:<24}{checksum}");
        assert!(
            checksum.is_finite() && *checksum != 0.0,
            "{name}: {checksum}"
        );
    }
    assert_eq!(first, second);
}
