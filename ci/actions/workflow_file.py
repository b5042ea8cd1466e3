"""Reads a workflow or an action.yml, and refuses what this driver would get wrong in silence."""

from dataclasses import dataclass
from typing import Any

import yaml

WORKFLOW_KEYS = {
    "name", "description", "run-name", "on", "permissions", "env", "defaults", "concurrency",
    "jobs",
}
JOB_KEYS = {
    "name", "permissions", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env",
    "defaults", "steps", "timeout-minutes", "strategy", "continue-on-error",
}
STEP_KEYS = {
    "id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env",
    "continue-on-error", "timeout-minutes",
}


class WorkflowError(Exception):
    """A workflow that GitHub would refuse, or that this driver cannot run honestly."""


class GithubLoader(yaml.SafeLoader):
    """YAML 1.2 as GitHub reads it: `on` is a text, `12:30` is one too, no key comes twice."""


SCALARS = {
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "null": r"^(?:~|null|Null|NULL|)$",
    "int": r"^[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)$",
    "float": r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
}


def integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)


def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)) or str(key) in found:
            raise WorkflowError(f"line {key_node.start_mark.line + 1}: the key {key!r} comes twice "
                                "or is no text")
        found[str(key)] = loader.construct_object(value_node, deep=True)
    return found


def set_up_loader() -> None:
    import re
    GithubLoader.yaml_implicit_resolvers = {}
    for name, pattern in SCALARS.items():
        GithubLoader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(pattern), None)
    GithubLoader.add_constructor("tag:yaml.org,2002:int", integer)
    GithubLoader.add_constructor("tag:yaml.org,2002:map", mapping)


set_up_loader()


def load_yaml(text: str, name: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, GithubLoader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, WorkflowError) as error:
        raise WorkflowError(f"{name}: {error}") from error
    if not isinstance(data, dict):
        raise WorkflowError(f"{name} is not a mapping")
    return data


@dataclass
class Workflow:
    path: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.data.get("name") or self.path)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.data["jobs"]

    @property
    def on(self) -> dict[str, dict[str, Any]]:
        """Events with their filters, whichever of its three forms `on:` has."""
        on = self.data["on"]
        if isinstance(on, str):
            return {on: {}}
        if isinstance(on, list):
            return {event: {} for event in on}
        return {event: filters or {} for event, filters in on.items()}


def parse_workflow(text: str, path: str) -> Workflow:
    data = load_yaml(text, path)
    check_keys(data, WORKFLOW_KEYS, path)
    for key in ("on", "jobs"):
        if not data.get(key):
            raise WorkflowError(f"{path}: no {key}:")
    for job_id, job in data["jobs"].items():
        check_job(job, f"{path}: jobs.{job_id}")
    return Workflow(path, data)


def check_job(job: Any, place: str) -> None:
    if not isinstance(job, dict):
        raise WorkflowError(f"{place} is not a mapping")
    check_keys(job, JOB_KEYS, place)
    for key in ("runs-on", "steps"):
        if not job.get(key):
            raise WorkflowError(f"{place}: no {key}:")
    check_steps(job["steps"], place)


def check_steps(steps: list[dict[str, Any]], place: str) -> None:
    ids = set()
    for number, step in enumerate(steps, 1):
        where = f"{place}: step {number}"
        check_keys(step, STEP_KEYS, where)
        if ("run" in step) == ("uses" in step):
            raise WorkflowError(f"{where} needs one of run: and uses:")
        if (step_id := step.get("id")) is not None:
            if step_id in ids:
                raise WorkflowError(f"{where}: the id {step_id} comes twice")
            ids.add(step_id)


def check_keys(data: dict[str, Any], known: set[str], place: str) -> None:
    if unknown := sorted(set(data) - known):
        raise WorkflowError(f"{place}: not emulated, or no key of GitHub: {', '.join(unknown)}")
