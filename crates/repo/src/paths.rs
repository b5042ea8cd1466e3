//! Paths and globs: which paths may be written at all, and which are suspicious.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::RepoError;

/// Whether `patterns` are globs of files of a repository.
///
/// # Errors
/// The first that is not one, or that no file of a repository can match, with the reason.
pub fn check_globs(patterns: &[String]) -> Result<(), RepoError> {
    let outside = |glob: &&String| {
        glob.starts_with('/') || glob.split('/').any(|part| matches!(part, "." | ".."))
    };
    if let Some(glob) = patterns.iter().find(outside) {
        return Err(RepoError::BadGlob {
            glob: glob.clone(),
            reason: "it is not a path below the repository's root, as in `src/**`".to_owned(),
        });
    }
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

/// Why a path of a tree must never be written to disk, if so.
pub(crate) fn unsafe_path(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() || path.contains(&0) {
        return Some("it is not a file name");
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

/// Why a path in a patch is refused as a trick, if so. Stricter than [`unsafe_path`]: no kernel
/// needs such a name.
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
    if path.chars().any(is_hidden) {
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

/// Whether a character is not shown, or changes how others are shown. Variation selectors count as
/// visible in other text, where emoji need them; two names must not differ by one.
fn is_hidden(c: char) -> bool {
    let selector = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    selector
        || c.is_control()
        || outpace_text::plain(c.encode_utf8(&mut [0; 4]), 1).is_empty() && !c.is_whitespace()
}

/// A path from git as text: bytes that are not UTF-8 become U+FFFD, control characters are escaped.
/// To compare and to look up; [`shown`] is for messages.
pub(crate) fn name(path: &[u8]) -> String {
    escaped(path, char::is_control)
}

/// A path from git for a message: nothing in it is invisible or changes how the message reads.
pub(crate) fn shown(path: &[u8]) -> String {
    escaped(path, is_hidden)
}

fn escaped(path: &[u8], is_odd: fn(char) -> bool) -> String {
    let text = String::from_utf8_lossy(path);
    let escape = |c: char| match is_odd(c) {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(escape).collect()
}
