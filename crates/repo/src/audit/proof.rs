//! What a merge claims, compared with its tree: proof, base, patch, baseline, trailers.

use std::collections::BTreeSet;
use std::str::from_utf8;

use git2::Oid;
use outpace_record::{
    Baseline, Config, Document, Kind, SandboxTier, Verdict, parse_config, record_id,
};
use outpace_text::{is_hex_id, short};

use super::{figures, files};
use crate::error::Doing;
use crate::message::{Trailers, agent_text, is_unconfined, proven_text};
use crate::proof::{BASELINES, PROOFS};
use crate::{Commit, Patch, Repo, RepoError, check_policy, next_baseline, proof_path};

/// Whom a merge names where no agent proposed the patch.
const NOBODY: &str = "human";

/// One merge under audit.
struct Merge<'a> {
    repo: &'a Repo,
    commit: &'a Commit,
    parent: &'a str,
    trailers: &'a Trailers,
    config: Option<Config>,
    /// The commit's tree with its parent's baselines: what was measured.
    measured: String,
    patch: Patch,
}

/// What is wrong in a commit that claims verdicts, and those that can be read.
pub(super) fn findings(
    repo: &Repo,
    commit: &Commit,
    trailers: &Trailers,
) -> Result<(Vec<String>, Vec<Verdict>), RepoError> {
    let [parent] = commit.parents.as_slice() else {
        let finding = format!(
            "it claims a verdict but has {} parents instead of the one it was measured against",
            commit.parents.len()
        );
        return Ok((vec![finding], Vec::new()));
    };
    let (config, mut findings) = base_config(repo, parent)?;
    let measured = with_baselines_of(repo, &commit.id, parent)?;
    let patch = repo.patch_between(parent, &measured)?;
    let merge = Merge {
        repo,
        commit,
        parent,
        trailers,
        config,
        measured,
        patch,
    };
    findings.extend(merge.claims());
    let mut verdicts = Vec::new();
    for id in &trailers.verdicts {
        match verdict(repo, commit, id)? {
            Ok(verdict) => verdicts.push((id.as_str(), verdict)),
            Err(finding) => findings.push(finding),
        }
    }
    for (id, verdict) in &verdicts {
        let about = |finding: String| format!("verdict {}: {finding}", short(id));
        findings.extend(merge.one(id, verdict)?.into_iter().map(about));
    }
    findings.extend(merge.all(&verdicts)?);
    let verdicts = verdicts.into_iter().map(|(_, verdict)| verdict);
    Ok((findings, verdicts.collect()))
}

impl Merge<'_> {
    /// What is wrong in the trailers and the patch, before any proof is read.
    fn claims(&self) -> Vec<String> {
        let mut findings = Vec::new();
        if self.trailers.bases != [self.parent] {
            findings.push(format!(
                "its Outpace-Base is {}, its parent is {}",
                one_of(&self.trailers.bases),
                self.parent
            ));
        }
        if self.trailers.verdicts.iter().collect::<BTreeSet<_>>().len()
            != self.trailers.verdicts.len()
        {
            findings.push("it names a verdict twice".into());
        }
        for line in &self.trailers.unknown {
            findings.push(format!("`{line}` is no trailer of outpace"));
        }
        let config = self.config.as_ref();
        findings.extend(config.and_then(|config| broken_policy(&self.patch, config)));
        findings
    }

    /// One verdict against this commit.
    fn one(&self, id: &str, verdict: &Verdict) -> Result<Vec<String>, RepoError> {
        let mut findings = Vec::new();
        if verdict.base != self.parent {
            findings.push(format!(
                "it was measured against {}, the parent is {}",
                verdict.base, self.parent
            ));
        }
        if verdict.patch_sha256.as_deref() != Some(self.patch.sha256.as_str()) {
            let claimed = verdict.patch_sha256.as_deref().unwrap_or("none");
            findings.push(format!(
                "it is about patch {claimed}, the commit has patch {}",
                self.patch.sha256
            ));
        }
        if let Some(tree) = verdict
            .candidate_tree
            .as_ref()
            .filter(|tree| **tree != self.measured)
        {
            findings.push(format!(
                "it measured tree {tree}, the commit has {}",
                self.measured
            ));
        }
        let proven = proven_text(verdict);
        if !self.trailers.proven.contains(&proven) {
            findings.push(format!("no Outpace-Proven says `{proven}`"));
        }
        let agent = agent_text(verdict.agent.as_deref().unwrap_or(NOBODY));
        let named = self
            .trailers
            .agents
            .iter()
            .filter(|named| !named.is_empty());
        if !named.eq([&agent].into_iter().filter(|agent| !agent.is_empty())) {
            findings.push(format!("its Outpace-Agent is not `{agent}`"));
        }
        if let Some(config) = &self.config {
            findings.extend(against_gate(verdict, config));
        }
        findings.extend(self.baseline(id, verdict)?);
        Ok(findings)
    }

    /// The verdicts together: one is faster, and nothing below baselines/ or in the trailers is
    /// about anything else.
    fn all(&self, verdicts: &[(&str, Verdict)]) -> Result<Vec<String>, RepoError> {
        let mut findings = Vec::new();
        if !verdicts
            .iter()
            .any(|(_, verdict)| verdict.verdict == Kind::Faster)
        {
            findings.push("none of its verdicts is `faster`".into());
        }
        if self.trailers.proven.len() != self.trailers.verdicts.len() {
            let (proven, verdicts) = (self.trailers.proven.len(), self.trailers.verdicts.len());
            findings.push(format!(
                "it has {proven} Outpace-Proven trailers for {verdicts} verdicts"
            ));
        }
        let own: Vec<String> = verdicts
            .iter()
            .map(|(_, v)| Baseline::path(&v.machine_class, &v.workload))
            .collect();
        findings.extend(self.sandbox(verdicts).map(str::to_owned));
        for path in files::changed(self.repo, self.parent, &self.commit.id)? {
            if !path.starts_with(PROOFS) && !own.contains(&path) {
                findings.push(format!(
                    "it changes {path}, which none of its verdicts is about"
                ));
            }
        }
        Ok(findings)
    }

    /// A merge says where a program was not confined, and only there.
    fn sandbox(&self, verdicts: &[(&str, Verdict)]) -> Option<&'static str> {
        let unconfined = || {
            verdicts
                .iter()
                .filter(|(_, verdict)| is_unconfined(verdict))
        };
        // Merges from before the sandbox say nothing of it.
        let needs = unconfined().any(|(_, verdict)| verdict.bound_blocks.is_some());
        let said = &self.trailers.sandboxes;
        let none = |tier: &String| tier == SandboxTier::None.as_str();
        if needs && said.is_empty() || !said.iter().all(none) {
            return Some("no Outpace-Sandbox says `none`, and a program was not confined");
        }
        let is_false = !said.is_empty() && unconfined().next().is_none();
        is_false.then_some("its Outpace-Sandbox says `none`, and all programs were confined")
    }

    /// The baseline must be exactly what follows from the one before and the verdict.
    fn baseline(&self, id: &str, verdict: &Verdict) -> Result<Option<String>, RepoError> {
        let path = Baseline::path(&verdict.machine_class, &verdict.workload);
        let before = self.repo.read(self.parent, &path)?;
        let now = self.repo.read(&self.commit.id, &path)?;
        if verdict.verdict != Kind::Faster && now == before {
            return Ok(None);
        }
        let old = before.and_then(|bytes| Baseline::from_json(from_utf8(&bytes).ok()?).ok());
        let expected = next_baseline(old, verdict, id).to_json();
        Ok(match now {
            None => Some(format!("there is no baseline {path}")),
            Some(bytes) if bytes == expected.as_bytes() => None,
            Some(_) => Some(format!(
                "baseline {path} does not follow from the one before and this verdict"
            )),
        })
    }
}

/// What is wrong in a patch by the policy of its base.
pub(super) fn broken_policy(patch: &Patch, config: &Config) -> Option<String> {
    let violation = check_policy(patch, &config.policy).err()?;
    Some(format!(
        "its patch breaks the policy of its base: {violation}"
    ))
}

/// What is wrong in the figures of a verdict by the gate of its base.
pub(super) fn against_gate(verdict: &Verdict, config: &Config) -> Vec<String> {
    let mut findings = figures::findings(verdict, &config.gate);
    match config.workload.get(&verdict.workload) {
        None => findings.push(format!("its base has no workload `{}`", verdict.workload)),
        Some(workload) => {
            findings.extend(figures::unpriced(verdict, workload));
            findings.extend(figures::off_target(verdict, workload));
        }
    }
    findings
}

/// The proof that a commit names or adds, or why there is none.
pub(super) fn verdict(
    repo: &Repo,
    commit: &Commit,
    id: &str,
) -> Result<Result<Verdict, String>, RepoError> {
    if !is_hex_id(id, 64) {
        return Ok(Err(format!(
            "its Outpace-Verdict `{id}` is not a record id"
        )));
    }
    let path = proof_path(id);
    let Some(bytes) = repo.read(&commit.id, &path)? else {
        return Ok(Err(format!("there is no proof {path}")));
    };
    let found = record_id(&bytes);
    if found != id {
        return Ok(Err(format!(
            "proof {path} has the hash {found}, the trailer says {id}"
        )));
    }
    let text = from_utf8(&bytes).unwrap_or_default();
    Ok(Verdict::from_json(text).map_err(|error| format!("proof {path}: {error}")))
}

pub(super) fn base_config(
    repo: &Repo,
    parent: &str,
) -> Result<(Option<Config>, Vec<String>), RepoError> {
    let Some(bytes) = repo.read(parent, "outpace.toml")? else {
        return Ok((None, vec!["its base has no outpace.toml".into()]));
    };
    match parse_config(from_utf8(&bytes).unwrap_or_default(), "outpace.toml") {
        Ok(config) => Ok((Some(config), Vec::new())),
        Err(error) => Ok((
            None,
            vec![format!(
                "the outpace.toml of its base cannot be read: {error}"
            )],
        )),
    }
}

/// A commit's tree in which baselines/ is that of another commit.
pub(super) fn with_baselines_of(
    repo: &Repo,
    commit: &str,
    other: &str,
) -> Result<String, RepoError> {
    let (tree, other) = (repo.tree(commit)?, repo.tree(other)?);
    let build = || -> Result<Oid, git2::Error> {
        let mut builder = repo.git.treebuilder(Some(&tree))?;
        match other.get_name(BASELINES) {
            Some(entry) => drop(builder.insert(BASELINES, entry.id(), entry.filemode())?),
            None if tree.get_name(BASELINES).is_some() => builder.remove(BASELINES)?,
            None => {}
        }
        builder.write()
    };
    Ok(build()
        .doing(|| format!("taking the measured tree from {commit}"))?
        .to_string())
}

fn one_of(values: &[String]) -> String {
    if values.is_empty() {
        "missing".to_owned()
    } else {
        values.join(", ")
    }
}
