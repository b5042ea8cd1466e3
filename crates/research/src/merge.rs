//! The merge of what was proven: the patch, the proof and the new baseline in one commit.

use outpace_record::{Baseline, Document, Kind, Verdict, record_id};
use outpace_repo::{MergeRequest, merge_message, next_baseline, proof_path};

use crate::{Answer, Bench, Question, ResearchError};

/// A merge that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The commit.
    pub commit: String,
    /// Ids of the verdicts that it rests on.
    pub verdict_ids: Vec<String>,
}

/// Commits the candidate of `question` onto `into`, if the branch still stands where it was measured.
///
/// # Errors
/// The branch moved (`MergeError::Moved`), is checked out, or git fails. Nothing is merged then.
pub fn merge_proven(
    bench: &Bench<'_>,
    question: &Question,
    answer: &Answer,
    into: &str,
) -> Result<Merged, ResearchError> {
    let (mut files, mut named) = (Vec::new(), Vec::new());
    // All of them: that no workload became slower is part of the claim.
    for verdict in &answer.verdicts {
        let json = verdict.to_json();
        let id = record_id(json.as_bytes());
        let old = stored_baseline(bench, question, verdict)?;
        // A workload that this patch does not make faster gets its anchor all the same, so that its losses have a budget from here on.
        let first = old.is_none() && verdict.n_blocks > 0;
        if verdict.verdict == Kind::Faster || first {
            let path = Baseline::path(&verdict.machine_class, &verdict.workload);
            let baseline = next_baseline(old, verdict, &id);
            files.push((path, baseline.to_json().into_bytes()));
        }
        files.push((proof_path(&id), json.into_bytes()));
        named.push((verdict.clone(), id));
    }
    let verdict_ids = named.iter().map(|(_, id)| id.clone()).collect();
    let body = question
        .patch
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let agent = question.agent.as_deref().unwrap_or("human");
    let request = MergeRequest {
        into: into.to_owned(),
        expected_tip: bench
            .repo
            .branch_tip(into)?
            .map(|_| question.base.id.clone()),
        base: question.base.id.clone(),
        tree: question.tree.clone(),
        files,
        message: merge_message(&question.title, &body, &named, agent),
    };
    let commit = bench.repo.merge(&request)?;
    Ok(Merged {
        commit,
        verdict_ids,
    })
}

fn stored_baseline(
    bench: &Bench<'_>,
    question: &Question,
    verdict: &Verdict,
) -> Result<Option<Baseline>, ResearchError> {
    let path = Baseline::path(&verdict.machine_class, &verdict.workload);
    let Some(bytes) = bench.repo.read(&question.base.tree, &path)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    Baseline::from_json(&text)
        .map(Some)
        .map_err(|source| ResearchError::Stored { path, source })
}
