//! What a campaign says of itself before and after, and where its report goes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use outpace_record::{Attempt, Campaign, CampaignState, Event, Kind, Observer, Track};
use outpace_repo::Repo;
use outpace_report::format::{count, duration, gain};
use outpace_report::{Formats, campaign_headline, shell_word};

use super::Args;
use super::begin::Plan;
use crate::report_data;
use crate::ui::Terminal;
use crate::ui::campaign::heading;

/// What is about to be done, and what was tried before.
pub(super) fn introduce(ui: &mut Terminal, campaign: &Campaign, attempts: &[Attempt], plan: &Plan) {
    let machine = campaign.machine.describe();
    ui.say(
        "machine",
        &format!("{machine}   sandbox {}", campaign.sandbox_tier.as_str()),
    );
    ui.revision("base", &plan.base);
    let limit = match (campaign.budget_s, campaign.max_experiments) {
        (Some(s), Some(n)) => format!("{} or {n} attempts", duration(s)),
        (Some(s), None) => duration(s),
        (None, Some(n)) => format!("{n} attempts"),
        (None, None) => "until Ctrl-C".into(),
    };
    let left = campaign
        .budget_s
        .map(|s| format!(", {} used", duration(campaign.used_s.min(s))))
        .unwrap_or_default();
    ui.say(
        "campaign",
        &format!(
            "{}   agent {}   {}   into {}   {limit}{left}",
            campaign.id,
            campaign.agent,
            campaign.workloads.join(", "),
            campaign.into
        ),
    );
    if campaign.agent == "tune" {
        let tried = || {
            plan.config
                .tunable
                .iter()
                .filter(|t| t.is_for(&campaign.workloads))
        };
        ui.say(
            "tune",
            &format!(
                "{} values of {} tunables",
                tried().map(|t| t.values.len()).sum::<usize>(),
                tried().count()
            ),
        );
    }
    ui.result(&heading());
    let settled = |a: &&Attempt| a.verdict != Kind::Faster || a.merged.is_some();
    for attempt in attempts.iter().filter(settled) {
        ui.on(&Event::AttemptEnded {
            attempt: Box::new(attempt.clone()),
        });
    }
}

/// Writes the report and says how the campaign went.
pub(super) fn conclude(
    repo: &Repo,
    args: &Args,
    campaign: &Campaign,
    attempts: &[Attempt],
    ui: &mut Terminal,
) -> Result<()> {
    let dir = report_dir(repo, args.out.clone(), &campaign.id);
    let data = report_data::gather(repo, Some((campaign.clone(), attempts.to_vec())))?;
    let formats = Formats {
        html: true,
        markdown: true,
        json: true,
        png: false,
    };
    report_data::write(&dir, &data, &formats)?;
    if args.measuring.json {
        crate::out!("{}", outpace_report::json(&data));
    } else {
        totals(ui, campaign, attempts);
        next_steps(ui, campaign, attempts, &dir);
    }
    Ok(())
}

fn totals(ui: &mut Terminal, campaign: &Campaign, attempts: &[Attempt]) {
    let number = |kind: Kind| attempts.iter().filter(|a| a.verdict == kind).count();
    let merged: Vec<&Attempt> = attempts.iter().filter(|a| a.merged.is_some()).collect();
    let mut parts = vec![format!(
        "{} tried, {} merged, {} rejected",
        attempts.len(),
        merged.len(),
        number(Kind::Rejected)
    )];
    let to_loss = |a: &&Attempt| {
        a.main_verdict()
            .is_some_and(|v| v.track == Track::TimeToLoss)
    };
    if merged.iter().any(to_loss) {
        parts.push(campaign_headline(campaign, attempts));
        return ui.result(&parts.join("   "));
    }
    let product = |f: &dyn Fn(&Attempt) -> f64| merged.iter().map(|a| 1.0 + f(a)).product::<f64>();
    // With several workloads these figures are those of the first one: gains of different workloads
    // are not chained.
    let of = match &campaign.workloads[..] {
        [first, _, ..] => format!(" on {first}"),
        _ => String::new(),
    };
    if let (Some(start), false) = (campaign.start_tokens_per_s, merged.is_empty()) {
        let estimate = product(&|a| a.main_verdict().and_then(|v| v.speedup).unwrap_or(0.0));
        parts.push(format!(
            "{} -> {} tokens/s{of}",
            count(start),
            count(start * estimate)
        ));
        let bound = |a: &&Attempt| a.main_verdict().and_then(|v| v.at_least);
        let bounds: Option<Vec<f64>> = merged.iter().map(bound).collect();
        if let Some(bounds) = bounds {
            let proven = bounds.iter().map(|b| 1.0 + b).product::<f64>();
            parts.push(format!(
                "proven at least {} since the start{of}",
                gain(proven - 1.0)
            ));
        }
    }
    ui.result(&parts.join("   "));
}

fn next_steps(ui: &mut Terminal, campaign: &Campaign, attempts: &[Attempt], dir: &Path) {
    if let Some(reason) = &campaign.stopped_because {
        ui.say("stopped", reason);
    }
    if campaign.state == CampaignState::Interrupted {
        ui.say("resume with:", "outpace research --resume");
    }
    if attempts.iter().any(|attempt| attempt.merged.is_some()) {
        let into = shell_word(&campaign.into);
        ui.say("to merge:", &format!("git merge --ff-only {into}"));
    }
    ui.result(&format!("report {}", dir.join("index.html").display()));
}

/// Where a campaign's report goes: nothing that git would show as new.
pub(crate) fn report_dir(repo: &Repo, asked: Option<PathBuf>, id: &str) -> PathBuf {
    asked.unwrap_or_else(|| {
        let visible = format!("reports/{id}");
        if repo.ignores(&format!("{visible}/index.html")) {
            return repo.root().join(visible);
        }
        repo.state_dir().join("campaigns").join(id).join("report")
    })
}
