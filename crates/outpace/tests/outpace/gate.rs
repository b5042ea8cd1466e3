//! One turn of the ratchet on the toy: every verdict, the merge, the audit.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::campaign::signal;
use crate::playground::{OUT_OF_THE_BOX, Playground, SETTINGS, toys_alive};

fn faster() -> String {
    SETTINGS.replace("400", "300")
}

#[test]
fn a_faster_patch_is_merged_with_proof_and_the_audit_holds() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &faster());
    play.write("mine.txt", "not committed");
    play.write("README.md", "changed, staged\n");
    play.git(&["add", "README.md"]);
    let before = play.user_state();
    let base = play.git(&["rev-parse", "HEAD"]);
    let outcome = play
        .outpace(&[
            "gate",
            "--patch",
            patch.to_str().unwrap(),
            "--merge",
            "--title",
            "spin less",
        ])
        .expect(0);
    outcome.says(&[
        "policy     ok",
        "artefact differs",
        "loss within",
        "FASTER",
        "merged",
        "into outpace/main",
    ]);
    assert_eq!(
        play.user_state(),
        before,
        "the user's files, index and branch are as they were"
    );

    let message = play.git(&["log", "-1", "--format=%B", "outpace/main"]);
    for part in [
        "spin less",
        "Outpace-Verdict: ",
        "Outpace-Proven: toy +",
        "(at least +",
        &format!("Outpace-Base: {base}"),
    ] {
        assert!(message.contains(part), "`{part}` is missing in:\n{message}");
    }
    let files = play.git(&["diff", "--name-only", "main", "outpace/main"]);
    assert!(
        files.contains("baselines/proofs/")
            && files.contains("toy.json")
            && files.contains("settings.toml"),
        "{files}"
    );
    play.outpace(&["audit", "outpace/main"])
        .expect(0)
        .says(&["verified", "1 merge"]);
    play.outpace(&["baseline", "show", "--rev", "outpace/main"])
        .expect(0)
        .says(&["toy", "tokens/s", "1 merged"]);
    play.outpace(&["history", "list", "--kind", "verdict"])
        .expect(0)
        .says(&["faster spin less"]);
    assert_eq!(toys_alive(play.path()), Vec::<String>::new());
}

#[test]
fn a_forged_proof_does_not_pass_the_audit() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace(
            "[\"settings.toml\"]\n[gate]",
            "[\"settings.toml\", \"new *\"]\n[gate]",
        )
    });
    // As a user has it: the change is in the work tree, a new file is known by `git add -N`.
    play.write("settings.toml", &faster());
    play.write("new file", "of the patch\n");
    play.git(&["add", "-N", "."]);
    let patch = play.path().join(".git/p.patch");
    std::fs::write(&patch, format!("{}\n", play.git(&["diff"]))).unwrap();
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap(), "--merge"])
        .expect(0);
    let mut lines = outcome.stderr.lines().chain(outcome.stdout.lines());
    let to_merge = lines.find_map(|line| line.strip_prefix("to merge:"));
    let merge = Command::new("sh")
        .args(["-ec", to_merge.unwrap()])
        .current_dir(play.path())
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "t")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "t@example.org")))
        .output()
        .unwrap();
    assert!(merge.status.success(), "{to_merge:?}: {merge:?}");
    assert_eq!(play.git(&["status", "--porcelain"]), "");
    assert_eq!(play.git(&["show", "HEAD:new file"]), "of the patch");
    play.outpace(&["audit"]).expect(0);
    let proof = play.git(&["ls-files", "baselines/proofs"]);
    let text = std::fs::read_to_string(play.path().join(&proof)).unwrap();
    play.write(&proof, &text.replacen("0.00", "0.01", 1));
    play.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    play.outpace(&["audit"]).expect(4).says(&["FAILED"]);
}

#[test]
fn equal_artefacts_and_comments_are_the_same_at_once() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch(
        "p.patch",
        "settings.toml",
        &format!("{SETTINGS}# a comment\n"),
    );
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
        .expect(1);
    let verdict = outcome.json();
    assert_eq!(
        (verdict["verdict"].as_str(), verdict["n_blocks"].as_u64()),
        (Some("same"), Some(0))
    );
    play.outpace(&["compare", "HEAD", "HEAD"])
        .expect(1)
        .says(&["same"]);
}

#[test]
fn a_slower_patch_ends_in_3() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &SETTINGS.replace("400", "500"));
    play.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--merge"])
        .expect(3)
        .says(&["slower"]);
    assert_eq!(play.git(&["branch", "--list", "outpace/*"]), "");
}

#[test]
fn another_model_is_refused_with_the_figure() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch(
        "p.patch",
        "settings.toml",
        &faster().replace("0.01", "0.0101"),
    );
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
        .expect(4);
    let verdict = outcome.json();
    let check = &verdict["checks"][0];
    assert_eq!(
        (check["name"].as_str(), check["passed"].as_bool()),
        (Some("losses"), Some(false))
    );
    assert!(check["value"].as_f64().unwrap() > check["allowed"].as_f64().unwrap());
    assert!(
        verdict["reason"]
            .as_str()
            .unwrap()
            .starts_with("loss differs by"),
        "{verdict}"
    );
}

#[test]
fn patches_that_may_not_be_tried() {
    let play = Playground::new(SETTINGS);
    let check = |name: &str, patch: &std::path::Path, parts: &[&str]| {
        let outcome = play
            .outpace(&["gate", "--patch", patch.to_str().unwrap()])
            .expect(4);
        assert!(
            !outcome.stderr.contains("build "),
            "{name} was built: {}",
            outcome.stderr
        );
        outcome.says(parts);
    };
    check(
        "outside",
        &play.patch("a.patch", "README.md", "other\n"),
        &["policy     refused", "README.md"],
    );
    check(
        "judge",
        &play.patch("b.patch", "outpace.toml", "version = 1\n"),
        &["policy     refused", "outpace.toml"],
    );
    check(
        "proof",
        &play.patch("c.patch", "baselines/proofs/x.json", "{}\n"),
        &["policy     refused", "baselines"],
    );
    let stale = play.path().join(".git/d.patch");
    let text = "diff --git a/settings.toml b/settings.toml\n--- a/settings.toml\n+++ b/settings.toml\n@@ -1,1 +1,1 @@\n-nothing like it\n+spin = 1\n";
    std::fs::write(&stale, text).unwrap();
    check("stale", &stale, &["does not apply", "settings.toml"]);
    std::fs::write(&stale, "this is no patch\n").unwrap();
    check("prose", &stale, &["not a patch"]);
    std::fs::write(&stale, b"diff --git a/\xff b/\xff\n").unwrap();
    check("bytes", &stale, &["rejected", "not valid UTF-8"]);
    std::fs::write(&stale, vec![b'+'; (8 << 20) + 1]).unwrap();
    check("flood", &stale, &["rejected", "more than 8 MiB"]);
}

#[test]
fn a_proven_patch_whose_branch_never_rests_ends_in_5() {
    // Every build commits to the branch: it has moved before each merge.
    let script = "cd ../../../.. && export GIT_DIR=. && branch=refs/heads/outpace/main && \
         tip=$(git rev-parse -q --verify $branch || git rev-parse main) && git update-ref $branch \
         $(git -c user.name=o -c user.email=o@example.org commit-tree -p $tip -m other main:)";
    let play = Playground::with_config(SETTINGS, |config| {
        let build = format!("[workload.toy]\nbuild = [\"sh\", \"-c\", '{script}']\n");
        config.replace("[workload.toy]\n", &build)
    });
    let settings = SETTINGS.replace("400", "200");
    let patch = play.patch("p.patch", "settings.toml", &settings);
    let patch = patch.to_str().unwrap();
    play.outpace(&["gate", "--patch", patch, "--merge", OUT_OF_THE_BOX])
        .expect(5)
        .says(&[
            "FASTER",
            "the branch moved 3 times",
            "run the same command again",
        ]);
}

#[test]
fn what_was_not_confined_is_said_and_not_merged_in_ci() {
    let settings = SETTINGS.replace("400", "200");
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &settings);
    let gate = [
        "gate",
        "--patch",
        patch.to_str().unwrap(),
        "--merge",
        OUT_OF_THE_BOX,
    ];
    let in_ci = play.command(&gate).env("CI", "true").output().unwrap();
    let said = String::from_utf8_lossy(&in_ci.stderr);
    assert!(said.contains("CI does not merge that"), "{said}");
    assert_eq!(in_ci.status.code(), Some(5));
    play.outpace(&gate).expect(0).says(&["no sandbox"]);
    let message = play.git(&["log", "-1", "--format=%B", "outpace/main"]);
    assert!(message.contains("Outpace-Sandbox: none"), "{message}");
    play.git(&["merge", "-q", "--ff-only", "outpace/main"]);
    play.outpace(&["audit"]).expect(0);
    let silent = message.replace("Outpace-Sandbox: none\n", "");
    play.git(&["commit", "-q", "--amend", "-m", &silent]);
    play.outpace(&["audit"])
        .expect(4)
        .says(&["no Outpace-Sandbox says `none`"]);
}

#[test]
fn ctrl_c_keeps_the_verdicts_of_earlier_workloads() {
    let change = |config: &str| {
        // The build lies below `.git/outpace`; it says that it has begun, and never ends.
        let zoo = "[workload.zoo]\n\
             build = [\"sh\", \"-c\", \"touch ../../../../zoo-began; sleep 1000\"]\n\
             run = [\"{toy}\", \"train\", \"settings.toml\"]\n";
        config
            .replace("[policy]", &format!("{zoo}[policy]"))
            .replace("timeout", "reads = [\"settings.toml\"]\ntimeout")
    };
    let play = Playground::with_config(SETTINGS, change);
    play.write("notes.txt", "nothing that the toy reads\n");
    play.commit("notes");
    let child = play
        .command(&["compare", "HEAD~1", "HEAD", "--json", OUT_OF_THE_BOX])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (begin, began) = (Instant::now(), play.path().join(".git/zoo-began"));
    while !began.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no build began");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&verdict["workload"], &verdict["verdict"]),
        (&"toy".into(), &"same".into())
    );
    let kept = play.outpace(&["history", "export"]).expect(0).stdout;
    assert_eq!(kept.lines().count(), 1, "{kept}");
}

#[test]
fn commands_are_compared_without_git() {
    let folder = Playground::bare_folder();
    folder.write("slow", SETTINGS);
    folder.write("fast", &faster());
    let toy = crate::playground::toy();
    let command = |settings: &str| format!("{} train {settings}", toy.display());
    let (slow, fast) = (command("slow"), command("fast"));
    let outcome = folder
        .outpace(&[
            "compare",
            "--base-cmd",
            &slow,
            "--candidate-cmd",
            &fast,
            "--json",
        ])
        .expect(0);
    let verdict = outcome.json();
    assert_eq!(verdict["verdict"], "faster");
    assert_eq!(verdict["base"], slow.as_str());
    folder
        .outpace(&["compare", "--base-cmd", &fast, "--candidate-cmd", &slow])
        .expect(3)
        .says(&["slower"]);
    folder
        .outpace(&["compare", "--base-cmd", &slow, "--candidate-cmd", "exit 3"])
        .expect(4)
        .says(&["exit code 3"]);
    folder
        .outpace(&["compare", "--base-cmd", "exit 3", "--candidate-cmd", &slow])
        .expect(5)
        .says(&["exit code 3"]);
}

#[test]
fn a_seed_replays_every_order() {
    let play = Playground::new(SETTINGS);
    let seeds = |seed: &str| {
        let outcome = play.outpace(&[
            "compare",
            "HEAD",
            "HEAD",
            "--aa",
            "--max-blocks",
            "1",
            "--seed",
            seed,
            "--json",
        ]);
        outcome.json()["seeds"].clone()
    };
    assert_eq!(seeds("42"), seeds("42"));
    assert_ne!(seeds("42"), seeds("43"));
}

#[test]
fn bench_records_a_run_and_a_verdict_fits_its_schema() {
    let play = Playground::new(SETTINGS);
    play.outpace(&["bench", "--processes", "2"])
        .expect(0)
        .says(&["tokens/s", "recorded"]);
    play.outpace(&["history", "list"])
        .expect(0)
        .says(&["run", "begin"]);
    let verdict = play
        .outpace(&[
            "compare",
            "HEAD",
            "HEAD",
            "--aa",
            "--max-blocks",
            "2",
            "--json",
        ])
        .json();
    let schema = play.outpace(&["schema", "verdict"]).expect(0).json();
    for key in schema["required"].as_array().unwrap() {
        assert!(
            !verdict[key.as_str().unwrap()].is_null(),
            "{key} is missing in {verdict}"
        );
    }
    let exported = play.outpace(&["history", "export"]).expect(0).stdout;
    assert_eq!(exported.lines().count(), 2, "{exported}");
}

#[test]
fn a_revision_is_merged_as_the_patch_that_it_is() {
    let play = Playground::new("spin = 400\nrate = 0.01\n\n\n\n\n\n# end\n");
    play.git(&["checkout", "-q", "-b", "mine"]);
    play.write(
        "settings.toml",
        "spin = 300\nrate = 0.01\n\n\n\n\n\n# end\n",
    );
    play.commit("spin less");
    play.git(&["checkout", "-q", "main"]);
    let patch = play.patch(
        "p.patch",
        "settings.toml",
        "spin = 400\nrate = 0.01\n\n\n\n\n\nspin = 200\n",
    );
    play.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--merge"])
        .expect(0);
    // The branch has a merge now that `mine` does not know. The settings' last `spin` counts.
    let outcome = play.outpace(&["gate", "mine", "--merge"]);
    let settings = play.git(&["show", "outpace/main:settings.toml"]);
    assert!(
        settings.contains("spin = 200"),
        "the earlier merge was reverted:\n{settings}\n{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("spin less"), "{}", outcome.stderr);
}

#[test]
fn a_merge_proves_and_anchors_every_workload_that_was_judged() {
    let other = "[workload.other]\nrun = [\"{toy}\", \"train\", \"other.toml\"]\n\
                 evaluate = [\"{toy}\", \"evaluate\", \"other.toml\"]\ntimeout = \"3s\"\ncheck_steps = 8\n";
    let play = Playground::with_config(SETTINGS, |config| format!("{config}{other}"));
    play.write("other.toml", SETTINGS);
    play.commit("another workload");
    let patch = play.patch("p.patch", "settings.toml", &SETTINGS.replace("400", "200"));
    play.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--merge"])
        .expect(0)
        .says(&["toy", "FASTER", "other", "merged"]);
    let message = play.git(&["log", "-1", "--format=%B", "outpace/main"]);
    assert_eq!(message.matches("Outpace-Verdict: ").count(), 2, "{message}");
    let files = play.git(&["ls-tree", "-r", "--name-only", "outpace/main"]);
    for name in ["/toy.json", "/other.json"] {
        assert!(files.contains(name), "{name} is missing in\n{files}");
    }
    play.outpace(&["audit", "outpace/main"]).expect(0);
}

#[test]
fn a_merge_brings_no_commit_that_nobody_proved() {
    let play = Playground::new(SETTINGS);
    let main = play.git(&["rev-parse", "main"]);
    play.git(&["checkout", "-q", "-b", "mine"]);
    play.write("README.md", "words that nobody measured");
    play.commit("words");
    play.write("settings.toml", &SETTINGS.replace("400", "300"));
    play.commit("spin less");
    play.git(&["checkout", "-q", "main"]);
    play.outpace(&["gate", "mine", "--merge"])
        .expect(0)
        .says(&["git merge --ff-only outpace/main"]);
    assert_eq!(play.git(&["rev-parse", "outpace/main^"]), main);
    play.git(&["merge", "-q", "--ff-only", "outpace/main"]);

    // HEAD's own patch: the branch gets it with its proof, HEAD has it without.
    play.write("settings.toml", &SETTINGS.replace("400", "200"));
    play.commit("spin even less");
    play.outpace(&["gate", "--merge"])
        .expect(0)
        .says(&["git rebase outpace/main"]);
    play.git(&["rebase", "-q", "outpace/main"]);
    assert_eq!(
        play.git(&["rev-parse", "HEAD"]),
        play.git(&["rev-parse", "outpace/main"])
    );
    play.outpace(&["gate", "--merge"])
        .expect(2)
        .says(&["outpace/main holds HEAD already"]);
    play.outpace(&["gate", "--patch", ".git"])
        .expect(2)
        .says(&["is a directory"]);
}

#[test]
fn what_a_track_needs_is_said() {
    let play = Playground::new(SETTINGS);
    play.outpace(&["gate"]).expect(2).says(&["no parent"]);
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("timeout", "track = \"time-to-loss\"\ntimeout")
    });
    play.outpace(&["compare", "HEAD", "HEAD"])
        .expect(2)
        .says(&["workload.toy.text: the time-to-loss track needs a command"]);
}

#[test]
fn head_is_merged_as_its_own_patch_and_a_named_branch_moves_by_proof_alone() {
    let play = Playground::new(SETTINGS);
    let main = play.git(&["rev-parse", "main"]);
    play.git(&["checkout", "-q", "-b", "mine"]);
    play.write("settings.toml", &SETTINGS.replace("400", "500"));
    play.commit("spin more");
    play.outpace(&["gate", "--merge", "--into", "main"])
        .expect(3);
    assert_eq!(play.git(&["rev-parse", "main"]), main, "nothing was proven");
    play.write("settings.toml", &SETTINGS.replace("400", "200"));
    play.commit("spin less");
    play.outpace(&["gate", "--merge", "--base", "main", "--into", "main"])
        .expect(0)
        .says(&["merged"]);
    let tip = play.git(&["rev-parse", "main"]);
    assert_eq!(
        play.git(&["rev-parse", "main^"]),
        main,
        "{tip} is the merge and nothing else"
    );
    play.outpace(&["gate", "--merge"])
        .expect(0)
        .says(&["into outpace/mine"]);
    play.outpace(&["audit", "outpace/mine"]).expect(0);
}
