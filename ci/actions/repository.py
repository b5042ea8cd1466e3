"""Asks the git repository that plays GitHub's. It changes nothing there."""

import subprocess
from pathlib import Path
from typing import Any

from workflow_file import WorkflowError


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True,
                          errors="replace", check=False)
    if done.returncode != 0:
        raise WorkflowError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return done.stdout


def commit_of(folder: Path, revision: str) -> str:
    return git(folder, "rev-parse", "--verify", f"{revision}^{{commit}}").strip()


def ref_of(event: str, payload: dict[str, Any], default_branch: str) -> str:
    """GITHUB_REF as documented for each event ("Events that trigger workflows")."""
    match event:
        case "pull_request":
            return f"refs/pull/{payload['number']}/merge"
        case "push":
            return payload["ref"]
        case "merge_group":
            return payload["merge_group"]["head_ref"]
        case "workflow_dispatch":
            return payload.get("ref") or f"refs/heads/{default_branch}"
    return f"refs/heads/{default_branch}"


def is_fork(event: str, payload: dict[str, Any]) -> bool:
    """Whether GitHub takes away secrets and rights: `pull_request` whose head is elsewhere."""
    if not event.startswith("pull_request") or event == "pull_request_target":
        return False
    head, base = payload["pull_request"]["head"], payload["pull_request"]["base"]
    # The repository of a head may be deleted, and is null then.
    return (head["repo"] or {}).get("full_name") != base["repo"]["full_name"]
