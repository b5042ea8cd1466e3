//! The history of a team: pull and push. git itself does the transport, with the user's own
//! credentials, proxies and host keys; what is merged is a union, so nobody's record is lost.

use std::process::Output;

use sha2::{Digest, Sha256};

use super::layout::{REFERENCE, pause};
use super::{History, HistoryError};
use crate::git::{complaint, git, said};

/// How often a push is tried again when another writer was faster. With 16 writers at once the
/// worst case seen is below 40.
const TRIES: u32 = 300;

/// What a transfer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Records that are here now and were not before.
    pub pulled: usize,
    /// Whether the remote has a history after it.
    pub remote_has: bool,
    /// Pushes that other writers forestalled.
    pub retries: u32,
}

impl History<'_> {
    /// Adds the records of a remote's history to this one.
    ///
    /// # Errors
    /// The remote cannot be reached, or its history holds what is no record.
    pub fn pull(&self, remote: &str) -> Result<Transfer, HistoryError> {
        let before = self.list()?.len();
        let theirs = self.fetch(remote)?;
        if let Some(theirs) = &theirs {
            self.merge_union(theirs)?;
        }
        Ok(Transfer {
            pulled: self.list()?.len().saturating_sub(before),
            remote_has: theirs.is_some(),
            retries: 0,
        })
    }

    /// Adds the remote's records to this history, and this history to the remote: a union on both
    /// sides. Another writer in between is met by doing it again.
    ///
    /// # Errors
    /// The remote cannot be reached or refuses, its history holds what is no record, or other
    /// writers were always faster.
    pub fn push(&self, remote: &str) -> Result<Transfer, HistoryError> {
        let before = self.list()?.len();
        for retries in 0..TRIES {
            let theirs = self.fetch(remote)?;
            if let Some(theirs) = &theirs {
                self.merge_union(theirs)?;
            }
            let Some(tip) = self.tip()? else {
                return Ok(Transfer {
                    pulled: 0,
                    remote_has: false,
                    retries,
                });
            };
            if theirs.as_ref() == Some(&tip) || self.offer(remote, &tip, theirs.as_deref())? {
                return Ok(Transfer {
                    pulled: self.list()?.len().saturating_sub(before),
                    remote_has: true,
                    retries,
                });
            }
            pause(retries);
        }
        Err(HistoryError::RemoteBusy {
            remote: shown(remote),
            tries: TRIES,
        })
    }

    /// The commit of the remote's history, fetched; nothing if it has none.
    fn fetch(&self, remote: &str) -> Result<Option<String>, HistoryError> {
        let listed = self.git(remote, &["ls-remote", "--", remote, REFERENCE])?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let of_history = |line: &&str| line.split_whitespace().nth(1) == Some(REFERENCE);
        if !listed.lines().any(|line| of_history(&line)) {
            return Ok(None);
        }
        let own = tracking_ref(remote);
        let refspec = format!("+{REFERENCE}:{own}");
        let fetch = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--",
            remote,
            &refspec,
        ];
        for attempt in 0..TRIES {
            let output = self.start(&fetch)?;
            if output.status.success() {
                let commit = self.repo.resolve(&own)?;
                return Ok(Some(commit.id));
            }
            // Another process of this clone fetches at the same moment.
            if !said(&output).contains("cannot lock ref") {
                return Err(failed(remote, &output));
            }
            pause(attempt);
        }
        Err(HistoryError::Busy { tries: TRIES })
    }

    /// Moves the remote's reference from what was fetched to our tip; false if another writer was
    /// faster.
    fn offer(&self, remote: &str, tip: &str, expected: Option<&str>) -> Result<bool, HistoryError> {
        let lease = format!(
            "--force-with-lease={REFERENCE}:{}",
            expected.unwrap_or_default()
        );
        let refspec = format!("{tip}:{REFERENCE}");
        let output = self.start(&[
            "push",
            "--porcelain",
            "--no-verify",
            &lease,
            "--",
            remote,
            &refspec,
        ])?;
        if output.status.success() {
            return Ok(true);
        }
        let text = said(&output);
        let raced = [
            "stale info",
            "fetch first",
            "cannot lock ref",
            "failed to update ref",
            "reference already exists",
            "incorrect old value",
            "non-fast-forward",
        ];
        match raced.iter().any(|reason| text.contains(reason)) {
            true => Ok(false),
            false => Err(failed(remote, &output)),
        }
    }

    fn git(&self, remote: &str, args: &[&str]) -> Result<Output, HistoryError> {
        let output = self.start(args)?;
        match output.status.success() {
            true => Ok(output),
            false => Err(failed(remote, &output)),
        }
    }

    fn start(&self, args: &[&str]) -> Result<Output, HistoryError> {
        git(self.repo.git.path(), args)
            .output()
            .map_err(|source| HistoryError::NoGit { source })
    }
}

/// The reference that holds what was fetched of a remote.
fn tracking_ref(remote: &str) -> String {
    let hash = hex::encode(Sha256::digest(remote));
    format!("refs/outpace/remotes/{}", &hash[..16])
}

fn failed(remote: &str, output: &Output) -> HistoryError {
    HistoryError::Remote {
        remote: shown(remote),
        why: complaint(output),
    }
}

/// An address without the password that it may hold.
fn shown(remote: &str) -> String {
    let Some((scheme, rest)) = remote.split_once("://") else {
        return outpace_text::plain(remote, 200);
    };
    let place = match rest.split_once('/') {
        Some((host, path)) => {
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{host}/{path}")
        }
        None => rest.to_owned(),
    };
    outpace_text::plain(&format!("{scheme}://{place}"), 200)
}
