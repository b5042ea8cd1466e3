//! What can go wrong when a report is drawn or written.

use std::path::PathBuf;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture could not be drawn.
    #[error("cannot draw the {picture} picture: {reason}")]
    Draw {
        /// Which one.
        picture: &'static str,
        /// The error of the plotting library.
        reason: String,
    },
    /// An SVG could not be turned into pixels.
    #[error("cannot turn the picture into PNG: {0}")]
    Png(String),
    /// A file or its directory could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}
