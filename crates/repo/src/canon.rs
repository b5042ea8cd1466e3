//! The canonical form of a patch: what it changes, without line numbers, context, comments and
//! spacing.
//!
//! Comments and spacing are taken out of both versions of a file as a whole, because a hunk alone
//! does not show where a comment or a string began. Then the versions are compared, and the removed
//! and added lines are hashed. Two patches with the same hash are copies of each other, and a patch
//! with no lines left changes no code.

mod lexer;
mod lines;

use git2::DiffOptions;
use sha2::{Digest, Sha256};

pub(crate) use lexer::Language;

/// One file of a patch, before and after.
pub(crate) struct Change {
    pub(crate) path: Vec<u8>,
    pub(crate) old: Option<Version>,
    pub(crate) new: Option<Version>,
}

/// A file's content and git mode.
pub(crate) struct Version {
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

/// The hash of a patch, and whether it leaves all code as it was.
pub(crate) struct Canonical {
    pub(crate) sha256: String,
    pub(crate) only_comments: bool,
}

/// Hashes the changes in path order.
pub(crate) fn canonical(changes: &mut [Change]) -> Result<Canonical, git2::Error> {
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    let mut only_comments = !changes.is_empty();
    for change in changes.iter() {
        let path = String::from_utf8_lossy(&change.path);
        let language = Language::of(&path);
        let lines = changed_lines(change, language)?;
        only_comments &= lines.is_empty() && language.is_known();
        if !lines.is_empty() {
            hash.update(path.as_bytes());
            hash.update(b"\0");
            hash.update(lines);
            hash.update(b"\0");
        }
    }
    Ok(Canonical {
        sha256: hex::encode(hash.finalize()),
        only_comments,
    })
}

fn changed_lines(change: &Change, language: Language) -> Result<Vec<u8>, git2::Error> {
    let mode = |version: &Option<Version>| version.as_ref().map(|v| v.mode);
    let mut lines = Vec::new();
    if let (Some(old), Some(new)) = (mode(&change.old), mode(&change.new))
        && old != new
    {
        lines.extend(format!("mode {old:o} {new:o}\n").into_bytes());
    }
    let old = normal_form(change.old.as_ref(), language);
    let new = normal_form(change.new.as_ref(), language);
    let mut options = DiffOptions::new();
    options.context_lines(0).interhunk_lines(0).force_text(true);
    let patch = git2::Patch::from_buffers(&old, None, &new, None, Some(&mut options))?;
    for hunk in 0..patch.num_hunks() {
        // The place of a hunk does not count, but a line removed here and one added there are not a
        // replacement.
        lines.extend_from_slice(b"@\n");
        for line in 0..patch.num_lines_in_hunk(hunk)? {
            let line = patch.line_in_hunk(hunk, line)?;
            if let sign @ ('-' | '+') = line.origin() {
                lines.push(sign as u8);
                lines.extend_from_slice(line.content());
            }
        }
    }
    // A file without code matters too: an empty `__init__.py` makes a package.
    if lines.is_empty() && change.old.is_some() != change.new.is_some() {
        let what = if change.new.is_some() {
            "added\n"
        } else {
            "deleted\n"
        };
        lines.extend_from_slice(what.as_bytes());
    }
    Ok(lines)
}

/// Text becomes its code; anything else stays as it is.
fn normal_form(version: Option<&Version>, language: Language) -> Vec<u8> {
    let Some(version) = version else {
        return Vec::new();
    };
    match std::str::from_utf8(&version.content) {
        Ok(text) => lexer::strip(text, language).into_bytes(),
        Err(_) => version.content.clone(),
    }
}

#[cfg(test)]
mod tests;
