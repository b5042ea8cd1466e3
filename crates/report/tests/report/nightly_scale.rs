//! The nightly page of long histories: how long it takes, and how large it is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use outpace_report::{Night, write_nightly};
use outpace_track::Standing;

use crate::night;

/// `workloads` series of `commits` commits each, with twelve changes.
fn long(commits: usize, workloads: usize) -> Night {
    let standings = [
        Standing::Faster,
        Standing::Regression,
        Standing::Accepted,
        Standing::NotProven,
    ];
    let step = |i: usize| {
        (
            (
                i * commits / 13,
                if i.is_multiple_of(2) { -0.02 } else { 0.021 },
            ),
            standings[i % 4],
        )
    };
    let steps: Vec<_> = (1..13).map(step).collect();
    let names = (0..workloads).map(|i| format!("workload-{i}"));
    Night {
        series: names
            .map(|name| night::series((&name, "epyc-7b13-x2"), commits, &steps))
            .collect(),
        commit_base: Some("https://git.example/a/b".into()),
        ..night::empty()
    }
}

/// Seconds, size of the index, of the largest page and of all files, in bytes.
fn figures(night: &Night, dir: &Path) -> (Duration, [u64; 3]) {
    let start = Instant::now();
    let paths = write_nightly(dir, night).expect("the night can be drawn");
    let time = start.elapsed();
    let size = |path: &Path| fs::metadata(path).expect("the file was written").len();
    let pages = paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "html"));
    let largest = pages
        .skip(1)
        .map(|p| size(p))
        .max()
        .expect("there are pages");
    let all = paths.iter().map(|p| size(p)).sum();
    (time, [size(&paths[0]), largest, all])
}

/// Writes a night of twenty workloads and prints what that took.
fn print(commits: usize) -> (Duration, [u64; 3]) {
    let night = long(commits, 20);
    let before = peak_mib();
    let dir = tempfile::tempdir().expect("a folder can be made");
    let (time, sizes) = figures(&night, dir.path());
    let [index, page, all] = sizes.map(|bytes| bytes >> 10);
    println!(
        "{commits} commits of 20 workloads: {:.2} s, index {index} KiB, largest page {page} KiB, all files {all} KiB, \
         peak {:?} MiB ({before:?} before writing)",
        time.as_secs_f64(),
        peak_mib()
    );
    (time, sizes)
}

/// Most memory that this process has had, in MiB.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn a_thousand_commits_of_three_workloads_stay_small() {
    let dir = tempfile::tempdir().unwrap();
    let (time, [index, page, _]) = figures(&long(1000, 3), dir.path());
    assert!(time < Duration::from_secs(5), "{time:?}");
    assert!(index < 60_000, "the index has {index} bytes");
    assert!(page < 400_000, "the largest page has {page} bytes");
}

/// `cargo test --release -p outpace-report -- --ignored --nocapture ten_thousand`: by itself, since
/// the peak is that of the process.
#[test]
#[ignore = "measures time and memory of the whole process"]
fn ten_thousand_commits_of_twenty_workloads() {
    let thousand = print(1000);
    let (time, [index, page, _]) = print(10_000);
    println!(
        "ten times the commits take {:.1} times the time",
        time.as_secs_f64() / thousand.0.as_secs_f64()
    );
    assert!(time < Duration::from_secs(3), "{time:?}");
    assert!(index < 400_000 && page < 400_000, "{index} {page}");
    assert!(
        peak_mib().is_none_or(|mib| mib < 300),
        "{:?} MiB",
        peak_mib()
    );
}
