//! `outpace history prune`: which samples are old enough to go, and what stays of a record.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use outpace_record::Timestamp;
use outpace_repo::{Entry, Repo};
use serde_json::Value;

use crate::options::Options;
use crate::ui::Terminal;

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// What is old.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the samples of records that are at most so many days old.
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    older_than: u64,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(options: &Options, repo: &Repo, args: &Args) -> Result<()> {
    let mut ui = Terminal::new(options);
    let age = Duration::from_secs(args.older_than.saturating_mul(DAY_S));
    let first_kept = SystemTime::now()
        .checked_sub(age)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let before = Timestamp::from_system(first_kept).date();
    let pruned = repo.history().prune(&before, &summary, args.dry_run)?;
    let kib = |bytes: usize| bytes.div_ceil(1024);
    let verb = match (args.dry_run, pruned.records) {
        (_, 0) => {
            ui.say(
                "pruned",
                &format!("nothing: no samples are from before {before}"),
            );
            return Ok(());
        }
        (true, _) => "would lose",
        (false, _) => "lost",
    };
    ui.result(&format!(
        "{} records from before {before} {verb} their samples: {} KiB become {} KiB",
        pruned.records,
        kib(pruned.before),
        kib(pruned.after)
    ));
    if !args.dry_run {
        ui.say(
            "",
            "`git gc --prune=now` frees the space; `outpace history push` tells the team",
        );
    }
    Ok(())
}

/// The record without its raw samples; nothing where it keeps them: a proof that is merged can be
/// recomputed by anybody.
fn summary(entry: &Entry, record: &Value) -> Option<Value> {
    let word = record["verdict"].as_str();
    let keeps = match entry.kind.as_str() {
        "run" | "change" => false,
        "verdict" | "attempt" => word == Some("faster"),
        _ => true,
    };
    if keeps {
        return None;
    }
    let mut record = record.clone();
    without_samples(&mut record);
    Some(record)
}

/// Takes raw samples and the descriptions of machines out, which a class names.
fn without_samples(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for key in ["turns_s", "blocks", "alone"] {
        if fields.get(key).is_some_and(Value::is_array) {
            fields.insert(key.to_owned(), Value::Array(Vec::new()));
        }
    }
    if let Some(Value::Object(machine)) = fields.get_mut("machine") {
        machine.retain(|key, _| key == "os" || key == "label");
    }
    if let Some(beside) = fields.get_mut("beside") {
        without_samples(beside);
    }
    if let Some(Value::Array(verdicts)) = fields.get_mut("verdicts") {
        verdicts.iter_mut().for_each(without_samples);
    }
}
