//! One record, and how a verdict was reached.

use anyhow::Result;
use outpace_record::{Document, Verdict};
use outpace_repo::History;
use outpace_report::format::gain;
use outpace_text::short;

use crate::options::Options;
use crate::ui::Terminal;

/// A verdict goes on from so many others at most, whatever the records say.
const MOST_RUNS: usize = 1000;

pub(super) fn run(options: &Options, history: &History<'_>, id: &str) -> Result<()> {
    let json = history.get(id)?;
    crate::out!("{}", json.trim_end());
    if let Ok(verdict) = Verdict::from_json(&json) {
        tell_runs(&mut Terminal::new(options), history, verdict);
    }
    Ok(())
}

/// A line a run, oldest first, where there are several; and the error budget.
fn tell_runs(ui: &mut Terminal, history: &History<'_>, verdict: Verdict) {
    if let Some(test) = &verdict.test {
        ui.say(
            "budget",
            &format!(
                "number {} that was timed for {}, {} proven before: an e-value of {:.0}",
                test.index, test.branch, test.discoveries, verdict.threshold
            ),
        );
    }
    let mut runs = vec![verdict];
    while let Some(before) = runs.last().and_then(|run| run.continues.clone())
        && runs.len() < MOST_RUNS
    {
        let json = history.get(&before);
        match json.ok().and_then(|json| Verdict::from_json(&json).ok()) {
            Some(run) => runs.push(run),
            None => {
                ui.say("run", &format!("{} is not in this history", short(&before)));
                break;
            }
        }
    }
    if runs.len() < 2 {
        return;
    }
    for run in runs.iter().rev() {
        let new = run.n_blocks.saturating_sub(run.earlier_blocks);
        ui.say(
            "run",
            &format!(
                "{}   {new} blocks, {} in all: {}, e-value {:.1} of {:.0}, {}",
                run.finished.date(),
                run.n_blocks,
                gain(run.speedup.unwrap_or(0.0)),
                run.log_e.unwrap_or(0.0).exp(),
                run.threshold,
                run.verdict.as_str()
            ),
        );
    }
}
