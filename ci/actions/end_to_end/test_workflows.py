"""The workflows that `outpace init --ci github` writes, run as they stand, with the real action.yml
and a built outpace: a fork's pull request, hostile artifacts, nights, a campaign.

Needs `cargo build --release -p outpace` first. Takes minutes; `-k NAME` runs one.
"""

import json
import os
import shutil
import subprocess
import sys
import unittest
import zipfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "ci/actions/tests"))
from support import BASE, FORK, Case, commit, git  # noqa: E402
import artifact_store  # noqa: E402
import events  # noqa: E402
from model import Config, Result  # noqa: E402
from run_workflow import run_workflow  # noqa: E402

OUTPACE = ROOT / "target/release/outpace"
ACTION = "outpace-dev/outpace@" + "b" * 40
PUBLISH, GATE = ".github/workflows/outpace-publish.yml", ".github/workflows/outpace.yml"
NIGHTLY, RESEARCH = ".github/workflows/outpace-nightly.yml", ".github/workflows/outpace-research.yml"
SETTINGS = {"outpace.toml": """\
    version = 1
    [workload.toy]
    run = ["python3", "train.py"]
    reads = ["train.py"]
    check_steps = 4
    [policy]
    editable = ["train.py", "settings.json"]
    [gate]
    pairs = 7
    min_turn_ms = 1
    max_blocks = 30
    [agent.sleepless]
    command = ["sed", "-i", "s/6000/3000/", "train.py"]
    """, "train.py": (ROOT / "ci/actions/end_to_end/toy.py").read_text()}

HOSTILE = [
    "`touch pwned`", "$(touch pwned)", "\"; touch pwned; \"", "a\n::error::x",
    "a\r::set-output name=x::y", "x ##[set-output name=verdict]faster", "${{ github.token }}",
    "<img src=x onerror=alert(1)>", "<!-- outpace: result -->", "[x](https://evil.example)",
    "![x](https://evil.example/p.png)", "@octocat @base/team", "fixes #1", "# head", "| a | b |",
    "```\n</details>", "\u202egnp", "\x1b[2J", "a" * 70_000,
]


class Workflows(Case):
    """A repository with a toy workload and the workflows."""

    def setUp(self) -> None:
        super().setUp()
        self.assertTrue(OUTPACE.is_file(), "cargo build --release -p outpace")
        commit(self.base, SETTINGS, "a toy")
        subprocess.run([OUTPACE, "-C", self.base, "init", "--ci", "github", "--action", ACTION],
                       check=True, capture_output=True)
        commit(self.base, {}, "workflows")
        self.number = 0

    def started(self, workflow: str, event: str, payload: dict, **more) -> tuple[Config, Result]:
        self.number += 1
        temp = self.folder / f"temp{self.number}"
        # Rust's own folders: a job's HOME is a fresh one.
        keep = {name: os.environ.get(name, str(Path.home() / f".{name[:-5].lower()}"))
                for name in ("CARGO_HOME", "RUSTUP_HOME")}
        config = self.config(workflow=workflow, event=event, payload=payload, temp=temp,
                             uses={"outpace-dev/outpace": ROOT}, runner_environment=keep,
                             run_number=self.number, **more)
        return config, run_workflow(config)

    def published(self, config: Config, result: Result) -> Result:
        """What follows the run, by the event that it causes."""
        _, published = self.started(PUBLISH, "workflow_run", events.workflow_run(result, config))
        self.assertEqual(published.conclusion, "success", self.log(published))
        return published

    def comments(self) -> list[str]:
        return [c["body"] for c in self.known("comments")]

    def known(self, kind: str) -> list[dict]:
        return self.api.state.dump()[kind].get(BASE, [])

    def checks(self) -> list[tuple[str, str]]:
        return [(c["conclusion"], c["head_sha"]) for c in self.known("check_runs")]

    def pull(self, change: dict[str, str]) -> dict:
        return self.pull_from_fork(change)

    def next_push(self, change: dict[str, str]) -> dict:
        """The fork pushes to its pull request."""
        head = commit(self.fork, change)
        events.open_pull_refs(self.base, 1, head, fork=self.fork)
        [pull] = self.known("pulls")
        pull["head"]["sha"] = head
        base = git(self.base, "rev-parse", "main")
        return events.pull_request(BASE, 1, head, "topic", base, fork=FORK, action="synchronize")


class PullRequest(Workflows):
    def test_a_fork_is_measured_after_approval_and_has_one_comment(self):
        slow = SETTINGS["train.py"].replace("6000", "12000")
        event = self.pull({"train.py": slow})
        _, waiting = self.started(GATE, "pull_request", event)
        self.assertEqual([job.conclusion for job in waiting.jobs if job.name.startswith("Measure")
                          and job.steps], [], "nothing of a fork runs before somebody approves")
        config, result = self.started(GATE, "pull_request", event, approved={"outpace-forks"})
        self.assertEqual(result.conclusion, "failure", "training is slower: " + self.log(result))
        self.published(config, result)
        [comment] = self.comments()
        self.assertIn("Training is proven slower.", comment)
        self.assertEqual(self.checks()[-1][0], "failure")
        # It is mended: the same comment says so.
        event = self.next_push({"train.py": SETTINGS["train.py"], "README": "better\n"})
        config, result = self.started(GATE, "pull_request", event, approved={"outpace-forks"})
        self.assertEqual(result.conclusion, "success", self.log(result))
        self.published(config, result)
        [comment] = self.comments()
        self.assertNotIn("Training is proven slower.", comment)
        self.assertEqual(self.checks()[-1][0], "success")

    def test_hostile_artifacts_execute_nothing_and_deface_nothing(self):
        event = self.pull({"train.py": SETTINGS["train.py"] + "done = True\n"})
        config, result = self.started(GATE, "pull_request", event, approved={"outpace-forks"})
        honest = self.artifact(result.run_id)
        for content in [*self.hostile(honest)]:
            with self.subTest(content=str(content)[:60]):
                self.replace(result.run_id, content)
                published = self.published(config, result)
                self.assertEqual(published.commands(), [], "no workflow command")
                self.assertEqual(list(self.folder.rglob("pwned")), [])
                [comment] = self.comments()
                self.harmless(comment)
        self.assertNotIn("failure", [check for check, _ in self.checks()])

    def harmless(self, text: str) -> None:
        outside = text.split("<!-- outpace: result -->", 1)[1]
        for bad in ["<img", "<!--", "](https://evil", "@octocat", "@base", " #1", "\n# head",
                    "\x1b", "\u202e", "\n| a | b |"]:
            self.assertNotIn(bad, outside.replace("\u200b@", "@"))
        self.assertLess(len(text), 65_536)

    def artifact(self, run: int) -> dict:
        path = self.folder / "artifacts" / str(run) / "files" / "outpace-result.zip"
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("result.json"))

    def replace(self, run: int, content: bytes | dict[str, bytes]) -> None:
        files = content if isinstance(content, dict) else {"result.json": content}
        data = BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        artifact_store.store(self.folder / "artifacts", run, "outpace-result", data.getvalue(),
                             overwrite=True)

    def hostile(self, honest: dict):
        yield b"x" * (9 << 20)
        yield b"not json"
        yield json.dumps({"schema": "outpace.verdict/1"}).encode()
        yield {"other.txt": b"x"}
        yield {"result.json/x": b"a folder"}
        for text in HOSTILE:
            yield json.dumps(filled(honest, text)).encode()
        forged = filled(honest, "a patch")
        for verdict in forged["verdicts"]:
            verdict.update(verdict="faster", speedup=9.0, at_least=9.0, reason="proven",
                           blocks=[{"pairs": [[1.0, 1.0]] * 7}] * 8, n_blocks=8)
        yield json.dumps(forged).encode()


def filled(value, text: str, key: str = ""):
    """A document with a text in every field that holds one, but those that make it readable."""
    kept = {"schema", "verdict", "track", "sandbox_tier", "started", "finished"}
    if isinstance(value, dict):
        return {k: filled(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, text, key) for v in value]
    return text if isinstance(value, str) and key not in kept else value


class Night(Workflows):
    def test_a_slowdown_becomes_one_issue_which_is_closed_in_the_end(self):
        for n in range(9):
            work = "6000" if n < 4 else "9000"
            # Equal artefacts are not timed again, so each commit has its own.
            text = SETTINGS["train.py"].replace("6000", work) + f"# {n}\n"
            commit(self.base, {"train.py": text}, f"commit {n}")
        self.night()
        [issue] = self.issues()
        self.assertEqual(issue["state"], "open")
        self.assertIn("REGRESSION", issue["body"].upper())
        refs = git(self.base, "for-each-ref", "--format=%(refname)", "refs/outpace")
        self.assertEqual(refs, "refs/outpace/history")
        # The next night measures nothing twice, and opens nothing twice.
        self.night()
        self.assertEqual(len(self.issues()), 1)
        # Mended: two commits at the old level close it.
        for n in range(3):
            commit(self.base, {"train.py": SETTINGS["train.py"] + f"# mended {n}\n"}, "mend")
        self.night()
        [issue] = self.issues()
        self.assertEqual(issue["state"], "closed", issue["body"])

    def night(self) -> Result:
        payload = events.schedule(BASE, "17 2 * * *")
        _, result = self.started(NIGHTLY, "schedule", payload)
        self.assertEqual(result.conclusion, "success", self.log(result))
        return result

    def issues(self) -> list[dict]:
        return [i for i in self.known("issues") if "pull_request" not in i]


class Research(Workflows):
    def test_what_is_proven_becomes_a_pull_request_with_its_proofs(self):
        payload = events.dispatch(BASE, {"agent": "sleepless", "budget": "90s"})
        _, result = self.started(RESEARCH, "workflow_dispatch", payload,
                                 approved={"outpace-research"})
        self.assertEqual(result.conclusion, "success", self.log(result))
        pulls = self.known("pulls")
        self.assertEqual([p["head"]["ref"] for p in pulls], ["outpace/main"], pulls)
        files = git(self.base, "ls-tree", "-r", "--name-only", "outpace/main", "baselines/proofs")
        self.assertTrue(files, "its proofs")
        clone = self.folder / "clone"
        git(self.folder, "clone", "--quiet", str(self.base), str(clone))
        audit = subprocess.run([OUTPACE, "-C", clone, "audit", "origin/outpace/main"],
                               capture_output=True, text=True)
        self.assertEqual(audit.returncode, 0, audit.stdout)


if __name__ == "__main__":
    shutil.which("git") or sys.exit("git is missing")
    unittest.main()
