"""Whether an event starts a workflow, by the filters of its `on:`."""

import re
from typing import Any

from workflow_file import Workflow

DEFAULT_TYPES = {
    "pull_request": ["opened", "synchronize", "reopened"],
    "pull_request_target": ["opened", "synchronize", "reopened"],
}


def why_not(workflow: Workflow, event: str, payload: dict[str, Any]) -> str | None:
    """What keeps the event from starting the workflow, or None where it starts."""
    if event not in workflow.on:
        return f"on: has no {event}"
    filters = workflow.on[event]
    if event == "schedule":
        return None  # its filters are times, and the driver plays the clock
    types = as_list(filters.get("types")) or DEFAULT_TYPES.get(event, [])
    if types and payload.get("action") not in types:
        return f"the action {payload.get('action')} is not one of the types {', '.join(types)}"
    if event == "workflow_run":
        name = payload["workflow_run"]["name"]
        if name not in as_list(filters.get("workflows")):
            return f"the workflow {name!r} is not one of those listed"
    return why_not_branch(filters, branch_of(event, payload))


def unemulated(workflow: Workflow, event: str) -> list[str]:
    """Filters that are there and were not looked at."""
    filters = workflow.on.get(event) or {}
    names = ("paths", "paths-ignore", "tags", "tags-ignore")
    return [f"on.{event}.{name}: not emulated, taken as fulfilled" for name in names
            if isinstance(filters, dict) and name in filters]


def as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def branch_of(event: str, payload: dict[str, Any]) -> str | None:
    match event:
        case "push":
            ref = payload["ref"]
            return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
        case "pull_request" | "pull_request_target":
            return payload["pull_request"]["base"]["ref"]
        case "workflow_run":
            return payload["workflow_run"]["head_branch"]
        case "merge_group":
            return payload["merge_group"]["base_ref"].removeprefix("refs/heads/")
    return None


def why_not_branch(filters: dict[str, Any], branch: str | None) -> str | None:
    wanted, unwanted = as_list(filters.get("branches")), as_list(filters.get("branches-ignore"))
    if not wanted and not unwanted:
        return None
    if branch is None:
        return "branches: the event has none"
    if wanted and not selected(wanted, branch):
        return f"branches: {branch} is not among {', '.join(wanted)}"
    if unwanted and selected(unwanted, branch):
        return f"branches-ignore: {branch} is among {', '.join(unwanted)}"
    return None


def selected(patterns: list[str], branch: str) -> bool:
    found = False
    for pattern in patterns:
        if pattern_of(pattern.removeprefix("!")).fullmatch(branch):
            found = not pattern.startswith("!")
    return found


def pattern_of(pattern: str) -> re.Pattern[str]:
    """GitHub's filter patterns: `*` stays within a slash, `**` does not, `?` and `+` repeat."""
    out = ""
    for part in re.findall(r"\*\*|\[[^\]]+\]|.", pattern):
        out += {"**": ".*", "*": "[^/]*", "?": "?", "+": "+"}.get(
            part, part if part.startswith("[") else re.escape(part))
    return re.compile(out)
