"""A repository, a stand-in for GitHub and a run of a workflow, in a folder of their own."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import events  # noqa: E402
from github_api import GithubApi  # noqa: E402
from model import Config, Result  # noqa: E402
from run_workflow import run_workflow  # noqa: E402

BASE, FORK = "base/project", "stranger/project"
PIN = "@" + "a" * 40
CHECKOUT = f"actions/checkout{PIN}"
GIT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@example.org"}


def fast_folder() -> str | None:
    """Memory where there is some that programs may run in: on a disk the tests take twice as long.

    A folder that TMPDIR names is taken as it is.
    """
    place = Path("/dev/shm")
    if "TMPDIR" in os.environ or not (place.is_dir() and os.access(place, os.W_OK)):
        return None
    return None if os.statvfs(place).f_flag & os.ST_NOEXEC else str(place)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=GIT, check=True, text=True,
                          capture_output=True)
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str], message: str = "a change") -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@functools.cache
def first_repository() -> Path:
    """One repository with one commit, which each test copies: git is most of their time."""
    folder = Path(tempfile.mkdtemp(dir=fast_folder()))
    atexit.register(shutil.rmtree, folder)
    git(folder, "init", "--quiet", "--template=", "-b", "main")
    commit(folder, {"README": "hello\n"}, "first")
    git(folder, "gc", "--quiet", "--prune=now")
    return folder


class Case(unittest.TestCase):
    """Each test has its own repository `base` and stand-in `api`."""

    private = False

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(dir=fast_folder())
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.base, self.fork = self.folder / "base", self.folder / "fork"
        shutil.copytree(first_repository(), self.base)
        self.api = GithubApi({BASE: self.base, FORK: self.fork}, self.folder / "artifacts",
                             self.private)
        self.addCleanup(self.api.close)

    def config(self, **about: Any) -> Config:
        head = git(self.base, "rev-parse", "main")
        given = {"repository": BASE, "folder": self.base, "workflow": ".github/workflows/w.yml",
                 "event": "push", "payload": events.push(BASE, "refs/heads/main", head, head),
                 "artifacts": self.folder / "artifacts", "temp": self.folder / "temp",
                 "api_url": self.api.url, "admin_key": self.api.admin_key}
        return Config(**{**given, **about})

    def run_text(self, text: str, **about: Any) -> Result:
        """Runs a workflow that is not in the repository."""
        path = self.folder / "w.yml"
        path.write_text(textwrap.dedent(text))
        return run_workflow(self.config(from_disk=path, **about))

    def steps(self, steps: str, **about: Any) -> Result:
        """One job of these steps."""
        head = "on: {push: , pull_request: , workflow_dispatch: , workflow_run: {workflows: " \
               "[measure]}}\njobs:\n  j:\n    runs-on: here\n    steps:\n"
        return self.run_text(head + textwrap.indent(textwrap.dedent(steps), " " * 6), **about)

    def outputs(self, steps: str, **about: Any) -> dict[str, str]:
        """The outputs of the last step; the run must be a success."""
        result = self.steps(steps, **about)
        self.assertEqual(result.conclusion, "success", self.log(result))
        return result.jobs[0].steps[-1].outputs

    def log(self, result: Result) -> str:
        return Path(result.log).read_text()

    def pull_from_fork(self, files: dict[str, str]) -> dict[str, Any]:
        """A pull request number 1 of a fork, known to the stand-in as well; its event."""
        git(self.folder, "clone", "--quiet", "--template=", str(self.base), "fork")
        git(self.fork, "checkout", "--quiet", "-b", "topic")
        head = commit(self.fork, files)
        events.open_pull_refs(self.base, 1, head, fork=self.fork)
        self.api.state.add_pull(BASE, "topic", head, head_repository=FORK, number=1)
        return events.pull_request(BASE, 1, head, "topic", git(self.base, "rev-parse", "main"),
                                   fork=FORK)
