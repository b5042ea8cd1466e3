//! Requests to the REST API, with patience where the service asks for it.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, Response};

/// Version of the API that this was written for.
const VERSION: &str = "2022-11-28";
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const MOST_BYTES: u64 = 32 << 20;
/// Entries of a page (the most that the service gives), and how many pages are read.
pub(crate) const PER_PAGE: usize = 100;
const MOST_PAGES: usize = 50;
/// How often something is tried, and the longest wait between.
const TRIES: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Longest message of the service that is shown.
const MESSAGE_CHARS: usize = 300;

/// Why a request was not answered as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment of a job is missing.
    #[error("{0} is not set. Hint: `outpace ci` runs in a job of GitHub Actions")]
    NoVariable(&'static str),
    /// A variable of the environment has an impossible value.
    #[error("{name} is `{value}`: {why}")]
    BadVariable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The event cannot be read.
    #[error("the event in GITHUB_EVENT_PATH cannot be used: {0}")]
    Event(String),
    /// The service refused.
    #[error("GitHub answered {status} to {what}: {message}{hint}")]
    Refused {
        /// The request.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it says.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// It could not be reached, or was too busy for too long.
    #[error("GitHub cannot be reached for {what}: {message}")]
    Unreachable {
        /// The request.
        what: String,
        /// Why.
        message: String,
    },
}

/// A request that may be tried again.
pub(crate) enum Failed {
    /// The same again would fail the same way.
    ForGood(Error),
    /// Later it may work; after this long, if the service said so.
    ForNow(Error, Option<Duration>),
}

/// The API of one repository.
#[derive(Debug)]
pub struct GitHub {
    agent: Agent,
    api: String,
    pub(crate) repository: String,
    token: String,
    wait: Duration,
}

impl GitHub {
    /// From the environment of a job: `GITHUB_API_URL`, `GITHUB_REPOSITORY`, `GITHUB_TOKEN`.
    ///
    /// # Errors
    /// A variable is missing or impossible.
    pub fn from_env() -> Result<Self, Error> {
        let api = variable("GITHUB_API_URL").unwrap_or_else(|_| "https://api.github.com".into());
        Self::new(
            &api,
            &variable("GITHUB_REPOSITORY")?,
            &variable("GITHUB_TOKEN")?,
        )
    }

    /// The API at `api` for a repository `owner/name`.
    ///
    /// # Errors
    /// The repository's name is impossible.
    pub fn new(api: &str, repository: &str, token: &str) -> Result<Self, Error> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        match repository.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => {}
            _ => {
                return Err(Error::BadVariable {
                    name: "GITHUB_REPOSITORY",
                    value: repository.to_owned(),
                    why: "it must be OWNER/NAME",
                });
            }
        }
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent("outpace")
            .build();
        Ok(Self {
            agent: config.into(),
            api: api.trim_end_matches('/').to_owned(),
            repository: repository.to_owned(),
            token: token.to_owned(),
            wait: Duration::from_secs(1),
        })
    }

    /// The first wait before something is tried again; each further one is twice as long.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Does something until it works, as long as trying again may help.
    pub(crate) fn patiently<T>(
        &self,
        mut act: impl FnMut() -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let mut wait = self.wait;
        for last in (0..TRIES).rev() {
            match act() {
                Ok(done) => return Ok(done),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::ForNow(error, _)) if last == 0 => return Err(error),
                Err(Failed::ForNow(_, after)) => {
                    std::thread::sleep(after.unwrap_or(wait).min(LONGEST_WAIT));
                    wait *= 2;
                }
            }
        }
        unreachable!("the last try returns")
    }

    /// One request below `/repos/OWNER/NAME`.
    pub(crate) fn call(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failed> {
        let what = format!("{method} {path}");
        let url = format!("{}/repos/{}{path}", self.api, self.repository);
        let answer = self.send(method, &url, body).map_err(|error| {
            let message = error.to_string();
            Failed::ForNow(
                Error::Unreachable {
                    what: what.clone(),
                    message,
                },
                None,
            )
        });
        read(answer?, what)
    }

    fn send(
        &self,
        method: &Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Accept", "application/vnd.github+json")
            .header("Content-Type", "application/json")
            .header("X-GitHub-Api-Version", VERSION);
        let text = body.map(Value::to_string).unwrap_or_default();
        match body {
            Some(_) => self.agent.run(request.body(text)?),
            None => self.agent.run(request.body(())?),
        }
    }

    /// All entries of a list.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let mut all = Vec::new();
        let mark = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MOST_PAGES {
            let path = format!("{path}{mark}per_page={PER_PAGE}&page={page}");
            let Value::Array(entries) = self.call(&Method::GET, &path, None)? else {
                break;
            };
            let is_last = entries.len() < PER_PAGE;
            all.extend(entries);
            if is_last {
                break;
            }
        }
        Ok(all)
    }
}

fn read(mut answer: Response<ureq::Body>, what: String) -> Result<Value, Failed> {
    let status = answer.status().as_u16();
    let after = answer
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let text = answer
        .body_mut()
        .with_config()
        .limit(MOST_BYTES)
        .read_to_string();
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let message = error.to_string();
            return Err(Failed::ForNow(Error::Unreachable { what, message }, after));
        }
    };
    let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let message = value["message"].as_str().unwrap_or(&text);
    let message = outpace_text::plain(message, MESSAGE_CHARS);
    let is_busy = matches!(status, 429 | 500 | 502 | 503 | 504)
        || status == 403 && (after.is_some() || message.contains("rate limit"));
    let error = Error::Refused {
        what,
        status,
        hint: hint(status),
        message,
    };
    Err(match is_busy {
        true => Failed::ForNow(error, after),
        false => Failed::ForGood(error),
    })
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => ". Hint: GITHUB_TOKEN is not valid",
        403 => ". Hint: the job lacks a permission (`permissions:` in the workflow)",
        404 => ". Hint: the token may not see it, or it is not there",
        _ => "",
    }
}

/// A variable of the environment.
pub(crate) fn variable(name: &'static str) -> Result<String, Error> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::NoVariable(name)),
    }
}
