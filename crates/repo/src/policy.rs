//! What a patch may touch: the one static rule. It reads the diff as git sees it and never what
//! code means.

use outpace_record::PolicyConfig;

use crate::forbidden::forbidding_rule;
use crate::patch::{FileChange, FileStatus, Patch};
use crate::trees::{MODE_EXECUTABLE, MODE_GITLINK, MODE_LINK};
use crate::{RepoError, paths};

/// Why a patch is refused before anything is built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It changes nothing.
    #[error("the patch changes nothing")]
    Empty,
    /// A path that looks like a trick.
    #[error("`{}` is a suspicious path: {why}", path.escape_debug())]
    SuspiciousPath {
        /// The path.
        path: String,
        /// What is odd about it.
        why: &'static str,
    },
    /// Two names that are one file on some file systems.
    #[error("`{path}` and `{other}` are the same file where case does not count")]
    SameButForCase {
        /// The path that the patch brings in.
        path: String,
        /// The one that it collides with.
        other: String,
    },
    /// A file that no patch may touch.
    #[error("`{path}` may never be changed by a patch (rule `{rule}`): it comes from the base")]
    Forbidden {
        /// The path.
        path: String,
        /// The rule.
        rule: &'static str,
    },
    /// A file outside of what the repository gives to agents.
    #[error("`{path}` is outside of policy.editable ({editable})")]
    NotEditable {
        /// The path.
        path: String,
        /// The globs.
        editable: String,
    },
    /// Symbolic link or submodule.
    #[error("`{path}` is a {what}: only regular files may be changed")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// Another mode.
    #[error("`{path}` changes its mode from {old:o} to {new:o}: a patch changes text only")]
    ModeChange {
        /// The path.
        path: String,
        /// Mode before.
        old: u32,
        /// Mode after.
        new: u32,
    },
    /// An executable that was not there before.
    #[error("`{path}` is a new executable file: a patch adds plain text only")]
    NewExecutable {
        /// The path.
        path: String,
    },
    /// Not text.
    #[error("`{path}` is binary: a patch is UTF-8 text only")]
    Binary {
        /// The path.
        path: String,
    },
    /// More than allowed.
    #[error("the patch has {kib} KiB, policy.max_patch_kib is {limit_kib}")]
    TooLarge {
        /// Its size, rounded up.
        kib: usize,
        /// The most that is allowed.
        limit_kib: usize,
    },
    /// The policy itself cannot be read.
    #[error("policy.editable: bad glob `{glob}`: {reason}. Hint: correct it in outpace.toml")]
    BadGlob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Checks a patch against the policy of the base; the first rule that it breaks is the error.
///
/// # Errors
/// The rule that it breaks, with the path; or a glob of the policy that cannot be read.
pub fn check_policy(patch: &Patch, policy: &PolicyConfig) -> Result<(), Violation> {
    let editable = paths::globs(&policy.editable).map_err(|error| match error {
        RepoError::BadGlob { glob, reason } => Violation::BadGlob { glob, reason },
        other => Violation::BadGlob {
            glob: policy.editable.join(", "),
            reason: other.to_string(),
        },
    })?;
    if patch.is_empty() {
        return Err(Violation::Empty);
    }
    for file in &patch.files {
        for path in [Some(&file.path), file.old_path.as_ref()]
            .into_iter()
            .flatten()
        {
            not_forbidden(path)?;
            plain_path(path)?;
            if !editable.is_match(path) {
                return Err(Violation::NotEditable {
                    path: path.clone(),
                    editable: policy.editable.join(", "),
                });
            }
        }
        regular_text(file)?;
    }
    if let Some((path, other)) = patch.case_clash.clone().or_else(|| clash_within(patch)) {
        return Err(Violation::SameButForCase { path, other });
    }
    let kib = patch.text.len().div_ceil(1024);
    if kib > policy.max_patch_kib {
        return Err(Violation::TooLarge {
            kib,
            limit_kib: policy.max_patch_kib,
        });
    }
    Ok(())
}

fn plain_path(path: &str) -> Result<(), Violation> {
    match paths::suspicious_path(path) {
        Some(why) => Err(Violation::SuspiciousPath {
            path: path.to_owned(),
            why,
        }),
        None => Ok(()),
    }
}

fn not_forbidden(path: &str) -> Result<(), Violation> {
    match forbidding_rule(path) {
        Some(rule) => Err(Violation::Forbidden {
            path: path.to_owned(),
            rule,
        }),
        None => Ok(()),
    }
}

fn regular_text(file: &FileChange) -> Result<(), Violation> {
    let path = file.path.clone();
    let (old, new) = (file.old_mode, file.new_mode);
    for (mode, what) in [(MODE_LINK, "symbolic link"), (MODE_GITLINK, "submodule")] {
        if old == mode || new == mode {
            return Err(Violation::NotAFile { path, what });
        }
    }
    if new == MODE_EXECUTABLE && old == 0 {
        return Err(Violation::NewExecutable { path });
    }
    if old != 0 && new != 0 && old != new {
        return Err(Violation::ModeChange { path, old, new });
    }
    if file.binary {
        return Err(Violation::Binary { path });
    }
    Ok(())
}

/// A rename that changes nothing but case.
fn clash_within(patch: &Patch) -> Option<(String, String)> {
    let mut seen = std::collections::HashMap::new();
    let gone = patch
        .files
        .iter()
        .filter(|file| file.status == FileStatus::Deleted)
        .map(|file| &file.path);
    let old = patch.files.iter().filter_map(|file| file.old_path.as_ref());
    let new = patch
        .files
        .iter()
        .filter(|file| file.status != FileStatus::Deleted)
        .map(|file| &file.path);
    for path in gone.chain(old).chain(new) {
        if let Some(other) = seen.insert(path.to_lowercase(), path)
            && other != path
        {
            return Some((path.clone(), other.clone()));
        }
    }
    None
}
