//! Every single thing that can be false in a merge, and the finding that says so.

use outpace_record::{Block, SandboxTier, Test, TestIndex, Timestamp, Verdict};
use outpace_repo::MergeRequest;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::audit::{SOURCE, assert_found, findings, merge};
use crate::support::{Lab, settle};

#[test]
fn verdicts_that_do_not_hold_are_found() {
    type Tamper = fn(&mut Verdict);
    let table: [(&str, Tamper, &str); 24] = [
        (
            "edited sample",
            |v| v.blocks[0].pairs.iter_mut().for_each(|pair| pair[1] = 0.9),
            "its samples give",
        ),
        (
            "one more block",
            |v| v.blocks.push(v.blocks[0].clone()),
            "it counts",
        ),
        (
            "block count too",
            |v| {
                v.blocks.push(v.blocks[0].clone());
                v.n_blocks += 1;
            },
            "it was settled after",
        ),
        (
            "edited speed-up",
            |v| v.speedup = Some(0.2),
            "its speedup is 0.2",
        ),
        (
            "edited bound",
            |v| v.at_least = Some(0.2),
            "its at_least is 0.2",
        ),
        (
            "edited evidence",
            |v| v.log_e = Some(99.0),
            "its log_e is 99",
        ),
        (
            "no samples",
            |v| {
                v.blocks.clear();
                v.n_blocks = 0;
            },
            "cannot be judged",
        ),
        (
            "NaN",
            |v| v.blocks[0].pairs[0][0] = -1.0,
            "cannot be judged",
        ),
        (
            "weak threshold",
            |v| v.threshold = 2.0,
            "weaker than 1/alpha",
        ),
        ("lax alpha", |v| v.alpha = 0.2, "weaker than gate.alpha"),
        (
            "lax minimum",
            |v| v.min_speedup = 0.0,
            "weaker than gate.min_speedup",
        ),
        (
            "too few samples alone",
            |v| v.alone = v.blocks[..4].to_vec(),
            "its isolated runs do not show the gain",
        ),
        (
            "no isolated runs",
            |v| v.steps_per_run = Some(10_000),
            "it has no isolated runs",
        ),
        (
            "a real run that makes every start free",
            |v| {
                v.bound_blocks = Some(12);
                v.sum_threshold = Some(v.threshold);
                v.steps_per_run = Some(1 << 60);
            },
            "its steps_per_run is 1152921504606846976, that of its base 10000",
        ),
        (
            "isolated runs forgotten",
            |v| {
                v.bound_blocks = Some(12);
                v.sum_threshold = Some(v.threshold);
            },
            "its steps_per_run is absent, that of its base 10000",
        ),
        (
            "sums forgotten",
            |v| v.bound_blocks = Some(12),
            "it has no sum_threshold",
        ),
        (
            "isolated runs without a gain",
            |v| {
                v.steps_per_run = Some(10_000);
                v.steps_per_turn = 1;
                v.alone = v.blocks.clone();
                for pair in v.alone.iter_mut().flat_map(|block| &mut block.pairs) {
                    pair[1] = pair[0];
                }
            },
            "its isolated runs do not show the gain",
        ),
        (
            "isolated runs that cannot be",
            |v| {
                v.steps_per_run = Some(10_000);
                v.alone = vec![Block::default()];
            },
            "its isolated runs cannot be judged",
        ),
        (
            "sums that needed less than the medians",
            |v| {
                v.bound_blocks = Some(12);
                v.sum_threshold = Some(20.0);
            },
            "its sum_threshold 20 is weaker than",
        ),
        (
            "failed check",
            |v| v.checks[0].passed = false,
            "check `losses` failed",
        ),
        (
            "swapped base",
            |v| v.base = "1".repeat(40),
            "the base 111111111 that was measured is not in this clone",
        ),
        (
            "other patch",
            |v| v.patch_sha256 = Some("2".repeat(64)),
            "it is about patch 222",
        ),
        (
            "other tree",
            |v| v.candidate_tree = Some("3".repeat(40)),
            "it measured tree 333",
        ),
        (
            "unknown workload",
            |v| v.workload = "huge".into(),
            "no workload `huge`",
        ),
    ];
    for (what, tamper, expect) in table {
        let lab = Lab::new();
        merge(&lab, SOURCE, tamper, |_| {});
        assert_found(what, &lab, expect);
    }
}

#[test]
fn claims_that_do_not_fit_the_commit_are_found() {
    type Tamper = fn(&mut MergeRequest);
    let table: [(&str, Tamper, &str); 11] = [
        (
            "changed id",
            |m| {
                m.message = m
                    .message
                    .replacen("Outpace-Verdict: ", "Outpace-Verdict: 0", 1);
            },
            "not a record id",
        ),
        (
            "other id",
            |m| m.message = m.message.replace(&id_in(m), &"0".repeat(64)),
            "there is no proof",
        ),
        (
            "same beginning",
            |m| m.message = m.message.replace(&id_in(m)[20..], &"0".repeat(44)),
            "has the hash",
        ),
        (
            "changed gain",
            |m| m.message = m.message.replace("tiny +", "tiny +1"),
            "no Outpace-Proven says",
        ),
        (
            "changed base",
            |m| m.message = m.message.replace("Outpace-Base: ", "Outpace-Base: 0"),
            "its Outpace-Base is",
        ),
        (
            "edited sample in the file alone",
            |m| edit(&mut m.files[0].1, "[1.05, 1.0]", "[1.06, 1.0]"),
            "has the hash",
        ),
        (
            "edited baseline",
            |m| edit(&mut m.files[1].1, "\"merges\": 1", "\"merges\": 9"),
            "does not follow",
        ),
        (
            "no baseline",
            |m| drop(m.files.pop()),
            "there is no baseline",
        ),
        (
            "another baseline",
            |m| m.files.push(("baselines/x/y.json".into(), b"{}".to_vec())),
            "changes baselines/x/y.json",
        ),
        (
            "a file that is not a record",
            |m| {
                m.files
                    .push(("baselines/x/conftest.py".into(), b"x".to_vec()));
            },
            "which is not a record",
        ),
        (
            "trailers that only git would show",
            |m| {
                m.message = m
                    .message
                    .replace("Outpace-Verdict:", "X-Verdict:")
                    .replace("Outpace-Proven:", "outpace-proven :");
            },
            "claims a gain without",
        ),
    ];
    for (what, tamper, expect) in table {
        let lab = Lab::new();
        merge(&lab, SOURCE, |_| {}, tamper);
        assert_found(what, &lab, expect);
    }
}

fn id_in(merge: &MergeRequest) -> String {
    let line = merge
        .message
        .lines()
        .find(|line| line.starts_with("Outpace-Verdict: "))
        .unwrap();
    line["Outpace-Verdict: ".len()..].to_owned()
}

fn edit(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(bytes)).unwrap();
    assert!(text.contains(from), "{text}");
    *bytes = text.replace(from, to).into_bytes();
}

/// An index in the budget of `main`, with the threshold that it needs.
pub(crate) fn indexed(verdict: &mut Verdict, index: u64, discoveries: u64) {
    let test = TestIndex {
        branch: "main".into(),
        index,
        discoveries,
        fdr: 0.05,
        campaign: None,
    };
    verdict.threshold = test.threshold().max(verdict.threshold);
    verdict.test = Some(test);
    settle(verdict);
}

#[test]
fn a_budget_that_was_not_kept_is_found() {
    type Tamper = fn(&mut Verdict);
    let table: [(&str, Tamper, &str); 5] = [
        (
            "none at all",
            |v| {
                v.bound_blocks = Some(v.n_blocks);
                settle(v);
            },
            "has no index in the error budget",
        ),
        (
            "another index than its threshold",
            |v| {
                indexed(v, 1, 0);
                v.test.as_mut().unwrap().index = 50;
            },
            "is weaker than",
        ),
        (
            "more discoveries than candidates",
            |v| indexed(v, 3, 3),
            "it counts 3 discoveries before index 3",
        ),
        (
            "no index",
            |v| {
                indexed(v, 1, 0);
                v.test.as_mut().unwrap().index = 0;
            },
            "before index 0",
        ),
        (
            "a lax share",
            |v| {
                indexed(v, 1, 0);
                v.test.as_mut().unwrap().fdr = 0.5;
            },
            "its fdr 0.5 is weaker than gate.fdr 0.05",
        ),
    ];
    for (what, tamper, expect) in table {
        let lab = Lab::new();
        merge(&lab, SOURCE, tamper, |_| {});
        assert_found(what, &lab, expect);
    }
}

#[test]
fn indices_of_a_branch_rise_and_count_what_the_history_has() {
    let later = "fn k() {\n    let n = 16;\n}\n";
    let two = |first: u64, second: u64| {
        let lab = Lab::new();
        merge(&lab, SOURCE, |v| indexed(v, first, 0), |_| {});
        merge(&lab, later, |v| indexed(v, second, 1), |_| {});
        lab
    };
    assert_eq!(findings(&two(2, 7)), Vec::<String>::new());
    assert_found("twice", &two(7, 7), "before it index 7");
    assert_found("backwards", &two(7, 3), "before it index 7");

    // Three candidates came before it on this machine, and it counts two.
    for (index, found) in [(4, false), (3, true)] {
        let lab = Lab::new();
        let repo = lab.repo();
        for (n, tree) in ["1", "2", "3"]
            .map(|n| n.repeat(40))
            .into_iter()
            .enumerate()
        {
            record(&repo, n as u64 + 1, tree, n as i64);
        }
        let tree = std::cell::RefCell::new(String::new());
        let keep = |v: &mut Verdict| {
            indexed(v, index, 0);
            tree.borrow_mut()
                .clone_from(v.candidate_tree.as_ref().unwrap());
        };
        merge(&lab, SOURCE, keep, |_| {});
        record(&repo, index, tree.into_inner(), 9);
        match found {
            true => assert_found(
                "not counted",
                &lab,
                "the history has 3 candidates before it",
            ),
            false => assert_eq!(findings(&lab), Vec::<String>::new()),
        }
    }
}

/// Writes down that a candidate was timed for `main`.
fn record(repo: &outpace_repo::Repo, index: u64, tree: String, second: i64) {
    let started = Timestamp::from_unix_seconds(1_800_000_000 + second);
    let test = Test {
        schema: "outpace.test/1".into(),
        test: Some(TestIndex {
            branch: "main".into(),
            index,
            ..TestIndex::default()
        }),
        base_tree: "b".repeat(40),
        tree,
        workload: "tiny".into(),
        machine_class: "m".into(),
        min_speedup: 0.005,
        margin: None,
        started,
        seed: index,
    };
    repo.history().add("test", &test, started).unwrap();
}

/// One byte, anywhere in a proof, a baseline or the trailers.
#[test]
fn any_other_byte_is_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(19);
    for _ in 0..90 {
        let (part, at, by): (u8, f64, u8) = (
            rng.random_range(0..3),
            rng.random(),
            rng.random_range(b' '..=b'~'),
        );
        let lab = Lab::new();
        let changed = std::cell::RefCell::new(String::new());
        merge(
            &lab,
            SOURCE,
            |v| {
                indexed(v, 1, 0);
                v.sandbox_tier = SandboxTier::Bubblewrap;
            },
            |merge| {
                let mut message = std::mem::take(&mut merge.message).into_bytes();
                let trailers = message.windows(2).rposition(|two| two == b"\n\n").unwrap() + 2;
                let bytes = match part {
                    0 => &mut merge.files[0].1[..],
                    1 => &mut merge.files[1].1[..],
                    _ => &mut message[trailers..],
                };
                let at = (at * bytes.len() as f64) as usize;
                // Names of trailers may be written in capitals or not.
                if !bytes[at].eq_ignore_ascii_case(&by) {
                    let from = std::mem::replace(&mut bytes[at], by);
                    *changed.borrow_mut() = format!("byte {at} of part {part}: {from} to {by}");
                }
                merge.message = String::from_utf8(message).unwrap();
            },
        );
        let found = findings(&lab);
        let changed = changed.into_inner();
        assert_eq!(changed.is_empty(), found.is_empty(), "{changed}: {found:?}");
    }
}
