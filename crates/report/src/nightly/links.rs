//! Addresses that a page may link to: commits below the address of the repository, and files beside
//! the page.

use maud::{Markup, html};

use super::Night;
use crate::text::revision;

/// Fewest and most digits of a commit id in an address.
const ID: std::ops::RangeInclusive<usize> = 7..=64;

/// Longest address of a repository.
const MOST_BASE: usize = 300;

/// Where commits are found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a>(Option<&'a str>);

impl<'a> Links<'a> {
    pub(super) fn new(night: &'a Night) -> Self {
        let base = night.commit_base.as_deref();
        Self(base.map(|b| b.trim_end_matches('/')).filter(|b| is_base(b)))
    }

    /// The address of the repository.
    pub(super) fn base(self) -> Option<&'a str> {
        self.0
    }

    pub(super) fn href(self, commit: &str) -> Option<String> {
        let base = self.0.filter(|_| is_id(commit))?;
        Some(format!("{base}/commit/{commit}"))
    }

    /// An abbreviated commit, linked where that is possible.
    pub(super) fn commit(self, commit: &str) -> Markup {
        html! {
            @match self.href(commit) {
                Some(href) => a href=(href) { code { (revision(commit)) } },
                None => code { (revision(commit)) },
            }
        }
    }
}

/// Whether an id can be part of an address.
pub(super) fn is_id(commit: &str) -> bool {
    ID.contains(&commit.len()) && commit.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether this is an address of a repository that needs no escaping in HTML and Markdown.
fn is_base(base: &str) -> bool {
    let rest = base
        .strip_prefix("https://")
        .or(base.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:%".contains(&b);
    base.len() <= MOST_BASE && rest.is_some_and(|r| !r.is_empty() && r.bytes().all(plain))
}

/// Whether this leads to a file beside the page or below it: no scheme, no host.
pub(super) fn is_local(href: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%#?=&+".contains(&b);
    !href.is_empty() && !href.starts_with('/') && href.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_repositories_are_linked() {
        for (base, expect) in [
            ("https://git.example/a/b", true),
            ("http://git.example:3000/a/b", true),
            ("https://", false),
            ("javascript:alert(1)", false),
            ("https://x\" onclick=\"y", false),
            ("https://x/a b", false),
            ("https://x/)[", false),
            ("//x/y", false),
        ] {
            assert_eq!(is_base(base), expect, "{base}");
        }
        for (href, expect) in [
            ("../reports/2026-05-19/index.html", true),
            ("a.html#x", true),
            ("", false),
            ("javascript:alert(1)", false),
            ("//evil.example/x", false),
            ("/etc/passwd", false),
            ("https://evil.example", false),
            ("\\\\evil\\x", false),
        ] {
            assert_eq!(is_local(href), expect, "{href}");
        }
    }
}
