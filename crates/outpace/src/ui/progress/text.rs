//! Events in words. Pure functions, so that every text is tested.

use outpace_record::{Event, Role};
use outpace_report::format::{count, duration, gain};
use outpace_text::{plain, short};

use crate::ui::bar::bar;
use crate::ui::verdict::checked;

/// Columns of the bar of evidence.
const BAR: usize = 12;
/// A base that was built in less is not worth a line.
const QUICK_BUILD_S: f64 = 2.0;

/// A line that stays.
#[derive(Debug, PartialEq)]
pub(in crate::ui) enum Line {
    Say(&'static str, String),
    Warn(String),
}

/// The line that stays of an event; of the stages of an attempt none does on a terminal, because
/// the attempt has a row.
pub(in crate::ui) fn lasting(event: &Event, in_attempt: bool) -> Option<Line> {
    let say = |label, text: String| Some(Line::Say(label, text));
    match event {
        Event::Waiting {
            does,
            pid,
            repository,
            since,
        } => {
            let pid = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            let place = repository
                .as_ref()
                .map_or(String::new(), |r| format!(", in {r}"));
            let since = since.map_or(String::new(), |t| format!(", since {} UTC", t.minute()));
            say(
                "waiting",
                format!("another outpace {does}{pid}{place}{since}"),
            )
        }
        Event::CommitStarted {
            workload,
            commit,
            summary,
            number,
            of,
            left_s,
        } => {
            let left = left_s.map_or(String::new(), |s| format!("   about {} left", duration(s)));
            let (id, what) = (short(commit), plain(summary, 60));
            say(
                "commit",
                format!("{number} of {of}   {workload} {id} {what}{left}"),
            )
        }
        Event::CommitEnded {
            result,
            measured: false,
            ..
        } => Some(Line::Warn(result.clone())),
        Event::BranchMoved { branch, now } => Some(Line::Warn(format!(
            "{branch} moved to {} meanwhile",
            short(now)
        ))),
        Event::Note { text } => Some(Line::Warn(text.clone())),
        Event::BuildEnded {
            role: Role::Base,
            seconds,
            ..
        } if *seconds > QUICK_BUILD_S => say("build", format!("base, {}", duration(*seconds))),
        _ if in_attempt => None,
        Event::PolicyChecked { refused } => {
            let word = if refused.is_some() { "refused" } else { "ok" };
            say("policy", word.into())
        }
        Event::BuildEnded {
            role: Role::Candidate,
            seconds,
            ..
        } => say("build", duration(*seconds)),
        Event::ArtefactsCompared { same, .. } => {
            let text = match same {
                true => "artefacts are equal",
                false => "artefact differs",
            };
            say("", text.into())
        }
        Event::CheckEnded { steps, checks, .. } => say("correct", checked(*steps, checks)?),
        Event::PilotEnded {
            gpus: Some(line), ..
        } => say("gpu", line.clone()),
        _ => None,
    }
}

/// What stands in front of the live line while an attempt is at work.
pub(super) fn prefix(event: &Event) -> Option<String> {
    match event {
        Event::ProposalStarted { number, .. } => Some(format!("{number:>3}  ")),
        Event::AttemptStarted { number, title } => {
            Some(format!("{number:>3}  {}  ", plain(title, 36)))
        }
        Event::AttemptEnded { .. } => Some(String::new()),
        _ => None,
    }
}

/// What is at work after an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stage {
    /// Equal for the events of one stage.
    pub(super) name: &'static str,
    /// The line of a log when it begins; absent where it goes on.
    pub(super) begins: Option<String>,
    /// The live line of a terminal.
    pub(super) live: String,
    /// The line of a log a minute later.
    pub(super) goes_on: String,
}

impl Stage {
    /// The stage that an event begins or has news of.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::BuildStarted { workload, role } => Some(Self::building(workload, *role)),
            Event::CheckStarted { workload, steps } => Some(Self::begin(
                "check",
                &format!("checking   {workload}: {steps} steps at fresh seeds"),
                format!("correct    {steps} steps at fresh seeds"),
                format!("still checking {workload}"),
            )),
            Event::PilotStarted { workload } => Some(Self::begin(
                "trial",
                &format!("timing     {workload}"),
                format!("{workload:<10} warming up"),
                format!("still timing {workload}"),
            )),
            Event::SeedsStarted {
                workload,
                target,
                screening,
            } => {
                let what = match screening {
                    true => "a look on seeds that are no evidence",
                    false => "fresh seeds",
                };
                Some(Self::begin(
                    "seeds",
                    &format!("seeds      {workload}: runs to {target} nats, {what}"),
                    format!("{workload:<10} {what}"),
                    format!("still training {workload}"),
                ))
            }
            Event::NoiseStarted { workload, blocks } => Some(Self::begin(
                "noise",
                &format!("noise      {workload}: base against itself, {blocks} blocks"),
                format!("noise      {workload}: base against itself"),
                format!("still measuring the noise of {workload}"),
            )),
            Event::ProposalStarted { number, agent } => Some(Self::begin(
                "agent",
                &format!("agent      {agent} is asked for patch {number}"),
                format!("asking {agent}"),
                format!("still waiting for {agent}"),
            )),
            Event::AttemptStarted { number, title } => {
                let title = plain(title, 100);
                Some(Self::begin(
                    "attempt",
                    &format!("attempt    {number}: {title}"),
                    String::new(),
                    format!("still at attempt {number}"),
                ))
            }
            _ => Self::news(event),
        }
    }

    /// Whether a stage is over without another one that begins.
    pub(super) fn is_ended_by(event: &Event) -> bool {
        matches!(
            event,
            Event::BuildEnded { .. }
                | Event::CheckEnded { .. }
                | Event::Judged { .. }
                | Event::AttemptEnded { .. }
        )
    }

    fn building(workload: &str, role: Role) -> Self {
        let role = role.as_str();
        Self::begin(
            "build",
            &format!("building   {role} of {workload}"),
            format!("build      {role}"),
            format!("still building the {role} of {workload}"),
        )
    }

    fn begin(name: &'static str, begins: &str, live: String, goes_on: String) -> Self {
        Self {
            name,
            begins: Some(begins.to_owned()),
            live,
            goes_on,
        }
    }

    /// News of a stage that has begun.
    fn news(event: &Event) -> Option<Self> {
        let (name, workload, live, text) = match event {
            Event::SideBlock {
                workload,
                n_blocks,
                log_ratio,
                ..
            } => {
                let text = format!("block {n_blocks}: {:+.2} %", log_ratio.exp_m1() * 100.0);
                ("trial", workload, format!("{workload:<10} {text}"), text)
            }
            Event::ProcessTimed {
                workload,
                n_processes,
                of,
                step_s,
            } => {
                let ms = step_s * 1e3;
                let text = format!("process {n_processes} of {of}: {ms:.2} ms a step");
                ("trial", workload, format!("{workload:<10} {text}"), text)
            }
            Event::IsolatedBlock {
                workload,
                n_blocks,
                log_e,
                threshold,
            } => {
                let evidence = format!("{} of {}", evidence(*log_e), count(*threshold));
                let text = format!("isolated runs, block {n_blocks}   evidence {evidence}");
                let bar = bar(*log_e, *threshold, BAR);
                (
                    "trial",
                    workload,
                    format!("{workload:<10} {bar}  {text}"),
                    text,
                )
            }
            Event::LossPoint {
                workload,
                seed,
                role,
                step,
                loss,
                target,
            } => {
                let seed = match seed {
                    0 => "a look".to_owned(),
                    seed => format!("seed {seed}"),
                };
                let role = role.as_str();
                let text = format!("{seed}, {role}: step {step}, {loss:.3} nats of {target}");
                ("seeds", workload, format!("{workload:<10} {text}"), text)
            }
            Event::Seed { workload, .. } => {
                let (bar, text) = seed(event)?;
                (
                    "seeds",
                    workload,
                    format!("{workload:<10} {bar}  {text}"),
                    text,
                )
            }
            Event::Block { workload, .. } => {
                let (bar, text) = block(event)?;
                (
                    "trial",
                    workload,
                    format!("{workload:<10} {bar}  {text}"),
                    text,
                )
            }
            _ => return None,
        };
        Some(Self {
            name,
            begins: None,
            live,
            goes_on: format!("still timing {workload}: {text}"),
        })
    }
}

/// The bar and the words of a block.
fn block(event: &Event) -> Option<(String, String)> {
    let Event::Block {
        n_blocks,
        log_e,
        threshold,
        sums,
        speedup,
        at_least,
        left_s,
        ..
    } = event
    else {
        return None;
    };
    let (what, log_e, threshold) = match sums {
        Some((log_e, needed)) => ("sums", *log_e, *needed),
        None => ("evidence", *log_e, *threshold),
    };
    let least = at_least.map_or(String::new(), |b| format!(" (at least {})", gain(b)));
    let left = left_s.map_or(String::new(), |s| format!("   about {} left", duration(s)));
    let of = format!("{} of {}", evidence(log_e), count(threshold));
    let gain = gain(*speedup);
    let text = format!("block {n_blocks}   {gain}{least}   {what} {of}{left}");
    Some((bar(log_e, threshold, BAR), text))
}

/// The bar and the words of a seed.
fn seed(event: &Event) -> Option<(String, String)> {
    let Event::Seed {
        n_seeds,
        log_e,
        threshold,
        steps,
        speedup,
        ..
    } = event
    else {
        return None;
    };
    let shown = |steps: Option<f64>| steps.map_or("never".to_owned(), |n| format!("{n:.0}"));
    let [base, candidate] = steps.map(shown);
    let gain = speedup.map_or(String::new(), |speedup| {
        format!("   {} in steps", gain(speedup))
    });
    let of = format!("{} of {}", evidence(*log_e), count(*threshold));
    let text = format!("seed {n_seeds}: {base} -> {candidate} steps{gain}   evidence {of}");
    Some((bar(*log_e, *threshold, BAR), text))
}

/// The e-value in a few characters.
fn evidence(log_e: f64) -> String {
    let e = log_e.exp();
    if e < 10.0 {
        format!("{e:.1}")
    } else {
        count(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpace_record::Check;

    fn block_event(sums: Option<(f64, f64)>) -> Event {
        Event::Block {
            workload: "toy".into(),
            n_blocks: 7,
            log_e: 10_f64.ln(),
            threshold: 100.0,
            sums,
            speedup: 0.031,
            at_least: Some(0.012),
            left_s: Some(9.0),
        }
    }

    fn workload() -> String {
        "toy".into()
    }

    #[test]
    fn stages_are_told_when_they_begin_and_go_on() {
        let check = |event: &Event, begins: Option<&str>, live: &str, goes_on: &str| {
            let stage = Stage::of(event).unwrap_or_else(|| panic!("{event:?} is no stage"));
            assert_eq!(stage.begins.as_deref(), begins, "{event:?}");
            assert_eq!(
                (&*stage.live, &*stage.goes_on),
                (live, goes_on),
                "{event:?}"
            );
        };
        check(
            &Event::BuildStarted {
                workload: workload(),
                role: Role::Anchor,
            },
            Some("building   anchor of toy"),
            "build      anchor",
            "still building the anchor of toy",
        );
        check(
            &Event::CheckStarted {
                workload: workload(),
                steps: 20,
            },
            Some("checking   toy: 20 steps at fresh seeds"),
            "correct    20 steps at fresh seeds",
            "still checking toy",
        );
        check(
            &Event::PilotStarted {
                workload: workload(),
            },
            Some("timing     toy"),
            "toy        warming up",
            "still timing toy",
        );
        check(
            &Event::NoiseStarted {
                workload: workload(),
                blocks: 6,
            },
            Some("noise      toy: base against itself, 6 blocks"),
            "noise      toy: base against itself",
            "still measuring the noise of toy",
        );
        check(
            &Event::ProposalStarted {
                number: 3,
                agent: "tune".into(),
            },
            Some("agent      tune is asked for patch 3"),
            "asking tune",
            "still waiting for tune",
        );
        check(
            &Event::AttemptStarted {
                number: 3,
                title: "a\u{202e}b".into(),
            },
            Some("attempt    3: ab"),
            "",
            "still at attempt 3",
        );
    }

    #[test]
    fn news_of_a_stage_begins_no_line() {
        let check = |event: &Event, live: &str| {
            let stage = Stage::of(event).unwrap_or_else(|| panic!("{event:?} is no news"));
            assert_eq!((stage.begins, &*stage.live), (None, live), "{event:?}");
            assert!(
                stage.goes_on.starts_with("still timing toy: "),
                "{}",
                stage.goes_on
            );
        };
        check(
            &block_event(None),
            "toy        [######------]  block 7   +3.1 % (at least +1.2 %)   evidence 10.0 of 100   \
             about 9.0 s left",
        );
        check(
            &block_event(Some((2_f64.ln(), 20.0))),
            "toy        [##----------]  block 7   +3.1 % (at least +1.2 %)   sums 2.0 of 20   \
             about 9.0 s left",
        );
        check(
            &Event::IsolatedBlock {
                workload: workload(),
                n_blocks: 2,
                log_e: 0.0,
                threshold: 20.0,
            },
            "toy        [------------]  isolated runs, block 2   evidence 1.0 of 20",
        );
        check(
            &Event::SideBlock {
                workload: workload(),
                n_blocks: 2,
                log_ratio: 0.0123,
                block_s: 1.0,
            },
            "toy        block 2: +1.24 %",
        );
        check(
            &Event::ProcessTimed {
                workload: workload(),
                n_processes: 1,
                of: 5,
                step_s: 0.0123,
            },
            "toy        process 1 of 5: 12.30 ms a step",
        );
    }

    #[test]
    fn lines_that_stay() {
        let check = |event: Event, in_attempt: bool, expect: Option<(&str, &str)>| {
            let line = lasting(&event, in_attempt);
            let line = line.as_ref().map(|line| match line {
                Line::Say(label, text) => (*label, text.as_str()),
                Line::Warn(text) => ("warning", text.as_str()),
            });
            assert_eq!(line, expect, "{event:?}");
        };
        let built = |role, seconds| Event::BuildEnded {
            workload: "toy".into(),
            role,
            seconds,
        };
        check(built(Role::Base, 2.0), false, None);
        check(built(Role::Base, 12.0), true, Some(("build", "base, 12 s")));
        check(built(Role::Candidate, 1.5), false, Some(("build", "1.5 s")));
        check(built(Role::Candidate, 1.5), true, None);
        let policy = |refused: Option<&str>| Event::PolicyChecked {
            refused: refused.map(str::to_owned),
        };
        check(policy(None), false, Some(("policy", "ok")));
        check(policy(Some("x")), false, Some(("policy", "refused")));
        let compared = |same| Event::ArtefactsCompared {
            workload: "toy".into(),
            same,
        };
        check(compared(true), false, Some(("", "artefacts are equal")));
        check(compared(false), false, Some(("", "artefact differs")));
        let failed = Check {
            name: "losses".into(),
            passed: false,
            value: None,
            allowed: None,
            detail: "loss differs".into(),
        };
        let checked = Event::CheckEnded {
            workload: workload(),
            steps: 8,
            checks: vec![failed],
        };
        check(checked, false, Some(("correct", "wrong: loss differs")));
        let moved = Event::BranchMoved {
            branch: "b".into(),
            now: "0123456789abc".into(),
        };
        check(
            moved,
            true,
            Some(("warning", "b moved to 012345678 meanwhile")),
        );
        let note = Event::Note {
            text: "a note".into(),
        };
        check(note, true, Some(("warning", "a note")));
        let waiting = Event::Waiting {
            does: "measures on this machine".into(),
            pid: Some(7),
            repository: Some("/r".into()),
            since: Some(outpace_record::Timestamp::from_unix_seconds(0)),
        };
        let text = "another outpace measures on this machine (process 7), in /r, since \
                    1970-01-01 00:00 UTC";
        check(waiting, true, Some(("waiting", text)));
    }
}
