//! Writes a report to look at, of a made-up campaign or of a report that was written as JSON:
//!
//! ```text
//! cargo run --release -p outpace-report --example sample -- DIR [ATTEMPTS]
//! cargo run --release -p outpace-report --example sample -- DIR reports/sample/report.json
//! ```
//!
//! The second form draws the records of `report.json` again. `reports/sample` was measured, so it
//! is drawn again and never made up.

#[path = "../tests/report/common.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use outpace_record::{Document, Report};
use outpace_report::{Formats, ReportData, write};

/// Attempts of the made-up campaign.
const ATTEMPTS: usize = 38;

/// Verdicts of the made-up gate.
const VERDICTS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(
        || std::env::temp_dir().join("outpace-report"),
        PathBuf::from,
    );
    let start = Instant::now();
    match args.next() {
        Some(file) if file.ends_with(".json") => draw_again(&dir, Path::new(&file))?,
        attempts => make_up(&dir, attempts.map_or(Ok(ATTEMPTS), |n| n.parse())?)?,
    }
    println!(
        "drawn and written in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn draw_again(dir: &Path, file: &Path) -> Result<()> {
    let report = Report::from_json(&std::fs::read_to_string(file)?)?;
    show(dir, &report.into(), &Formats::default())
}

/// A campaign, a gate and an empty repository.
fn make_up(dir: &Path, attempts: usize) -> Result<()> {
    let mut data = common::campaign(attempts);
    if attempts == 0 {
        data.runs.clear();
        data.baselines.clear();
    }
    let formats = Formats {
        png: true,
        ..Formats::default()
    };
    show(dir, &data, &formats)?;
    let verdicts = data.attempts.iter().filter_map(|a| a.main_verdict());
    let single = ReportData {
        title: "Verdicts of a gate".into(),
        verdicts: verdicts.take(VERDICTS).cloned().collect(),
        ..common::nothing()
    };
    show(&dir.join("gate"), &single, &formats)?;
    show(&dir.join("nothing"), &common::nothing(), &formats)
}

fn show(dir: &Path, data: &ReportData, formats: &Formats) -> Result<()> {
    for path in write(dir, data, formats)? {
        println!("{}", path.display());
    }
    Ok(())
}
