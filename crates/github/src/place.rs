//! Comments, checks, issues and pull requests: one of each, updated instead of repeated.

use serde_json::{Value, json};
use ureq::http::Method;

use crate::api::{Error, Failed, GitHub};
use crate::event::WorkflowRun;

/// Longest body that GitHub takes, in characters; a little is kept for the note that it was cut.
const MOST_CHARS: usize = 65_536 - 200;

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is new.
    Created,
    /// It was there and says something else now.
    Updated,
    /// It was there and says this already.
    Unchanged,
    /// Nothing was to be said.
    Nothing,
    /// It was open and is closed.
    Closed,
}

impl Placed {
    /// The word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Nothing => "not needed",
            Self::Closed => "closed",
        }
    }
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Fine.
    Success,
    /// Neither.
    Neutral,
    /// Proven slower, or refused.
    Failure,
}

impl Conclusion {
    /// GitHub's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Neutral => "neutral",
            Self::Failure => "failure",
        }
    }
}

/// A pull request to open.
#[derive(Debug, Clone, Copy)]
pub struct PullRequest<'a> {
    /// Its branch, in this repository.
    pub head: &'a str,
    /// What it is to be merged into.
    pub base: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its text.
    pub body: &'a str,
}

impl GitHub {
    /// The open pull request that a run was about, by branch and commit. Nothing if it was closed
    /// or has another head by now.
    ///
    /// # Errors
    /// The API refuses or cannot be reached.
    pub fn pull_of(&self, run: &WorkflowRun) -> Result<Option<u64>, Error> {
        let Some(head) = run.head() else {
            return Ok(None);
        };
        let path = format!("/pulls?state=open&head={}", encoded(&head));
        let pulls = self.patiently(|| self.list(&path))?;
        let is_it = |pull: &&Value| pull["head"]["sha"].as_str() == Some(&run.head_sha);
        Ok(pulls
            .iter()
            .find(is_it)
            .and_then(|pull| pull["number"].as_u64()))
    }

    /// One comment on an issue or pull request, found again by its first line `marker`.
    ///
    /// # Errors
    /// The API refuses or cannot be reached.
    pub fn comment(&self, number: u64, marker: &str, body: &str) -> Result<Placed, Error> {
        let body = cut(&format!("{marker}\n{body}"));
        self.patiently(|| {
            // Looked up in every try: a lost answer may have created it.
            let all = self.list(&format!("/issues/{number}/comments"))?;
            let Some(own) = all.iter().find(|comment| is_own(comment, marker)) else {
                let path = format!("/issues/{number}/comments");
                self.call(&Method::POST, &path, Some(&json!({ "body": body })))?;
                return Ok(Placed::Created);
            };
            if own["body"].as_str() == Some(&body) {
                return Ok(Placed::Unchanged);
            }
            let path = format!("/issues/comments/{}", own["id"]);
            self.call(&Method::PATCH, &path, Some(&json!({ "body": body })))?;
            Ok(Placed::Updated)
        })
    }

    /// A check on a commit.
    ///
    /// # Errors
    /// The API refuses or cannot be reached.
    pub fn check(
        &self,
        commit: &str,
        conclusion: Conclusion,
        title: &str,
        summary: &str,
    ) -> Result<(), Error> {
        let body = json!({
            "name": "outpace",
            "head_sha": commit,
            "status": "completed",
            "conclusion": conclusion.as_str(),
            "output": { "title": title, "summary": cut(summary) },
        });
        let done = self.patiently(|| self.call(&Method::POST, "/check-runs", Some(&body)));
        done.map(drop)
    }

    /// One open issue with a label, found again by its first line `marker`; closed when there is
    /// nothing to say (`None`).
    ///
    /// # Errors
    /// The API refuses or cannot be reached.
    pub fn issue(
        &self,
        marker: &str,
        label: &str,
        title: &str,
        body: Option<&str>,
    ) -> Result<Placed, Error> {
        let body = body.map(|body| cut(&format!("{marker}\n{body}")));
        self.patiently(|| {
            let path = format!("/issues?state=open&labels={}", encoded(label));
            let all = self.list(&path)?;
            let mut issues = all
                .iter()
                .filter(|issue| issue.get("pull_request").is_none());
            let own = issues.find(|issue| is_own(issue, marker));
            self.place_issue(own, label, title, body.as_deref())
        })
    }

    fn place_issue(
        &self,
        own: Option<&Value>,
        label: &str,
        title: &str,
        body: Option<&str>,
    ) -> Result<Placed, Failed> {
        let (request, placed) = match (own, body) {
            (None, None) => return Ok(Placed::Nothing),
            (None, Some(body)) => {
                let new = json!({ "title": title, "body": body, "labels": [label] });
                self.call(&Method::POST, "/issues", Some(&new))?;
                return Ok(Placed::Created);
            }
            (Some(own), Some(body)) if own["body"] == body && own["title"] == title => {
                return Ok(Placed::Unchanged);
            }
            (Some(_), Some(body)) => (json!({ "title": title, "body": body }), Placed::Updated),
            (Some(_), None) => (
                json!({ "state": "closed", "state_reason": "completed" }),
                Placed::Closed,
            ),
        };
        let number = own.map_or(&Value::Null, |own| &own["number"]);
        self.call(&Method::PATCH, &format!("/issues/{number}"), Some(&request))?;
        Ok(placed)
    }

    /// One open pull request from a branch; its text is updated if there is one.
    ///
    /// # Errors
    /// The API refuses or cannot be reached.
    pub fn pull_request(&self, wanted: &PullRequest<'_>) -> Result<(Placed, u64), Error> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let head = encoded(&format!("{owner}:{}", wanted.head));
        let body = cut(wanted.body);
        self.patiently(|| {
            let open = self.list(&format!("/pulls?state=open&head={head}"))?;
            let (value, placed) = match open.first() {
                None => {
                    let new = json!({
                        "head": wanted.head, "base": wanted.base,
                        "title": wanted.title, "body": body,
                    });
                    let made = self.call(&Method::POST, "/pulls", Some(&new))?;
                    (made, Placed::Created)
                }
                Some(pull) => {
                    let text = json!({ "title": wanted.title, "body": body });
                    let path = format!("/pulls/{}", pull["number"]);
                    self.call(&Method::PATCH, &path, Some(&text))?;
                    (pull.clone(), Placed::Updated)
                }
            };
            Ok((placed, value["number"].as_u64().unwrap_or(0)))
        })
    }
}

/// Whether something was written by a bot and begins with the marker: people may quote it.
fn is_own(entry: &Value, marker: &str) -> bool {
    let begins = entry["body"]
        .as_str()
        .is_some_and(|body| body.lines().next() == Some(marker));
    begins && entry["user"]["type"] == "Bot"
}

/// A text that GitHub takes.
fn cut(text: &str) -> String {
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    let kept: String = text.chars().take(MOST_CHARS).collect();
    // Only whole lines, and no fence left open.
    let kept = kept.rsplit_once('\n').map_or("", |(kept, _)| kept);
    let fences = kept.lines().filter(|line| line.starts_with("```")).count();
    let close = if fences % 2 == 1 { "\n```" } else { "" };
    format!("{kept}{close}\n\nThe rest is in the run's summary.")
}

/// A value of a query (RFC 3986).
fn encoded(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_lines_and_outside_of_fences() {
        assert_eq!(cut("short"), "short");
        let long = format!("a\n```\n{}\n", "line of a log\n".repeat(10_000));
        let cut = cut(&long);
        assert!(cut.chars().count() <= 65_536);
        assert_eq!(
            cut.lines().filter(|line| line.starts_with("```")).count(),
            2
        );
    }

    #[test]
    fn only_a_bot_owns_a_marker() {
        let of = |kind: &str, body: &str| json!({ "user": { "type": kind }, "body": body });
        assert!(is_own(&of("Bot", "<!-- x -->\ntext"), "<!-- x -->"));
        assert!(!is_own(&of("User", "<!-- x -->\ntext"), "<!-- x -->"));
        assert!(!is_own(&of("Bot", "> <!-- x -->"), "<!-- x -->"));
    }
}
