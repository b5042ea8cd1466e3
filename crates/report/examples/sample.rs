//! Writes a report of a made-up campaign, to look at: `cargo run -p outpace-report --example sample -- DIR [ATTEMPTS]`.

#[path = "../tests/report/common.rs"]
mod common;

use std::path::PathBuf;
use std::time::Instant;

use outpace_report::{Formats, ReportError, write};

fn main() -> Result<(), ReportError> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(
        || std::env::temp_dir().join("outpace-report"),
        PathBuf::from,
    );
    let attempts = args.next().and_then(|n| n.parse().ok()).unwrap_or(38);
    let mut data = common::campaign(attempts);
    if attempts == 0 {
        data.runs.clear();
        data.baselines.clear();
    }
    let start = Instant::now();
    let formats = Formats {
        png: true,
        ..Formats::default()
    };
    for path in write(&dir, &data, &formats)? {
        println!("{}", path.display());
    }
    let mut single = common::nothing();
    single.title = "Verdicts of a gate".into();
    single.verdicts = data
        .attempts
        .iter()
        .filter_map(|a| a.main_verdict().cloned())
        .take(5)
        .collect();
    write(&dir.join("gate"), &single, &formats)?;
    write(&dir.join("nothing"), &common::nothing(), &formats)?;
    println!(
        "drawn and written in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
