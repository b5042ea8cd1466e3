"""What the stand-in for GitHub remembers: tokens, issues, comments, pull requests, checks.

All of it is in memory. It speaks no HTTP and checks no permissions; github_routes.py does.
"""

import hashlib
import secrets
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from github_faults import Faults
from permissions import Permissions, allows

Item = dict[str, Any]
BOT = {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}


@dataclass
class Token:
    repository: str
    permissions: Permissions

    def may(self, scope: str, level: str) -> bool:
        return allows(self.permissions, scope, level)


@dataclass
class State:
    repositories: dict[str, Path]  # owner/name -> git repository; the first is the base
    artifacts: Path
    private: bool = False
    # A setting of a repository; without it a workflow cannot open pull requests.
    actions_may_open_pulls: bool = True
    default_branch: str = "main"
    tokens: dict[str, Token] = field(default_factory=dict)
    issues: dict[str, list[Item]] = field(default_factory=dict)
    comments: dict[str, list[Item]] = field(default_factory=dict)
    pulls: dict[str, list[Item]] = field(default_factory=dict)
    check_runs: dict[str, list[Item]] = field(default_factory=dict)
    statuses: dict[str, list[Item]] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)  # secret address -> artifact
    requests: list[Item] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    lock: threading.RLock = field(default_factory=threading.RLock)
    last_id: int = 1000

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def add_token(self, repository: str, permissions: Permissions) -> str:
        token = "ghs_" + secrets.token_hex(18)
        self.tokens[token] = Token(repository, permissions)
        return token

    def repository(self, name: str) -> Item:
        """As it stands inside of other answers. The first is the base, all others are forks."""
        names = list(self.repositories)
        return {"id": 1 + names.index(name), "name": name.split("/")[1], "full_name": name,
                "owner": {"login": name.split("/")[0]}, "private": self.private,
                "fork": name != names[0], "default_branch": self.default_branch,
                "html_url": f"https://github.com/{name}"}

    def add_issue(self, repository: str, title: str, body: str | None = None,
                  labels: tuple[str, ...] = (), user: Item | None = None,
                  number: int | None = None) -> Item:
        """Issues and pull requests share their numbers."""
        issues = self.issues.setdefault(repository, [])
        number = number or 1 + max([issue["number"] for issue in issues], default=0)
        now = timestamp()
        issue = {"id": self.new_id(), "number": number, "title": title, "body": body,
                 "state": "open", "state_reason": None, "user": user or BOT, "comments": 0,
                 "labels": [{"name": label} for label in labels], "created_at": now,
                 "updated_at": now, "html_url": f"https://github.com/{repository}/issues/{number}"}
        issues.append(issue)
        return issue

    def add_pull(self, repository: str, head_ref: str, head_sha: str, base_ref: str = "main",
                 head_repository: str | None = None, title: str = "", body: str | None = None,
                 user: Item | None = None, number: int | None = None) -> Item:
        issue = self.add_issue(repository, title, body, (), user, number)
        head_repository = head_repository or repository
        url = f"https://github.com/{repository}/pull/{issue['number']}"
        issue["pull_request"], issue["html_url"] = {"html_url": url}, url
        base_sha = self.resolve(repository, f"refs/heads/{base_ref}") or ""
        pull = {key: issue[key] for key in ("number", "title", "body", "state", "user", "html_url",
                                            "created_at")} | {
            "id": self.new_id(), "draft": False, "merged": False,
            "head": self.side(head_repository, head_ref, head_sha),
            "base": self.side(repository, base_ref, base_sha)}
        self.pulls.setdefault(repository, []).append(pull)
        return pull

    def side(self, repository: str, ref: str, sha: str) -> Item:
        owner = repository.split("/")[0]
        return {"ref": ref, "sha": sha, "label": f"{owner}:{ref}", "user": {"login": owner},
                "repo": self.repository(repository)}

    def add_comment(self, repository: str, issue: Item, body: str,
                    user: Item | None = None) -> Item:
        now, comment_id = timestamp(), self.new_id()
        comment = {"id": comment_id, "body": body, "user": user or BOT, "created_at": now,
                   "updated_at": now, "issue_number": issue["number"],
                   "html_url": f"{issue['html_url']}#issuecomment-{comment_id}"}
        self.comments.setdefault(repository, []).append(comment)
        issue["comments"] += 1
        return comment

    def resolve(self, repository: str, revision: str) -> str | None:
        """The commit that a revision is in the repository's folder."""
        folder = self.repositories.get(repository)
        done = subprocess.run(["git", "-C", str(folder), "rev-parse", "--verify", "--quiet",
                               "--end-of-options", f"{revision}^{{commit}}"],
                              capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def dump(self) -> Item:
        """Everything but the tokens themselves, which nobody who asks needs to have."""
        with self.lock:
            tokens = [{"sha256": hashlib.sha256(token.encode()).hexdigest(),
                       "repository": about.repository, "permissions": about.permissions}
                      for token, about in self.tokens.items()]
            kept = ("issues", "comments", "pulls", "check_runs", "statuses", "requests")
            return {"tokens": tokens, **{name: getattr(self, name) for name in kept},
                    "faults_left": self.faults.left()}


def timestamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
