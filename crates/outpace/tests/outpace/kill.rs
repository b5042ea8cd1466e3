//! A campaign that is killed at random moments: nothing that was finished is lost, nothing is left
//! behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::campaign::{attempts, signal};
use crate::playground::{Playground, toys_alive};

#[test]
fn three_kills_lose_nothing() {
    kills_lose_nothing(3);
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn ten_kills_lose_nothing() {
    kills_lose_nothing(10);
}

fn kills_lose_nothing(kills: usize) {
    let many: Vec<String> = (1..=400).map(|n| (n * 10).to_string()).collect();
    let settings = "spin = 2000\nrate = 0.01\nmode = \"good\"\n";
    let play = Playground::with_config(settings, |config| {
        config
            .replace("[400, 300, 500, 200]", &format!("[{}]", many.join(", ")))
            .replace(
                "max_blocks = 40",
                "max_blocks = 12\ncampaign_max_blocks = 8",
            )
    });
    let before = play.user_state();
    let mut rng = ChaCha20Rng::seed_from_u64(20_261_123);
    let (mut finished, mut pids) = (Vec::new(), Vec::new());
    for round in 0..kills {
        let begun = round > 0 && campaign_exists(&play);
        let verb: &[&str] = if begun {
            &["research", "--resume"]
        } else {
            &["research", "--agent", "tune"]
        };
        let mut child = play.start(verb);
        pids.push(child.id());
        // Later from round to round: beside other tests, whose turn it may be to measure, an
        // attempt takes its time.
        std::thread::sleep(Duration::from_millis(
            rng.random_range(150..2500 + 1000 * round as u64),
        ));
        signal(child.id(), "KILL");
        child.wait().unwrap();
        no_processes(&play);
        let now = attempts(&play);
        for (name, text) in &finished {
            let still = now
                .iter()
                .find(|(n, _)| n == name)
                .unwrap_or_else(|| panic!("{name} is lost"));
            // A merge may be noted in an attempt that was decided before.
            assert!(
                still.1 == *text || still.1.contains("\"merged\": \""),
                "{name} changed"
            );
        }
        finished = now
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .collect();
    }
    // Three may all come before an attempt ends.
    assert!(
        kills < 10 || !finished.is_empty(),
        "no attempt was finished between the kills"
    );
    play.outpace(&[
        "research",
        "--resume",
        "--max-experiments",
        &(finished.len() + 1).to_string(),
    ])
    .expect(0);
    let numbers: Vec<u64> = attempts(&play)
        .iter()
        .map(|(_, text)| {
            serde_json::from_str::<serde_json::Value>(text).unwrap()["number"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "no attempt is missing or doubled"
    );
    assert_eq!(play.user_state(), before, "the repository is clean");
    assert_eq!(play.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(scratch_of(&pids), Vec::<PathBuf>::new());
    let merged = attempts(&play)
        .iter()
        .any(|(_, text)| text.contains("\"merged\": \""));
    let branch = play.git(&["branch", "--list", "outpace/main"]);
    assert_eq!(merged, !branch.is_empty(), "a merge that was made is noted");
    // Whether one was made goes by the moments of the kills.
    let code = if merged { 0 } else { 2 };
    play.outpace(&["audit", "outpace/main"]).expect(code);
}

fn campaign_exists(play: &Playground) -> bool {
    let Ok(campaigns) = std::fs::read_dir(play.path().join(".git/outpace/campaigns")) else {
        return false;
    };
    campaigns
        .flatten()
        .any(|entry| entry.path().join("campaign.json").is_file())
}

/// The supervisor ends its tree as soon as it sees that outpace is gone.
fn no_processes(play: &Playground) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        if toys_alive(play.path()).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("left behind: {:?}", toys_alive(play.path()));
}

/// Scratch folders of killed processes; the next run sweeps them.
fn scratch_of(pids: &[u32]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        pids.iter()
            .any(|pid| name.starts_with(&format!("outpace-{pid}-")))
    });
    ours.map(|entry| entry.path()).collect()
}
