"""Reading workflows: YAML as GitHub reads it, triggers, permissions, matrices, pins."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import actions  # noqa: E402
import matrix  # noqa: E402
import permissions  # noqa: E402
import triggers  # noqa: E402
from workflow_file import WorkflowError, parse_workflow  # noqa: E402

JOBS = "jobs: {j: {runs-on: x, steps: [{run: a}]}}"


class Reading(unittest.TestCase):
    def test_on_is_a_word_and_so_are_yes_and_times(self):
        env = "env: {a: yes, b: 12:30, c: 2026-01-01}"
        workflow = parse_workflow(f"on: push\n{env}\n{JOBS}", "w")
        self.assertEqual(workflow.on, {"push": {}})
        self.assertEqual(workflow.data["env"], {"a": "yes", "b": "12:30", "c": "2026-01-01"})

    def test_refused(self):
        for text in (
            "on: push\n", JOBS, f"on: push\non: push\n{JOBS}", f"on: push\nextra: 1\n{JOBS}",
            "on: push\njobs: {j: {runs-on: x, steps: [{run: a, uses: b}]}}",
            "on: push\njobs: {j: {runs-on: x, steps: [{run: a, id: b}, {run: a, id: b}]}}",
            "on: push\njobs: {j: {runs-on: x, container: y, steps: [{run: a}]}}",
            "on: push\njobs: {j: {uses: ./x.yml}}", "on: push\njobs: {j: {steps: [{run: a}]}}",
            "- a", "a: b: c",
        ):
            with self.subTest(text), self.assertRaises(WorkflowError):
                parse_workflow(text, "w")

    def test_uses_must_be_pinned_and_known(self):
        pin = "@" + "0123456789" * 4
        for uses in ("./", "./a/b", f"actions/checkout{pin}", f"actions/cache/save{pin}",
                     f"mine/own{pin}"):
            actions.check_uses(uses, {"mine/own": "record"})
        for uses in ("actions/checkout@v7", f"actions/github-script{pin}", "docker://x",
                     f"other/own{pin}", f"actions/checkout{pin[:-1]}", "actions/checkout",
                     f"actions/checkout{pin.upper()}X"):
            with self.subTest(uses), self.assertRaises(WorkflowError) as caught:
                actions.check_uses(uses, {})
            self.assertIn(uses, str(caught.exception))


class Triggers(unittest.TestCase):
    def check(self, on: str, event: str, payload: dict, starts: bool):
        workflow = parse_workflow(f"on: {on}\n{JOBS}", "w")
        with self.subTest(on=on, payload=payload):
            self.assertEqual(triggers.why_not(workflow, event, payload) is None, starts)

    def test_events(self):
        pull = {"action": "opened", "pull_request": {"base": {"ref": "main"}}}
        after = {"action": "completed", "workflow_run": {"name": "w1", "head_branch": "topic/a"}}
        for on, event, payload, starts in [
            ("push", "push", {"ref": "refs/heads/a"}, True),
            ("push", "pull_request", pull, False),
            ("{push: {branches: [main]}}", "push", {"ref": "refs/heads/a"}, False),
            ("{push: {branches: ['a/**', '!a/b']}}", "push", {"ref": "refs/heads/a/b"}, False),
            ("{push: {branches-ignore: ['a*']}}", "push", {"ref": "refs/heads/ab"}, False),
            ("{pull_request: }", "pull_request", pull, True),
            ("{pull_request: {types: [closed]}}", "pull_request", pull, False),
            ("[pull_request]", "pull_request", {**pull, "action": "labeled"}, False),
            ("{pull_request: {branches: [release]}}", "pull_request", pull, False),
            ("{workflow_run: {workflows: [w1], types: [completed]}}", "workflow_run", after, True),
            ("{workflow_run: {workflows: [w2]}}", "workflow_run", after, False),
            ("{workflow_run: {workflows: [w1], branches: [main]}}", "workflow_run", after, False),
            ("{schedule: [{cron: '0 0 * * *'}]}", "schedule", {}, True),
        ]:
            self.check(on, event, payload, starts)


class Permissions(unittest.TestCase):
    def test_effective(self):
        for workflow, job, fork, expected in [
            ({}, {}, False, {"contents": "read", "packages": "read"}),
            ({"permissions": {}}, {}, False, {}),
            ({"permissions": {"issues": "write"}}, {}, False, {"issues": "write"}),
            ({"permissions": {"issues": "write"}}, {"permissions": {}}, False, {}),
            ({"permissions": {}}, {"permissions": {"checks": "write"}}, False, {"checks": "write"}),
            ({"permissions": {"issues": "write", "id-token": "write"}}, {}, True,
             {"issues": "read"}),
        ]:
            with self.subTest(workflow=workflow, job=job, fork=fork):
                found = permissions.effective(workflow, job, fork)
                given = {scope: level for scope, level in found.items() if level != "none"}
                self.assertEqual(given, {**expected, "metadata": "read"})
        everything = permissions.effective({"permissions": "write-all"}, {}, True)
        self.assertNotIn("write", everything.values())

    def test_unknown(self):
        for asked in (None, "all", {"issue": "read"}, {"issues": "admin"},
                      {"id-token": "read"}, {"models": "write"}):
            with self.subTest(asked), self.assertRaises(WorkflowError):
                permissions.effective({"permissions": asked}, {}, False)


class Matrix(unittest.TestCase):
    def test_the_example_of_the_documentation(self):
        found = matrix.combinations({
            "fruit": ["apple", "pear"], "animal": ["cat", "dog"],
            "include": [{"color": "green"}, {"color": "pink", "animal": "cat"},
                        {"fruit": "apple", "shape": "circle"}, {"fruit": "banana"},
                        {"fruit": "banana", "animal": "cat"}]})
        self.assertEqual(found, [
            {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
            {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
            {"fruit": "pear", "animal": "cat", "color": "pink"},
            {"fruit": "pear", "animal": "dog", "color": "green"},
            {"fruit": "banana"}, {"fruit": "banana", "animal": "cat"}])

    def test_exclude(self):
        self.assertEqual(matrix.combinations({"a": [1, 2], "exclude": [{"a": 1}]}), [{"a": 2}])
        self.assertEqual(matrix.combinations(None), [{}])
        with self.assertRaises(WorkflowError):
            matrix.combinations({"a": []})


if __name__ == "__main__":
    unittest.main()
