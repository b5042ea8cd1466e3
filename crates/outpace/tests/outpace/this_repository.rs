//! The gate on this repository itself: real kernels, real training, real builds.
//!
//! The base's dependencies come from the target folder of these tests, so that only the kernels and
//! the trainer are built.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::playground::{Outcome, git_in, outpace_with_the_machines_lock};

/// A kernel that spends its time twice: what a faster patch removes, and a slower one adds.
const PLAIN: &str = "let mean_square = dot(row, row) *";
const WASTEFUL: &str = "let mean_square = (0..80).map(|_| std::hint::black_box(dot(std::hint::black_box(row), row))).sum::<T>() * T::from_f64(1.0 / 80.0) *";
const NORM: &str = "kernels/src/rms_norm/cpu.rs";
const ATTENTION: &str = "kernels/src/attention/cpu.rs";

struct Clone {
    dir: tempfile::TempDir,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

impl Clone {
    /// This checkout as it is now, uncommitted changes included, as one commit of a fresh
    /// repository.
    fn new() -> Self {
        let clone = Self {
            dir: tempfile::TempDir::new().unwrap(),
        };
        let listed = Command::new("git")
            .args(["ls-files", "-co", "--exclude-standard", "-z"])
            .current_dir(root())
            .output()
            .unwrap();
        for name in String::from_utf8(listed.stdout)
            .unwrap()
            .split('\0')
            .filter(|n| !n.is_empty())
        {
            let (from, to) = (root().join(name), clone.dir.path().join(name));
            // Proofs belong to the commits that they speak for, and those are not taken along.
            let proof = name.starts_with("baselines/") && name.ends_with(".json");
            if from.is_file() && !proof {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(from, to).unwrap();
            }
        }
        std::os::unix::fs::symlink(root().join("target"), clone.dir.path().join("target")).unwrap();
        clone.git(&["init", "-q", "-b", "main"]);
        clone.commit("begin");
        clone
    }

    fn git(&self, args: &[&str]) -> String {
        git_in(self.dir.path(), args)
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(from),
            "{file} no longer holds `{from}`: adapt this test to the kernel"
        );
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// Gates an edit of one file as a patch.
    fn gate(&self, file: &str, from: &str, to: &str, more: &[&str]) -> Outcome {
        self.edit(file, from, to);
        let diff = self.git(&["diff"]);
        self.git(&["checkout", "-q", "--", "."]);
        let patch = self.dir.path().join(".git/the.patch");
        std::fs::write(&patch, format!("{diff}\n")).unwrap();
        self.outpace(&[&["gate", "--patch", patch.to_str().unwrap()], more].concat())
    }

    fn outpace(&self, args: &[&str]) -> Outcome {
        outpace_with_the_machines_lock(self.dir.path(), args)
    }
}

#[test]
fn what_need_not_be_built_is_not() {
    let clone = Clone::new();
    let judge = "crates/trial/src/block.rs";
    let refused = clone
        .gate(
            judge,
            "pub(crate) fn measure",
            "pub(crate) fn measured",
            &[],
        )
        .expect(4);
    assert!(
        !refused.stderr.contains("build "),
        "it was built: {}",
        refused.stderr
    );
    refused.says(&["policy     refused", judge]);

    clone
        .gate(
            NORM,
            "//! RMSNorm on",
            "//! A comment that shifts lines.\n//!\n//! RMSNorm on",
            &[],
        )
        .expect(1)
        .says(&["same", "only comments"]);
}

/// One test, because all of it shares one base build and nothing else may be timed beside it.
#[test]
#[ignore = "long: ci/nightly.sh"]
fn the_gate_on_this_repository() {
    let clone = Clone::new();

    // Another name and shifted lines: the compiled program is the same but for the line numbers of
    // its panics.
    clone.edit(NORM, "mean_square", "mean_of_squares");
    clone
        .gate(
            NORM,
            "use crate::tasks::{filled, filled_and};",
            "\n\nuse crate::tasks::{filled, filled_and};",
            &[],
        )
        .expect(1)
        .says(&["artefacts are equal"]);

    clone
        .gate(NORM, PLAIN, "let mean_square = dott(row, row) *", &[])
        .expect(4)
        .says(&["does not build", "dott"]);

    let masked = clone
        .gate(
            ATTENTION,
            "scores[first + row + 1..].fill(",
            "scores[seen..].fill(",
            &["--json"],
        )
        .expect(4);
    assert!(
        masked.json()["reason"]
            .as_str()
            .unwrap()
            .contains("loss differs by"),
        "{}",
        masked.stdout
    );

    let skipped = clone
        .gate(
            NORM,
            "*sum += g * x * scale;",
            "let _ = (&sum, g, x);",
            &["--json"],
        )
        .expect(4);
    let failed: Vec<serde_json::Value> = skipped.json()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["passed"] == false)
        .cloned()
        .collect();
    assert!(
        failed
            .iter()
            .all(|c| c["value"].as_f64() > c["allowed"].as_f64())
            && !failed.is_empty(),
        "{}",
        skipped.stdout
    );

    clone
        .gate(NORM, PLAIN, WASTEFUL, &[])
        .expect(3)
        .says(&["slower"]);

    clone.edit(NORM, PLAIN, WASTEFUL);
    clone.commit("rms_norm: a wasteful mean");
    let merged = clone.gate(NORM, WASTEFUL, PLAIN, &["--merge"]).expect(0);
    merged.says(&["FASTER", "merged", "into outpace/main"]);
    let message = clone.git(&["log", "-1", "--format=%B", "outpace/main"]);
    assert!(
        message.contains("Outpace-Proven: gpt-nano +") && message.contains("Outpace-Verdict: "),
        "{message}"
    );
    clone
        .outpace(&["audit", "outpace/main"])
        .expect(0)
        .says(&["verified"]);
    clone
        .outpace(&["baseline", "show", "--rev", "outpace/main"])
        .expect(0)
        .says(&["gpt-nano"]);
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
}
