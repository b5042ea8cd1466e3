//! `outpace reproduce`: measures a recorded trial again, here, with its seeds.

use std::path::Path;

use anyhow::{Context as _, Result};
use outpace_gate::{GateError, Harness, Judge};
use outpace_record::{
    Document, Figures, GateRequest, Kind, Reproduction, RequestRule, Verdict, record_id,
};
use outpace_repo::{HistoryError, Repo};
use outpace_report::format::gain;
use outpace_text::short;

use crate::exit::{INTERRUPTED, NOT_PROVEN, OK, environment, usage};
use crate::options::Options;
use crate::setup::{VERSION, config_for, context, lock, open_repo};
use crate::ui::Terminal;
use crate::verdicts::record;

/// Measure a recorded trial again, with its seeds, and say whether it agrees.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace reproduce 4d2e7aa
  outpace reproduce baselines/proofs/4d2e7aa1.json --json

The orders and the workload's seeds are drawn from the recorded seed; the times are new. It agrees
when both bounds allow the same gain and neither verdict contradicts the other.

Exit codes: 0 it agrees, 1 it does not, 2 usage, 5 environment, 130 interrupted.")]
pub(crate) struct Args {
    /// Id of a verdict in the history or in baselines/proofs, or a file.
    verdict: String,
    /// Use this outpace.toml (a file, or that of a revision). Default: that of the trial's base.
    #[arg(long, value_name = "REV|FILE")]
    config: Option<String>,
    /// Print the result as JSON on stdout, and nothing else there.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(args.json);
    let (id, recorded) = find(&repo, &args.verdict)?;
    let request = request(&repo, &recorded)?;
    let base = repo.resolve(&request.base)?;
    let config = config_for(&repo, args.config.as_deref(), &base)?;
    ui.revision("base", &base);
    ui.say(
        "verdict",
        &format!("{}   {}", short(&id), figures(&Figures::of(&recorded))),
    );
    let context = context(options)?;
    let _lock = lock(&repo, &context, &mut ui)?;
    let mut harness = Harness::new(&repo, &config, &context, VERSION);
    let class = harness.machine.class();
    if class != recorded.machine_class {
        let other = &recorded.machine_class;
        ui.warn(&format!("it was measured on {other}; this is {class}"));
    }
    let now = match harness.judge(&request, &mut ui) {
        Ok(outcome) => outcome.verdicts.into_iter().next(),
        Err(GateError::Interrupted(partial)) => {
            record(&repo, &partial)?;
            return Ok(INTERRUPTED);
        }
        Err(error) => return Err(error.into()),
    };
    let now = now.ok_or_else(|| environment("the trial ended without a verdict"))?;
    record(&repo, std::slice::from_ref(&now))?;
    ui.clear();
    let reproduction = compare(id, &recorded, &now);
    if args.json {
        crate::out!("{}", serde_json::to_string(&reproduction)?);
    } else {
        show(&reproduction, &mut ui);
    }
    Ok(if reproduction.agrees { OK } else { NOT_PROVEN })
}

/// The verdict by its id, or from a file.
fn find(repo: &Repo, name: &str) -> Result<(String, Verdict)> {
    let json = if Path::new(name).is_file() {
        std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?
    } else {
        match repo.history().get(name) {
            Ok(json) => json,
            Err(HistoryError::Unknown { .. }) => proof(repo, name)?,
            Err(error) => return Err(error.into()),
        }
    };
    let verdict = Verdict::from_json(&json)
        .map_err(|error| usage(format!("{name} is not a verdict: {error}")))?;
    if verdict.n_blocks == 0 {
        return Err(usage(format!(
            "{name}: nothing was timed ({}), so there is nothing to reproduce",
            verdict.verdict.as_str()
        )));
    }
    Ok((record_id(json.as_bytes()), verdict))
}

/// A proof of the checked-out commit.
fn proof(repo: &Repo, name: &str) -> Result<String> {
    let tree = repo.resolve("HEAD")?.tree;
    let start = format!("baselines/proofs/{name}");
    let paths = repo.list(&tree, &["baselines/proofs/*.json".into()])?;
    let mut hits = paths.into_iter().filter(|path| path.starts_with(&start));
    let unknown = || {
        usage(format!(
            "no verdict has an id that begins with `{name}`. Hint: `outpace history list --kind \
             verdict`"
        ))
    };
    let path = hits.next().ok_or_else(unknown)?;
    let bytes = repo.read(&tree, &path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn request(repo: &Repo, verdict: &Verdict) -> Result<GateRequest> {
    let base = repo.resolve(&verdict.base).map_err(|_| {
        usage(format!(
            "the base {} is not in this clone. Hint: `git fetch --unshallow`, or fetch its branch",
            short(&verdict.base)
        ))
    })?;
    let commit = verdict
        .candidate
        .as_deref()
        .and_then(|id| repo.resolve(id).ok());
    let tree = verdict
        .candidate_tree
        .clone()
        .or(commit.map(|commit| commit.tree));
    let tree = tree.ok_or_else(|| usage("the verdict does not say which tree was measured"))?;
    let patch = repo.patch_between(&base.tree, &tree).map_err(|_| {
        usage(format!(
            "the measured tree {} is not in this clone. Hint: fetch the branch that it was merged \
             into, or apply the patch and run `outpace gate`",
            short(&tree)
        ))
    })?;
    Ok(GateRequest {
        schema: GateRequest::SCHEMA.into(),
        base: base.id,
        tree,
        candidate: verdict.candidate.clone(),
        patch: patch.text,
        title: verdict.title.clone(),
        agent: verdict.agent.clone(),
        workloads: vec![verdict.workload.clone()],
        rule: RequestRule {
            min_speedup: verdict.min_speedup,
            alpha: verdict.alpha,
            threshold: Some(verdict.threshold),
            screen: verdict.screen,
            max_blocks: verdict.max_blocks,
            margin: verdict.margin,
        },
        test: None,
        seed: verdict.seeds.trial,
        // It was within the policy, or compared without one; it is not merged again.
        policy: false,
        aa: true,
    })
}

fn compare(id: String, recorded: &Verdict, now: &Verdict) -> Reproduction {
    let (old, new) = (Figures::of(recorded), Figures::of(now));
    let (agrees, reason) = agreement(&old, &new);
    Reproduction {
        schema: Reproduction::SCHEMA.into(),
        verdict: id,
        agrees,
        reason,
        recorded: old,
        now: new,
    }
}

/// Whether one gain is possible by the bounds of both.
fn agreement(old: &Figures, new: &Figures) -> (bool, String) {
    if new.verdict == Kind::Rejected || old.verdict == Kind::Rejected {
        let agrees = new.verdict == old.verdict;
        let words = (old.verdict.as_str(), new.verdict.as_str());
        return (agrees, format!("it was {}, now it is {}", words.0, words.1));
    }
    let low = |f: &Figures| f.at_least.unwrap_or(f64::NEG_INFINITY);
    let high = |f: &Figures| f.at_most.unwrap_or(f64::INFINITY);
    if low(new) > high(old) {
        return (
            false,
            "it is faster now than the recorded bounds allow".into(),
        );
    }
    if high(new) < low(old) {
        return (
            false,
            "it is slower now than the recorded bounds allow".into(),
        );
    }
    let opposite = [(Kind::Faster, Kind::Slower), (Kind::Slower, Kind::Faster)];
    if opposite.contains(&(old.verdict, new.verdict)) {
        return (false, "the verdicts contradict each other".into());
    }
    (true, "both bounds allow the same gain".into())
}

fn figures(figures: &Figures) -> String {
    let bound = |word: &str, bound: Option<f64>| {
        bound.map_or(String::new(), |bound| {
            format!(", at {word} {}", gain(bound))
        })
    };
    format!(
        "{} {}{}{}   {} blocks",
        figures.verdict.as_str(),
        figures.speedup.map_or(String::new(), gain),
        bound("least", figures.at_least),
        bound("most", figures.at_most),
        figures.n_blocks
    )
}

fn show(reproduction: &Reproduction, ui: &mut Terminal) {
    ui.result(&format!("recorded   {}", figures(&reproduction.recorded)));
    ui.result(&format!("now        {}", figures(&reproduction.now)));
    let word = if reproduction.agrees {
        "AGREES"
    } else {
        "does not agree"
    };
    ui.result(&format!("{word}: {}", reproduction.reason));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(verdict: Kind, bounds: [f64; 2]) -> Figures {
        Figures {
            verdict,
            speedup: Some(0.0),
            at_least: Some(bounds[0]),
            at_most: Some(bounds[1]),
            n_blocks: 9,
            machine_class: String::new(),
        }
    }

    #[test]
    fn it_agrees_where_the_bounds_overlap_and_the_verdicts_do_not_contradict() {
        let old = figures(Kind::Faster, [0.02, 0.05]);
        let check = |new: Figures, agrees: bool| {
            let (found, reason) = agreement(&old, &new);
            assert_eq!(found, agrees, "{reason}");
        };
        check(figures(Kind::Faster, [0.03, 0.06]), true);
        check(figures(Kind::NotProven, [-0.01, 0.03]), true);
        check(figures(Kind::Faster, [0.051, 0.06]), false);
        check(figures(Kind::NotProven, [-0.01, 0.019]), false);
        check(figures(Kind::Slower, [-0.05, 0.03]), false);
        check(figures(Kind::Rejected, [0.02, 0.05]), false);
        let mut open = figures(Kind::Faster, [0.0; 2]);
        (open.at_least, open.at_most) = (None, None);
        check(open, true);
    }
}
