//! Campaigns on the toy: tune, commands as agents, limits, Ctrl-C, reports.

use std::time::{Duration, Instant};

use crate::playground::{Playground, SETTINGS, toys_alive};

#[test]
fn tune_finds_merges_and_reports_what_is_proven() {
    let play = Playground::new(SETTINGS);
    let before = play.user_state();
    let outcome = play.outpace(&["research", "--agent", "tune"]).expect(0);
    let outcome = outcome.says(&["spin 400 -> 300", "FASTER", "merged", "report "]);
    assert_eq!(play.user_state(), before);
    assert!(
        outcome.stderr.contains("every declared value was tried"),
        "{}",
        outcome.stderr
    );
    let best = play.git(&["show", "outpace/main:settings.toml"]);
    assert!(best.contains("spin = 200"), "{best}");
    play.outpace(&["audit", "outpace/main"])
        .expect(0)
        .says(&["verified"]);
    let page = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("report "))
        .unwrap();
    let html = std::fs::read_to_string(page).unwrap();
    assert!(
        html.contains("<svg") && html.contains("spin 400 -&gt; 300"),
        "the page shows the attempts"
    );
    let markdown = play
        .outpace(&["report", "--format", "markdown"])
        .expect(0)
        .stdout;
    assert!(markdown.contains("xychart-beta"), "{markdown}");
    let json = play
        .outpace(&["report", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(json["schema"], "outpace.report/1");
    // A second campaign begins where the first one ended.
    play.outpace(&["research", "--agent", "tune", "--max-experiments", "1"])
        .expect(0)
        .says(&["spin 200 -> "]);
}

/// An agent that reads what it was given and edits its worktree.
fn agent(script: &str) -> Playground {
    let play = Playground::with_config(SETTINGS, |config| {
        format!(
            "{config}[agent.script]\ncommand = [\"sh\", \"-c\", '''{script}''']\ntimeout = \"5s\"\n"
        )
    });
    play.git(&["status"]);
    play
}

#[test]
fn any_command_is_an_agent() {
    let play = agent(
        "set -e; grep -q 'You may change only files that match: settings.toml' $OUTPACE_CONTEXT; test -s $OUTPACE_PROMPT_FILE; \
         sed -i 's/spin = 400/spin = 300/' settings.toml; git diff --stat; echo 'spin less, it is enough' > $OUTPACE_TITLE_FILE",
    );
    let outcome = play
        .outpace(&[
            "research",
            "--agent",
            "script",
            "--max-experiments",
            "2",
            "--json",
        ])
        .expect(0);
    let report = outcome.json();
    let attempts = report["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["title"], "spin less, it is enough");
    assert_eq!(attempts[0]["verdict"], "faster");
    assert_eq!(
        attempts[1]["patch_sha256"],
        serde_json::Value::Null,
        "the second time there is nothing left to replace"
    );
    let message = play.git(&["log", "-1", "--format=%B", "outpace/main"]);
    assert!(message.contains("Outpace-Agent: script"), "{message}");
}

#[test]
fn an_agent_that_leaves_nothing_is_stopped_after_three_times() {
    let play = agent("echo thinking; exit 1");
    play.outpace(&["research", "--agent", "script"])
        .expect(0)
        .says(&["left no change", "exit code 1", "3 times in a row"]);
    let logs = play.git(&["rev-parse", "--git-common-dir"]);
    let campaigns = play.path().join(logs).join("outpace/campaigns");
    let campaign = std::fs::read_dir(campaigns)
        .unwrap()
        .flatten()
        .find(|e| e.path().is_dir())
        .unwrap()
        .path();
    let log = std::fs::read_to_string(campaign.join("logs/00001-agent.log")).unwrap();
    assert!(log.contains("thinking"));
}

#[test]
fn an_agent_that_hangs_or_cheats_is_refused() {
    let play = agent("sleep 1000");
    play.outpace(&["research", "--agent", "script", "--max-experiments", "1"])
        .expect(0)
        .says(&["was ended after 5 s"]);
    let play = agent("echo x > outpace.toml");
    play.outpace(&["research", "--agent", "script", "--max-experiments", "1"])
        .expect(0)
        .says(&["rejected", "outpace.toml"]);
    let play = agent("sed -i 's/spin = 400/spin = 500/' settings.toml");
    play.outpace(&["research", "--agent", "script", "--max-experiments", "2"])
        .expect(0)
        .says(&["already tried as number 1"]);
    let play = Playground::with_config(SETTINGS, |c| {
        format!("{c}[agent.x]\ncommand = [\"/no/such/agent\"]\n")
    });
    play.outpace(&["research", "--agent", "x"])
        .expect(2)
        .says(&["/no/such/agent", "installed and in PATH"]);
    // There is nothing to go on with, and an older campaign is not hidden.
    play.outpace(&["research", "--resume"])
        .expect(2)
        .says(&["no unfinished campaign"]);
}

#[test]
fn replay_proposes_known_patches_again() {
    let play = Playground::new(SETTINGS);
    let start = play.git(&["rev-parse", "HEAD"]);
    let folder = play.path().join(".git/patches");
    let commit = |from: &str, to: &str, message: &str| {
        play.write("settings.toml", &SETTINGS.replace(from, to));
        play.write("README.md", message);
        play.commit(message);
    };
    commit("spin = 400", "spin = 200", "spin less");
    play.write("README.md", "nothing that an agent may change");
    play.commit("words");
    commit("spin = 400", "spin = 500", "spin more");
    let range = format!("{}..HEAD", &start[..9]);
    let outcome = play
        .outpace(&[
            "research",
            "--agent",
            "replay",
            "--patches",
            &range,
            "--json",
        ])
        .expect(0);
    let report = outcome.json();
    let attempts = report["attempts"].as_array().unwrap();
    let brief: Vec<(&str, &str)> = attempts
        .iter()
        .map(|a| (a["title"].as_str().unwrap(), a["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(brief[0], ("1/2 spin less", "faster"));
    assert_eq!(brief[1].0, "2/2 spin more");
    assert!(brief.len() == 2 && brief[1].1 != "faster", "{brief:?}");
    assert_eq!(report["campaign"]["start"], start);
    let into = report["campaign"]["into"].as_str().unwrap();
    assert!(into.starts_with("outpace/replay-"), "{into}");
    assert!(
        play.git(&["show", &format!("{into}:settings.toml")])
            .contains("spin = 200")
    );

    play.git(&["checkout", "-q", "-b", "again", &start]);
    play.git(&[
        "format-patch",
        "-q",
        "-o",
        ".git/patches",
        &range.replace("HEAD", "main"),
    ]);
    std::fs::write(folder.join("0000-broken.patch"), "diff --git a/settings.toml b/settings.toml\n--- a/settings.toml\n+++ b/settings.toml\n@@ -1 +1 @@\n-no such line\n+x\n").unwrap();
    play.outpace(&["research", "--agent", "replay", "--patches", ".git/patches"])
        .expect(0)
        .says(&[
            "does not apply",
            "README.md` is outside of policy",
            "all 4 patches were proposed",
        ]);

    play.outpace(&["research", "--agent", "replay"])
        .expect(2)
        .says(&["--patches A..B"]);
    play.outpace(&["research", "--agent", "replay", "--patches", "nowhere"])
        .expect(2)
        .says(&["neither a directory nor a range"]);
    play.outpace(&["research", "--agent", "replay", "--patches", "HEAD..HEAD"])
        .expect(2)
        .says(&["holds no patch"]);
    play.outpace(&["research", "--agent", "tune", "--patches", "HEAD..HEAD"])
        .expect(2)
        .says(&["belongs to --agent replay"]);
}

#[test]
fn ctrl_c_stops_it_and_it_can_be_resumed() {
    let play = Playground::new(SETTINGS);
    let mut child = play.start(&["research", "--agent", "tune"]);
    let attempts = wait_for_attempts(&play, 1);
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(toys_alive(play.path()), Vec::<String>::new());
    let outcome = play
        .outpace(&["research", "--resume"])
        .expect(0)
        .says(&["report "]);
    assert!(
        outcome.stdout.matches("spin ").count() > attempts,
        "{}",
        outcome.stdout
    );
    play.outpace(&["research", "--resume"])
        .expect(2)
        .says(&["no unfinished campaign"]);
}

/// Waits until so many attempts are on disk; how many there are then.
pub(crate) fn wait_for_attempts(play: &Playground, at_least: usize) -> usize {
    let begin = Instant::now();
    loop {
        let n = attempts(play).len();
        if n >= at_least {
            return n;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(400),
            "no attempt came"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Names and contents of all finished attempts.
pub(crate) fn attempts(play: &Playground) -> Vec<(String, String)> {
    let Ok(campaigns) = std::fs::read_dir(play.path().join(".git/outpace/campaigns")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for campaign in campaigns.flatten() {
        for file in std::fs::read_dir(campaign.path().join("attempts"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = file.path().to_string_lossy().into_owned();
            if name.ends_with(".json") {
                found.push((
                    name,
                    std::fs::read_to_string(file.path()).unwrap_or_default(),
                ));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn signal(pid: u32, name: &str) {
    std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
}
