//! An example of each document, with every key.

use std::collections::BTreeMap;

use outpace_record::{
    Anchor, Attempt, Audit, AuditedCommit, Baseline, BaselineCheck, Baselines, Beside, Bisection,
    BisectionStep, Blessing, Block, Bridge, Campaign, CampaignState, Change, ChangeState, Check,
    CiResult, Doctor, Document, Event, EventLine, Failure, Figures, Forecast, FoundChange,
    GateRequest, GpuConditions, HistoryEntry, ImportedFigure, Judgement, Kind, LossCurve,
    LossTarget, Machine, Operation, PatchStat, Peaks, Profile, Regressions, Report, ReportSummary,
    Reproduction, RequestRule, Role, Run, SandboxTier, SeedNoise, SeedRun, Seeds, Setting, Stage,
    Test, TestIndex, TestResult, Timestamp, TokensPerS, Track, Verdict,
};
use serde_json::Value;

/// Examples of the documents of one name.
pub(crate) fn examples(name: &str) -> Vec<Value> {
    match name {
        "attempt" => vec![json(&attempt())],
        "audit" => vec![json(&audit())],
        "baseline" => vec![json(&baseline())],
        "baseline-check" => vec![json(&baseline_check())],
        "baselines" => vec![json(&baselines())],
        "bisection" => vec![json(&bisection())],
        "blessing" => vec![json(&blessing())],
        "campaign" => vec![json(&campaign())],
        "change" => vec![json(&change())],
        "ci-result" => vec![json(&ci_result())],
        "doctor" => vec![json(&doctor())],
        "entry" => vec![json(&entry())],
        "event" => events().into_iter().map(event_line).collect(),
        "failure" => vec![json(&failure())],
        "imported" => vec![json(&imported())],
        "judgement" => vec![json(&judgement())],
        "profile" => vec![json(&profile())],
        "regressions" => vec![json(&regressions())],
        "report" => vec![json(&report())],
        "reproduction" => vec![json(&reproduction())],
        "request" => vec![json(&request())],
        "run" => vec![json(&run())],
        "test" => vec![json(&test())],
        "test-result" => vec![json(&test_result())],
        "verdict" => vec![json(&verdict())],
        _ => panic!("no example of {name}"),
    }
}

/// As it is stored, and as it is read again.
fn json<D: Document + PartialEq + std::fmt::Debug>(document: &D) -> Value {
    let text = document.to_json();
    assert_eq!(&D::from_json(&text).unwrap(), document);
    serde_json::from_str(&text).unwrap()
}

fn text(what: &str) -> String {
    what.to_owned()
}

fn when() -> Timestamp {
    Timestamp::from_unix_seconds(1_779_179_400)
}

fn machine() -> Machine {
    Machine {
        cpu: text("Example CPU"),
        cpus: 2,
        cpu_signature: text("6/143/8"),
        simd: vec![text("avx2")],
        arch: text("x86_64"),
        os: text("Linux 6.8"),
        memory_mib: 16_000,
        hypervisor: Some(text("kvm")),
        governor: Some(text("performance")),
        huge_pages: Some(text("madvise")),
        gpus: vec![text("Example GPU")],
        label: Some(text("gpu-ci")),
    }
}

fn gpu() -> GpuConditions {
    let range = Some([1.0, 2.0, 3.0]);
    GpuConditions {
        device: text("GPU-1"),
        side: Some(text("base")),
        samples: 10,
        sm_mhz: range,
        memory_mhz: range,
        power_w: range,
        temperature_c: range,
        memory_mib: range,
        throttled: Some(BTreeMap::from([(text("heat"), 0.5)])),
    }
}

fn block() -> Block {
    let both = Some([0.1, 0.2]);
    Block {
        warmup_s: Some([0.05, 0.06]),
        exit_s: Some([0.01, 0.02]),
        save_s: Some([0.1, 0.11]),
        pairs: vec![[0.05, 0.04], [0.05, 0.05]],
        ready_s: both,
        wall_s: both,
        idle_cpu_s: both,
        peak_mib: both,
        idle_gpu: both,
        gpus: vec![gpu()],
    }
}

fn check() -> Check {
    Check {
        name: text("losses"),
        passed: true,
        value: Some(1e-7),
        allowed: Some(1e-6),
        detail: text("step 3"),
    }
}

fn curve() -> LossCurve {
    LossCurve {
        every: 8,
        losses: vec![Some(2.5), None],
        stopped: true,
        seconds: vec![0.1, 0.2],
        ready_s: Some(0.25),
        asked_s: vec![0.05, 0.07],
        checkpoints_from: Some(1),
        opened_s: vec![0.02],
    }
}

fn verdict() -> Verdict {
    Verdict {
        target: Some(LossTarget {
            target_loss: 1.95,
            max_steps: 800,
            evaluate_every: 8,
            tokens: 4096,
            equal_steps: false,
            confirmed_steps: false,
        }),
        runs: vec![SeedRun {
            model_seed: 1,
            data_seed: 2,
            text_seed: 3,
            base: curve(),
            candidate: curve(),
        }],
        earlier_seeds: 1,
        schema: Verdict::SCHEMA.into(),
        verdict: Kind::Faster,
        reason: text("gain proven above the minimum"),
        speedup: Some(0.05),
        at_least: Some(0.03),
        at_most: Some(0.07),
        log_e: Some(5.0),
        threshold: 100.0,
        alpha: 0.01,
        min_speedup: 0.005,
        max_blocks: 100,
        bound_blocks: Some(12),
        earlier_blocks: 1,
        earlier_runs: 1,
        continues: Some(text("9f8e7d")),
        test: Some(test_index()),
        steps_per_run: Some(10_000),
        screen: true,
        sum_threshold: Some(20.0),
        margin: Some(0.01),
        blocks: vec![block()],
        alone: vec![block()],
        n_blocks: 1,
        workload: text("w"),
        track: Track::TimeToLoss,
        base: text("8c1f0e2"),
        candidate: Some(text("8c1f0e3")),
        candidate_tree: Some(text("8c1f0e4")),
        patch_sha256: Some(text("ab")),
        patch: Some(PatchStat {
            files: vec![text("src/lib.rs")],
            added: 1,
            removed: 2,
        }),
        title: text("tile of 16"),
        agent: Some(text("tune")),
        artefacts: Some([text("a"), text("b")]),
        machine_class: text("m"),
        machine: machine(),
        sandbox_tier: SandboxTier::Landlock,
        checks: vec![check()],
        seeds: Seeds {
            trial: 7,
            model: vec![1],
            data: vec![2],
        },
        steps_per_turn: 4,
        warmup_turns: 2,
        overhead: Some(0.1),
        outpace_version: text("0.1.0"),
        started: when(),
        finished: when(),
        trial_s: Some(10.0),
        tokens_per_s: Some(TokensPerS {
            base: 100.0,
            candidate: 105.0,
        }),
    }
}

fn attempt() -> Attempt {
    Attempt {
        schema: Attempt::SCHEMA.into(),
        campaign: text("20260519-083000"),
        number: 1,
        agent: text("tune"),
        title: text("tile of 16"),
        verdict: Kind::NotProven,
        reason: text("screened out"),
        tested: Some(1),
        merges_before: 0,
        base: text("8c1f0e2"),
        merged: Some(text("8c1f0e3")),
        patch_sha256: Some(text("ab")),
        diff: text("--- a\n+++ b\n"),
        tree: Some(text("8c1f0e4")),
        verdict_ids: vec![text("cd")],
        verdicts: vec![verdict()],
        propose_s: 1.0,
        build_s: 2.0,
        check_s: 3.0,
        total_s: 20.0,
        at_s: 30.0,
        finished: when(),
    }
}

fn campaign() -> Campaign {
    Campaign {
        schema: Campaign::SCHEMA.into(),
        id: text("20260519-083000"),
        agent: text("replay"),
        patches: Some(text("A..B")),
        workloads: vec![text("w")],
        into: text("outpace/main"),
        start: text("8c1f0e2"),
        start_summary: text("begin"),
        budget_s: Some(600.0),
        max_experiments: Some(10),
        used_s: 60.0,
        state: CampaignState::Interrupted,
        stopped_because: Some(text("Ctrl-C")),
        fdr: 0.05,
        alpha: 0.01,
        min_speedup: 0.005,
        max_blocks: Some(48),
        seed: 7,
        seed_was_given: true,
        start_tokens_per_s: Some(100.0),
        machine_class: text("m"),
        machine: machine(),
        sandbox_tier: SandboxTier::Bubblewrap,
        aa_sd: Some(0.01),
        outpace_version: text("0.1.0"),
        started: when(),
        updated: when(),
    }
}

fn ci_result() -> CiResult {
    CiResult {
        schema: CiResult::SCHEMA.into(),
        exit_code: 3,
        required: text("not-slower"),
        verdicts: vec![verdict()],
    }
}

fn audit() -> Audit {
    Audit {
        schema: Audit::SCHEMA.into(),
        holds: false,
        commits: vec![AuditedCommit {
            commit: text("8c1f0e2"),
            summary: text("tile of 16"),
            verdicts: vec![text("cd")],
            note: Some(text("squashed")),
            findings: vec![text("the bound differs")],
        }],
    }
}

fn baseline() -> Baseline {
    Baseline {
        schema: Baseline::SCHEMA.into(),
        workload: text("w"),
        machine_class: text("m"),
        machine: machine(),
        base: text("8c1f0e2"),
        patch_sha256: text("ab"),
        verdict: text("cd"),
        tokens_per_s: 105.0,
        anchor: Anchor {
            commit: text("8c1f0e1"),
            tokens_per_s: 100.0,
        },
        merges: 1,
        speedup: 0.05,
        at_least: 0.03,
        updated: when(),
    }
}

fn baselines() -> Baselines {
    Baselines {
        schema: Baselines::SCHEMA.into(),
        machine_class: text("m"),
        baselines: vec![baseline()],
    }
}

fn doctor() -> Doctor {
    Doctor {
        schema: Doctor::SCHEMA.into(),
        machine_class: text("m"),
        machine: machine(),
        sandbox_tier: SandboxTier::None,
        sandbox: vec![text("landlock: it holds")],
        gpus: vec![gpu()],
        workload: Some(text("w")),
        aa_sd: Some(0.01),
        aa_blocks: 8,
        aa_log_ratios: vec![0.001, -0.002],
        peak_flops_per_s: Some(1e11),
        copy_bytes_per_s: Some(1e10),
        aa_placement: Some(text("shared")),
        aa_conditions: Some(text("not throttled")),
        block_s: Some(2.0),
        overhead: Some(0.1),
        seeds: Some(SeedNoise {
            seeds: 5,
            reached: 5,
            steps: Some(450.0),
            steps_sd: Some(0.02),
            run_s: 3.5,
        }),
        forecast: vec![Forecast {
            speedup: 0.05,
            blocks: Some(12),
            seconds: Some(24.0),
        }],
        advice: vec![text("set the governor")],
        outpace_version: text("0.1.0"),
    }
}

fn entry() -> HistoryEntry {
    HistoryEntry {
        schema: HistoryEntry::SCHEMA.into(),
        id: text("cd"),
        kind: text("run"),
        date: text("2026-05-19"),
    }
}

fn judgement() -> Judgement {
    Judgement {
        schema: Judgement::SCHEMA.into(),
        verdict: Kind::Slower,
        reason: text("proven slower than the base"),
        n_blocks: 8,
        log_e: -2.0,
        speedup: -0.05,
        at_least: Some(-0.07),
        at_most: Some(-0.03),
        warnings: vec![text("only 3 distinct times occur")],
    }
}

fn profile() -> Profile {
    Profile {
        schema: Profile::SCHEMA.into(),
        step_time_s: 0.05,
        tokens_per_s: Some(100.0),
        page_faults_per_step: Some(0.0),
        peak_memory_bytes: Some(1 << 30),
        peaks: Some(Peaks {
            matmul_flops_per_s: 1e11,
            copy_bytes_per_s: 1e10,
        }),
        operations: vec![Operation {
            name: text("attention.forward"),
            seconds_per_step: 0.01,
            share: 0.2,
            flops: Some(1e9),
            bytes: Some(1e8),
            share_of_limit: Some(0.5),
        }],
    }
}

fn run() -> Run {
    Run {
        schema: Run::SCHEMA.into(),
        workload: text("w"),
        commit: text("8c1f0e2"),
        summary: text("begin"),
        committed: Some(when()),
        beside: Some(beside()),
        turns_s: vec![vec![0.05, 0.06]],
        steps_per_turn: 4,
        step_time_s: 0.05,
        tokens_per_s: Some(100.0),
        process_sd: 0.01,
        ready_s: 0.2,
        peak_mib: 50.0,
        loss: Some(5.0),
        artefact: text("a"),
        machine_class: text("m"),
        machine: machine(),
        sandbox_tier: SandboxTier::None,
        seed: 7,
        outpace_version: text("0.1.0"),
        started: when(),
        finished: when(),
    }
}

fn beside() -> Beside {
    Beside {
        anchor: text("8c1f0e3"),
        bridge: Some(Bridge {
            first: text("8c1f0e4"),
            log_ratio: 0.02,
            sd: 0.003,
        }),
        speedup: 0.05,
        at_least: Some(0.04),
        at_most: Some(0.06),
        alpha: 0.01,
        sd: 0.002,
        anchor_step_time_s: 0.06,
        anchor_tokens_per_s: Some(90.0),
        anchor_artefact: text("b"),
        same_as: Some(text("8c1f0e5")),
        n_blocks: 1,
        blocks: vec![block()],
    }
}

fn failure() -> Failure {
    Failure {
        schema: Failure::SCHEMA.into(),
        workload: text("w"),
        commit: text("8c1f0e2"),
        summary: text("break it"),
        committed: Some(when()),
        machine_class: text("m"),
        stage: Stage::Build,
        reason: text("no rule to make target"),
        outpace_version: text("0.1.0"),
        finished: when(),
    }
}

fn change() -> Change {
    Change {
        schema: Change::SCHEMA.into(),
        workload: text("w"),
        machine_class: text("m"),
        series: text("8c1f0e3"),
        before: text("8c1f0e4"),
        after: text("8c1f0e5"),
        summary: text("slow it down"),
        state: ChangeState::Proven,
        test_index: 3,
        alpha: 0.002,
        found: -0.05,
        speedup: Some(-0.048),
        at_least: Some(-0.06),
        at_most: Some(-0.04),
        blocks: vec![block()],
        reason: text("slower by at least 1 %"),
        seed: 7,
        machine: machine(),
        outpace_version: text("0.1.0"),
        finished: when(),
    }
}

fn test_index() -> TestIndex {
    TestIndex {
        branch: text("outpace/main"),
        index: 3,
        discoveries: 1,
        fdr: 0.05,
        campaign: Some(text("c")),
    }
}

fn test() -> Test {
    Test {
        schema: Test::SCHEMA.into(),
        test: Some(test_index()),
        base_tree: text("8c1f0e5"),
        tree: text("9f8e7d"),
        workload: text("w"),
        machine_class: text("c"),
        min_speedup: 0.005,
        margin: Some(0.01),
        started: when(),
        seed: 7,
    }
}

fn test_result() -> TestResult {
    TestResult {
        schema: TestResult::SCHEMA.into(),
        test: text("8c1f0e5"),
        verdict: Kind::Faster,
        record: text("9f8e7d"),
        finished: when(),
    }
}

fn blessing() -> Blessing {
    Blessing {
        schema: Blessing::SCHEMA.into(),
        commit: text("8c1f0e5"),
        workload: Some(text("w")),
        accepted: true,
        number: 2,
        reason: text("more accurate"),
        by: text("A U Thor"),
        finished: when(),
    }
}

fn bisection() -> Bisection {
    Bisection {
        schema: Bisection::SCHEMA.into(),
        workload: text("w"),
        machine_class: text("m"),
        good: text("8c1f0e3"),
        bad: text("8c1f0e5"),
        n_commits: 2,
        speedup: -0.05,
        at_least: Some(-0.06),
        at_most: Some(-0.04),
        proven: true,
        steps: vec![BisectionStep {
            commit: text("8c1f0e4"),
            answer: text("good"),
            speedup: Some(0.001),
            n_blocks: 9,
            reason: text("none"),
        }],
        found: vec![text("8c1f0e5")],
        summary: text("slow it down"),
        confirmed: Some(-0.05),
        confirmed_at_most: Some(-0.04),
        alpha: 0.01,
        seed: 7,
        outpace_version: text("0.1.0"),
        started: when(),
        finished: when(),
    }
}

fn reproduction() -> Reproduction {
    let figures = Figures::of(&verdict());
    Reproduction {
        schema: Reproduction::SCHEMA.into(),
        verdict: text("id"),
        agrees: true,
        reason: text("the intervals overlap"),
        recorded: figures.clone(),
        now: figures,
    }
}

fn baseline_check() -> BaselineCheck {
    BaselineCheck {
        schema: BaselineCheck::SCHEMA.into(),
        workload: text("w"),
        machine_class: text("m"),
        baseline: text("id"),
        anchor: text("8c1f0e3"),
        revision: text("8c1f0e5"),
        holds: false,
        accepted: true,
        recorded_at_least: 0.1,
        speedup: Some(0.05),
        at_least: Some(0.04),
        at_most: Some(0.06),
        anchor_tokens_per_s: Some([100.0, 90.0]),
        blocks: vec![block()],
        machine: machine(),
        seed: 7,
        outpace_version: text("0.1.0"),
        finished: when(),
    }
}

fn imported() -> ImportedFigure {
    ImportedFigure {
        schema: ImportedFigure::SCHEMA.into(),
        tool: text("hyperfine"),
        series: text("sleep 1"),
        machine: text("laptop"),
        value: 1.01,
        sd: Some(0.002),
        n_samples: 10,
        unit: text("s"),
        smaller_is_better: true,
        commit: Some(text("8c1f0e5")),
        summary: text("slow it down"),
        committed: Some(when()),
        finished: when(),
    }
}

fn regressions() -> Regressions {
    Regressions {
        schema: Regressions::SCHEMA.into(),
        alarms: 1,
        changes: vec![FoundChange {
            workload: text("w"),
            machine_class: text("m"),
            before: text("8c1f0e3"),
            after: text("8c1f0e5"),
            n_commits: 2,
            summary: text("slow it down"),
            found: -0.05,
            standing: text("regression"),
            speedup: Some(-0.05),
            at_most: Some(-0.04),
            named: Some(text("8c1f0e5")),
        }],
    }
}

fn report() -> Report {
    Report {
        schema: Report::SCHEMA.into(),
        title: text("A night"),
        generated: when(),
        summary: Some(ReportSummary {
            tried: 10,
            merged: 2,
            rejected: 1,
            start: 100.0,
            end: 110.0,
            unit: text("tokens/s"),
            speedup: 0.1,
            at_least: 0.06,
        }),
        campaign: Some(campaign()),
        attempts: vec![attempt()],
        verdicts: vec![verdict()],
        runs: vec![run()],
        baselines: vec![baseline()],
        settings: vec![Setting {
            name: text("alpha"),
            value: text("0.01"),
        }],
    }
}

fn request() -> GateRequest {
    GateRequest {
        schema: GateRequest::SCHEMA.into(),
        base: text("8c1f0e2"),
        tree: text("8c1f0e4"),
        candidate: Some(text("8c1f0e3")),
        patch: text("--- a\n+++ b\n"),
        title: text("tile of 16"),
        agent: Some(text("tune")),
        workloads: vec![text("w")],
        rule: RequestRule {
            min_speedup: 0.005,
            alpha: 0.01,
            threshold: Some(250.0),
            screen: true,
            max_blocks: 48,
            margin: Some(0.01),
        },
        test: Some(test_index()),
        seed: 7,
        policy: true,
        aa: true,
    }
}

fn event_line(event: Event) -> Value {
    json(&EventLine {
        schema: EventLine::SCHEMA.into(),
        elapsed_s: 1.5,
        event,
    })
}

/// One of each kind.
fn events() -> Vec<Event> {
    let workload = || text("w");
    vec![
        Event::Waiting {
            does: text("times w"),
            pid: Some(7),
            repository: Some(text("/repo")),
            since: Some(when()),
        },
        Event::PolicyChecked {
            refused: Some(text("src/judge.rs is not editable")),
        },
        Event::BuildStarted {
            workload: workload(),
            role: Role::Base,
        },
        Event::BuildEnded {
            workload: workload(),
            role: Role::Anchor,
            seconds: 2.0,
        },
        Event::ArtefactsCompared {
            workload: workload(),
            same: false,
        },
        Event::CheckStarted {
            workload: workload(),
            steps: 20,
        },
        Event::CheckEnded {
            workload: workload(),
            steps: 20,
            checks: vec![check()],
        },
        Event::PilotStarted {
            workload: workload(),
        },
        Event::PilotEnded {
            workload: workload(),
            steps_per_turn: 4,
            warmup_turns: 2,
            pairs: 40,
            block_s: 2.0,
            gpus: Some(text("shared")),
        },
        Event::Block {
            workload: workload(),
            n_blocks: 3,
            log_e: 1.0,
            threshold: 100.0,
            sums: Some((0.5, 20.0)),
            speedup: 0.05,
            at_least: Some(0.01),
            left_s: Some(10.0),
        },
        Event::IsolatedBlock {
            workload: workload(),
            n_blocks: 3,
            log_e: 1.0,
            threshold: 20.0,
        },
        Event::SeedsStarted {
            workload: workload(),
            target: 1.95,
            screening: true,
        },
        Event::LossPoint {
            workload: workload(),
            seed: 3,
            role: Role::Candidate,
            step: 120,
            loss: 2.1,
            target: 1.95,
        },
        Event::Seed {
            workload: workload(),
            n_seeds: 3,
            log_e: 1.0,
            threshold: 100.0,
            steps: [Some(354.0), None],
            speedup: Some(0.4),
        },
        Event::NoiseStarted {
            workload: workload(),
            blocks: 8,
        },
        Event::SideBlock {
            workload: workload(),
            n_blocks: 3,
            log_ratio: 0.001,
            block_s: 1.5,
        },
        Event::CommitStarted {
            workload: workload(),
            commit: text("8c1f0e2"),
            summary: text("begin"),
            number: 2,
            of: 30,
            left_s: Some(600.0),
        },
        Event::CommitEnded {
            workload: workload(),
            commit: text("8c1f0e2"),
            result: text("+1.0 %"),
            measured: true,
        },
        Event::ProcessTimed {
            workload: workload(),
            n_processes: 1,
            of: 5,
            step_s: 0.05,
        },
        Event::Judged {
            workload: workload(),
            verdict: Kind::Faster,
        },
        Event::BranchMoved {
            branch: text("main"),
            now: text("8c1f0e5"),
        },
        Event::ProposalStarted {
            number: 1,
            agent: text("tune"),
        },
        Event::AttemptStarted {
            number: 1,
            title: text("tile of 16"),
        },
        Event::AttemptEnded {
            attempt: Box::new(attempt()),
        },
        Event::Note {
            text: text("nothing to do"),
        },
    ]
}
