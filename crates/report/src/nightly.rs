//! The nightly page: every series at a glance, and a page for each, as one folder of static files.
//!
//! Like the rest of this crate it knows no clock and no network: when it was made comes from the
//! caller. The pages load nothing. Their scripts only filter and show what is in the page already.

mod base64;
mod captions;
mod changes;
mod columns;
mod commits;
mod csv;
mod glance;
mod hover;
mod index;
mod links;
mod markdown;
mod page;
mod rows;
mod series_page;
mod shown;
mod sparkline;

use std::fs;
use std::path::{Path, PathBuf};

use outpace_record::{Failure, Timestamp};
use outpace_track::{Finding, Series};

use crate::error::ReportError;
use crate::write::put;
use rows::Row;

pub(crate) use captions::label;
pub(crate) use columns::{Column, columns};
pub use csv::csv_cell;
pub use markdown::nightly_markdown;
pub(crate) use shown::{Place, Shown};

/// Folder of the pages of single series, below that of the index.
const SERIES: &str = "series";

/// What the nightly page is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Night {
    /// What stands at the top; untrusted text.
    pub title: String,
    /// When it was made.
    pub generated: Timestamp,
    /// `https://host/owner/repo`; a commit is linked as `{base}/commit/{id}`. Without it, or where
    /// it is not such an address, there are no links.
    pub commit_base: Option<String>,
    /// All series, in any order.
    pub series: Vec<SeriesOfNight>,
    /// Campaigns to link.
    pub campaigns: Vec<CampaignLink>,
    /// Commits that could not be measured.
    pub failures: Vec<Failure>,
}

/// A series and its changes.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesOfNight {
    /// The measured commits.
    pub series: Series,
    /// Its changes, as [`outpace_track::findings`] gives them.
    pub findings: Vec<Finding>,
}

/// A campaign of the research half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignLink {
    /// Its name; untrusted text.
    pub title: String,
    /// Its report, relative to the index page. Another address is not linked.
    pub href: String,
    /// What came out, in one line; untrusted text.
    pub line: String,
}

/// Writes `index.html`, and for each series `series/<name>.html` and `.csv`, into `dir`, which is
/// created. Returns their paths, the index first.
///
/// The index is written last: what it links to is there. Each file is put in place by a rename.
/// Equal input gives equal bytes. Other files of the folder are left alone.
///
/// # Errors
/// A picture cannot be drawn, or a file cannot be written; the error names the file.
pub fn write_nightly(dir: &Path, night: &Night) -> Result<Vec<PathBuf>, ReportError> {
    let pages = dir.join(SERIES);
    fs::create_dir_all(&pages).map_err(|source| ReportError::Write {
        path: pages.clone(),
        source,
    })?;
    let rows = Row::all(night);
    let mut paths = Vec::new();
    for row in &rows {
        let page = series_page::page(night, row)?;
        paths.push(put(&pages, &format!("{}.html", row.name), page.as_bytes())?);
        let table = csv::table(&row.shown);
        paths.push(put(&pages, &format!("{}.csv", row.name), table.as_bytes())?);
    }
    let index = index::page(night, &rows);
    paths.insert(0, put(dir, "index.html", index.as_bytes())?);
    Ok(paths)
}
