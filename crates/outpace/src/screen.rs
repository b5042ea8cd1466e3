//! What a person sees on a terminal: aligned lines on stderr, and one live line that is written over.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use outpace_record::{Attempt, Check, Event, GPU_CHECK, Kind, Observer, Role, Verdict};
use outpace_repo::Commit;
use outpace_report::format::{count, duration, gain};
use outpace_text::{plain, short};
use outpace_trial::NOT_COMPARED;

use crate::bar::bar;
use crate::options::Options;

/// Prints a line to stdout.
#[macro_export]
macro_rules! out {
    ($($arg:tt)*) => { $crate::screen::write_out(format_args!($($arg)*)) };
}

/// The same for stderr, ended as the first argument says.
#[macro_export]
macro_rules! err {
    ($end:literal, $($arg:tt)*) => { $crate::screen::write_err(format_args!($($arg)*), $end) };
}

/// Talk that nobody can read any more is no reason to end what is measured.
pub(crate) fn write_err(text: std::fmt::Arguments<'_>, end: &str) {
    let _ = write!(std::io::stderr().lock(), "{text}{end}");
}

/// A reader that has gone (`| head`) is no error and no end to a campaign; a full disk is.
pub(crate) fn write_out(text: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            crate::err!("\n", "error: cannot write to stdout: {error}");
            std::process::exit(i32::from(crate::exit::ENVIRONMENT));
        }
        _ => {}
    }
}

/// SGR parameters.
pub(crate) const RED: &str = "1;31";
pub(crate) const GREEN: &str = "1;32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const DIM: &str = "2";

/// Paints a text if colours are wanted.
pub(crate) fn paint(color: bool, style: &str, text: &str) -> String {
    if color {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    live: bool,
    quiet: bool,
    json: bool,
    color: bool,
    color_out: bool,
    shown: bool,
    begin: Instant,
    prefix: String,
}

impl Terminal {
    /// As the options say.
    pub(crate) fn new(options: &Options) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            live: terminal && !options.quiet,
            quiet: options.quiet,
            json: false,
            color: options.paints(terminal),
            color_out: options.paints(std::io::stdout().is_terminal()),
            shown: false,
            begin: Instant::now(),
            prefix: String::new(),
        }
    }

    /// A line of talk with a label in front.
    pub(crate) fn say(&mut self, label: &str, text: &str) {
        self.clear();
        if !self.quiet {
            crate::err!("\n", "{label:<10} {text}");
        }
    }

    /// A revision with its summary.
    pub(crate) fn revision(&mut self, label: &str, commit: &Commit) {
        let summary = plain(&commit.summary, 80);
        self.say(label, &format!("{}   {summary}", short(&commit.id)));
    }

    /// A warning; shown even when quiet.
    pub(crate) fn warn(&mut self, text: &str) {
        self.clear();
        crate::err!("\n", "{} {text}", paint(self.color, YELLOW, "warning:"));
    }

    /// stdout is for one JSON document: what would be a result for a person becomes talk.
    pub(crate) fn for_json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// A result, on stdout.
    pub(crate) fn result(&mut self, text: &str) {
        self.clear();
        match (self.json, self.quiet) {
            (false, _) => crate::out!("{text}"),
            (true, false) => crate::err!("\n", "{text}"),
            (true, true) => {}
        }
    }

    /// Replaces the live line.
    pub(crate) fn live(&mut self, text: &str) {
        if !self.live {
            return;
        }
        crate::err!("", "\r\x1b[2K{}", cut_to_width(text));
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().flush();
        self.shown = true;
    }

    /// Removes the live line.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            crate::err!("", "\r\x1b[2K");
            let _ = std::io::stderr().flush();
            self.shown = false;
        }
    }

    /// The word of a verdict, painted; upper case where it is good news.
    pub(crate) fn word(&self, kind: Kind) -> String {
        let (style, word) = match kind {
            Kind::Faster => (GREEN, "FASTER"),
            Kind::Slower => (RED, "slower"),
            Kind::Rejected => (RED, "rejected"),
            Kind::Same => (DIM, "same"),
            Kind::NotProven => (DIM, "not proven"),
        };
        paint(self.color_out, style, word)
    }

    /// One verdict as a line of result.
    pub(crate) fn verdict(&mut self, verdict: &Verdict) {
        let mut parts = vec![format!(
            "{:<10} {}",
            verdict.workload,
            self.word(verdict.verdict)
        )];
        if let Some(speedup) = verdict.speedup {
            let bound = |word: &str, bound: Option<f64>| {
                bound
                    .map(|b| format!(", at {word} {}", gain(b)))
                    .unwrap_or_default()
            };
            let bounds = format!(
                "{}{}",
                bound("least", verdict.at_least),
                bound("most", verdict.at_most)
            );
            parts.push(format!("{}{bounds}", gain(speedup)));
        }
        if let Some(tokens) = verdict.tokens_per_s {
            parts.push(format!(
                "{} -> {} tokens/s",
                count(tokens.base),
                count(tokens.candidate)
            ));
        }
        if verdict.n_blocks > 0 {
            let blocks = if verdict.n_blocks == 1 {
                "block"
            } else {
                "blocks"
            };
            parts.push(format!(
                "{} {blocks}, {}",
                verdict.n_blocks,
                duration(verdict.trial_s.unwrap_or(0.0))
            ));
        }
        if verdict.verdict != Kind::Faster {
            parts.push(reason(&verdict.reason));
        }
        self.result(&parts.join("   "));
        if let Some(gpu) = verdict.checks.iter().find(|c| c.name == GPU_CHECK) {
            self.say("gpu", &plain(&gpu.detail, 160));
        }
    }

    fn checked(&mut self, steps: u32, checks: &[Check]) {
        if let Some(fault) = checks.iter().find(|check| !check.passed) {
            let word = paint(self.color, RED, "wrong");
            self.say("correct", &format!("{word}: {}", plain(&fault.detail, 160)));
            return;
        }
        let Some(losses) = checks.iter().find(|check| check.name == "losses") else {
            return;
        };
        let (value, allowed) = (losses.value.unwrap_or(0.0), losses.allowed.unwrap_or(0.0));
        let rest: Vec<String> = checks
            .iter()
            .skip(1)
            .map(|check| {
                let made = !check.detail.starts_with(NOT_COMPARED);
                format!("{} {}", check.name, if made { "ok" } else { NOT_COMPARED })
            })
            .collect();
        let text = format!(
            "{steps} steps at fresh seeds: loss within {value:.1e} (allowed {allowed:.1e}), {}",
            rest.join(", ")
        );
        self.say("correct", text.trim_end_matches(", "));
    }
}

/// A reason on one line; a compiler's message is long and goes below, indented.
pub(crate) fn reason(text: &str) -> String {
    match text.split_once('\n') {
        None => plain(text, 300),
        Some((first, rest)) => {
            let lines: Vec<String> = rest
                .lines()
                .map(|line| format!("    {}", line.trim_end()))
                .collect();
            format!("{}\n{}", plain(first, 300), lines.join("\n"))
        }
    }
}

fn cut_to_width(text: &str) -> String {
    let width = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .or(width);
    let width = width.filter(|w| *w >= 20).unwrap_or(100);
    text.chars().take(width - 1).collect()
}

impl Observer for Terminal {
    fn on(&mut self, event: &Event) {
        let prefix = self.prefix.clone();
        match event {
            Event::PolicyChecked { refused } if prefix.is_empty() => {
                let word = if refused.is_some() { "refused" } else { "ok" };
                self.say("policy", word);
            }
            Event::BuildStarted { role, .. } => {
                self.begin = Instant::now();
                self.live(&format!("{prefix}build      {}", role.as_str()));
            }
            Event::BuildEnded {
                role: Role::Base,
                seconds,
                ..
            } if *seconds > 2.0 => {
                self.say("build", &format!("base, {}", duration(*seconds)));
            }
            Event::BuildEnded {
                role: Role::Candidate,
                seconds,
                ..
            } if prefix.is_empty() => {
                self.say("build", &duration(*seconds));
            }
            Event::ArtefactsCompared { same, .. } if prefix.is_empty() => {
                let text = if *same {
                    "artefacts are equal"
                } else {
                    "artefact differs"
                };
                self.say("", text);
            }
            Event::CheckStarted { steps, .. } => {
                self.live(&format!("{prefix}correct    {steps} steps at fresh seeds"));
            }
            Event::CheckEnded { steps, checks, .. } if prefix.is_empty() => {
                self.checked(*steps, checks);
            }
            Event::PilotEnded { workload, gpus, .. } => {
                if let Some(line) = gpus.as_ref().filter(|_| prefix.is_empty()) {
                    self.say("gpu", line);
                }
                self.live(&format!("{prefix}{workload:<10} warming up"));
            }
            Event::Waiting { pid, does, .. } => {
                let pid = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
                self.say("waiting", &format!("another outpace {does}{pid}"));
            }
            Event::IsolatedBlock {
                workload,
                n_blocks,
                log_e,
                threshold,
            } => {
                let evidence = format!("evidence {} of {}", evidence(*log_e), count(*threshold));
                let bar = bar(*log_e, *threshold, 18);
                self.live(&format!(
                    "{prefix}{workload:<10} {bar}  isolated, block {n_blocks}   {evidence}"
                ));
            }
            Event::Block {
                workload,
                n_blocks,
                log_e,
                threshold,
                sums,
                speedup,
                at_least,
                left_s,
            } => {
                let least = at_least
                    .map(|b| format!(" (at least {})", gain(b)))
                    .unwrap_or_default();
                let left = left_s
                    .map(|s| format!("   about {} left", duration(s)))
                    .unwrap_or_default();
                let (what, log_e, threshold) = match sums {
                    Some((log_e, needed)) => ("gain proven, all turns together", log_e, needed),
                    None => ("evidence", log_e, threshold),
                };
                let evidence = format!("{what} {} of {}", evidence(*log_e), count(*threshold));
                let bar = bar(*log_e, *threshold, 18);
                self.live(&format!(
                    "{prefix}{workload:<10} {bar}  block {n_blocks}   {evidence}   {}{least}{left}",
                    gain(*speedup)
                ));
            }
            Event::BranchMoved { branch, now } => {
                self.warn(&format!("{branch} moved to {} meanwhile", short(now)));
            }
            Event::ProposalStarted { number, .. } => {
                self.prefix = format!("{number:>3}  ");
                self.live(&format!("{number:>3}  asking the agent"));
            }
            Event::AttemptStarted { number, title } => {
                self.prefix = format!("{number:>3}  {}  ", plain(title, 36));
                self.live(&format!("{number:>3}  {}", plain(title, 100)));
            }
            Event::AttemptEnded { attempt } => {
                self.prefix.clear();
                let row = row(self, attempt);
                self.result(&row);
            }
            Event::Note { text } => self.warn(text),
            _ => {}
        }
    }
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

/// The heading of a campaign's table.
pub(crate) fn heading() -> String {
    format!(
        "{:>3}  {:<44} {:<11} {:>8} {:>9} {:>7} {:>9}",
        "#", "patch", "verdict", "gain", "at least", "blocks", "time"
    )
}

fn row(screen: &Terminal, attempt: &Attempt) -> String {
    let verdict = attempt.decisive_verdict();
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), gain);
    // Colours have no width on the screen, so the word is padded before it is painted.
    let word = screen.word(attempt.verdict);
    let bare = match attempt.verdict {
        Kind::Faster => "FASTER",
        Kind::NotProven => "not proven",
        other => other.as_str(),
    };
    let pad = " ".repeat(11_usize.saturating_sub(bare.len()));
    let blocks = verdict.map_or(0, |v| v.n_blocks);
    let figures = format!(
        "{:>8} {:>9} {:>7} {:>9}",
        percent(verdict.and_then(|v| v.speedup)),
        percent(verdict.and_then(|v| v.at_least)),
        if blocks > 0 {
            blocks.to_string()
        } else {
            "-".into()
        },
        duration(attempt.total_s),
    );
    let title = plain(&attempt.title, 44);
    let tail = match (&attempt.merged, attempt.verdict) {
        (Some(commit), _) => format!("   merged {}", short(commit)),
        (None, Kind::Rejected) => format!(
            "   {}",
            plain(attempt.reason.lines().next().unwrap_or_default(), 100)
        ),
        (None, Kind::Same) => format!("   {}", plain(&attempt.reason, 60)),
        _ => String::new(),
    };
    format!(
        "{:>3}  {title:<44} {word}{pad} {figures}{tail}",
        attempt.number
    )
}
