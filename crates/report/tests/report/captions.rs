//! The sentences and figures of a report, as a reader gets them.

use outpace_record::{Block, Kind, TokensPerS, Track, Verdict};
use outpace_report::{ReportData, campaign_svg, history_svg, html, markdown, verdict_svg};
use outpace_stats::Rule;
use resvg::usvg::roxmltree::{Document, Node};

use crate::common;
use crate::hostile::assert_picture;

#[test]
fn what_the_markdown_says() {
    let mut data = common::campaign(5);
    data.runs.truncate(3);
    data.attempts
        .iter_mut()
        .for_each(|a| a.diff = "-const CHUNK: usize = 256;\n+const CHUNK: usize = 1024;\n".into());
    insta::assert_snapshot!(markdown(&data), @r#"
    ## gpt-nano, tuned for a quarter of an hour

    **41,210 -> 44,168 tokens/s, proven at least +4.1 % since the start** · 5 tried: 2 merged, 2 not proven, 1 rejected

    ```mermaid
    xychart-beta
        title "estimate above, proven below"
        x-axis "attempt" 0 --> 5
        y-axis "tokens/s" 40768 --> 44610
        line [41210, 41210, 42763, 42763, 42763, 44168]
        line [41210, 41210, 42187, 42187, 42187, 42910]
    ```

    The lower line is what is proven, +4.1 % since the start. The upper line is the estimate, +7.2 %. It is biased upwards, because only winners are merged. The campaign ended after 1 min 33 s (the budget is used up). At most 5 % of merges are expected to be false, however many patches are tried.

    | # | patch | verdict | gain | at least | blocks | time | reason |
    |--:|:--|:--|--:|--:|--:|--:|:--|
    | 5 | rmsnorm reads its rows once | **merged** | +3.3 % | +1.7 % | 10 | 28 s | gain proven above the minimum |
    | 4 | claude: fuse rotary into the projection | rejected | - | - | - | 7.6 s | loss differs by 0.31 at step 4 (allowed 4.0e-5) |
    | 3 | threads 2 -> 4 | not proven | -11.6 % | - | 4 | 16 s | screened out |
    | 2 | loss chunk 256 -> 1024 | **merged** | +3.8 % | +2.4 % | 9 | 26 s | gain proven above the minimum |
    | 1 | attention tile 64 -> 32 | not proven | -0.6 % | - | 4 | 16 s | screened out |

    <details><summary>#5 rmsnorm reads its rows once: merged</summary>

    **gpt-nano**: 10 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is +3.3 %. The gain is at least +1.7 % and at most +4.3 %, each with 99 % confidence. The evidence reached 316, and 273 was needed: a typical process is proven faster by more than 0.5 %.

    | check | | measured | allowed | what it says |
    |:--|:--|--:|--:|:--|
    | losses | ok | 3.1e-6 | 4.0e-5 | 20 steps at fresh seeds, largest difference of a loss |
    | parameters | ok | 2.2e-5 | 1.9e-4 | largest relative difference of a tensor after 20 steps |
    | validation | ok | 2.0e-4 | 0.048 | validation loss 4.812 = 4.812 on text that did not exist before |

    Merged as cf57fd562.

    ```diff
    -const CHUNK: usize = 256;
    +const CHUNK: usize = 1024;
    ```

    </details>

    <details><summary>#2 loss chunk 256 -> 1024: merged</summary>

    **gpt-nano**: 9 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is +3.8 %. The gain is at least +2.4 % and at most +5.7 %, each with 99 % confidence. The evidence reached 181, and 153 was needed: a typical process is proven faster by more than 0.5 %.

    | check | | measured | allowed | what it says |
    |:--|:--|--:|--:|:--|
    | losses | ok | 3.1e-6 | 4.0e-5 | 20 steps at fresh seeds, largest difference of a loss |
    | parameters | ok | 2.2e-5 | 1.9e-4 | largest relative difference of a tensor after 20 steps |
    | validation | ok | 2.0e-4 | 0.048 | validation loss 4.812 = 4.812 on text that did not exist before |

    Merged as 869da8514.

    ```diff
    -const CHUNK: usize = 256;
    +const CHUNK: usize = 1024;
    ```

    </details>

    <details><summary>#4 claude: fuse rotary into the projection: rejected</summary>

    **gpt-nano**: Nothing was timed: loss differs by 0.31 at step 4 (allowed 4.0e-5).

    | check | | measured | allowed | what it says |
    |:--|:--|--:|--:|:--|
    | losses | **failed** | 0.31 | 4.0e-5 | loss differs by 0.31 at step 4 |

    ```diff
    -const CHUNK: usize = 256;
    +const CHUNK: usize = 1024;
    ```

    </details>

    <details><summary>#3 threads 2 -> 4: not proven</summary>

    **gpt-nano**: 4 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is -11.6 %. There are too few blocks for bounds with 99 % confidence. The evidence reached 0.042, and 162 was needed: not proven (screened out). It may still be faster.

    | check | | measured | allowed | what it says |
    |:--|:--|--:|--:|:--|
    | losses | ok | 3.1e-6 | 4.0e-5 | 20 steps at fresh seeds, largest difference of a loss |
    | parameters | ok | 2.2e-5 | 1.9e-4 | largest relative difference of a tensor after 20 steps |
    | validation | ok | 2.0e-4 | 0.048 | validation loss 4.812 = 4.812 on text that did not exist before |

    ```diff
    -const CHUNK: usize = 256;
    +const CHUNK: usize = 1024;
    ```

    </details>

    <details><summary>#1 attention tile 64 -> 32: not proven</summary>

    **gpt-nano**: 4 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is -0.6 %. There are too few blocks for bounds with 99 % confidence. The evidence reached 0.28, and 41 was needed: not proven (screened out). It may still be faster.

    | check | | measured | allowed | what it says |
    |:--|:--|--:|--:|:--|
    | losses | ok | 3.1e-6 | 4.0e-5 | 20 steps at fresh seeds, largest difference of a loss |
    | parameters | ok | 2.2e-5 | 1.9e-4 | largest relative difference of a tensor after 20 steps |
    | validation | ok | 2.0e-4 | 0.048 | validation loss 4.812 = 4.812 on text that did not exist before |

    ```diff
    -const CHUNK: usize = 256;
    +const CHUNK: usize = 1024;
    ```

    </details>

    ### Throughput of gpt-nano over commits

    ```mermaid
    xychart-beta
        title "gain over the first run"
        x-axis "run" 1 --> 3
        y-axis "gain in %" -0.10 --> 1.44
        line [0.00, 0.58, 1.34]
    ```

    3 runs from ce64819b0 to fee0ba48f. Each is compared with the first on its machine class. The last run stands at +1.3 %. Against the run before it that is +0.8 %, within the spread. A run shows a trend and proves nothing; outpace compare proves a difference.

    | commit | | against the first | spread |
    |:--|:--|--:|--:|
    | fee0ba48f | kernels: change number 2 | +1.3 % | 0.8 % |
    | e6a29df1f | kernels: change number 1 | +0.6 % | 0.8 % |
    | ce64819b0 | kernels: change number 0 | 0.0 % | 0.8 % |

    <details><summary>Machine and settings</summary>

    | | |
    |:--|:--|
    | machine class | amd-epyc-7b13-x2-4166b384 |
    | CPU | AMD EPYC 7B13 x 2 |
    | GPU | none |
    | memory | 7,964 MiB |
    | system | Linux 6.1 |
    | hypervisor | KVM |
    | huge pages | madvise |
    | sandbox | bubblewrap |
    | noise (A/A) | 1.1 % a block |
    | workloads | gpt-nano |
    | agent | tune |
    | started from | 56216fa36 kernels: RMSNorm in one pass |
    | merged into | outpace/tune |
    | budget | 15 min, 1 min 33 s used |
    | most attempts | no limit |
    | share of false merges | at most 5 % |
    | confidence of the bounds | 99 % |
    | smallest gain that counts | 0.5 % |
    | seed | 7 |
    | outpace | 0.1.0 |
    | campaign | 20260519-083000 |
    | last written | 2026-05-19 08:40 UTC |
    | turns | 1 step, 25 ms; blocks of 40 pairs |

    </details>

    <details><summary>Recompute it</summary>

    Every merge carries its raw samples in baselines/proofs/. Any clone can judge them again, without a clock:

    ```sh
    outpace audit 56216fa36..outpace/tune
    ```

    So can every verdict of this report, from the samples in report.json:

    ```sh
    jq -c '(.attempts[].verdicts[], .verdicts[]) | select(.log_e != null and .verdict != "rejected")' report.json | outpace judge -
    ```

    </details>

    <sub>outpace 0.1.0 · 2026-05-19 08:41 UTC</sub>
    "#);
}

/// The words below a verdict picture, out of its description.
fn words(verdict: &Verdict) -> String {
    let svg = verdict_svg(verdict).expect("a picture has a description");
    let document = Document::parse(&svg).expect("a picture has a description");
    let description = document
        .descendants()
        .find(|n| n.has_tag_name("desc"))
        .expect("a picture has a description");
    description
        .text()
        .expect("a picture has a description")
        .to_owned()
}

#[test]
fn what_a_verdict_picture_says() {
    let rule = Rule::default();
    let of = |gain: f64, rule: &Rule, seed| {
        common::verdict("x", gain, 41_210.0, rule, &mut common::Noise(seed))
    };
    let faster = of(0.036, &rule, 1);
    let slower = of(-0.05, &rule, 2);
    let same = of(
        0.0,
        &Rule {
            min_speedup: 0.02,
            ..rule
        },
        3,
    );
    let open = of(
        0.004,
        &Rule {
            max_blocks: 12,
            ..rule
        },
        4,
    );
    let rejected = Verdict {
        verdict: Kind::Rejected,
        reason: "loss differs by 0.31 at step 4".into(),
        ..common::untimed("x", &rule)
    };
    let kinds = [&faster, &slower, &same, &open, &rejected].map(|v| v.verdict);
    assert_eq!(
        kinds,
        [
            Kind::Faster,
            Kind::Slower,
            Kind::Same,
            Kind::NotProven,
            Kind::Rejected
        ]
    );
    let all = [faster, slower, same, open, rejected].map(|v| {
        assert_picture(&verdict_svg(&v).unwrap());
        format!("{}: {}", v.verdict.as_str(), words(&v))
    });
    insta::assert_snapshot!(all.join("\n"), @r#"
    faster: 19 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is +3.7 %. The gain is at least +1.0 % and at most +4.5 %, each with 99 % confidence. The evidence reached 130, and 100 was needed: a typical process is proven faster by more than 0.5 %.
    slower: 8 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is -5.2 %. The gain is at least -9.1 % and at most -1.2 %, each with 99 % confidence. It is proven slower than the base.
    same: 9 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is +0.1 %. The gain is at least -0.7 % and at most +1.3 %, each with 99 % confidence. The difference is proven to be below 2 % in both directions.
    not_proven: 12 blocks, each with a fresh process of the base and of the candidate. The gain of the median block is +0.3 %. The gain is at least -25.1 % and at most +1.9 %, each with 99 % confidence. The evidence reached 0.052, and 100 was needed: not proven (blocks exhausted). It may still be faster.
    rejected: Nothing was timed: loss differs by 0.31 at step 4.
    "#);
}

#[test]
fn what_the_campaign_and_history_pictures_say() {
    let description = |svg: String| {
        svg.split_once("<desc>")
            .unwrap()
            .1
            .split_once("</desc>")
            .unwrap()
            .0
            .to_owned()
    };
    let one = common::campaign(1);
    let many = common::campaign(20);
    let campaign = |d: &ReportData| {
        description(campaign_svg(d.campaign.as_ref().unwrap(), &d.attempts).unwrap())
    };
    let history = |n: usize| description(history_svg(&many.runs[..n], "gpt-nano").unwrap());
    let all = [
        campaign(&one),
        campaign(&many),
        history(1),
        history(11),
        history(24),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    1 patch was tried. A patch that was not merged stands at its measured speed, or at the speed of its base if nothing was timed. Nothing was merged: no patch was proven faster. The campaign ended after 16 s (the budget is used up). At most 5 % of merges are expected to be false, however many patches are tried.
    20 patches were tried, one sign each. A patch that was not merged stands at its measured speed, or at the speed of its base if nothing was timed. 5 were merged. A whisker reaches from the estimate down to what is proven. The thick line is what is proven, +10.8 % since the start. The thin line is the estimate, +18.5 %. It is biased upwards, because only winners are merged. The campaign ended after 7 min 3 s (the budget is used up). At most 5 % of merges are expected to be false, however many patches are tried.
    1 run, of ce64819b0. Later runs are compared with it. A run shows a trend and proves nothing; outpace compare proves a difference.
    11 runs from ce64819b0 to c0d19d009. Each is compared with the first on its machine class. The last run stands at +3.0 %. Against the run before it that is -2.0 %, within the spread. A run shows a trend and proves nothing; outpace compare proves a difference.
    24 runs from ce64819b0 to fbf90d6b0. Each is compared with the first on its machine class. The last run stands at +2.0 %. Against the run before it that is +0.8 %, within the spread. The machine changed at 82c27fb84. Runs on different machines cannot be compared. A run shows a trend and proves nothing; outpace compare proves a difference.
    "#);
}

#[test]
fn a_gain_and_its_throughput_agree() {
    let rule = Rule::default();
    let verdict = |gain: f64, track: Track| Verdict {
        speedup: Some(gain),
        n_blocks: 8,
        track,
        // Medians over turns, which say the opposite of the median over blocks.
        tokens_per_s: Some(TokensPerS {
            base: 9_667.0,
            candidate: 9_701.0,
        }),
        ..common::untimed("x", &rule)
    };
    for (gain, track, expect) in [
        (-0.006, Track::Throughput, Some("9,667 → 9,609 tokens/s")),
        (0.02, Track::Throughput, Some("9,667 → 9,860 tokens/s")),
        (0.02, Track::TimeToLoss, None),
    ] {
        let mut data = common::nothing();
        data.verdicts = vec![verdict(gain, track)];
        for text in [html(&data).unwrap().replace('\u{a0}', " "), markdown(&data)] {
            assert!(!text.contains("9,701"));
            match expect {
                Some(expect) => assert!(text.contains(expect), "{expect}"),
                None => assert!(!text.contains("9,667")),
            }
        }
    }
}

/// Every figure of tokens/s in a page.
fn speeds(page: &str) -> Vec<String> {
    let text = page.replace('\u{a0}', " ");
    let is_digit = |c: char| c.is_ascii_digit() || c == ',';
    text.split(" tokens/s")
        .filter_map(|before| before.rsplit(|c| !is_digit(c)).next().map(str::to_owned))
        .filter(|figure| !figure.is_empty())
        .collect()
}

#[test]
fn a_merged_commit_has_one_throughput() {
    let mut data = common::campaign(3);
    data.runs.clear();
    data.baselines[0].tokens_per_s = 83_333.0;
    // The hour of its trial was a fast one.
    for verdict in &mut data.attempts[1].verdicts {
        verdict.tokens_per_s = Some(TokensPerS {
            base: 81_111.0,
            candidate: 82_222.0,
        });
    }
    let page = html(&data).unwrap();
    assert_eq!(data.attempts[1].verdict, Kind::Faster);
    assert!(page.contains("42,763"), "the level in the picture");
    assert!(!page.contains("83,333"));
    for figure in speeds(&page) {
        assert!(
            !["81,", "82,", "83,"].iter().any(|f| figure.starts_with(f)),
            "{figure}"
        );
    }
}

#[test]
fn a_reason_is_never_cut_inside_the_path_of_its_log() {
    let path = format!("/srv/{}/0001.agent.log", "deep/".repeat(100));
    let mut data = common::campaign(1);
    let attempt = &mut data.attempts[0];
    attempt.reason = format!("the command ended with exit code 1; log: {path}");
    attempt.verdicts.clear();
    let svg = campaign_svg(data.campaign.as_ref().unwrap(), &data.attempts).unwrap();
    assert!(svg.contains("exit code 1") && !svg.contains("/srv/"));
    for text in [html(&data).unwrap(), markdown(&data)] {
        assert!(text.contains("the command ended with exit code 1"));
        let whole = text.matches(&path).count();
        assert_eq!(whole, 1, "in the details");
        assert_eq!(text.matches("/srv/").count(), whole);
    }
}

#[test]
fn isolated_runs_have_a_picture_and_a_sentence() {
    let rule = Rule::default();
    let mut verdict = common::verdict("x", 0.04, 41_210.0, &rule, &mut common::Noise(1));
    let count = |verdict: &Verdict| {
        let svg = verdict_svg(verdict).unwrap();
        assert_picture(&svg);
        svg.matches("<title>isolated run").count()
    };
    assert_eq!(count(&verdict), 0);
    // A start that is 0.3 s longer, over 1000 steps of 0.1 s: 0.3 % of 4 %.
    verdict.steps_per_run = Some(1000);
    verdict.steps_per_turn = 1;
    verdict.alone = vec![
        Block {
            pairs: vec![[0.104, 0.1]; 20],
            ready_s: Some([0.2, 0.5]),
            ..Block::default()
        };
        6
    ];
    assert_eq!(count(&verdict), 6);
    let mut data = common::nothing();
    data.verdicts = vec![verdict];
    let sentence = "In 6 isolated runs, one process at a time, the gain is +3.7 %; the evidence \
                    that there is one reached ";
    for text in [html(&data).unwrap(), markdown(&data)] {
        assert!(text.contains(sentence), "{text}");
    }
}

#[test]
fn levels_of_a_campaign_without_a_merge_have_words_of_their_own() {
    let mut data = common::campaign(1);
    let campaign = data.campaign.as_mut().unwrap();
    campaign.start_tokens_per_s = None;
    data.attempts[0].verdicts[0].tokens_per_s = None;
    for gain in [0.002, -0.006, 0.12] {
        data.attempts[0].verdicts[0].speedup = Some(gain);
        let campaign = data.campaign.as_ref().unwrap();
        let svg = campaign_svg(campaign, &data.attempts).unwrap();
        let document = Document::parse(&svg).unwrap();
        let is_tick = |node: &Node<'_, '_>| node.attribute("text-anchor") == Some("end");
        let texts = document
            .descendants()
            .filter(is_tick)
            .filter_map(|node| node.text());
        let mut levels: Vec<&str> = texts
            .map(str::trim)
            .filter(|text| text.contains('.') && text.parse::<f64>().is_ok())
            .collect();
        let all = levels.len();
        levels.sort_unstable();
        levels.dedup();
        assert!(all >= 3 && levels.len() == all, "{gain}: {levels:?}");
    }
}

#[test]
fn a_whisker_ends_above_minus_100_percent() {
    for sd in [0.008, 0.9, 1.2, 40.0] {
        let mut runs = common::runs();
        runs.iter_mut().for_each(|run| run.process_sd = sd);
        let svg = history_svg(&runs, "gpt-nano").unwrap();
        let document = Document::parse(&svg).unwrap();
        let ticks: Vec<f64> = document
            .descendants()
            .filter(|n| n.has_tag_name("text"))
            .filter_map(|n| {
                n.text()?
                    .trim()
                    .strip_suffix(" %")?
                    .replace(',', "")
                    .parse()
                    .ok()
            })
            .collect();
        assert!(ticks.len() > 2, "{ticks:?}");
        assert!(ticks.iter().all(|t| *t >= -100.0), "sd {sd}: {ticks:?}");
    }
}
