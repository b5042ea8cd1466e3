//! Which file a header is about: quotes, and prefixes such as `a/` and `b/`, or none.
//!
//! Prefixes need no guess where git wrote the header. With them the two names differ, without them
//! (`diff.noprefix`) they are equal, and names of renames and copies never have one.

use super::header::Header;
use crate::paths;

/// What happens to a file; paths are relative to the top of the tree, without prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Add(Vec<u8>),
    Delete(Vec<u8>),
    Modify(Vec<u8>),
    Rename { from: Vec<u8>, to: Vec<u8> },
    Copy { from: Vec<u8>, to: Vec<u8> },
}

impl Action {
    /// The path that it is about: afterwards, or before where the file is deleted.
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Add(path) | Self::Delete(path) | Self::Modify(path) => path,
            Self::Rename { to, .. } | Self::Copy { to, .. } => to,
        }
    }

    /// The file whose content it begins with.
    pub(crate) fn source(&self) -> Option<&[u8]> {
        match self {
            Self::Add(_) => None,
            Self::Delete(path) | Self::Modify(path) => Some(path),
            Self::Rename { from, .. } | Self::Copy { from, .. } => Some(from),
        }
    }
}

const NOTHING: &str = "/dev/null";

/// What happens to which file.
pub(super) fn action(header: &Header<'_>) -> Result<Action, String> {
    if let [Some(from), Some(to)] = header.rename {
        let (from, to) = (unquoted(from)?, unquoted(to)?);
        return Ok(Action::Rename { from, to });
    }
    if let [Some(from), Some(to)] = header.copy {
        let (from, to) = (unquoted(from)?, unquoted(to)?);
        return Ok(Action::Copy { from, to });
    }
    let path = path(header)?;
    let adds = header.adds || header.old == Some(NOTHING);
    let deletes = header.deletes || header.new == Some(NOTHING);
    match (adds, deletes) {
        (true, true) => Err("it adds and deletes the same file".into()),
        (true, false) => Ok(Action::Add(path)),
        (false, true) => Ok(Action::Delete(path)),
        (false, false) => Ok(Action::Modify(path)),
    }
}

fn path(header: &Header<'_>) -> Result<Vec<u8>, String> {
    let old = header.old.filter(|name| *name != NOTHING);
    let new = header.new.filter(|name| *name != NOTHING);
    let (old, new) = match (old, new, header.git) {
        (Some(old), Some(new), _) => (unquoted(old)?, unquoted(new)?),
        (Some(name), None, None) | (None, Some(name), None) => {
            return Ok(without_short_prefix(unquoted(name)?));
        }
        (Some(old), None, Some(git)) => {
            let new = git
                .strip_prefix(old)
                .and_then(|rest| rest.strip_prefix(' '));
            (unquoted(old)?, unquoted(new.ok_or(TWO_NAMES)?)?)
        }
        (None, Some(new), Some(git)) => {
            let old = git
                .strip_suffix(new)
                .and_then(|rest| rest.strip_suffix(' '));
            (unquoted(old.ok_or(TWO_NAMES)?)?, unquoted(new)?)
        }
        (None, None, Some(git)) => halves(git).ok_or("its names cannot be told apart")?,
        (None, None, None) => return Err("it names no file".into()),
    };
    common(&old, &new).ok_or_else(|| {
        let (old, new) = (paths::shown(&old), paths::shown(&new));
        format!("`{old}` and `{new}` are two files, and nothing says that one is renamed")
    })
}

const TWO_NAMES: &str = "its `diff --git` line and its `---` and `+++` lines name different files";

/// The path that two names stand for: without their first component, or as they are if they are
/// equal.
fn common(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let bare = |name: &[u8]| {
        let slash = name.iter().position(|byte| *byte == b'/')?;
        Some(name[slash + 1..].to_vec())
    };
    if old == new {
        return Some(old.to_vec());
    }
    bare(old).filter(|path| bare(new).as_ref() == Some(path))
}

/// Without a `diff --git` line one name stands alone: `a/` and its like are taken for a prefix.
fn without_short_prefix(name: Vec<u8>) -> Vec<u8> {
    match name.as_slice() {
        [b'a' | b'b' | b'c' | b'i' | b'o' | b'w', b'/', path @ ..] => path.to_vec(),
        _ => name,
    }
}

/// The two names of a `diff --git` line. Names with spaces are not quoted, so the line is cut where
/// both sides stand for one path.
fn halves(git: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    git.match_indices(' ').find_map(|(at, _)| {
        let (old, new) = (unquoted(&git[..at]).ok()?, unquoted(&git[at + 1..]).ok()?);
        common(&old, &new).map(|_| (old, new))
    })
}

/// A name as git quotes it where it has odd characters.
fn unquoted(name: &str) -> Result<Vec<u8>, String> {
    let Some(inner) = name.strip_prefix('"') else {
        return Ok(name.as_bytes().to_vec());
    };
    let fault = || {
        format!(
            "the quotes of {} cannot be read",
            paths::shown(name.as_bytes())
        )
    };
    let inner = inner.strip_suffix('"').ok_or_else(fault)?;
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => escaped(&mut rest).ok_or_else(fault)?,
            b'"' => return Err(fault()),
            other => other,
        });
    }
    Ok(bytes)
}

fn escaped(rest: &mut std::str::Bytes<'_>) -> Option<u8> {
    Some(match rest.next()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        same @ (b'"' | b'\\') => same,
        first @ b'0'..=b'3' => {
            let digit = |byte: u8| matches!(byte, b'0'..=b'7').then(|| byte - b'0');
            let (second, third) = (digit(rest.next()?)?, digit(rest.next()?)?);
            ((first - b'0') << 6) | (second << 3) | third
        }
        _ => return None,
    })
}
