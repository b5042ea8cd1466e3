//! Patches as text: bytes to text, and text to what it does to each file. No tree is read here.
//!
//! libgit2 has a parser of its own, but it refuses what `git apply` takes: empty files, names with
//! spaces, deletions without content, patches without prefixes. It also cannot say why.

mod decode;
mod header;
mod hunk;
mod lines;
mod names;

pub use decode::decode_patch;
pub(crate) use decode::{is_coloured, without_colours};
pub(crate) use hunk::{Hunk, Sign};
pub(crate) use names::Action;

use crate::RepoError;
use header::Header;
use lines::Lines;

/// What a patch does to one file.
#[derive(Debug)]
pub(crate) struct FilePatch<'a> {
    pub(crate) action: Action,
    /// Mode afterwards, where the patch names one.
    pub(crate) mode: Option<u32>,
    /// The start of the id of the content before, where the patch names it.
    pub(crate) old_id: Option<&'a str>,
    pub(crate) hunks: Vec<Hunk<'a>>,
    /// It says that the content differs and does not show it as text.
    pub(crate) is_binary: bool,
    /// Its header lines end in CRLF, which git never writes: something converted the patch.
    pub(crate) has_crlf_header: bool,
}

/// Reads `git diff`, `git format-patch` (also several in one file) and plain unified diffs. Text
/// around the patches is skipped, as git does.
///
/// # Errors
/// A header or hunk cannot be read (the message names the line), or there is no patch in it.
pub(crate) fn parse(text: &str) -> Result<Vec<FilePatch<'_>>, RepoError> {
    let mut lines = Lines::new(text);
    let mut files = Vec::new();
    while let Some(line) = lines.peek() {
        if Header::starts_at(&lines) {
            files.push(file_patch(&mut lines)?);
        } else if line.starts_with("@@ -") {
            return Err(lines.fault("a hunk without `---` and `+++` lines above it"));
        } else if line.starts_with("diff --cc ") || line.starts_with("diff --combined ") {
            return Err(lines.fault("it is the combined diff of a merge commit"));
        } else {
            lines.next();
        }
    }
    if files.is_empty() {
        return Err(RepoError::not_a_patch("it names no file"));
    }
    Ok(files)
}

fn file_patch<'a>(lines: &mut Lines<'a>) -> Result<FilePatch<'a>, RepoError> {
    let start = lines.number();
    let header = Header::read(lines)?;
    let action = names::action(&header).map_err(|why| lines.fault_at(start, &why))?;
    let hunks = hunk::read_all(lines)?;
    let file = FilePatch {
        mode: header.mode,
        old_id: header.old_id,
        is_binary: header.is_binary,
        has_crlf_header: header.has_crlf,
        action,
        hunks,
    };
    let modifies = matches!(file.action, Action::Modify(_));
    if modifies && file.hunks.is_empty() && file.mode.is_none() && !file.is_binary {
        return Err(lines.fault_at(start, "it names a file and no change of it"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
