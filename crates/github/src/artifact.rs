//! The result of a measuring job, as its artifact has it: hostile data.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use outpace_record::{CiResult, Document};

/// The file in the artifact's folder.
const FILE: &str = "result.json";
/// Largest file that is read: 100 blocks of 40 pairs of 20 workloads are below 4 MiB.
const MOST_BYTES: u64 = 8 << 20;
/// Most verdicts, and most blocks of one.
const MOST_VERDICTS: usize = 50;
const MOST_BLOCKS: usize = 10_000;

/// Why an artifact is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// Reads the result in a folder that an artifact was unpacked to.
///
/// # Errors
/// It is not there, too large, no regular file, or not of the schema.
pub fn read_result(folder: &Path) -> Result<CiResult, Refused> {
    let refused = |why: String| Refused(format!("{FILE}: {why}"));
    let path = folder.join(FILE);
    let meta = fs::symlink_metadata(&path).map_err(|error| refused(error.to_string()))?;
    if !meta.is_file() || meta.nlink() != 1 {
        return Err(refused("it is not a plain file".into()));
    }
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| refused(error.to_string()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refused(format!(
            "it has more than {} MiB",
            MOST_BYTES >> 20
        )));
    }
    let result = CiResult::from_json(&text)
        .map_err(|error| refused(outpace_text::plain(&error.to_string(), 300)))?;
    if result.verdicts.len() > MOST_VERDICTS {
        return Err(refused(format!(
            "it has more than {MOST_VERDICTS} verdicts"
        )));
    }
    if result
        .verdicts
        .iter()
        .any(|verdict| verdict.blocks.len() > MOST_BLOCKS)
    {
        return Err(refused(format!(
            "a verdict has more than {MOST_BLOCKS} blocks"
        )));
    }
    Ok(result)
}
