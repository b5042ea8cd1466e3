"""What a run is given, and what it remembers. No behaviour beyond looking things up."""

import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable

from commands import Command, Listener
from permissions import Permissions
from workflow_file import Workflow


@dataclass
class Config:
    """One event in one repository, and what stands in for GitHub around it."""

    repository: str  # owner/name
    folder: Path  # the git repository that plays GitHub's
    workflow: str  # path of its file in that repository
    event: str
    payload: dict[str, Any]
    artifacts: Path
    temp: Path
    api_url: str
    admin_key: str
    from_disk: Path | None = None  # read the workflow here, not at the commit of the event
    ref: str | None = None
    sha: str | None = None
    default_branch: str = "main"
    actor: str = "octocat"
    run_id: int = field(default_factory=lambda: secrets.randbelow(2**33) + 1)
    run_number: int = 1
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    only_job: str | None = None
    approved: frozenset[str] = frozenset()  # environments that somebody let run
    rejected: frozenset[str] = frozenset()  # and those that somebody did not
    # owner/name[/path] -> folder with a composite action.yml, a function, or "record".
    uses: dict[str, Any] = field(default_factory=dict)
    runner_environment: dict[str, str] = field(default_factory=dict)
    cache: Path | None = None


@dataclass
class Log:
    """Readable text in a file, and on stderr if wanted, with masked values taken out."""

    path: Path
    echo: bool = False
    masks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.file = self.path.open("a", encoding="utf-8", buffering=1)

    def masked(self, text: str) -> str:
        for mask in sorted(self.masks, key=len, reverse=True):
            text = text.replace(mask, "***")
        return text

    def line(self, text: str) -> None:
        text = self.masked(text)
        self.file.write(text + "\n")
        if self.echo:
            print(text, file=sys.stderr)

    def mask(self, value: str) -> None:
        """The value and each of its lines, as a line is what a log shows."""
        self.masks.update(part for part in [value, *value.split("\n")] if part.strip())


@dataclass
class StepRecord:
    name: str
    id: str | None = None
    uses: str | None = None
    outcome: str = "success"  # before continue-on-error
    conclusion: str = "success"  # after it
    outputs: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    annotations: list[dict[str, str]] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0
    steps: list["StepRecord"] = field(default_factory=list)  # of a composite action

    def annotate(self, level: str, message: str) -> None:
        self.annotations.append({"level": level, "message": message})


@dataclass
class JobRecord:
    id: str
    name: str
    conclusion: str = "success"
    result: str = "success"  # what `needs` sees
    matrix: dict[str, Any] = field(default_factory=dict)
    runs_on: Any = None
    environment: str | None = None
    concurrency: Any = None
    permissions: Permissions = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    annotations: list[dict[str, str]] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)


@dataclass
class Result:
    workflow: str
    path: str
    event: str
    ref: str
    sha: str
    run_id: int
    conclusion: str = "success"
    jobs: list[JobRecord] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    recorded: list[dict[str, Any]] = field(default_factory=list)  # what actions would have done
    notes: list[str] = field(default_factory=list)
    log: str = ""

    def job(self, job_id: str) -> JobRecord:
        return next(job for job in self.jobs if job.id == job_id)

    def commands(self) -> list[Command]:
        """Every workflow command that the run printed, in order."""
        def of(steps: list[StepRecord]) -> list[Command]:
            return [command for step in steps for command in [*step.commands, *of(step.steps)]]
        return [command for job in self.jobs for command in of(job.steps)]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Run:
    config: Config
    workflow: Workflow
    github: dict[str, Any]
    fork: bool
    log: Log
    result: Result


@dataclass
class JobState:
    """One job while it runs."""

    run: Run
    record: JobRecord
    github: dict[str, Any]
    needs: dict[str, Any]
    strategy: dict[str, Any]
    secrets: dict[str, str]
    workspace: Path
    temp: Path
    home: Path
    defaults: dict[str, Any]
    deadline: float
    environment: dict[str, str] = field(default_factory=dict)
    prepended: list[str] = field(default_factory=list)
    cancelled: bool = False
    listener: Listener = field(default_factory=Listener)
    summaries: list[str] = field(default_factory=list)
    post: list[Callable[[], None]] = field(default_factory=list)
    scripts: int = 0


@dataclass
class Frame:
    """A list of steps while it runs: those of a job, or of a composite action in it."""

    job: JobState
    records: list[StepRecord]
    steps: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)  # of the step that called it
    failed: bool = False
    action_path: Path | None = None
    action_repository: str = ""
    action_ref: str = ""
    depth: int = 0

    @property
    def composite(self) -> bool:
        return self.action_path is not None

    @property
    def status(self) -> str:
        return "cancelled" if self.job.cancelled else "failure" if self.failed else "success"
