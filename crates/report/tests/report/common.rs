//! A made-up campaign that looks like a real one. It is the same on every machine, and judged by
//! the real rule.

use outpace_record::{
    Anchor, Attempt, Baseline, Block, Campaign, CampaignState, Check, Document, Kind, Machine, Run,
    SandboxTier, Timestamp, TokensPerS, Verdict,
};
use outpace_report::ReportData;
use outpace_stats::{Evidence, Rule, e_lond_threshold};

/// When the made-up campaign begins: 2026-05-19 08:30 UTC.
const START: i64 = 1_779_179_400;

const START_TOKENS_PER_S: f64 = 41_210.0;

/// Titles of the patches and their true gains. `None` is rejected before any timing.
const PATCHES: [(&str, Option<f64>); 19] = [
    ("attention tile 64 -> 32", Some(0.002)),
    ("loss chunk 256 -> 1024", Some(0.041)),
    ("threads 2 -> 4", Some(-0.11)),
    ("claude: fuse rotary into the projection", None),
    ("rmsnorm reads its rows once", Some(0.034)),
    ("random seed 42 -> 137", Some(0.0)),
    ("matmul block 48 -> 64", Some(0.012)),
    ("prefetch the next batch", Some(0.001)),
    ("AdamW in one pass over the parameters", Some(0.052)),
    ("comment only", Some(f64::NAN)),
    ("unroll the inner product by 8", Some(0.006)),
    ("skip the causal mask above the diagonal", None),
    ("attention: keep the softmax row in registers", Some(0.028)),
    ("huge pages for the activations", Some(-0.02)),
    ("half the warm-up", Some(0.0)),
    ("transpose once, not per head", Some(0.024)),
    ("loss chunk 1024 -> 2048", Some(-0.004)),
    ("matmul block 64 -> 96", Some(-0.035)),
    ("edit crates/trial to trust the candidate's clock", None),
];

/// Required keys of each kind of record. Keys that come later keep their defaults.
const REQUIRED: &str = r#"{"schema": "outpace.KIND/1", "verdict": "rejected", "reason": "", "threshold": 100.0, "alpha": 0.01,
  "min_speedup": 0.005, "n_blocks": 0, "workload": "gpt-nano", "track": "throughput", "base": "b", "machine_class": "m",
  "sandbox_tier": "bubblewrap", "seeds": {"trial": 7}, "outpace_version": "0.1.0", "campaign": "20260519-083000", "number": 1,
  "agent": "tune", "title": "", "total_s": 0.0, "id": "20260519-083000", "workloads": ["gpt-nano"], "into": "outpace/tune",
  "start": "s", "used_s": 0.0, "state": "finished", "fdr": 0.05, "seed": 7, "commit": "c", "turns_s": [], "steps_per_turn": 1,
  "step_time_s": 0.025, "process_sd": 0.008, "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:30:30Z",
  "updated": "2026-05-19T08:40:40Z"}"#;

/// A record with nothing but its required keys.
fn required<D: Document>() -> D {
    let kind = D::SCHEMA
        .split(['.', '/'])
        .nth(1)
        .expect("schemas are `outpace.<name>/1`");
    D::from_json(&REQUIRED.replace("KIND", kind)).expect("every required key is there")
}

/// A small generator (Steele, Lea, Flood 2014: SplitMix64), so that pictures do not change with a
/// dependency.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

pub(crate) fn machine() -> Machine {
    Machine {
        cpu: "AMD EPYC 7B13".into(),
        cpus: 2,
        cpu_signature: "25/1/1".into(),
        simd: vec!["avx2".into()],
        arch: "x86_64".into(),
        os: "Linux 6.1".into(),
        memory_mib: 7964,
        hypervisor: Some("KVM".into()),
        governor: None,
        huge_pages: Some("madvise".into()),
        gpus: vec![],
        label: None,
    }
}

pub(crate) fn commit(n: usize) -> String {
    let half =
        |k: u64| (0x8c1f_0e2b_7a6d_5c4f_u64 ^ k).wrapping_mul(0x9e37_79b9_7f4a_7c15 + 2 * n as u64);
    format!("{:016x}{:016x}{:08x}", half(1), half(2), half(3) >> 32)
}

/// A verdict whose blocks have the true gain `gain`, judged as a campaign would.
pub(crate) fn verdict(
    title: &str,
    gain: f64,
    level: f64,
    rule: &Rule,
    noise: &mut Noise,
) -> Verdict {
    let mut evidence = Evidence::new(rule).expect("the rule is valid");
    let mut blocks = Vec::new();
    let mut reason = "blocks exhausted".to_owned();
    let mut kind = Kind::NotProven;
    while blocks.len() < rule.max_blocks {
        let (x, block) = block(gain, noise);
        blocks.push(block);
        if let Some(decision) = evidence.push(x) {
            (kind, reason) = (decision.outcome.into(), decision.reason.as_str().to_owned());
            break;
        }
    }
    let summary = evidence.summary();
    Verdict {
        verdict: kind,
        reason,
        speedup: Some(round(summary.speedup)),
        at_least: summary.at_least.map(round),
        at_most: summary.at_most.map(round),
        log_e: Some(round(summary.log_e)),
        alone: Vec::new(),
        bound_blocks: None,
        earlier_blocks: 0,
        earlier_runs: 0,
        continues: None,
        test: None,
        steps_per_run: None,
        n_blocks: blocks.len(),
        trial_s: Some(2.05 * blocks.len() as f64),
        tokens_per_s: Some(TokensPerS {
            base: round(level),
            candidate: round(level * (1.0 + summary.speedup)),
        }),
        checks: checks(),
        blocks,
        ..untimed(title, rule)
    }
}

/// A block and its log ratio. One in 25 is disturbed.
fn block(gain: f64, noise: &mut Noise) -> (f64, Block) {
    let wild = if noise.uniform() < 0.04 { 0.3 } else { 0.0 };
    let x = gain.ln_1p() + 0.011 * noise.normal() - wild;
    let step_s = 0.0248 * (1.0 + 0.01 * noise.normal().abs());
    let pairs = [-0.002, 0.0, 0.003].map(|d: f64| [step_s, round(step_s * (-x - d).exp())]);
    let block = Block {
        pairs: pairs.to_vec(),
        ..Block::default()
    };
    (x, block)
}

/// A verdict of something that was never timed.
pub(crate) fn untimed(title: &str, rule: &Rule) -> Verdict {
    Verdict {
        threshold: rule.threshold_value(),
        alpha: rule.alpha,
        min_speedup: rule.min_speedup,
        max_blocks: rule.max_blocks,
        screen: rule.screen,
        sum_threshold: rule.sum_threshold,
        margin: rule.margin,
        base: commit(0),
        patch_sha256: Some("5e".repeat(32)),
        title: title.into(),
        agent: Some("tune".into()),
        machine_class: machine().class(),
        machine: machine(),
        warmup_turns: 8,
        overhead: Some(0.21),
        ..required()
    }
}

fn checks() -> Vec<Check> {
    let check = |name: &str, value, allowed, detail: &str| Check {
        name: name.into(),
        passed: value <= allowed,
        value: Some(value),
        allowed: Some(allowed),
        detail: detail.into(),
    };
    vec![
        check(
            "losses",
            3.1e-6,
            4.0e-5,
            "20 steps at fresh seeds, largest difference of a loss",
        ),
        check(
            "parameters",
            2.2e-5,
            1.9e-4,
            "largest relative difference of a tensor after 20 steps",
        ),
        check(
            "validation",
            0.0002,
            0.048,
            "validation loss 4.812 = 4.812 on text that did not exist before",
        ),
    ]
}

fn failed_check() -> Check {
    Check {
        name: "losses".into(),
        passed: false,
        value: Some(0.31),
        allowed: Some(4.0e-5),
        detail: "loss differs by 0.31 at step 4".into(),
    }
}

const DIFF: &str = "diff --git a/kernels/src/cpu/loss.rs b/kernels/src/cpu/loss.rs
index 3f1c2aa..91b07de 100644
--- a/kernels/src/cpu/loss.rs
+++ b/kernels/src/cpu/loss.rs
@@ -14,7 +14,8 @@ use crate::parallel;
 /// Rows of logits that are kept in cache at a time.
-const CHUNK: usize = 256;
+// Large enough that the partial sums are written once.
+const CHUNK: usize = 1024;
 
 pub fn cross_entropy(logits: &[f32], targets: &[u32]) -> f32 {
     let rows = logits.chunks_exact(targets.len());
";

/// Title and true gain of the i-th patch. The same patch does not win twice.
fn patch(i: usize) -> (String, Option<f64>) {
    let (title, gain) = PATCHES[i % PATCHES.len()];
    match i / PATCHES.len() {
        0 => (title.to_owned(), gain),
        n => {
            let gain = gain.map(|g| if g > 0.0 { 0.1 * g } else { g });
            (format!("{title}, again {n}"), gain)
        }
    }
}

fn campaign_rule(tested: u64, merges: u64) -> Rule {
    Rule {
        threshold: Some(e_lond_threshold(tested as usize + 1, merges as usize, 0.05)),
        screen: true,
        max_blocks: 48,
        ..Rule::default()
    }
}

/// A campaign of `n` attempts.
pub(crate) fn campaign(n: usize) -> ReportData {
    let mut noise = Noise(7);
    let mut level = START_TOKENS_PER_S;
    let (mut tested, mut merges, mut now) = (0_u64, 0_u64, 0.0);
    let mut attempts = Vec::new();
    for i in 0..n {
        let (title, gain) = patch(i);
        let rule = campaign_rule(tested, merges);
        let mut attempt = attempt(i + 1, &title, gain, level, &rule, &mut noise);
        if attempt.main_verdict().is_some_and(|v| v.n_blocks > 0) {
            tested += 1;
            attempt.tested = Some(tested);
        }
        attempt.merges_before = merges;
        if attempt.verdict == Kind::Faster {
            merges += 1;
            attempt.merged = Some(commit(i + 1));
            level *= 1.0
                + attempt
                    .main_verdict()
                    .and_then(|v| v.speedup)
                    .unwrap_or(0.0);
        }
        now += attempt.total_s;
        attempt.at_s = now;
        attempt.finished = Timestamp::from_unix_seconds(START + now as i64);
        attempts.push(attempt);
    }
    ReportData {
        title: "gpt-nano, tuned for a quarter of an hour".into(),
        campaign: Some(record(now)),
        attempts,
        verdicts: vec![],
        runs: runs(),
        baselines: vec![baseline(level, merges as usize)],
        settings: vec![("turns".into(), "1 step, 25 ms; blocks of 40 pairs".into())],
        generated: Timestamp::from_unix_seconds(START + 700),
    }
}

fn attempt(
    number: usize,
    title: &str,
    gain: Option<f64>,
    level: f64,
    rule: &Rule,
    noise: &mut Noise,
) -> Attempt {
    let verdict = match gain {
        None => Verdict {
            reason: "loss differs by 0.31 at step 4 (allowed 4.0e-5)".into(),
            checks: vec![failed_check()],
            ..untimed(title, rule)
        },
        Some(g) if g.is_nan() => Verdict {
            verdict: Kind::Same,
            reason: "equal artefacts".into(),
            ..untimed(title, rule)
        },
        Some(g) => verdict(title, g, level, rule, noise),
    };
    let trial_s = verdict.trial_s.unwrap_or(0.0);
    Attempt {
        number,
        title: title.into(),
        verdict: verdict.verdict,
        reason: verdict.reason.clone(),
        base: commit(0),
        patch_sha256: verdict.patch_sha256.clone(),
        diff: DIFF.into(),
        verdicts: vec![verdict],
        propose_s: 0.2,
        build_s: 4.1,
        check_s: 3.3,
        total_s: 7.6 + trial_s,
        ..required()
    }
}

fn record(used_s: f64) -> Campaign {
    Campaign {
        start: commit(0),
        start_summary: "kernels: RMSNorm in one pass".into(),
        budget_s: Some(900.0),
        used_s,
        state: CampaignState::Finished,
        stopped_because: Some("the budget is used up".into()),
        start_tokens_per_s: Some(START_TOKENS_PER_S),
        machine_class: machine().class(),
        machine: machine(),
        sandbox_tier: SandboxTier::Bubblewrap,
        aa_sd: Some(0.011),
        ..required()
    }
}

/// Two dozen runs with one slowdown, and a new machine near the end.
pub(crate) fn runs() -> Vec<Run> {
    let mut noise = Noise(3);
    let run = |i: usize| {
        let moved = i >= 18;
        let true_gain = 0.006 * i as f64 - if i >= 10 { 0.03 } else { 0.0 };
        let tokens_per_s = if moved { 52_000.0 } else { 37_500.0 }
            * (1.0 + true_gain)
            * (1.0 + 0.004 * noise.normal());
        Run {
            commit: commit(100 + i),
            summary: format!("kernels: change number {i}"),
            step_time_s: 1024.0 / tokens_per_s,
            tokens_per_s: Some(tokens_per_s),
            machine_class: if moved {
                "intel-xeon-x4-77aa01bc".into()
            } else {
                machine().class()
            },
            machine: machine(),
            ..required()
        }
    };
    (0..24).map(run).collect()
}

fn baseline(level: f64, merges: usize) -> Baseline {
    Baseline {
        schema: "outpace.baseline/1".into(),
        workload: "gpt-nano".into(),
        machine_class: machine().class(),
        machine: machine(),
        base: commit(0),
        patch_sha256: "5e".repeat(32),
        verdict: "ab".repeat(32),
        tokens_per_s: level,
        anchor: Anchor {
            commit: commit(0),
            tokens_per_s: START_TOKENS_PER_S,
        },
        merges,
        speedup: level / START_TOKENS_PER_S - 1.0,
        at_least: 0.112,
        updated: Timestamp::from_unix_seconds(START),
    }
}

/// Nothing at all.
pub(crate) fn nothing() -> ReportData {
    ReportData {
        title: "Nothing yet".into(),
        campaign: None,
        attempts: vec![],
        verdicts: vec![],
        runs: vec![],
        baselines: vec![],
        settings: vec![],
        generated: Timestamp::from_unix_seconds(START),
    }
}

fn round(value: f64) -> f64 {
    (value * 1e7).round() / 1e7
}
