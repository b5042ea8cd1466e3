//! Paths and globs: which paths may be written at all, and which look like a trick.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::RepoError;

/// Whether `patterns` are globs.
///
/// # Errors
/// Names the first that is none.
pub fn check_globs(patterns: &[String]) -> Result<(), RepoError> {
    globs(patterns).map(drop)
}

/// Compiles globs in which `*` stops at `/` and case counts.
pub(crate) fn globs(patterns: &[String]) -> Result<GlobSet, RepoError> {
    let bad = |glob: &str, error: &globset::Error| RepoError::BadGlob {
        glob: glob.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .case_insensitive(false)
            .build();
        set.add(glob.map_err(|error| bad(pattern, &error))?);
    }
    set.build()
        .map_err(|error| bad(&patterns.join(", "), &error))
}

/// Why a path of a tree must never be written to a disk, if so.
pub(crate) fn unsafe_path(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() || path.contains(&0) {
        return Some("it is no file name");
    }
    if path.starts_with(b"/") {
        return Some("it is absolute");
    }
    path.split(|&byte| byte == b'/').find_map(unsafe_component)
}

fn unsafe_component(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("it has an empty component"),
        b"." | b".." => Some("it has a `.` or `..` component"),
        _ if name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1") => {
            Some("it leads into a .git folder")
        }
        _ => None,
    }
}

/// Why a path in a patch is refused as a trick, if so. Stricter than [`unsafe_path`]: nobody needs such names for kernels.
pub(crate) fn suspicious_path(path: &str) -> Option<&'static str> {
    if let Some(why) = unsafe_path(path.as_bytes()) {
        return Some(why);
    }
    if path.contains('\u{fffd}') {
        return Some("its name is not UTF-8");
    }
    if path.contains('\\') {
        return Some("it has a backslash");
    }
    if path.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Some("it has control, direction or invisible characters");
    }
    path.split('/').find_map(|name| {
        let lower = name.to_lowercase();
        if lower.starts_with(".git") || lower.starts_with("git~") {
            return Some("names that begin with .git are git's own");
        }
        let sloppy = name.trim() != name || name.ends_with('.');
        sloppy.then_some("a name begins or ends with a space, or ends with a dot")
    })
}

/// Characters that change how a name is shown without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// A path from git as text that is safe to show: not UTF-8 becomes U+FFFD, control characters are escaped.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
