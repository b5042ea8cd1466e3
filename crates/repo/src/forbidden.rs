//! The files that no patch may ever change.

use crate::paths;

/// Never editable, even if `policy.editable` names them: they steer the judge, the build or git
/// itself. Compared in lower case.
const FORBIDDEN: [&str; 13] = [
    "outpace.toml",
    "**/cargo.lock",
    "**/cargo.toml",
    "**/build.rs",
    "**/.cargo/**",
    "**/rust-toolchain*",
    "**/rust-toolchain*/**",
    "**/.gitattributes",
    "**/.gitmodules",
    ".github/**",
    ".ci/**",
    "baselines/**",
    "reports/**",
];

/// The rule that forbids to change a file, if one does.
pub(crate) fn forbidding_rule(path: &str) -> Option<&'static str> {
    let lower = path.to_lowercase();
    let hit =
        |rule: &&str| paths::globs(&[(*rule).to_owned()]).is_ok_and(|glob| glob.is_match(&lower));
    FORBIDDEN.into_iter().find(hit)
}

/// Whether no patch may ever change it.
pub(crate) fn is_forbidden(path: &str) -> bool {
    forbidding_rule(path).is_some()
}
