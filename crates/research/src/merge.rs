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
    let proven: Vec<&Verdict> = answer
        .verdicts
        .iter()
        .filter(|v| v.verdict == Kind::Faster)
        .collect();
    let (mut files, mut named) = (Vec::new(), Vec::new());
    for verdict in proven {
        let json = verdict.to_json();
        let id = record_id(json.as_bytes());
        let baseline = next_baseline(stored_baseline(bench, question, verdict)?, verdict, &id);
        files.push((
            Baseline::path(&verdict.machine_class, &verdict.workload),
            baseline.to_json().into_bytes(),
        ));
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
