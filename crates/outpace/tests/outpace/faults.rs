//! Faults that users ran into: each test failed before its fault was mended.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::playground::{OUT_OF_THE_BOX, Playground, SETTINGS, git_in, outpace_in, toy};

fn faster() -> String {
    SETTINGS.replace("400", "200")
}

fn commented() -> String {
    format!("{SETTINGS}# a comment\n")
}

#[test]
fn a_range_is_answered_with_the_command_that_judges_it() {
    let play = Playground::new(SETTINGS);
    let check = |range: &str, command: &str| {
        play.outpace(&["gate", range]).expect(2).says(&[command]);
    };
    check("main..next", "outpace gate next --base main");
    check("main...next", "outpace gate next --base main");
    check("main..", "outpace gate HEAD --base main");
}

#[test]
fn a_shallow_clone_says_how_to_get_the_parent() {
    let play = Playground::new(SETTINGS);
    play.write("settings.toml", &faster());
    play.commit("faster");
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", play.path().display());
    git_in(clone.path(), &["clone", "-q", "--depth", "1", &from, "c"]);
    outpace_in(&clone.path().join("c"), &["gate"])
        .expect(2)
        .says(&["shallow clone", "fetch-depth: 2"]);
}

#[test]
fn a_damaged_baseline_is_said_before_anything_is_built() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &faster());
    play.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--merge"])
        .expect(0);
    play.git(&["merge", "-q", "--ff-only", "outpace/main"]);
    let baseline = play.git(&["ls-files", "baselines/*/toy.json"]);
    play.write(&baseline, "{\"schema\": \"outpace.baseline/1\"}\n");
    play.commit("damage");
    let settings = faster().replace("200", "150");
    let patch = play.patch("q.patch", "settings.toml", &settings);
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap()])
        .expect(5)
        .says(&[&baseline, "is damaged", "git checkout"]);
    assert!(!outcome.stderr.contains("building"), "{}", outcome.stderr);
}

#[test]
fn what_was_measured_is_shown_where_it_cannot_be_kept() {
    // While it runs it puts a file where the history's reference has to go.
    let play = Playground::with_config(SETTINGS, |config| {
        let refs = "../../../../refs/outpace/history";
        let script = format!("rm -f {refs}; mkdir -p {refs}; touch {refs}/x; cat settings.toml");
        let evaluate = "evaluate = [\"{toy}\", \"evaluate\", \"settings.toml\"]\n";
        let process = "protocol = \"process\"\nreads = [\"settings.toml\"]\n";
        config
            .replace(
                "run = [\"{toy}\", \"train\", \"settings.toml\"]",
                "run = [\"sh\", \"-c\", 'SCRIPT']",
            )
            .replace("SCRIPT", &script)
            .replace(evaluate, process)
    });
    play.write("settings.toml", &faster());
    play.commit("faster");
    let outcome = play
        .outpace(&[
            "compare",
            "HEAD~1",
            "HEAD",
            "--max-blocks",
            "2",
            OUT_OF_THE_BOX,
        ])
        .expect(5);
    assert!(outcome.stdout.contains("2 blocks"), "{}", outcome.stdout);
    outcome.says(&["history"]);
}

#[test]
fn commands_may_end_with_other_codes() {
    let folder = Playground::bare_folder();
    let compare = |more: &[&str]| {
        let commands = ["--base-cmd", "exit 1", "--candidate-cmd", "exit 1"];
        let always = ["compare", "--whole-commands", "--max-blocks", "2"];
        folder.outpace(&[&always[..], &commands, more].concat())
    };
    compare(&[]).expect(5).says(&["--ok-exit-codes"]);
    compare(&["--ok-exit-codes", "0,1"]).expect(1);
}

#[test]
fn a_command_that_hangs_is_ended_in_time() {
    let folder = Playground::bare_folder();
    let begin = Instant::now();
    folder
        .outpace(&[
            "compare",
            "--whole-commands",
            "--base-cmd",
            "sleep 1000",
            "--candidate-cmd",
            "true",
            "--timeout",
            "1s",
        ])
        .expect(5)
        .says(&["was ended after 1 s"]);
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_request_is_judged_from_a_file() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &faster());
    let text = std::fs::read_to_string(&patch).unwrap();
    let base = play.git(&["rev-parse", "HEAD"]);
    play.write("settings.toml", &faster());
    play.commit("faster");
    let tree = play.git(&["rev-parse", "HEAD^{tree}"]);
    let mut request = serde_json::json!({
        "schema": "outpace.request/1", "base": base, "tree": tree, "patch": text,
        "title": "from a file", "agent": "a job", "workloads": ["toy"], "seed": 7,
        "rule": {"min_speedup": 0.005, "alpha": 0.01, "max_blocks": 40}
    });
    let gate = |request: &serde_json::Value, more: &[&str]| {
        play.write(".git/request.json", &request.to_string());
        play.outpace(&[&["gate", "--request", ".git/request.json"], more].concat())
    };
    let outcome = gate(&request, &["--json"]).expect(0);
    let verdict = outcome.json();
    assert_eq!(verdict["verdict"], "faster");
    assert_eq!(verdict["title"], "from a file");
    assert_eq!(verdict["agent"], "a job");
    assert_eq!(verdict["seeds"]["trial"], 7);
    gate(&request, &["--merge"]).expect(0).says(&["merged"]);
    request["patch"] = "".into();
    gate(&request, &[]).expect(0);
    request["tree"] = "0123456789012345678901234567890123456789".into();
    gate(&request, &[]).expect(2).says(&["was it changed"]);
    request["workloads"] = serde_json::json!(["zoo"]);
    gate(&request, &[])
        .expect(2)
        .says(&["zoo", "available: toy"]);
    request["wrokloads"] = serde_json::json!([]);
    gate(&request, &[]).expect(2).says(&["wrokloads"]);
}

#[test]
fn a_dumb_terminal_gets_no_escape_codes() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &commented());
    let printed = |term: &str| {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let stderr = OpenOptions::new()
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let mut command = play.command(&["gate", "--patch", patch.to_str().unwrap()]);
        command
            .env("TERM", term)
            .env_remove("NO_COLOR")
            .stdout(Stdio::null())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        // The only other owner of the terminal's end: reading ends when the command does.
        drop(command);
        let mut bytes = Vec::new();
        // Linux reports the end of a terminal as an error.
        let _ = File::from(terminal).read_to_end(&mut bytes);
        child.wait().unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    // An uncommitted change gives a warning, which is yellow.
    play.write("README.md", "changed\n");
    let plain = printed("dumb");
    assert!(
        plain.contains("candidate") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    let live = printed("xterm");
    assert!(live.contains("candidate"), "{live:?}");
}

#[test]
fn a_log_is_told_of_every_stage() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &faster());
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap()])
        .expect(0);
    let lines: Vec<&str> = outcome
        .stderr
        .lines()
        .filter_map(|line| line.split("  ").next())
        .filter(|label| !label.is_empty() && !label.starts_with("waiting"))
        .collect();
    assert_eq!(
        lines,
        [
            "base",
            "candidate",
            "policy",
            "building",
            "building",
            "build",
            "checking",
            "correct",
            "timing"
        ],
        "{}",
        outcome.stderr
    );
}

#[test]
fn events_are_json_lines() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &faster());
    let outcome = play
        .outpace(&[
            "gate",
            "--patch",
            patch.to_str().unwrap(),
            "--progress",
            "json",
        ])
        .expect(0);
    let mut names = Vec::new();
    for line in outcome.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema"], "outpace.event/1");
        names.push(event["event"].as_str().unwrap().to_owned());
    }
    for name in [
        "policy_checked",
        "build_started",
        "check_ended",
        "pilot_ended",
        "block",
    ] {
        assert!(names.iter().any(|n| n == name), "no `{name}` in {names:?}");
    }
    assert_eq!(names.last().unwrap(), "judged");
}

#[test]
fn two_temporary_directories_do_not_make_two_machines() {
    let lock = machine_lock();
    lock.lock().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let folder = Playground::bare_folder();
    let mut child = folder
        .command(&[
            "compare",
            "--whole-commands",
            "--max-blocks",
            "2",
            "--base-cmd",
            "true",
            "--candidate-cmd",
            "true",
        ])
        .env("TMPDIR", temp.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = stderr.any(|line| line.unwrap().starts_with("waiting"));
    lock.unlock().unwrap();
    assert!(waits, "it waits for the machine");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn peaks_are_not_measured_beside_other_work() {
    let lock = machine_lock();
    lock.lock_shared().unwrap();
    let folder = Playground::bare_folder();
    let mut child = folder
        .command(&["doctor"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = stderr.any(|line| line.unwrap().starts_with("waiting"));
    lock.unlock().unwrap();
    assert!(waits, "it waits for the machine");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The file that every outpace of this machine locks; made by the first one.
fn machine_lock() -> File {
    let folder = Playground::bare_folder();
    folder.outpace(&["doctor"]).expect(0);
    File::open(concat!(
        env!("CARGO_TARGET_TMPDIR"),
        "/outpace-machine.lock"
    ))
    .unwrap()
}

#[test]
fn a_long_temporary_directory_is_no_hindrance() {
    let play = Playground::new(SETTINGS);
    let temp = tempfile::tempdir().unwrap();
    let long = temp.path().join("slurm-job-of-a-long-name/".repeat(6));
    std::fs::create_dir_all(&long).unwrap();
    let output = play
        .command(&["bench", "--processes", "1"])
        .env("TMPDIR", &long)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[test]
fn a_repository_whose_path_has_spaces_builds() {
    let area = tempfile::tempdir().unwrap();
    let dir = area.path().join("my training code");
    std::fs::create_dir(&dir).unwrap();
    git_in(&dir, &["init", "-q", "-b", "main"]);
    let config = format!(
        "version = 1\n[workload.toy]\n\
         build = [\"sh\", \"-c\", 'mkdir -p {{target}}/a && cp settings.toml \"{{target}}/a/s\" && \
         test \"$OUTPACE_TARGET\" = {{target}}']\n\
         run = [\"{}\", \"train\", \"{{target}}/a/s\"]\n\
         [policy]\neditable = [\"settings.toml\"]\n",
        toy().display()
    );
    std::fs::write(dir.join("outpace.toml"), config).unwrap();
    std::fs::write(dir.join("settings.toml"), SETTINGS).unwrap();
    git_in(&dir, &["add", "-A"]);
    git_in(&dir, &["commit", "-q", "-m", "begin"]);
    outpace_in(&dir, &["bench", "--processes", "1"]).expect(0);
}

#[test]
fn whole_commands_are_started_from_fresh_copies() {
    let area = tempfile::tempdir().unwrap();
    let inodes = area.path().join("inodes");
    let play = Playground::with_config(SETTINGS, |_| {
        format!(
            "version = 1\n[workload.toy]\nprotocol = \"process\"\n\
             build = [\"sh\", \"-c\", 'cp run.sh {{target}}/run.sh']\n\
             run = [\"{{target}}/run.sh\", \"{}\"]\n\
             [policy]\neditable = [\"settings.toml\"]\n",
            inodes.display()
        )
    });
    play.write("run.sh", "#!/bin/sh\nstat -c %i \"$0\" >> \"$1\"\n");
    play.git(&["add", "-A"]);
    play.git(&["update-index", "--chmod=+x", "run.sh"]);
    play.git(&["commit", "-q", "-m", "a script"]);
    let bench = ["bench", "--processes", "4", OUT_OF_THE_BOX];
    play.outpace(&bench).expect(0);
    let text = std::fs::read_to_string(&inodes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 4, "{text}");
    assert!(
        lines.windows(2).all(|pair| pair[0] != pair[1]),
        "every process runs a file of its own: {text}"
    );
}

#[test]
fn a_patch_comes_as_people_make_it() {
    let play = Playground::new(SETTINGS);
    let plain = play.patch("p.patch", "settings.toml", &commented());
    let text = std::fs::read_to_string(&plain).unwrap();
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let check = |name: &str, bytes: &[u8]| {
        let path = play.path().join(".git").join(name);
        std::fs::write(&path, bytes).unwrap();
        // Only a comment differs: the patch was taken, and nothing is measured.
        play.outpace(&["gate", "--patch", path.to_str().unwrap()])
            .expect(1)
            .says(&["only comments and blanks differ"]);
    };
    check("bom", format!("\u{feff}{text}").as_bytes());
    check("utf16", &utf16);
    check(
        "noprefix",
        text.replace("a/", "").replace("b/", "").as_bytes(),
    );
    play.write("settings.toml", &commented());
    let colored = play.git(&["-c", "color.ui=always", "diff"]);
    assert!(colored.contains('\u{1b}'), "{colored}");
    check("colored", format!("{colored}\n").as_bytes());
}

#[test]
fn a_new_file_that_was_not_added_is_named() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace(
            "[\"settings.toml\"]\n[gate]",
            "[\"settings.toml\", \"src/**\"]\n[gate]",
        )
    });
    let patch = play.patch("p.patch", "settings.toml", &commented());
    play.write("src/fast.py", "import fast\n");
    play.outpace(&["gate", "--patch", patch.to_str().unwrap()])
        .expect(1)
        .says(&["src/fast.py is untracked", "git add -N src/fast.py"]);
    // What `git diff` prints where all is staged.
    play.outpace(&["gate", "-"])
        .expect(2)
        .says(&["standard input is empty", "git diff HEAD"]);
}

#[test]
fn a_file_that_goes_is_built_and_checked() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace(
            "[\"settings.toml\"]\n[gate]",
            "[\"settings.toml\", \"src/**\"]\n[gate]",
        )
    });
    play.write("src/empty.py", "");
    play.commit("a package");
    play.git(&["rm", "-q", "src/empty.py"]);
    play.commit("it goes");
    let outcome = play.outpace(&["gate", "--json"]).expect(1);
    let reason = outcome.json()["reason"].as_str().unwrap().to_owned();
    assert_ne!(reason, "only comments and blanks differ");
}
