//! Verdicts of the time-to-loss track: loss curves, seeds and times to a loss.

use std::sync::LazyLock;

use outpace_record::{
    Attempt, Block, Document as _, Kind, LossCurve, LossTarget, Report, SeedRun, Track, Verdict,
    judgement, seed_evidence,
};
use outpace_report::{ReportData, campaign_svg, html, json, markdown, verdict_svg};
use outpace_stats::{Rule, SeedRule};
use resvg::usvg::roxmltree::{Document, Node};

use crate::common::{self, Noise};
use crate::hostile::{assert_balanced, assert_picture};

/// Seconds of a step of the base.
const STEP_S: f64 = 0.0266;
const TARGET: f64 = 1.95;

/// How the candidate's run of a seed ends.
#[derive(Clone, Copy)]
enum Run {
    Reaches,
    NeverReaches,
    IsStopped,
}

/// What a made-up trial of seeds is made from.
struct Made {
    /// The gain in steps.
    gain: f64,
    /// The gain in the time of a step; absent where both run the same program.
    step_gain: Option<f64>,
    runs: Vec<Run>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            gain: 0.4,
            step_gain: None,
            runs: vec![Run::Reaches; 12],
        }
    }
}

/// A power law that meets the target after about 400 steps.
fn loss(steps: f64, noise: &mut Noise) -> f64 {
    1.2 + 15.0 / steps.sqrt() + 0.002 * noise.normal()
}

/// A run that is `speed` times as fast, up to 15 % beyond the target.
fn curve(speed: f64, run: Run, step_s: f64, noise: &mut Noise) -> LossCurve {
    let most = match run {
        Run::Reaches => 1.2 * 400.0 / speed,
        Run::NeverReaches => 800.0,
        Run::IsStopped => 100.0,
    };
    let floor = if matches!(run, Run::Reaches) {
        0.0
    } else {
        0.5
    };
    let every = 10;
    let steps = (1..)
        .map(|i| f64::from(i * every))
        .take_while(|n| *n <= most);
    let losses: Vec<Option<f64>> = steps
        .map(|n| Some(floor + loss(n * speed, noise)))
        .collect();
    LossCurve {
        every: every as u64,
        seconds: vec![step_s * f64::from(every); losses.len()],
        losses,
        stopped: matches!(run, Run::IsStopped),
        ..LossCurve::default()
    }
}

/// A verdict as the gate writes it, judged by the real rule.
fn verdict(made: &Made) -> Verdict {
    let mut noise = Noise(11);
    let target = LossTarget {
        target_loss: TARGET,
        max_steps: 800,
        evaluate_every: 10,
        tokens: 65_536,
        equal_steps: made.step_gain.is_none(),
        confirmed_steps: true,
    };
    let step_s = STEP_S / (1.0 + made.step_gain.unwrap_or(0.0));
    let block = |noise: &mut Noise| Block {
        pairs: vec![[STEP_S, step_s * (0.004 * noise.normal()).exp()]; 3],
        ..Block::default()
    };
    let blocks: Vec<Block> = (0..12).map(|_| block(&mut noise)).collect();
    let rule = Rule {
        max_blocks: made.runs.len(),
        bound_blocks: made.runs.len(),
        ..Rule::default()
    };
    let evidence = seed_evidence(SeedRule::from(&rule), &target, &blocks);
    let mut evidence = evidence.expect("the rule is valid");
    let mut runs = Vec::new();
    for (i, run) in (0..).zip(&made.runs) {
        let luck = (0.03 * noise.normal()).exp();
        let speed = luck * (1.0 + made.gain) * (0.03 * noise.normal()).exp();
        let pair = SeedRun {
            model_seed: i,
            data_seed: i,
            text_seed: i,
            base: curve(luck, Run::Reaches, STEP_S, &mut noise),
            candidate: curve(speed, *run, step_s, &mut noise),
        };
        evidence.push(pair.log_ratio(&target));
        runs.push(pair);
    }
    let judged = judgement(&evidence);
    let shown = |share: f64| Some((share * 1e7).round() / 1e7).filter(|s| s.is_finite());
    let summary = judged.summary;
    Verdict {
        verdict: judged.outcome.into(),
        reason: judged.reason.as_str().to_owned(),
        track: Track::TimeToLoss,
        speedup: shown(summary.speedup),
        at_least: summary.at_least.and_then(shown),
        at_most: summary.at_most.and_then(shown),
        log_e: shown(summary.log_e),
        bound_blocks: Some(rule.bound_blocks),
        n_blocks: blocks.len(),
        blocks,
        target: Some(target),
        runs,
        trial_s: Some(212.0),
        ..common::untimed("warm-up of 20 steps, not 100", &rule)
    }
}

fn faster() -> Verdict {
    verdict(&Made::default())
}

/// One candidate of 12 never came to the target, one was stopped.
fn with_losses() -> Verdict {
    let mut runs = vec![Run::Reaches; 12];
    (runs[4], runs[8]) = (Run::NeverReaches, Run::IsStopped);
    verdict(&Made {
        runs,
        ..Made::default()
    })
}

/// Its bounds are a search of a second.
fn measured() -> Verdict {
    static MEASURED: LazyLock<Verdict> = LazyLock::new(|| {
        verdict(&Made {
            gain: 0.2,
            step_gain: Some(-0.04),
            ..Made::default()
        })
    });
    MEASURED.clone()
}

fn slower() -> Verdict {
    verdict(&Made {
        gain: -0.2,
        ..Made::default()
    })
}

fn never() -> Verdict {
    verdict(&Made {
        runs: vec![Run::NeverReaches; 8],
        ..Made::default()
    })
}

fn refused() -> Verdict {
    Verdict {
        verdict: Kind::Rejected,
        reason: "its predictions do not sum to 1".into(),
        track: Track::TimeToLoss,
        ..common::untimed("x", &Rule::default())
    }
}

fn all() -> [Verdict; 6] {
    [
        faster(),
        with_losses(),
        measured(),
        slower(),
        never(),
        refused(),
    ]
}

fn report(verdicts: Vec<Verdict>) -> ReportData {
    ReportData {
        verdicts,
        ..common::nothing()
    }
}

/// Texts of the elements of one name.
fn texts(svg: &str, name: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("a picture is XML");
    let named = |n: &Node<'_, '_>| n.has_tag_name(name);
    let all = document.descendants().filter(named);
    all.filter_map(|n| n.text().map(str::to_owned)).collect()
}

#[test]
fn what_a_verdict_of_seeds_says() {
    let words = all().map(|v| {
        let svg = verdict_svg(&v).unwrap();
        format!("{}: {}", v.verdict.as_str(), texts(&svg, "desc")[0])
    });
    insta::assert_snapshot!(words.join("\n"), @"
    faster: The candidate reaches 1.95 nats in 7.6 s instead of 10 s: at least 26.0 % less time, over 12 seeds. Each seed is a run of the base and of the candidate, evaluated on the same text: 393 → 285 steps to the loss at the median. Both run the same program on the same shapes, so that steps take the same time. As a gain in speed that is +37.2 % at the medians. The gain is at least +35.2 % and at most +42.8 %, each with 99 % confidence. The evidence reached 139, and 100 was needed: a typical seed is proven faster to the loss by more than 0.5 %.
    not_proven: The candidate reaches 1.95 nats in 7.7 s instead of 11 s, over 12 seeds. Each seed is a run of the base and of the candidate, evaluated on the same text: 401 → 289 steps to the loss at the median. In 2 seeds only the base came there, which counts as lost. 1 run of the candidate ended early, far above the base's. Both run the same program on the same shapes, so that steps take the same time. As a gain in speed that is +38.8 % at the medians. The gain is at most +44.5 %, with 99 % confidence. The evidence reached 8.2, and 100 was needed: not proven (seeds exhausted). It may still be faster.
    faster: The candidate reaches 1.95 nats in 9.3 s instead of 11 s: at least 7.0 % less time, over 12 seeds. Each seed is a run of the base and of the candidate, evaluated on the same text: 404 → 336 steps to the loss at the median. The speed of a step was measured in 12 blocks, with a gain of -4.1 % at the median. As a gain in speed that is +14.9 % at the medians. The gain is at least +7.5 % and at most +19.6 %, each with 99 % confidence. The evidence reached 164, and 100 was needed: a typical seed is proven faster to the loss by more than 0.5 %.
    slower: The candidate reaches 1.95 nats in 13 s instead of 11 s: at least 18.2 % more time, over 12 seeds. Each seed is a run of the base and of the candidate, evaluated on the same text: 408 → 498 steps to the loss at the median. Both run the same program on the same shapes, so that steps take the same time. As a gain in speed that is -19.2 % at the medians. The gain is at least -25.5 % and at most -15.4 %, each with 99 % confidence. It is proven slower to the loss than the base.
    slower: The candidate did not come to 1.95 nats in more than half of 8 seeds. Each seed is a run of the base and of the candidate, evaluated on the same text. In 8 seeds only the base came there, which counts as lost. Both run the same program on the same shapes, so that steps take the same time. It is proven slower to the loss than the base.
    rejected: No seed was run: its predictions do not sum to 1.
    ");
}

#[test]
fn every_seed_has_a_dot_and_the_target_a_line() {
    for verdict in all() {
        let svg = verdict_svg(&verdict).unwrap();
        assert_picture(&svg);
        for bad in ["NaN", "inf"] {
            assert!(!svg.contains(bad), "{bad} in the picture");
        }
        let dots = texts(&svg, "title");
        let dots = dots.iter().filter(|t| t.starts_with("seed "));
        assert_eq!(dots.count(), verdict.runs.len());
        let is_drawn = texts(&svg, "text").contains(&"target 1.95".to_owned());
        assert_eq!(is_drawn, !verdict.runs.is_empty());
    }
}

#[test]
fn a_pointer_on_a_seed_shows_its_steps() {
    let titles = texts(&verdict_svg(&with_losses()).unwrap(), "title");
    let of =
        |start: &str| -> Vec<&String> { titles.iter().filter(|t| t.starts_with(start)).collect() };
    insta::assert_debug_snapshot!([of("seed"), of("candidate"), of("base"), of("after seed 12")], @r#"
    [
        [
            "seed 1: 405 -> 285 steps",
            "seed 2: 387 -> 276 steps",
            "seed 3: 399 -> 278 steps",
            "seed 4: 378 -> 276 steps",
            "seed 5: 396 steps -> not reached",
            "seed 6: 397 -> 280 steps",
            "seed 7: 418 -> 298 steps",
            "seed 8: 425 -> 327 steps",
            "seed 9: 411 steps -> stopped",
            "seed 10: 397 -> 272 steps",
            "seed 11: 403 -> 292 steps",
            "seed 12: 408 -> 297 steps",
        ],
        [
            "candidate of seed 5: 396 steps -> not reached",
            "candidate of seed 9: 411 steps -> stopped",
            "candidate: 289 steps at the median",
        ],
        [
            "base: 401 steps at the median",
        ],
        [
            "after seed 12: 8.2",
        ],
    ]
    "#);
}

/// Page and Markdown, spaces as they are typed.
fn both(data: &ReportData) -> [String; 2] {
    let page = html(data).expect("the page can be drawn");
    let page = page.replace('\u{a0}', " ");
    assert_balanced(&page);
    [page, markdown(data)]
}

#[test]
fn page_and_markdown_count_seeds() {
    let reached = "reaches 1.95 nats in 7.6 s instead of 10 s: at least 26.0 % less time";
    for text in both(&report(all().to_vec())) {
        for words in [
            reached,
            "10 s → 7.6 s to 1.95 nats",
            ", over 12 seeds",
            "No seed was run: ",
        ] {
            assert!(text.contains(words), "{words}");
        }
        // Those of the time of a step.
        let text = text.replace("c-blocks", "a class");
        let [all, timed] = ["blocks", "was measured in 12 blocks"].map(|w| text.matches(w).count());
        assert_eq!(all, timed);
        assert!(!text.contains(" tokens/s"));
        assert!(text.contains("outpace judge -"));
    }
    let text = markdown(&report(vec![faster(), with_losses()]));
    let table = text.split("<details>").next().unwrap();
    insta::assert_snapshot!(table, @"
    ## Nothing yet

    | workload | verdict | gain | at least | seeds | speed | reason |
    |:--|:--|--:|--:|--:|--:|:--|
    | gpt-nano | **faster** | +37.2 % | +35.2 % | 12 | 10 s → 7.6 s to 1.95 nats | gain proven above the minimum |
    | gpt-nano | **not proven** | +38.8 % | - | 12 | 11 s → 7.7 s to 1.95 nats | seeds exhausted |
    ");
}

#[test]
fn columns_are_named_by_what_they_count() {
    let throughput = || {
        let rule = Rule::default();
        common::verdict("x", 0.036, 41_210.0, &rule, &mut Noise(1))
    };
    for (verdicts, heading) in [
        (vec![faster(), refused()], "seeds"),
        (vec![throughput()], "blocks"),
        (vec![faster(), throughput()], "samples"),
    ] {
        let [page, text] = both(&report(verdicts));
        assert!(
            text.contains(&format!(" | at least | {heading} | ")),
            "{heading}"
        );
        assert!(page.contains(&format!("<span class=\"c-blocks\">{heading}</span>")));
    }
}

#[test]
fn json_holds_every_curve() {
    let data = report(all().to_vec());
    let again = Report::from_json(&json(&data)).unwrap();
    assert_eq!(again.verdicts, data.verdicts);
}

/// A campaign of this track that merged one of three patches.
fn campaign() -> ReportData {
    let mut data = common::campaign(3);
    data.runs.clear();
    data.baselines.clear();
    let verdicts = [slower(), faster(), refused()];
    for (attempt, verdict) in data.attempts.iter_mut().zip(verdicts) {
        *attempt = Attempt {
            verdict: verdict.verdict,
            reason: verdict.reason.clone(),
            merged: (verdict.verdict == Kind::Faster).then(|| common::commit(2)),
            verdicts: vec![verdict],
            ..attempt.clone()
        };
    }
    data
}

#[test]
fn a_campaign_says_the_time_to_the_loss() {
    let data = campaign();
    let svg = campaign_svg(data.campaign.as_ref().unwrap(), &data.attempts).unwrap();
    assert_picture(&svg);
    assert!(texts(&svg, "text").contains(&"1 / time to the loss, the start = 1".to_owned()));
    insta::assert_snapshot!(texts(&svg, "desc")[0], @"3 patches were tried, one sign each. Higher is less time to the loss. A patch that was not merged stands at its measured time to the loss, or at that of its base if no seed was run. 1 was merged. Its whisker reaches from the estimate down to what is proven. The thick line is what is proven, 26.0 % less time to the loss than at the start. The thin line is the estimate, 27.1 % less time. It is biased upwards, because only winners are merged. The campaign ended after 58 s (the budget is used up). At most 5 % of merges are expected to be false, however many patches are tried.");
    let text = markdown(&data);
    let summary = text.split("<details>").next().unwrap();
    insta::assert_snapshot!(summary, @r#"
    ## gpt-nano, tuned for a quarter of an hour

    **10.9 s -> 7.91 s to the loss, proven at least 26.0 % less time since the start** · 3 tried: 1 merged, 1 slower, 1 rejected

    ```mermaid
    xychart-beta
        title "estimate above, proven below"
        x-axis "attempt" 0 --> 3
        y-axis "less time to the loss in %" -1.36 --> 28.48
        line [0.00, 0.00, 27.12, 27.12]
        line [0.00, 0.00, 26.02, 26.02]
    ```

    The lower line is what is proven, 26.0 % less time to the loss than at the start. The upper line is the estimate, 27.1 % less time. It is biased upwards, because only winners are merged. The campaign ended after 58 s (the budget is used up). At most 5 % of merges are expected to be false, however many patches are tried.

    | # | patch | verdict | gain | at least | seeds | time | reason |
    |--:|:--|:--|--:|--:|--:|--:|:--|
    | 3 | threads 2 -> 4 | rejected | - | - | - | 16 s | its predictions do not sum to 1 |
    | 2 | loss chunk 256 -> 1024 | **merged** | +37.2 % | +35.2 % | 12 | 26 s | gain proven above the minimum |
    | 1 | attention tile 64 -> 32 | slower | -19.2 % | - | 12 | 16 s | proven slower than the base |
    "#);
    for text in both(&data) {
        assert!(!text.contains("tokens/s"));
    }
    let [page, _] = both(&data);
    for words in [
        "10.9 s → 7.91 s",
        "to the loss, estimated",
        "% less time</p>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // A campaign's levels are those of speed, as its gains are.
    let report = Report::from_json(&json(&data)).unwrap().summary.unwrap();
    assert_eq!((report.start, report.unit.as_str()), (1.0, "x the start"));
    assert!(report.end > 1.3);
}

#[test]
fn figures_that_cannot_be_do_not_stop_a_picture() {
    for bad in [f64::NAN, f64::INFINITY, -1.0, -5.0, 1e300, 1e-300] {
        for mut verdict in [faster(), measured()] {
            (verdict.speedup, verdict.at_least, verdict.at_most) =
                (Some(bad), Some(bad), Some(bad));
            (verdict.min_speedup, verdict.threshold, verdict.alpha) = (bad, bad, bad);
            verdict.blocks[0].pairs[0] = [bad, 1.0];
            verdict.runs[0].base.losses[3] = Some(bad);
            verdict.runs[1].candidate.losses = vec![Some(bad); 40];
            verdict.runs[2].candidate.losses.clear();
            verdict.runs[3].base.every = 0;
            verdict.runs[4].base.seconds = vec![bad; 40];
            let mut off = verdict.clone();
            off.target.as_mut().unwrap().target_loss = bad;
            for verdict in [verdict, off] {
                assert_picture(&verdict_svg(&verdict).unwrap());
                both(&report(vec![verdict]));
            }
        }
    }
}
