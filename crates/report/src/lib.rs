//! Records to HTML, Markdown, JSON, SVG and PNG.
//!
//! Every function here is a pure function of the records it gets, except [`write()`] and
//! [`write_nightly()`], which put the results into a directory. There is no clock, no git and no
//! network, and the pages load nothing. Titles, reasons, diffs and names are untrusted text: they
//! are cleaned, cut to length and escaped on their way into every format.

mod campaign_summary;
mod captions;
mod data;
mod error;
pub mod format;
mod history;
mod html;
mod isolated;
mod json;
mod markdown;
mod nightly;
mod plot;
mod png;
mod recompute;
pub mod samples;
mod seeds;
mod settings;
mod status;
mod svg;
mod text;
mod write;

pub use captions::campaign_headline;
pub use data::ReportData;
pub use error::ReportError;
pub use html::html;
pub use json::json;
pub use markdown::escape::cell as markdown_cell;
pub use markdown::markdown;
pub use nightly::{CampaignLink, Night, SeriesOfNight, csv_cell, nightly_markdown, write_nightly};
pub use png::{MAX_PNG_WIDTH_PX, png};
pub use recompute::shell_word;
pub use svg::{campaign_svg, history_svg, verdict_svg};
pub use write::{Formats, write};
