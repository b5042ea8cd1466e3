//! A repository to work on, made with the git command without user settings, and verdicts to merge
//! into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outpace_record::{
    Baseline, Block, Check, Document, Kind, Machine, PatchStat, SandboxTier, Seeds, Timestamp,
    TokensPerS, Track, Verdict, record_id,
};
use outpace_repo::{MergeRequest, Repo, merge_message, next_baseline, proof_path};
use tempfile::TempDir;

pub(crate) const CONFIG: &str =
    "version = 1\n[workload.tiny]\nrun = [\"true\"]\n[policy]\neditable = [\"src/**\"]\n";

pub(crate) struct Lab {
    pub(crate) dir: TempDir,
}

impl Lab {
    /// A repository with a configuration, a source file, an ignore file and one commit on `main`.
    pub(crate) fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        lab.git(&["init", "-q", "-b", "main"]);
        lab.git(&["config", "user.name", "Tester"]);
        lab.git(&["config", "user.email", "tester@localhost"]);
        lab.write("outpace.toml", CONFIG);
        lab.write("src/k.rs", "fn k() {\n    let n = 4;\n}\n");
        lab.write("src/sub/deep.rs", "fn deep() {}\n");
        lab.write(".gitignore", "*.log\n/out/\n!keep.log\n");
        lab.commit("first");
        lab
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::discover(self.path()).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        write(self.path(), path, text);
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    /// The tree that results when files of HEAD are replaced (`Some`) or deleted (`None`), made by
    /// outpace itself.
    pub(crate) fn tree(&self, changes: &[(&str, Option<&str>)]) -> String {
        let (repo, dir) = (self.repo(), tempfile::tempdir().unwrap());
        repo.export(
            &self.git(&["rev-parse", "HEAD"]),
            dir.path(),
            &Default::default(),
        )
        .unwrap();
        for (path, text) in changes {
            match text {
                Some(text) => write(dir.path(), path, text),
                None => fs::remove_file(dir.path().join(path)).unwrap(),
            }
        }
        repo.tree_from_dir(&self.git(&["rev-parse", "HEAD"]), dir.path())
            .unwrap()
    }
}

pub(crate) fn write(dir: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .current_dir(dir)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("HOME", "/nonexistent"),
        ])
        .args(args)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

/// A verdict that proves +5 % for the change from `base` to `tree`, judged from its samples.
pub(crate) fn verdict(repo: &Repo, base: &str, tree: &str) -> Verdict {
    let patch = repo.patch_between(base, tree).unwrap();
    let mut verdict = Verdict {
        target: None,
        runs: Vec::new(),
        earlier_seeds: 0,
        schema: Verdict::SCHEMA.into(),
        verdict: Kind::Faster,
        reason: "gain proven above the minimum".into(),
        speedup: None,
        at_least: None,
        at_most: None,
        log_e: None,
        threshold: 100.0,
        alpha: 0.01,
        min_speedup: 0.005,
        max_blocks: 100,
        screen: false,
        sum_threshold: None,
        blocks: Vec::new(),
        alone: Vec::new(),
        bound_blocks: None,
        earlier_blocks: 0,
        earlier_runs: 0,
        continues: None,
        test: None,
        steps_per_run: None,
        n_blocks: 0,
        workload: "tiny".into(),
        track: Track::Throughput,
        base: base.into(),
        candidate: None,
        candidate_tree: Some(tree.into()),
        patch: Some(PatchStat {
            files: patch.files.iter().map(|file| file.path.clone()).collect(),
            added: patch.added,
            removed: patch.removed,
        }),
        patch_sha256: Some(patch.sha256),
        title: "wider".into(),
        agent: Some("tune".into()),
        artefacts: None,
        machine_class: "box-x2-00000000".into(),
        machine: Machine::default(),
        sandbox_tier: SandboxTier::None,
        checks: vec![Check {
            name: "losses".into(),
            passed: true,
            value: None,
            allowed: None,
            detail: "equal".into(),
        }],
        seeds: Seeds::default(),
        steps_per_turn: 1,
        warmup_turns: 1,
        overhead: None,
        outpace_version: "0.1.0".into(),
        started: Timestamp::from_unix_seconds(1_780_000_000),
        finished: Timestamp::from_unix_seconds(1_780_000_060),
        trial_s: None,
        tokens_per_s: Some(TokensPerS {
            base: 1000.0,
            candidate: 1050.0,
        }),
        margin: None,
    };
    settle(&mut verdict);
    verdict
}

/// Gives a verdict the samples that its rule needs, and their figures.
pub(crate) fn settle(verdict: &mut Verdict) {
    let block = |i: usize| Block {
        pairs: (0..5)
            .map(|p| [1.05 + 0.0001 * i as f64, 1.0 + 0.0001 * p as f64])
            .collect(),
        ..Block::default()
    };
    verdict.blocks.clear();
    loop {
        verdict.blocks.push(block(verdict.blocks.len()));
        let judged = outpace_stats::judge(&verdict.blocks, &verdict.rule()).unwrap();
        if Kind::from(judged.outcome) == Kind::Faster {
            verdict.n_blocks = verdict.blocks.len();
            verdict.speedup = Some(judged.summary.speedup);
            verdict.at_least = judged.summary.at_least;
            verdict.at_most = judged.summary.at_most;
            verdict.log_e = Some(judged.summary.log_e);
            return;
        }
        assert!(verdict.blocks.len() < 100, "the samples must prove a gain");
    }
}

/// The merge that this verdict asks for.
pub(crate) fn request(
    repo: &Repo,
    into: &str,
    tip: Option<&str>,
    tree: &str,
    verdict: &Verdict,
) -> MergeRequest {
    let proof = verdict.to_json();
    let id = record_id(proof.as_bytes());
    let path = Baseline::path(&verdict.machine_class, &verdict.workload);
    let old = repo.read(&verdict.base, &path).ok().flatten();
    let old = old.map(|bytes| Baseline::from_json(std::str::from_utf8(&bytes).unwrap()).unwrap());
    let baseline = next_baseline(old, verdict, &id).to_json();
    MergeRequest {
        into: into.into(),
        expected_tip: tip.map(Into::into),
        base: verdict.base.clone(),
        tree: tree.into(),
        files: vec![
            (proof_path(&id), proof.into_bytes()),
            (path, baseline.into_bytes()),
        ],
        message: merge_message(&verdict.title, "why", &[(verdict, id)], "tune"),
    }
}
