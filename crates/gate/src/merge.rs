//! The merge of what was proven: the patch, the proof and the new baseline in one commit.

use outpace_record::{Baseline, Document, GateRequest, Kind, Verdict, record_id};
use outpace_repo::{MergeRequest, Repo, merge_message, next_baseline, proof_path};

use crate::GateError;
use crate::anchor::stored_baseline;

/// Commits the candidate of a request onto `into`, if the branch still stands where it was measured;
/// returns the commit.
pub(crate) fn merge_proven(
    repo: &Repo,
    request: &GateRequest,
    verdicts: &[Verdict],
    into: &str,
) -> Result<String, GateError> {
    let base = repo.resolve(&request.base)?;
    let (mut files, mut named) = (Vec::new(), Vec::new());
    // All of them: that no workload became slower is part of the claim.
    for verdict in verdicts {
        let json = verdict.to_json();
        let id = record_id(json.as_bytes());
        let (class, workload) = (&verdict.machine_class, &verdict.workload);
        let old = stored_baseline(repo, &base.tree, class, workload)?;
        // A workload that this patch does not make faster gets its anchor all the same, so that its
        // losses have a budget from here on.
        let first = old.is_none() && verdict.n_blocks > 0;
        if verdict.verdict == Kind::Faster || first {
            let baseline = next_baseline(old, verdict, &id);
            let path = Baseline::path(class, workload);
            files.push((path, baseline.to_json().into_bytes()));
        }
        files.push((proof_path(&id), json.into_bytes()));
        named.push((verdict.clone(), id));
    }
    let agent = request.agent.as_deref().unwrap_or("human");
    let merge = MergeRequest {
        into: into.to_owned(),
        expected_tip: repo.branch_tip(into)?.map(|_| base.id.clone()),
        base: base.id,
        tree: request.tree.clone(),
        files,
        message: merge_message(&request.title, &body(verdicts), &named, agent),
    };
    Ok(repo.merge(&merge)?)
}

/// The files that the patch touches, a line each.
fn body(verdicts: &[Verdict]) -> String {
    let patch = verdicts.iter().find_map(|v| v.patch.as_ref());
    patch.map_or_else(String::new, |patch| patch.files.join("\n"))
}
