//! `outpace baseline check` and `accept`: whether the gains that a baseline counts are still there.

use anyhow::Result;
use outpace_gate::{Harness, machine_of};
use outpace_record::{Baseline, BaselineCheck, Block, Document};
use outpace_repo::{Commit, Repo};
use outpace_report::format::{bounds, count, gain};
use outpace_stats::{lower_bound, median, upper_bound};
use outpace_text::short;

use crate::exit::{ENVIRONMENT, OK, environment, usage};
use crate::options::{Measuring, Options};
use crate::report_data;
use crate::setup::{VERSION, config_of, context, lock, now, open_repo};
use crate::tracking::{Measured, beside, log_ratios};
use crate::ui::Terminal;

/// Most blocks of a check.
const MAX_BLOCKS: usize = 40;
/// A baseline counts as stale when the gain is proven to be below this share of what was proven:
/// the rest may be other hardware of the same class.
const KEPT: f64 = 0.5;

/// What is checked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Revision that holds the baselines.
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    rev: String,
    #[command(flatten)]
    measuring: Measuring,
}

/// Measures anchor and accepted revision beside each other.
pub(super) fn check(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let commit = repo.resolve(&args.rev)?;
    let config = config_of(&repo, &commit)?;
    let own = own(&repo, &commit, args, &machine_of(&config).class())?;
    let context = context(options)?;
    let _lock = lock(&repo, &context, &mut ui)?;
    let mut harness = Harness::new(&repo, &config, &context, VERSION);
    let mut code = OK;
    for baseline in own {
        let check = measure(&mut harness, &repo, &commit, &baseline, args, &mut ui)?;
        repo.history()
            .add("baseline-check", &check, check.finished)?;
        ui.clear();
        if !check.holds {
            code = ENVIRONMENT;
        }
        show(&check, args.measuring.json, &mut ui)?;
    }
    Ok(code)
}

/// Accepts what the last check found: gates go on.
pub(super) fn accept(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let commit = repo.resolve(&args.rev)?;
    let class = machine_of(&config_of(&repo, &commit)?).class();
    let checks: Vec<BaselineCheck> = crate::tracking::all(&repo, "baseline-check")?;
    for baseline in own(&repo, &commit, args, &class)? {
        let of = |check: &&BaselineCheck| {
            check.baseline == baseline.verdict && check.machine_class == class
        };
        let name = &baseline.workload;
        let Some(last) = checks.iter().rev().find(of) else {
            return Err(usage(format!(
                "{name}: nothing to accept. Hint: `outpace baseline check` measures first"
            )));
        };
        if last.holds || last.accepted {
            ui.say(
                "baseline",
                &format!("{name}: holds, or is accepted already"),
            );
            continue;
        }
        let accepted = BaselineCheck {
            accepted: true,
            blocks: Vec::new(),
            outpace_version: VERSION.into(),
            finished: now(),
            ..last.clone()
        };
        repo.history()
            .add("baseline-check", &accepted, accepted.finished)?;
        let text = "accepted; gates go on, and losses are held against the same anchor";
        ui.say("baseline", &format!("{name}: {text}"));
    }
    Ok(OK)
}

/// The baselines of this machine's class.
fn own(repo: &Repo, commit: &Commit, args: &Args, class: &str) -> Result<Vec<Baseline>> {
    let all = report_data::baselines(repo, &commit.tree)?;
    let names = &args.measuring.workloads;
    let wanted = |b: &Baseline| names.is_empty() || names.contains(&b.workload);
    let own: Vec<Baseline> = all
        .iter()
        .filter(|baseline| baseline.machine_class == class && wanted(baseline))
        .cloned()
        .collect();
    if !own.is_empty() {
        return Ok(own);
    }
    let mut others: Vec<String> = all.into_iter().map(|b| b.machine_class).collect();
    others.sort();
    others.dedup();
    let id = short(&commit.id);
    Err(match others.is_empty() {
        true => usage(format!(
            "{id} has no baseline. Hint: the first proven merge writes one"
        )),
        false => environment(format!(
            "{id} has no baseline for the class {class}; it has {}. Hint: the first proven merge \
             here writes one; machines that are alike can share a name: `[machine] class` in \
             outpace.toml",
            others.join(", ")
        )),
    })
}

fn measure(
    harness: &mut Harness<'_>,
    repo: &Repo,
    commit: &Commit,
    baseline: &Baseline,
    args: &Args,
    ui: &mut Terminal,
) -> Result<BaselineCheck> {
    let name = &baseline.workload;
    let anchor = repo.resolve(&baseline.anchor.commit).map_err(|_| {
        environment(format!(
            "{name}: the anchor {} is not in this clone. Hint: `git fetch --unshallow`",
            short(&baseline.anchor.commit)
        ))
    })?;
    let kept = (1.0 + baseline.at_least).ln() * KEPT;
    let alpha = harness.config.gate.alpha;
    let mut enough = |blocks: &[Block]| {
        let x = log_ratios(blocks);
        let above = lower_bound(&x, alpha).is_some_and(|low| low >= kept);
        let below = upper_bound(&x, alpha).is_some_and(|high| high < kept);
        above || below || blocks.len() >= MAX_BLOCKS
    };
    let pair = [&anchor, commit];
    let seed = args.measuring.seed();
    let blocks = match beside(harness, name, pair, &[], seed, &mut enough, ui)? {
        Measured::Timed { blocks, .. } => blocks,
        Measured::Known(_) => Vec::new(),
        Measured::Fails(failing) => {
            let why = failing.describe(pair);
            return Err(environment(format!(
                "{name}: the baseline cannot be checked: {why}"
            )));
        }
    };
    let x = log_ratios(&blocks);
    let high = upper_bound(&x, alpha);
    Ok(BaselineCheck {
        schema: BaselineCheck::SCHEMA.into(),
        workload: name.clone(),
        machine_class: baseline.machine_class.clone(),
        baseline: baseline.verdict.clone(),
        anchor: anchor.id.clone(),
        revision: commit.id.clone(),
        holds: !high.is_some_and(|high| high < kept),
        accepted: false,
        recorded_at_least: baseline.at_least,
        speedup: Some(median(&x).exp_m1()),
        at_least: lower_bound(&x, alpha).map(f64::exp_m1),
        at_most: high.map(f64::exp_m1),
        anchor_tokens_per_s: None,
        blocks,
        machine: harness.machine.clone(),
        seed,
        outpace_version: VERSION.into(),
        finished: now(),
    })
}

fn show(check: &BaselineCheck, json: bool, ui: &mut Terminal) -> Result<()> {
    if json {
        crate::out!("{}", serde_json::to_string(check)?);
        return Ok(());
    }
    let word = if check.holds { "holds" } else { "STALE" };
    let bounds = bounds(check.at_least, check.at_most);
    ui.result(&format!(
        "{:<10} {word}   {}{bounds} since the anchor {}; the baseline has at least {} as proven   {} blocks",
        check.workload,
        check.speedup.map_or(String::new(), gain),
        short(&check.anchor),
        gain(check.recorded_at_least),
        count(check.blocks.len() as f64)
    ));
    if !check.holds {
        ui.say(
            "",
            "the machine or its software changed: gates end with 5 until `outpace baseline accept`",
        );
    }
    Ok(())
}
