//! A repository, an agent and a judge for campaigns without a clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::OnceLock;

use outpace_gate::{GateError, GateOutcome, Judge};
use outpace_record::{
    Attempt, Campaign, Config, Document, Event, GateRequest, Kind, Observer, Profile, Verdict,
    parse_config,
};
use outpace_repo::{Commit, MergeRequest, Repo};
use outpace_research::{
    Agent, AgentContext, CampaignStore, Ledger, Parties, Proposal, run_campaign,
};
use tempfile::TempDir;

/// The branch that campaigns merge into.
pub(crate) const INTO: &str = "outpace/main";
const CONFIG: &str = "version = 1\n[workload.w]\nrun = [\"true\"]\n[workload.v]\nrun = [\"true\"]\n\
                      [policy]\neditable = [\"src/**\"]\n";

/// A repository with one commit and a store for campaigns.
pub(crate) struct Lab {
    pub(crate) repo: Rc<Repo>,
    store: CampaignStore,
    /// What the campaign's clock shows, in seconds. Only the script moves it.
    pub(crate) clock: Rc<Cell<f64>>,
    _dir: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new_in(area()).unwrap();
        copy(template(), dir.path());
        let repo = Repo::discover(dir.path()).unwrap();
        Self {
            store: CampaignStore::new(&repo.state_dir()),
            repo: Rc::new(repo),
            clock: Rc::default(),
            _dir: dir,
        }
    }

    pub(crate) fn head(&self) -> Commit {
        self.repo.resolve("HEAD").unwrap()
    }

    /// A campaign that begins.
    pub(crate) fn campaign(&self) -> Run<'_> {
        let campaign = serde_json::json!({
            "schema": "outpace.campaign/1", "id": "c", "agent": "script", "workloads": ["w"],
            "into": INTO, "start": self.head().id, "used_s": 0.0, "state": "running",
            "fdr": 0.05, "alpha": 0.01, "min_speedup": 0.005, "seed": 7, "machine_class": "m",
            "outpace_version": "0.1.0", "started": "2026-05-19T08:30:00Z",
            "updated": "2026-05-19T08:30:00Z"
        });
        let campaign = serde_json::from_value(campaign).unwrap();
        Run::new(self, campaign, Vec::new())
    }

    /// The campaign that is on the disk, as another process finds it.
    pub(crate) fn resumed(&self) -> Run<'_> {
        let (campaign, attempts) = self.on_disk();
        Run::new(self, campaign, attempts)
    }

    pub(crate) fn on_disk(&self) -> (Campaign, Vec<Attempt>) {
        (
            self.store.campaign("c").unwrap(),
            self.store.attempts("c").unwrap(),
        )
    }

    pub(crate) fn tip(&self) -> Option<String> {
        self.repo.branch_tip(INTO).unwrap()
    }

    /// Other people commit a file to the branch, which begins at HEAD.
    pub(crate) fn commit_to_branch(&self, path: &str, content: &str) -> String {
        commit(&self.repo, path, content)
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.repo.root(), args)
    }

    /// Kinds of all records of the history.
    pub(crate) fn history(&self) -> Vec<String> {
        let entries = self.repo.history().list().unwrap();
        let mut kinds: Vec<String> = entries.into_iter().map(|e| e.kind).collect();
        kinds.sort();
        kinds
    }
}

fn commit(repo: &Repo, path: &str, content: &str) -> String {
    let head = repo.resolve("HEAD").unwrap();
    let tip = repo.branch_tip(INTO).unwrap();
    let base = repo.resolve(tip.as_deref().unwrap_or(&head.id)).unwrap();
    let request = MergeRequest {
        into: INTO.into(),
        expected_tip: tip,
        base: base.id,
        tree: repo
            .replace_file(&base.tree, path, content.as_bytes())
            .unwrap(),
        files: Vec::new(),
        message: "other people's".into(),
    };
    repo.merge(&request).unwrap()
}

/// What the judge says to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A verdict of each workload, in order.
    Kinds(Vec<Kind>),
    /// Refused before anything is timed.
    Refused,
    /// Ctrl-C, after so many blocks.
    Interrupted(usize),
    /// A trial without a verdict.
    NoVerdict { lost: bool },
    /// The base fails.
    Environment,
}

/// What happens in the repository while a patch is judged.
type Meanwhile = Box<dyn FnOnce(&Repo)>;

/// A request's answer, how long it takes, and what happens meanwhile.
pub(crate) struct Step {
    answer: Answer,
    seconds: f64,
    meanwhile: Option<Meanwhile>,
}

pub(crate) fn says(kind: Kind) -> Step {
    answers(Answer::Kinds(vec![kind]))
}

pub(crate) fn answers(answer: Answer) -> Step {
    Step {
        answer,
        seconds: 1.0,
        meanwhile: None,
    }
}

impl Step {
    pub(crate) fn taking(self, seconds: f64) -> Self {
        Self { seconds, ..self }
    }

    pub(crate) fn while_it(self, meanwhile: impl FnOnce(&Repo) + 'static) -> Self {
        Self {
            meanwhile: Some(Box::new(meanwhile)),
            ..self
        }
    }

    /// Meanwhile other people commit a file to the branch.
    pub(crate) fn while_branch_gets(self, path: &'static str, content: impl Into<String>) -> Self {
        let content = content.into();
        self.while_it(move |repo| {
            commit(repo, path, &content);
        })
    }
}

/// What the agent proposes when it is asked.
#[derive(Clone)]
pub(crate) enum Idea {
    /// The line of `src/k` that has this number gets this content.
    Line(usize, &'static str),
    /// A file outside of the policy.
    Forbidden,
    Nothing,
}

/// An agent with a script; after it there is nothing more to propose.
struct ScriptedAgent {
    ideas: VecDeque<Idea>,
    ends_by_itself: bool,
    wants_profile: bool,
    seconds: f64,
    clock: Rc<Cell<f64>>,
    profiles_seen: Rc<Cell<usize>>,
}

impl Agent for ScriptedAgent {
    fn name(&self) -> &str {
        "script"
    }

    fn may_fail_in_a_row(&self) -> bool {
        self.ends_by_itself
    }

    fn wants_profile(&self) -> bool {
        self.wants_profile
    }

    fn propose(
        &mut self,
        context: &AgentContext<'_>,
        _observer: &mut dyn Observer,
    ) -> Result<Proposal, GateError> {
        self.clock.set(self.clock.get() + self.seconds);
        let seen = self.profiles_seen.get() + usize::from(context.profile.is_some());
        self.profiles_seen.set(seen);
        let (path, content) = match self.ideas.pop_front() {
            None => {
                return Ok(Proposal::Exhausted {
                    reason: "the script is over".into(),
                });
            }
            Some(Idea::Nothing) => {
                return Ok(Proposal::Nothing {
                    title: "no idea".into(),
                    reason: "left no change".into(),
                });
            }
            Some(Idea::Forbidden) => ("outpace.toml", "version = 1\n".to_owned()),
            Some(Idea::Line(n, text)) => {
                let old = context.repo.read(&context.base.tree, "src/k")?.unwrap();
                let old = String::from_utf8(old).unwrap();
                let mut lines: Vec<&str> = old.lines().collect();
                lines[n] = text;
                ("src/k", lines.join("\n") + "\n")
            }
        };
        let base = &context.base.tree;
        Ok(Proposal::Tree {
            tree: context.repo.replace_file(base, path, content.as_bytes())?,
            title: format!("attempt at {path}"),
        })
    }
}

/// A judge that answers from a script. It refuses what the policy forbids, as every judge does.
struct ScriptedJudge {
    repo: Rc<Repo>,
    script: VecDeque<Step>,
    requests: Vec<GateRequest>,
    profiled: Vec<String>,
    clock: Rc<Cell<f64>>,
}

impl Judge for ScriptedJudge {
    fn judge(
        &mut self,
        request: &GateRequest,
        _observer: &mut dyn Observer,
    ) -> Result<GateOutcome, GateError> {
        self.requests.push(request.clone());
        let step = self.script.pop_front().expect("the script has an answer");
        self.clock.set(self.clock.get() + step.seconds);
        if let Some(meanwhile) = step.meanwhile {
            meanwhile(&self.repo);
        }
        let verdicts = |kinds: &[Kind], n_blocks| -> Vec<Verdict> {
            let named = request.workloads.iter().zip(kinds);
            named
                .map(|(name, kind)| verdict(request, name, *kind, n_blocks))
                .collect()
        };
        match step.answer {
            Answer::Kinds(kinds) => Ok(GateOutcome {
                build_s: 0.25,
                check_s: 0.5,
                ..GateOutcome::of(verdicts(&kinds, 8))
            }),
            Answer::Refused => Ok(GateOutcome::of(verdicts(&[Kind::Rejected], 0))),
            Answer::Interrupted(n) => Err(GateError::Interrupted(verdicts(&[Kind::NotProven], n))),
            Answer::NoVerdict { lost } => Err(GateError::NoVerdict {
                message: "the GPU is gone".into(),
                lost,
                verdicts: verdicts(&[Kind::Same], 0),
            }),
            Answer::Environment => Err(GateError::Environment("the base fails".into())),
        }
    }

    fn profile(
        &mut self,
        base: &Commit,
        _workload: &str,
        _observer: &mut dyn Observer,
    ) -> Result<Option<Profile>, GateError> {
        self.profiled.push(base.id.clone());
        let profile = serde_json::json!({
            "schema": "outpace.profile/1", "operations": [], "step_time_s": 0.1
        });
        Ok(Some(serde_json::from_value(profile).unwrap()))
    }
}

fn verdict(request: &GateRequest, workload: &str, kind: Kind, n_blocks: usize) -> Verdict {
    let rule = request.rule.for_one_of(request.workloads.len());
    let block = serde_json::json!({"pairs": [[1.0, 0.9], [1.0, 0.9]]});
    let json = serde_json::json!({
        "schema": "outpace.verdict/1", "verdict": kind.as_str(), "reason": "from the script",
        "threshold": rule.threshold, "alpha": rule.alpha, "min_speedup": rule.min_speedup,
        "blocks": vec![block; n_blocks], "n_blocks": n_blocks, "speedup": 0.1, "at_least": 0.05,
        "log_e": 9.0, "workload": workload, "track": "throughput", "base": request.base,
        "candidate_tree": request.tree, "title": request.title, "agent": request.agent,
        "patch": {"files": ["src/k"], "added": 1, "removed": 1},
        "tokens_per_s": {"base": 100.0, "candidate": 110.0},
        "machine_class": "m", "sandbox_tier": "landlock", "seeds": {"trial": request.seed},
        "outpace_version": "0.1.0", "started": "2026-05-19T08:30:00Z",
        "finished": "2026-05-19T08:31:00Z"
    });
    Verdict::from_json(&json.to_string()).unwrap()
}

/// A campaign with its script, ready to be run.
pub(crate) struct Run<'a> {
    lab: &'a Lab,
    pub(crate) campaign: Campaign,
    attempts: Vec<Attempt>,
    pub(crate) config: Config,
    ideas: Vec<Idea>,
    script: Vec<Step>,
    ends_by_itself: bool,
    wants_profile: bool,
    seconds: f64,
    cancelled_after: Option<usize>,
}

/// What became of it.
pub(crate) struct Ran {
    pub(crate) result: Result<(Campaign, Vec<Attempt>), GateError>,
    pub(crate) requests: Vec<GateRequest>,
    pub(crate) profiled: Vec<String>,
    pub(crate) profiles_seen: usize,
    pub(crate) events: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(lab: &'a Lab, campaign: Campaign, attempts: Vec<Attempt>) -> Self {
        Self {
            lab,
            campaign,
            attempts,
            config: parse_config(CONFIG, "outpace.toml").unwrap(),
            ideas: Vec::new(),
            script: Vec::new(),
            ends_by_itself: false,
            wants_profile: false,
            seconds: 0.0,
            cancelled_after: None,
        }
    }

    /// What the agent proposes.
    pub(crate) fn ideas(mut self, ideas: &[Idea]) -> Self {
        self.ideas = ideas.to_vec();
        self
    }

    /// What the judge answers.
    pub(crate) fn judged(mut self, script: impl IntoIterator<Item = Step>) -> Self {
        self.script = script.into_iter().collect();
        self
    }

    /// Changes the campaign before it runs.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Campaign)) -> Self {
        change(&mut self.campaign);
        self
    }

    /// Changes outpace.toml as the campaign sees it.
    pub(crate) fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The agent ends by itself, as `tune` does.
    pub(crate) fn ending_by_itself(mut self) -> Self {
        self.ends_by_itself = true;
        self
    }

    pub(crate) fn wanting_profiles(mut self) -> Self {
        self.wants_profile = true;
        self
    }

    /// Seconds that the agent takes each time.
    pub(crate) fn agent_takes(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Ctrl-C, noticed after so many looks.
    pub(crate) fn cancelled_after(mut self, looks: usize) -> Self {
        self.cancelled_after = Some(looks);
        self
    }

    pub(crate) fn run(self) -> Ran {
        let lab = self.lab;
        let dir = lab.store.open("c").unwrap();
        let begun = lab.clock.get();
        let clock = || lab.clock.get() - begun;
        let ledger = Ledger::new(self.campaign, self.attempts, &dir, &lab.repo, &clock);
        let mut judge = ScriptedJudge {
            repo: Rc::clone(&lab.repo),
            script: self.script.into(),
            requests: Vec::new(),
            profiled: Vec::new(),
            clock: Rc::clone(&lab.clock),
        };
        let profiles_seen = Rc::new(Cell::new(0));
        let mut agent = ScriptedAgent {
            ideas: self.ideas.into(),
            ends_by_itself: self.ends_by_itself,
            wants_profile: self.wants_profile,
            seconds: self.seconds,
            clock: Rc::clone(&lab.clock),
            profiles_seen: Rc::clone(&profiles_seen),
        };
        let looks = Cell::new(0);
        let cancelled = || {
            looks.set(looks.get() + 1);
            self.cancelled_after
                .is_some_and(|after| looks.get() > after)
        };
        let mut parties = Parties {
            repo: &lab.repo,
            config: &self.config,
            judge: &mut judge,
            agent: &mut agent,
            cancelled: &cancelled,
        };
        let mut events = Names::default();
        let result = run_campaign(&mut parties, ledger, &mut events);
        assert!(judge.script.is_empty(), "the whole script was asked for");
        Ran {
            result,
            requests: judge.requests,
            profiled: judge.profiled,
            profiles_seen: profiles_seen.get(),
            events: events.0.into_inner(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn campaign(&self) -> &Campaign {
        &self.result.as_ref().unwrap().0
    }

    #[track_caller]
    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.result.as_ref().unwrap().1
    }

    #[track_caller]
    pub(crate) fn verdicts(&self) -> Vec<&'static str> {
        self.attempts().iter().map(|a| a.verdict.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn stopped(&self) -> &str {
        self.campaign().stopped_because.as_deref().unwrap()
    }
}

/// Names of the events, in order.
#[derive(Default)]
struct Names(RefCell<Vec<String>>);

impl Observer for Names {
    fn on(&mut self, event: &Event) {
        let json = serde_json::to_value(event).unwrap();
        let name = json["event"].as_str().unwrap().to_owned();
        self.0.borrow_mut().push(name);
    }
}

/// Memory, where there is some: a campaign waits for the disk at every attempt.
fn area() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// A repository that is made once and copied.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let dir = TempDir::new_in(area()).unwrap();
        git(dir.path(), &["init", "-q", "-b", "main"]);
        git(dir.path(), &["config", "user.name", "Tester"]);
        git(dir.path(), &["config", "user.email", "tester@localhost"]);
        std::fs::write(dir.path().join("outpace.toml"), CONFIG).unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        // Far enough from each other that two changes do not touch.
        let lines: String = (0..40).map(|n| format!("line {n}\n")).collect();
        std::fs::write(dir.path().join("src/k"), lines).unwrap();
        git(dir.path(), &["add", "-A"]);
        git(dir.path(), &["commit", "-q", "-m", "first"]);
        dir
    };
    TEMPLATE.get_or_init(make).path()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
