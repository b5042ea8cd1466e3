//! Machine and settings of a report as one list. Each setting has one row in every format.

use outpace_record::{Campaign, Machine, SandboxTier};
use outpace_text::short;

use crate::data::ReportData;
use crate::format;

/// A name and its value.
type Row = (String, String);

/// Everything that was set or found, each once. What is not known has no row.
pub(crate) fn rows(data: &ReportData) -> Vec<Row> {
    let mut rows = recorded(data);
    for (name, value) in &data.settings {
        if rows.iter().all(|(known, _)| known != name) {
            rows.push((name.clone(), value.clone()));
        }
    }
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

/// What the records themselves say.
fn recorded(data: &ReportData) -> Vec<Row> {
    if let Some(c) = &data.campaign {
        let mut rows = machine(&c.machine_class, &c.machine, c.sandbox_tier);
        rows.extend(campaign(c));
        rows
    } else if let Some(v) = data.verdicts.last() {
        let mut rows = machine(&v.machine_class, &v.machine, v.sandbox_tier);
        rows.push(("outpace".to_owned(), v.outpace_version.clone()));
        rows
    } else if let Some(r) = data.runs.last() {
        let mut rows = machine(&r.machine_class, &r.machine, r.sandbox_tier);
        rows.push(("outpace".to_owned(), r.outpace_version.clone()));
        rows
    } else {
        Vec::new()
    }
}

fn machine(class: &str, machine: &Machine, tier: SandboxTier) -> Vec<Row> {
    let cpu = match machine.cpu.as_str() {
        "" => String::new(),
        cpu => format!("{cpu} x {}", machine.cpus),
    };
    let memory = match machine.memory_mib {
        0 => String::new(),
        mib => format!("{} MiB", format::count(mib as f64)),
    };
    let gpus = match machine.gpus.as_slice() {
        [] => "none".to_owned(),
        gpus => gpus.join(", "),
    };
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    named([
        ("machine class", class.to_owned()),
        ("CPU", cpu),
        ("GPU", gpus),
        ("memory", memory),
        ("system", machine.os.clone()),
        ("hypervisor", optional(&machine.hypervisor)),
        ("frequency governor", optional(&machine.governor)),
        ("huge pages", optional(&machine.huge_pages)),
        ("sandbox", tier.as_str().to_owned()),
    ])
}

fn campaign(c: &Campaign) -> Vec<Row> {
    let mut rows = inputs(c);
    rows.extend(limits(c));
    rows.extend(named([
        ("seed", c.seed.to_string()),
        ("outpace", c.outpace_version.clone()),
        ("campaign", c.id.clone()),
        ("last written", format!("{} UTC", c.updated.minute())),
    ]));
    rows
}

/// What was measured, and from where.
fn inputs(c: &Campaign) -> Vec<Row> {
    let noise = c
        .aa_sd
        .map_or_else(String::new, |sd| format!("{} a block", format::share(sd)));
    let start = format!("{} {}", short(&c.start), c.start_summary);
    named([
        ("noise (A/A)", noise),
        ("workloads", c.workloads.join(", ")),
        ("agent", c.agent.clone()),
        ("started from", start),
        ("merged into", c.into.clone()),
    ])
}

/// Budget and error rates.
fn limits(c: &Campaign) -> Vec<Row> {
    let budget = c
        .budget_s
        .map_or_else(|| "none".to_owned(), format::duration);
    let attempts = c
        .max_experiments
        .map_or_else(|| "no limit".to_owned(), |n| format::count(n as f64));
    named([
        (
            "budget",
            format!("{budget}, {} used", format::duration(c.used_s)),
        ),
        ("most attempts", attempts),
        (
            "share of false merges",
            format!("at most {}", format::exact_share(c.fdr)),
        ),
        (
            "confidence of the bounds",
            format::exact_share(1.0 - c.alpha),
        ),
        (
            "smallest gain that counts",
            format::exact_share(c.min_speedup),
        ),
    ])
}

fn named<const N: usize>(rows: [(&str, String); N]) -> Vec<Row> {
    rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
}
