//! What `outpace bench` prints of a run.

use anyhow::Result;
use outpace_record::{Baseline, Document, Run};
use outpace_repo::Repo;
use outpace_report::format::{bounds, count, gain};
use outpace_text::{counted, plain, short};

use super::tally::Tally;
use crate::ui::Terminal;

/// One line a run; for a single revision the baseline too.
pub(super) fn run(repo: &Repo, run: &Run, range: bool, ui: &mut Terminal) -> Result<()> {
    let (name, id) = (&run.workload, short(&run.commit));
    let what = if range {
        plain(&run.summary, 48)
    } else {
        String::new()
    };
    let line = format!("{name:<10} {id}  {}   {what}", ratio(run));
    ui.result(line.trim_end());
    if !range {
        baseline(repo, run, ui)?;
    }
    Ok(())
}

/// Throughput, and the ratio to the anchor with its bounds.
pub(super) fn ratio(run: &Run) -> String {
    let speed = match run.tokens_per_s {
        Some(tokens) => format!("{:>9} tokens/s", count(tokens)),
        None => format!("{:>9.2} ms a step", run.step_time_s * 1e3),
    };
    let Some(beside) = &run.beside else {
        return speed;
    };
    if let Some(same) = &beside.same_as {
        return format!("{speed}   the artefact of {}", short(same));
    }
    let bounds = bounds(beside.at_least, beside.at_most);
    let (speedup, anchor) = (gain(beside.speedup), short(&beside.anchor));
    format!("{speed}   {speedup}{bounds} beside {anchor}")
}

fn baseline(repo: &Repo, run: &Run, ui: &mut Terminal) -> Result<()> {
    let commit = repo.resolve(&run.commit)?;
    let path = Baseline::path(&run.machine_class, &run.workload);
    let Some(bytes) = repo.read(&commit.tree, &path)? else {
        ui.say("baseline", "none for this machine class");
        return Ok(());
    };
    let baseline = Baseline::from_json(&String::from_utf8_lossy(&bytes))?;
    if let Some(tokens) = run.tokens_per_s {
        let change = tokens / baseline.tokens_per_s - 1.0;
        let accepted = count(baseline.tokens_per_s);
        let text = format!(
            "{accepted} tokens/s; now {} (a trend, not evidence)",
            gain(change)
        );
        ui.say("baseline", &text);
    }
    Ok(())
}

/// What became of the range.
pub(super) fn end(tally: Tally, range: bool, ui: &mut Terminal) {
    let mut parts = vec![format!("{} measured", tally.measured)];
    for (n, what) in [
        (tally.copied, "with an artefact that was"),
        (tally.failed, "failed and passed over"),
        (tally.done_before, "in the history already"),
        (tally.failed_before, "failed before (--missing tries again)"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    let recorded = tally.measured + tally.copied + tally.failed;
    ui.say(
        "recorded",
        &format!("{} in the history", counted(recorded, "record")),
    );
    if range {
        ui.say("done", &parts.join(", "));
        ui.say(
            "",
            "`outpace regressions` looks for slowdowns, `outpace report --history` plots",
        );
    }
}
