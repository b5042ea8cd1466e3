"""The stand-in for GitHub's API: who may do what, pages, limits, and faults on order."""

import http.client
import json
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from support import BASE, FORK, Case, commit, git
import artifact_store  # found by support


class ApiCase(Case):
    def ask(self, method: str, path: str, body: Any = None, token: str | None = None,
            headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
        given = {"User-Agent": "test", **(headers or {})}
        if token:
            given["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("http") else f"{self.api.url}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, given, method=method)
        try:
            with urllib.request.build_opener(NoRedirect).open(request) as answer:
                return answer.status, json.loads(answer.read() or b"null"), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null"), dict(error.headers)

    def token(self, **permissions: str) -> str:
        granted = {name.replace("_", "-"): level for name, level in permissions.items()}
        return self.api.state.add_token(BASE, granted)

    def status(self, *arguments: Any, **about: Any) -> int:
        return self.ask(*arguments, **about)[0]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


REPO = f"/repos/{BASE}"
COMMENTS = f"{REPO}/issues/1/comments"


class Permissions(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.head = git(self.base, "rev-parse", "HEAD")
        self.api.state.add_issue(BASE, "one")
        self.api.state.add_pull(BASE, "topic", self.head)

    def test_writing(self):
        check = {"name": "a", "head_sha": self.head}
        for path, body, right in [
            (COMMENTS, {"body": "x"}, {"issues": "write"}),
            (f"{REPO}/issues/2/comments", {"body": "x"}, {"pull_requests": "write"}),
            (f"{REPO}/issues", {"title": "x"}, {"issues": "write"}),
            (f"{REPO}/check-runs", check, {"checks": "write"}),
            (f"{REPO}/statuses/{self.head}", {"state": "success"}, {"statuses": "write"}),
        ]:
            with self.subTest(path):
                self.assertEqual(self.status("POST", path, body), 401)
                self.assertEqual(self.status("POST", path, body, "ghs_wrong"), 401)
                for wrong in ({}, {"contents": "write"}, {name: "read" for name in right}):
                    code, answer, _ = self.ask("POST", path, body, self.token(**wrong))
                    self.assertEqual((code, answer["message"]),
                                     (403, "Resource not accessible by integration"))
                self.assertEqual(self.status("POST", path, body, self.token(**right)), 201)

    def test_pull_requests_write_does_not_reach_issues(self):
        token = self.token(pull_requests="write")
        self.assertEqual(self.status("POST", COMMENTS, {"body": "x"}, token), 403)
        self.assertEqual(self.status("PATCH", f"{REPO}/issues/1", {"state": "closed"}, token), 403)

    def test_a_token_belongs_to_its_repository(self):
        token = self.api.state.add_token(FORK, {"issues": "write"})
        self.assertEqual(self.status("POST", COMMENTS, {"body": "x"}, token), 403)

    def test_public_things_are_read_by_anyone_and_artifacts_are_not(self):
        for path in (COMMENTS, f"{REPO}/issues", f"{REPO}/pulls", REPO,
                     f"{REPO}/commits/{self.head}/check-runs"):
            self.assertEqual(self.status("GET", path), 200, path)
        artifact = artifact_store.store(self.folder / "artifacts", 5, "a", b"content")
        address = f"{REPO}/actions/artifacts/{artifact.id}/zip"
        self.assertEqual(self.status("GET", address, token=self.token()), 403)
        code, _, headers = self.ask("GET", address, token=self.token(actions="read"))
        self.assertEqual(code, 302)
        self.assertEqual(self.status("GET", headers["Location"], token="any"), 403)
        with urllib.request.urlopen(headers["Location"]) as answer:
            self.assertEqual(answer.read(), b"content")

    def test_a_private_repository(self):
        self.api.state.private = True
        self.assertEqual(self.status("GET", COMMENTS), 401)
        self.assertEqual(self.status("GET", COMMENTS, token=self.token()), 403)
        self.assertEqual(self.status("GET", COMMENTS, token=self.token(issues="read")), 200)

    def test_requests_that_github_does_not_take(self):
        token = self.token(issues="write")
        self.assertEqual(self.status("GET", "/search/issues?q=x"), 501)
        self.assertEqual(self.status("DELETE", f"{REPO}/issues/1", token=token), 501)
        self.assertEqual(self.status("GET", "/repos/no/where/issues"), 404)
        self.assertEqual(self.status("GET", f"{REPO}/issues/99"), 404)
        self.assertEqual(self.status("POST", COMMENTS, {"body": ""}, token), 422)
        self.assertEqual(self.status("GET", COMMENTS, headers={"User-Agent": ""}), 403)
        request = urllib.request.Request(f"{self.api.url}{COMMENTS}", b"{no",
                                         {"Authorization": f"token {token}"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        self.assertEqual(caught.exception.code, 400)

    def test_the_state_shows_no_token(self):
        token = self.token(issues="write")
        self.ask("POST", COMMENTS, {"body": "x"}, token)
        code, state, _ = self.ask("GET", "/_state")
        self.assertEqual((code, state["comments"][BASE][0]["body"]), (200, "x"))
        self.assertNotIn(token, json.dumps(state))
        self.assertEqual(self.status("POST", "/_tokens", {"repository": BASE, "permissions": {}}),
                         403)


class Contents(ApiCase):
    def test_pages_of_comments(self):
        issue = self.api.state.add_issue(BASE, "one")
        for number in range(65):
            self.api.state.add_comment(BASE, issue, str(number))
        seen, url = [], COMMENTS
        while url:
            code, comments, headers = self.ask("GET", url)
            seen += [comment["body"] for comment in comments]
            links = dict(part.split("; ")[::-1] for part in headers.get("Link", "").split(", ")
                         if part)
            url = links.get('rel="next"', "").strip("<>")
        self.assertEqual(seen, [str(number) for number in range(65)])
        self.assertEqual(len(self.ask("GET", f"{COMMENTS}?per_page=1000")[1]), 65)
        self.assertEqual(self.ask("GET", f"{COMMENTS}?per_page=20&page=9")[1], [])

    def test_limits(self):
        self.api.state.add_issue(BASE, "one")
        head = git(self.base, "rev-parse", "HEAD")
        token = self.token(issues="write", checks="write")
        for size, code in ((65_536, 201), (65_537, 422)):
            self.assertEqual(self.status("POST", COMMENTS, {"body": "ä" * size}, token), code)
            self.assertEqual(self.status("POST", f"{REPO}/issues",
                                         {"title": "t", "body": "x" * size}, token), code)
            run = {"name": "a", "head_sha": head,
                   "output": {"title": "t", "summary": "x" * (size - 1)}}
            self.assertEqual(self.status("POST", f"{REPO}/check-runs", run, token), code)

    def test_issues_with_labels_and_states(self):
        token = self.token(issues="write")
        self.api.state.add_pull(BASE, "topic", "0" * 40)
        _, issue, _ = self.ask("POST", f"{REPO}/issues",
                               {"title": "slower", "labels": ["nightly", "a"]}, token)
        self.ask("POST", f"{REPO}/issues", {"title": "other"}, token)
        found = self.ask("GET", f"{REPO}/issues?labels=nightly&state=open")[1]
        self.assertEqual([each["number"] for each in found], [issue["number"]])
        every = self.ask("GET", f"{REPO}/issues?state=all&direction=asc")[1]
        self.assertEqual(["pull_request" in each for each in every], [True, False, False])
        self.ask("PATCH", f"{REPO}/issues/{issue['number']}", {"state": "closed"}, token)
        self.assertEqual(self.ask("GET", f"{REPO}/issues?labels=nightly")[1], [])
        changed = self.ask("GET", f"{REPO}/issues?labels=nightly&state=closed")[1]
        self.assertEqual(changed[0]["state"], "closed")

    def test_comments_are_changed(self):
        issue, token = self.api.state.add_issue(BASE, "one"), self.token(issues="write")
        comment = self.api.state.add_comment(BASE, issue, "old")
        path = f"{REPO}/issues/comments/{comment['id']}"
        self.assertEqual(self.ask("PATCH", path, {"body": "new"}, token)[1]["body"], "new")
        self.assertEqual(self.ask("GET", path)[1]["user"]["login"], "github-actions[bot]")

    def test_check_runs(self):
        head, token = git(self.base, "rev-parse", "HEAD"), self.token(checks="write")
        for body, code in [
            ({"name": "a", "head_sha": head}, 201), ({"name": "a", "head_sha": "main"}, 422),
            ({"name": "a", "head_sha": "0" * 40}, 422), ({"head_sha": head}, 422),
            ({"name": "a", "head_sha": head, "status": "completed"}, 422),
            ({"name": "a", "head_sha": head, "conclusion": "slower"}, 422),
            ({"name": "a", "head_sha": head, "output": {"title": "t"}}, 422),
            ({"name": "a", "head_sha": head, "conclusion": "failure",
              "output": {"title": "t", "summary": "s"}}, 201),
        ]:
            self.assertEqual(self.status("POST", f"{REPO}/check-runs", body, token), code, body)
        path = f"{REPO}/commits/{head}/check-runs"
        latest = self.ask("GET", path)[1]
        self.assertEqual([(run["status"], run["conclusion"]) for run in latest["check_runs"]],
                         [("completed", "failure")])
        self.assertEqual(self.ask("GET", f"{path}?filter=all")[1]["total_count"], 2)
        run = f"{REPO}/check-runs/{latest['check_runs'][0]['id']}"
        self.assertEqual(self.ask("PATCH", run, {"conclusion": "success"}, token)[1]["conclusion"],
                         "success")

    def test_pull_requests(self):
        token = self.token(pull_requests="write")
        git(self.base, "branch", "same")
        git(self.base, "checkout", "-q", "-b", "topic")
        head = commit(self.base, {"a": "b"})
        ask = {"title": "t", "base": "main"}
        for more, code in [({"head": "none"}, 422), ({"head": "same"}, 422),
                           ({"head": "topic"}, 201), ({"head": "topic"}, 422),
                           ({"head": "topic", "title": " "}, 422)]:
            body = {**ask, **more}
            self.assertEqual(self.status("POST", f"{REPO}/pulls", body, token), code, body)
        self.api.state.add_pull(BASE, "topic", "1" * 40, head_repository=FORK)
        for query, expected in [("", [2, 1]), ("?head=base:topic", [1]), ("?base=other", []),
                                ("?head=stranger:topic", [2]), ("?state=closed", [])]:
            found = self.ask("GET", f"{REPO}/pulls{query}")[1]
            self.assertEqual([pull["number"] for pull in found], expected, query)
        self.assertEqual(len(self.ask("GET", f"{REPO}/commits/{head}/pulls")[1]), 1)
        self.assertEqual(self.ask("GET", f"{REPO}/commits/{'1' * 40}/pulls")[1], [])
        self.api.state.actions_may_open_pulls = False
        self.assertEqual(self.status("POST", f"{REPO}/pulls", {**ask, "head": "topic"}, token), 403)


class Faults(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.api.state.add_issue(BASE, "one")
        self.write = self.token(issues="write")

    def post(self) -> tuple[int, Any, dict[str, str]]:
        return self.ask("POST", COMMENTS, {"body": "x"}, self.write)

    def comments(self) -> int:
        return len(self.api.state.comments.get(BASE, []))

    def test_answers_on_order(self):
        for fault, code in [({"status": 502}, 502), ({"status": 429, "retry_after": 1}, 429),
                            ({"kind": "secondary", "retry_after": 2}, 403)]:
            self.api.state.faults.add(**fault)
            answer = self.post()
            self.assertEqual(answer[0], code)
            self.assertEqual(answer[2].get("Retry-After"), str(fault["retry_after"])
                             if "retry_after" in fault else None)
        self.assertEqual((self.comments(), self.post()[0], self.comments()), (0, 201, 1))

    def test_an_answer_that_is_lost(self):
        for fault in ({"status": 502}, {"kind": "close"}):
            self.api.state.faults.add(carried_out=True, method="POST", path="/comments", **fault)
            self.assertEqual(self.status("GET", COMMENTS), 200)
            try:
                self.assertEqual(self.post()[0], 502)
            except (http.client.RemoteDisconnected, urllib.error.URLError):
                self.assertIn("kind", fault)
        self.assertEqual(self.comments(), 2)

    def test_as_a_process_of_its_own(self):
        script = str(Path(artifact_store.__file__).parent / "github_api.py")
        with subprocess.Popen([sys.executable, script, "--repository", f"{BASE}={self.base}",
                               "--artifacts", str(self.folder)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:
            about = json.loads(process.stdout.readline())
            admin = {"X-Admin-Key": about["admin_key"]}
            wanted = [("/_issues", {"repository": BASE, "title": "t"}),
                      ("/_faults", {"status": 500, "count": 2}),
                      ("/_tokens", {"repository": BASE, "permissions": {"issues": "write"}})]
            for path, body in wanted:
                code, answer, _ = self.ask("POST", about["url"] + path, body, headers=admin)
                self.assertEqual(code, 201)
            codes = [self.status("POST", about["url"] + COMMENTS, {"body": "x"}, answer["token"])
                     for _ in range(3)]
            process.stdin.close()
        self.assertEqual((codes, process.returncode), ([500, 500, 201], 0))


if __name__ == "__main__":
    unittest.main()
