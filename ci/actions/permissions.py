"""What a job's GITHUB_TOKEN may do: `permissions:` of the job, else of the workflow, else default.

A workflow of `pull_request` from a fork gets at most `read`, whatever it asks for.
"""

from typing import Any

from workflow_file import WorkflowError

SCOPES = (
    "actions", "artifact-metadata", "attestations", "checks", "code-quality", "contents",
    "copilot-requests", "deployments", "discussions", "drives", "id-token", "issues", "models",
    "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
    "vulnerability-alerts",
)
LEVELS = ("none", "read", "write")
# Some have no middle, and some no top.
NO_READ, NO_WRITE = ("id-token", "copilot-requests"), ("models", "vulnerability-alerts")
# What a repository made since 2023 gives where a workflow says nothing.
DEFAULT = {"contents": "read", "packages": "read"}

Permissions = dict[str, str]


def effective(workflow: dict[str, Any], job: dict[str, Any], fork: bool) -> Permissions:
    asked: Any = DEFAULT
    for data in (workflow, job):
        if "permissions" in data:
            asked = data["permissions"]
    granted = {**nothing(), **spelled_out(asked), "metadata": "read"}
    return capped(granted) if fork else granted


def nothing() -> Permissions:
    return {scope: "none" for scope in SCOPES}


def spelled_out(asked: Any) -> Permissions:
    if asked in ("read-all", "write-all"):
        level = asked.removesuffix("-all")
        return {scope: highest(scope, level) for scope in SCOPES}
    if asked is None:
        raise WorkflowError("permissions: has no value; for none at all write {}")
    if not isinstance(asked, dict):
        raise WorkflowError(f"permissions: {asked!r} is neither a mapping nor read-all, write-all")
    for scope, level in asked.items():
        if scope not in SCOPES or level not in LEVELS or highest(scope, level) != level:
            raise WorkflowError(f"permissions: {scope}: {level} is unknown")
    return dict(asked)


def highest(scope: str, level: str) -> str:
    """What a scope can give of a level."""
    if level == "read" and scope in NO_READ:
        return "none"
    return "read" if level == "write" and scope in NO_WRITE else level


def capped(granted: Permissions) -> Permissions:
    return {scope: highest(scope, "read") if level == "write" else level
            for scope, level in granted.items()}


def allows(granted: Permissions, scope: str, level: str) -> bool:
    return LEVELS.index(granted.get(scope, "none")) >= LEVELS.index(level)
