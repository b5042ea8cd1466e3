//! What users get wrong: a clear message and the right exit code.

use crate::playground::{Playground, SETTINGS, outpace_with};

#[test]
fn places_that_are_no_repository() {
    let folder = Playground::bare_folder();
    for verb in [
        &["gate"][..],
        &["research", "--agent", "tune"],
        &["bench"],
        &["compare", "a", "b"],
        &["audit"],
        &["report"],
    ] {
        folder
            .outpace(verb)
            .expect(2)
            .says(&["not in a git repository", "Hint:"]);
    }
    folder.git(&["init", "-q"]);
    folder
        .outpace(&["gate"])
        .expect(2)
        .says(&["has no commits yet", "git commit"]);
    folder
        .outpace(&["doctor", "--no-measure"])
        .expect(0)
        .says(&["machine"]);
}

#[test]
fn a_missing_or_broken_configuration() {
    let folder = Playground::bare_folder();
    folder.git(&["init", "-q", "-b", "main"]);
    folder.write("a.txt", "a");
    folder.commit("begin");
    folder
        .outpace(&["bench"])
        .expect(2)
        .says(&["has no outpace.toml", "outpace init"]);
    folder
        .outpace(&["init"])
        .expect(0)
        .says(&["wrote", "outpace.toml"]);
    folder.outpace(&["init"]).expect(2).says(&["already there"]);
    folder
        .outpace(&["bench"])
        .expect(2)
        .says(&["not committed", "git add outpace.toml"]);
    folder.write("outpace.toml", "version = 1\n[workload.toy]\nrnu = []\n");
    folder.commit("broken");
    folder.outpace(&["bench"]).expect(2).says(&[
        "outpace.toml:3:1",
        "unknown key `rnu`",
        "did you mean `run`",
    ]);
}

#[test]
fn names_that_do_not_exist() {
    let play = Playground::new(SETTINGS);
    play.outpace(&["bench", "-w", "tyo"])
        .expect(2)
        .says(&["no workload `tyo`", "toy"]);
    play.outpace(&["bench", "nonsense"])
        .expect(2)
        .says(&["unknown revision `nonsense`"]);
    play.outpace(&["research", "--agent", "nobody"])
        .expect(2)
        .says(&["no agent `nobody`", "tune"]);
    play.outpace(&["research", "--resume"])
        .expect(2)
        .says(&["no unfinished campaign"]);
    play.outpace(&["history", "show", "abc"])
        .expect(2)
        .says(&["abc", "history list"]);
    play.outpace(&["report", "--campaign", "x"])
        .expect(2)
        .says(&["no campaign `x`"]);
    play.outpace(&["schema", "poem"])
        .expect(2)
        .says(&["poem", "verdict"]);
    play.outpace(&["gate", "--patch", "/nowhere"])
        .expect(2)
        .says(&["cannot read /nowhere"]);
    play.outpace(&["gate"])
        .expect(2)
        .says(&["no parent to compare with", "--base"]);
    play.outpace(&["research", "--agent", "tune", "--budget", "soon"])
        .expect(2)
        .says(&["soon", "30m"]);
    play.outpace(&["judge", "/nowhere"])
        .expect(2)
        .says(&["cannot read /nowhere"]);
    play.outpace(&["gate", "--summary", "/nowhere/s.md"])
        .expect(2)
        .says(&["cannot write /nowhere/s.md"]);
    play.outpace(&["gate", "--margin", "0.02"])
        .expect(2)
        .says(&["--require not-slower"]);
}

#[test]
fn globs_that_no_file_can_match() {
    for glob in ["/etc/*", "../x", "./a"] {
        let play = Playground::with_config(SETTINGS, |config| {
            config.replace(
                "[\"settings.toml\"]\n[gate]",
                &format!("[\"{glob}\"]\n[gate]"),
            )
        });
        play.outpace(&["compare", "HEAD", "HEAD"])
            .expect(2)
            .says(&[glob, "not a path below the repository's root"]);
    }
}

#[test]
fn what_ends_every_measurement_is_found_by_doctor() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("timeout =", "verify = [\"no-such-program\"]\ntimeout =")
    });
    for args in [&["doctor", "--no-measure"][..], &["doctor"]] {
        play.outpace(args)
            .expect(5)
            .says(&["check", "`no-such-program`, which is not in PATH"]);
    }
    // What the user's own build left is no file that is missing from the commit, but what runs has
    // to be one of the commit, or below `{target}`.
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace(
            "timeout =",
            "build = [\"touch\", \"bin\"]\nverify = [\"./README.md\"]\ntimeout =",
        )
    });
    play.write(".git/info/exclude", "bin\n");
    play.write("bin", "");
    play.outpace(&["doctor", "--no-measure"]).expect(0);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write("outpace.toml", &config.replace("./README.md", "./bin"));
    play.commit("runs what is not there");
    play.outpace(&["doctor", "--no-measure"])
        .expect(5)
        .says(&["`verify` names `bin`, which git ignores"]);
    // A workload that is not looked at stops nothing.
    let other = "[workload.other]\nrun = [\"no-such-program\"]\n";
    play.write("outpace.toml", &format!("{config}{other}"));
    play.commit("another");
    play.outpace(&["doctor", "--no-measure", "-w", "toy"])
        .expect(0)
        .says(&["other: `run` starts `no-such-program`"]);
    let lock = [("OUTPACE_LOCK_DIR", "/nowhere")];
    for args in [
        &["doctor", "--no-measure"][..],
        &["compare", "HEAD", "HEAD"],
    ] {
        outpace_with(play.path(), args, &lock)
            .expect(5)
            .says(&["cannot lock the machine: /nowhere/", "OUTPACE_LOCK_DIR"]);
    }
}

#[test]
fn a_dirty_tree_is_said_and_left_alone() {
    let play = Playground::new(SETTINGS);
    play.write("settings.toml", &SETTINGS.replace("400", "200"));
    play.write("notes.txt", "mine");
    play.git(&["add", "notes.txt"]);
    let before = play.user_state();
    play.outpace(&["research", "--agent", "tune", "--max-experiments", "1"])
        .expect(0)
        .says(&["uncommitted changes in 2 files are left alone and not measured"]);
    assert_eq!(play.user_state(), before);
}

#[test]
fn the_checked_out_branch_is_not_merged_into() {
    let play = Playground::new(SETTINGS);
    play.outpace(&["research", "--agent", "tune", "--into", "main"])
        .expect(2)
        .says(&["main is checked out", "git merge --ff-only"]);
}

#[test]
fn a_tunable_that_is_not_there() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("key = \"spin\"", "key = \"spni\"")
    });
    let outcome = play
        .outpace(&["research", "--agent", "tune"])
        .expect(2)
        .says(&["spni", "settings.toml", "no such value"]);
    assert!(
        !outcome.stderr.contains("noise"),
        "it is noticed before anything is built and measured: {}",
        outcome.stderr
    );
    play.outpace(&["research", "--resume"])
        .expect(2)
        .says(&["no unfinished campaign"]);
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("values = [400,", "values = [")
    });
    play.outpace(&["research", "--agent", "tune"])
        .expect(2)
        .says(&["spin is 400", "not among the declared values"]);
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("file = \"settings.toml\"", "file = \"settins.toml\"")
    });
    play.outpace(&["research", "--agent", "tune"])
        .expect(2)
        .says(&["spin in settins.toml", "no such file"]);
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("editable = [\"settings.toml\"]", "editable = [\"src/**\"]")
    });
    play.outpace(&["research", "--agent", "tune"])
        .expect(2)
        .says(&["a tunable that no patch may change", "settings.toml"]);
}

#[test]
fn a_branch_in_whose_way_another_one_is() {
    let play = Playground::new(SETTINGS);
    play.git(&["branch", "outpace"]);
    for verb in [&["research", "--agent", "tune"][..], &["gate", "--merge"]] {
        play.outpace(verb).expect(2).says(&[
            "outpace/main cannot be made beside branch outpace",
            "--into",
        ]);
    }
}

#[test]
fn a_trial_without_blocks() {
    let play = Playground::new(SETTINGS);
    for sides in [
        &["HEAD", "HEAD"][..],
        &["--base-cmd", "true", "--candidate-cmd", "true"],
    ] {
        let args = [&["compare", "--max-blocks", "0"][..], sides].concat();
        play.outpace(&args).expect(2).says(&["--max-blocks"]);
    }
}
