//! The red team: patches that lie (`tests/cheats`), and odd ones that are right (`tests/honest`),
//! each through a whole gate on the repository `tests/target`. `ci/red-team.sh` runs all of them in
//! each tier of the sandbox, and writes docs/red-team.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::playground::{OUT_OF_THE_BOX, Outcome, git_in, outpace_with};

/// What a file of the user holds. It is no program, so that a compiler that reads it quotes it.
const SECRET: &str = "RED_TEAM_SECRET 17 ESCAPED";
/// What a program says that got what it reached for.
const ESCAPED: &str = "ESCAPED";
const TIERS: [&str; 3] = ["bubblewrap", "landlock", "none"];
/// Patches of the fast part, one for each kind of end.
const FAST: [&str; 7] = [
    "cheats/02-answers-before-it-is-asked",
    "cheats/05-honest-for-twenty-steps",
    "cheats/06-own-thresholds",
    "cheats/09-an-error-quotes-a-secret",
    "cheats/10-connects",
    "cheats/28-speaks-to-the-reader",
    "honest/loops-in-the-order-of-memory",
];

/// A patch with what stands above its diff.
struct Case {
    /// `cheats/NAME` or `honest/NAME`.
    name: String,
    head: BTreeMap<String, String>,
    diff: String,
}

impl Case {
    fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(root().join(format!("tests/{name}.patch"))).unwrap();
        let (head, diff) = text.split_once("\n\n").unwrap();
        let head = head.lines().map(|line| line.split_once(": ").unwrap());
        Self {
            name: name.to_owned(),
            head: head
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            diff: diff.to_owned(),
        }
    }

    fn is_cheat(&self) -> bool {
        self.name.starts_with("cheats/")
    }

    fn needs_sandbox(&self) -> bool {
        self.head.contains_key("Sandbox")
    }

    fn what(&self) -> &str {
        &self.head[if self.is_cheat() { "Cheat" } else { "Honest" }]
    }
}

/// How a patch ended in a tier.
struct Ending {
    word: &'static str,
    /// The line of the verdict.
    why: String,
    /// It got what it reached for, or is not refused as it must be; for an honest one, it is.
    fault: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn all(kind: &str) -> Vec<Case> {
    let entries = root().join("tests").join(kind).read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = names
        .map(|path| format!("{kind}/{}", path.file_stem().unwrap().to_string_lossy()))
        .collect();
    names.sort();
    names.iter().map(|name| Case::read(name)).collect()
}

/// What lies and listens around the repository, out of reach of its programs.
struct Outside {
    dir: tempfile::TempDir,
    tcp: TcpListener,
    udp: UdpSocket,
    _abstract: UnixListener,
}

impl Outside {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::write(dir.path().join("home/secret"), SECRET).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        let name = SocketAddr::from_abstract_name(name_of(dir.path())).unwrap();
        Self {
            _abstract: UnixListener::bind_addr(&name).unwrap(),
            dir,
            tcp,
            udp,
        }
    }

    fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// The repository, and in it nothing yet but the target.
    fn lay_out(&self, tier: &str) {
        let to = self.repository();
        std::fs::create_dir_all(to.join("more")).unwrap();
        for entry in root().join("tests/target").read_dir().unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
            }
        }
        std::fs::write(to.join("more/README"), "What patches add.\n").unwrap();
        let config = std::fs::read_to_string(to.join("outpace.toml")).unwrap();
        let config = format!("{config}\n[sandbox]\nrequire = \"{tier}\"\n");
        std::fs::write(to.join("outpace.toml"), config).unwrap();
        git_in(&to, &["init", "-q", "-b", "main"]);
        git_in(&to, &["add", "-A"]);
        git_in(&to, &["commit", "-q", "-m", "begin"]);
    }

    fn in_place(&self, diff: &str) -> String {
        let port = self.tcp.local_addr().unwrap().port().to_string();
        diff.replace("@OUTSIDE@", &self.dir.path().join("home").to_string_lossy())
            .replace("@REPOSITORY@", &self.repository().to_string_lossy())
            .replace("@ABSTRACT@", &name_of(self.dir.path()))
            .replace("@PORT@", &port)
    }

    /// What a program did to it.
    fn harm(&self) -> Option<&'static str> {
        let mut buffer = [0; 16];
        let nobody = |kind: ErrorKind| kind == ErrorKind::WouldBlock;
        let no_call = self.tcp.accept().is_err_and(|e| nobody(e.kind()));
        let no_word = self.udp.recv(&mut buffer).is_err_and(|e| nobody(e.kind()));
        let status = git_in(&self.repository(), &["status", "--porcelain"]);
        [
            (no_call, "connected to a listener"),
            (no_word, "sent a datagram"),
            (
                !self.dir.path().join("home/written").exists(),
                "wrote a file of the user",
            ),
            (
                status.is_empty(),
                "changed the working folder of the repository",
            ),
        ]
        .into_iter()
        .find_map(|(unharmed, what)| (!unharmed).then_some(what))
    }
}

fn name_of(dir: &Path) -> String {
    format!(
        "outpace-red-team-{}",
        dir.file_name().unwrap().to_string_lossy()
    )
}

/// A whole gate; none where this machine has no such tier.
fn gate(case: &Case, tier: &str) -> Option<Ending> {
    let outside = Outside::new();
    outside.lay_out(tier);
    let patch = outside.dir.path().join("patch");
    std::fs::write(&patch, outside.in_place(&case.diff)).unwrap();
    let mut args = vec!["gate", "--patch", patch.to_str().unwrap()];
    args.extend(["--workload", &case.head["Workload"]]);
    if tier == "none" {
        args.push(OUT_OF_THE_BOX);
    }
    let env = [("OUTPACE_SANDBOX", tier), ("RED_TEAM_TOKEN", SECRET)];
    let outcome = outpace_with(&outside.repository(), &args, &env);
    let confines = !outcome
        .stderr
        .contains("this machine cannot confine programs");
    confines.then(|| ending(case, &outcome, outside.harm()))
}

fn ending(case: &Case, outcome: &Outcome, harm: Option<&str>) -> Ending {
    let word = match outcome.code {
        0 => "faster",
        1 if outcome.stdout.split_whitespace().nth(1) == Some("same") => "same",
        1 => "not proven",
        3 => "slower",
        4 => "rejected",
        5 => "environment",
        _ => "error",
    };
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    let fault = harm
        .map(|harm| format!("it {harm}"))
        .or_else(|| unsafe_to_show(&said))
        .or_else(|| wrong_end(case, word, &said, &outcome.stdout))
        .map(|fault| format!("{fault}\n{said}"));
    Ending {
        word,
        why: outcome.stdout.lines().next().unwrap_or_default().to_owned(),
        fault,
    }
}

/// What a program says reaches a terminal, a job's log and the next agent.
fn unsafe_to_show(said: &str) -> Option<String> {
    let is_command =
        |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    if said.contains(is_command) {
        return Some("a control character is shown".to_owned());
    }
    let mut lines = said.lines();
    let line = lines.find(|line| line.trim_start().starts_with("::"))?;
    Some(format!("a command of a workflow is shown: {line}"))
}

/// `verdict` is the part of what is said that gives the reason.
fn wrong_end(case: &Case, word: &str, said: &str, verdict: &str) -> Option<String> {
    if !case.is_cheat() {
        let is_refused = !["faster", "not proven"].contains(&word);
        return is_refused.then(|| "an honest patch is refused".to_owned());
    }
    if case.needs_sandbox() && (said.contains(ESCAPED) || said.contains("RED_TEAM_SECRET")) {
        return Some("it got what it reached for".to_owned());
    }
    let ends = &case.head["Ends"];
    let as_it_must = match (ends.as_str(), ends.strip_prefix("refused: ")) {
        // One that falls over proves nothing of the gate.
        ("not faster", _) if said.contains("the candidate failed") => false,
        ("not faster", _) => ["same", "not proven", "slower", "rejected"].contains(&word),
        (_, Some(why)) => word == "rejected" && verdict.contains(why),
        _ => false,
    };
    (!as_it_must).then(|| format!("must end with `{ends}`"))
}

#[test]
fn a_few_of_the_red_team_end_as_they_must() {
    for name in FAST {
        let case = Case::read(name);
        let mut confining = TIERS.into_iter().filter(|tier| *tier != "none");
        let strongest = confining.find_map(|tier| gate(&case, tier));
        let Some(ending) = strongest else {
            eprintln!("{name}: not run, since this machine confines nothing");
            continue;
        };
        assert!(ending.fault.is_none(), "{name}: {}", ending.fault.unwrap());
    }
}

/// Takes 40 minutes. `RED_TEAM=TEXT` runs those whose name has the text, and writes nothing.
#[test]
#[ignore = "an hour: ci/red-team.sh"]
fn all_of_the_red_team() {
    let only = std::env::var("RED_TEAM").ok();
    let mut rows = Vec::new();
    for case in all("cheats").into_iter().chain(all("honest")) {
        if only.as_ref().is_some_and(|only| !case.name.contains(only)) {
            continue;
        }
        let endings = TIERS.map(|tier| {
            // What needs no sandbox ends alike with one and without.
            let begin = Instant::now();
            let is_run = tier != "none" || case.needs_sandbox();
            let ending = is_run.then(|| gate(&case, tier)).flatten();
            let word = ending.as_ref().map_or("not here", |ending| ending.word);
            let fault = ending.as_ref().and_then(|ending| ending.fault.as_ref());
            let fault = fault.map_or(String::new(), |fault| format!("  FAULT {fault}"));
            let seconds = begin.elapsed().as_secs();
            let why = ending.as_ref().map_or("", |ending| &ending.why);
            eprintln!(
                "{:44} {tier:12} {seconds:3} s  {word:12} {why}{fault}",
                case.name
            );
            ending
        });
        rows.push((case, endings));
    }
    if only.is_none() {
        std::fs::write(root().join("docs/red-team.md"), document(&rows)).unwrap();
    }
    for (case, endings) in &rows {
        let confined = TIERS
            .iter()
            .zip(endings)
            .filter(|(tier, _)| **tier != "none");
        let faults = confined.filter_map(|(_, ending)| ending.as_ref()?.fault.as_ref());
        let faults: Vec<&String> = faults.collect();
        assert!(
            faults.is_empty() || !case.is_cheat(),
            "{}: {faults:?}",
            case.name
        );
        let open = endings[2].as_ref().is_none_or(|open| open.fault.is_some());
        assert!(
            open || !case.needs_sandbox(),
            "{}: stopped by nothing",
            case.name
        );
    }
}

type Row = (Case, [Option<Ending>; 3]);

fn document(rows: &[Row]) -> String {
    let mut text = include_str!("red_team_head.md").to_owned();
    text += "\n| tier | cheats | false accepts | honest | refused |\n|---|---|---|---|---|\n";
    for (i, tier) in TIERS.iter().enumerate() {
        let count = |cheats: bool, faults: bool| {
            let of_kind = rows.iter().filter(|(case, _)| case.is_cheat() == cheats);
            let endings = of_kind.filter_map(|(_, endings)| endings[i].as_ref());
            endings
                .filter(|ending| !faults || ending.fault.is_some())
                .count()
        };
        let [cheats, accepts] = [false, true].map(|faults| count(true, faults));
        let [honest, refused] = [false, true].map(|faults| count(false, faults));
        let _ = writeln!(
            text,
            "| {tier} | {cheats} | {accepts} | {honest} | {refused} |"
        );
    }
    text += "\n## Cheats\n\n| # | what it does | must end | bubblewrap | landlock | none |\n\
             |---|---|---|---|---|---|\n";
    for (case, endings) in rows.iter().filter(|(case, _)| case.is_cheat()) {
        let ends = case.head["Ends"].trim_end_matches([':', ' ']);
        let words = words(case, endings);
        let row = &case.head["Row"];
        let _ = writeln!(text, "| {row} | {} | {ends} | {words} |", case.what());
    }
    text += "\n## Honest patches\n\n| what it does | bubblewrap | landlock | none |\n\
             |---|---|---|---|\n";
    for (case, endings) in rows.iter().filter(|(case, _)| !case.is_cheat()) {
        let _ = writeln!(text, "| {} | {} |", case.what(), words(case, endings));
    }
    text
}

fn words(case: &Case, endings: &[Option<Ending>; 3]) -> String {
    let word = |ending: &Option<Ending>| {
        let Some(ending) = ending else {
            return "-".to_owned();
        };
        match (&ending.fault, case.is_cheat()) {
            (None, _) => ending.word.to_owned(),
            (Some(_), true) => format!("**got through** ({})", ending.word),
            (Some(_), false) => format!("**{}**", ending.word),
        }
    };
    endings.iter().map(word).collect::<Vec<_>>().join(" | ")
}
