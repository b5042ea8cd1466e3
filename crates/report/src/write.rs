//! A report as files in a directory. No other module of this crate but the nightly page writes to
//! the disk, and that one by [`put`].

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::data::ReportData;
use crate::error::ReportError;
use crate::history::workloads;
use crate::html::html;
use crate::json::json;
use crate::markdown::markdown;
use crate::png::png;
use crate::svg::{campaign_svg, history_svg, verdict_svg};
use crate::text::slug;

/// Width of PNG pictures: sharp on a screen of high density.
const PNG_WIDTH_PX: u32 = 1920;

/// Above this many verdicts the rest get no file of their own. Their pictures are in the page.
const MOST_VERDICTS: usize = 20;

/// Which files to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// `index.html`, and its pictures as SVG files beside it.
    pub html: bool,
    /// `report.md`.
    pub markdown: bool,
    /// `report.json`.
    pub json: bool,
    /// The pictures as PNG files.
    pub png: bool,
}

impl Default for Formats {
    /// All but PNG.
    fn default() -> Self {
        Self {
            html: true,
            markdown: true,
            json: true,
            png: false,
        }
    }
}

/// Writes the files into `dir`, which is created, and returns their paths, the page first.
///
/// Everything is drawn before the first file is written, and each file is put in place by a
/// rename: a reader sees the old file or the new one, never a part of one. Other files of the
/// directory are left alone.
///
/// # Errors
/// A picture cannot be drawn, or a file cannot be written; the error names the file.
pub fn write(
    dir: &Path,
    data: &ReportData,
    formats: &Formats,
) -> Result<Vec<PathBuf>, ReportError> {
    let files = render(data, formats)?;
    fs::create_dir_all(dir).map_err(|source| ReportError::Write {
        path: dir.to_owned(),
        source,
    })?;
    files
        .into_iter()
        .map(|(name, bytes)| put(dir, &name, &bytes))
        .collect()
}

fn render(data: &ReportData, formats: &Formats) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    if formats.html {
        files.push(("index.html".to_owned(), html(data)?.into_bytes()));
    }
    if formats.markdown {
        files.push(("report.md".to_owned(), markdown(data).into_bytes()));
    }
    if formats.json {
        files.push(("report.json".to_owned(), json(data).into_bytes()));
    }
    if formats.html || formats.png {
        for (name, svg) in pictures(data)? {
            if formats.png {
                files.push((format!("{name}.png"), png(&svg, PNG_WIDTH_PX)?));
            }
            files.push((format!("{name}.svg"), svg.into_bytes()));
        }
    }
    Ok(files)
}

fn pictures(data: &ReportData) -> Result<Vec<(String, String)>, ReportError> {
    let mut out = Vec::new();
    if let Some(campaign) = &data.campaign {
        out.push((
            "campaign".to_owned(),
            campaign_svg(campaign, &data.attempts)?,
        ));
    }
    for (i, verdict) in data.verdicts.iter().take(MOST_VERDICTS).enumerate() {
        out.push((
            format!("verdict-{}-{}", i + 1, slug(&verdict.workload)),
            verdict_svg(verdict)?,
        ));
    }
    for (i, workload) in workloads(&data.runs).into_iter().enumerate() {
        out.push((
            format!("history-{}-{}", i + 1, slug(workload)),
            history_svg(&data.runs, workload)?,
        ));
    }
    Ok(out)
}

/// Puts a file in place by a rename.
pub(crate) fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, ReportError> {
    let path = dir.join(name);
    let draft = dir.join(format!(".{name}.{}.part", std::process::id()));
    let written = write_draft(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
    written.map_err(|source| {
        // There may be no draft. The first error is the one to report.
        let _ = fs::remove_file(&draft);
        ReportError::Write {
            path: path.clone(),
            source,
        }
    })?;
    Ok(path)
}

fn write_draft(draft: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(draft) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            // A killed process of the same id left it behind.
            fs::remove_file(draft)?;
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(draft)?
        }
        other => other?,
    };
    file.write_all(bytes)?;
    file.sync_all()
}
