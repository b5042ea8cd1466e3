"""Payloads of events as GitHub sends them, cut to what workflows use, and a pull request's refs.

For tests and for runs by hand; whoever has a recorded payload gives that instead.
"""

import subprocess
from pathlib import Path
from typing import Any

from model import Config, Result

Payload = dict[str, Any]
# So that the ids of a base and of its fork differ, and stay the same from event to event.
BASE_ID, FORK_ID = 1, 2


def repository(full_name: str, repository_id: int = BASE_ID,
               default_branch: str = "main") -> Payload:
    owner, name = full_name.split("/")
    return {"id": repository_id, "name": name, "full_name": full_name, "private": False,
            "owner": {"login": owner}, "fork": repository_id != BASE_ID,
            "default_branch": default_branch}


def pull_request(base: str, number: int, head_sha: str, head_ref: str, base_sha: str,
                 fork: str | None = None, base_ref: str = "main", action: str = "opened",
                 title: str = "a change", body: str = "", user: str = "somebody") -> Payload:
    """`fork` is the full name of the head's repository where it is another one."""
    head = repository(fork, FORK_ID) if fork else repository(base)
    pull = {"number": number, "title": title, "body": body, "state": "open", "draft": False,
            "user": {"login": user}, "merge_commit_sha": None, "labels": [],
            "head": {"ref": head_ref, "sha": head_sha, "repo": head, "user": head["owner"],
                     "label": f"{head['owner']['login']}:{head_ref}"},
            "base": {"ref": base_ref, "sha": base_sha, "repo": repository(base)}}
    return {"action": action, "number": number, "pull_request": pull,
            "repository": repository(base), "sender": {"login": user}}


def push(full_name: str, ref: str, before: str, after: str) -> Payload:
    return {"ref": ref, "before": before, "after": after, "repository": repository(full_name)}


def merge_group(full_name: str, head_ref: str, head_sha: str, base_sha: str,
                base_ref: str = "refs/heads/main") -> Payload:
    """`head_ref` is a branch gh-readonly-queue/main/pr-N-SHA of the repository."""
    return {"action": "checks_requested", "repository": repository(full_name),
            "merge_group": {"head_ref": head_ref, "head_sha": head_sha, "base_ref": base_ref,
                            "base_sha": base_sha}}


def dispatch(full_name: str, inputs: dict[str, Any], ref: str = "refs/heads/main") -> Payload:
    return {"ref": ref, "inputs": inputs, "repository": repository(full_name)}


def schedule(full_name: str, cron: str) -> Payload:
    return {"schedule": cron, "repository": repository(full_name)}


def workflow_run(result: Result, config: Config, action: str = "completed") -> Payload:
    """What follows a run that ended."""
    return {"action": action, "workflow_run": run_object(result, config),
            "workflow": {"name": result.workflow, "path": result.path},
            "repository": repository(config.repository)}


def run_object(result: Result, config: Config) -> Payload:
    """A run as the API shows it. `pull_requests` is empty for a fork: that is GitHub's own."""
    pull = config.payload.get("pull_request") or {}
    head = pull.get("head") or {"ref": result.ref.removeprefix("refs/heads/"), "sha": result.sha,
                                "repo": repository(config.repository)}
    own = bool(pull) and head["repo"]["full_name"] == config.repository
    return {"id": result.run_id, "name": result.workflow, "path": result.path,
            "event": result.event, "head_branch": head["ref"], "head_sha": head["sha"],
            "head_repository": head["repo"], "head_commit": {"id": head["sha"]},
            "repository": repository(config.repository), "run_number": config.run_number,
            "status": "completed" if result.jobs else "in_progress", "run_attempt": 1,
            "conclusion": result.conclusion if result.jobs else None,
            "actor": {"login": config.actor},
            "html_url": f"https://github.com/{config.repository}/actions/runs/{result.run_id}",
            "pull_requests": [{"number": pull["number"], "head": {"ref": head["ref"],
                               "sha": head["sha"]}, "base": {"ref": pull["base"]["ref"]}}]
            if own else []}


def open_pull_refs(folder: Path, number: int, head: str, base: str = "main",
                   fork: Path | None = None) -> str:
    """Makes refs/pull/N/head and /merge in the base, as GitHub does; gives the merge commit.

    The only thing in this folder that writes to the repository that plays GitHub's.
    """
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], check=True, text=True,
                              capture_output=True).stdout.strip()

    if fork:
        git("fetch", "--quiet", str(fork), f"+{head}:refs/pull/{number}/head")
    else:
        git("update-ref", f"refs/pull/{number}/head", head)
    base_sha = git("rev-parse", f"refs/heads/{base}")
    head_sha = git("rev-parse", f"refs/pull/{number}/head")
    tree = git("merge-tree", "--write-tree", base_sha, head_sha).splitlines()[0]
    merge = git("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com", "commit-tree",
                tree, "-p", base_sha, "-p", head_sha, "-m", f"Merge {head_sha} into {base_sha}")
    git("update-ref", f"refs/pull/{number}/merge", merge)
    return merge
