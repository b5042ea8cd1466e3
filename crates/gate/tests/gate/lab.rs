//! A repository and a request to judge in it.

use std::path::Path;
use std::process::Command;

use outpace_gate::GateOutcome;
use outpace_record::{Document, GateRequest, Kind, RequestRule, Verdict};
use outpace_repo::{Commit, MergeRequest, Repo};
use tempfile::TempDir;

pub(crate) const INTO: &str = "outpace/main";
pub(crate) const CONFIG: &str =
    "version = 1\n[workload.w]\nrun = [\"true\"]\n[policy]\neditable = [\"src/**\"]\n";

pub(crate) struct Lab {
    pub(crate) repo: Repo,
    _dir: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "main"]);
        git(dir.path(), &["config", "user.name", "Tester"]);
        git(dir.path(), &["config", "user.email", "tester@localhost"]);
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("outpace.toml"), CONFIG).unwrap();
        std::fs::write(dir.path().join("src/k"), "one\ntwo\nthree\nfour\nfive\n").unwrap();
        git(dir.path(), &["add", "-A"]);
        git(dir.path(), &["commit", "-q", "-m", "first"]);
        Self {
            repo: Repo::discover(dir.path()).unwrap(),
            _dir: dir,
        }
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repo.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> Commit {
        git(self.repo.root(), &["add", "-A"]);
        git(self.repo.root(), &["commit", "-q", "-m", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> Commit {
        self.repo.resolve("HEAD").unwrap()
    }

    /// Other people commit a file to the branch.
    pub(crate) fn commit_to_branch(&self, path: &str, text: &str) -> String {
        let tip = self.repo.branch_tip(INTO).unwrap();
        let base = self.repo.resolve(tip.as_deref().unwrap_or("HEAD")).unwrap();
        let tree = self.repo.replace_file(&base.tree, path, text.as_bytes());
        let request = MergeRequest {
            into: INTO.into(),
            expected_tip: tip,
            base: base.id,
            tree: tree.unwrap(),
            files: Vec::new(),
            message: "other people's".into(),
        };
        self.repo.merge(&request).unwrap()
    }

    /// A request to replace a file of HEAD.
    pub(crate) fn request(&self, path: &str, text: &str) -> GateRequest {
        let base = self.head();
        let tree = self.repo.replace_file(&base.tree, path, text.as_bytes());
        let tree = tree.unwrap();
        GateRequest {
            schema: GateRequest::SCHEMA.into(),
            patch: self.repo.patch_between(&base.tree, &tree).unwrap().text,
            base: base.id,
            tree,
            candidate: None,
            title: "a patch".into(),
            agent: Some("a job".into()),
            workloads: vec!["w".into()],
            rule: RequestRule {
                min_speedup: 0.005,
                alpha: 0.01,
                threshold: None,
                screen: false,
                max_blocks: 100,
                margin: None,
            },
            test: None,
            seed: 7,
            policy: true,
            aa: false,
        }
    }
}

/// What a judge says who has proven it.
pub(crate) fn proven(request: &GateRequest) -> GateOutcome {
    let json = serde_json::json!({
        "schema": "outpace.verdict/1", "verdict": Kind::Faster.as_str(), "reason": "proven",
        "threshold": 100.0, "alpha": 0.01, "min_speedup": 0.005, "speedup": 0.1,
        "at_least": 0.05, "blocks": [{"pairs": [[1.0, 0.9]]}], "n_blocks": 1,
        "tokens_per_s": {"base": 100.0, "candidate": 110.0}, "workload": "w",
        "track": "throughput", "base": request.base, "candidate_tree": request.tree,
        "patch": {"files": ["src/k"], "added": 1, "removed": 1}, "machine_class": "m",
        "sandbox_tier": "landlock", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
        "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
    });
    GateOutcome::of(vec![Verdict::from_json(&json.to_string()).unwrap()])
}

pub(crate) fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .unwrap();
    assert!(status.success(), "git {args:?}");
}
