//! The event that started a workflow, by the file that GitHub writes.

use serde::Deserialize;

use crate::api::{Error, variable};

/// Largest event that is read.
const MOST_BYTES: u64 = 32 << 20;

/// What is read of an event. Texts in it are untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Name of the event: `pull_request`, `workflow_run`, ...
    #[serde(skip)]
    pub name: String,
    /// The run of the other workflow that ended.
    pub workflow_run: Option<WorkflowRun>,
    /// The pull request that it is about.
    pull_request: Option<Pull>,
    /// The merge queue's group.
    merge_group: Option<MergeGroup>,
    /// Of a push: what the branch was at.
    before: Option<String>,
}

/// Another workflow's run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowRun {
    /// Its id.
    pub id: u64,
    /// The event that started it.
    pub event: String,
    /// The commit that it was started for: the head of the pull request.
    pub head_sha: String,
    /// The branch of that.
    pub head_branch: Option<String>,
    /// The repository of that, which may be a fork.
    pub head_repository: Option<HeadRepository>,
    /// How it ended.
    pub conclusion: Option<String>,
}

/// A repository, by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeadRepository {
    /// Its owner.
    pub owner: Owner,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Owner {
    /// Its name.
    pub login: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Pull {
    base: Side,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Side {
    sha: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct MergeGroup {
    base_sha: String,
}

impl Event {
    /// The event of this job.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        let (path, name) = (
            variable("GITHUB_EVENT_PATH")?,
            variable("GITHUB_EVENT_NAME")?,
        );
        let fail = |why: String| Error::Event(why);
        let length = std::fs::metadata(&path)
            .map_err(|e| fail(format!("{path}: {e}")))?
            .len();
        if length > MOST_BYTES {
            return Err(fail(format!("{path} has {length} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| fail(format!("{path}: {e}")))?;
        Self::parse(&name, &text)
    }

    /// An event by its name and text.
    ///
    /// # Errors
    /// It is no event of that kind.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let event: Self = serde_json::from_str(text).map_err(|e| Error::Event(e.to_string()))?;
        let run = event.workflow_run.as_ref();
        if run.is_some_and(|run| !is_commit(&run.head_sha)) {
            return Err(Error::Event("`head_sha` is no commit id".into()));
        }
        Ok(Self {
            name: name.to_owned(),
            ..event
        })
    }

    /// The revision that the checked out commit is judged against; `merges` says whether that one
    /// is a merge. A pull request is checked out as its merge into the branch, whose first parent
    /// is the branch.
    ///
    /// # Errors
    /// The event names no base.
    pub fn base(&self, merges: bool) -> Result<String, Error> {
        let known = match self.name.as_str() {
            "pull_request" if merges => return Ok("HEAD^1".into()),
            "pull_request" => self.pull_request.as_ref().map(|pull| &pull.base.sha),
            "merge_group" => self.merge_group.as_ref().map(|group| &group.base_sha),
            "push" => self.before.as_ref(),
            _ => None,
        };
        let known = known.filter(|id| is_commit(id)).ok_or_else(|| {
            Error::Event(format!("`{}` names no base to judge against", self.name))
        })?;
        // A new branch has only zeros before.
        Ok(match known.chars().all(|c| c == '0') {
            true => "HEAD^1".into(),
            false => known.clone(),
        })
    }
}

impl WorkflowRun {
    /// `OWNER:BRANCH`, as the API names the head of a pull request.
    pub(crate) fn head(&self) -> Option<String> {
        let owner = &self.head_repository.as_ref()?.owner.login;
        Some(format!("{owner}:{}", self.head_branch.as_ref()?))
    }
}

fn is_commit(id: &str) -> bool {
    outpace_text::is_hex_id(id, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_what_the_event_says() {
        let id = "a".repeat(40);
        let base = |name: &str, text: &str, merges: bool| {
            Event::parse(name, text).unwrap().base(merges).ok()
        };
        let pull = format!(r#"{{"number":3,"pull_request":{{"base":{{"sha":"{id}"}}}}}}"#);
        assert_eq!(base("pull_request", &pull, true).unwrap(), "HEAD^1");
        assert_eq!(base("pull_request", &pull, false).unwrap(), id);
        assert_eq!(base("pull_request", "{}", false), None);
        assert_eq!(base("issues", "{}", true), None);
        let before = format!(r#"{{"before":"{id}"}}"#);
        assert_eq!(base("push", &before, false).unwrap(), id);
        let new = format!(r#"{{"before":"{}"}}"#, "0".repeat(40));
        assert_eq!(base("push", &new, false).unwrap(), "HEAD^1");
        let group = format!(r#"{{"merge_group":{{"base_sha":"{id}"}}}}"#);
        assert_eq!(base("merge_group", &group, true).unwrap(), id);
        assert_eq!(base("push", r#"{"before":"--upload-pack=x"}"#, false), None);
        let run = r#"{"workflow_run":{"id":1,"event":"pull_request","head_sha":"main"}}"#;
        assert!(Event::parse("workflow_run", run).is_err());
    }
}
